"""What the parts of a recipe must agree on, beyond the names they use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

from kd2edge.inputs.kinds import input_kind
from kd2edge.recipe.boosting_checks import boosting_fits
from kd2edge.recipe.given_checks import given_fit
from kd2edge.recipe.mutual_checks import (
    peers_begin_apart,
    peers_have_names,
    peers_learn_in_one_phase,
    peers_read,
)
from kd2edge.recipe.phase_checks import (
    faults_of_phases,
    phases_have_names,
    phases_join_alike,
)
from kd2edge.recipe.places import Fault, Steps
from kd2edge.recipe.reference_checks import reference_fits
from kd2edge.recipe.schedule_checks import (
    curricula_have_a_range,
    progress_is_looked_at,
    progress_leaves_something,
    sample_weights_weigh,
)
from kd2edge.recipe.schema import (
    CnnModel,
    ConvModel,
    ImageInput,
    Input,
    JointModel,
    MlpModel,
    Model,
    NoNet,
    OfInput,
    Recipe,
    StaticModel,
    Teacher,
    TeacherModel,
    TokenizerLearned,
    TokenizerOfTeacher,
    TransformersModel,
)
from kd2edge.recipe.schema.inputs import WordsPart
from kd2edge.recipe.schema.models import OneInput, models_of, pretrained_of, single_models
from kd2edge.recipe.ship_checks import (
    budgets_of_shares_are_shares,
    targets_come_out,
    targets_run_the_student,
)
from kd2edge.recipe.source_checks import (
    builders_choose_their_split,
    cut_words_have_no_labels,
    held_out_is_of_training,
    made_rows_are_unlabelled,
    schemes_are_of_tags,
    sources_have_splits,
    unlabelled_is_for_training,
)
from kd2edge.recipe.table_checks import inputs_of, tables_name_columns
from kd2edge.recipe.task_checks import (
    binary_tasks_have_two_sides,
    bounds_are_in_order,
    cuts_have_a_metric,
    labels_are_unique,
)
from kd2edge.recipe.teaching_checks import (
    several_teachers_are_joined,
    tasks_are_taught,
    taught_teachers_fit,
)
from kd2edge.tasks.kinds import task_kind

#: Families with a table of embeddings for pieces of words.
_WORDED = TransformersModel | ConvModel | StaticModel


def faults(recipe: Recipe) -> Iterator[Fault]:
    """Everything that does not go together in a recipe whose parts are right."""
    for check in CHECKS:
        yield from check(recipe)
    yield from faults_of_phases(recipe, CHECKS)


def _names_are_unique(recipe: Recipe) -> Iterator[Fault]:
    groups: tuple[tuple[Steps, list[str]], ...] = (
        (("data", "sources"), [source.name for source in recipe.data.sources]),
        (("data", "unlabelled"), [source.name for source in recipe.data.unlabelled]),
        (("teachers",), [teacher.name for teacher in recipe.teachers]),
    )
    seen: dict[str, set[str]] = {}
    for steps, names in groups:
        known = seen.setdefault(str(steps[0]), set())
        for index, name in enumerate(names):
            if name in known:
                yield (*steps, index, "name"), f"the name {name!r} stands twice"
            known.add(name)
            if steps == ("teachers",) and name in {"student", "baseline", "reference"}:
                yield (*steps, index, "name"), f"the name {name!r} is taken by a model of the run"
    for name, group in (("tasks", recipe.tasks), ("inputs", recipe.inputs)):
        if "kind" in group:
            yield (name, "kind"), "the name 'kind' is taken: every method has that key"


def _teachers_are_trained_or_loaded(recipe: Recipe) -> Iterator[Fault]:
    for index, teacher in enumerate(recipe.teachers):
        if teacher.train is not None and teacher.checkpoint is not None:
            steps = ("teachers", index, "checkpoint")
            yield steps, "expected train or checkpoint, found both"
        if teacher.folds is not None and teacher.checkpoint is not None:
            steps = ("teachers", index, "folds")
            yield steps, "expected a teacher that is trained here, found a checkpoint: drop folds"
        if not teacher.tasks:
            yield ("teachers", index, "tasks"), "it teaches nothing: name a task or drop it"


def _models_can_be_made(recipe: Recipe) -> Iterator[Fault]:
    for steps, model in _single_models(recipe):
        if isinstance(model, CnnModel):
            if "channels" not in model.config:
                yield (*steps, "config"), "expected channels, e.g. channels: [16, 32, 64]"
        elif isinstance(model, MlpModel):
            if "hidden" not in model.config:
                yield (*steps, "config"), "expected hidden, e.g. hidden: [256, 128]"
        elif (
            isinstance(model, TransformersModel)
            and model.source is None
            and "model_type" not in model.config
        ):
            yield steps, "expected a source of weights, or a config with its model_type"


def _single_models(recipe: Recipe) -> Iterator[tuple[Steps, OneInput]]:
    for steps, model, _ in _models(recipe):
        for step, one in single_models(model).items():
            yield (*steps, *step), one


def _models(recipe: Recipe) -> Iterator[tuple[Steps, Model, Mapping[str, Input]]]:
    """Every net with the inputs that it is given."""
    for index, teacher in enumerate(recipe.teachers):
        own = recipe.inputs if teacher.inputs is None else teacher.inputs
        if not isinstance(teacher.model, NoNet):
            yield ("teachers", index, "model"), teacher.model, own
    yield ("student", "model"), recipe.student.model, recipe.inputs
    for index, peer in enumerate(recipe.distill.peers):
        yield ("distill", "mutual", "peers", index, "model"), peer.model, recipe.inputs


def _every_input_is_read(recipe: Recipe) -> Iterator[Fault]:
    for steps, model, inputs in _models(recipe):
        names = ", ".join(inputs)
        if not isinstance(model, JointModel):
            if len(inputs) > 1:
                message = f"it reads one input and is given {names}: state `encoders`, one an input"
                way = ", or give the teacher `inputs` of its own" * (steps[0] == "teachers")
                yield steps, message + way
            continue
        for name in model.encoders.keys() - inputs.keys():
            yield (*steps, "encoders", name), f"no input {name!r}; it is given {names}"
        for name in inputs.keys() - model.encoders.keys():
            yield (*steps, "encoders"), f"nothing reads the input {name!r}: state its encoder"


def _a_row_has_some_input(recipe: Recipe) -> Iterator[Fault]:
    labelled = {one.input for one in _by_word(recipe).values()}
    for steps, spec in inputs_of(recipe):
        name = str(steps[-1])
        beside = recipe.inputs if steps[0] == "inputs" else dict(_siblings(recipe, steps))
        if not spec.absent:
            continue
        if len(beside) == 1:
            message = "it is the only input: a row without it has nothing to decide from"
            yield (*steps, "absent"), message
        if name in labelled:
            yield (*steps, "absent"), f"a task labels the words of {name!r}: every row has them"
        if steps[0] == "teachers" and spec.dropped:
            message = "the share stands under the recipe's own `inputs`: write true here"
            yield (*steps, "absent"), message


def _siblings(recipe: Recipe, steps: Steps) -> Iterable[tuple[str, Input]]:
    return (recipe.teachers[int(steps[1])].inputs or {}).items()


def _by_word(recipe: Recipe) -> dict[str, OfInput]:
    """The tasks that label the words of an input."""
    return {
        name: one
        for name, one in recipe.tasks.items()
        if isinstance(one, OfInput) and task_kind(one.kind).per_word
    }


def _tasks_of_inputs_have_theirs(recipe: Recipe) -> Iterator[Fault]:
    by_word = _by_word(recipe)
    for name, task in recipe.tasks.items():
        if not isinstance(task, OfInput):
            continue
        named = recipe.inputs.get(task.input)
        if name in by_word and named is not None and not input_kind(named.kind).words:
            yield ("tasks", name, "input"), f"the input {task.input!r} has no words"
        for index, teacher in enumerate(recipe.teachers):
            own = teacher.inputs
            if own is not None and name in teacher.tasks and task.input not in own:
                steps = ("teachers", index, "inputs")
                yield steps, f"the task {name!r} needs the input {task.input!r}, which is not here"


def _tokenizers_are_there(recipe: Recipe) -> Iterator[Fault]:
    for steps, spec in inputs_of(recipe):
        if not isinstance(spec, WordsPart) or not isinstance(spec.tokenizer, TokenizerOfTeacher):
            continue
        teacher = _teacher(recipe, spec.tokenizer.teacher)
        if teacher is not None and pretrained_of(teacher.model, str(steps[-1])) is None:
            message = f"{teacher.name!r} has no pretrained weights to take a tokenizer from"
            yield (*steps, "tokenizer", "from"), message


def _cut_tables_are_fresh(recipe: Recipe) -> Iterator[Fault]:
    """A cut renumbers the pieces; the rows of a pretrained table stay where they are."""
    for name, spec in recipe.inputs.items():
        if getattr(_reader(recipe.student.model, recipe.inputs, name), "source", None) is None:
            continue
        if isinstance(spec, WordsPart) and getattr(spec.tokenizer, "vocab", "") == "cut":
            message = (
                "the student starts from pretrained weights, whose table has a row for every "
                "piece: write keep, or leave the student's source out and start it by init"
            )
            yield ("inputs", name, "tokenizer", "vocab"), message


def _learned_pieces_have_fresh_tables(recipe: Recipe) -> Iterator[Fault]:
    """A pretrained table knows the pieces of its own tokenizer alone."""
    for steps, spec in inputs_of(recipe):
        if not isinstance(spec, WordsPart) or not isinstance(spec.tokenizer, TokenizerLearned):
            continue
        name = str(steps[-1])
        student = _reader(recipe.student.model, recipe.inputs, name)
        named = {"student": student} if steps[0] == "inputs" else {}
        for index, teacher in enumerate(recipe.teachers):
            own = teacher.inputs is not None
            if steps[:2] == ("teachers", index) or (steps[0] == "inputs" and not own):
                named[teacher.name] = _reader(teacher.model, teacher.inputs or recipe.inputs, name)
        for whose, model in named.items():
            if getattr(model, "source", None) is not None:
                message = (
                    f"{whose} starts from pretrained weights, whose table has a row for every"
                    " piece of their own tokenizer: leave its source out, or name that tokenizer"
                    " (for a teacher under `inputs` of its own)"
                )
                yield (*steps, "tokenizer", "train"), message


def _reader(model: TeacherModel, inputs: Iterable[str], name: str) -> OneInput | None:
    """What reads an input."""
    return models_of(model, inputs).get(name)


def _teacher(recipe: Recipe, name: str) -> Teacher | None:
    return next((teacher for teacher in recipe.teachers if teacher.name == name), None)


def _images_agree_with_channels(recipe: Recipe) -> Iterator[Fault]:
    for steps, spec in inputs_of(recipe):
        if not isinstance(spec, ImageInput):
            continue
        for key, values in (("mean", spec.mean), ("std", spec.std)):
            if isinstance(values, tuple) and len(values) != spec.channels:
                message = f"expected {spec.channels} numbers, one a channel, found {len(values)}"
                yield (*steps, key), message


def _views_are_the_same_for_all(recipe: Recipe) -> Iterator[Fault]:
    """Teacher and student are shown the same views, which the recipe's own inputs describe."""
    images = {name: one for name, one in recipe.inputs.items() if isinstance(one, ImageInput)}
    yield from _views_of_one_row_agree(images)
    moved = {one.columns: one for one in images.values() if one.changes}
    for index, teacher in enumerate(recipe.teachers):
        for name, spec in (teacher.inputs or {}).items():
            if not isinstance(spec, ImageInput):
                continue
            steps = ("teachers", index, "inputs", name)
            if spec.changes:
                message = "a teacher is shown the views of the student: state it under `inputs`"
                yield (*steps, "augment"), message
            own = moved.get(spec.columns, spec)
            if spec.size != own.size:
                message = (
                    f"expected {list(own.size)} as under `inputs`, found {list(spec.size)}: its"
                    " views are made of pixels, and the teacher would see others than the student"
                )
                yield (*steps, "size"), message
            if spec.channels != own.channels and any(one.kind == "erase" for one in own.changes):
                message = (
                    f"expected {own.channels} as under `inputs`, found {spec.channels}: what is"
                    " erased is filled channel by channel, and the teacher would see other pixels"
                )
                yield (*steps, "channels"), message


def _views_of_one_row_agree(images: Mapping[str, ImageInput]) -> Iterator[Fault]:
    """A row has so many views, and a column of pictures looks the same to all who read it."""
    counts = {one.views for one in images.values() if one.changes}
    first: dict[tuple[str, ...], ImageInput] = {}
    for name, one in images.items():
        if one.changes and len(counts) > 1:
            found = ", ".join(map(str, sorted(counts)))
            message = f"expected as many views of every image, found {found}"
            yield ("inputs", name, "views"), message
        if first.setdefault(one.columns, one).changes != one.changes:
            message = f"another input reads the column {one.columns[0]!r}: augment both alike"
            yield ("inputs", name, "augment"), message
        elif one.changes and (other := first[one.columns]).size != one.size:
            message = (
                f"expected {list(other.size)} as of the other input that reads the column"
                f" {one.columns[0]!r}, found {list(one.size)}: views are made of pixels"
            )
            yield ("inputs", name, "size"), message


def _inits_fit(recipe: Recipe) -> Iterator[Fault]:
    init = recipe.student.started_by
    teacher = _teacher(recipe, init.teacher) if init else None
    if init is None or teacher is None or isinstance(teacher.model, NoNet):
        return
    both = [single_models(one.model).values() for one in (teacher, recipe.student)]
    worded = [any(isinstance(part, _WORDED) for part in parts) for parts in both]
    if init.embeddings != "none" and not all(worded):
        message = "only transformers, conv and static have embeddings of words; write none"
        yield ("student", "init", "embeddings"), message
    elif init.embeddings == "channels" and not all(
        isinstance(part, TransformersModel)
        for parts in both
        for part in parts
        if isinstance(part, _WORDED)
    ):
        message = "only transformers have channels to cut; write svd, output or none"
        yield ("student", "init", "embeddings"), message
    if init.embeddings == "none" and init.layers is None and init.convolutions is None:
        message = "it starts nothing: expected embeddings, layers or convolutions"
        yield ("student", "init"), message
    if init.convolutions is not None and not all(
        any(isinstance(part, CnnModel) for part in parts) for parts in both
    ):
        message = "only models of family cnn have such convolutions; leave it out"
        yield ("student", "init", "convolutions"), message
    if init.weighing is not None and init.embeddings != "output":
        message = "only output embeddings are weighed: write embeddings: output, or leave it out"
        yield ("student", "init", "weighing"), message


def _lists_name_things_once(recipe: Recipe) -> Iterator[Fault]:
    lists: list[tuple[Steps, tuple[str, ...]]] = [
        (("export", "targets"), recipe.export.targets),
        (("export", "precisions"), recipe.export.precisions),
    ]
    lists += [
        (("teachers", index, key), getattr(teacher, key))
        for index, teacher in enumerate(recipe.teachers)
        for key in ("tasks", "taught_by")
    ]
    lists.append((("student", "taught_by"), recipe.student.taught_by or ()))
    for steps, names in lists:
        for name, count in Counter(names).items():
            if count > 1:
                yield steps, f"{name!r} stands {count} times"


CHECKS: tuple[Callable[[Recipe], Iterator[Fault]], ...] = (
    _names_are_unique,
    sources_have_splits,
    unlabelled_is_for_training,
    made_rows_are_unlabelled,
    held_out_is_of_training,
    cut_words_have_no_labels,
    schemes_are_of_tags,
    builders_choose_their_split,
    tasks_are_taught,
    several_teachers_are_joined,
    taught_teachers_fit,
    _teachers_are_trained_or_loaded,
    _models_can_be_made,
    _every_input_is_read,
    _a_row_has_some_input,
    _tasks_of_inputs_have_theirs,
    binary_tasks_have_two_sides,
    bounds_are_in_order,
    cuts_have_a_metric,
    labels_are_unique,
    _tokenizers_are_there,
    _cut_tables_are_fresh,
    _learned_pieces_have_fresh_tables,
    _images_agree_with_channels,
    _views_are_the_same_for_all,
    _inits_fit,
    progress_is_looked_at,
    progress_leaves_something,
    sample_weights_weigh,
    curricula_have_a_range,
    phases_have_names,
    phases_join_alike,
    peers_have_names,
    peers_begin_apart,
    peers_learn_in_one_phase,
    peers_read,
    boosting_fits,
    reference_fits,
    given_fit,
    tables_name_columns,
    _lists_name_things_once,
    targets_come_out,
    targets_run_the_student,
    budgets_of_shares_are_shares,
)
