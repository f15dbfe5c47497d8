"""What a student of static embeddings is made of, as a small JSON text beside its arrays.

The arrays are called by their place: ``encoder.0.words``, ``encoder.0.layer.1.matrix``,
``head.2.bias``; one that is rounded to int8 has its scales beside it, ``head.2.matrix.scales``.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass

from kd2edge.errors import IntegrityError, SchemaTooNewError
from kd2edge.files.strict_json import (
    Fields,
    as_integer,
    as_items,
    as_name,
    as_number,
    as_text,
    parsed,
)

_SCHEMA = 2
_LIMIT = 1 << 20
#: The normal numbers of float32.
_SMALLEST, _LARGEST = 2.0**-126, (2 - 2.0**-23) * 2.0**127
_POOLINGS = ("mean", "max", "both")
_FUSIONS = ("single", "concat", "gated")
_LAYERS = ("linear", "nearest")


@dataclass(frozen=True, slots=True)
class EncoderPlan:
    """What reads one input.

    Args:
        input: its name.
        prefix: stands before the names of its arrays.
        pooling: ``mean``, ``max`` or ``both``.
        weighted: whether each piece has a weight of its own in the mean.
        least: what the sum of a row's weights is taken for where it is smaller; above 0.
        casing: whether how a word is written has an embedding, too.
        optional: whether a row may lack the input.
        norms: of each layer behind the pooled vector the epsilon of its layer norm, above 0; None:
            it has none (a batch norm lies in the matrix).
    """

    input: str
    prefix: str
    pooling: str
    weighted: bool
    least: float
    casing: bool
    optional: bool
    norms: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class HeadPlan:
    """One output.

    Args:
        output: its name.
        reads: the input whose positions it decides, "" for whole rows.
        layer: what gives it: ``linear``, or ``nearest``, the cosine to the nearest prototype.
    """

    output: str
    reads: str
    layer: str = "linear"


@dataclass(frozen=True, slots=True)
class StaticPlan:
    """The whole student.

    Args:
        encoders: one an input.
        fusion: makes one vector of theirs: ``single`` (the only one), ``concat`` or ``gated``.
        hidden: whether ``concat`` has a layer behind it.
        heads: one an output, in their order.
    """

    encoders: tuple[EncoderPlan, ...]
    fusion: str
    hidden: bool
    heads: tuple[HeadPlan, ...]

    def to_json(self) -> bytes:
        """The text; the same plan gives the same bytes."""
        content = {"schema": _SCHEMA, **asdict(self)}
        return json.dumps(content, indent=2, sort_keys=True).encode() + b"\n"

    @classmethod
    def from_json(cls, content: bytes, place: str) -> StaticPlan:
        """Read what :meth:`to_json` wrote.

        Args:
            content: the text.
            place: what messages call it.

        Raises:
            IntegrityError: it is no such text.
            SchemaTooNewError: written by a newer kd2edge.
        """
        fields = Fields(parsed(content, place, _LIMIT), place)
        schema = fields.one("schema", as_integer)
        if schema > _SCHEMA:
            raise SchemaTooNewError(
                f"{place}: layers of schema {schema}, this kd2edge reads {_SCHEMA}; update kd2edge"
            )
        if schema < _SCHEMA:
            raise IntegrityError(
                f"{place}: layers of schema {schema}, this kd2edge reads {_SCHEMA}; export the run"
                " again"
            )
        plan = cls(
            fields.list("encoders", _encoder),
            _among(_FUSIONS, fields.one("fusion", as_text), fields.at("fusion")),
            fields.one("hidden", _flag),
            fields.list("heads", _head),
        )
        fields.end()
        if not plan.encoders or (plan.fusion == "single") != (len(plan.encoders) == 1):
            raise IntegrityError(
                f"{place}: {len(plan.encoders)} encoders do not go with fusion {plan.fusion!r}"
            )
        for what, names in (
            ("encoders of input", [one.input for one in plan.encoders]),
            ("heads of output", [one.output for one in plan.heads]),
        ):
            name, count = Counter(names).most_common(1)[0] if names else ("", 0)
            if count > 1:
                raise IntegrityError(f"{place}: {count} {what} {name!r}; expected one")
        unread = {head.reads for head in plan.heads} - {"", *(one.input for one in plan.encoders)}
        if unread:
            raise IntegrityError(f"{place}: a head reads {min(unread)!r}, which is no input")
        return plan


def _encoder(value: object, where: str) -> EncoderPlan:
    fields = Fields(value, where)
    found = EncoderPlan(
        input=fields.one("input", as_name),
        prefix=fields.one("prefix", as_text),
        pooling=_among(_POOLINGS, fields.one("pooling", as_text), fields.at("pooling")),
        weighted=fields.one("weighted", _flag),
        least=fields.one("least", _positive),
        casing=fields.one("casing", _flag),
        optional=fields.one("optional", _flag),
        norms=fields.one("norms", lambda own, place: as_items(own, place, _epsilon)),
    )
    fields.end()
    return found


def _head(value: object, where: str) -> HeadPlan:
    fields = Fields(value, where)
    found = HeadPlan(
        fields.one("output", as_text),
        fields.one("reads", as_text),
        _among(_LAYERS, fields.one("layer", as_text), fields.at("layer")),
    )
    fields.end()
    if found.layer == "nearest" and found.reads:
        raise IntegrityError(f"{where}: prototypes are of whole rows, and it reads {found.reads!r}")
    return found


def _epsilon(value: object, where: str) -> float | None:
    return None if value is None else _positive(value, where)


def _positive(value: object, where: str) -> float:
    """A number that is divided by, in float32: neither 0 nor without end there."""
    found = as_number(value, where)
    if not _SMALLEST <= found <= _LARGEST:
        raise IntegrityError(
            f"{where}: expected a number above 0 that float32 holds, found {found!r:.40}"
        )
    return found


def _among(known: tuple[str, ...], value: str, where: str) -> str:
    if value not in known:
        raise IntegrityError(f"{where}: expected one of {', '.join(known)}, found {value[:80]!r}")
    return value


def _flag(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise IntegrityError(f"{where}: expected true or false, found {value!r:.40}")
    return value
