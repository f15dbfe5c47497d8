"""What a study found: each variant against the recipe as it is, on the same rows and seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from kd2edge.errors import StorageError, UsageError
from kd2edge.metrics import holm, measure, metric, paired_test_over_seeds
from kd2edge.metrics.kinds import goodness
from kd2edge.pipeline.verbs.finished import FinishedRun, read_run
from kd2edge.pipeline.verbs.study.plan import BASE, Plan
from kd2edge.pipeline.verbs.study.runs import StudyFolder, TrialRun, runs_of
from kd2edge.pipeline.verbs.study.storage import Trial
from kd2edge.reporting.study import HURTS, NOT_SHOWN, PAYS, SCHEMA
from kd2edge.tasks.cut import CUTS, FITTED
from kd2edge.tasks.reject import IN_SCOPE_RECALL, LIMITS, PROTOTYPES, TEMPERATURE
from kd2edge.tasks.spec import TaskName, TaskSpec
from kd2edge.validate import Reference, open_reference
from kd2edge.verdict import CONFIDENCE
from kd2edge.version import __version__

__all__ = ["findings", "judge", "reached"]

#: The rows that a search never looks at.
_SPLIT = "test"
#: Fewest resamples of a comparison, and how many each test asks for at least: the smallest p-value,
#: one over their number, has to survive the correction for all tests with something to spare.
_RESAMPLES, _A_TEST = 2000, math.ceil(1.25 / (1 - CONFIDENCE))

#: What a test looks for, and what is said where it finds it.
_SIDES: Mapping[str, str] = {"gain": PAYS, "loss": HURTS}

#: Decode settings that a variant may have of its own: where scores are cut, and to what end.
_CUT = {*CUTS, FITTED, IN_SCOPE_RECALL, TEMPERATURE, PROTOTYPES, *LIMITS.values()}

Json = dict[str, Any]


def reached(plan: Plan, runs: Sequence[TrialRun]) -> float | None:
    """What a trial reached on validation: the mean over seeds and tasks, larger is better.

    Errors count as the share that they are short of, see ``metrics.kinds.goodness``.  None: a
    metric cannot be computed there.
    """
    found: list[float] = []
    for run in map(_read, runs):
        specs = _specs(run)
        for task, name in plan.objective.items():
            models = run.report["splits"]["validation"]["tasks"][task]
            value = models["student"]["metrics"][name]["value"]
            if value is None:
                return None
            found.append(goodness(specs[task], name, value))
    return float(np.mean(found))


def findings(
    plan: Plan,
    name: str,
    folder: StudyFolder,
    trials: Sequence[Trial],
    reasons: Mapping[int, str],
    *,
    on_task: Callable[[str], None],
) -> Json:
    """The content of ``study.json``.

    A grid and an ablation hold every variant against the recipe as it is; a search holds the one
    that is best on validation alone, so that test rows choose nothing.

    Args:
        plan: what was tried.
        name: of the study.
        folder: where its runs are.
        trials: all of them.
        reasons: why trials failed.
        on_task: told which variant is compared.

    Raises:
        UsageError: the recipe as it is did not come to an end.
        StorageError, IntegrityError: a run that cannot be read.
    """
    latest = {one.variant.name: one for one in trials}  # a failed one may have been tried again
    done = {one.variant.name: one for one in trials if one.state == "complete"}
    if BASE not in done:
        raise UsageError(f"{folder.path}: the recipe as it is was not tried to the end")
    runs = {
        variant: [_read(run) for run in runs_of(folder, one, plan.seeds)]
        for variant, one in done.items()
    }
    base = runs[BASE]
    paired = [one for one in done if one != BASE and _same_rows(runs[one], base)]
    best = max(paired, key=lambda one: _value(done[one]), default=None)
    chosen = ([best] if best else []) if plan.is_search else paired
    specs, references = _specs(base[0]), [_reference(run) for run in base]
    compared: list[Json] = []
    resamples = max(_RESAMPLES, _A_TEST * 2 * len(chosen) * len(specs))
    for variant in chosen:
        on_task(variant)
        others = [_reference(run) for run in runs[variant]]
        compared += [
            _comparison(plan, variant, spec, references, others, resamples)
            for spec in specs.values()
        ]
    judge(compared)
    first = references[0]
    return {
        "schema": SCHEMA,
        "name": name,
        "created_by": f"kd2edge {__version__}",
        "kind": "ablation" if plan.is_ablation else plan.sampler,
        "recipe": plan.loaded.fingerprint,
        "recipe_text": plan.loaded.dump_resolved(),
        "fields": plan.asked_fields(),
        "seeds": list(plan.seeds),
        "split": _SPLIT,
        "confidence": CONFIDENCE,
        "resamples": resamples,
        "objective": dict(plan.objective),
        "best": best if plan.is_search else None,
        "tasks": {task: _task(spec, first) for task, spec in specs.items()},
        "variants": [
            _variant(trial, runs.get(name), base, reasons) for name, trial in latest.items()
        ],
        "comparisons": compared,
        "codes": sorted(
            {run.report["fingerprints"]["code"] for one in runs.values() for run in one}
        ),
    }


def judge(comparisons: Sequence[Json]) -> None:
    """Say of each comparison what is shown: that it ``pays``, that it ``hurts``, or neither.

    All one-sided tests of a study, a gain's and a loss's of each comparison, are one family for
    Holm: the chance of any wrong word is that of one test.  ``alone`` is what the same two tests
    say without the correction, as their bounds do.

    Args:
        comparisons: with ``p``, of a ``gain`` and of a ``loss``; ``p_holm``, ``verdict`` and
            ``alone`` are added.
    """
    adjusted = holm([one["p"][side] for one in comparisons for side in _SIDES])
    for at, one in enumerate(comparisons):
        corrected = dict(zip(_SIDES, adjusted[2 * at :], strict=False))
        one |= {"p_holm": corrected, "verdict": _verdict(corrected), "alone": _verdict(one["p"])}


def _verdict(p: Mapping[str, float]) -> str:
    """What is shown; opposite p-values add up to about 1 or more: never are both small."""
    shown = (side for side in _SIDES if p[side] <= 1 - CONFIDENCE)
    return _SIDES.get(next(shown, ""), NOT_SHOWN)


def _value(trial: Trial) -> float:
    assert trial.value is not None  # it is complete
    return trial.value


def _read(run: TrialRun) -> FinishedRun:
    return read_run(run.folder)


def _same_rows(runs: Sequence[FinishedRun], base: Sequence[FinishedRun]) -> bool:
    """Whether two variants were measured on the same rows, labels and tasks."""
    first = base[0].meaning
    return all(
        run.meaning.splits[_SPLIT] == first.splits[_SPLIT] and _asked(run) == _asked(base[0])
        for run in (*base, *runs)
    )


def _asked(run: FinishedRun) -> dict[str, Json]:
    """What the tasks ask, without where a student cuts its scores to answer it."""
    return {
        task: {
            **said,
            "decode": {key: one for key, one in said["decode"].items() if key not in _CUT},
        }
        for task, said in run.meaning.tasks.items()
    }


def _specs(run: FinishedRun) -> dict[str, TaskSpec]:
    """The tasks of a run, as its meaning and its report have them."""
    return {
        task: TaskSpec(
            name=TaskName(task),
            metrics=tuple(run.report["tasks"][task]["metrics"]),
            **{**said, "labels": tuple(said["labels"])},
        )
        for task, said in run.meaning.tasks.items()
    }


def _reference(run: FinishedRun) -> Reference:
    path = run.folder.samples / f"reference-{_SPLIT}.npz"
    try:
        return open_reference(path.read_bytes(), _specs(run))
    except OSError as error:
        raise StorageError(f"{path}: cannot be read: {error.strerror}") from error


def _comparison(
    plan: Plan,
    variant: str,
    spec: TaskSpec,
    base: Sequence[Reference],
    others: Sequence[Reference],
    resamples: int,
) -> Json:
    """What a task gains; of an ablation by the part, else by the variant."""
    task = str(spec.name)
    better, worse = (base, others) if plan.is_ablation else (others, base)
    test = paired_test_over_seeds(
        spec,
        base[0].truths[task],
        [one.decoded[task] for one in better],
        [one.decoded[task] for one in worse],
        spec.metric,
        inputs=base[0].hashes.view(np.int64),
        confidence=CONFIDENCE,
        resamples=resamples,
    )
    values = {"base": base, "variant_values": others}
    return {
        "variant": variant,
        "task": task,
        "metric": spec.metric,
        **{
            side: [measure(spec, one.truths[task], one.decoded[task], spec.metric) for one in ones]
            for side, ones in values.items()
        },
        "gain": asdict(test.gain),
        "p": {"gain": test.p_gain, "loss": test.p_loss},
    }


def _task(spec: TaskSpec, reference: Reference) -> Json:
    scale = metric(spec.metric).scale.of_values(spec.unit)
    return {
        "metric": spec.metric,
        "unit": scale.unit,
        "factor": scale.factor,
        "lower_is_better": scale.lower_is_better,
        "rows": len(reference.ids),
    }


def _variant(
    trial: Trial,
    runs: Sequence[FinishedRun] | None,
    base: Sequence[FinishedRun],
    reasons: Mapping[int, str],
) -> Json:
    found: Json = {
        "name": trial.variant.name,
        "trial": trial.number,
        "settings": list(trial.variant.overrides),
        "state": trial.state,
        "validation": trial.value,
        "parameters": None,
        "reason": "",
    }
    if runs is None:
        reason = reasons.get(trial.number, "it failed before, see its logs")
        return found | {"reason": reason if trial.state == "failed" else "it was not finished"}
    found["parameters"] = runs[0].report["models"]["student"]["parameters"]
    if not _same_rows(runs, base):
        found["reason"] = "it is measured on other rows, labels or tasks: nothing to compare"
    return found
