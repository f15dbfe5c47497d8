"""The teachers of a run that are there already: made from the recipe, tried on a row, recorded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, final

import numpy as np
import torch

from kd2edge.data.batch import Batch
from kd2edge.errors import Problem, RecipeError, UsageError
from kd2edge.files import fingerprint
from kd2edge.inputs.kinds import input_kind
from kd2edge.inputs.spec import InputSpec
from kd2edge.pipeline.reading.model_inputs import ModelInputs, teacher_inputs, views_of
from kd2edge.pipeline.reading.prepare import Prepared
from kd2edge.pipeline.steps.training import NetRecord
from kd2edge.recipe import LoadedRecipe, Recipe
from kd2edge.recipe.code import require_code_allowed
from kd2edge.recipe.schema import GivenModel, OnnxModel, PythonModel, SklearnModel, Teacher
from kd2edge.recipe.schema.choices import by_task
from kd2edge.recipe.schema.given import (
    EstimatorOutput,
    Fed,
    FedColumns,
    FedZeros,
    Gives,
    GraphOutput,
)
from kd2edge.tasks.spec import TaskSpec
from kd2edge.teacher import Teacher as Speaker
from kd2edge.teacher.given import (
    ArrayFeed,
    Cells,
    ColumnsFeed,
    EstimatorFiles,
    Feed,
    GraphFile,
    NamedObject,
    OnnxTeacher,
    PythonTeacher,
    Question,
    Said,
    SklearnTeacher,
    ZerosFeed,
    estimator_files,
    graph_file,
    named_object,
    question,
    require_same_labels,
)
from kd2edge.teacher.given.cells import RawRows

__all__ = ["Given", "GivenPlan", "given_teacher", "require_given"]


@dataclass(frozen=True, slots=True)
class GivenPlan:
    """A teacher that will only be asked.

    Args:
        family: what it is: ``onnx``, ``sklearn`` or ``python``.
        source: its files, or the object's name.
        parameters: numbers in the weights of a graph; None: not known.
        tasks: what it answers.
        notes: what was told while it was read.
    """

    family: str
    source: str
    parameters: int | None
    tasks: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        """For a terminal."""
        size = "" if self.parameters is None else f", {self.parameters:,} parameters"
        told = "".join(f"; {note}" for note in self.notes)
        return f"{self.family} {self.source}{size}, asked and not trained; it answered a row{told}"


@final
@dataclass(frozen=True, slots=True)
class Given:
    """A teacher that is only asked.

    Args:
        model: what the recipe says of it.
        source: its files, or the object.
        inputs: what it reads.
        tasks: the student's tasks that it teaches.
        said: task -> what its numbers are.
        threads: of a graph; None: the physical cores.
        questions: task -> how an estimator is asked.
    """

    model: GivenModel
    source: GraphFile | EstimatorFiles | NamedObject
    inputs: ModelInputs
    tasks: Sequence[TaskSpec]
    said: Mapping[str, Said]
    threads: int | None
    questions: Mapping[str, Question] = field(default_factory=dict[str, Question])

    @property
    def name(self) -> str:
        """Of its files, or of the object."""
        return self.source.path.name if isinstance(self.source, GraphFile) else self.source.name

    @property
    def notes(self) -> tuple[str, ...]:
        """What was told while it was read."""
        return self.source.notes if isinstance(self.source, EstimatorFiles) else ()

    def over(self, rows: RawRows, specs: Mapping[str, InputSpec] | None = None) -> Speaker:
        """The teacher as it answers some rows, which it may read by column.

        Args:
            rows: of a split.
            specs: its inputs as these rows have them; None: all of them.
        """
        every = self.inputs.specs
        columns = dict.fromkeys(name for one in every.values() for name in one.columns)
        cells = Cells(every if specs is None else specs, rows, tuple(columns))
        batch_size = self.model.batch_size
        if isinstance(self.model, OnnxModel) and isinstance(self.source, GraphFile):
            feeds = {name: _feed(one) for name, one in self.model.inputs.items()}
            return OnnxTeacher(
                self.source, every, cells, self.tasks, self.said, feeds,
                batch_size=batch_size, threads=self.threads,
            )  # fmt: skip
        if isinstance(self.model, SklearnModel) and isinstance(self.source, EstimatorFiles):
            return SklearnTeacher(
                self.source, every, cells, self.tasks, self.said, self.questions,
                self.model.columns, batch_size=batch_size,
            )  # fmt: skip
        assert isinstance(self.model, PythonModel)
        assert isinstance(self.source, NamedObject)
        options = self.model.options
        known = fingerprint(["python", self.source.identity, options, dict(self.said)])
        return PythonTeacher(
            partial(self.source.factory, **options), self.source.name, cells, self.tasks, self.said,
            known, batch_size=batch_size,
        )  # fmt: skip

    def record(self, key: str) -> NetRecord:
        """What the report says of it: what is not known is left open.

        Args:
            key: of its answers.
        """
        return NetRecord(
            key=key,
            weights=key,
            parameters=self.source.parameters if isinstance(self.source, GraphFile) else None,
            embedding_parameters=None,
            flops=None,
            bytes=None if isinstance(self.source, NamedObject) else self.source.bytes,
            files=dict(self.source.files),
        )


def given_teacher(
    recipe: Recipe,
    teacher: Teacher,
    inputs: ModelInputs,
    tasks: Sequence[TaskSpec],
) -> Given:
    """A teacher of the recipe that is there already.  An object's module is imported here.

    Args:
        recipe: the recipe; of one that names code :func:`require_code_allowed` was asked.
        teacher: its part.
        inputs: what the teacher reads.
        tasks: what it teaches.

    Raises:
        UsageError: an object that cannot be imported.
        DataError: other labels than the tasks'.
        IntegrityError, StorageError: a file that is no graph or estimator, or cannot be read.
    """
    model = teacher.model
    assert isinstance(model, GivenModel)
    if isinstance(model, SklearnModel):
        return _estimators(recipe, model, inputs, tasks)
    said = {str(task.name): _said(recipe, model, task) for task in tasks}
    source = (
        graph_file(model.path)
        if isinstance(model, OnnxModel)
        else named_object(model.object, model.folder)
    )
    return Given(model, source, inputs, tasks, said, recipe.train.threads)


def _estimators(
    recipe: Recipe, model: SklearnModel, inputs: ModelInputs, tasks: Sequence[TaskSpec]
) -> Given:
    """Estimators: what they say of their labels is read with them."""
    names = [str(task.name) for task in tasks]
    files = estimator_files(by_task(model.path, names), model.trusted)
    questions: dict[str, Question] = {}
    said: dict[str, Said] = {}
    for name, task in zip(names, tasks, strict=True):
        stated = model.outputs.get(name, EstimatorOutput())
        asked = question(files.estimators[name], task, stated.call, stated.output, files.name)
        own, written = asked.labels(task), recipe.tasks[name].labels or ()
        labels = tuple(stated.labels or own or written)
        require_same_labels(task, labels)
        questions[name], said[name] = asked, Said(asked.gives(task), labels)
    return Given(model, files, inputs, tasks, said, recipe.train.threads, questions)


def require_given(
    loaded: LoadedRecipe, data: Prepared, *, allow_code: bool
) -> dict[str, GivenPlan]:
    """Ask every teacher that is there already about the first training row.

    Args:
        loaded: the recipe.
        data: its rows.
        allow_code: whether code may run that the recipe names.

    Returns:
        Teacher -> what will be asked.

    Raises:
        RecipeError: all that do not answer it, or do not fit, each at its place; or code that may
            not run.
        IntegrityError, StorageError: a file that is no graph, or cannot be read.
        BackendError: no ONNX Runtime.
    """
    require_code_allowed(loaded, allow_code)
    found: dict[str, GivenPlan] = {}
    problems: list[Problem] = []
    for index, teacher in enumerate(loaded.recipe.teachers):
        if not isinstance(teacher.model, GivenModel):
            continue
        try:
            found[teacher.name] = _tried(loaded.recipe, teacher, teacher.model, data)
        except RecipeError:
            raise
        except UsageError as error:
            problems.append(loaded.problem(f"teachers.{index}.model", str(error)))
    if problems:
        raise RecipeError(problems)
    return found


def _tried(recipe: Recipe, teacher: Teacher, model: GivenModel, data: Prepared) -> GivenPlan:
    inputs = teacher_inputs(recipe, teacher.name, data.learned)
    tasks = [spec for name, spec in data.tasks.items() if name in teacher.tasks]
    given = given_teacher(recipe, teacher, inputs, tasks)
    rows = data.rows["train"]
    with given.over(rows).open((), torch.device("cpu")) as answer:
        for view in range(min(views_of(recipe).count, 2)):  # whoever sees one sees them all
            answer(_first_row(inputs, rows, view))
    parameters = given.source.parameters if isinstance(given.source, GraphFile) else None
    return GivenPlan(model.family, given.name, parameters, tuple(teacher.tasks), given.notes)


def _first_row(inputs: ModelInputs, rows: RawRows, view: int) -> Batch:
    """The first row, without labels and whatever its view, as the teacher reads it."""
    arrays: dict[str, Any] = {}
    for spec, encoder in inputs.pairs.values():
        value = input_kind(spec.kind).value(spec, rows[0], rows.root_of(0))
        arrays |= encoder.encode([value]).arrays
    tensors = {name: torch.from_numpy(np.asarray(one)) for name, one in arrays.items()}
    return Batch(np.zeros(1, np.int64), view, tensors, {}, {}, {})


def _said(recipe: Recipe, model: OnnxModel | PythonModel, task: TaskSpec) -> Said:
    """What the teacher's numbers for a task are.

    Raises:
        DataError: other labels than the task's.
    """
    stated: Gives = model.outputs.get(str(task.name), Gives())
    written = tuple(recipe.tasks[str(task.name)].labels or ())
    labels = written if stated.labels is None else stated.labels
    require_same_labels(task, labels)
    output = stated.output if isinstance(stated, GraphOutput) else ""
    return Said(stated.gives, tuple(labels), output)


def _feed(one: Fed) -> Feed:
    if isinstance(one, FedColumns):
        return ColumnsFeed(tuple(one.columns), dict(one.vocabulary), one.unknown)
    return ZerosFeed(one.zeros) if isinstance(one, FedZeros) else ArrayFeed(one.array)
