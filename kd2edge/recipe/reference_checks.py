"""What a cheap reference can read and answer."""

from __future__ import annotations

from collections.abc import Iterator

from kd2edge.recipe.places import Fault
from kd2edge.recipe.schema import Recipe, TokenClassification
from kd2edge.recipe.schema.inputs import TabularInput, WordsPart
from kd2edge.recipe.schema.reference import BoostedTrees

__all__ = ["read_by_reference", "reference_fits", "told_by_reference"]


def read_by_reference(recipe: Recipe) -> list[str]:
    """The inputs that the recipe's reference could read."""
    wanted = TabularInput if isinstance(recipe.reference, BoostedTrees) else WordsPart
    return [name for name, one in recipe.inputs.items() if isinstance(one, wanted)]


def told_by_reference(recipe: Recipe) -> list[str]:
    """The tasks that it answers: those of whole rows."""
    return [name for name, one in recipe.tasks.items() if not isinstance(one, TokenClassification)]


def reference_fits(recipe: Recipe) -> Iterator[Fault]:
    """A reference reads one input of a kind, and answers rows."""
    reference = recipe.reference
    if reference is None:
        return
    kinds = "tabular" if isinstance(reference, BoostedTrees) else "text or tokens"
    known = read_by_reference(recipe)
    if reference.input is not None and reference.input not in known:
        some = f"; there are {', '.join(known)}" if known else ""
        message = f"expected an input of kind {kinds}, found {reference.input!r}{some}"
        yield ("reference", "input"), message
    elif reference.input is None and len(known) != 1:
        found = ", ".join(known) if known else "none"
        yield ("reference",), f"it reads one input of kind {kinds}, found {found}: name its input"
    if not told_by_reference(recipe):
        message = "every task has a label a word, it answers whole rows: drop it"
        yield ("reference",), message
