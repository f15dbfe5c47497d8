"""What would fail only once the teachers are trained, tried before: hours of work against seconds.

Every net of a recipe is made and run once, and what joins them, features and the student's start,
is tried on these fresh nets: only shapes and names matter there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar, final

import torch
from torch import Tensor

from kd2edge.distill import FeatureSpec, FeedSpec, Schedule
from kd2edge.distill.balance import BALANCERS, Shared
from kd2edge.distill.feature_form import form_of
from kd2edge.distill.feature_join import join, loss_of
from kd2edge.distill.feed import width_to_feed
from kd2edge.distill.freezing import freeze
from kd2edge.distill.logit_term import logit_loss, require_learnable, require_stated
from kd2edge.distill.logits import LOGIT_LOSSES
from kd2edge.distill.long_tail import require_fits
from kd2edge.distill.method import made
from kd2edge.distill.mixup import require_mixable
from kd2edge.distill.rates import rate_factors
from kd2edge.errors import Problem, RecipeError, UsageError
from kd2edge.nets import Net, load_net
from kd2edge.pipeline.reading.learned import NONE, Learned
from kd2edge.pipeline.reading.model_inputs import ModelInputs, require_own_tokenizer, teacher_inputs
from kd2edge.pipeline.reading.phases import StudentPhase, learners_of, phases_of
from kd2edge.pipeline.reading.settings import (
    balance_method,
    feature_specs,
    feed_specs,
    joins,
    logit_losses,
    long_tails,
    taught_tasks,
    values_of,
)
from kd2edge.pipeline.steps.boosting import require_trees
from kd2edge.pipeline.steps.cheap import require_cheap
from kd2edge.pipeline.steps.learning import start_as, start_from, trained_student
from kd2edge.pipeline.steps.piece_table import PieceTable, piece_ids_of, tried_table
from kd2edge.pipeline.steps.teaching import checkpoint_of
from kd2edge.pipeline.steps.work import fresh_net
from kd2edge.recipe import LoadedRecipe, Recipe
from kd2edge.recipe.schema import BoostingModel, GivenModel, Model, Teacher, TrainPart
from kd2edge.recipe.schema.models import Init
from kd2edge.student import Mapped, Start, start_of
from kd2edge.tasks.outputs import outputs_of
from kd2edge.tasks.reject import prototypes_asked
from kd2edge.tasks.spec import TaskSpec
from kd2edge.teacher.top_k import kept_of

__all__ = ["NetSize", "Rehearsed", "nets_of", "rehearse"]

_Spec = TypeVar("_Spec", FeatureSpec, FeedSpec)

#: Mappings for which a teacher is asked about pieces or rows, of which it is shown hardly any here.
_ASKING = ("hidden_channels", "output_embeddings")

#: Size of every dynamic dimension: two rows of two pieces, which no net is too small for.
_SIZE = 2


@dataclass(frozen=True, slots=True)
class NetSize:
    """How many numbers a net learns.

    Args:
        parameters: all that training changes.
        embedding_parameters: those of them in embeddings.
        prototypes: numbers in the prototypes that its tasks ask for once it is trained, at most: a
            label with few different rows has fewer.
    """

    parameters: int
    embedding_parameters: int
    prototypes: int


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What is known of a recipe's nets before any is trained.

    Args:
        sizes: of every net that is trained, by name.
        start: what the student will start as: what it will have of its teacher by shapes, and how
            much of the teacher that keeps where it is known by now.
    """

    sizes: Mapping[str, NetSize]
    start: Start


def rehearse(
    loaded: LoadedRecipe,
    tasks: Sequence[TaskSpec],
    inputs: ModelInputs,
    learned: Learned = NONE,
) -> Rehearsed:
    """Make every net that the recipe trains, and try what joins them.

    Args:
        loaded: the recipe.
        tasks: all tasks, their labels known.
        inputs: the student's.
        learned: the tokenizers that were learned from the rows.

    Raises:
        RecipeError: all that does not fit, each at its place.
        IntegrityError, StorageError: weights that are damaged or cannot be read.
    """
    recipe = loaded.recipe
    rehearsal = _Rehearsal(loaded, tasks, inputs, learned)
    for index, teacher in enumerate(recipe.teachers):
        rehearsal.teacher(index, teacher)
    rehearsal.student()
    rehearsal.peers()
    rehearsal.logits()
    rehearsal.shares()
    rehearsal.temperatures()
    rehearsal.joins()
    rehearsal.long_tails()
    rehearsal.reference()
    if rehearsal.problems:
        raise RecipeError(rehearsal.problems)
    assert rehearsal.start is not None  # there is a student, where nothing was wrong
    return Rehearsed(rehearsal.sizes, rehearsal.start)


def nets_of(
    loaded: LoadedRecipe,
    tasks: Sequence[TaskSpec],
    inputs: ModelInputs,
    learned: Learned = NONE,
) -> Iterator[tuple[str, Net]]:
    """Every net of a recipe that runs, one at a time: teachers by name, then ``student``.

    Args:
        loaded: the recipe.
        tasks: all tasks, their labels known.
        inputs: the student's.
        learned: the tokenizers that were learned from the rows.

    Raises:
        RecipeError: nets that cannot be made or run, each at its place.
        IntegrityError, StorageError: weights that are damaged or cannot be read.
    """
    rehearsal = _Rehearsal(loaded, tasks, inputs, learned)
    for index, teacher in enumerate(loaded.recipe.teachers):
        net = rehearsal.made_teacher(index, teacher, always=True)
        if net is not None:
            yield teacher.name, net
    student = rehearsal.made_student()
    if student is not None:
        yield "student", student
    if rehearsal.problems:
        raise RecipeError(rehearsal.problems)


@final
@dataclass(slots=True)
class _Rehearsal:
    """The nets that were made so far, and what was wrong."""

    loaded: LoadedRecipe
    tasks: Sequence[TaskSpec]
    inputs: ModelInputs
    learned: Learned
    problems: list[Problem] = field(default_factory=list)
    sizes: dict[str, NetSize] = field(default_factory=dict)
    # Of the teachers only what the student is joined to: they are large.
    features: dict[tuple[str, str], Tensor] = field(default_factory=dict)
    start: Start | None = None
    starter: Net | None = None
    starter_inputs: ModelInputs | None = None

    def teacher(self, index: int, teacher: Teacher) -> None:
        """Make a teacher; keep the features that are followed, and the net if init names it."""
        net = self.made_teacher(index, teacher, always=False)
        if net is None:
            return
        if teacher.train is not None:
            self._require_trainable(net, teacher.train, f"teachers.{index}.train")
        for place, spec in self._followed(teacher.name):
            for source in spec.sources:
                with self._noted(f"{place}.from"):
                    self.features[teacher.name, source] = _feature(net, source)
        for place, feed in self._fed(teacher.name):
            with self._noted(f"{place}.from"):
                self.features[teacher.name, feed.source] = _feature(net, feed.source)
        init = self.loaded.recipe.student.started_by
        if init is not None and init.teacher == teacher.name:
            self.starter = net
            self.starter_inputs = teacher_inputs(self.loaded.recipe, teacher.name, self.learned)

    def student(self) -> None:
        """Make the student, start it, and join it to the features of its teachers."""
        recipe = self.loaded.recipe
        net = self.made_student()
        if net is None:
            return
        for place, spec in self._followed():
            features: list[Tensor] = []
            for target in spec.targets:
                with self._noted(f"{place}.to"):
                    features.append(_feature(net, target))
            with self._noted(place):
                self._join(spec, features)
        for place, feed in self._fed():
            with self._noted(f"{place}.to"):
                self._feed(feed, net)
        for phase in self._trainings():
            self._require_trainable(net, phase.recipe.train, f"{phase.place}train")
            with self._noted(phase.at("balance", recipe)):
                self._balance(net, phase.recipe)
            if phase.recipe.train.mixup is not None:
                follows = bool(phase.recipe.distill.features or phase.recipe.distill.feed)
                with self._noted(f"{phase.place}train.mixup"):
                    require_mixable(net, phase.recipe.train.mixup.at, follows=follows)
        with self._noted("student.init"):
            self.start = self._started(net)

    def peers(self) -> None:
        """Make the nets that learn beside the student."""
        whole = self.loaded.recipe
        for phase in phases_of(whole):
            mixup = phase.recipe.train.mixup
            place = f"{phase.at('mutual', whole)}.peers"
            for index, peer in enumerate(phase.recipe.distill.peers):
                net: Net | None = None
                with self._noted(f"{place}.{index}.model"):
                    require_own_tokenizer(peer.model, self.inputs)
                    net = fresh_net(peer.model, self.inputs, self.tasks, whole.seed)
                if net is None or not self._runs(net, f"{place}.{index}.model"):
                    continue
                self.sizes[peer.name] = _size(net)
                if mixup is not None:
                    with self._noted(f"{phase.place}train.mixup"):
                        require_mixable(net, mixup.at, follows=False)

    def reference(self) -> None:
        """A table is looked at before anything is trained, as a teacher's is."""
        with self._noted("reference"):
            require_cheap(self.loaded.recipe, self.inputs, self.tasks)

    def made_teacher(self, index: int, teacher: Teacher, *, always: bool) -> Net | None:
        """A teacher's net that runs; None for what is no net, and where something was wrong.

        Args:
            index: of the teacher.
            teacher: the recipe's part.
            always: also load a checkpoint that the student is not joined to.
        """
        net: Net | None = None
        with self._noted(f"teachers.{index}"):
            inputs = teacher_inputs(self.loaded.recipe, teacher.name, self.learned)
            if isinstance(teacher.model, GivenModel):  # tried by ``given``, which has rows
                return None
            if isinstance(teacher.model, BoostingModel):
                self._require_trees(teacher, teacher.model, inputs)
                return None
            net = self._teacher_net(teacher, teacher.model, inputs, always=always)
        return net if net is not None and self._runs(net, f"teachers.{index}.model") else None

    def made_student(self) -> Net | None:
        """The student's net that runs; None where something was wrong."""
        recipe = self.loaded.recipe
        net: Net | None = None
        with self._noted("student.model"):
            require_own_tokenizer(recipe.student.model, self.inputs)
            net = fresh_net(recipe.student.model, self.inputs, self.tasks, recipe.seed)
        if net is None or not self._runs(net, "student.model"):
            return None
        self.sizes["student"] = _size(net)
        return net

    def logits(self) -> None:
        """Try the losses on logits of the tasks that somebody teaches."""
        for learner in learners_of(self.loaded.recipe):
            recipe, place = learner.recipe, learner.at("logits", self.loaded.recipe)
            tasks = self._tasks_of(learner)
            methods = logit_losses(recipe, [task.name for task in tasks])
            by_task = isinstance(recipe.distill.logits, dict)
            for task in tasks:
                if task.name in methods:
                    with self._noted(place + f".{task.name}" * by_task):
                        logit_loss(task, methods[task.name], cut=_is_cut(recipe, task))

    def shares(self) -> None:
        """Ask the schedules of alpha and of sample weights whether the tasks are theirs."""
        for learner in learners_of(self.loaded.recipe):
            self._shares(learner, "alpha")
        for phase in phases_of(self.loaded.recipe):
            self._shares(phase, "sample_weight")

    def _shares(self, learner: StudentPhase, key: str) -> None:
        recipe, place = learner.recipe, learner.at(key, self.loaded.recipe)
        tasks, stated = self._tasks_of(learner), getattr(recipe.distill, key)
        by_name = values_of(stated, [task.name for task in tasks])
        by_task = isinstance(stated, dict)
        for task in tasks:
            value = by_name[task.name]
            if isinstance(value, Schedule) and recipe.teachers_of(task.name):
                with self._noted(place + f".{task.name}" * by_task):
                    value.require_fits(task)

    def temperatures(self) -> None:
        """Whether temperatures that learn have a loss to learn from."""
        for learner in learners_of(self.loaded.recipe):
            recipe, place = learner.recipe, learner.at("temperature", self.loaded.recipe)
            tasks = self._tasks_of(learner)
            names = [task.name for task in tasks]
            temperature = values_of(recipe.distill.temperature, names)
            methods, taught = logit_losses(recipe, names), taught_tasks(recipe, names)
            by_task = isinstance(recipe.distill.temperature, dict)
            for task in tasks:
                value = temperature[task.name]
                if isinstance(value, Schedule) and task.name in methods:
                    loss = LOGIT_LOSSES[methods[task.name].kind]
                    with self._noted(place + f".{task.name}" * by_task):
                        if task.name in taught:
                            require_learnable(task, loss, value)
                        else:
                            require_stated(task, value)

    def joins(self) -> None:
        """Whether teachers of one task can be joined as they are to be."""
        for learner in learners_of(self.loaded.recipe):
            recipe, place = learner.recipe, learner.at("join", self.loaded.recipe)
            tasks = self._tasks_of(learner)
            found = joins(recipe, [task.name for task in tasks])
            by_task = isinstance(recipe.distill.join, dict)
            for task in tasks:
                if task.name in found:
                    with self._noted(place + f".{task.name}" * by_task):
                        found[task.name].require_fits(task)

    def long_tails(self) -> None:
        """Whether what makes rare classes count fits the tasks."""
        for phase in self._trainings():
            recipe, place = phase.recipe, phase.at("long_tail", self.loaded.recipe)
            methods = long_tails(recipe, [task.name for task in self.tasks])
            by_task = isinstance(recipe.distill.long_tail, dict)
            for task in self.tasks:
                with self._noted(place + f".{task.name}" * by_task):
                    require_fits(task, methods[task.name])

    def _trainings(self) -> list[StudentPhase]:
        """The student's phases, and what the baseline is trained like beside them."""
        whole = self.loaded.recipe
        return phases_of(whole) + ([StudentPhase("", whole)] if whole.phases else [])

    def _tasks_of(self, learner: StudentPhase) -> list[TaskSpec]:
        return [task for task in self.tasks if task.name in learner.recipe.tasks]

    def _tried(self, name: str) -> PieceTable:
        """What the student's table would be started from, with hardly any piece asked about."""
        assert self.starter is not None
        assert self.starter_inputs is not None
        ids = piece_ids_of(self.inputs, name)
        return tried_table(self.starter, self.starter_inputs, ids)

    def _started(self, net: Net) -> Start:
        """Start the student from what there is by now: its teacher may be trained yet."""
        student = self.loaded.recipe.student
        if student.started_as is not None:
            trained = trained_student(student.started_as, self.inputs)
            return start_of(net, start_as(net, trained), trained.origin)
        init = student.started_by
        if init is None or self.starter is None:
            return start_of(net, {}, "")
        self._require_same_pieces(init)
        starter = self.starter
        done = start_from(
            net, starter, init, self.inputs, self._tried, lambda: [starter.ones(_SIZE, _SIZE)]
        )
        return start_of(net, done, init.teacher, self._unknown(init, done))

    def _unknown(self, init: Init, done: Mapping[str, Mapped]) -> list[str]:
        """Mappings of which only a teacher that is trained, and asked, shows what they keep."""
        (teacher,) = (one for one in self.loaded.recipe.teachers if one.name == init.teacher)
        loaded = teacher.checkpoint is not None
        return [
            how
            for how, mapped in done.items()
            if mapped.by_values and not (loaded and how not in _ASKING)
        ]

    def _require_trees(self, teacher: Teacher, model: BoostingModel, inputs: ModelInputs) -> None:
        """Trees have no features and start no student: it is enough that they can be grown."""
        own = [task for task in self.tasks if task.name in teacher.tasks]
        if teacher.checkpoint is not None:
            checkpoint_of(teacher, inputs, own)
        else:
            require_trees(model, inputs, own)

    def _teacher_net(
        self, teacher: Teacher, model: Model, inputs: ModelInputs, *, always: bool
    ) -> Net | None:
        recipe = self.loaded.recipe
        own = [task for task in self.tasks if task.name in teacher.tasks]
        if teacher.checkpoint is not None:
            stem = checkpoint_of(teacher, inputs, own)
            return load_net(stem) if always or self._is_joined(teacher.name) else None
        require_own_tokenizer(model, inputs)
        net = fresh_net(model, inputs, own, recipe.seed)
        self.sizes[teacher.name] = _size(net)
        return net

    def _runs(self, net: Net, place: str) -> bool:
        """Whether the net gives anything; sizes that do not fit are often only seen then."""
        found = len(self.problems)
        with self._noted(place):
            _run(net)
        return len(self.problems) == found

    def _is_joined(self, teacher: str) -> bool:
        init = self.loaded.recipe.student.started_by
        joined = self._followed(teacher) or self._fed(teacher)
        return bool(joined) or (init is not None and init.teacher == teacher)

    def _followed(self, teacher: str | None = None) -> list[tuple[str, FeatureSpec]]:
        """The features that are followed in some phase, with their places."""
        found = self._placed("features", feature_specs)
        return [(place, one) for place, one in found.items() if teacher in (None, one.teacher)]

    def _fed(self, teacher: str | None = None) -> list[tuple[str, FeedSpec]]:
        """The features that are fed in some phase, with their places."""
        found = self._placed("feed", feed_specs)
        return [(place, one) for place, one in found.items() if teacher in (None, one.teacher)]

    def _placed(self, key: str, specs: Callable[[Recipe], Sequence[_Spec]]) -> dict[str, _Spec]:
        """Place in the recipe -> each part of a list, of all phases; what several share, once."""
        whole = self.loaded.recipe
        return {
            f"{phase.at(key, whole)}.{at}": spec
            for phase in phases_of(whole)
            for at, spec in enumerate(specs(phase.recipe))
        }

    def _feed(self, spec: FeedSpec, net: Net) -> None:
        """Add something to the student's feature, as a step does."""
        theirs = self.features.get((spec.teacher, spec.source))
        if theirs is None:
            return  # a path that was complained of already
        width_to_feed(spec, form_of(spec.source, theirs), _feature(net, spec.target))
        with torch.no_grad(), net.eval().changed(spec.target, lambda feature: feature + 0):
            net(net.ones(_SIZE, _SIZE))

    def _join(self, spec: FeatureSpec, ours: Sequence[Tensor]) -> None:
        loss = loss_of(spec)
        keys = [(spec.teacher, source) for source in spec.sources]
        theirs = [self.features[key] for key in keys if key in self.features]
        if (len(theirs), len(ours)) != (len(spec.sources), len(spec.targets)):
            return  # a path that was complained of already
        own = [form_of(path, one) for path, one in zip(spec.targets, ours, strict=True)]
        others = [form_of(path, one) for path, one in zip(spec.sources, theirs, strict=True)]
        join(spec, loss, own, others, _SIZE)

    def _balance(self, net: Net, recipe: Recipe) -> None:
        """Make the balancer, and show it the net with the graph behind its heads."""
        names = [task.name for task in self.tasks]
        method = balance_method(recipe)
        balancer = made("balance", BALANCERS, method, names)
        with net.eval().capture(balancer.features) as features:
            outputs = net(net.ones(_SIZE, _SIZE))
        shared = Shared(net.shared_parameters, features, list)
        balancer.require_fits(shared, list(outputs.values()))

    def _require_trainable(self, net: Net, train: TrainPart, place: str) -> None:
        """Freeze what is not trained, and nothing else, and see what learns how fast."""
        net.requires_grad_(True)
        with self._noted(f"{place}.freeze"):
            freeze(net, train.freeze)
        with self._noted(f"{place}.rates"):
            rate_factors(net, train.layer_decay, train.rates)

    def _require_same_pieces(self, init: Init) -> None:
        """The student's rows are looked up in the teacher's table by their ids."""
        if init.embeddings == "none" or self.starter_inputs is None:
            return
        theirs, ours = self.starter_inputs.whole, self.inputs.whole
        if set(theirs.values()) != set(ours.values()):  # inputs may be called otherwise
            raise UsageError(
                f"the student's tokenizer is not the one of {init.teacher}, so their ids mean "
                f"other pieces; name the same one for both, or write embeddings: none"
            )

    @contextmanager
    def _noted(self, place: str) -> Iterator[None]:
        try:
            yield
        except UsageError as error:
            problem = self.loaded.problem(place, str(error))
            if problem not in self.problems:  # phases may share what is wrong
                self.problems.append(problem)


def _is_cut(recipe: Recipe, task: TaskSpec) -> bool:
    """Whether the cache of a teacher of a task keeps its likeliest classes alone."""
    return any(
        kept_of(output, teacher.top_k) is not None
        for teacher in recipe.teachers_of(task.name)
        for output in outputs_of(task).values()
    )


def _run(net: Net) -> None:
    try:
        with torch.no_grad():
            net.eval()(net.ones(_SIZE, _SIZE))
    except (RuntimeError, ValueError) as error:
        raise UsageError(
            f"its layers do not fit one another ({error}): look at the sizes under `config`"
        ) from error


def _feature(net: Net, path: str) -> Tensor:
    """What a module of the backbone gives for some arrays of ones."""
    with torch.no_grad(), net.eval().capture([path]) as features:
        net(net.ones(_SIZE, _SIZE))
        return features[path]


def _size(net: Net) -> NetSize:
    asked = [(len(task.labels) - 1, prototypes_asked(task)) for task in net.tasks]
    # Of every label but the one that rejects, and the middle that they are taken from.
    rows = sum(labels * count + 1 for labels, count in asked if count)
    return NetSize(net.parameter_count(), net.embedding_parameter_count(), rows * net.fusion.width)
