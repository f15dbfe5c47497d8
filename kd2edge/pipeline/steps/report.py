"""``report.json``: what teacher, baseline and student reach, by the shared metric mechanism."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from kd2edge.bundle import machine
from kd2edge.data import EncodedSplit
from kd2edge.distill import fitted_tasks, predict_split
from kd2edge.files import fingerprint, fingerprint_file, write_atomic
from kd2edge.files.fingerprint import as_json
from kd2edge.metrics.items import distinct
from kd2edge.nets import describe_net
from kd2edge.pipeline.reading.learned import learned_summary
from kd2edge.pipeline.reading.phases import heard, phases_of
from kd2edge.pipeline.reading.prepare import Prepared
from kd2edge.pipeline.reading.trained import trained_stem
from kd2edge.pipeline.steps.decided import (
    Logits,
    ModelResult,
    Specs,
    decided_by,
    thresholds_of,
)
from kd2edge.pipeline.steps.finite import finite
from kd2edge.pipeline.steps.joining import ensembles_of, said_of_task, taught_by
from kd2edge.pipeline.steps.lacking import JUDGED, lacked, student_without
from kd2edge.pipeline.steps.measured import Inputs, gain_over, measured, metrics_of, whole_rows
from kd2edge.pipeline.steps.provenance import code_fingerprint
from kd2edge.pipeline.steps.training import NetRecord
from kd2edge.pipeline.steps.work import Learner, Splits, Work
from kd2edge.recipe import Recipe
from kd2edge.reporting import html_report
from kd2edge.reporting.reading import SCHEMA
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.outputs import logits_of, outputs_of
from kd2edge.tasks.spec import Decoded, TaskName, TaskSpec, Truth
from kd2edge.teacher import TeacherCache
from kd2edge.teacher.joins import Ensemble
from kd2edge.validate.meaning import Meaning, SplitMeaning, meaning_of
from kd2edge.validate.reference import Lacking, pack_reference, row_keys
from kd2edge.validate.truths import inputs_fingerprint, labels_fingerprint
from kd2edge.version import __version__

__all__ = ["ModelResult", "write_report"]

_OWN = ("baseline", "student", "reference")

#: Ids of a split's rows, and hashes of their inputs.
Keys: TypeAlias = tuple[list[str], list[int]]
Ensembles: TypeAlias = "Mapping[TaskName, Ensemble]"
#: Model (``teacher``, ``baseline``, ``student``, ``reference``) -> array of a head -> it for every
#: row of a split.
Said: TypeAlias = "dict[str, dict[str, Logits]]"


class _Outputs(NamedTuple):
    """What the student says of a split's rows, and what the data does."""

    keys: Keys
    logits: Mapping[str, Logits]
    truths: Mapping[str, Truth]
    without: Mapping[str, Lacking]


def write_report(work: Work, learner: Learner, results: Mapping[str, ModelResult]) -> None:
    """Measure every model on validation and test; write reference outputs, JSON and HTML.

    ``report.json`` comes last: a run that has one is finished.

    Args:
        work: the run.
        learner: what the student reads, and the rows as it reads them.
        results: every model: the teachers by their names, ``baseline``, ``student``, ``reference``.
    """
    splits = learner.splits
    parts: dict[str, Any] = {}
    keys = {split: row_keys(work.data.rows[split], work.data.inputs) for split in JUDGED}
    validation = _caches(results, "validation")
    ensembles = ensembles_of(work, work.recipe, learner, validation)
    taught = taught_by(work, validation, ensembles)
    specs = decided_by(work, splits["validation"], results, taught)
    meaning = _meaning(work, splits, keys, results["student"], specs["student"])
    write_atomic(work.run.meaning, meaning.to_json())
    for split in JUDGED:
        caches, hashes = _caches(results, split), _hashes(keys[split])
        said = _predictions(work, splits[split], results, caches, ensembles)
        said |= {name: dict(one.said[split]) for name, one in results.items() if one.said}
        parts[split] = _split_report(work.data, specs, splits[split], said, hashes)
        if several := _each_teacher(work, learner, results, split, hashes):
            parts[split]["teachers"] = several
        without = dict(_without(work, learner, results, specs, split, ensembles))
        if without:
            parts[split]["without"] = {name: part for name, (part, _) in without.items()}
        stored = {name: lacking for name, (_, lacking) in without.items()}
        truths = _truths(work.data, splits[split])
        outputs = _Outputs(keys[split], said["student"], truths, stored)
        _write_reference(work, specs["student"], split, meaning, outputs)
    report = finite(
        _report(work, splits, results, specs, parts, meaning)
        | _joins(ensembles)
        | _lessons(work.recipe)
        | _mutual(work.recipe)
    )
    text = json.dumps(report, ensure_ascii=False, allow_nan=False, indent=1)
    write_atomic(work.run.html, html_report(report).encode())
    write_atomic(work.run.report, f"{text}\n".encode())


def _report(
    work: Work,
    splits: Splits,
    results: Mapping[str, ModelResult],
    specs: Specs,
    parts: Mapping[str, Any],
    meaning: Meaning,
) -> dict[str, Any]:
    learned = learned_summary(work.recipe, work.data.learned)
    return {
        "schema": SCHEMA,
        "name": work.recipe.name,
        "seed": work.recipe.seed,
        "created_by": f"kd2edge {__version__}",
        "tasks": {
            str(name): _task(spec) | thresholds_of(name, specs)
            for name, spec in work.data.tasks.items()
        },
        "models": _models(results, heard(work.recipe)),
        "splits": parts,
        "curves": _curves(results),
        "fingerprints": {**_fingerprints(work, splits, results), "meaning": meaning.key},
        "machine": asdict(machine()),
        "cache": _cache(results),
    } | ({"tokenizers": learned} if learned else {})


def _task(spec: TaskSpec) -> dict[str, Any]:
    return {
        "kind": spec.kind,
        "labels": list(spec.labels),
        "metric": spec.metric,
        "metrics": list(spec.metrics),
    } | ({"unit": spec.unit} if spec.unit else {})


def _teachers(results: Mapping[str, ModelResult]) -> dict[str, ModelResult]:
    return {name: one for name, one in results.items() if name not in _OWN}


def _models(results: Mapping[str, ModelResult], teaching: Sequence[str]) -> dict[str, Any]:
    """Costs of each model; several teachers count as one, ``teacher``.

    Its size is that of those who teach the student, its training that of all: an assistant is there
    because somebody taught it.
    """
    own = {
        name: _cost([results[name].record]) | _phases(results[name])
        for name in _OWN
        if name in results
    }
    if "reference" in own:
        own["reference"]["kind"] = results["reference"].kind
    start = results["student"].record.start
    if start is not None and start["parts"]:
        own["student"]["start"] = dict(start)
    if not teaching:
        return own
    together = _cost([results[name].record for name in teaching])
    every = _cost([one.record for one in _teachers(results).values()])
    trained = {key: every[key] for key in ("train_seconds", "steps")}
    return {"teacher": {**together, **trained, "names": list(teaching)}, **own}


def _phases(one: ModelResult) -> dict[str, Any]:
    """What each phase of a training in several took, and where its epochs stand in the curve."""
    found: list[dict[str, Any]] = []
    epochs = 0
    for name, record in one.phases.items():
        first, epochs = epochs + 1, epochs + record.last_epoch
        took = {"train_seconds": record.train_seconds, "steps": record.steps}
        found.append({"name": name, "first_epoch": first, "last_epoch": epochs, **took})
    return {"phases": found} if one.phases.keys() - {""} else {}


def _curves(results: Mapping[str, ModelResult]) -> dict[str, Any]:
    """A point an epoch of every model; several teachers stand under their own names."""
    alone = len(_teachers(results)) == 1
    return {
        "teacher" if alone and name not in _OWN else name: list(one.record.curve)
        for name, one in results.items()
    }


def _cost(records: Sequence[NetRecord]) -> dict[str, Any]:
    keys = ("parameters", "embedding_parameters", "flops", "bytes", "train_seconds", "steps")
    return {key: _sum([getattr(record, key) for record in records]) for key in keys}


def _sum(values: Sequence[Any]) -> Any:
    """Of all of them; None where one is not known."""
    return None if None in values else sum(values)


def _without(
    work: Work,
    learner: Learner,
    results: Mapping[str, ModelResult],
    specs: Specs,
    split: str,
    ensembles: Ensembles,
) -> Iterator[tuple[str, tuple[dict[str, Any], Lacking]]]:
    """What is reached without each input that may be absent, and what the student says there."""
    for one in lacked(work.data, split):
        encoded = work.encode_lacking(one.rows, student_without(learner.inputs, one.name))
        asked = {
            model: part.lacking[one.key]
            for model, part in results.items()
            if one.key in part.lacking
        }
        said = _predictions(work, encoded, results, asked, ensembles)
        _, hashes = row_keys(one.rows, work.data.inputs)
        inputs = np.array(hashes, np.uint64)
        part = {
            "rows": len(encoded),
            "distinct": distinct(inputs),
            "tasks": {
                name: {
                    model: {"metrics": metrics_of(spec, encoded.truth(name), decoded, inputs)}
                    for model, decoded in _decoded(name, specs, said).items()
                }
                for name, spec in work.data.tasks.items()
            },
        }
        logits = said["student"]
        decoded = _student_decoded(specs["student"], logits)
        stored = Lacking(one.rows.positions, hashes, decoded, logits)
        yield one.name, (part, stored)


def _caches(results: Mapping[str, ModelResult], split: str) -> dict[str, TeacherCache]:
    return {model: one.caches[split] for model, one in _teachers(results).items()}


def _predictions(
    work: Work,
    split: EncodedSplit,
    results: Mapping[str, ModelResult],
    asked: Mapping[str, TeacherCache],
    ensembles: Ensembles,
) -> Said:
    """What every model says of some rows; teachers were asked before, and are not asked again.

    The student's teachers of a task are one, ``teacher``: those of them that were asked.
    """
    said: Said = {"teacher": taught_by(work, asked, ensembles)} if asked else {}
    for model, one in results.items():
        if one.net is None:
            continue
        said[model] = predict_split(
            one.net, split, one.net.tasks, device=work.recipe.train.device, on_event=work.on_event
        )
        one.net.cpu()
    return said


def _each_teacher(
    work: Work,
    learner: Learner,
    results: Mapping[str, ModelResult],
    split: str,
    inputs: Inputs,
) -> dict[str, Any]:
    """What each teacher reaches alone: task that several answer -> teacher -> its metrics."""
    found: dict[str, Any] = {}
    for task, told_by in _answering(work.recipe).items():
        truth = learner.splits[split].truth(task)
        found[task] = {}
        for name in told_by:
            caches = results[name].caches
            spec = work.data.tasks[task]
            told = said_of_task(spec, {name: caches["validation"]}, None)
            (spec,) = fitted_tasks([spec], learner.splits["validation"], told)
            said = said_of_task(spec, {name: caches[split]}, None)
            decoded = task_kind(spec.kind).decode(spec, logits_of(spec, said))
            found[task][name] = {"metrics": metrics_of(spec, truth, decoded, inputs)}
    return found


def _answering(recipe: Recipe) -> dict[TaskName, list[str]]:
    """Task that several teachers answer -> their names."""
    known = {TaskName(task): [one.name for one in recipe.knowing(task)] for task in recipe.tasks}
    return {task: names for task, names in known.items() if len(names) > 1}


def _lessons(recipe: Recipe) -> dict[str, Any]:
    """Who was taught by whom, of tasks that several teachers answer; nothing where none has."""
    learners = {one.name: recipe.learned_by(one) for one in recipe.teachers if one.taught_by}
    found = {
        str(task): {
            name: taught
            for name, learner in {**learners, "student": recipe}.items()
            if task in learner.tasks and (taught := [one.name for one in learner.teachers_of(task)])
        }
        for task in _answering(recipe)
    }
    return {"taught_by": found} if found else {}


def _mutual(recipe: Recipe) -> dict[str, Any]:
    """Which nets have learned beside the student, in which phase; nothing where none has."""
    for phase in phases_of(recipe):
        mutual = phase.recipe.distill.mutual
        if mutual is not None:
            names = [one.name for one in mutual.peers]
            found = {"peers": names, "weight": mutual.weight}
            return {"mutual": found | ({"phase": phase.name} if phase.name else {})}
    return {}


def _joins(ensembles: Ensembles) -> dict[str, Any]:
    """How several teachers of a task were joined; nothing where none has several."""
    joins = {
        str(task): as_json(one.join) | ({"lacks": dict(one.lacks)} if one.lacks else {})
        for task, one in ensembles.items()
    }
    return {"joins": joins} if joins else {}


def _hashes(keys: Keys) -> Inputs:
    return np.array(keys[1], dtype=np.uint64)


def _split_report(
    data: Prepared, specs: Specs, split: EncodedSplit, said: Said, inputs: Inputs
) -> dict[str, Any]:
    tasks: dict[str, Any] = {}
    gains: dict[str, Any] = {}
    every: dict[str, Mapping[str, Decoded]] = {}
    for name, spec in data.tasks.items():
        truth = split.truth(name)
        decoded = every[str(name)] = _decoded(name, specs, said)
        support = list(data.train_support[name].values())
        tasks[name] = {
            model: measured(spec, truth, one, support, inputs) for model, one in decoded.items()
        }
        if {"baseline", "student"} <= decoded.keys():
            gains[name] = gain_over(spec, truth, decoded["student"], decoded["baseline"], inputs)
    return {
        "rows": len(split),
        "distinct": distinct(inputs),
        "tasks": tasks,
        "gain": gains,
        **whole_rows(data.tasks, _truths(data, split), every, inputs),
    }


def _decoded(task: TaskName, specs: Specs, said: Said) -> dict[str, Decoded]:
    """Model -> its decisions on a task, for those that answer it."""
    found: dict[str, Decoded] = {}
    for model, logits in said.items():
        spec = specs[model].get(task)
        if spec is not None and outputs_of(spec).keys() <= logits.keys():
            found[model] = task_kind(spec.kind).decode(spec, logits_of(spec, logits))
    return found


def _truths(data: Prepared, split: EncodedSplit) -> dict[str, Truth]:
    return {str(task): split.truth(task) for task in data.tasks}


def _meaning(
    work: Work,
    splits: Splits,
    keys: Mapping[str, Keys],
    student: ModelResult,
    tasks: Mapping[TaskName, TaskSpec],
) -> Meaning:
    """What the student's outputs mean, and the rows of the splits that it is measured on."""
    assert student.net is not None
    inputs = {spec.name: spec for spec in student.net.inputs}
    paths = {path for spec in inputs.values() for path in spec.files.values()}
    files = {path: fingerprint_file(work.run.path / path) for path in paths}
    rows = {
        split: SplitMeaning(
            len(splits[split]),
            inputs_fingerprint(_hashes(keys[split])),
            {
                task: labels_fingerprint(one)
                for task, one in _truths(work.data, splits[split]).items()
            },
        )
        for split in keys
    }
    return meaning_of(student.record.weights, tasks, inputs, files, rows)


def _write_reference(
    work: Work,
    tasks: Mapping[TaskName, TaskSpec],
    split: str,
    meaning: Meaning,
    outputs: _Outputs,
) -> None:
    """Keep what PyTorch decided on every row of a split: what artefacts are held against."""
    content = pack_reference(
        *outputs.keys,
        _student_decoded(tasks, outputs.logits),
        outputs.logits,
        tasks,
        truths=outputs.truths,
        meaning=meaning.key,
        split=split,
        without=outputs.without,
    )
    write_atomic(work.run.samples / f"reference-{split}.npz", content)


def _student_decoded(
    tasks: Mapping[TaskName, TaskSpec], logits: Mapping[str, Logits]
) -> dict[str, Decoded]:
    return {
        str(task): task_kind(spec.kind).decode(spec, logits_of(spec, logits))
        for task, spec in tasks.items()
    }


def _fingerprints(work: Work, splits: Splits, results: Mapping[str, ModelResult]) -> dict[str, str]:
    teachers = {name: one.record.weights for name, one in _teachers(results).items()}
    start = work.recipe.student.started_as
    return {
        "recipe": work.loaded.fingerprint,
        "data": fingerprint({name: split.rows_fingerprint for name, split in splits.items()}),
        "teacher": fingerprint(teachers),
        "code": code_fingerprint(),
    } | ({} if start is None else {"start": describe_net(trained_stem(start.run)).weights})


def _cache(results: Mapping[str, ModelResult]) -> dict[str, Any]:
    caches = [cache for one in results.values() for cache in one.caches.values()]
    return {
        "bytes": sum(cache.bytes for cache in caches),
        "rows": sum(cache.rows for cache in caches),
        "reused": bool(caches) and all(cache.reused for cache in caches),
    }
