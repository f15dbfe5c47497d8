"""All that a bundle's golden files say of an artefact: rows, raw values, every id of the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from kd2edge.bundle.manifest import Artefact
from kd2edge.bundle.store import Bundle
from kd2edge.errors import InputError, IntegrityError
from kd2edge.inputs.kinds import input_kind
from kd2edge.inputs.spec import Encoded
from kd2edge.runtime.golden import golden_arrays, golden_faults, relative_rms, tolerance
from kd2edge.runtime.ids import id_faults
from kd2edge.runtime.probes import PROBES, IdOutputs, Probed, open_probes
from kd2edge.runtime.raw import probed_outputs, raw_faults
from kd2edge.tasks.outputs import arrays_of

__all__ = ["Found", "assert_golden", "probes_of", "self_test"]

Array = npt.NDArray[Any]
Run = Callable[[dict[str, Array]], Mapping[str, Array]]
Encode = Callable[[Mapping[str, Any]], Mapping[str, Encoded]]

#: Faults of one kind that an error or a check names.
_NAMED = 3


@dataclass(frozen=True, slots=True)
class Found:
    """What came out.

    Args:
        rows: head -> how it misses its golden output.
        raw: what raw values became that they were not in training.
        outputs: head -> how it misses PyTorch's outputs for training's arrays of these values.
        ids: head -> what is wrong over the ids of the embedding table.
        skipped: raw values that could not be looked at, and why.
        missing: heads of which nothing is golden.
        stale: whose outputs the raw values have, if not this student's.
    """

    rows: Mapping[str, str]
    raw: tuple[str, ...] = ()
    outputs: Mapping[str, str] | None = None
    ids: Mapping[str, str] | None = None
    skipped: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    stale: str = ""

    @property
    def faults(self) -> tuple[str, ...]:
        """All of them, those of preprocessing first."""
        tables = (self.rows, self.outputs or {}, self.ids or {})
        texts = (text for table in tables for text in table.values())
        return (*filter(None, [self.stale]), *shortened(self.raw), *texts)


def probes_of(bundle: Bundle) -> Probed | None:
    """The bundle's golden raw values; None where it has none.

    Raises:
        IntegrityError: a file that cannot be read.
    """
    if PROBES not in {entry.path for entry in bundle.manifest.files}:
        return None
    return open_probes(bundle.read(PROBES))


def self_test(
    bundle: Bundle,
    artefact: Artefact,
    run: Run,
    encode: Encode,
    raw: tuple[Sequence[str], Sequence[str]] | None = None,
) -> Found:
    """Ask an artefact for everything that is golden in its bundle.

    Args:
        bundle: the bundle.
        artefact: one of its artefacts.
        run: from the graph's arrays to outputs.
        encode: from raw values to arrays and words.
        raw: what :func:`raw_faults` said; None: ask again.  It is the same for every artefact.

    Raises:
        IntegrityError: a golden file that cannot be read.
        BackendError: the engine failed.
        InputError: the artefact does not take the golden arrays.
    """
    rows = golden_faults(bundle, artefact, run) if bundle.manifest.golden else {}
    probed = probes_of(bundle)
    missing = _missing(bundle, probed)
    if probed is None:
        why = "no golden raw values in this bundle: export the run again, `samples` not none"
        return Found(rows, skipped=(why,), missing=missing)
    odd, skipped = raw_faults(probed, encode) if raw is None else raw
    known = arrays_of(bundle.manifest.tasks.values())
    kinds = {name: output for name, (_, output) in known.items()}
    ids = {
        f"{name} {task}": f"{artefact.id}: head {task!r}{_ids_of(name, part, probed)}: {fault}"
        for name, part in probed.ids.items()
        for task, fault in id_faults(part, artefact.precision, run, kinds).items()
    }
    outputs = _output_faults(bundle, artefact, probed, run)
    return Found(rows, tuple(odd), outputs, ids, tuple(skipped), missing, _stale(bundle, probed))


def _ids_of(name: str, part: IdOutputs, probed: Probed) -> str:
    """Which ids a fault is about, where there are several kinds."""
    if part.rows.column:
        return f" by column {part.rows.column!r}"
    return f" by the pieces of {name}" if len(probed.ids) > 1 else ""


def _missing(bundle: Bundle, probed: Probed | None) -> tuple[str, ...]:
    """Heads that a golden file says nothing of: what comes out there was not looked at."""
    wanted = arrays_of(bundle.manifest.tasks.values())
    known: dict[str, set[str]] = {}
    if bundle.manifest.golden:
        known["golden rows"] = set(golden_arrays(bundle.read(bundle.manifest.golden))[1])
    if probed is not None:
        known["golden raw values"] = {task for group in probed.groups for task in group.outputs}
    if probed is not None and probed.ids:
        known["golden ids"] = {task for part in probed.ids.values() for task in part.sums}
        # An input may have words, and no piece that can stand for one alone.
        known["golden ids"] |= {
            name
            for name, (spec, _) in wanted.items()
            if spec.input and spec.input not in probed.ids
        }
    return tuple(
        f"{what} say nothing of {', '.join(lacking)}: export the run again"
        for what, heads in known.items()
        if (lacking := [name for name in wanted if name not in heads])
    )


def _stale(bundle: Bundle, probed: Probed) -> str:
    student = bundle.manifest.provenance.get("student", probed.weights)
    if student == probed.weights:
        return ""
    return (
        f"{PROBES} is of another student: made with the weights {probed.weights[:12]}..., the"
        f" manifest's are {student[:12]}...; export the run again"
    )


def assert_golden(bundle: Bundle, artefact: Artefact, run: Run, encode: Encode) -> None:
    """Refuse an artefact that does not give what is golden.

    Args:
        bundle: what holds the golden rows.
        artefact: that ``run`` is of.
        run: arrays -> logits by task.
        encode: raw rows -> arrays, by the bundle's encoders.

    Raises:
        IntegrityError: nothing golden in this bundle, or something that does not come out.
    """
    if not bundle.manifest.golden and probes_of(bundle) is None:
        raise IntegrityError("self_test needs golden outputs, and this bundle has none")
    try:
        faults = self_test(bundle, artefact, run, encode).faults
    except InputError as error:  # an id that the table lacks
        raise IntegrityError(
            f"{artefact.id} does not take what its student was trained to take: {error}"
        ) from error
    if faults:
        raise IntegrityError(
            "; ".join(faults) + "; load another artefact, and run kd2edge validate for the cause"
        )


def shortened(faults: tuple[str, ...]) -> tuple[str, ...]:
    """The first few, and how many more there are."""
    more = len(faults) - _NAMED
    return (*faults[:_NAMED], *([f"and {more:,} more raw values"] if more > 0 else []))


def _output_faults(bundle: Bundle, artefact: Artefact, probed: Probed, run: Run) -> dict[str, str]:
    tasks = {str(name): spec for name, spec in bundle.manifest.tasks.items()}
    most = tolerance(artefact.precision)
    faults: dict[str, str] = {}
    usual = all(input_kind(one.kind).usual_probes for one in bundle.manifest.inputs.values())
    if artefact.precision == "int8" and not usual:
        return faults  # golden rows and the split's own say what it makes of ordinary values
    for task, (wanted, found) in probed_outputs(probed, tasks, run).items():
        error = relative_rms(wanted, found)
        if not error <= most:  # also refuses NaN
            faults[task] = (
                f"{artefact.id}: head {task!r} misses PyTorch's outputs for golden raw values by"
                f" {error:.3g} of their size, expected at most {most:g} for {artefact.precision}"
            )
    return faults
