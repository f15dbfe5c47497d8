"""One level out of several that stand in an order, for a whole row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.tasks import settings
from kd2edge.tasks.kind import TaskKind
from kd2edge.tasks.labels import class_target, inventory, is_whole_text
from kd2edge.tasks.origin import NO_ORIGIN, Origin
from kd2edge.tasks.probabilities import row_decisions, softmax_decisions
from kd2edge.tasks.ranked import decided_names, ranked_answers
from kd2edge.tasks.spans import Word
from kd2edge.tasks.spec import Decoded, Logits, Output, Target, TaskSpec


@final
class Ordinal(TaskKind):
    """Softmax over ``spec.labels``, lowest level first; the median of that distribution decides.

    The median is what has the least absolute error in expectation (Gneiting 2011, "Making and
    Evaluating Point Forecasts"): a row that is a 2 or a 4 is answered with what lies between.
    Another quantile has the least expected error where levels too high and too low cost unlike
    (Koenker and Bassett 1978), and may be what another metric asks for.

    Decode settings: ``quantile`` (0.5), ``temperature`` (of the distribution, so of the decision,
    too), ``top_k``.
    """

    name = "ordinal"
    ranked = True
    cut = "quantile"
    default_metrics = ("level_mae", "accuracy", "quadratic_kappa", "spearman")

    def outputs(self, spec: TaskSpec) -> tuple[Output, ...]:
        return (Output(len(spec.labels), "softmax"),)

    def labels_from_values(self, values: Iterable[Any]) -> tuple[str, ...]:
        """Whole numbers by size.

        Raises:
            ValueError: other labels, whose order the data does not show.
        """
        labels = inventory(values)
        odd = next((label for label in labels if not is_whole_text(label)), None)
        if odd is not None:
            raise ValueError(
                f"an ordinal task takes its order from whole numbers, found {odd!r}; state the "
                "labels, lowest first, or use regression for numbers with fractions"
            )
        return labels

    def target(self, spec: TaskSpec, value: Any) -> Target | None:
        return class_target(spec.labels, value)

    def decode(self, spec: TaskSpec, logits: Logits) -> Decoded:
        assert isinstance(logits, np.ndarray)  # row-level: the head's own output
        likeliest, scores = softmax_decisions(logits, settings.temperature(spec))
        level = (_below(scores) >= settings.quantile(spec)).argmax(axis=1)
        return Decoded(np.where(likeliest < 0, -1, level), scores)

    def answers(
        self,
        spec: TaskSpec,
        decoded: Decoded,
        *,
        top_k: int | None = None,
        origin: Origin = NO_ORIGIN,
    ) -> list[Any]:
        """``[{label, score}, ...]`` a row: the decided level, then the likeliest others."""
        del origin
        return ranked_answers(spec, decoded, top_k)

    def said(
        self, spec: TaskSpec, answer: Any, words: Sequence[Word] | None = None
    ) -> list[Any] | None:
        del spec, words
        return [answer[0]["label"]]

    def decided(self, spec: TaskSpec, decoded: Decoded) -> list[list[Any]]:
        return decided_names(spec, decoded)

    def margins(self, spec: TaskSpec, decoded: Decoded) -> npt.NDArray[np.float64]:
        """How far the chances of each level or a lower one are from the quantile, at least."""
        below = _below(row_decisions(decoded).scores)[:, :-1]
        return np.abs(below - settings.quantile(spec)).min(axis=1)

    def pack(self, decoded: Decoded, top_k: int = 5) -> dict[str, npt.NDArray[Any]]:
        """Scores stay float32: rounding them would make ties among their means, which rank."""
        del top_k
        labels, scores = row_decisions(decoded)
        return {"labels": labels.astype(np.int32), "scores": scores.astype(np.float32)}

    def unpack(self, spec: TaskSpec, arrays: Mapping[str, npt.NDArray[Any]]) -> Decoded:
        del spec
        return Decoded(arrays["labels"].astype(np.int64), arrays["scores"].astype(np.float32))


def _below(scores: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The chance of each level or a lower one ``[row, level]``; the last is 1, NaN aside."""
    found = np.cumsum(scores, axis=1, dtype=np.float64)
    found[:, -1] = 1.0  # whatever the sum was rounded to
    return found
