"""One class out of several for a whole row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.tasks import packing, settings
from kd2edge.tasks.cut import Goodness
from kd2edge.tasks.decisions import margins_of
from kd2edge.tasks.kind import TaskKind
from kd2edge.tasks.labels import class_target, inventory
from kd2edge.tasks.origin import NO_ORIGIN, Origin
from kd2edge.tasks.probabilities import row_decisions, softmax_decisions
from kd2edge.tasks.ranked import decided_names, ranked_answers
from kd2edge.tasks.reject import (
    IN_SCOPE_RECALL,
    SCOPE,
    prototypes_of,
    rejected,
    rejecting_margins,
    rejection_of,
    scope_of,
    with_limit,
)
from kd2edge.tasks.reject_fit import fitted_threshold
from kd2edge.tasks.spans import Word
from kd2edge.tasks.spec import Columns, Decoded, Logits, Output, Target, TaskSpec, Truth


@final
class Classification(TaskKind):
    """Softmax over ``spec.labels``; the largest logit decides, the first of equal ones.

    Decode settings: ``temperature`` (scores are softmax(logits / temperature)), ``top_k``; those of
    :mod:`~kd2edge.tasks.reject`, with which rows may be answered with a label of lower score.  Such
    a task's decisions have a third column, ``scope`` ``[row]``, in double precision: a sure model's
    are next to 1.  One that rejects by distance has a second array, ``scope`` ``[row, 1]``.
    """

    name = "classification"
    ranked = True
    default_metrics = ("accuracy", "macro_f1")

    def outputs(self, spec: TaskSpec) -> tuple[Output, ...]:
        classes = Output(len(spec.labels), "softmax")
        return (classes, Output(1, "none", name=SCOPE)) if prototypes_of(spec) else (classes,)

    def reordered(self, spec: TaskSpec, logits: Any, order: Any, output: str = "") -> Any:
        return logits if output == SCOPE else super().reordered(spec, logits, order, output)

    def labels_from_values(self, values: Iterable[Any]) -> tuple[str, ...]:
        return inventory(values)

    def target(self, spec: TaskSpec, value: Any) -> Target | None:
        return class_target(spec.labels, value)

    def decode(self, spec: TaskSpec, logits: Logits) -> Decoded:
        classes, cosines = _arrays(logits)
        found = softmax_decisions(classes, settings.temperature(spec))
        rejection = rejection_of(spec)
        if rejection is None:
            return Decoded(*found)
        scope = scope_of(spec, rejection, classes, cosines)
        labels = rejected(found, rejection, scope)
        return Decoded(labels, found.scores, scope=scope)

    def is_fitted(self, spec: TaskSpec) -> bool:
        return rejection_of(spec) is not None

    def fitted(self, spec: TaskSpec, truth: Truth, logits: Logits, goodness: Goodness) -> TaskSpec:
        """With the threshold that its aim asks for; as it is where no row is decided by one."""
        del goodness
        rejection = rejection_of(spec)
        if rejection is None:
            return spec
        classes, cosines = _arrays(logits)
        likeliest = softmax_decisions(classes, settings.temperature(spec)).labels
        scope, labels = scope_of(spec, rejection, classes, cosines), np.asarray(truth.labels)
        aim = spec.decode.get(IN_SCOPE_RECALL)
        found = fitted_threshold(scope, likeliest, labels, rejection.label, aim)
        return spec if found is None else replace(spec, decode=with_limit(spec, found))

    def margins(self, spec: TaskSpec, decoded: Decoded) -> npt.NDArray[np.float64]:
        rejection = rejection_of(spec)
        if rejection is None:
            return margins_of(spec, decoded)
        return rejecting_margins(spec, rejection, decoded)

    def answers(
        self,
        spec: TaskSpec,
        decoded: Decoded,
        *,
        top_k: int | None = None,
        origin: Origin = NO_ORIGIN,
    ) -> list[Any]:
        """``[{label, score}, ...]`` a row, best first; label None and score 0 for logits of NaN."""
        del origin
        return ranked_answers(spec, decoded, top_k)

    def said(
        self, spec: TaskSpec, answer: Any, words: Sequence[Word] | None = None
    ) -> list[Any] | None:
        del spec, words
        return [answer[0]["label"]]

    def decided(self, spec: TaskSpec, decoded: Decoded) -> list[list[Any]]:
        return decided_names(spec, decoded)

    def pack(self, decoded: Decoded, top_k: int = 5) -> dict[str, npt.NDArray[Any]]:
        packed = packing.pack(row_decisions(decoded), top_k)
        scope = dict(decoded.items()).get("scope")
        return packed if scope is None else {**packed, "scope": np.asarray(scope)}

    def unpack(self, spec: TaskSpec, arrays: Mapping[str, npt.NDArray[Any]]) -> Decoded:
        found = packing.unpack(arrays, len(spec.labels))
        if rejection_of(spec) is None:
            return Decoded(*found)
        return Decoded(*found, scope=arrays["scope"].astype(np.float64))


def _arrays(logits: Logits) -> tuple[npt.NDArray[Any], npt.NDArray[Any] | None]:
    """Logits ``[row, C]``, and the cosines of a task that rejects by distance ``[row, 1]``."""
    if isinstance(logits, Columns):
        return np.asarray(logits[""]), np.asarray(logits[SCOPE])
    assert isinstance(logits, np.ndarray)  # row-level: the head's own output
    return logits, None
