"""Plants faults."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from commands import Result, kd2edge


@dataclass(frozen=True, slots=True)
class Project:
    """A text recipe with its rows, before anything was run."""

    recipe: Path

    @property
    def folder(self) -> Path:
        return self.recipe.parent

    def edit(self, old: str, new: str) -> None:
        """Replace a piece of the recipe that stands in it once."""
        text = self.recipe.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times"
        self.recipe.write_text(text.replace(old, new), encoding="utf-8")

    def place(self, piece: str) -> str:
        """``FILE:LINE:COLUMN`` of a piece of the recipe that stands in it once."""
        text = self.recipe.read_text(encoding="utf-8")
        assert text.count(piece) == 1, f"{piece!r} stands {text.count(piece)} times"
        before = text[: text.index(piece)]
        line = before.count("\n") + 1
        return f"{self.recipe}:{line}:{len(before) - before.rfind(chr(10))}"

    def lines(self, split: str) -> list[str]:
        """The lines of a split's file."""
        path = self.folder / f"{split}.jsonl"
        return path.read_text(encoding="utf-8").splitlines()

    def write(self, split: str, lines: Iterable[str]) -> None:
        """Write the lines of a split's file."""
        text = "".join(f"{line}\n" for line in lines)
        (self.folder / f"{split}.jsonl").write_text(text, encoding="utf-8")

    def change(self, split: str, line: int, **values: Any) -> None:
        """Change columns of the row in a line (from 1); ``...`` takes a column away."""
        lines = self.lines(split)
        row = {**json.loads(lines[line - 1]), **values}
        kept = {name: value for name, value in row.items() if value is not ...}
        lines[line - 1] = json.dumps(kept)
        self.write(split, lines)

    def refused(self, *, code: int = 2, verbs: Iterable[str] = ("check", "distill")) -> str:
        """Stderr of verbs that refuse the recipe, all with the same words; nothing was written."""
        said: set[str] = set()
        for verb in verbs:
            more = ["--run-dir", self.folder / "run"] if verb == "distill" else []
            result = kd2edge(verb, self.recipe, *more)
            assert_clean_failure(result, code)
            said.add(result.err)
        assert not (self.folder / "run").exists()
        assert len(said) == 1
        return said.pop()


def assert_clean_failure(result: Result, code: int) -> None:
    """An exit code, a message, and nothing that looks like a crash."""
    assert result.code == code, f"{result.code}: {result.out} {result.err}"
    assert result.out == ""
    assert "error: " in result.err
    assert "Traceback" not in result.err
    assert "unexpected" not in result.err


def flip_byte(path: Path, at: float = 0.5) -> None:
    """Change one bit of a file, at a share of its length."""
    content = bytearray(path.read_bytes())
    content[min(int(len(content) * at), len(content) - 1)] ^= 0x10
    path.write_bytes(content)
