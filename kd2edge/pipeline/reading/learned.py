"""What a recipe has learned from its own training rows: tokenizers, and what input kinds fit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from kd2edge.errors import UsageError
from kd2edge.files import fingerprint, fingerprint_bytes
from kd2edge.inputs.kinds import input_kind
from kd2edge.inputs.learned import TokenizerTraining, learned_tokenizer
from kd2edge.inputs.spec import InputSpec
from kd2edge.inputs.tokenizer_json import vocabulary_size
from kd2edge.recipe import Recipe
from kd2edge.recipe.schema import Input, TokenizerLearned
from kd2edge.recipe.schema.inputs import WordsPart
from kd2edge.rows.rows import Rows

__all__ = [
    "NONE",
    "Learned",
    "fitted_files",
    "fitted_key",
    "fitted_roles",
    "learned_key",
    "learned_summary",
    "learned_tokenizers",
]

#: What :func:`learned_key` gives -> the ``tokenizer.json``; what :func:`fitted_key` gives, with "/"
#: and a role behind it -> that file.  Models that ask for the same share it.
Learned = Mapping[str, bytes]
NONE: Learned = MappingProxyType({})


def learned_key(one: WordsPart) -> str:
    """What a tokenizer is learned from, and how; not for which model."""
    settings = one.tokenizer.model_dump(mode="json")
    return fingerprint([one.model_dump(include={"kind"}), list(one.columns), settings])


def learned_tokenizers(recipe: Recipe, rows: Rows) -> Learned:
    """Every tokenizer that the recipe has learned, of student and teachers.

    Rows that nobody can read are left out: whoever checks the rows names them.
    """
    found: dict[str, bytes] = {}
    for name, one in _asked(recipe):
        key = learned_key(one)
        if key not in found:
            kind = one.model_dump(include={"kind"})["kind"]
            spec = InputSpec(name, kind, tuple(one.columns), one.constants())
            try:
                found[key] = learned_tokenizer(_texts(rows, spec), _training(one))
            except UsageError:  # no words: said once the rows were looked at
                continue
    return found


def fitted_key(one: Input) -> str:
    """What an input kind is fitted to, and how; not for which model."""
    return fingerprint([one.kind, list(one.columns), one.constants()])


def fitted_files(name: str, one: Input, rows: Rows, known: Learned = NONE) -> Learned:
    """What the kind of an input learns from the training rows; nothing where it learns nothing.

    Args:
        name: of the input.
        one: what the recipe says of it.
        rows: the training rows, which were checked.
        known: what was fitted before, which is not fitted again.

    Raises:
        UsageError: rows that nothing can be learned from.
    """
    key, kind = fitted_key(one), input_kind(one.kind)
    if not kind.fits or any(there.startswith(f"{key}/") for there in known):
        return NONE
    spec = InputSpec(name, one.kind, tuple(one.columns), one.constants())
    files = kind.fit(spec, _texts(rows, spec))
    return {f"{key}/{role}": content for role, content in files.items()}


def fitted_roles(one: Input, learned: Learned) -> dict[str, bytes]:
    """Role -> the file that an input's kind has learned."""
    start = f"{fitted_key(one)}/"
    return {key[len(start) :]: file for key, file in learned.items() if key.startswith(start)}


def learned_summary(recipe: Recipe, learned: Learned) -> dict[str, dict[str, Any]]:
    """Input -> what was learned for it: settings, number of pieces, SHA-256."""
    return {
        name: {
            **one.tokenizer.model_dump(mode="json")["train"],
            "pieces": vocabulary_size(learned[learned_key(one)]),
            "sha256": fingerprint_bytes(learned[learned_key(one)]),
        }
        for name, one in _asked(recipe)
        if learned_key(one) in learned
    }


def _asked(recipe: Recipe) -> Iterator[tuple[str, WordsPart]]:
    every = [recipe.inputs, *(teacher.inputs or {} for teacher in recipe.teachers)]
    for inputs in every:
        for name, one in inputs.items():
            if isinstance(one, WordsPart) and isinstance(one.tokenizer, TokenizerLearned):
                yield name, one


def _training(one: WordsPart) -> TokenizerTraining:
    assert isinstance(one.tokenizer, TokenizerLearned)
    train = one.tokenizer.train
    return TokenizerTraining(
        kind=train.kind,
        size=train.size,
        lowercase=train.lowercase,
        strip_accents=train.strip_accents,
        min_frequency=getattr(train, "min_frequency", 1),
    )


def _texts(rows: Rows, spec: InputSpec) -> Iterator[Any]:
    kind = input_kind(spec.kind)
    for position in range(len(rows)):
        if rows.is_made(position):  # a category that one row has would be counted with each copy
            continue
        try:
            value = kind.value(spec, rows[position], rows.root_of(position))
        except (ValueError, UsageError):
            continue
        if value is not None:
            yield value
