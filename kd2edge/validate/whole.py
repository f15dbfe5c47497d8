"""Rows on which every task is right, of an artefact and of the reference: told, and no gate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from kd2edge.metrics.items import has_label
from kd2edge.metrics.whole_rows import WHOLE, labelling, whole_decoded, whole_truth
from kd2edge.tasks.spec import Decoded, TaskSpec
from kd2edge.validate.estimates import Estimates
from kd2edge.validate.split import Split
from kd2edge.validate.validation import MetricResult

__all__ = ["whole_rows"]

_Indices = npt.NDArray[np.int64]


def whole_rows(
    tasks: Mapping[str, TaskSpec],
    split: Split,
    wanted: Mapping[str, Decoded],
    ways: Iterable[tuple[_Indices, Mapping[str, Decoded]]],
    confidence: float,
    estimates: Estimates,
) -> MetricResult | None:
    """Of the way in which they are fewest; None where nothing can be counted.

    Ways that ran fewer rows than others, as some were refused, are left out.

    Args:
        tasks: of the artefact.
        split: the rows.
        wanted: the reference's decisions on all of them.
        ways: rows that a way to run them gave outputs of, and its decisions on these.
        confidence: of each bound.
        estimates: those that are known already, and others yet to come.
    """
    specs = labelling(tasks.values())
    truth = whole_truth(specs, split.truths)
    if truth is None:
        return None
    labelled, found = has_label(truth), list[tuple[float, _Indices, Decoded]]()
    for rows, decoded in ways:
        own = np.flatnonzero(labelled[rows])
        if len(own):
            truths = {task: part.taken(rows) for task, part in split.truths.items()}
            said = whole_decoded(specs, truths, decoded).taken(own)
            found.append((float(np.mean(np.asarray(said.labels))), rows[own], said))
    if not found:
        return None
    _, rows, candidate = min(found, key=lambda one: (-len(one[1]), one[0]))
    truths = {task: part.taken(rows) for task, part in split.truths.items()}
    references = {task: part.taken(rows) for task, part in wanted.items()}
    reference, truth = whole_decoded(specs, truths, references), truth.taken(rows)
    name, inputs = WHOLE.metric, split.inputs_of_rows[rows]
    return MetricResult(
        estimates.evaluate(WHOLE, truth, candidate, name, inputs=inputs, confidence=confidence),
        estimates.evaluate(WHOLE, truth, reference, name, inputs=inputs, confidence=confidence),
        estimates.drop(
            WHOLE, truth, (reference, candidate), name, inputs=inputs, confidence=confidence
        ),
    )
