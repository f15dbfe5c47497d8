"""Tokenizers that a recipe has learned from its own training rows."""

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
from kd2edge.recipe.schema import TokenizerLearned
from kd2edge.recipe.schema.inputs import WordsPart
from kd2edge.rows.rows import Rows

__all__ = ["NONE", "Learned", "learned_key", "learned_summary", "learned_tokenizers"]

#: What :func:`learned_key` gives -> the ``tokenizer.json``.  Models that ask for the same share it.
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
        try:
            value = kind.value(spec, rows[position], rows.root_of(position))
        except (ValueError, UsageError):
            continue
        if value is not None:
            yield value
