"""``kd2edge distill``: teachers, their caches, baseline, student, report.  Each step skips what is done."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from kd2edge.bundle import fingerprint, fingerprint_file, folder_lock, write_atomic
from kd2edge.bundle.atomic import storage_error
from kd2edge.data import EncodedSplit, Views, encode_split
from kd2edge.distill import Knowledge, knowledge_of
from kd2edge.errors import UsageError
from kd2edge.nets import Net, build_net, load_net
from kd2edge.pipeline.events import Listener, Log, StageEvent
from kd2edge.pipeline.folders import RunFolder, mark_latest
from kd2edge.pipeline.model_inputs import (
    ModelInputs,
    source_folder,
    student_inputs,
    teacher_inputs,
    views_of,
)
from kd2edge.pipeline.prepare import Prepared, prepared
from kd2edge.pipeline.report import ModelResult, write_report
from kd2edge.pipeline.samples import write_calibration, write_golden
from kd2edge.pipeline.settings import model_spec, student_settings, teacher_settings
from kd2edge.pipeline.sources import SPLITS, write_rows_plan
from kd2edge.pipeline.trained import NetRecord, Training, net_record, trained
from kd2edge.recipe import LoadedRecipe, Recipe
from kd2edge.recipe.schema import Teacher, TransformersModel
from kd2edge.rows.check import require_sound
from kd2edge.student import init_from
from kd2edge.tasks.spec import TaskSpec
from kd2edge.teacher import NetTeacher, TeacherCache, cache_outputs

__all__ = ["distill_recipe"]


@dataclass(frozen=True, slots=True)
class _Options:
    """How this call was made."""

    resume: bool
    recache: bool
    cache: Path
    on_event: Listener


@dataclass(frozen=True, slots=True)
class _Taught:
    """A teacher that is trained and asked: its cache of every split."""

    name: str
    record: NetRecord
    caches: Mapping[str, TeacherCache]
    stem: Path


def distill_recipe(
    loaded: LoadedRecipe,
    *,
    run_dir: Path | None = None,
    resume: bool = False,
    recache: bool = False,
    cache_dir: Path | None = None,
    on_event: Listener = lambda event: None,
) -> RunFolder:
    """Run a recipe: train or load teachers, cache their outputs, train baseline and student, report.

    Teachers and caches that an earlier run left in the same folders are taken over when they were
    made from the same things; with ``resume`` finished and half-trained students are too.

    Args:
        loaded: the recipe.
        run_dir: the run's folder; None: ``runs/NAME``.
        resume: go on with what was interrupted.
        recache: forget encoded rows and caches first.
        cache_dir: folder for encoded rows and teachers' outputs; None: ``cache/`` in the run.
        on_event: told about stages and progress.

    Raises:
        DataError: rows that cannot be used, all problems at once.
        Interrupted: stopped; the state was saved.
        StorageError: disk full, no permission, or another process works on this run.
        IntegrityError: a cache or checkpoint that is damaged.
    """
    recipe = loaded.recipe
    run = RunFolder(run_dir or Path("runs") / recipe.name)
    data = prepared(recipe)
    require_sound(list(data.checks.values()))
    try:
        run.path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, run.path) from error
    with folder_lock(run.path), Log(run.log, on_event) as log:
        options = _Options(resume, recache, cache_dir or run.cache, log)
        _run(loaded, run, data, options)
    mark_latest(run)
    return run


def _run(loaded: LoadedRecipe, run: RunFolder, data: Prepared, options: _Options) -> None:
    recipe = loaded.recipe
    if options.recache:
        shutil.rmtree(options.cache, ignore_errors=True)
    run.report.unlink(missing_ok=True)  # what comes is not finished until its report is written
    write_atomic(run.recipe, loaded.dump_resolved().encode())
    write_rows_plan(run.rows, data.plan)
    options.on_event(StageEvent("rows", _sizes(data)))
    inputs = student_inputs(recipe, data.rows["train"])
    for path, content in inputs.files.items():
        (run.path / path).parent.mkdir(parents=True, exist_ok=True)
        write_atomic(run.path / path, content)
    taught = [_teach(recipe, teacher, run, data, options) for teacher in recipe.teachers]
    splits = _encoded(data, inputs, views_of(recipe), options)
    knowledge = knowledge_of({one.name: one.caches["train"] for one in taught}) if taught else None
    student = _train_student(recipe, run, data, inputs, splits, knowledge, taught, options)
    results = {one.name: ModelResult(one.record, caches=one.caches) for one in taught}
    if recipe.baseline and taught:
        baseline = _train_baseline(recipe, run, data, inputs, splits, student.steps, options)
        results["baseline"] = ModelResult(baseline, net=load_net(run.baseline))
    net = load_net(run.student)
    results["student"] = ModelResult(student, net=net)
    options.on_event(StageEvent("report", "metrics with intervals on validation and test"))
    run.samples.mkdir(parents=True, exist_ok=True)
    write_calibration(run.samples, splits["train"], recipe.export.calibration.rows, recipe.seed)
    write_golden(run.samples, splits["test"], net)
    write_report(loaded, run, data, splits, results, on_event=options.on_event)


def _sizes(data: Prepared) -> str:
    return ", ".join(f"{len(data.rows[split]):,} {split}" for split in SPLITS)


def _encoded(
    data: Prepared, inputs: ModelInputs, views: Views, options: _Options
) -> dict[str, EncodedSplit]:
    return {
        split: encode_split(
            data.rows[split],
            inputs.pairs,
            list(data.tasks.values()),
            options.cache / "encoded",
            file_hashes=inputs.hashes,
            views=views if split == "train" else None,
            on_event=options.on_event,
        )
        for split in SPLITS
    }


def _teach(
    recipe: Recipe, teacher: Teacher, run: RunFolder, data: Prepared, options: _Options
) -> _Taught:
    inputs = teacher_inputs(recipe, teacher.name)
    splits = _encoded(data, inputs, views_of(recipe), options)
    tasks = [data.tasks[task] for task in data.tasks if task in teacher.tasks]
    if teacher.checkpoint is not None:
        stem = _stem_of(teacher.checkpoint)
        record = net_record(stem, splits["validation"])
        options.on_event(StageEvent(f"teacher {teacher.name}", str(stem), skipped=True))
    else:
        stem = run.teachers / teacher.name
        job = _teacher_training(recipe, teacher, inputs, splits, tasks, stem, run)
        record = trained(job, resume=options.resume, reuse=True, on_event=options.on_event)
    speaker = NetTeacher(partial(load_net, stem), _tasks_of(stem), record.weights)
    features = [one.teacher_layer for one in recipe.distill.features if one.teacher == teacher.name]
    caches = {
        split: cache_outputs(
            speaker,
            splits[split],
            options.cache / "teachers",
            tasks=tasks,
            features=sorted(set(features)) if split == "train" else (),
            device=recipe.train.device,
            on_event=options.on_event,
        )
        for split in SPLITS
    }
    detail = f"{caches['train'].bytes / 1e6:,.1f} MB"
    done = StageEvent(f"cache {teacher.name}", detail, skipped=caches["train"].reused)
    options.on_event(done)
    return _Taught(teacher.name, record, caches, stem)


def _stem_of(checkpoint: Path) -> Path:
    stem = checkpoint.with_suffix("") if checkpoint.suffix == ".safetensors" else checkpoint
    if not stem.with_name(stem.name + ".json").is_file():
        raise UsageError(
            f"checkpoint {checkpoint}: expected {stem.name}.safetensors with {stem.name}.json beside "
            "it, as `kd2edge distill` writes them under teachers/"
        )
    return stem


def _tasks_of(stem: Path) -> Sequence[TaskSpec]:
    return load_net(stem).tasks


def _teacher_training(
    recipe: Recipe,
    teacher: Teacher,
    inputs: ModelInputs,
    splits: Mapping[str, EncodedSplit],
    tasks: Sequence[TaskSpec],
    stem: Path,
    run: RunFolder,
) -> Training:
    stem.parent.mkdir(parents=True, exist_ok=True)
    model = teacher.model
    source = model.source if isinstance(model, TransformersModel) else None
    settings = teacher_settings(recipe, teacher)
    build = partial(
        build_net,
        model_spec(model),
        list(inputs.specs.values()),
        tasks,
        source_dir=source_folder(source) if source is not None else None,
        vocabulary=inputs.vocabulary,
        seed=recipe.seed,
    )
    return Training(
        name=f"teacher {teacher.name}",
        stem=stem,
        key=_key(model_spec(model), source, settings, splits, tasks, None),
        build=build,
        tasks=tasks,
        train=splits["train"],
        validation=splits["validation"],
        settings=settings,
        knowledge=None,
        checkpoints=run.checkpoints / f"teacher-{teacher.name}",
    )


def _train_student(
    recipe: Recipe,
    run: RunFolder,
    data: Prepared,
    inputs: ModelInputs,
    splits: Mapping[str, EncodedSplit],
    knowledge: Knowledge | None,
    taught: Sequence[_Taught],
    options: _Options,
) -> NetRecord:
    settings = student_settings(recipe, [str(task) for task in data.tasks], max_steps=None)
    stems = {one.name: one.stem for one in taught}
    build = partial(_student, recipe, data, inputs, stems)
    job = _student_training(recipe, run.student, build, data, splits, run)
    key = _key(model_spec(recipe.student.model), recipe.student, settings, splits, job.tasks, knowledge)
    job = replace(job, settings=settings, knowledge=knowledge, key=key)
    return trained(job, resume=options.resume, reuse=options.resume, on_event=options.on_event)


def _train_baseline(
    recipe: Recipe,
    run: RunFolder,
    data: Prepared,
    inputs: ModelInputs,
    splits: Mapping[str, EncodedSplit],
    steps: int,
    options: _Options,
) -> NetRecord:
    """The same student from chance, on the labels alone, with the student's number of steps."""
    settings = student_settings(recipe, [str(task) for task in data.tasks], max_steps=steps)
    build = partial(_student, recipe, data, inputs, None)
    job = _student_training(recipe, run.baseline, build, data, splits, run)
    key = _key(model_spec(recipe.student.model), "baseline", settings, splits, job.tasks, None)
    job = replace(job, name="baseline", settings=settings, key=key)
    return trained(job, resume=options.resume, reuse=options.resume, on_event=options.on_event)


def _student_training(
    recipe: Recipe,
    stem: Path,
    build: Callable[[], Net],
    data: Prepared,
    splits: Mapping[str, EncodedSplit],
    run: RunFolder,
) -> Training:
    tasks = list(data.tasks.values())
    return Training(
        name=stem.name,
        stem=stem,
        key="",
        build=build,
        tasks=tasks,
        train=splits["train"],
        validation=splits["validation"],
        settings=student_settings(recipe, [str(task) for task in data.tasks], max_steps=None),
        knowledge=None,
        checkpoints=run.checkpoints / stem.name,
    )


def _student(
    recipe: Recipe, data: Prepared, inputs: ModelInputs, teachers: Mapping[str, Path] | None
) -> Net:
    """A fresh student; with ``teachers`` started from one of them as the recipe says."""
    model = recipe.student.model
    source = model.source if isinstance(model, TransformersModel) else None
    net = build_net(
        model_spec(model),
        list(inputs.specs.values()),
        list(data.tasks.values()),
        source_dir=source_folder(source) if source is not None else None,
        vocabulary=inputs.vocabulary,
        seed=recipe.seed,
    )
    init = recipe.student.init
    if init is None or teachers is None:
        return net
    mappings: dict[str, dict[str, object]] = {}
    if init.embeddings == "svd":
        mappings["svd_embeddings"] = {"kept_ids": inputs.kept_ids}
    if init.layers is not None:
        mappings["copy_layers"] = {"layers": init.layers}
    init_from(net, load_net(teachers[init.teacher]), mappings)
    return net


def _key(
    model: object,
    start: object,
    settings: object,
    splits: Mapping[str, EncodedSplit],
    tasks: Sequence[TaskSpec],
    knowledge: Knowledge | None,
) -> str:
    """Fingerprint of everything that a trained net depends on."""
    return fingerprint(
        {
            "model": model,
            "start": start if isinstance(start, str | None) else repr(start),
            "settings": settings,
            "train": splits["train"].fingerprint,
            "validation": splits["validation"].fingerprint,
            "tasks": [task.name for task in tasks],
            "knowledge": knowledge.fingerprints() if knowledge is not None else None,
        }
    )
