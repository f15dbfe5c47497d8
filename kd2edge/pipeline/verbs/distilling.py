"""``kd2edge distill``: teachers, caches, student, baseline, report; what is done is skipped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from kd2edge.distill import TrainingJob, require_resumable
from kd2edge.distill.checkpoint import has_checkpoint, not_resumable, remove_checkpoint
from kd2edge.distill.failed import remove_failed
from kd2edge.errors import RecipeError, UsageError
from kd2edge.events import StageEvent
from kd2edge.files import folder_lock, write_atomic
from kd2edge.files.atomic import storage_error
from kd2edge.nets import load_net
from kd2edge.pipeline.reading.model_inputs import student_inputs
from kd2edge.pipeline.reading.phases import phases_of
from kd2edge.pipeline.reading.piece_fit import require_pieces
from kd2edge.pipeline.reading.prepare import Prepared, prepare_data, require_sound
from kd2edge.pipeline.reading.sources import SPLITS, left_out, made_rows, write_rows_plan
from kd2edge.pipeline.reading.trained import trained_stem
from kd2edge.pipeline.steps.boosting import BoostingJob
from kd2edge.pipeline.steps.cheap import cheap_reference
from kd2edge.pipeline.steps.decided import ModelResult
from kd2edge.pipeline.steps.events import Listener, Log
from kd2edge.pipeline.steps.folders import RUNS, RunFolder, mark_latest, run_to_write
from kd2edge.pipeline.steps.given import require_given
from kd2edge.pipeline.steps.learning import Students, students_of
from kd2edge.pipeline.steps.phases import joined_record, phase_places
from kd2edge.pipeline.steps.probing import write_probes
from kd2edge.pipeline.steps.recaching import caches_set_aside
from kd2edge.pipeline.steps.rehearsal import rehearse
from kd2edge.pipeline.steps.report import write_report
from kd2edge.pipeline.steps.samples import write_calibration, write_golden
from kd2edge.pipeline.steps.teaching import (
    AskedTeacher,
    TeacherJob,
    Tutor,
    ask_teacher,
    rounds_of,
    taught,
    tutor_of,
)
from kd2edge.pipeline.steps.training import (
    NetRecord,
    finished_record,
    forget_record,
    has_record,
    is_of_another,
    train_net,
)
from kd2edge.pipeline.steps.work import Learner, Work
from kd2edge.recipe import LoadedRecipe
from kd2edge.recipe.code import require_code_allowed

__all__ = ["RunOptions", "distill_recipe"]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a recipe is run.

    Args:
        run_dir: the run's folder, or a link to it; None: ``runs/NAME``.
        resume: go on with what was interrupted.
        recache: make encoded rows and teachers' outputs again; the old ones are forgotten once the
            run may write.
        cache_dir: folder for encoded rows and teachers' outputs, shared by runs; None: ``cache/``
            in the run.
        allow_code: let code run that the recipe names.
    """

    run_dir: Path | None = None
    resume: bool = False
    recache: bool = False
    cache_dir: Path | None = None
    allow_code: bool = False


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
        RecipeError: code that may not run; rows that cannot be used, or nets that do not fit, all
            problems at once.
        Interrupted: stopped; the state was saved.
        StorageError: disk full, no permission, or another process works on this run.
        IntegrityError: a cache, net or checkpoint that is damaged.
    """
    options = options or RunOptions()
    require_code_allowed(loaded, options.allow_code)
    run = run_to_write(options.run_dir or RUNS / loaded.recipe.name)
    data = prepare_data(loaded)
    require_sound(loaded, data)
    with folder_lock(run.path), Log(run.log, on_event) as log:
        cache = options.cache_dir or run.cache
        work = Work(loaded, run, data, cache, options.resume, log, options.allow_code)
        _run(work, recache=options.recache)
    mark_latest(run)
    return run


def _run(work: Work, *, recache: bool) -> None:
    inputs = student_inputs(work.recipe, work.data.rows["train"], work.data.learned)
    require_pieces(work.data, inputs)
    rehearse(work.loaded, work.tasks, inputs, work.data.learned)
    _require_another_start(work)
    require_given(work.loaded, work.data, allow_code=work.allow_code)
    _tell_rows(work)
    with caches_set_aside(work.cache) if recache else nullcontext(_nothing) as forget_old:
        tutors = [tutor_of(work, teacher) for teacher in work.recipe.teachers]
        learner = Learner(inputs, work.encode(inputs, work.recipe.seed))
        teachers, students = _teach(work, learner, tutors, forget_old)
    results = {one.name: ModelResult(one.record, None, one.caches, one.lacking) for one in teachers}
    cheap = cheap_reference(work, learner)
    if cheap is not None:
        results["reference"] = ModelResult(cheap.record, said=cheap.said, kind=cheap.kind)
    results |= _learn(work, students)
    work.on_event(StageEvent("report", "metrics with intervals on validation and test"))
    _keep_samples(work, learner, results["student"])
    write_report(work, learner, results)


def _require_another_start(work: Work) -> None:
    """Refuse to overwrite the student that this one starts as."""
    start = work.recipe.student.started_as
    if start is not None and trained_stem(start.run).resolve().is_relative_to(
        work.run.path.resolve()
    ):
        message = (
            f"{work.run.path} is the run whose student this one starts as, and would be written"
            " over: name another folder with --run-dir"
        )
        raise RecipeError([work.loaded.problem("student.init.run", message)])


def _learn(work: Work, students: Students) -> dict[str, ModelResult]:
    """Train the student, phase by phase, and its baseline.

    Phases before the last are taken over like teachers, with or without ``--resume``.
    """
    run, records = work.run, dict[Path, NetRecord]()
    for job in students.jobs():
        reuse = work.resume or job.stem.parent == run.phases
        resume = _goes_on(work, job)
        records[job.stem] = train_net(
            job,
            resume=resume,
            reuse=reuse,
            on_event=work.on_event,
            start=students.told_start(job),
        )
    phases = {
        phase.name: records[place.stem]
        for phase, place in zip(phases_of(work.recipe), phase_places(work), strict=True)
    }
    net = load_net(run.student)
    found = {"student": ModelResult(joined_record(phases), net=net, phases=phases)}
    if run.baseline in records:
        found["baseline"] = ModelResult(records[run.baseline], net=load_net(run.baseline))
    return found


def _goes_on(work: Work, job: TrainingJob) -> bool:
    """Whether a student goes on from its checkpoint.

    With phases there is more to go on with than that: one that was finished with other settings,
    rows or phases before it is made anew.
    """
    return work.resume and not (work.recipe.phases and is_of_another(job))


def _nothing() -> None:
    """No cache was set aside."""


def _teach(
    work: Work, learner: Learner, tutors: Sequence[Tutor], forget_old: Callable[[], None]
) -> tuple[list[AskedTeacher], Students]:
    """Ask the teachers, and make what learns from them.

    A resume that is refused is refused before anything but caches is written: teachers that are
    finished are asked first, as the jobs of what learns from them are then known, too.  Old caches
    are forgotten after that.
    """
    asked: dict[str, AskedTeacher] = {}
    rounds, begun = rounds_of(tutors), False
    for at, several in enumerate(rounds):
        caches = {name: one.caches for name, one in asked.items()}
        ready = [taught(work, tutor, caches) for tutor in several]
        waiting = [job for one in ready for job in one.jobs if finished_record(job) is None]
        if waiting and not begun:
            later = [tutor for others in rounds[at + 1 :] for tutor in others]
            behind = [job.checkpoints for tutor in later for job in tutor.jobs]
            _require_teachers_resumable(work, waiting, behind)
            forget_old()
            _begin(work, learner, waiting, behind)
            begun = True
        asked |= {tutor.teacher.name: ask_teacher(work, tutor) for tutor in ready}
    teachers = [asked[tutor.teacher.name] for tutor in tutors]
    students = students_of(work, learner, teachers)
    if not begun:
        _require_students_resumable(work, students)
        forget_old()
        _begin(work, learner)
    return teachers, students


def _require_students_resumable(work: Work, students: Students) -> None:
    """Refuse to go on with students from checkpoints of others.

    What a phase will be is not known before it is trained: behind one that begins anew, what is
    half trained is taken for another's.
    """
    places = phase_places(work)
    for job in students.jobs() if work.resume else ():
        if finished_record(job) is not None:
            continue
        goes_on = _goes_on(work, job)
        if goes_on:
            require_resumable(job)
        at = next((at for at, place in enumerate(places) if place.stem == job.stem), len(places))
        for later in () if goes_on and has_checkpoint(job.checkpoints) else places[at + 1 :]:
            if has_checkpoint(later.checkpoints) and not has_record(later.stem):
                raise UsageError(not_resumable(later.checkpoints))


def _require_teachers_resumable(
    work: Work, waiting: Sequence[TeacherJob], behind: Sequence[Path]
) -> None:
    """Refuse to go on with teachers from checkpoints of others, or under students of others.

    What a teacher will be is not known before it is trained: one that goes on from its checkpoint
    may be the one that a student's checkpoint is of, one that begins anew is taken for another.
    Trees come out as they were, whose record or files somebody deleted, as long as no record is of
    others.

    Args:
        work: the run.
        waiting: what will be trained next.
        behind: folders of checkpoints of the teachers that are taught by what comes of it.
    """
    if not work.resume:
        return
    for job in waiting:
        if isinstance(job, TrainingJob):
            require_resumable(job)
    if not all(_may_be_as_before(job) for job in waiting):
        for folder in (*behind, *_checkpoints_of_students(work)):
            if has_checkpoint(folder):
                raise UsageError(not_resumable(folder))


def _checkpoints_of_students(work: Work) -> list[Path]:
    baseline = work.run.checkpoints_of(work.run.baseline.name)
    return [*(place.checkpoints for place in phase_places(work)), baseline]


def _may_be_as_before(job: TeacherJob) -> bool:
    if isinstance(job, BoostingJob):
        return not is_of_another(job)
    return has_checkpoint(job.checkpoints)


def _begin(
    work: Work,
    learner: Learner,
    waiting: Sequence[TeacherJob] = (),
    behind: Sequence[Path] = (),
) -> None:
    """Write what the run is made of; what will be trained anew leaves nothing to be resumed.

    Teachers behind them and phases before the last keep their records: who is finished is taken
    over.

    Args:
        work: the run.
        learner: what the student reads.
        waiting: what will be trained next.
        behind: folders of checkpoints of the teachers that are taught by what comes of it.
    """
    run = work.run
    # What comes is not finished until its report is written.
    _remove(run.report)
    if not work.resume:
        for stem in (*(job.stem for job in waiting), run.student, run.baseline):
            forget_record(stem)
        own = (job.checkpoints for job in waiting)
        for folder in (*own, *behind, *_checkpoints_of_students(work)):
            remove_checkpoint(folder)
            remove_failed(folder)
    write_atomic(run.recipe, work.loaded.dump_resolved().encode())
    write_rows_plan(run.rows, work.data.plan)
    for path, content in learner.inputs.files.items():
        write_atomic(run.path / path, content)


def _tell_rows(work: Work) -> None:
    work.on_event(StageEvent("rows", _sizes(work.data)))
    for line in (*made_rows(work.data.rows["train"]), *left_out(work.data.rows["train"])):
        work.on_event(StageEvent("rows", line))


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
