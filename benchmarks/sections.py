"""Sections and tables of ``docs/results.md``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

MISSING = "not measured yet"

Result = Mapping[str, Any]
Row = Sequence[str]
#: Results by name.
Tables = dict[str, Result]


def written(title: str, text: str, body: str, sources: Sequence[Result | None]) -> str:
    """A section: what is asked for, what was found, how and where."""
    origins = list(dict.fromkeys(origin(one) for one in sources if one is not None))
    return "\n\n".join([f"## {title}", text, body, *origins]) + "\n"


def content(result: Result | None) -> Mapping[str, Any]:
    """What a benchmark found; empty where it was not run."""
    return result["measured"] if result else {}


def origin(result: Result) -> str:
    machine = result["machine"]
    versions = ", ".join(f"{name} {found}" for name, found in result["versions"].items())
    return (
        f"`{result['command']}` on {machine['cpu']}, {machine['cores']} cores, {machine['os']},"
        f" Python {machine['python']}; {versions}; commit {result['commit']}."
        f"{_trained_before(result)}"
    )


def table(header: Row, rows: Sequence[Row]) -> str:
    """Markdown; a table without rows says that nothing was measured."""
    lines = [header, ["---"] * len(header), *(rows or [(MISSING, *[""] * (len(header) - 1))])]
    return "\n".join(f"| {' | '.join(cells(line))} |" for line in lines)


def cells(line: Row) -> Iterator[str]:
    return (cell.replace("|", "\\|") for cell in line)


def wanted(command: str) -> str:
    """Below a table without rows: what measures them."""
    return f"\n\nTo be measured by `python benchmarks/{command}`."


def points(share: float) -> str:
    return f"{100 * share:.2f}"


def mark(met: bool) -> str:
    return "yes" if met else "**no**"


def _trained_before(result: Result) -> str:
    """What must be said where other code trained the nets than the one that measured them."""
    unchanged = result["measured"].get("code_unchanged_since", True)
    return "" if unchanged else "  The nets were trained by an earlier commit than this."
