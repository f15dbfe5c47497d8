"""The input kinds by name; a new one is a file here and in ``nets``, and a line in each table."""

from __future__ import annotations

from collections.abc import Iterable
from types import MappingProxyType

from kd2edge.errors import UsageError
from kd2edge.inputs.absent import presence_array
from kd2edge.inputs.image import Image
from kd2edge.inputs.kind import InputKind
from kd2edge.inputs.spec import ArraySpec, InputSpec
from kd2edge.inputs.tabular import Tabular
from kd2edge.inputs.text import Text
from kd2edge.inputs.tokens import Tokens
from kd2edge.wording import meant

INPUT_KINDS: MappingProxyType[str, InputKind] = MappingProxyType(
    {kind.name: kind for kind in (Image(), Tabular(), Text(), Tokens())}
)


def input_kind(name: str) -> InputKind:
    """The input kind of that name.

    Raises:
        UsageError: an unknown name; the message lists those there are.
    """
    kind = INPUT_KINDS.get(name)
    if kind is None:
        hint = meant(name, INPUT_KINDS, before="; ")
        known = ", ".join(INPUT_KINDS)
        raise UsageError(f"expected an input kind among {known}, found {name!r}{hint}")
    return kind


def input_arrays(spec: InputSpec) -> tuple[ArraySpec, ...]:
    """The arrays of an input, that which says whether it is there included."""
    own = input_kind(spec.kind).arrays(spec)
    return (*own, presence_array(spec)) if spec.may_be_absent else own


def masks(inputs: Iterable[InputSpec]) -> list[str]:
    """The arrays whose zeros hide positions."""
    kinds = [(spec, input_kind(spec.kind)) for spec in inputs]
    return [spec.prefix + kind.mask for spec, kind in kinds if kind.mask]


def file_columns(inputs: Iterable[InputSpec]) -> list[str]:
    """The columns, sorted, whose values may be paths of files: the bytes there tell rows apart."""
    reading = [spec for spec in inputs if input_kind(spec.kind).files]
    return sorted({column for spec in reading for column in spec.columns})
