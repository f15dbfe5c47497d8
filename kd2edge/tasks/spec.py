"""What a task is: its kind, its labels and how its logits become a decision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NewType, final

import numpy as np
import numpy.typing as npt

from kd2edge.ragged import Column, Ints, Ragged, concatenated, taken

if TYPE_CHECKING:
    from typing_extensions import Self

TaskName = NewType("TaskName", str)

#: A target that is not there: the row lacks this task's label, or the position is padding.
MISSING = -100
#: The label of the one object that stands for an empty list: somebody looked, and nothing is there.
NOTHING = -1

#: What one item of a target is: a row, a word of an input, a place of a map (of one size for
#: all rows), one of the objects that a row lists.
Per = Literal["row", "word", "place", "object"]
#: What one item of a head's array is: a row ``[batch, channel]``; a word, given for every piece of
#: its input and read at the word's first one ``[batch, length, channel]``; a frame, some positions
#: of its input ``[batch, frame, channel]``; a place of a map ``[batch, height, width, channel]``;
#: an object that may be there ``[batch, object, channel]``.
Item = Literal["row", "word", "frame", "place", "object"]
#: A part of a report: precision and recall of each class, which is taken for which, whether scores
#: are chances, how far values are off.
Section = Literal["classes", "confusion", "reliability", "errors"]
#: How outputs become probabilities: of classes that exclude each other, of labels one by one, or
#: not at all: the outputs are the values.
Activation = Literal["softmax", "sigmoid", "none"]
#: Field -> values of one row: ``[*shape]``; ``[word, *shape]`` or ``[object, *shape]``.
Target = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Output:
    """One array that a head gives, ``[batch, ..., channel]``.

    Args:
        channels: how many numbers an item has: the last dimension.
        activation: what they become.
        per: what an item is, and so what stands between batch and channel.
        name: of the array among several of its task; "" for the only one.
        stride: positions of the input that a frame stands for; a row's last one may be a part.
    """

    channels: int
    activation: Activation
    per: Item = "row"
    name: str = ""
    stride: int = 1

    def frames(self, lengths: Ints) -> Ints:
        """How many frames inputs of these lengths have."""
        return -(-lengths // self.stride)


@dataclass(frozen=True, slots=True)
class Field:
    """A column of what the data says of a task.

    Args:
        name: of the column in :class:`Truth` and :class:`~kd2edge.data.Batch`.
        dtype: ``int64`` or ``float32``.
        shape: of one item's value; ``()`` for one number.  Of places: height and width of the map,
            and the shape of one place's value behind them.
    """

    name: str
    dtype: str = "int64"
    shape: tuple[int, ...] = ()

    def missing(self, *items: int) -> npt.NDArray[Any]:
        """Values ``[*items, *shape]`` that nobody stated: ``MISSING``, or NaN among fractions."""
        none = np.nan if self.dtype.startswith("float") else MISSING
        return np.full((*items, *self.shape), none, self.dtype)


def is_stated(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which values of a field somebody stated; the shape of ``values``."""
    return ~np.isnan(values) if values.dtype.kind == "f" else values != MISSING


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """One task of a model, as the manifest, the report and the training share it.

    Args:
        name: the task's name; also that of its graph output, or in front of those of several.
        kind: a name in ``tasks.kinds``.
        labels: names in the order of the logits; for ``binary`` (negative, positive); none where
            values have no names.
        metric: the metric that the gate and the tables lead with (a name in ``metrics``).
        metrics: every metric that the report computes, ``metric`` included.
        column: the column of the data that holds the label.
        input: the input whose words a token-level task labels; "" for row-level tasks.
        decode: settings of the decision, those that the kind names.
        unit: what the values of a regression are in, for people; "" where nobody said.
    """

    name: TaskName
    kind: str
    labels: tuple[str, ...]
    metric: str
    metrics: tuple[str, ...] = ()
    column: str = ""
    input: str = ""
    decode: Mapping[str, float] = field(default_factory=dict[str, float])
    unit: str = ""


class Columns:
    """Named columns over the same rows: what the data, or a model, says of one task.

    Which ones there are, and of what type, is the task kind's to say.
    """

    __slots__ = ("_columns",)

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self._columns = dict(columns)

    def __getitem__(self, name: str) -> Column:
        return self._columns[name]

    def items(self) -> Iterable[tuple[str, Column]]:
        """Name and column, in the order of the kind."""
        return self._columns.items()

    def taken(self, rows: Ints) -> Self:
        """Some rows, in the order of ``rows``."""
        return self._like({name: taken(column, rows) for name, column in self.items()})

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The rows of several, one after the other."""
        names = [name for name, _ in parts[0].items()]
        return cls._like({name: concatenated([part[name] for part in parts]) for name in names})

    def woven(self, own: Ints, other: Self, others: Ints) -> Self:
        """Both in one: row ``own[i]`` of it is row i of this, row ``others[i]`` is row i of other.

        Together the two say every row once.
        """
        order = np.argsort(np.concatenate([own, others]), kind="stable")
        return self.joined([self, other]).taken(order)

    @property
    def first(self) -> Column:
        """The column that says whether a row is labelled, for data; the decision, for models."""
        return next(iter(self._columns.values()))

    def __len__(self) -> int:
        column = self.first
        return column.rows if isinstance(column, Ragged) else len(column)

    @classmethod
    def _like(cls, columns: Mapping[str, Column]) -> Self:
        made = cls.__new__(cls)
        Columns.__init__(made, columns)
        return made

    @property
    def labels(self) -> npt.NDArray[np.int64] | Ragged:
        """Class indices ``[row]``, or ragged over words, of a kind that has such a column."""
        return self._columns["labels"]


#: What a task's head gives for some rows: ``[row, channel]``, ragged ``[word, channel]``,
#: ``[row, ..., channel]``; of a head that gives several arrays, columns of their names.
Logits = npt.NDArray[np.floating[Any]] | Ragged | Columns


@final
class Truth(Columns):
    """What the data says of one task for a split: the columns that its kind's ``fields`` name.

    Classes stand under ``labels``: an index, ``MISSING`` where unlabelled.
    """

    __slots__ = ()

    def __init__(self, labels: Column | None = None, /, **columns: Column) -> None:
        super().__init__(columns if labels is None else {"labels": labels, **columns})


@final
class Decoded(Columns):
    """What a model says of one task for some rows.

    A kind that decides on classes has two columns:

    * ``labels``: the decided class index, ``[row]`` or ragged over words; -1 for no decision (a
      word that was cut off, logits of NaN);
    * ``scores``: probabilities ``[row, label]`` or ragged ``[word, label]``; for binary ``[row]``.
    """

    __slots__ = ()

    def __init__(
        self, labels: Column | None = None, scores: Column | None = None, /, **columns: Column
    ) -> None:
        decisions = {"labels": labels, "scores": scores}
        super().__init__({k: v for k, v in decisions.items() if v is not None} | columns)

    @property
    def scores(self) -> npt.NDArray[np.float32] | Ragged:
        """Probabilities, of a kind that has such a column."""
        return self._columns["scores"]
