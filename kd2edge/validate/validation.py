"""What a validation found: plain frozen data, its JSON and its tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

from kd2edge.metrics.estimate import Estimate
from kd2edge.validate.markdown import validation_table
from kd2edge.validate.ways import Way
from kd2edge.verdict import ANY_FALL, CheckWord, Word

__all__ = [
    "ArtefactResult",
    "Basis",
    "Check",
    "ClassFall",
    "Difference",
    "LackingResult",
    "MetricResult",
    "NumberResult",
    "TaskResult",
    "Validation",
]

#: Version of the payload in ``reports/validation-<machine>.json``.
SCHEMA = 2


@dataclass(frozen=True, slots=True)
class Check:
    """One yes-or-no check of levels 1, 3 and 5.

    Args:
        status: ``ok``, ``failed`` or ``not_run``.
        detail: what was expected and found, or why it did not run; "" when all is well.
    """

    name: str
    status: CheckWord
    detail: str = ""


@dataclass(frozen=True, slots=True)
class NumberResult:
    """Level 2: one head against stored PyTorch logits, for one way to batch and pad.

    Args:
        way: threads, rows a forward pass and the length they are padded to: ``ways.Way`` as text,
            or how many other sizes are taken together.
        rows: rows compared.
        max_abs: largest absolute error of a logit; infinite where an output is not finite.
        cosine: smallest cosine of a row's (word's) logits.
        kl: mean KL divergence of the probabilities, in nats.
        top1: share of equal decisions.
        rms: RMS of the error as a share of the RMS of PyTorch's logits.
    """

    way: str
    rows: int
    max_abs: float
    cosine: float
    kl: float
    top1: float
    rms: float = 0.0


@dataclass(frozen=True, slots=True)
class MetricResult:
    """Level 3: a metric of the artefact and of the reference on the same rows, and the drop."""

    candidate: Estimate
    reference: Estimate
    drop: Estimate


@dataclass(frozen=True, slots=True)
class Difference:
    """A row (or word) that artefact and reference decide differently.

    Args:
        word: position of the word, -1 for tasks that label rows.
        margin: how far the reference's decision was ahead, as a difference of probabilities.
        tie: the margin is so small that rounding decides.
    """

    row: int
    id: str
    word: int
    reference: str
    candidate: str
    margin: float
    tie: bool


@dataclass(frozen=True, slots=True)
class ClassFall:
    """A class whose recall falls against the reference's.

    Args:
        support: labelled rows (words) of it.
        reference: recall of the reference.
        candidate: recall of the artefact.
        low: lower bound of the fall, over all classes together; 0 where none is shown.
        gone: the artefact decides it nowhere.
        failed: it falls by more than ``max_drop_class`` allows.
    """

    label: str
    support: int
    reference: float
    candidate: float
    low: float
    gone: bool
    failed: bool


@dataclass(frozen=True, slots=True)
class TaskResult:
    """Level 3 for one task.

    Args:
        metric: the metric that the gate reads.
        way: threads and rows a forward pass that it was found with: the worst of those that ran.
        verdict: ``pass``, ``fail``, ``undecided`` or ``not_run``.
        reason: what stood against a pass; "" when it passed.
        max_drop: the budget, in the metric's own unit.
        rows_needed: about how many different rows would decide; None when decided, or when no
            number that anybody has would.
        metrics: every metric of the task.
        changed: rows (words) that are decided otherwise than by the reference.
        ties: how many of them are ties.
        differences: the first of them, largest margin first.
        cut: labelled words beyond the length limit: no decision, and wrong.
        held: the metrics that are held to the budget: ``metric`` and, where that one ranks, one of
            the decisions.
        classes: those that the artefact decides worse, the gravest first.
        max_drop_class: what the recall of a class may lose, in [0, 1].
        unit: of the task's values, for people; "" where it has none.
    """

    metric: str
    verdict: Word
    reason: str
    max_drop: float
    rows_needed: int | None = None
    metrics: Mapping[str, MetricResult] = field(default_factory=dict)
    changed: int = 0
    ties: int = 0
    differences: tuple[Difference, ...] = ()
    cut: int = 0
    way: str = ""
    held: tuple[str, ...] = ()
    classes: tuple[ClassFall, ...] = ()
    max_drop_class: float = ANY_FALL
    unit: str = ""


@dataclass(frozen=True, slots=True)
class LackingResult:
    """What was found about one artefact on the rows without an input: as in ``ArtefactResult``."""

    numbers: Mapping[str, tuple[NumberResult, ...]] = field(default_factory=dict)
    tasks: Mapping[str, TaskResult] = field(default_factory=dict)
    answers: tuple[Check, ...] = ()
    ways: tuple[Way, ...] = ()


@dataclass(frozen=True, slots=True)
class ArtefactResult:
    """All that was found about one artefact.

    Args:
        verdict: ``pass``, ``fail``, ``undecided`` or ``not_run``.
        reason: what stood against a pass, or why it did not run; "" when it passed.
        bytes: size of its files.
        graph: level 1.  numbers: level 2 by task.  tasks: level 3.  edges: level 5.
        answers: level 3, what holds for every row: it is answered, finite, as its outputs say.
        ways: threads and rows a forward pass in which the whole split ran.
        options: engine, provider or device and settings that its sessions ran with, threads aside.
        faults: all that failed, or (``undecided``) was not shown, each once.
        cause: where the fault lies, as far as the levels together tell; "" when they do not.
        without: input that may be absent -> levels 2 and 3 on the rows without it.
        whole_rows: the share of rows on which every task is right, which gates nothing; None where
            fewer than two tasks decide on labels, or no row has labels of all.
    """

    verdict: Word
    reason: str
    bytes: int
    graph: tuple[Check, ...] = ()
    numbers: Mapping[str, tuple[NumberResult, ...]] = field(default_factory=dict)
    tasks: Mapping[str, TaskResult] = field(default_factory=dict)
    edges: tuple[Check, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    faults: tuple[str, ...] = ()
    cause: str = ""
    answers: tuple[Check, ...] = ()
    ways: tuple[Way, ...] = ()
    without: Mapping[str, LackingResult] = field(default_factory=dict[str, LackingResult])
    whole_rows: MetricResult | None = None


@dataclass(frozen=True, slots=True)
class Basis:
    """The rows without an input.

    Args:
        rows: how many have another input; the rest was left out.
        distinct: different ones among them, as they are without it.
        references: how many were held against which reference.
    """

    rows: int
    distinct: int
    references: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Validation:
    """The whole validation of a bundle.

    Args:
        manifest: SHA-256 of the bundle's manifest.
        rows: rows of the split that were run.
        distinct: different inputs among them: what bounds rest on.
        fingerprint: of these rows.
        references: how many rows were held against which reference (``pytorch``, ``onnx-fp32``).
        confidence: of each one-sided bound.
        outcome: ``pass`` when every artefact that ran passes, else ``fail`` or ``undecided``;
            ``not_run`` when nothing could run, or nothing but passes stands against an artefact
            that was asked for by its id and could not.
        artefacts: id -> what was found.
        threads: numbers of threads that every artefact was judged with.
        batches: rows a forward pass in which every row of the split was judged.
        evidence: where it was written; "" before.
        without: input that may be absent -> the rows without it, which were judged as well.
    """

    manifest: str
    name: str
    split: str
    rows: int
    fingerprint: str
    references: Mapping[str, int]
    confidence: float
    outcome: Word
    artefacts: Mapping[str, ArtefactResult]
    threads: tuple[int, ...] = ()
    batches: tuple[int, ...] = ()
    evidence: str = ""
    distinct: int = 0
    without: Mapping[str, Basis] = field(default_factory=dict[str, Basis])

    @property
    def reference(self) -> str:
        """The reference in words, for tables."""
        names = {"pytorch": "the stored PyTorch outputs", "onnx-fp32": "the artefact onnx-fp32"}
        parts = [names[name] for name, rows in self.references.items() if rows]
        if len(parts) < 2:
            return parts[0] if parts else "nothing"
        return " and ".join(
            f"{names[name]} ({rows:,} rows)" for name, rows in self.references.items() if rows
        )

    def to_json(self) -> dict[str, Any]:
        """JSON values; numbers that are not finite become null."""
        data = {item.name: _plain(getattr(self, item.name)) for item in fields(self)}
        del data["evidence"]  # a path of this machine
        for one in (data, *data["artefacts"].values()):
            if not one["without"]:  # no input may be absent: nothing is said of it
                del one["without"]
        for one in data["artefacts"].values():
            if one["whole_rows"] is None:
                del one["whole_rows"]
        return {"schema": SCHEMA, **data, "reference": self.reference}

    def table(self) -> str:
        """Markdown for the terminal: task x artefact with metric, drop, bound and verdict."""
        return validation_table(self.to_json())


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
