"""Nets that were trained elsewhere: whether they read the inputs that they would be given."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kd2edge.errors import UsageError
from kd2edge.inputs.spec import InputSpec
from kd2edge.nets import NetDescription
from kd2edge.pipeline.reading.model_inputs import ModelInputs

__all__ = ["require_same_inputs"]


def require_same_inputs(found: NetDescription, inputs: ModelInputs, what: str, way: str) -> None:
    """Other preprocessing than a net was trained with would be wrong without any error.

    Args:
        found: what the net says of itself.
        inputs: what it would be given.
        what: it is, for messages.
        way: out, for messages.

    Raises:
        UsageError: constants, tokenizer or fitted files that are not the same.
    """
    expected = _constants(list(inputs.specs.values()), inputs.vocabulary)
    stated = _constants(found.inputs, found.vocabulary)
    for role, ours, theirs in (
        ("tokenizer", inputs.tokenizers, found.tokenizers),
        ("fitted", inputs.fitted, found.fitted),
    ):
        if theirs:  # nets of older versions do not say
            expected |= _named(role, ours)
            stated |= _named(role, theirs)
    odd = sorted(key for key in expected.keys() | stated.keys() if _differ(key, expected, stated))
    unfit = {f"{spec.name}.fitted": spec for spec in found.inputs}
    if {*odd} - {*unfit, "vocabulary"}:  # of other columns it was fitted otherwise, of course
        odd = [key for key in odd if key not in unfit]
    elif lost := [unfit[key] for key in odd if key in unfit]:
        files = ", ".join(path for spec in lost for path in spec.files.values())
        way = f"it reads {files} of its run as it was: put it back where the run has it"
    if odd:
        said = ", ".join(
            f"{key} {stated.get(key)!r} (recipe: {expected.get(key)!r})" for key in odd
        )
        raise UsageError(f"{what}: it was trained on other inputs: {said}; {way}")


def _differ(key: str, one: Mapping[str, object], other: Mapping[str, object]) -> bool:
    return key not in one or key not in other or one[key] != other[key]


def _named(role: str, fingerprints: Mapping[str, str]) -> dict[str, object]:
    return {f"{name}.{role}": f"{digest[:12]}..." for name, digest in fingerprints.items()}


def _constants(specs: Sequence[InputSpec], vocabulary: Mapping[str, int]) -> dict[str, object]:
    """Every constant of the preprocessing but the columns, which may be called otherwise."""
    options = {f"{spec.name}.{key}": value for spec in specs for key, value in spec.options.items()}
    kinds = {f"{spec.name}.kind": spec.kind for spec in specs}
    return {**kinds, **options, "vocabulary": vocabulary}
