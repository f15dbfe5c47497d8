"""``kd2edge distill``: teachers, caches, student, baseline, report; what is done is skipped."""

from __future__ import annotations

import shutil
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kd2edge.distill import knowledge_of
from kd2edge.errors import UsageError
from kd2edge.files import folder_lock, write_atomic
from kd2edge.files.atomic import storage_error
from kd2edge.nets import load_net
from kd2edge.pipeline.events import Listener, Log, StageEvent
from kd2edge.pipeline.folders import RUNS, RunFolder, mark_latest, run_to_write
from kd2edge.pipeline.learning import baseline_record, student_record
from kd2edge.pipeline.model_inputs import ModelInputs, student_inputs
from kd2edge.pipeline.piece_fit import require_pieces
from kd2edge.pipeline.prepare import Prepared, prepared, require_sound
from kd2edge.pipeline.probing import write_probes
from kd2edge.pipeline.rehearsal import rehearsed
from kd2edge.pipeline.report import ModelResult, write_report
from kd2edge.pipeline.samples import write_calibration, write_golden
from kd2edge.pipeline.sources import SPLITS, left_out, write_rows_plan
from kd2edge.pipeline.teaching import Taught, taught
from kd2edge.pipeline.trained import record_path
from kd2edge.pipeline.work import Learner, Work
from kd2edge.recipe import LoadedRecipe

__all__ = ["RunOptions", "distill_recipe"]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a recipe is run.

    Args:
        run_dir: the run's folder, or a link to it; None: ``runs/NAME``.
        resume: go on with what was interrupted.
        recache: forget encoded rows and teachers' outputs first.
        cache_dir: folder for encoded rows and teachers' outputs, shared by runs; None: ``cache/``
            in the run.
    """

    run_dir: Path | None = None
    resume: bool = False
    recache: bool = False
    cache_dir: Path | None = None


def distill_recipe(
    loaded: LoadedRecipe,
    options: RunOptions | None = None,
    *,
    on_event: Listener = lambda event: None,
) -> RunFolder:
    """Run a recipe: train or load teachers, cache what they say, train the students, report.

    Teachers and caches that an earlier run left in the same folders are taken over when they were
    made from the same things; with ``resume`` finished and half-trained students are too.

    Args:
        loaded: the recipe.
        options: how.
        on_event: told about stages and progress.

    Raises:
        UsageError: a folder that is a link to itself.
        RecipeError: rows that cannot be used, or nets that do not fit, all problems at once.
        Interrupted: stopped; the state was saved.
        StorageError: disk full, no permission, or another process works on this run.
        IntegrityError: a cache, net or checkpoint that is damaged.
    """
    options = options or RunOptions()
    run = run_to_write(options.run_dir or RUNS / loaded.recipe.name)
    data = prepared(loaded)
    require_sound(loaded, data)
    with folder_lock(run.path), Log(run.log, on_event) as log:
        cache = options.cache_dir or run.cache
        work = Work(loaded, run, data, cache, options.resume, log)
        if options.recache:
            _forget(cache)
        _run(work)
    mark_latest(run)
    return run


def _run(work: Work) -> None:
    inputs = student_inputs(work.recipe, work.data.rows["train"], work.data.learned)
    require_pieces(work.data, inputs)
    rehearsed(work.loaded, work.tasks, inputs, work.data.learned)
    with _put_back_if_refused(work.run, inputs):
        _begin(work, inputs)
        teachers = [taught(work, teacher) for teacher in work.recipe.teachers]
        learner = Learner(inputs, work.encoded(inputs))
        results = _learn(work, learner, teachers)
    work.on_event(StageEvent("report", "metrics with intervals on validation and test"))
    _keep_samples(work, learner, results["student"])
    write_report(work, learner.splits, results)


def _begin(work: Work, inputs: ModelInputs) -> None:
    """Write what the run is made of: recipe, rows, tokenizers."""
    run = work.run
    # What comes is not finished until its report is written.
    _remove(run.report)
    write_atomic(run.recipe, work.loaded.dump_resolved().encode())
    write_rows_plan(run.rows, work.data.plan)
    for path, content in inputs.files.items():
        write_atomic(run.path / path, content)
    work.on_event(StageEvent("rows", _sizes(work.data)))
    for line in left_out(work.data.rows["train"]):
        work.on_event(StageEvent("rows", line))


@contextmanager
def _put_back_if_refused(run: RunFolder, inputs: ModelInputs) -> Generator[None]:
    """A ``--resume`` with other settings is refused late; the run is then what it was before."""
    files = [run.report, run.recipe, run.rows, *(run.path / path for path in inputs.files)]
    before = {path: path.read_bytes() for path in files if path.is_file()}
    student = _content(record_path(run.student))
    try:
        yield
    except UsageError:
        if _content(record_path(run.student)) == student:  # nothing was trained since
            for path, content in before.items():
                write_atomic(path, content)
        raise


def _content(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _learn(work: Work, learner: Learner, teachers: Sequence[Taught]) -> dict[str, ModelResult]:
    """Train student and baseline; every model of the run by name, teachers included."""
    results = {one.name: ModelResult(one.record, caches=one.caches) for one in teachers}
    caches = {one.name: one.caches["train"] for one in teachers}
    knowledge = knowledge_of(caches) if teachers else None
    stems = {one.name: one.stem for one in teachers}
    student = student_record(work, learner, knowledge, stems)
    if work.recipe.baseline and teachers:
        baseline = baseline_record(work, learner, student.steps, stems)
        results["baseline"] = ModelResult(baseline, net=load_net(work.run.baseline))
    results["student"] = ModelResult(student, net=load_net(work.run.student))
    return results


def _keep_samples(work: Work, learner: Learner, student: ModelResult) -> None:
    recipe, folder = work.recipe, work.run.samples
    write_calibration(folder, learner.splits["train"], recipe.export.calibration.rows, recipe.seed)
    if student.net is not None:
        write_golden(folder, [learner.splits["test"], learner.splits["train"]], student.net)
        write_probes(folder, learner.inputs, student.net, student.record.weights)


def _sizes(data: Prepared) -> str:
    return ", ".join(f"{len(data.rows[split]):,} {split}" for split in SPLITS)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(error, path, "removed") from error


def _forget(cache: Path) -> None:
    """Remove what kd2edge keeps in a cache folder, and nothing else that stands there."""
    for kind in ("encoded", "teachers"):
        for folder in sorted((cache / kind).glob("*/")):
            try:
                with folder_lock(folder):  # not what another run is writing
                    shutil.rmtree(folder)
            except OSError as error:
                raise storage_error(error, folder, "removed") from error
