"""The student of a run, and its baseline: the same net without a teacher."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt
from torch import Tensor

from kd2edge.distill import Knowledge, Peer, TrainingJob, TrainSettings
from kd2edge.events import StageEvent
from kd2edge.nets import Net, describe_net, load_net
from kd2edge.pipeline.reading.model_inputs import ModelInputs, teacher_inputs
from kd2edge.pipeline.reading.phases import (
    StudentPhase,
    hidden_rows,
    learns_from_others,
    phases_of,
)
from kd2edge.pipeline.reading.sampling import source_of_rows
from kd2edge.pipeline.reading.settings import baseline_settings, judged, student_settings
from kd2edge.pipeline.reading.trained import trained_stem
from kd2edge.pipeline.steps.knowing import knowledge_for
from kd2edge.pipeline.steps.phases import PhasePlace, phase_places
from kd2edge.pipeline.steps.piece_table import PieceTable, piece_ids_of, piece_table
from kd2edge.pipeline.steps.saved import require_same_inputs
from kd2edge.pipeline.steps.teaching import AskedTeacher
from kd2edge.pipeline.steps.training import finished_record, origin_of
from kd2edge.pipeline.steps.work import Learner, Work, fresh_net
from kd2edge.recipe import Recipe
from kd2edge.recipe.schema.models import Init, InitOfRun
from kd2edge.student import Mapped, Start, init_from, start_of, worded
from kd2edge.tasks.spec import TaskSpec

__all__ = [
    "Students",
    "TrainedStudent",
    "start_as",
    "start_from",
    "students_of",
    "trained_student",
]

#: Training rows by which channels are chosen, and how many of them a teacher reads together.
_LOOKED_AT = 512
_BATCH = 32


@final
@dataclass(frozen=True, slots=True)
class Students:
    """The trainings of a run's student, and of its baseline.

    Args:
        work: the run.
        learner: what the student reads, and the rows as it reads them.
        knowledge: of those who teach, in all phases; None: nobody does.
        starter: what the student has of one of them.
        trained: the student of another run that it starts as.
        begun: makes what student and baseline start as; once, whoever asks.
    """

    work: Work
    learner: Learner
    knowledge: Knowledge | None
    starter: AskedTeacher | None
    trained: TrainedStudent | None
    begun: Callable[[], _Begun]

    def jobs(self) -> Iterator[TrainingJob]:
        """The student's phases in their order, then the baseline.

        What a phase starts from is known once the one before it is finished: at one that is not,
        when the next job is asked for, the phases behind it are left out.
        """
        yield from self._phases()
        if self.work.recipe.baseline and learns_from_others(self.work.recipe):
            yield self._baseline()

    def told_start(self, job: TrainingJob) -> Callable[[], Mapping[str, Any]] | None:
        """Says what the net of a job was started from; None where a phase before it made it."""
        later = [place.stem for place in phase_places(self.work)[1:]]
        return None if job.stem in later else lambda: self.begun().start.to_json()

    def _phases(self) -> Iterator[TrainingJob]:
        before: _Start | None = None
        for phase, place in zip(phases_of(self.work.recipe), phase_places(self.work), strict=True):
            job = self._phase(phase, place, before)
            yield job
            record = finished_record(job)
            if record is None:
                return
            before = _Start(job.stem, record.weights)

    def _phase(
        self, phase: StudentPhase, place: PhasePlace, before: _Start | None = None
    ) -> TrainingJob:
        """The training of a phase, as if it were the first where nothing is said of one before."""
        tasks, check = [task.name for task in self.work.tasks], self.work.data.checks["train"]
        job = self._job(phase.title, place.stem, student_settings(phase.recipe, tasks, check))
        if before is not None:
            origin = origin_of(self.work.recipe.student.model, {"phase": before.weights})
            build = partial(_undecided, before.stem, self.work.tasks)
            job = replace(job, build=build, origin=origin)
        return replace(
            job,
            checkpoints=place.checkpoints,
            knowledge=self._known_in(phase),
            hidden=hidden_rows(phase, self.work.data.rows["train"], check.any_labelled(tasks)),
            peers=self._peers(phase.recipe),
        )

    def _peers(self, recipe: Recipe) -> tuple[Peer, ...]:
        """The nets that learn beside the student in a part of its training; they begin with it."""
        mutual, learner, tasks = recipe.distill.mutual, self.learner, self.work.tasks
        if mutual is None:
            return ()
        return tuple(
            Peer(
                name=one.name,
                build=partial(fresh_net, one.model, learner.inputs, tasks, seed),
                origin=origin_of(one.model),
                train=learner.splits["train"],
                validation=learner.splits["validation"],
                seed=seed,
                lr=recipe.train.lr if one.lr is None else one.lr,
            )
            for one, seed in zip(mutual.peers, mutual.seeds(recipe.seed), strict=True)
        )

    def _known_in(self, phase: StudentPhase) -> Knowledge | None:
        """What is known, without what this phase does not ask for: its key is its own."""
        if self.knowledge is None:
            return None
        asking = judged(phase.recipe, [task.name for task in self.work.tasks])
        return replace(self.knowledge, lacks={one: self.knowledge.lacks[one] for one in asking})

    def _baseline(self) -> TrainingJob:
        """The same student from the same start, on labels alone.

        It has the student's steps where the recipe does not say otherwise.  The start is the
        student's, too, what it has of a teacher included: the gain over the baseline is what
        distillation gave, not what the start did.
        """
        run, recipe = self.work.run, self.work.recipe
        tasks, check = [task.name for task in self.work.tasks], self.work.data.checks["train"]
        places = zip(phases_of(recipe), phase_places(self.work), strict=True)
        jobs = [self._phase(phase, place) for phase, place in places]
        steps = sum(job.plan(job.objective()).steps for job in jobs)
        settings = baseline_settings(recipe, tasks, check, steps)
        return self._job(run.baseline.name, run.baseline, settings)

    def _job(self, name: str, stem: Path, settings: TrainSettings) -> TrainingJob:
        """A training of the student on labels alone, from its start."""
        work, learner = self.work, self.learner
        model, init = work.recipe.student.model, work.recipe.student.started_by
        start = None
        if init is not None and self.starter is not None:
            start = {**init.model_dump(mode="json"), "weights": self.starter.record.weights}
        if self.trained is not None:
            start = {
                "heads": self.trained.heads,
                "weights": describe_net(self.trained.stem).weights,
            }
        return TrainingJob(
            name=name,
            build=partial(_as_begun, work, learner, self.begun),
            origin=origin_of(model, start),
            tasks=work.tasks,
            train=learner.splits["train"],
            validation=learner.splits["validation"],
            settings=settings,
            stem=stem,
            checkpoints=work.run.checkpoints_of(stem.name),
            tokenizers=learner.inputs.tokenizers,
            fitted=learner.inputs.fitted,
            sources=source_of_rows(work.recipe, work.data.rows["train"]),
            rows=work.data.rows["train"],
        )


def _undecided(stem: Path, tasks: Sequence[TaskSpec]) -> Net:
    """A net of the phase before, without what was fitted to it: it is going to be another one."""
    net = load_net(stem)
    net.decide(tasks, {})
    return net


def students_of(work: Work, learner: Learner, teachers: Sequence[AskedTeacher]) -> Students:
    """The trainings of a run's student, and of its baseline.

    Args:
        work: the run.
        learner: what the student reads, and the rows as it reads them.
        teachers: all that were asked.

    Raises:
        UsageError: a student to start as that is not there, or that reads other inputs.
    """
    asked = {one.name: one.caches for one in teachers}
    knowledge = knowledge_for(work, work.recipe, learner, asked)
    init = work.recipe.student.started_as
    trained = None if init is None else trained_student(init, learner.inputs)
    started_by = work.recipe.student.started_by
    starter = next((one for one in teachers if started_by and one.name == started_by.teacher), None)
    begun = cache(partial(_begun, work, learner, starter, trained))
    return Students(work, learner, knowledge, starter, trained, begun)


@dataclass(frozen=True, slots=True)
class TrainedStudent:
    """A student that was trained before: the stem of its net, and whether its heads count."""

    stem: Path
    heads: bool

    @property
    def origin(self) -> str:
        """What it is called where a student's start is told."""
        return "/".join(self.stem.parts[-2:])


@dataclass(frozen=True, slots=True)
class _Start:
    """The net of the phase before, and the SHA-256 of its weights."""

    stem: Path
    weights: str


@dataclass(frozen=True, slots=True)
class _Begun:
    """The weights that student and baseline start with, and where they are from."""

    state: Mapping[str, Tensor]
    start: Start


def _table(work: Work, learner: Learner, teacher: AskedTeacher, name: str) -> PieceTable:
    ids = piece_ids_of(learner.inputs, name)
    work.on_event(StageEvent(f"ask {teacher.name}", f"each of {len(ids):,} pieces alone"))
    theirs = teacher_inputs(work.recipe, teacher.name, work.data.learned)
    spec, rows = learner.inputs.specs[name], learner.splits["train"]
    return piece_table(load_net(teacher.stem), theirs, spec, ids, rows)


def _rows(work: Work, teacher: AskedTeacher) -> list[Mapping[str, Tensor]]:
    """Training rows as a teacher reads them, evenly taken from all."""
    theirs = teacher_inputs(work.recipe, teacher.name, work.data.learned)
    split = work.encode(theirs, work.recipe.seed)["train"]
    count = min(len(split), _LOOKED_AT)
    work.on_event(StageEvent(f"ask {teacher.name}", f"which channels vary on {count:,} rows"))
    positions = np.linspace(0, len(split) - 1, count).round().astype(np.int64)
    return [split.batch(some).inputs for some in np.array_split(positions, -(-count // _BATCH))]


def _fresh(work: Work, learner: Learner) -> Net:
    recipe = work.recipe
    return fresh_net(recipe.student.model, learner.inputs, work.tasks, recipe.seed)


def _begun(
    work: Work, learner: Learner, starter: AskedTeacher | None, trained: TrainedStudent | None
) -> _Begun:
    """A fresh student, started from a teacher's tables and layers, or as another student was."""
    init = work.recipe.student.started_by
    net = _fresh(work, learner)
    done: dict[str, Mapped] = {}
    origin = ""
    if init is not None and starter is not None:
        origin = starter.name
        table, rows = partial(_table, work, learner, starter), partial(_rows, work, starter)
        done = start_from(net, load_net(starter.stem), init, learner.inputs, table, rows)
    if trained is not None:
        origin = trained.origin
        done = start_as(net, trained)
    start = start_of(net, done, origin)
    if start.parts:
        work.on_event(StageEvent("start", "; ".join(start.lines())))
    return _Begun(net.state_dict(), start)


def _as_begun(work: Work, learner: Learner, begun: Callable[[], _Begun]) -> Net:
    """A student with the weights that it starts with."""
    net = _fresh(work, learner)
    net.load_state_dict(begun().state)
    return net


def trained_student(init: InitOfRun, inputs: ModelInputs) -> TrainedStudent:
    """The student of another run that a student starts as.

    Args:
        init: as the recipe names it.
        inputs: of the student.

    Raises:
        UsageError: it is not there, or reads other inputs.
    """
    stem = trained_stem(init.run)
    way = "let the recipe's `inputs` be those of that run, with the same tokenizer"
    require_same_inputs(describe_net(stem), inputs, f"init {stem}", way)
    return TrainedStudent(stem, init.heads)


def start_as(net: Net, trained: TrainedStudent) -> dict[str, Mapped]:
    """Let a student be what another one was, in place, and say what that did.

    Raises:
        UsageError: nets of other shapes.
        IntegrityError: a net that is damaged.
    """
    return init_from(net, load_net(trained.stem), {"whole_net": {"heads": trained.heads}})


def start_from(
    net: Net,
    teacher: Net,
    init: Init,
    inputs: ModelInputs,
    table: Callable[[str], PieceTable],
    rows: Callable[[], Sequence[Mapping[str, Tensor]]],
) -> dict[str, Mapped]:
    """Start a student's tables and layers from its teacher's, in place, and say what that did.

    Args:
        net: the student; changed.
        teacher: whose values are taken.
        init: what is taken, as the recipe says.
        inputs: of the student: which rows of a vocabulary it kept.
        table: gives what the teacher makes of each piece of an input of the student; called only
            where the recipe asks for output embeddings.
        rows: gives batches of training rows as the teacher reads them; called only where channels
            are chosen by them.

    Raises:
        UsageError: nets that do not fit.
    """
    mappings: dict[str, dict[str, object]] = {}
    if init.embeddings == "svd":
        mappings["svd_embeddings"] = {"kept_ids": _kept_ids(net, inputs)}
    if init.embeddings == "output":
        pieces = table(worded(net, "student")[0])
        shown = {"vectors": pieces.vectors, "shares": pieces.shares}
        mappings["output_embeddings"] = {**shown, "weighing": init.weighing}
    if init.embeddings == "channels":
        kept = {"kept_ids": _kept_ids(net, inputs), "layers": init.layers}
        mappings["hidden_channels"] = {**kept, "batches": rows()}
    elif init.layers is not None:
        mappings["copy_layers"] = {"layers": init.layers}
    if init.convolutions is not None:
        mappings["conv_channels"] = {}
    return init_from(net, teacher, mappings)


def _kept_ids(net: Net, inputs: ModelInputs) -> npt.NDArray[np.int64] | None:
    """The teacher's row of each row of the student: of an uncut vocabulary the same one.

    The teacher's table may have more rows than its tokenizer has pieces.
    """
    tables = {name: one.embeddings().get("word") for name, one in net.branches.items()}
    words = {name: table for name, table in tables.items() if table is not None}
    if len(words) != 1:
        return None  # the mapping says what is wrong
    ((name, table),) = words.items()
    kept = inputs.kept_ids.get(name)
    return np.arange(table.num_embeddings) if kept is None else kept
