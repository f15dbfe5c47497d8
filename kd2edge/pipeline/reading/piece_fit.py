"""Whether tokenizers fit the texts that they are given, as ``check`` states it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kd2edge.errors import DataError
from kd2edge.inputs.kinds import input_kind
from kd2edge.inputs.piece_counts import PieceCounts
from kd2edge.pipeline.reading.model_inputs import ModelInputs, teacher_inputs
from kd2edge.pipeline.reading.prepare import Prepared
from kd2edge.recipe import Recipe

__all__ = ["PieceFit", "fit_lines", "piece_fits", "require_pieces"]

#: Training rows that are looked at.
_SAMPLE = 2000
#: Shares from which on a tokenizer is said not to fit; English under its own stays far below.
UNKNOWN, SINGLE = 0.05, 0.5


@dataclass(frozen=True, slots=True)
class PieceFit:
    """How an input's training rows fall into pieces.

    Args:
        rows: that were looked at.
        sample: whether there are more of them.
        pieces: without control tokens, as far as the length limit lets them in.
        unknown: share that stands for what has no piece.
        single: share that is one letter, or a part of one, of a longer word.
        fits: neither share is above its limit.
    """

    rows: int
    sample: bool
    pieces: int
    unknown: float
    single: float
    fits: bool


def piece_fits(data: Prepared, recipe: Recipe, student: ModelInputs) -> dict[str, PieceFit]:
    """Input -> its fit; "NAME of TEACHER" for what a teacher reads by a tokenizer of its own."""
    found = _fits(data, student, "")
    for teacher in recipe.teachers:
        if teacher.inputs is None and teacher.checkpoint is None:
            continue
        inputs = teacher_inputs(recipe, teacher.name, data.learned)
        if teacher.inputs or inputs.tokenizers != student.tokenizers:
            found |= _fits(data, inputs, f" of {teacher.name}")
    return found


def require_pieces(data: Prepared, inputs: ModelInputs) -> None:
    """Refuse rows of which a model would see nothing at all, before anything is trained on them.

    Raises:
        DataError: no training row gives a piece in any input.
    """
    rows = data.rows["train"]
    if not all(_is_bare(data, inputs, name) for name in inputs.specs):
        return
    raise DataError(
        f"input {', '.join(inputs.specs)}: none of the {len(rows):,} training rows gives a piece"
        f" (first: {rows.place(0)}): they are empty, or its tokenizer has none for what they hold:"
        " name another, or let one be learned from the rows, tokenizer: {train: unigram}"
    )


def _is_bare(data: Prepared, inputs: ModelInputs, name: str) -> bool:
    """Whether an input is cut into pieces, and no row of training gives one; soon known."""
    rows, spec, encoder = data.rows["train"], inputs.specs[name], inputs.encoders[name]
    kind = input_kind(spec.kind)
    for at in range(len(rows)):
        value = kind.value(spec, rows[at], rows.root_of(at))
        counts = encoder.piece_counts([value])
        if counts is None or counts.pieces:
            return False
    return True


def fit_lines(fits: Mapping[str, PieceFit]) -> Iterator[str]:
    """For a terminal."""
    for name, fit in fits.items():
        where = f"{fit.rows:,} training rows" + (", a sample" if fit.sample else "")
        yield (
            f"input      {name}: of {fit.pieces:,} pieces {fit.unknown:.1%} are unknown,"
            f" {fit.single:.1%} single letters of longer words ({where})"
        )
        if not fit.fits:
            yield (
                f"           its tokenizer does not fit them (unknown above {UNKNOWN:.0%}, or"
                f" single letters above {SINGLE:.0%}): name another, or let one be learned from the"
                " rows, tokenizer: {train: unigram}"
            )


def _fits(data: Prepared, inputs: ModelInputs, whose: str) -> dict[str, PieceFit]:
    rows = data.rows["train"]
    positions = range(0, len(rows), -(-len(rows) // _SAMPLE) or 1)
    found: dict[str, PieceFit] = {}
    for name, spec in inputs.specs.items():
        kind, encoder, whole = input_kind(spec.kind), inputs.encoders[name], PieceCounts()
        for at in positions:
            counts = encoder.piece_counts([kind.value(spec, rows[at], rows.root_of(at))])
            if counts is None:
                break
            whole += counts
        else:
            unknown = whole.unknown / max(whole.pieces, 1)
            single = whole.single / max(whole.pieces, 1)
            fits = unknown <= UNKNOWN and single <= SINGLE
            sample = len(positions) < len(rows)
            fit = PieceFit(len(positions), sample, whole.pieces, unknown, single, fits)
            found[name + whose] = fit
    return found
