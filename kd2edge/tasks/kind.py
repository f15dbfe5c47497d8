"""The interface of a task kind, NumPy half: raw label to target, logits to decision and answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from kd2edge.ragged import Column, Ragged, listed, offsets_of
from kd2edge.tasks.cut import Goodness, fitted_cut, is_cut_fitted
from kd2edge.tasks.decisions import Compared, compared, margins_of
from kd2edge.tasks.origin import NO_ORIGIN, Origin
from kd2edge.tasks.spans import Word
from kd2edge.tasks.spec import (
    MISSING,
    Decoded,
    Field,
    Logits,
    Output,
    Per,
    Section,
    Target,
    TaskSpec,
    Truth,
)

#: An array, of NumPy or of torch.
Values = TypeVar("Values", bound=Any)


class TaskKind(ABC):
    """One kind of task.  Implementations are final, hold no state and import numpy alone."""

    #: The name in recipes and manifests.
    name: str
    #: What one item is.
    per: Per = "row"
    #: Whether a raw value is a list; None: the kind itself says what it takes.
    lists: bool | None = False
    #: With fewer labels there is nothing to decide.
    fewest_labels: int = 2
    #: Whether an answer is a list of labels, best first, of which ``top_k`` keeps the first ones.
    ranked: bool = False
    #: Parts of a report that say something of such a task.
    sections: frozenset[Section] = frozenset({"classes", "confusion", "reliability"})
    #: The decode setting at which decisions are cut; "" where there is none.
    cut: str = ""
    #: Metrics that a report of this kind computes when the recipe names none; the first one leads.
    default_metrics: tuple[str, ...]

    @property
    def per_word(self) -> bool:
        """Whether every word of an input has its own label."""
        return self.per == "word"

    @property
    def is_ragged(self) -> bool:
        """Whether each row has a number of items of its own."""
        return self.per in {"word", "object"}

    def fields(self, spec: TaskSpec) -> tuple[Field, ...]:
        """The columns of a target; the first one says whether an item is labelled.

        Fields of objects share their number in a row.
        """
        del spec
        return (Field("labels"),)

    @abstractmethod
    def outputs(self, spec: TaskSpec) -> tuple[Output, ...]:
        """The arrays that the head gives, in their order; of several each has a name."""

    def labels_in(self, value: Any) -> Iterable[Any]:
        """The raw labels in a raw value that is not missing: itself, or the items of a list.

        None of a value that :meth:`target` refuses; reading targets tells what is wrong with it.
        """
        items = listed(value)
        return [value] if items is None else items

    @abstractmethod
    def labels_from_values(self, values: Iterable[Any]) -> tuple[str, ...]:
        """The labels that the data shows, in a stable order; missing values are skipped.

        Raises:
            ValueError: labels that this kind cannot have (``binary``: not exactly two).
        """

    @abstractmethod
    def target(self, spec: TaskSpec, value: Any) -> Target | None:
        """What one raw value says, by field; None for a value that says nothing.

        Raises:
            ValueError: a label outside ``spec.labels`` or of a wrong type; the message names the
                label and the nearest known one.  Callers add file and line.
        """

    def reordered(
        self, spec: TaskSpec, logits: Values, order: Sequence[int], output: str = ""
    ) -> Values:
        """Logits ``[..., channel]`` for labels in another order: ``i`` is what ``order[i]`` was.

        Args:
            spec: the task.
            logits: of one array of the head.
            order: of the labels.
            output: name of the array, where there are several: not all of them have labels.
        """
        del spec, output
        return logits if list(order) == list(range(len(order))) else logits[..., list(order)]

    def translated(self, own: TaskSpec, spec: TaskSpec, logits: Values, output: str = "") -> Values:
        """Logits of a model whose task is ``own`` as one of ``spec`` would give them.

        Args:
            own: the model's task.
            spec: the task.
            logits: of one array of the head.
            output: name of the array, where there are several.
        """
        del own, spec, output
        return logits

    @abstractmethod
    def decode(self, spec: TaskSpec, logits: Logits) -> Decoded:
        """Decisions and scores of logits ``[row, channel]``, or ragged ``[word, channel]``.

        NaN where a score should be is decided -1 with score 0; equal logits go to the first label.
        """

    def is_fitted(self, spec: TaskSpec) -> bool:
        """Whether :meth:`fitted` has anything to find for a task."""
        return bool(self.cut) and is_cut_fitted(spec.decode)

    def fitted(self, spec: TaskSpec, truth: Truth, logits: Logits, goodness: Goodness) -> TaskSpec:
        """The task with those settings of its decision that follow from labelled rows.

        Here that is the best cut of the task's decisions; as it was where no row has a label.

        Args:
            spec: the task.
            truth: labels of rows that the model did not learn from.
            logits: of the same rows: each model has settings of its own.
            goodness: of decisions of these rows, by the task's leading metric.
        """
        first = truth[self.fields(spec)[0].name]
        labels = first.values if isinstance(first, Ragged) else first
        if not self.is_fitted(spec) or not (np.asarray(labels) != MISSING).any():
            return spec

        def at(cut: float) -> TaskSpec:
            return replace(spec, decode={**spec.decode, self.cut: cut})

        return at(fitted_cut(lambda cut: self.decode(at(cut), logits), goodness))

    @abstractmethod
    def answers(
        self,
        spec: TaskSpec,
        decoded: Decoded,
        *,
        top_k: int | None = None,
        origin: Origin = NO_ORIGIN,
    ) -> list[Any]:
        """What ``predict`` gives, one item a row (design section 7).

        Args:
            spec: the task.
            decoded: labels and scores of the rows.
            top_k: labels a row at most; None: all.
            origin: what the rows were: their words, the sizes of their pictures.
        """

    @abstractmethod
    def said(
        self, spec: TaskSpec, answer: Any, words: Sequence[Word] | None = None
    ) -> list[Any] | None:
        """What one row's answer says was decided; None where it cannot be told from it.

        Own code, apart from :meth:`answers`: the gate holds it against :meth:`decided`.
        """

    @abstractmethod
    def decided(self, spec: TaskSpec, decoded: Decoded) -> list[list[Any]]:
        """The same for every row, from its decisions."""

    def margins(self, spec: TaskSpec, decoded: Decoded) -> npt.NDArray[np.float64]:
        """How far each decision was ahead ``[item]``: rounding may turn those near 0."""
        return margins_of(spec, decoded)

    def compared(self, spec: TaskSpec, reference: Decoded, candidate: Decoded) -> Compared:
        """Two decoded outputs of the same rows, item by item.

        Raises:
            ValueError: outputs that are of other items.
        """
        del spec
        return compared(reference, candidate)

    def text(self, spec: TaskSpec, value: Any, place: int = -1) -> str:
        """What a target or a decision of one item is called in messages."""
        del place
        return spec.labels[int(value)] if value >= 0 else "(cut off)"

    @abstractmethod
    def pack(self, decoded: Decoded, top_k: int = 5) -> dict[str, npt.NDArray[Any]]:
        """Arrays that keep ``decoded`` in a ``reference/<split>.npz``: labels and top-k scores."""

    @abstractmethod
    def unpack(self, spec: TaskSpec, arrays: Mapping[str, npt.NDArray[Any]]) -> Decoded:
        """The decoded output that :meth:`pack` kept; scores below the top k are zero."""

    def classes(self, target: Target) -> npt.NDArray[np.int64]:
        """The classes that a target names ``[any]``; ``MISSING`` and the like among them."""
        return np.ravel(target["labels"])

    def unlabelled(self, spec: TaskSpec, items: int) -> Target:
        """The target of a row that says nothing, of so many words or objects; rows have one."""
        own = (items,) if self.is_ragged else ()
        return {field.name: field.missing(*own) for field in self.fields(spec)}

    def truth(self, spec: TaskSpec, targets: Sequence[Target | None]) -> Truth:
        """Collect the targets of some rows.

        A row that says nothing has no words here, and one object that is ``MISSING``.
        """
        none = self.unlabelled(spec, int(self.per == "object"))
        rows = [none if target is None else target for target in targets]
        return Truth(**{field.name: self._column(field, rows) for field in self.fields(spec)})

    def _column(self, field: Field, rows: Sequence[Target]) -> Column:
        values = [row[field.name] for row in rows]
        if not self.is_ragged:
            return np.reshape(np.array(values, field.dtype), (len(values), *field.shape))
        offsets = offsets_of(np.array([len(one) for one in values]))
        return Ragged(np.concatenate([field.missing(0), *values]), offsets)
