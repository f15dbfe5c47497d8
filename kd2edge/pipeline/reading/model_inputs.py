"""From a recipe's inputs to the encoders of one model: each model has its own tokenizer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.data.absence import Absence
from kd2edge.data.augment import Step, Views
from kd2edge.errors import IntegrityError, UsageError
from kd2edge.files import fingerprint_bytes
from kd2edge.inputs.cut import cut_vocabulary
from kd2edge.inputs.kind import Encoder
from kd2edge.inputs.kinds import input_kind
from kd2edge.inputs.spec import InputSpec
from kd2edge.inputs.tokenizer_json import vocabulary_size
from kd2edge.nets.source import resolve_source, tokenizer_json
from kd2edge.pipeline.reading.learned import NONE, Learned, fitted_roles, learned_key
from kd2edge.pipeline.reading.trained import (
    NOTHING,
    Brought,
    brought_by,
    brought_with,
    fitted_fingerprint,
    tokenizer_fingerprint,
)
from kd2edge.recipe.schema import (
    ImageInput,
    Input,
    Model,
    Recipe,
    TextInput,
    TokenClassification,
    TokenizerInPackage,
    TokenizerLearned,
    TokenizerOfTeacher,
    TransformersModel,
    WeightsFolder,
    WeightsInPackage,
    WeightsOfHub,
)
from kd2edge.recipe.schema.inputs import WordsPart
from kd2edge.recipe.schema.models import OneInput, models_of, pretrained_of
from kd2edge.rows.rows import Rows

__all__ = [
    "ModelInputs",
    "input_spec",
    "require_own_tokenizer",
    "source_folder",
    "student_inputs",
    "teacher_inputs",
    "views_of",
    "word_cutters",
]


@dataclass(frozen=True, slots=True)
class ModelInputs:
    """What one model reads.

    Args:
        specs: input name -> spec, with every constant of the preprocessing.
        encoders: input name -> its opened encoder.
        files: path as in ``InputSpec.files`` -> bytes.
        vocabulary: input with a tokenizer -> its pieces; with fitted categories -> their ids.
        kept_ids: input whose vocabulary was cut -> ``[piece]`` the id of each before.
        whole: input -> fingerprint of its tokenizer before the vocabulary was cut.
    """

    specs: Mapping[str, InputSpec]
    encoders: Mapping[str, Encoder]
    files: Mapping[str, bytes]
    vocabulary: Mapping[str, int] = field(default_factory=dict[str, int])
    kept_ids: Mapping[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    whole: Mapping[str, str] = field(default_factory=dict)

    @property
    def tokenizers(self) -> dict[str, str]:
        """Input -> fingerprint of its tokenizer, as the net is fed by it."""
        paths = {name: self.specs[name].files["tokenizer"] for name in self.whole}
        return {name: tokenizer_fingerprint(self.files[path]) for name, path in paths.items()}

    @property
    def fitted(self) -> dict[str, str]:
        """Input whose kind learned from the rows -> fingerprint of what it learned."""
        found = {
            name: {
                role: self.files[path] for role, path in spec.files.items() if role != "tokenizer"
            }
            for name, spec in self.specs.items()
        }
        return {name: fitted_fingerprint(files) for name, files in found.items() if files}

    @property
    def pairs(self) -> dict[str, tuple[InputSpec, Encoder]]:
        """Input name -> (spec, encoder), as ``encode_split`` takes them."""
        return {name: (spec, self.encoders[name]) for name, spec in self.specs.items()}

    @property
    def hashes(self) -> dict[str, str]:
        """Path -> SHA-256 of every file."""
        return {path: fingerprint_bytes(content) for path, content in self.files.items()}


def input_spec(
    name: str, one: Input, files: Mapping[str, str] | None = None, *, prefixed: bool = False
) -> InputSpec:
    """Constants of the preprocessing; what only training needs (augmentation) stays out.

    Args:
        name: of the input.
        one: what the recipe says of it.
        files: role -> path of its files, where the spec is of a model.
        prefixed: whether its arrays bear its name, as another input's would be called the same.
    """
    options = one.constants()
    if prefixed:
        options["prefix"] = f"{name}_"
    return InputSpec(name, one.kind, tuple(one.columns), options, files or {})


def teacher_inputs(recipe: Recipe, teacher: str, learned: Learned = NONE) -> ModelInputs:
    """The inputs of a teacher: its own ones or the recipe's, with the tokenizer uncut.

    One that is loaded reads its tables as its own run fitted them, not as these rows would have
    them; and where the recipe states no inputs of its own, by the tokenizer of that run, too.

    Args:
        recipe: what says so.
        teacher: its name.
        learned: what was learned from the rows: tokenizers, and what inputs were fitted to.

    Raises:
        UsageError: a tokenizer that is not where the recipe says.
        IntegrityError: a file that is no tokenizer.
    """
    part = recipe.teacher(teacher)
    inputs, brought = part.inputs or recipe.inputs, brought_by(part)
    own = brought.tokenizers() if part.inputs is None else {}
    tokenizers = {name: own[name] for name in inputs if name in own}
    others = {name: one for name, one in inputs.items() if name not in own}
    tokenizers |= _tokenizers(recipe, others, learned)
    return _opened(inputs, tokenizers, learned, {}, _fingerprints(tokenizers), brought)


def student_inputs(recipe: Recipe, rows: Rows, learned: Learned = NONE) -> ModelInputs:
    """The inputs of the student; its vocabulary is cut to ``rows`` where the recipe says so.

    One that starts as another run's student reads its tables as that run fitted them.

    Raises:
        UsageError: a tokenizer that is not where the recipe says.
        IntegrityError: a file that is no tokenizer.
    """
    tokenizers = _tokenizers(recipe, recipe.inputs, learned)
    whole = _fingerprints(tokenizers)
    kept: dict[str, npt.NDArray[np.int64]] = {}
    for name, one in recipe.inputs.items():
        if isinstance(one, WordsPart) and getattr(one.tokenizer, "vocab", "") == "cut":
            texts = _texts(rows, input_spec(name, one))
            tokenizers[name], kept[name] = cut_vocabulary(tokenizers[name], texts)
    start = recipe.student.started_as
    brought = NOTHING if start is None else brought_with(start.run)
    return _opened(recipe.inputs, tokenizers, learned, kept, whole, brought)


def word_cutters(recipe: Recipe, learned: Learned = NONE) -> dict[str, Encoder]:
    """The encoders of raw texts whose words a task labels: only a tokenizer can count those.

    Raises:
        UsageError: a tokenizer that is not where the recipe says.
        IntegrityError: a file that is no tokenizer.
    """
    named = {one.input for one in recipe.tasks.values() if isinstance(one, TokenClassification)}
    texts = {
        name: one
        for name, one in recipe.inputs.items()
        if name in named and isinstance(one, TextInput) and _is_there(one, learned)
    }
    tokenizers = _tokenizers(recipe, texts, learned)
    return dict(_opened(texts, tokenizers, learned, {}, {}).encoders)


def require_own_tokenizer(model: Model, inputs: ModelInputs) -> None:
    """Rows of a pretrained table belong to the pieces of one tokenizer; another's ids are noise.

    Weights without a ``tokenizer.json`` beside them cannot be asked.

    Raises:
        UsageError: an input whose tokenizer is not the one that came with the weights.
    """
    for name, one in models_of(model, inputs.specs).items():
        folder, found = weights_of(one), inputs.whole.get(name)
        if folder is None or found is None or not (folder / "tokenizer.json").is_file():
            continue
        own = tokenizer_fingerprint(tokenizer_json(folder))
        if found != own:
            raise UsageError(
                f"input {name}: its tokenizer ({found[:12]}...) is not the one that came with the "
                f"weights in {folder} ({own[:12]}...), so its ids mean other pieces; name that "
                "one, for a teacher under `inputs` of its own"
            )


def views_of(recipe: Recipe) -> Views:
    """The augmentation of the training rows: each picture its own, all as many views."""
    moved = [one for one in recipe.inputs.values() if isinstance(one, ImageInput) and one.changes]
    if not moved:
        return Views()
    steps = {
        one.columns[0]: tuple(
            Step(change.kind, change.model_dump(mode="json", exclude={"kind"}))
            for change in one.changes
        )
        for one in moved
    }
    return Views(moved[0].views, steps, recipe.seed)


def weights_of(model: OneInput) -> Path | None:
    """The folder of pretrained weights that a model starts from; None: it starts from chance."""
    source = model.source if isinstance(model, TransformersModel) else None
    return None if source is None else source_folder(source)


def absence_of(recipe: Recipe, inputs: ModelInputs, seed: int) -> Absence:
    """The inputs of a model that its training rows are shown without at times."""
    rates = {
        name: one.dropped
        for name, one in recipe.inputs.items()
        if one.dropped and name in inputs.specs and inputs.specs[name].may_be_absent
    }
    return Absence(rates, seed)


def source_folder(source: WeightsInPackage | WeightsOfHub | WeightsFolder) -> Path:
    """The local folder of pretrained weights that a recipe names."""
    return resolve_source(source.model_dump(mode="json", exclude_none=True))


def _fingerprints(tokenizers: Mapping[str, bytes]) -> dict[str, str]:
    return {name: tokenizer_fingerprint(content) for name, content in tokenizers.items()}


def _texts(rows: Rows, spec: InputSpec) -> Iterator[Any]:
    kind = input_kind(spec.kind)
    values = (kind.value(spec, row, rows.root) for row in rows)
    return (value for value in values if value is not None)


def _tokenizers(recipe: Recipe, inputs: Mapping[str, Input], learned: Learned) -> dict[str, bytes]:
    """Input -> the bytes of its ``tokenizer.json``."""
    return {
        name: _tokenizer(recipe, name, one, learned)
        for name, one in inputs.items()
        if isinstance(one, WordsPart)
    }


def _is_there(one: WordsPart, learned: Learned) -> bool:
    """Whether a tokenizer can be had: of rows that nobody can read none was learned."""
    return not isinstance(one.tokenizer, TokenizerLearned) or learned_key(one) in learned


def _tokenizer(recipe: Recipe, name: str, one: WordsPart, learned: Learned) -> bytes:
    """Bytes of the ``tokenizer.json`` that an input names: a teacher's, a package's or a file's."""
    origin = one.tokenizer
    if isinstance(origin, TokenizerLearned):
        if not _is_there(one, learned):
            raise UsageError(f"input {name}: no tokenizer can be learned: no row has a word")
        return learned[learned_key(one)]
    if isinstance(origin, TokenizerOfTeacher):
        source = pretrained_of(recipe.teacher(origin.teacher).model, name)
        if source is None:
            raise UsageError(
                f"tokenizer from {origin.teacher}: this teacher starts from no pretrained weights; "
                "name a tokenizer.json by `path`, or by `package` and `path`"
            )
        folder = source_folder(source)
        return _sound(folder, tokenizer_json(folder))
    if isinstance(origin, TokenizerInPackage):
        path = resolve_source({"package": origin.package}) / origin.path
    else:
        path = origin.path
    try:
        content = (path / "tokenizer.json" if path.is_dir() else path).read_bytes()
    except OSError as error:
        raise UsageError(f"tokenizer {path}: cannot be read: {error.strerror}") from error
    return _sound(path, content)


def _sound(path: Path, content: bytes) -> bytes:
    """The bytes, once they are known to be a tokenizer's; else the message names the path."""
    try:
        vocabulary_size(content)
    except IntegrityError as error:
        raise IntegrityError(f"{path}: {error}") from error
    return content


def _opened(
    inputs: Mapping[str, Input],
    tokenizers: Mapping[str, bytes],
    learned: Learned,
    kept: Mapping[str, npt.NDArray[np.int64]],
    whole: Mapping[str, str],
    brought: Brought = NOTHING,
) -> ModelInputs:
    specs: dict[str, InputSpec] = {}
    encoders: dict[str, Encoder] = {}
    files: dict[str, bytes] = {}
    sizes = {name: vocabulary_size(content) for name, content in tokenizers.items()}
    shared = _sharing(inputs)
    for name, one in inputs.items():
        contents = brought.fitted(name, one) or fitted_roles(one, learned)
        paths = {role: f"inputs/{name}.{role}" for role in contents}
        if name in tokenizers:
            contents["tokenizer"] = tokenizers[name]
            paths["tokenizer"] = f"tokenizer/{name}.json"
        spec = input_spec(name, one, paths, prefixed=name in shared)
        specs[name] = spec
        encoders[name] = input_kind(spec.kind).open(spec, contents)
        files |= {path: contents[role] for role, path in paths.items()}
        fitted = input_kind(spec.kind).ids(spec, contents)
        sizes |= {} if fitted is None else {name: fitted}
    return ModelInputs(specs, encoders, files, sizes, kept, whole)


def _sharing(inputs: Mapping[str, Input]) -> set[str]:
    """Inputs whose arrays would share a name: theirs begin with the input's own."""
    specs = [input_spec(name, one) for name, one in inputs.items()]
    names = {spec.name: {one.name for one in input_kind(spec.kind).arrays(spec)} for spec in specs}
    every = Counter(array for own in names.values() for array in own)
    return {name for name, own in names.items() if any(every[array] > 1 for array in own)}
