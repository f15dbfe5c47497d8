"""What a page is made of: sections of notes, tables, figures and folds; all the template knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = [
    "Block",
    "Cell",
    "Column",
    "Commands",
    "Fact",
    "Figure",
    "Figures",
    "Fold",
    "Grid",
    "Note",
    "Section",
]


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell: its text, a smaller second line, a class for colour, and the number it is sorted by.

    ``bar`` in [0, 1] draws a bar behind the text.
    """

    text: str
    sub: str = ""
    kind: str = ""
    sort: float | None = None
    bar: float | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column's head, and whether it holds text (left) or numbers (right)."""

    name: str
    is_text: bool = False
    title: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """A table; the first column heads its rows."""

    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    sortable: bool = False

    @property
    def type(self) -> str:
        return "grid"


@dataclass(frozen=True, slots=True)
class Figure:
    """One picture (SVG, escaped already) with its title and a line below."""

    title: str
    svg: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """Pictures side by side; ``legend`` maps a colour class to its name."""

    figures: Sequence[Figure]
    legend: Sequence[tuple[str, str]] = ()

    @property
    def type(self) -> str:
        return "figures"


@dataclass(frozen=True, slots=True)
class Note:
    """A paragraph."""

    text: str
    kind: str = ""

    @property
    def type(self) -> str:
        return "note"


@dataclass(frozen=True, slots=True)
class Commands:
    """Shell commands, one a line."""

    lines: Sequence[str]

    @property
    def type(self) -> str:
        return "commands"


@dataclass(frozen=True, slots=True)
class Fold:
    """A part that the reader opens."""

    summary: str
    blocks: Sequence[Block]
    is_open: bool = False

    @property
    def type(self) -> str:
        return "fold"


Block = Grid | Figures | Note | Commands | Fold


@dataclass(frozen=True, slots=True)
class Fact:
    """One large number at the top of the page."""

    value: str
    label: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Section:
    """A headed part of the page with its place in the contents."""

    id: str
    title: str
    blocks: Sequence[Block] = field(default_factory=tuple)
    menu: str = ""
