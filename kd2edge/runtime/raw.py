"""Whether raw values still become the arrays, words and outputs that they became in training."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.errors import BackendError, InputError
from kd2edge.inputs.spec import Encoded, WordStarts
from kd2edge.ragged import Ragged
from kd2edge.runtime.batches import merged
from kd2edge.runtime.probes import Group, Probed
from kd2edge.tasks.outputs import arrays_of, items_of
from kd2edge.tasks.spec import Output, TaskSpec

__all__ = ["probed_outputs", "raw_faults", "spans_of"]

Array = npt.NDArray[Any]
Encode = Callable[[Mapping[str, Any]], Mapping[str, Encoded]]
Run = Callable[[dict[str, Array]], Mapping[str, Array]]

#: Levels of a pixel that another release of a picture library may round otherwise.
_LEVELS = 1
#: Pieces shown on each side of a difference.
_SHOWN = 8


def raw_faults(probed: Probed, encode: Encode) -> tuple[list[str], list[str]]:
    """(what became something else, what could not be looked at here and why)."""
    faults: list[str] = []
    words: list[str] = []
    skipped: list[str] = []
    for group in probed.groups:
        try:
            encoded = encode(group.values)
        except BackendError as error:  # a library for pictures that is not here
            skipped.append(str(error))
        except InputError as error:
            faults.append(f"raw values that training took are refused: {error}")
        else:
            of_rows = [*_row_differences(group, encoded)]
            faults += of_rows
            words += [] if of_rows else _word_differences(group, encoded)
    return [*faults, *words], list(dict.fromkeys(skipped))


def _row_differences(group: Group, encoded: Mapping[str, Encoded]) -> Iterator[str]:
    found = merged(encoded)
    if set(found) != set(group.arrays):
        yield f"raw values give the arrays {sorted(found)}, in training {sorted(group.arrays)}"
        return
    differs = False
    for row, name in enumerate(group.names):
        texts = (
            (column, _difference(one, group.arrays[one][row], found[one][row]))
            for column, own in encoded.items()
            for one in own.arrays
        )
        column, text = next((one for one in texts if one[1]), ("", ""))
        if text:
            differs = True
            yield f"{_named(group, row, name, column)} gives other {text}"
    shapes = {name: (group.arrays[name].shape, found[name].shape) for name in found}
    odd = [name for name, (wanted, own) in shapes.items() if wanted != own]
    if odd and not differs:
        wanted, own = shapes[odd[0]]
        yield f"{', '.join(group.names)}: filled up to {list(own)}, in training to {list(wanted)}"


def _named(group: Group, row: int, name: str, column: str) -> str:
    """``text 'title case' ('Where Is My New...')``."""
    value = group.values[column][row]
    shown = f" ({_SHORT.repr(value)})" if isinstance(value, (str, list)) else ""
    return f"{column} {name!r}{shown}"


def _difference(name: str, wanted: Array, found: Array) -> str:
    """How a row of an array differs; "" when it does not, but for zeros at its end."""
    if wanted.ndim == 1:
        return _piece_difference(name, wanted, found)
    if wanted.shape != found.shape:
        return f"{name}: expected the shape {list(wanted.shape)}, found {list(found.shape)}"
    apart = np.abs(wanted.astype(np.int64) - found.astype(np.int64))
    if apart.max(initial=0) <= _LEVELS:
        return ""
    return f"{name}: {(apart > _LEVELS).mean():.0%} of them, by up to {apart.max()} of 255 levels"


def _piece_difference(name: str, wanted: Array, found: Array) -> str:
    count = min(len(wanted), len(found))
    differs = wanted[:count] != found[:count]
    if wanted.dtype.kind == "f":  # numbers, which another machine may round otherwise
        differs = ~np.isclose(wanted[:count], found[:count], rtol=1e-6, atol=1e-6)
    if differs.any():
        at = int(np.argmax(differs))
    elif wanted[count:].any() or found[count:].any():
        at = count
    else:
        return ""
    texts = [" ".join(map(str, row[at : at + _SHOWN])) or "nothing" for row in (wanted, found)]
    return f"{name} from piece {at + 1} on: expected {texts[0]}, found {texts[1]}"


def _word_differences(group: Group, encoded: Mapping[str, Encoded]) -> Iterator[str]:
    for name, wanted in group.starts.items():
        starts = encoded[name].word_starts if name in encoded else None
        if starts is None or not _are_same(starts, wanted):
            yield f"{name}: words of {', '.join(group.names[:3])} ... begin at other pieces"
        elif not np.array_equal(spans_of(encoded[name]), group.spans[name]):
            yield f"{name}: words of {', '.join(group.names[:3])} ... stand at other letters"


def _are_same(one: WordStarts, other: WordStarts) -> bool:
    return np.array_equal(one.values, other.values) and np.array_equal(one.offsets, other.offsets)


def spans_of(encoded: Encoded) -> Array:
    """Start and end of every word, ``[word, 2]``."""
    words = [] if encoded.words is None else [word[:2] for row in encoded.words for word in row]
    return np.array(words, np.int32).reshape(-1, 2)


def probed_outputs(
    probed: Probed, tasks: Mapping[str, TaskSpec], run: Run
) -> dict[str, tuple[Array, Array]]:
    """Array -> (PyTorch's logits, this artefact's) over all probes; the inputs are training's own.

    What raw values become here is another question: see :func:`raw_faults`.
    """
    arrays = arrays_of(tasks.values())
    pairs: dict[str, list[tuple[Array, Array]]] = {}
    for group in probed.groups:
        if not group.outputs:
            continue
        outputs = run(dict(group.arrays))
        for name, wanted in group.outputs.items():
            if name in outputs and name in arrays:
                found = _as_stored(group, *arrays[name], outputs[name])
                pairs.setdefault(name, []).append((wanted.astype(np.float64), found))
    return {name: _joined(parts) for name, parts in pairs.items()}


def _as_stored(group: Group, spec: TaskSpec, output: Output, found: Array) -> Array:
    """Outputs of rows as they are, those of words at each word's first piece."""
    known = {"word": group.starts, "frame": group.lengths}
    if spec.input not in known.get(output.per, (spec.input,)):
        return np.full((1, 1), np.inf)
    items = items_of(spec, output, found, group.seen)
    return np.asarray(items.values if isinstance(items, Ragged) else items).astype(np.float64)


def _joined(parts: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    """All rows as one; those that both leave out (NaN) are passed over."""
    if any(wanted.shape != found.shape for wanted, found in parts):
        return np.zeros((1, 1)), np.full((1, 1), np.inf)
    wanted, found = (np.concatenate(side) for side in zip(*parts, strict=True))
    wanted, found = (part.reshape(-1, part.shape[-1]) for part in (wanted, found))
    kept = ~(np.isnan(wanted).all(-1) & np.isnan(found).all(-1))
    return wanted[kept], found[kept]


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 40
_SHORT.maxlist = 4
