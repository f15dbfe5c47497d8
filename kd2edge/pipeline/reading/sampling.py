"""Which source each training row is of, where the rows of an epoch are drawn from sources."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kd2edge.pipeline.reading.phases import hidden_rows, is_taught, named_sources, phases_of
from kd2edge.recipe import Recipe
from kd2edge.rows.join import JoinedRows

__all__ = ["lacking_sources", "source_of_rows"]


def source_of_rows(recipe: Recipe, rows: JoinedRows) -> npt.NDArray[np.int64]:
    """Index of the recipe's source that each row is of ``[row]``; several files of one are one.

    Args:
        recipe: the recipe.
        rows: the training rows.
    """
    sources = (*recipe.data.sources, *recipe.data.unlabelled)
    index = {source.name: at for at, source in enumerate(sources)}
    own = [index[name] for name in named_sources(rows)]
    return np.repeat(np.array(own, np.int64), [len(one.rows) for one in rows.sources])


def lacking_sources(
    recipe: Recipe, rows: JoinedRows, labelled: npt.NDArray[np.bool_]
) -> dict[str, str]:
    """Phases whose rows are all of one source, of which there is nothing to draw: place -> why.

    Args:
        recipe: what says so.
        rows: the training rows.
        labelled: ``[row]`` whether it has a label of any task.
    """
    found: dict[str, str] = {}
    for phase in phases_of(recipe):
        if phase.recipe.train.sampling is None:
            continue
        shown = np.ones(len(rows), np.bool_) if is_taught(phase.recipe) else labelled.copy()
        hidden = hidden_rows(phase, rows, labelled)
        if hidden is not None:
            shown[hidden] = False
        if len(np.unique(source_of_rows(recipe, rows)[shown])) < 2:
            # Left out of a phase it is as in the whole recipe; left out there it is so of all.
            way = "say `train: {sampling: null}` in it" if phase.name else "leave it out"
            found[f"{phase.place}train.sampling"] = (
                "sampling weighs sources against each other, and the training rows"
                f"{f' of phase {phase.name}' if phase.name else ''} are of one: {way}"
            )
    return found
