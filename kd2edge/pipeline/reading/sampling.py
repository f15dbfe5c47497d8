"""Which source each training row is of, and whether there is something to draw from."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from kd2edge.data.draw import rarest
from kd2edge.pipeline.reading.phases import hidden_rows, is_taught, named_sources, phases_of
from kd2edge.recipe import Recipe
from kd2edge.rows.check import SplitCheck
from kd2edge.rows.join import JoinedRows
from kd2edge.tasks.spec import TaskName

__all__ = ["nothing_to_draw", "source_of_rows"]


#: What is drawn, in messages.
_ROWS = {
    "sources": "training rows",
    "tasks": "labelled training rows (each counts for the rarest task that it has a label of)",
}


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


def nothing_to_draw(recipe: Recipe, rows: JoinedRows, check: SplitCheck) -> dict[str, str]:
    """Phases whose rows are all of one source or task, where these are drawn from: place -> why.

    Args:
        recipe: what says so.
        rows: the training rows.
        check: of them.
    """
    found: dict[str, str] = {}
    names = [TaskName(task) for task in recipe.tasks]
    labelled = check.any_labelled(names)  # [row]
    for phase in phases_of(recipe):
        sampling = phase.recipe.train.sampling
        if sampling is None:
            continue
        shown = np.ones(len(rows), np.bool_) if is_taught(phase.recipe) else labelled.copy()
        hidden = hidden_rows(phase, rows, labelled)
        if hidden is not None:
            shown[hidden] = False
        if sampling.over == "sources":
            groups = source_of_rows(recipe, rows)[shown]
        else:
            groups = rarest(np.stack([check.labelled[task][shown] for task in names]))
        if len(np.unique(groups[groups >= 0])) < 2:
            # Left out of a phase it is as in the whole recipe; left out there it is so of all.
            way = "say `train: {sampling: null}` in it" if phase.name else "leave it out"
            found[f"{phase.place}train.sampling"] = (
                f"sampling weighs {sampling.over} against each other, and the"
                f" {_ROWS[sampling.over]}{f' of phase {phase.name}' if phase.name else ''} are of"
                f" one: {way}"
            )
    return found
