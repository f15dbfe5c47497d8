"""Whether what a validation stored bears its verdict out: no word in a file is believed alone."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from kd2edge.scale import POINTS, Scale
from kd2edge.verdict import ANY_FALL, FP32_TOLERANCE, ORDER, Word, as_word, verdict, worst

__all__ = ["Judged", "judged"]

# Budgets and confidences travel as decimal text: 0.95 is 0.95 however it was worked out.
_SAME = 1e-12
# Drops are of scores that were rounded as the reference's are: a ranking moves by that.
_ROUNDED, _RANKED = 2e-3, 2e-2


@dataclass(frozen=True, slots=True)
class Judged:
    """What a stored validation shows of an artefact.

    Args:
        verdict: by the manifest's own budget and confidence; ``not_run`` where it shows neither
            way (it did not run, or it was a trial by other measures).
        reason: why that is no pass; "" for a pass.
        contradiction: what in it contradicts itself; "" when nothing does.
        is_trial: it was judged by other measures than the manifest's, and shows nothing by these.
    """

    verdict: Word
    reason: str = ""
    contradiction: str = ""
    is_trial: bool = False


def judged(
    payload: Mapping[str, Any],
    artefact: str,
    *,
    max_drop: Mapping[str, float],
    confidence: float,
    max_drop_class: Mapping[str, float] = MappingProxyType({}),
    stand_ins: Mapping[str, str] = MappingProxyType({}),
    leading: Mapping[str, str] = MappingProxyType({}),
    scales: Mapping[str, Scale] = MappingProxyType({}),
    without: Sequence[str] = (),
) -> Judged:
    """Judge an artefact again by what a validation stored of it.

    A pass has to follow from the stored bounds, by the manifest's measures or stricter ones.  A
    failure by stricter measures, or a pass by looser ones, was a trial and shows nothing, unless
    the bounds themselves decide.

    Args:
        payload: of the evidence, as ``Validation.to_json`` writes it.
        artefact: its id.
        max_drop: the manifest's budget of every task.
        confidence: the manifest's, of each one-sided bound.
        max_drop_class: the manifest's budget of every task's classes; a task that is not in it
            fails for none.
        stand_ins: artefact -> verdict by earlier evidence, for those that stood in for PyTorch
            where rows had no stored output; what this validation itself says comes first.
        leading: the manifest's leading metric of every task; one that is not in it may have any.
        scales: metric -> its scale; one that is not in it is a share.
        without: inputs that the manifest says may be absent: every task has to pass on the rows
            without each of them, too, by the same budget.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is not built like such a payload.
    """
    payload = _flat(payload)
    budgets, of_classes = (_everywhere(one, without) for one in (max_drop, max_drop_class))
    measures = _Measures(budgets, of_classes, confidence, _everywhere(leading, without), scales)
    found = _by_measures(payload, artefact, measures)
    if found.verdict != "pass":
        return found
    references: Mapping[str, int] = payload["references"]
    for name, rows in references.items():
        if not rows or name in {"pytorch", artefact}:  # itself it is judged on PyTorch's rows alone
            continue
        own = "not_run"
        if name in payload["artefacts"]:
            own = _by_measures(payload, name, measures).verdict
        if (stand_ins.get(name) if own == "not_run" else own) != "pass":
            reason = f"{rows:,} rows were held against {name}, which did not pass against PyTorch"
            return Judged("undecided", reason)
    return found


_T = TypeVar("_T")


def _told(task: str, name: str) -> str:
    return f"{task} without {name}"


def _everywhere(of_tasks: Mapping[str, _T], without: Sequence[str]) -> dict[str, _T]:
    """What holds for a task holds for it without each input, too."""
    lacking = {_told(task, name): one for name in without for task, one in of_tasks.items()}
    return {**of_tasks, **lacking}


def _flat(payload: Mapping[str, Any]) -> dict[str, Any]:
    """The payload in which a task on rows without an input is a task like any other."""
    references: dict[str, int] = dict(payload["references"])
    for part in payload.get("without", {}).values():
        for name, rows in part["references"].items():
            references[name] = references.get(name, 0) + rows
    artefacts = {name: _flat_artefact(one) for name, one in payload["artefacts"].items()}
    return {**payload, "references": references, "artefacts": artefacts}


def _flat_artefact(found: Mapping[str, Any]) -> dict[str, Any]:
    flat = dict(found)
    for name, part in found.get("without", {}).items():
        for level in ("numbers", "tasks"):
            own = {_told(task, name): one for task, one in part.get(level, {}).items()}
            flat[level] = {**flat.get(level, {}), **own}
        flat["answers"] = [*flat.get("answers", ()), *part.get("answers", ())]
    return flat


class _Measures(NamedTuple):
    """What the manifest asks for."""

    max_drop: Mapping[str, float]
    max_drop_class: Mapping[str, float]
    confidence: float
    leading: Mapping[str, str]
    scales: Mapping[str, Scale]

    def of_classes(self, task: str) -> float:
        return float(self.max_drop_class.get(task, ANY_FALL))


def _by_measures(payload: Mapping[str, Any], artefact: str, measures: _Measures) -> Judged:
    """The verdict by the manifest's measures, whatever the rows were held against."""
    found = payload["artefacts"][artefact]
    word, stated = _word(found), str(found.get("reason", ""))
    own = _contradiction(payload, artefact, word, measures.scales) or _another_metric(
        found, measures
    )
    if own:
        return Judged("not_run", own, own)
    if word == "not_run":
        return Judged(word, stated)
    tasks: Mapping[str, Any] = found.get("tasks", {})
    if word != "pass" and (
        _beyond_bounds(found, artefact) or not _is_by_bounds(tasks, word, measures.scales)
    ):
        return Judged(word, stated)  # not for its bounds alone, so another budget changes nothing
    parts = [
        _task(name, tasks.get(name), most, measures.of_classes(name), measures.scales)
        for name, most in measures.max_drop.items()
    ]
    again, sure = worst(one.verdict for one in parts), _confidence(payload, tasks)
    confidence = measures.confidence
    reason = "; ".join(one.reason for one in parts if one.verdict == again and one.reason)
    if again == "undecided" or (again == "fail" and sure >= confidence - _SAME):
        return Judged(again, reason)
    if sure < confidence - _SAME:
        asked = f"judged at confidence {sure:g}, the manifest asks {confidence:g}"
        return Judged("not_run", asked, is_trial=True)
    if word == "pass":
        unjudged = _unjudged_classes(tasks, measures)
        return Judged("not_run", unjudged, is_trial=True) if unjudged else Judged(word)
    return Judged("not_run", "judged by stricter budgets than the manifest's", is_trial=True)


def _word(found: Mapping[str, Any]) -> Word:
    return as_word(found["verdict"])


def _beyond_bounds(found: Mapping[str, Any], artefact: str) -> str:
    """What fails it whatever its bounds are: checks, outputs, decisions; "" when nothing does."""
    checks = [one for level in ("graph", "answers", "edges") for one in found.get(level, ())]
    failed = [str(check["name"]) for check in checks if check["status"] == "failed"]
    if failed:
        return f"a failed check: {', '.join(failed)}"
    is_exact = artefact.split("-")[1:2] == ["fp32"]
    numbers: Mapping[str, Any] = found.get("numbers", {})
    odd = [task for task, ways in numbers.items() if not all(_is_near(w, is_exact) for w in ways)]
    if odd:
        return f"outputs that are not PyTorch's: {', '.join(odd)}"
    tasks: Mapping[str, Any] = found.get("tasks", {})
    turned = [name for name, part in tasks.items() if part["changed"] > part["ties"]]
    return f"other decisions: {', '.join(turned)}" if is_exact and turned else ""


def _contradiction(
    payload: Mapping[str, Any], artefact: str, word: Word, scales: Mapping[str, Scale]
) -> str:
    """Why a pass (the artefact's, or a task's) does not follow from what stands beside it."""
    found = payload["artefacts"][artefact]
    tasks: Mapping[str, Any] = found.get("tasks", {})
    for name, part in tasks.items():
        if _word(part) == "pass":
            one = _by_its_own(name, part, scales)
            if one.verdict != "pass":
                return f"{name} is said to pass, but {one.reason}"
            odd = next(filter(None, _odd_drops(part, scales)), "")
            if odd:
                return f"{name} is said to pass, but {odd}"
        elif word == "pass":
            return f"a pass in which {name} did not pass"
    if word != "pass":
        return ""
    rows = payload["rows"]
    if not tasks or not isinstance(rows, int) or rows < 1:
        return "a pass without rows or tasks that were measured"
    against = _beyond_bounds(found, artefact)
    return f"a pass with {against}" if against else ""


def _is_by_bounds(tasks: Mapping[str, Any], word: Word, scales: Mapping[str, Scale]) -> bool:
    """Whether some task has this verdict, and each that has it for its bounds, classes' included.

    Anything else (a decision of an fp32 artefact, say) is none of a budget's business.
    """
    own = {name: part for name, part in tasks.items() if part["verdict"] == word}
    return bool(own) and all(
        _by_its_own(name, part, scales).verdict == word for name, part in own.items()
    )


def _by_its_own(name: str, part: Mapping[str, Any], scales: Mapping[str, Scale]) -> Judged:
    """What the bounds of a task say under the budgets that it was judged by."""
    return _task(name, part, _number(part["max_drop"]), _stated_classes(part), scales)


def _stated_classes(part: Mapping[str, Any]) -> float:
    return _number(part.get("max_drop_class", ANY_FALL))


def _unjudged_classes(tasks: Mapping[str, Any], measures: _Measures) -> str:
    """That a class was let go which the manifest may not allow; "" when none was.

    A class that is gone with too few rows for a bound fails by their number, which is not stored.
    """
    for name, part in tasks.items():
        most, stated = measures.of_classes(name), _stated_classes(part)
        if stated > most + _SAME and any(
            one["gone"] and _fall(one) > most for one in part.get("classes", ())
        ):
            return f"{name} judged by max_drop_class {stated:g}, the manifest allows {most:g}"
    return ""


def _is_near(way: Mapping[str, Any], is_exact: bool) -> bool:
    """Whether a way to batch and pad gave finite outputs, for fp32: PyTorch's own."""
    most, rms = _number(way["max_abs"]), _number(way["rms"])
    return math.isfinite(rms) and most <= (FP32_TOLERANCE if is_exact else math.inf)


def _task(
    name: str,
    part: Mapping[str, Any] | None,
    max_drop: float,
    max_drop_class: float,
    scales: Mapping[str, Scale],
) -> Judged:
    """What the bounds of the metrics that are held to it say under a budget, and the classes."""
    if part is None or part["verdict"] == "not_run":
        return Judged("undecided", f"{name} was not measured")
    lost = [one["label"] for one in part.get("classes", ()) if _is_lost(one, max_drop_class)]
    if lost:
        return Judged("fail", f"{name}: the recall of {', '.join(map(repr, lost[:3]))} falls")
    parts = [
        _metric(name, part["metrics"][held]["drop"], max_drop, scales.get(held, POINTS))
        for held in _held(part)
    ]
    return max(parts, key=lambda one: ORDER.index(one.verdict))


def _held(part: Mapping[str, Any]) -> list[str]:
    """The metrics that are held to the budget, the leading one among them in any case."""
    return list(dict.fromkeys((part["metric"], *(part.get("held") or ()))))


def _odd_drops(part: Mapping[str, Any], scales: Mapping[str, Scale]) -> Iterator[str]:
    """How drops are not those of the two values beside them."""
    held = _held(part)
    for name in held:
        found: Mapping[str, Any] = part["metrics"][name]
        scale = scales.get(name, POINTS)
        value, high = (_number(found["drop"][key]) for key in ("value", "high"))
        if value > high + _SAME:
            yield f"its drop of {scale.amount(value)} is above its own upper bound"
        if "reference" not in found or "candidate" not in found:
            continue
        fall = scale.fall(*(_number(found[one]["value"]) for one in ("reference", "candidate")))
        # A metric that ranks is held beside one of decisions.
        ranks = name == part["metric"] and len(held) > 1
        if not abs(fall - value) <= (_RANKED if ranks else _ROUNDED):  # also refuses NaN
            yield f"its values fall by {scale.amount(fall)}, and its drop is {scale.number(value)}"


def _another_metric(found: Mapping[str, Any], measures: _Measures) -> str:
    """Which task was judged by another metric than the manifest's; "" when none was."""
    tasks: Mapping[str, Any] = found.get("tasks", {})
    for name, part in tasks.items():
        wanted = measures.leading.get(name, part["metric"])
        if part["metric"] != wanted:
            return f"{name} was judged by {part['metric']}, the manifest's metric is {wanted}"
    return ""


def _is_lost(one: Mapping[str, Any], max_drop_class: float) -> bool:
    """Whether a class falls by more than is allowed: for certain, or it is gone as it failed."""
    if max_drop_class >= ANY_FALL:
        return False
    return _number(one["low"]) > max_drop_class or (
        one["gone"] and one["failed"] and _fall(one) > max_drop_class
    )


def _fall(one: Mapping[str, Any]) -> float:
    return _number(one["reference"]) - _number(one["candidate"])


def _metric(name: str, drop: Mapping[str, Any], max_drop: float, scale: Scale) -> Judged:
    low, high = (_number(drop[bound]) for bound in ("low", "high"))
    found = verdict(low, high, max_drop)
    reason = (
        f"{name} may drop by {scale.amount(high)} (at least {scale.number(low)}), allowed are"
        f" {scale.number(max_drop)}"
    )
    return Judged(found, "" if found == "pass" else reason)


def _number(value: object) -> float:
    if value is None:  # what JSON has for NaN and infinity
        return math.nan
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"no number: {value!r:.40}")
    return float(value)


def _confidence(payload: Mapping[str, Any], tasks: Mapping[str, Any]) -> float:
    """The lowest confidence that any bound of it was worked out with."""
    drops = [part["metrics"][part["metric"]]["drop"] for part in tasks.values() if part["metrics"]]
    stated = [_number(one["confidence"]) for one in (payload, *drops)]
    return min((one if 0.5 < one < 1 else 0.0) for one in stated)
