"""Reads report.json, a validation and a bench: the questions that tables and page ask of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from kd2edge.errors import SchemaTooNewError, UsageError
from kd2edge.metrics.kinds import SCALES
from kd2edge.scale import POINTS, Scale
from kd2edge.verdict import Word, as_word

__all__ = ["FORMS", "ArtefactLine", "artefact_lines", "check_report", "gate_text", "leading_split"]

#: Version of report.json that this code reads.
SCHEMA = 3

#: The models of a report, in the order of the tables, with the names that people read.
FORMS: Mapping[str, str] = {
    "teacher": "teacher",
    "reference": "cheap reference",
    "baseline": "no distillation",
    "student": "student",
}

Json = Mapping[str, Any]
#: A verdict; "": not validated.
Outcome: TypeAlias = Word | Literal[""]
_NOTHING: Json = {}


def check_report(report: Json) -> None:
    """Refuse what is no report.

    Raises:
        SchemaTooNewError: the report was written by a newer kd2edge.
        UsageError: the mapping has no schema, tasks or splits.
    """
    schema = report.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        raise SchemaTooNewError(
            f"the report has schema {schema}, this kd2edge reads up to {SCHEMA}: update kd2edge"
        )
    missing = [key for key in ("schema", "name", "tasks", "splits") if key not in report]
    if missing:
        raise UsageError(
            f"expected a report.json of `kd2edge distill`, found one without {', '.join(missing)}"
        )
    if not report["splits"]:
        raise UsageError("the report holds no split: nothing was evaluated")


def leading_split(report: Json) -> str:
    """The split that the headline is about: test, else validation, else the first."""
    splits = report["splits"]
    return next((name for name in ("test", "validation") if name in splits), next(iter(splits)))


def lacked(report: Json, split: str) -> dict[str, Json]:
    """Input that may be absent -> what the report says of a split's rows without it."""
    return dict(report["splits"].get(split, _NOTHING).get("without", _NOTHING))


def whole_rows(report: Json, split: str) -> Json:
    """Model -> share of a split's rows on which every task is right; empty where one task is."""
    return report["splits"].get(split, _NOTHING).get("whole_rows", _NOTHING).get("models", _NOTHING)


def whole_gain(report: Json, split: str) -> Json:
    """Whole rows of the student less the baseline's, with bounds; empty without a baseline."""
    return report["splits"].get(split, _NOTHING).get("whole_rows", _NOTHING).get("gain", _NOTHING)


def whole_names(report: Json, split: str) -> tuple[str, str]:
    """The tasks that whole rows are about, and what is counted: "intent, slots", "both right"."""
    tasks = report["splits"][split]["whole_rows"]["tasks"]
    return ", ".join(tasks), "both right" if len(tasks) == 2 else "all right"


def each_teacher(report: Json, split: str) -> dict[str, dict[str, Json]]:
    """Task that several teachers answer -> teacher -> its leading metric alone."""
    found = report["splits"].get(split, _NOTHING).get("teachers", _NOTHING)
    return {
        task: {
            name: one["metrics"].get(str(report["tasks"][task]["metric"]), _NOTHING)
            for name, one in several.items()
        }
        for task, several in found.items()
    }


def taught_by(report: Json, task: str) -> dict[str, Sequence[str]]:
    """Teacher that was taught a task, or ``student`` -> who taught it; of tasks of several."""
    return dict(report.get("taught_by", _NOTHING).get(task, _NOTHING))


def lesson_text(report: Json, task: str, teacher: str) -> str:
    """What a teacher of a task is to the others: "taught by large, teaches the student"."""
    lessons = taught_by(report, task)
    mine, student = lessons.get(teacher, ()), lessons.get("student", ())
    parts = [f"taught by {', '.join(mine)}"] if mine else []
    everybody = each_teacher(report, leading_split(report)).get(task, ())
    if teacher in student and len(student) < len(everybody):
        parts.append("teaches the student")
    return ", ".join(parts)


def is_joined(report: Json, task: str) -> bool:
    """Whether several teachers of a task teach the student as one."""
    return task in report.get("joins", _NOTHING)


def join_text(report: Json, task: str) -> str:
    """How the teachers of a task were joined: "skill, power 1"."""
    stated = {**report.get("joins", _NOTHING).get(task, _NOTHING)}
    kind = str(stated.pop("kind", ""))
    stated.pop("lacks", None)
    return ", ".join([kind, *(f"{name} {value:g}" for name, value in stated.items())])


def task_block(report: Json, split: str, task: str, form: str, without: str = "") -> Json:
    """Everything the report says of one task of one model on one split; empty when absent.

    Args:
        report: ``report.json``.
        split: ``validation`` or ``test``.
        task: its name.
        form: the model: ``teacher``, ``reference``, ``baseline`` or ``student``.
        without: the input that no row has; "": each row has what it has.
    """
    found = report["splits"].get(split, _NOTHING)
    if without:
        found = found.get("without", _NOTHING).get(without, _NOTHING)
    return found.get("tasks", _NOTHING).get(task, _NOTHING).get(form, _NOTHING)


def estimate(
    report: Json, split: str, task: str, form: str, metric: str = "", without: str = ""
) -> Json:
    """``{"value", "low", "high", ...}`` of a metric (the task's leading one); empty when absent.

    Args:
        report: ``report.json``.
        split: ``validation`` or ``test``.
        task: its name.
        form: the model: ``teacher``, ``reference``, ``baseline`` or ``student``.
        metric: its name; "" for the task's leading one.
        without: the input that no row has; "": each row has what it has.
    """
    metric = metric or str(report["tasks"][task]["metric"])
    block = task_block(report, split, task, form, without)
    return block.get("metrics", _NOTHING).get(metric, _NOTHING)


def measured_rows(report: Json, split: str, task: str) -> int:
    """The rows that a task's metric rests on: fewer than the split's where some have no label."""
    rows = report["splits"][split].get("rows", 0)
    return int(estimate(report, split, task, "student").get("rows", rows))


def rows_text(report: Json, split: str) -> str:
    """Say "4,000 rows of the test split", and on how many a task rests that lacks labels."""
    rows = int(report["splits"][split].get("rows", 0))
    fewer = [
        f"{task}: {measured:,}"
        for task in report["tasks"]
        if (measured := measured_rows(report, split, task)) < rows
    ]
    part = f" (of these are labelled {', '.join(fewer)})" if fewer else ""
    return f"{rows_and_distinct(report['splits'][split])} of the {split} split{part}"


def rows_and_distinct(found: Json) -> str:
    """Say "2,074 rows, 1,968 distinct", or "4,000 rows" where no input stands twice."""
    rows = int(found.get("rows", 0))
    different = int(found.get("distinct") or rows)  # older reports do not say
    return f"{rows:,} rows" if different == rows else f"{rows:,} rows, {different:,} distinct"


def gain(report: Json, split: str, task: str) -> Json:
    """Student less baseline (of the same start), with bounds; empty without a baseline."""
    return report["splits"].get(split, _NOTHING).get("gain", _NOTHING).get(task, _NOTHING)


def kept(report: Json, split: str, task: str) -> float | None:
    """The student's share of the teacher's metric; None when one is absent or 0.

    Of errors, the share of the student's that the teacher makes.
    """
    parts = {form: estimate(report, split, task, form) for form in ("teacher", "student")}
    return share_of(parts, lower_is_better=scale_of(report, task).lower_is_better)


def share_of(parts: Mapping[str, Json], *, lower_is_better: bool = False) -> float | None:
    """The student's share of the teacher's value; None when one is absent or 0.

    Args:
        parts: model -> its estimate.
        lower_is_better: values are errors: the share of the student's that the teacher makes.
    """
    teacher, student = (parts.get(form, _NOTHING).get("value") for form in ("teacher", "student"))
    if lower_is_better:
        teacher, student = student, teacher
    return student / teacher if teacher and student is not None else None


def scale_of(report: Json, task: str) -> Scale:
    """In what the leading metric of a task is told; a metric that is not known here is a share."""
    known = report["tasks"][task]
    return SCALES.get(str(known["metric"]), POINTS).of_values(known.get("unit", ""))


def forms(report: Json, *, lacking: bool = False) -> list[str]:
    """The models that the report has numbers of, in table order.

    Args:
        report: ``report.json``.
        lacking: of the rows without an input.
    """
    present = {form for blocks in _task_blocks(report, lacking) for form in blocks}
    return [form for form in FORMS if form in present]


def _task_blocks(report: Json, lacking: bool) -> Iterator[Json]:
    for name, split in report["splits"].items():
        parts = lacked(report, name).values() if lacking else [split]
        for part in parts:
            yield from part.get("tasks", _NOTHING).values()


@dataclass(frozen=True, slots=True)
class ArtefactLine:
    """What validation and bench together say of one artefact.

    Args:
        outcome: ``pass``, ``fail``, ``undecided``, ``not_run`` or "" (not validated).
        reason: why it did not run, or what stood against a pass.
        bytes: size of its files; None when unknown, as for all that follows.
        load_ms: milliseconds to load it.
        p50: median milliseconds of a forward pass at ``batch`` and ``threads``, the smallest timed.
        p99: the same for the slowest of a hundred.
        rows_per_second: likewise.
        memory: peak bytes that loading and running it add.
        speed_up: against onnx-fp32 at the same batch and threads.
        best: no other artefact is both smaller and faster.
        tasks: task -> the validation's block for it.
        faults: all that failed, each once.
        cause: where the fault lies, as far as the levels together tell.
        rows: task -> labelled rows that the report's metric rests on, where it says so.
        without: input that may be absent -> task -> the validation's block for the rows without it.
        lacking_rows: input -> the same as ``rows`` of the rows without it.
        whole: ``{"value", "low", "high"}`` of whole rows; empty when absent.
    """

    id: str
    outcome: Outcome = ""
    reason: str = ""
    bytes: int | None = None
    load_ms: float | None = None
    p50: float | None = None
    p99: float | None = None
    rows_per_second: float | None = None
    memory: int | None = None
    speed_up: float | None = None
    best: bool = False
    batch: int | None = None
    threads: int | None = None
    tasks: Json = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    cause: str = ""
    rows: Mapping[str, int] = field(default_factory=dict[str, int])
    without: Mapping[str, Json] = field(default_factory=dict[str, Json])
    lacking_rows: Mapping[str, Mapping[str, int]] = field(
        default_factory=dict[str, Mapping[str, int]]
    )
    whole: Json = field(default_factory=dict[str, Any])

    def lacking(self, without: str) -> Json:
        """Task -> the validation's block for it on the rows without an input ("": on all)."""
        return self.without.get(without, _NOTHING) if without else self.tasks

    def metric(self, task: str, metric: str, without: str = "") -> Json:
        """``{"value", "low", "high"}``, as the validation recomputed it; empty when absent.

        So it is where it was measured on other rows than the report's (``validate --data``): beside
        the student's it would look like a gain or a loss.
        """
        block = self.lacking(without).get(task, _NOTHING)
        found = block.get("metrics", _NOTHING).get(metric, _NOTHING).get("candidate", _NOTHING)
        rows = (self.lacking_rows.get(without, _NOTHING) if without else self.rows).get(task)
        return found if rows is None or found.get("rows", rows) == rows else _NOTHING

    def drop(self, task: str, metric: str) -> Json:
        """The drop against the reference with its interval; empty when absent."""
        block = self.tasks.get(task, _NOTHING)
        return block.get("metrics", _NOTHING).get(metric, _NOTHING).get("drop", _NOTHING)

    def gate(self, task: str, without: str = "") -> Outcome:
        """The verdict of a task, or the artefact's own where it did not get as far as its tasks."""
        return _outcome(self.lacking(without).get(task, _NOTHING)) or self.outcome


def artefact_lines(validation: Json | None, bench: Json | None, report: Json) -> list[ArtefactLine]:
    """One line an artefact, in the validation's order, then those that only the bench knows."""
    split = leading_split(report)
    rows = _rows_of(report, split)
    lacking = {name: _rows_of(report, split, name) for name in lacked(report, split)}
    validated: Json = (validation or _NOTHING).get("artefacts", _NOTHING)
    timed: Json = _bench_lines(bench)
    names = [*validated, *(name for name in timed if name not in validated)]
    lines = (
        _line(name, validated.get(name, _NOTHING), timed.get(name, _NOTHING)) for name in names
    )
    whole = whole_rows(report, split).get("student", _NOTHING).get("rows")
    return [
        replace(
            line,
            rows=rows,
            lacking_rows=lacking,
            whole=line.whole if line.whole.get("rows") == whole else _NOTHING,
        )
        for line in lines
    ]


def _rows_of(report: Json, split: str, without: str = "") -> dict[str, int]:
    """Task -> labelled rows that the student's metric rests on, where the report says so."""
    stated = {
        task: estimate(report, split, task, "student", "", without).get("rows")
        for task in report["tasks"]
    }
    return {task: int(count) for task, count in stated.items() if count}


def of_split(validation: Json) -> str:
    """Say " of the test split"; nothing of rows of a file, which no split has."""
    mixed = "the artefact" in str(validation.get("reference", ""))
    return "" if mixed else f" of the {validation.get('split', 'test')} split"


def _line(name: str, validated: Json, timed: Json) -> ArtefactLine:
    return ArtefactLine(
        id=name,
        outcome=_outcome(validated),
        reason=str(validated.get("reason", "") or timed.get("reason", "")),
        bytes=validated.get("bytes", timed.get("bytes")),
        load_ms=timed.get("load_ms"),
        p50=timed.get("p50_ms"),
        p99=timed.get("p99_ms"),
        rows_per_second=timed.get("rows_per_second"),
        memory=timed.get("memory_bytes") or None,
        speed_up=timed.get("speed_up") or None,  # 0: onnx-fp32 was not timed
        best=bool(timed.get("best", False)),
        batch=timed.get("batch"),
        threads=timed.get("threads"),
        tasks=validated.get("tasks", _NOTHING),
        without={
            name: part.get("tasks", _NOTHING)
            for name, part in validated.get("without", _NOTHING).items()
        },
        faults=tuple(map(str, validated.get("faults", ()))),
        cause=str(validated.get("cause", "")),
        whole=validated.get("whole_rows", _NOTHING).get("candidate", _NOTHING),
    )


def _outcome(found: Json) -> Outcome:
    return as_word(found["verdict"]) if "verdict" in found else ""


def _bench_lines(bench: Json | None) -> dict[str, Json]:
    """By artefact: its footprint, and its timing at the smallest batch and thread count."""
    if bench is None:
        return {}
    lines: dict[str, dict[str, Any]] = {}
    for part in bench.get("artefacts", ()):
        lines.setdefault(part["artefact"], {}).update(part)
    timings = bench.get("timings", ())
    least = min(((part["batch"], part["threads"]) for part in timings), default=None)
    for part in timings:
        if (part["batch"], part["threads"]) == least:
            lines.setdefault(part["artefact"], {}).update(part)
    for name, reason in bench.get("not_run", _NOTHING).items():
        lines.setdefault(name, {})["reason"] = reason
    return dict(lines)


def gate_text(outcome: Outcome) -> str:
    """A verdict as people read it."""
    if not outcome:
        return "–"
    return "not run" if outcome == "not_run" else outcome
