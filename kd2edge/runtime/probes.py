"""``golden/probes.npz``: raw values, what training made of them, and PyTorch's outputs for them.

Synthetic: no row of anybody's data is in it.  The golden rows guard the graph; these guard the way
from a raw value to the graph's arrays, and every row of the embedding table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from kd2edge.errors import IntegrityError, SchemaTooNewError
from kd2edge.files.fingerprint import canonical_json
from kd2edge.files.npz import npz_arrays, npz_bytes
from kd2edge.inputs.kind import IdRows
from kd2edge.inputs.spec import Encoded, WordStarts
from kd2edge.json_text import json_value

__all__ = ["PROBES", "Group", "IdOutputs", "Probed", "open_probes", "probe_bytes"]

#: Its path in a bundle; old bundles, and those with ``samples: none``, lack it.
PROBES = "golden/probes.npz"
#: Version of the layout.
SCHEMA = 2

Array = npt.NDArray[Any]

_DAMAGE = (ValueError, TypeError, LookupError, AttributeError, IntegrityError)


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that were encoded together.

    Args:
        names: of the rows.
        values: input -> raw values.
        arrays: the graph's arrays that they give.
        starts: input -> where its words begin; none of inputs without words.
        lengths: input -> how many positions each row has, of inputs with frames.
        spans: input -> start and end of each word in its text, ``[word, 2]``.
        outputs: array of a head -> PyTorch's logits, ``[row, ..., C]`` or for each word
            ``[word, C]``; empty: these rows were encoded only.
    """

    names: tuple[str, ...]
    values: Mapping[str, Sequence[Any]]
    arrays: Mapping[str, Array]
    starts: Mapping[str, WordStarts] = field(default_factory=dict[str, WordStarts])
    lengths: Mapping[str, Array] = field(default_factory=dict[str, Array])
    spans: Mapping[str, Array] = field(default_factory=dict[str, Array])
    outputs: Mapping[str, Array] = field(default_factory=dict[str, Array])

    @property
    def seen(self) -> dict[str, Encoded]:
        """What the rows are, by input with words or frames."""
        return {
            name: Encoded({}, self.starts.get(name), lengths=self.lengths.get(name))
            for name in (*self.starts, *self.lengths)
        }


@dataclass(frozen=True, slots=True)
class IdOutputs:
    """PyTorch's logits of each id in a row that is else the same, summed up to a few numbers an id.

    Args:
        rows: the rows.
        mixes: array of a head -> ``[C, k]``: which sums of logits are kept.
        means: array -> ``[k]`` mean over all ids.
        sums: array -> ``[id, k]`` float16, less the mean.
    """

    rows: IdRows
    mixes: Mapping[str, Array]
    means: Mapping[str, Array]
    sums: Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class Probed:
    """All of the file.

    Args:
        weights: SHA-256 of the student's weights that gave the outputs.
        groups: raw values.
        ids: rows of ids by input, of a table's columns by input and place (``table 0``); empty
            where none has an embedding table.
    """

    weights: str
    groups: tuple[Group, ...]
    ids: Mapping[str, IdOutputs] = field(default_factory=dict[str, IdOutputs])


def probe_bytes(probed: Probed) -> bytes:
    """The file; the same argument gives the same bytes."""
    members: dict[str, Array] = {}
    groups = [_packed(f"{at:04}", group, members) for at, group in enumerate(probed.groups)]
    ids: dict[str, Any] = {}
    for name, part in probed.ids.items():
        ids[name] = {
            "name": part.rows.name,
            "slot": part.rows.slot,
            "size": part.rows.size,
            "first": part.rows.first,
            "column": part.rows.column,
        }
        for key, table in _tables(part).items():
            members |= {f"ids/{name}/{key}/{one}": array for one, array in table.items()}
    about = {"schema": SCHEMA, "weights": probed.weights, "groups": groups, "ids": ids}
    members["about"] = np.frombuffer(canonical_json(about), np.uint8)
    return npz_bytes(members)


def open_probes(content: bytes) -> Probed:
    """Read the file.

    Raises:
        SchemaTooNewError: written by a newer kd2edge.
        IntegrityError: anything else that is no such file.
    """
    try:
        members = npz_arrays(content)
        about = json_value(members["about"].tobytes(), strict=False)
        if about["schema"] > SCHEMA:
            raise SchemaTooNewError(
                f"{PROBES}: written with schema {about['schema']}, this kd2edge reads up to"
                f" {SCHEMA}: install a newer one"
            )
        groups = tuple(
            _unpacked(f"{at:04}", one, members) for at, one in enumerate(about["groups"])
        )
        ids = {name: _id_outputs(name, one, members) for name, one in about["ids"].items()}
        return Probed(str(about["weights"]), groups, ids)
    except _DAMAGE as error:
        raise IntegrityError(
            f"{PROBES} cannot be read: {error}; export the run again, or copy the bundle anew"
        ) from error


def _tables(part: IdOutputs) -> dict[str, Mapping[str, Array]]:
    return {
        "template": part.rows.template,
        "mix": part.mixes,
        "mean": part.means,
        "sum": part.sums,
    }


def _packed(place: str, group: Group, members: dict[str, Array]) -> dict[str, Any]:
    tables: dict[str, Mapping[str, Array]] = {
        "array": group.arrays,
        "start": {name: starts.values for name, starts in group.starts.items()},
        "length": group.lengths,
        "row": {name: starts.offsets for name, starts in group.starts.items()},
        "span": group.spans,
        "out": {task: one.astype(np.float32) for task, one in group.outputs.items()},
    }
    for key, table in tables.items():
        members |= {f"{key}/{place}/{name}": array for name, array in table.items()}
    values = {
        name: [
            _stored(value, f"value/{place}/{row}/{name}", members)
            for row, value in enumerate(column)
        ]
        for name, column in group.values.items()
    }
    return {"names": list(group.names), "values": values}


def _stored(value: Any, member: str, members: dict[str, Array]) -> Any:
    """A raw value as JSON; pictures become members of the archive."""
    if isinstance(value, bytes):
        members[member] = np.frombuffer(value, np.uint8)
        return {"bytes": member}
    if isinstance(value, np.ndarray):
        members[member] = value
        return {"array": member}
    return {"row": dict(cast("Mapping[str, Any]", value))} if isinstance(value, Mapping) else value


def _unpacked(place: str, one: Mapping[str, Any], members: Mapping[str, Array]) -> Group:
    values = {
        name: [_value(value, members) for value in column] for name, column in one["values"].items()
    }
    offsets = _under(f"row/{place}/", members)
    starts = _under(f"start/{place}/", members)
    names, arrays = tuple(map(str, one["names"])), _under(f"array/{place}/", members)
    sizes = {len(column) for column in (*values.values(), *arrays.values())}
    _require(sizes == {len(names)}, f"as many rows as names in group {place}")
    # Of the inputs the longest: which arrays are of which only their encoders know.
    longest = max((array.shape[1] for array in arrays.values() if array.ndim == 2), default=0)
    for name, found in starts.items():
        rows, last = offsets[name], len(found)
        _require(_are_offsets(rows, len(names), last), f"offsets of {name} in group {place}")
        _require(bool(((found >= -1) & (found < longest)).all()), f"starts of {name} in {place}")
    return Group(
        names=names,
        values=values,
        arrays=arrays,
        starts={name: WordStarts(found, offsets[name]) for name, found in starts.items()},
        lengths=_under(f"length/{place}/", members),
        spans=_under(f"span/{place}/", members),
        outputs=_under(f"out/{place}/", members),
    )


def _value(value: Any, members: Mapping[str, Array]) -> Any:
    if not isinstance(value, dict):
        return value
    kind, member = next(iter(cast("dict[str, Any]", value).items()))
    if kind == "row":
        return member
    return members[member].tobytes() if kind == "bytes" else members[member]


def _under(start: str, members: Mapping[str, Array]) -> dict[str, Array]:
    return {name[len(start) :]: part for name, part in members.items() if name.startswith(start)}


def _id_outputs(name: str, one: Mapping[str, Any], members: Mapping[str, Array]) -> IdOutputs:
    tables = {
        key: _under(f"ids/{name}/{key}/", members) for key in ("template", "mix", "mean", "sum")
    }
    rows = IdRows(
        tables["template"],
        str(one["name"]),
        int(one["slot"]),
        int(one["size"]),
        int(one["first"]),
        str(one["column"]),
    )
    ids = rows.template[rows.name]
    _require(all(one.ndim and len(one) == 1 for one in rows.template.values()), "one row each")
    _require(ids.ndim == 2 and len(ids) == 1 and 0 <= rows.slot < ids.shape[1], "a slot")
    _require(set(tables["sum"]) == set(tables["mix"]) == set(tables["mean"]) != set(), "tasks")
    for task, sums in tables["sum"].items():
        mix, mean = tables["mix"][task], tables["mean"][task]
        kept = mix.shape[-1]
        fits = mix.ndim == 2 and mean.shape == (kept,) and sums.shape == (rows.size, kept)
        _require(fits and rows.size > 0, f"sums of {rows.size} ids for {task}")
    return IdOutputs(rows, tables["mix"], tables["mean"], tables["sum"])


def _are_offsets(offsets: Array, rows: int, last: int) -> bool:
    """Whether they cut ``last`` words into ``rows`` rows."""
    return (
        offsets.shape == (rows + 1,)
        and offsets[0] == 0
        and offsets[-1] == last
        and bool((np.diff(offsets) >= 0).all())
    )


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"expected {what}")
