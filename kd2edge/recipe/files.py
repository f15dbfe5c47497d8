"""Whether the files that a recipe names are there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from kd2edge.recipe.mutual_checks import peers_of
from kd2edge.recipe.places import Fault, Steps
from kd2edge.recipe.schema import (
    Input,
    OnnxModel,
    PythonModel,
    Recipe,
    SklearnModel,
    TeacherModel,
    TokenizerFile,
    TransformersModel,
    WeightsFolder,
)
from kd2edge.recipe.schema.data import SourcePart
from kd2edge.recipe.schema.inputs import WordsPart
from kd2edge.recipe.schema.models import single_models
from kd2edge.wording import path as shown_path


def missing_files(recipe: Recipe) -> Iterator[Fault]:
    """Every local file or folder that is named and not there."""
    yield from _data(recipe)
    for name, spec in recipe.inputs.items():
        yield from _tokenizer(("inputs", name), spec)
    yield from _weights(("student", "model"), recipe.student.model)
    start = recipe.student.started_as
    if start is not None and not (_is_dir(start.run) or _is_file(start.run)):
        yield ("student", "init", "run"), f"no run or net {shown_path(start.run)}"
    for index, teacher in enumerate(recipe.teachers):
        steps: Steps = ("teachers", index)
        yield from _weights((*steps, "model"), teacher.model)
        yield from _given((*steps, "model"), teacher.model)
        if teacher.checkpoint is not None and not _is_file(teacher.checkpoint):
            yield (*steps, "checkpoint"), _gone(teacher.checkpoint)
        for name, spec in (teacher.inputs or {}).items():
            yield from _tokenizer((*steps, "inputs", name), spec)
    for place, peer in peers_of(recipe):
        yield from _weights((*place, "model"), peer.model)


def _data(recipe: Recipe) -> Iterator[Fault]:
    data = recipe.data
    groups: list[tuple[Steps, SourcePart]] = []
    for key, sources in (("sources", data.sources), ("unlabelled", data.unlabelled)):
        groups += [(("data", key, index), source) for index, source in enumerate(sources)]
    named = [
        ((*steps, split, *([at] if len(files) > 1 else [])), data.path(file))
        for steps, source in groups
        for split, files in source.splits().items()
        for at, file in enumerate(files)
    ]
    if named and not _is_dir(data.root):
        yield ("data", "root"), f"no folder {data.root}: name another one (--set data.root=...)"
        return
    yield from ((steps, _gone(path)) for steps, path in named if not _is_file(path))


def _tokenizer(steps: Steps, spec: Input) -> Iterator[Fault]:
    if not isinstance(spec, WordsPart) or not isinstance(spec.tokenizer, TokenizerFile):
        return
    if not _is_file(spec.tokenizer.path):
        yield (*steps, "tokenizer", "path"), _gone(spec.tokenizer.path)


def _weights(steps: Steps, model: TeacherModel) -> Iterator[Fault]:
    for step, one in single_models(model).items():
        if not isinstance(one, TransformersModel) or not isinstance(one.source, WeightsFolder):
            continue
        if not _is_dir(one.source.path):
            yield (*steps, *step, "source"), f"no folder {shown_path(one.source.path)}"


def _given(steps: Steps, model: TeacherModel) -> Iterator[Fault]:
    if isinstance(model, OnnxModel) and not _is_file(model.path):
        yield (*steps, "path"), _gone(model.path)
    if isinstance(model, SklearnModel):
        named = model.path if isinstance(model.path, dict) else {None: model.path}
        for task, path in named.items():
            if not _is_file(path):
                yield (*steps, "path", *([task] if task else [])), _gone(path)
    if isinstance(model, PythonModel) and model.folder is not None and not _is_dir(model.folder):
        yield (*steps, "folder"), f"no folder {shown_path(model.folder)}"


def _is_file(path: Path) -> bool:
    with suppress(OSError):  # a name that no file system takes, or a folder that lets nobody in
        return path.is_file()
    return False


def _is_dir(path: Path) -> bool:
    with suppress(OSError):
        return path.is_dir()
    return False


def _gone(path: Path) -> str:
    return f"no file {shown_path(path)}"
