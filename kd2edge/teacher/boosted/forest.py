"""The trees of one task, and the logits that a net with the same opinion would give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final, get_args

import numpy as np
import numpy.typing as npt

from kd2edge.errors import IntegrityError
from kd2edge.teacher.boosted.columns import Columns
from kd2edge.teacher.boosted.trees import MOST, Trees, trees_of
from kd2edge.teacher.estimators import Form, among_all

Array = npt.NDArray[Any]

_FORMS = get_args(Form)
_OWN = ("form", "channels", "classes", "rows", "codes")


@final
@dataclass(frozen=True, slots=True)
class Forest:
    """Trees of one task.

    Args:
        form: how they answer.
        columns: what they are asked about.
        trees: two classes of a distribution share one channel, the log-odds of the second.
        channels: how many logits the task has.
        classes: ``[class]`` int64, of a distribution, the classes that training showed; else none.
        rows: training rows that had a label.
    """

    form: Form
    columns: Columns
    trees: Trees
    channels: int
    classes: Array
    rows: int

    def logits(self, arrays: Mapping[str, Array]) -> Array:
        """``[row, channel]`` float32, of a distribution the logarithms of its chances.

        A class that training never showed has the chance of half a row of the training rows.

        Args:
            arrays: of the table, ``[row, column]`` each.
        """
        rows = self.columns.rows(arrays)
        scores = self.trees.scores(rows)
        if self.form != "distribution":
            return scores.astype(np.float32)
        if len(self.classes) == 2:
            scores = np.concatenate([np.zeros_like(scores), scores], axis=1)
        most = scores.max(axis=1, keepdims=True)
        total = np.log(np.exp(scores - most).sum(axis=1, keepdims=True)) + most
        return among_all(scores - total, self.classes, self.channels, self.rows)

    def arrays(self, prefix: str) -> dict[str, Array]:
        """What :func:`forest_of` makes it from again."""
        own = {
            "form": np.array(_FORMS.index(self.form)),
            "channels": np.array(self.channels),
            "classes": self.classes,
            "rows": np.array(self.rows),
            "codes": self.columns.codes,
        }
        return {f"{prefix}{name}": one for name, one in (own | self.trees.arrays()).items()}


def forest_of(arrays: Mapping[str, Array], prefix: str, columns: int, categorical: int) -> Forest:
    """A forest from its arrays.

    Args:
        arrays: as :meth:`Forest.arrays` gives them, without the prefix.
        prefix: of the table's arrays.
        columns: how many a row has.
        categorical: how many of them, the first ones, hold categories.

    Raises:
        IntegrityError: arrays that are no forest.
    """
    own = {name: arrays.get(name, np.zeros(0)) for name in _OWN}
    rest = {name: one for name, one in arrays.items() if name not in _OWN}
    trees = trees_of(rest, columns, categorical)
    numbers = {name: own[name] for name in ("form", "channels", "rows")}
    if any(one.ndim or one.dtype.kind != "i" for one in numbers.values()):
        raise IntegrityError("expected form, channels and rows as whole numbers")
    form, channels, rows = (int(numbers[name]) for name in ("form", "channels", "rows"))
    classes, codes = own["classes"], own["codes"]
    lists = (classes.dtype, classes.ndim, codes.dtype, codes.ndim) == (np.int64, 1, np.int16, 1)
    if not (0 <= form < len(_FORMS) and channels >= 1 and rows >= 1 and lists):
        raise IntegrityError("form, channels, classes and rows that do not go together")
    shown = len(classes) if _FORMS[form] == "distribution" else channels
    wanted = 1 if _FORMS[form] == "distribution" and shown == 2 else shown
    named = sorted(set(classes.tolist())) == classes.tolist()
    inside = not len(classes) or (classes[0] >= 0 and classes[-1] < channels)
    inside = inside and codes.min(initial=-1) >= -1 and codes.max(initial=-1) < MOST
    inside = inside and bool(len(codes)) == bool(categorical)
    if len(trees.baseline) != wanted or shown < 1 or not named or not inside:
        raise IntegrityError("trees of other classes than those that it states")
    return Forest(_FORMS[form], Columns(prefix, codes), trees, channels, classes, rows)
