"""Which of a teacher's layers start a student's; needs no torch.

Sanh et al. 2019, "DistilBERT" (arXiv:1910.01108, section 3: one layer of two); Sajjad et al. 2023,
"On the effect of dropping layers of pre-trained transformer models" (arXiv:2004.03844, section 3).
"""

from __future__ import annotations

from kd2edge.errors import UsageError

__all__ = ["CHOICES", "chosen_layers"]

#: What may stand for a list of layers.
CHOICES = ("first", "last", "strided")


def chosen_layers(how: str, ours: int, theirs: int) -> list[int]:
    """Which of a teacher's layers start a student's, in their order.

    ``first``: 0 to ``ours - 1`` (Sajjad et al. drop the top); ``last``: the last ``ours`` (they
    drop the bottom); ``strided``: layer i of the student from ``i * (theirs - 1) / (ours - 1)``,
    rounded, halves up: even steps of which the first layer and the last are kept.  Of 12 layers 6
    are 0, 2, 4, 7, 9, 11, those that DistilBERT was started from.  One layer is the first for
    ``first`` and ``strided``, the last for ``last``.

    Args:
        how: the word.
        ours: layers of the student.
        theirs: layers of the teacher.

    Raises:
        UsageError: another word, or a student that has more layers.
    """
    if how not in CHOICES:
        raise UsageError(f"init layers: expected a list or one of {CHOICES}, found {how!r}")
    if ours > theirs:
        raise UsageError(
            f"init layers {how}: the student has {ours} layers, more than the {theirs} of its"
            " teacher; list those that the first of them start from"
        )
    if how == "first":
        return list(range(ours))
    if how == "last":
        return list(range(theirs - ours, theirs))
    steps = max(ours - 1, 1)
    return [(2 * at * (theirs - 1) + steps) // (2 * steps) for at in range(ours)]
