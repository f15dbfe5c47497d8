"""The teachers of a run: trained or loaded, and asked once about every row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kd2edge.errors import UsageError
from kd2edge.inputs.spec import InputSpec
from kd2edge.nets import NetDescription, describe_net, load_net
from kd2edge.pipeline.events import StageEvent
from kd2edge.pipeline.model_inputs import ModelInputs, teacher_inputs
from kd2edge.pipeline.settings import teacher_settings
from kd2edge.pipeline.sources import SPLITS
from kd2edge.pipeline.trained import NetRecord, Training, loaded_record, net_key, trained
from kd2edge.pipeline.work import Learner, Work, fresh_net
from kd2edge.recipe.schema import Teacher
from kd2edge.tasks.spec import TaskSpec
from kd2edge.teacher import NetTeacher, TeacherCache, cache_outputs
from kd2edge.teacher.fill import label_order

__all__ = ["Taught", "checkpoint_of", "taught"]


@dataclass(frozen=True, slots=True)
class Taught:
    """A teacher that is trained and was asked: its cache of every split."""

    name: str
    record: NetRecord
    caches: Mapping[str, TeacherCache]
    stem: Path


def taught(work: Work, teacher: Teacher) -> Taught:
    """Train or load a teacher, and cache what it says of every row; what is there is taken over.

    Raises:
        UsageError: a checkpoint that is not there, or that reads other inputs than the recipe's.
        DataError: a checkpoint of other tasks or labels.
        IntegrityError: a net or cache that is damaged.
        Interrupted: stopped; the state was saved.
    """
    inputs = teacher_inputs(work.recipe, teacher.name, work.data.learned)
    learner = Learner(inputs, work.encoded(inputs))
    if teacher.checkpoint is None:
        stem = work.run.teachers / teacher.name
        record = trained(_training(work, teacher, learner), resume=work.resume, reuse=True)
    else:
        stem = checkpoint_of(teacher, inputs, _tasks(work, teacher))
        record = _loaded(work, teacher, stem, learner)
    speaker = NetTeacher(partial(load_net, stem), describe_net(stem).tasks, record.weights)
    caches = _caches(work, teacher, speaker, learner)
    detail = f"{caches['train'].bytes / 1e6:,.1f} MB"
    done = StageEvent(f"cache {teacher.name}", detail, skipped=caches["train"].reused)
    work.on_event(done)
    return Taught(teacher.name, record, caches, stem)


def _tasks(work: Work, teacher: Teacher) -> list[TaskSpec]:
    return [task for task in work.tasks if task.name in teacher.tasks]


def _training(work: Work, teacher: Teacher, learner: Learner) -> Training:
    recipe, splits, tasks = work.recipe, learner.splits, _tasks(work, teacher)
    settings = teacher_settings(recipe, teacher)
    return Training(
        name=f"teacher {teacher.name}",
        stem=work.run.teachers / teacher.name,
        key=net_key(teacher.model, None, settings, splits, tasks),
        build=partial(fresh_net, teacher.model, learner.inputs, tasks, recipe.seed),
        tasks=tasks,
        train=splits["train"],
        validation=splits["validation"],
        settings=settings,
        checkpoints=work.run.checkpoints / f"teacher-{teacher.name}",
        on_event=work.on_event,
        tokenizers=learner.inputs.tokenizers,
    )


def _loaded(work: Work, teacher: Teacher, stem: Path, learner: Learner) -> NetRecord:
    kept = work.run.teachers / teacher.name
    record = loaded_record(stem, kept, learner.splits["validation"])
    work.on_event(StageEvent(f"teacher {teacher.name}", str(stem), skipped=True))
    return record


def _caches(
    work: Work, teacher: Teacher, speaker: NetTeacher, learner: Learner
) -> dict[str, TeacherCache]:
    hints = work.recipe.distill.features
    features = sorted({one.teacher_layer for one in hints if one.teacher == teacher.name})
    return {
        split: cache_outputs(
            speaker,
            learner.splits[split],
            work.cache / "teachers",
            tasks=_tasks(work, teacher),
            # The student follows features on rows that it trains on, nowhere else.
            features=features if split == "train" else (),
            device=work.recipe.train.device,
            on_event=work.on_event,
        )
        for split in SPLITS
    }


def checkpoint_of(teacher: Teacher, inputs: ModelInputs, tasks: Sequence[TaskSpec]) -> Path:
    """The stem of a trained teacher that the recipe names, which must fit it.

    Raises:
        UsageError: a checkpoint that is not there, or that reads other inputs than the recipe's.
        DataError: a checkpoint of other tasks or labels.
    """
    assert teacher.checkpoint is not None
    stem = _stem_of(teacher.checkpoint)
    found = describe_net(stem)
    _require_same_inputs(found, inputs, stem)
    speaker = NetTeacher(partial(load_net, stem), found.tasks, found.weights)
    for task in tasks:
        label_order(speaker, task)
    return stem


def _stem_of(checkpoint: Path) -> Path:
    stem = checkpoint.with_suffix("") if checkpoint.suffix == ".safetensors" else checkpoint
    for ending in (".safetensors", ".json"):
        if not stem.with_name(stem.name + ending).is_file():
            raise UsageError(
                f"checkpoint {checkpoint}: expected {stem.name}.safetensors with {stem.name}.json "
                "beside it, as `kd2edge distill` writes them under teachers/"
            )
    return stem


def _require_same_inputs(found: NetDescription, inputs: ModelInputs, stem: Path) -> None:
    """Other preprocessing than the net was trained with would be wrong without any error."""
    expected = _constants(list(inputs.specs.values()), inputs.vocabulary)
    stated = _constants(found.inputs, found.vocabulary)
    if found.tokenizers:  # nets of older versions do not say
        expected |= _named(inputs.tokenizers)
        stated |= _named(found.tokenizers)
    odd = sorted(key for key in expected.keys() | stated.keys() if _differ(key, expected, stated))
    if odd:
        said = ", ".join(
            f"{key} {stated.get(key)!r} (recipe: {expected.get(key)!r})" for key in odd
        )
        raise UsageError(
            f"checkpoint {stem}: it was trained on other inputs: {said}; "
            "state the checkpoint's own under `inputs` of this teacher"
        )


def _differ(key: str, one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    return key not in one or key not in other or one[key] != other[key]


def _named(tokenizers: Mapping[str, str]) -> dict[str, object]:
    return {f"{name}.tokenizer": f"{digest[:12]}..." for name, digest in tokenizers.items()}


def _constants(specs: Sequence[InputSpec], vocabulary: int | None) -> dict[str, object]:
    """Every constant of the preprocessing but the columns, which may be called otherwise."""
    options = {f"{spec.name}.{key}": value for spec in specs for key, value in spec.options.items()}
    kinds = {f"{spec.name}.kind": spec.kind for spec in specs}
    return {**kinds, **options, "vocabulary": vocabulary}
