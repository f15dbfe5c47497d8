"""Markdown files and the blocks in them."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from kd2edge.rows.kinds import open_rows

ROOT = Path(__file__).parent.parent.parent
_FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>[a-z]*)\n(?P<body>.*?)^(?P=indent)```",
    re.MULTILINE | re.DOTALL,
)
#: Documents that stand outside docs/.
_NAMED = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "recipes/README.md", "models/README.md")


@dataclass(frozen=True)
class Block:
    """A fenced block; ``note`` is the comment in the line above it, if any."""

    file: str
    line: int
    language: str
    text: str
    note: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def documents() -> list[Path]:
    """Every Markdown file of the project."""
    return [*(ROOT / name for name in _NAMED), *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(*languages: str) -> list[Block]:
    """The blocks of some languages, of every document."""
    return [block for path in documents() for block in _blocks(path) if block.language in languages]


def commands(block: Block) -> list[list[str]]:
    """The commands of a block: its lines, or those behind a prompt where output is shown too."""
    lines = block.text.splitlines()
    if block.language == "console":
        lines = [line[2:] for line in lines if line.startswith("$ ")]
    found = [shlex.split(line, comments=True) for line in lines]
    return [words for words in found if words]


def write_pictures(path: Path) -> None:
    """The ``rows.jsonl`` that documents speak of: two canvases of the quick start, unlabelled."""
    rows = open_rows("builtin", {"builder": "multimnist", "split": "test"})
    lines = [json.dumps({"image": rows[at]["image"].tolist()}) for at in range(2)]
    path.write_text("\n".join(lines), encoding="utf-8")


def _blocks(path: Path) -> list[Block]:
    text = path.read_text(encoding="utf-8")
    found = []
    for match in _FENCE.finditer(text):
        indent = match["indent"]
        body = "\n".join(line.removeprefix(indent) for line in match["body"].splitlines())
        above = text[: match.start()].rstrip("\n").rpartition("\n")[2].strip()
        note = above if above.startswith("<!--") else ""
        line = text.count("\n", 0, match.start()) + 1
        name = path.relative_to(ROOT).as_posix()
        found.append(Block(name, line, match["language"], body + "\n", note))
    return found
