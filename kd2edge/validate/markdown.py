"""A validation as Markdown for a terminal, made from its JSON, as evidence holds it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from kd2edge.metrics.kinds import SCALES
from kd2edge.runtime.markdown import aligned
from kd2edge.scale import POINTS, Scale, told_in
from kd2edge.validate.ways import SHARED
from kd2edge.wording import shown

__all__ = ["falls_told", "validation_table"]

Json = Mapping[str, Any]

_HEADS = ("artefact", "task", "value", "drop", "at most", "budget", "verdict")
_WHOLE_HEADS = ("artefact", "rows", "value", "drop", "at most")
#: Classes that fall of which a line names so many.
_FALLS = 3
_NUMBERS = frozenset({2, 3, 4, 5})
_VERDICT_HEADS = ("artefact", "verdict", "max abs error", "top-1", "changed decisions")


def validation_table(found: Json) -> str:
    """Task x artefact, then the artefacts' verdicts with their reasons.

    Args:
        found: ``Validation.to_json()``, or the payload of validation evidence.
    """
    artefacts: Json = found["artefacts"]
    lines = [shown(_title(found)), ""]
    lines += _tasks(artefacts)
    lines += _lacking(found)
    lines += _whole_rows(artefacts)
    judged = [_verdict_row(name, result) for name, result in artefacts.items()]
    lines += aligned(_VERDICT_HEADS, judged, frozenset({2, 3, 4}))
    lines += _which_rows(artefacts.values(), found["rows"])
    cut = [shown(line) for line in _cut_words(artefacts)]
    lines += ["", *cut] if cut else []
    notes = [shown(note) for name, result in artefacts.items() for note in _notes(name, result)]
    lines += ["", *notes] if notes else []
    return "\n".join(lines) + "\n"


def _title(found: Json) -> str:
    rows = f"{found['rows']:,} rows"
    if found.get("distinct", 0) not in (0, found["rows"]):
        rows += f", {found['distinct']:,} distinct,"
    return (
        f"{found['name']}: {rows}{_of_split(found)} against "
        f"{found['reference']}; one-sided bounds at {found['confidence']:.0%}"
    )


def _of_split(found: Json) -> str:
    """Which split the rows are of; "" where they are a file's, which no split has."""
    others = sum(rows for name, rows in found.get("references", {}).items() if name != "pytorch")
    return "" if others else f" of the {found['split']} split"


def _tasks(artefacts: Json) -> Iterator[str]:
    """A table of tasks for all artefacts; one each for those that rest on other rows."""
    groups: dict[tuple[tuple[str, int], ...], list[tuple[str, ...]]] = {}
    for name, result in artefacts.items():
        if rows := list(_rows(name, result)):
            groups.setdefault(tuple(_measured_on(result)), []).extend(rows)
    ordered = sorted(groups.items(), key=lambda group: (not group[0], -len(group[1])))
    if len(ordered) > 1 and not ordered[-1][0]:  # what was not measured rests on no other rows
        ordered[0][1].extend(ordered.pop()[1])
    for rested, rows in ordered:
        if len(ordered) > 1:
            counts = {count for _, count in rested}
            said = ", ".join(f"{count:,}" for count in sorted(counts, reverse=True))
            yield f"On {said} rows:"
            yield ""
        yield from (*aligned(_HEADS, rows, _NUMBERS), "")
    if groups:
        yield from (shown(_metrics(artefacts)), "")


def _lacking(found: Json) -> Iterator[str]:
    """A table of tasks for the rows without each input that may be absent."""
    for name, basis in found.get("without", {}).items():
        parts = {key: one.get("without", {}).get(name) for key, one in found["artefacts"].items()}
        rows = [row for key, part in parts.items() if part for row in _rows(key, part)]
        if rows:
            count = f"{basis['rows']:,} rows"
            if basis["distinct"] not in (0, basis["rows"]):
                count += f", {basis['distinct']:,} distinct"
            yield shown(f"Without {name} ({count}):")
            yield ""
            yield from (*aligned(_HEADS, rows, _NUMBERS), "")


def _whole_rows(artefacts: Json) -> Iterator[str]:
    """On how many rows every task is right: no gate stands on it, its bounds are told."""
    parts = {name: one.get("whole_rows") for name, one in artefacts.items()}
    rows = [(name, *_whole_row(part)) for name, part in parts.items() if part]
    if rows:
        yield "Rows on which every task is right:"
        yield ""
        yield from (*aligned(_WHOLE_HEADS, rows, frozenset({1, 2, 3, 4})), "")


def _whole_row(part: Json) -> tuple[str, ...]:
    found, drop = part["candidate"], part["drop"]
    numbers = POINTS.number(drop["value"]), POINTS.number(drop["high"])
    return f"{found['rows']:,}", f"{found['value']:.4f}", *numbers


def _measured_on(result: Json) -> Iterator[tuple[str, int]]:
    """On how many labelled rows each task was measured."""
    for task, part in result["tasks"].items():
        metric = part["metrics"].get(part["metric"])
        if metric is not None:
            yield task, int(metric["candidate"]["rows"])


def _which_rows(results: Iterable[Json], rows: int) -> Iterator[str]:
    """Of which rows the numbers beside the verdicts speak: not of the same ones."""
    most = max((_most_compared(result) for result in results), default=0)
    if most:
        yield ""
        unit = "words" if 0 < rows < most else "rows"  # more than there are rows: a task of words
        yield f"Errors and top-1: {most:,} {unit} with PyTorch's logits; changed: all rows above."


def _cut_words(artefacts: Json) -> Iterator[str]:
    """Words that no artefact reads: once a task where they are as many for all."""
    found: dict[tuple[str, int], list[str]] = {}
    for name, result in artefacts.items():
        for task, part in result["tasks"].items():
            if part.get("cut"):
                found.setdefault((task, part["cut"]), []).append(name)
    for (task, count), names in found.items():
        of = "" if len(names) == len(artefacts) else f" in {', '.join(names)}"
        words = "labelled word lies" if count == 1 else "labelled words lie"
        where = f"beyond the length limit{of}, or without a piece"
        yield f"{task}: {count:,} {words} {where}, and count as wrong."


def _most_compared(result: Json) -> int:
    """Rows that ran alone, which all did; further ways run the same ones again."""
    return max((int(parts[0]["rows"]) for parts in result["numbers"].values() if parts), default=0)


def _metrics(artefacts: Json) -> str:
    parts = [item for result in artefacts.values() for item in result["tasks"].items()]
    leading = {task: str(part["metric"]) for task, part in parts}
    units = {task: unit for task, part in parts if (unit := part.get("unit", ""))}
    named = ", ".join(f"{task} {name}" for task, name in leading.items())
    told = told_in(
        {task: _scale(name).of_values(units.get(task, "")) for task, name in leading.items()}
    )
    return f"Metrics: {named}; drops {told}."


def _rows(name: str, result: Json) -> Iterator[tuple[str, ...]]:
    for task, part in result["tasks"].items():
        metric, scale = part["metrics"].get(part["metric"]), _scale(part["metric"])
        numbers = ("", "", "")
        if metric is not None:
            drop = metric["drop"]
            numbers = (
                f"{metric['candidate']['value']:.4f}",
                scale.number(drop["value"]),
                scale.number(drop["high"]),
            )
        most = scale.number(part["max_drop"])
        yield (name, task, *numbers, most, _plain(part["verdict"]))


def _scale(name: str) -> Scale:
    return SCALES.get(name, POINTS)


def _plain(verdict: str) -> str:
    return verdict.replace("_", " ")


def _verdict_row(name: str, result: Json) -> tuple[str, ...]:
    everywhere = [result, *result.get("without", {}).values()]
    numbers = [part for one in everywhere for parts in one["numbers"].values() for part in parts]
    # A size that was tried on a row or two says nothing as a share.
    shares = [part for part in numbers if part["rows"] >= SHARED] or numbers
    agreement = f"{min(part['top1'] for part in shares):.1%}" if shares else ""
    return (
        name,
        _plain(result["verdict"]),
        _largest([part["max_abs"] for part in numbers]),
        agreement,
        _changed([part for one in everywhere for part in one["tasks"].values()]),
    )


def _largest(errors: Sequence[float | None]) -> str:
    """The largest error; null in JSON is one that was not finite."""
    known = [error for error in errors if error is not None]
    if len(known) < len(errors):
        return "not finite"
    return f"{max(known):.1e}" if known else ""


def _changed(tasks: Iterable[Json]) -> str:
    """Changed decisions over all tasks, and how many of them are ties."""
    parts = [part for part in tasks if part["metrics"]]
    if not parts:
        return ""
    changed, ties = sum(part["changed"] for part in parts), sum(part["ties"] for part in parts)
    return f"{changed} ({ties} ties)" if ties else str(changed)


def _notes(name: str, result: Json) -> Iterator[str]:
    yield from _reasons(f"- {name} {_plain(result['verdict'])}:", result)
    if result["verdict"] in {"pass", "undecided"}:
        numbers: Json = result["numbers"]
        missing = [name for name in (numbers or result["tasks"]) if not numbers.get(name)]
        if missing or not numbers:
            which = f" of {', '.join(missing)}" if missing and any(numbers.values()) else ""
            yield f"- {name} numbers not run: no PyTorch logits{which} to compare with"
    for task, part in _everywhere(result):
        falls = [one for one in part.get("classes", ()) if not one["failed"]]
        if falls:  # those that failed stand above
            yield f"- {name} {task}, within max_drop_class: recall falls: {falls_told(falls)}"
    for check in (*result["graph"], *result.get("answers", ()), *result["edges"]):
        # Where it stood against a pass it was said above.
        said = any(check["detail"] in fault for fault in (result["reason"], *_faults(result)))
        if check["status"] == "not_run" and not said:
            yield f"- {name} {check['name']} not run: {check['detail']}"


def _everywhere(result: Json) -> Iterator[tuple[str, Json]]:
    """Every task, and every task on the rows without each input that may be absent."""
    yield from result["tasks"].items()
    for name, part in result.get("without", {}).items():
        yield from ((f"{task} without {name}", one) for task, one in part["tasks"].items())


def falls_told(falls: Sequence[Json]) -> str:
    """Classes whose recall falls, in words, the gravest first: a few, and how many more."""
    parts = [
        f"{fall['label']!r} {fall['reference']:.1%} -> {fall['candidate']:.1%} of "
        f"{fall['support']:,}{' (never decided)' if fall['gone'] else ''}"
        for fall in falls[:_FALLS]
    ]
    more = f" and {len(falls) - _FALLS:,} more" if len(falls) > _FALLS else ""
    return f"{', '.join(parts)}{more}"


def _reasons(start: str, result: Json) -> Iterator[str]:
    """What stood against a pass: every fault in a line of its own, and where it lies."""
    faults = _faults(result)
    if len(faults) == 1:
        yield f"{start} {faults[0]}"
    elif faults:
        yield start
        yield from (f"  - {fault}" for fault in faults)
    if result.get("cause"):
        yield f"  Cause: {result['cause']}"


def _faults(result: Json) -> Sequence[str]:
    """All that stood against a pass; evidence of before has it in one text."""
    return result.get("faults") or ([result["reason"]] if result["reason"] else [])
