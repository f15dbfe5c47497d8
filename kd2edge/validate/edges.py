"""Level 5: empty, longest, alone, all padding, and what must be refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.errors import BackendError, InputError, Kd2edgeError
from kd2edge.inputs.kind import Encoder, Twin
from kd2edge.inputs.kinds import input_kind, masks
from kd2edge.inputs.spec import Encoded, InputSpec
from kd2edge.runtime.batches import merged
from kd2edge.validate.candidate import Answering
from kd2edge.validate.validation import Check

__all__ = ["TWINS", "edge_checks", "edges_of", "twin_checks"]

#: What the check of values in other forms is called, behind its input.
TWINS = "the same in every form"
#: Forms that it names.
_NAMED = 3
#: By how much numbers may differ that are the same.
_ROUNDING = 1e-6

#: Values that no input kind may accept.
_REFUSED: Mapping[str, Any] = {"None": None, "NaN": float("nan")}


def edges_of(
    models: Mapping[int, Answering], encoders: Mapping[str, Encoder], usual: Mapping[str, Any]
) -> tuple[Check, ...]:
    """Every check once, over all numbers of threads: what failed with any of them has failed."""
    found: dict[str, Check] = {}
    for count, model in models.items():
        for check in edge_checks(model, encoders, usual):
            known = found.setdefault(check.name, check)
            if known.status == "ok" and check.status != "ok":
                detail = f"{check.detail} ({count} threads)"
                found[check.name] = replace(check, detail=detail)
    return tuple(found.values())


def edge_checks(
    model: Answering, encoders: Mapping[str, Encoder], usual: Mapping[str, Any]
) -> tuple[Check, ...]:
    """Run an artefact at the edges of its inputs.

    Args:
        model: the loaded artefact.
        encoders: input -> its encoder, which knows the edges.
        usual: input -> one ordinary raw value: what the other inputs and rows get.
    """
    checks = [_answers("batch of one", model, {name: [value] for name, value in usual.items()})]
    for name, encoder in encoders.items():
        for edge, value in encoder.edge_values().items():
            checks += _edge(model, usual, name, edge, value)
        if not encoder.optional:  # there both say that it is absent
            checks += [_refuses(model, usual, name, case) for case in _REFUSED]
    if all(encoder.optional for encoder in encoders.values()):
        checks.append(_refused("no input at all", model, dict.fromkeys(usual, [None])))
    checks += _all_padding(model, usual)
    return tuple(checks)


def twin_checks(
    inputs: Mapping[str, InputSpec],
    encoders: Mapping[str, Encoder],
    files: Mapping[str, Mapping[str, bytes]],
) -> tuple[Check, ...]:
    """Whether values that say the same become the same, whatever form they come in.

    No artefact has a part in it.

    Args:
        inputs: their specs.
        encoders: input -> its encoder.
        files: input -> what it was opened with, by role.
    """
    found: list[Check] = []
    for name, spec in inputs.items():
        label = f"{name}: {TWINS}"
        try:
            twins = input_kind(spec.kind).twins(spec, files[name])
            odd = [_odd_twin(encoders[name], twin) for twin in twins]
        except BackendError as error:  # what would write them is not here
            found.append(Check(label, "not_run", str(error)))
            continue
        said = [text for text in odd if text]
        if odd:
            found.append(Check(label, "failed" if said else "ok", "; ".join(said[:_NAMED])))
    return tuple(found)


def _odd_twin(encoder: Encoder, twin: Twin) -> str:
    try:
        wanted, found = (encoder.encode([one]).arrays for one in (twin.other, twin.value))
    except InputError as error:
        return f"{twin.name} is refused: {error}"
    for key, array in wanted.items():
        if array.shape != found[key].shape:
            return f"{twin.name} gives {key} of another shape: {list(found[key].shape)}"
        apart = np.abs(found[key].astype(np.float64) - array).max(initial=0)
        if apart > twin.levels + _ROUNDING:
            how = f", by up to {apart:.0f} levels" if twin.levels else ""
            return f"{twin.name} gives other {key}{how}"
    return ""


def _edge(
    model: Answering, usual: Mapping[str, Any], name: str, edge: str, value: Any
) -> Iterator[Check]:
    """The edge alone, and in a batch with an ordinary row (which pads one of the two)."""
    alone = {other: [value if other == name else usual[other]] for other in usual}
    beside = {other: [alone[other][0], usual[other]] for other in usual}
    yield _answers(f"{name}: {edge}", model, alone)
    yield _answers(f"{name}: {edge}, beside an ordinary row", model, beside)


def _answers(case: str, model: Answering, inputs: Mapping[str, Any]) -> Check:
    """The model must answer, and every output must be finite."""
    try:
        encoded = model.encode(inputs)
        outputs = model.logits(merged(encoded))
    except Kd2edgeError as error:
        return Check(case, "failed", f"expected an answer, found {type(error).__name__}: {error}")
    return _finite(case, outputs, encoded)


def _finite(
    case: str, outputs: Mapping[str, npt.NDArray[Any]], encoded: Mapping[str, Encoded]
) -> Check:
    rows = {len(array) for part in encoded.values() for array in part.arrays.values()}
    bad = [task for task, output in outputs.items() if not np.isfinite(output).all()]
    short = [task for task, output in outputs.items() if {len(output)} != rows]
    if bad or short:
        problem = f"not finite: {bad}" if bad else f"another number of rows than {rows}: {short}"
        return Check(case, "failed", f"expected finite outputs, one a row; {problem}")
    return Check(case, "ok")


def _refuses(model: Answering, usual: Mapping[str, Any], name: str, case: str) -> Check:
    """The value must be refused with an InputError, alone and hidden in the middle of a batch."""
    value = _REFUSED[case]
    inputs = {other: [usual[other], value if other == name else usual[other]] for other in usual}
    return _refused(f"{name}: {case}", model, inputs)


def _refused(case: str, model: Answering, inputs: Mapping[str, Any]) -> Check:
    label = f"{case} is refused"
    try:
        model.predict(inputs)
    except InputError:
        return Check(label, "ok")
    except MemoryError:  # says nothing of the artefact
        raise
    except Exception as error:  # noqa: BLE001  (any other error is exactly what is looked for)
        return Check(label, "failed", f"expected InputError, found {type(error).__name__}: {error}")
    return Check(label, "failed", "expected InputError, found an answer")


def _all_padding(model: Answering, usual: Mapping[str, Any]) -> Iterator[Check]:
    """A row whose mask lets nothing through, as a caller who pads a batch by hand may send."""
    encoded = model.encode({name: [value] for name, value in usual.items()})
    arrays = dict(merged(encoded))
    hiding = masks(model.inputs.values())
    if not hiding:
        return
    arrays.update({name: np.zeros_like(arrays[name]) for name in hiding})
    try:
        outputs = model.logits(arrays)
    except Kd2edgeError as error:
        yield Check("all padding", "failed", f"expected an answer, found {error}")
        return
    yield _finite("all padding", outputs, encoded)
