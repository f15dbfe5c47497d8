"""``samples/probes.npz``: what training's preprocessing and PyTorch make of raw values.

No row of the data is in it, so it may ship where rows may not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from kd2edge.errors import BackendError, InputError
from kd2edge.files import write_atomic
from kd2edge.inputs.absent import first_there, presence_array
from kd2edge.inputs.kind import IdRows, Probes
from kd2edge.inputs.kinds import input_kind
from kd2edge.inputs.spec import Encoded
from kd2edge.nets import Net
from kd2edge.pipeline.reading.model_inputs import ModelInputs
from kd2edge.ragged import Ragged
from kd2edge.runtime.batches import merged
from kd2edge.runtime.ids import summed
from kd2edge.runtime.probes import Group, IdOutputs, Probed, probe_bytes
from kd2edge.runtime.raw import spans_of
from kd2edge.tasks.outputs import arrays_of, items_of
from kd2edge.tasks.spec import Output, TaskSpec

__all__ = ["PROBES", "probed", "write_probes"]

PROBES = "probes.npz"

Array = npt.NDArray[Any]
Arrays = Mapping[str, Array]
Run = Callable[[Arrays], Arrays]

#: Raw values that are encoded together, and of the vocabulary, where nothing is run.
_ROWS, _PIECE_ROWS = 16, 64
#: Rows of ids in one forward pass.
_BATCH = 256
#: The largest number that is kept of an id: float16 holds little more.
_HALF = 6e4
#: Numbers that are kept of each id, over all heads.
_KEPT = 8


def write_probes(folder: Path, inputs: ModelInputs, net: Net, weights: str) -> None:
    """Keep the results of every probe of every input in the run's samples.

    Args:
        folder: the run's samples.
        inputs: the student's encoders and tokenizers.
        net: the student.
        weights: SHA-256 of its safetensors.
    """
    net.eval()

    def run(arrays: Arrays) -> Arrays:
        tensors = {name: torch.from_numpy(np.ascontiguousarray(a)) for name, a in arrays.items()}
        with torch.inference_mode():
            return {str(task): logits.numpy() for task, logits in net(tensors).items()}

    content = probe_bytes(probed(inputs, net.tasks, run, weights))
    write_atomic(folder / PROBES, content)


def probed(inputs: ModelInputs, tasks: Sequence[TaskSpec], run: Run, weights: str) -> Probed:
    """What encoders and ``run``, from the graph's arrays to logits, make of every probe.

    Args:
        inputs: specs, files and opened encoders.
        tasks: whose logits are kept.
        run: arrays -> logits by task.
        weights: SHA-256 of the weights that ``run`` has.
    """
    groups: list[Group] = []
    ids: dict[str, IdOutputs] = {}
    known = arrays_of(tasks)
    for name in inputs.specs:
        probes = _probes(inputs, name)
        odd = [one for one in probes.values.items() if _fits(inputs, name, one[1])]
        parts = _chunks(_by_length(inputs, name, odd), _ROWS)
        groups += [_group(inputs, name, part, known, run) for part in parts]
        pieces = [(f"pieces {at + 1}", value) for at, value in enumerate(probes.pieces)]
        groups += [_group(inputs, name, part, known, None) for part in _chunks(pieces, _PIECE_ROWS)]
        # What labels the words of another input says nothing of these ids.
        own = {
            key: (task, output)
            for key, (task, output) in known.items()
            if output.per != "word" or task.input == name
        }
        for at, rows in enumerate(probes.ids if own else ()):
            key = f"{name} {at}" if rows.column else name
            ids[key] = _id_outputs(_whole(inputs, name, rows), own, run)
    return Probed(weights, tuple(groups), ids)


def _probes(inputs: ModelInputs, name: str) -> Probes:
    spec = inputs.specs[name]
    files = {role: inputs.files[path] for role, path in spec.files.items()}
    return input_kind(spec.kind).probes(spec, files)


Named = tuple[str, Any]


def _fits(inputs: ModelInputs, name: str, value: Any) -> bool:
    """Whether the value can be encoded here: pictures need a library, and some inputs refuse."""
    try:
        inputs.encoders[name].encode([value])
    except (BackendError, InputError):
        return False
    return True


def _by_length(inputs: ModelInputs, name: str, values: Sequence[Named]) -> list[Named]:
    encoder = inputs.encoders[name]
    lengths = [int(encoder.length(encoder.encode([value]))[0]) for _, value in values]
    order = np.argsort(lengths, kind="stable")
    return [values[at] for at in order]


def _chunks(values: Sequence[Named], size: int) -> Iterator[Sequence[Named]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]


def _group(
    inputs: ModelInputs,
    name: str,
    rows: Sequence[Named],
    known: Mapping[str, tuple[TaskSpec, Output]],
    run: Run | None,
) -> Group:
    """Some rows; an input that they are not about has the same value in each of them."""
    values = {
        other: [value for _, value in rows]
        if other == name
        else [_usual(inputs, other)] * len(rows)
        for other in inputs.specs
    }
    encoded = {other: inputs.encoders[other].encode(column) for other, column in values.items()}
    arrays = dict(merged(encoded))
    starts = {
        other: one.word_starts for other, one in encoded.items() if one.word_starts is not None
    }
    return Group(
        names=tuple(one for one, _ in rows),
        values=values,
        arrays=arrays,
        starts=starts,
        lengths={other: one.lengths for other, one in encoded.items() if one.lengths is not None},
        spans={other: spans_of(encoded[other]) for other in starts},
        outputs={} if run is None else _outputs(run(arrays), known, encoded),
    )


def _usual(inputs: ModelInputs, name: str) -> Any:
    """A value for rows that are about another input."""
    encoder = inputs.encoders[name]
    values = _probes(inputs, name).values or encoder.edge_values()
    return first_there(encoder, values.values())


def _outputs(
    arrays: Arrays,
    known: Mapping[str, tuple[TaskSpec, Output]],
    encoded: Mapping[str, Encoded],
) -> dict[str, Array]:
    """Logits of rows as they are, those of pieces at each word's first one."""
    items = {name: items_of(*known[name], one, encoded) for name, one in arrays.items()}
    return {name: one.values if isinstance(one, Ragged) else one for name, one in items.items()}


def _whole(inputs: ModelInputs, name: str, rows: IdRows) -> IdRows:
    """Rows of ids with all that the graph reads: of other inputs a usual value in each of them."""
    others = {
        other: inputs.encoders[other].encode([_usual(inputs, other)])
        for other in inputs.specs
        if other != name
    }
    spec = inputs.specs[name]
    there = {presence_array(spec).name: np.ones(1, np.int64)} if spec.may_be_absent else {}
    return replace(rows, template={**rows.template, **there, **(merged(others) if others else {})})


def _id_outputs(rows: IdRows, known: Mapping[str, tuple[TaskSpec, Output]], run: Run) -> IdOutputs:
    """Sums of the logits of every id, by signs that are drawn once and kept in the file."""
    kept = max(1, _KEPT // len(known))
    mixes: dict[str, Array] = {}
    parts: dict[str, list[Array]] = {}
    for start in range(0, rows.size, _BATCH):
        found = run(rows.rows(start, min(start + _BATCH, rows.size)))
        for task in known:
            logits = found[task]
            mix = mixes.setdefault(task, _mix(logits.shape[-1], kept))
            parts.setdefault(task, []).append(summed(known[task][1], logits, rows.slot, mix))
    means: dict[str, Array] = {}
    sums: dict[str, Array] = {}
    for task, sums_ in parts.items():
        whole = np.concatenate(sums_)
        means[task] = whole.mean(axis=0)
        sums[task] = np.clip(whole - means[task], -_HALF, _HALF).astype(np.float16)
    return IdOutputs(rows, mixes, means, sums)


def _mix(classes: int, kept: int) -> Array:
    """Each logit as it is where there are few; else sums with random signs, of a logit's size."""
    if classes <= kept:
        return np.eye(classes, dtype=np.float32)
    signs = np.random.default_rng(0x6D17).integers(0, 2, (classes, kept)) * 2 - 1
    return (signs / np.sqrt(classes)).astype(np.float32)
