"""How well a tokenizer fits texts: pieces that stand for nothing known, or for a single letter."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["PieceCounts"]


@dataclass(frozen=True, slots=True)
class PieceCounts:
    """Pieces of some rows, control tokens left out.

    Args:
        pieces: all of them, as far as the length limit lets them in.
        unknown: those that stand for what has no piece.
        single: those that are one letter, or a part of one, of a word with several.
    """

    pieces: int = 0
    unknown: int = 0
    single: int = 0

    def __add__(self, other: PieceCounts) -> PieceCounts:
        return PieceCounts(
            self.pieces + other.pieces, self.unknown + other.unknown, self.single + other.single
        )


def counted(
    pieces: Iterable[tuple[int, int | None, str]], lengths: list[int], unknown: int | None
) -> PieceCounts:
    """The counts of one row.

    Args:
        pieces: id, word and text of each; control tokens have no word.
        lengths: letters of each word.
        unknown: the id that stands for what has no piece.
    """
    own = [(at, len(text.strip()), lengths[word]) for at, word, text in pieces if word is not None]
    return PieceCounts(
        len(own),
        sum(at == unknown for at, _, _ in own),
        sum(at != unknown and letters <= 1 < whole for at, letters, whole in own),
    )
