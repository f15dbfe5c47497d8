"""Tables in Markdown that are readable as they stand: what verdicts and timings are printed as."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from kd2edge.wording import shown


def aligned(
    heads: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Collection[int],
    *,
    gap: str = " ",
) -> list[str]:
    """The lines of a table.

    Args:
        heads: of the columns.
        rows: cells as texts.
        right: the columns that stand to the right.
        gap: what stands on both sides of a cell.
    """
    cells = [[shown(cell).replace("|", "\\|") for cell in row] for row in (heads, *rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(heads))]
    marks = ["-" * (w - 1) + ":" if at in right else "-" * w for at, w in enumerate(widths)]
    texts = [
        [
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        for row in (cells[0], marks, *cells[1:])
    ]
    return [f"|{gap}{f'{gap}|{gap}'.join(text)}{gap}|" for text in texts]
