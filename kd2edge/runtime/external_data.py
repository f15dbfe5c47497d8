"""ONNX tensors whose values stand in another file, found in the bytes alone: no parser, no copy.

An engine follows such a name to whatever file is there, and nothing ties that file to the graph's
checksum.  So this reads protobuf's wire format as far as tensors can stand in it, and steps over
the rest (weights above all) by its length.  Every byte is looked at once at most.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from kd2edge.errors import IntegrityError

#: Message -> field number -> the message in it.  Only those that lead to a tensor (onnx.proto).
_INSIDE: Mapping[str, Mapping[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "function": {7: "node", 11: "attribute"},
    "training": {1: "graph", 2: "graph"},
}
_NAME, _EXTERNAL_DATA, _DATA_LOCATION = 8, 13, 14  # fields of a tensor
_KEY, _VALUE = 1, 2  # fields of an entry of its external data

_VARINT, _BYTES = 0, 2
_SIZES = {1: 8, 5: 4}  # wire type -> bytes
_LARGEST_TAG = 2**32 - 1  # parsers drop what is above, and would see another field than we do

#: Number, wire type, and where the value stands; of a varint: its value, twice.
_Field = tuple[int, int, int, int]


def assert_no_external_data(graph: bytes, label: str) -> None:
    """Refuse an ONNX graph that keeps a tensor in another file.

    Raises:
        IntegrityError: it does, or these bytes are no ONNX graph.
    """
    outside = external_tensors(graph, label)
    if outside:
        raise IntegrityError(
            f"{label}: expected every tensor inside the graph, found {outside[0]!r} in another"
            f" file ({len(outside)} in all); external data is refused because nothing ties it to"
            " the graph's checksum: save the graph as one file"
        )


def external_tensors(graph: bytes, label: str) -> list[str]:
    """Names of the tensors whose values stand outside: in initializers, attributes, functions ...

    Raises:
        IntegrityError: bytes that are no ONNX graph.
    """
    return [name for name, _ in external_places(graph, label)]


def external_places(graph: bytes, label: str) -> list[tuple[str, tuple[str, ...]]]:
    """The same, each with every file that it names: parsers differ in which of several they take.

    Raises:
        IntegrityError: bytes that are no ONNX graph.
    """
    found: list[tuple[str, tuple[str, ...]]] = []
    todo = [("model", 0, len(graph))]  # no recursion: depth is for the file to choose
    try:
        while todo:
            kind, start, end = todo.pop()
            if kind == "tensor":
                found += _outside(graph, start, end)
                continue
            inside = _INSIDE[kind]
            for number, wire, at, stop in _fields(graph, start, end):
                if wire == _BYTES and number in inside:
                    todo.append((inside[number], at, stop))
    except ValueError as error:
        raise IntegrityError(
            f"{label}: no graph: {len(graph)} bytes that are no ONNX file: {error}"
        ) from error
    return found


def _outside(graph: bytes, start: int, end: int) -> list[tuple[str, tuple[str, ...]]]:
    """The tensor's name and the files it names, if its values are not in it."""
    name, is_outside = "", False
    files: list[str] = []
    for number, wire, at, stop in _fields(graph, start, end):
        if number == _NAME and wire == _BYTES:
            name = graph[at : min(stop, at + 200)].decode("utf-8", "replace")
        elif number == _EXTERNAL_DATA or (number == _DATA_LOCATION and at):
            # Any location but 0: parsers cut the number to 32 bits before they compare it.
            is_outside = True
            files += _locations(graph, at, stop) if wire == _BYTES else ()
    return [(name, tuple(files))] if is_outside else []


def _locations(graph: bytes, start: int, end: int) -> list[str]:
    """The file that an entry of a tensor's external data names, if it is one of files."""
    entry: dict[int, list[bytes]] = {}
    for number, wire, at, stop in _fields(graph, start, end):
        if wire == _BYTES:
            entry.setdefault(number, []).append(graph[at:stop])
    if b"location" not in entry.get(_KEY, ()):
        return []
    return [os.fsdecode(one) for one in entry.get(_VALUE, ())]


def _fields(graph: bytes, at: int, end: int) -> Iterator[_Field]:
    while at < end:
        tag, at = _varint(graph, at, end)
        number, wire = tag >> 3, tag & 7
        if tag > _LARGEST_TAG or not number:
            raise ValueError(f"a field number of {number} before byte {at}")
        if wire == _VARINT:
            value, at = _varint(graph, at, end)
            yield number, wire, value, value
            continue
        size, at = _varint(graph, at, end) if wire == _BYTES else (_SIZES.get(wire, -1), at)
        if not 0 <= size <= end - at:
            raise ValueError(f"a field of type {wire} before byte {at} has no end")
        yield number, wire, at, at + size
        at += size


def _varint(graph: bytes, at: int, end: int) -> tuple[int, int]:
    """The number at ``at`` and where it ends."""
    if at < end and graph[at] < 128:  # nearly all are one byte
        return graph[at], at + 1
    value = 0
    for shift, place in enumerate(range(at, min(at + 10, end))):
        value |= (graph[place] & 127) << (7 * shift)
        if graph[place] < 128:
            return value, place + 1
    raise ValueError(f"a number at byte {at} has no end")
