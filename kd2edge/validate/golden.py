"""What is golden in a bundle as checks: rows, raw values, and every id of the vocabulary."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from kd2edge.bundle.store import Bundle
from kd2edge.errors import BackendError, InputError, IntegrityError
from kd2edge.inputs.kind import Encoder
from kd2edge.inputs.spec import Encoded
from kd2edge.runtime.model import Model
from kd2edge.runtime.probes import PROBES
from kd2edge.runtime.raw import raw_faults
from kd2edge.runtime.self_test import Found, probes_of, self_test, shortened
from kd2edge.validate.validation import Check

__all__ = ["IDS", "OUTPUTS", "RAW", "RAW_OUTPUTS", "golden_checks", "raw_found"]

#: Names of the checks: of golden rows, of what raw values become, of the outputs for that, of ids.
OUTPUTS = "golden outputs"
RAW = "golden raw values"
RAW_OUTPUTS = "golden outputs of raw values"
IDS = "golden ids"


Raw = tuple[Sequence[str], Sequence[str]]


def raw_found(bundle: Bundle, encoders: Mapping[str, Encoder]) -> Raw | None:
    """What raw values become here, which no artefact has a part in; None: none can be read."""
    try:
        probed = probes_of(bundle)
    except IntegrityError:  # every artefact's check says so
        return None
    if probed is None:
        return None

    def encode(values: Mapping[str, Any]) -> Mapping[str, Encoded]:
        if values.keys() != encoders.keys():
            raise InputError(f"expected values of {', '.join(encoders)}, found {sorted(values)}")
        return {name: encoder.encode(values[name]) for name, encoder in encoders.items()}

    return raw_faults(probed, encode)


def golden_checks(bundle: Bundle, model: Model, raw: Raw | None = None) -> tuple[Check, ...]:
    """The self-test that a service asks for at load: what it would refuse cannot pass here.

    Args:
        bundle: the bundle.
        model: an artefact of it.
        raw: see :func:`raw_found`.
    """
    artefact = bundle.manifest.artefacts[model.artefact]
    try:
        found = self_test(bundle, artefact, model.logits, model.encode, raw)
    except (IntegrityError, BackendError, InputError) as error:
        return (Check(OUTPUTS, "failed", str(error)),)
    return tuple(_checks(bundle, found))


def _checks(bundle: Bundle, found: Found) -> Iterator[Check]:
    if bundle.manifest.golden:
        yield from _of(OUTPUTS, found.rows.values())
    if PROBES in {entry.path for entry in bundle.manifest.files}:
        yield from _of(RAW, shortened(found.raw))
        yield from _of(RAW_OUTPUTS, [*filter(None, [found.stale]), *_texts(found.outputs)])
        if found.ids is not None:
            yield from _of(IDS, _texts(found.ids))
    yield from (Check(RAW, "not_run", reason) for reason in found.skipped)
    yield from (Check(OUTPUTS, "not_run", reason) for reason in found.missing)


def _texts(faults: Mapping[str, str] | None) -> Iterable[str]:
    return (faults or {}).values()


def _of(name: str, faults: Iterable[str]) -> Iterator[Check]:
    """A check a fault, or one that says all is well."""
    checks = [Check(name, "failed", fault) for fault in faults]
    yield from checks or [Check(name, "ok")]
