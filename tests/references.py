"""Tiny bundles with rows and a stored reference, and ways to spoil them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

import bundles
from kd2edge.bundle.manifest import Artefact, Manifest
from kd2edge.bundle.store import file_entry, open_bundle, write_bundle
from kd2edge.files import canonical_json, npz_arrays, npz_bytes
from kd2edge.metrics import measure
from kd2edge.rows.rows import Row, Rows
from kd2edge.tasks.outputs import all_items
from kd2edge.tasks.spec import TaskName
from kd2edge.validate import pack_reference, row_keys
from kd2edge.validate.meaning import MEANING, SplitMeaning, meaning_of, open_meaning
from kd2edge.validate.record import REPORT, Record, open_record, pack_record
from kd2edge.validate.truths import inputs_fingerprint, labels_fingerprint

ROWS = 200
#: SHA-256 of a student that these bundles say they were made of.
WEIGHTS = "5" * 64


class ListRows(Rows):
    """Rows in memory."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self._rows = list(rows)
        self.fingerprint = f"list of {len(rows)}"
        self.root = ""

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, position: int) -> Row:
        return self._rows[position]

    def place(self, position: int) -> str:
        return f"list:{position + 1}"


def rewritten(folder: Path, extra: Mapping[str, bytes], **changes: Any) -> Path:
    """The bundle with further files and other fields of its manifest."""
    bundle = open_bundle(folder)
    manifest = bundle.manifest
    added = tuple(file_entry(path, data) for path, data in extra.items())
    artefacts = changes.get("artefacts", manifest.artefacts)
    own = {entry.path for one in artefacts.values() for entry in one.files}
    kept = {path: bundle.read(path) for path in bundle.files}
    old = (entry for entry in manifest.files if entry.path not in extra)
    files = tuple(entry for entry in (*old, *added) if entry.path not in own)
    listed = {entry.path for entry in files} | own
    contents = {path: data for path, data in {**kept, **extra}.items() if path in listed}
    write_bundle(folder, dataclasses.replace(manifest, files=files, **changes), contents)
    return folder


def without(folder: Path, path: str) -> Path:
    """The bundle without one of its files, of which its manifest then says nothing."""
    bundle = open_bundle(folder)
    files = tuple(entry for entry in bundle.manifest.files if entry.path != path)
    contents = {name: bundle.read(name) for name in bundle.files if name != path}
    write_bundle(folder, dataclasses.replace(bundle.manifest, files=files), contents)
    return folder


def misread(folder: Path, task: str, **changes: Any) -> Path:
    """The bundle whose manifest says other things of a task than were true in training."""
    tasks = dict(open_bundle(folder).manifest.tasks)
    name = TaskName(task)
    tasks[name] = dataclasses.replace(tasks[name], **changes)
    return rewritten(folder, {}, tasks=tasks)


def with_artefact(folder: Path, identity: str, graph: bytes, **changes: Any) -> Path:
    """The bundle with one more ONNX artefact, whose signature is that of ``onnx-fp32``."""
    like = open_bundle(folder).manifest.artefacts["onnx-fp32"]
    entry = f"onnx/{identity}.onnx"
    target, precision, *variant = identity.split("-", 2)
    fields: dict[str, Any] = {
        "id": identity, "target": target, "precision": precision, "variant": "".join(variant),
        "entry": entry, "files": (file_entry(entry, graph),),
    }  # fmt: skip
    made: Artefact = dataclasses.replace(like, **(fields | changes))
    artefacts = {**open_bundle(folder).manifest.artefacts, identity: made}
    return rewritten(folder, {entry: graph}, artefacts=artefacts)


def scaled(graph: bytes, tensor: str, factor: float, noise: float = 0.0) -> bytes:
    """The graph with one weight scaled, and noise added to it."""
    model = onnx.load_from_string(graph)
    for weight in model.graph.initializer:
        if weight.name == tensor:
            value = onnx.numpy_helper.to_array(weight)
            value = value * factor + bundles.weights(*value.shape, seed=99, scale=noise)
            weight.CopyFrom(onnx.numpy_helper.from_array(value.astype(np.float32), tensor))
    return model.SerializeToString(deterministic=True)


def wrong_alone(graph: bytes) -> bytes:
    """The graph with another ``digit`` whenever a row comes alone."""
    model = onnx.load_from_string(graph)
    for node in model.graph.node:
        node.output[:] = ["raw" if name == "digit" else name for name in node.output]
    make = onnx.helper.make_node
    model.graph.node.extend(
        [
            make("Shape", ["pixel_values"], ["rows"], start=0, end=1),
            make("Equal", ["rows", "one"], ["alone"]),
            make("Cast", ["alone"], ["factor"], to=onnx.TensorProto.FLOAT),
            make("Mul", ["factor", "wrong"], ["added"]),
            make("Add", ["raw", "added"], ["digit"]),
        ]
    )
    tensors = {"one": np.array([1], np.int64), "wrong": np.array([30.0, 0.0, 0.0], np.float32)}
    model.graph.initializer.extend(
        onnx.numpy_helper.from_array(value, name) for name, value in tensors.items()
    )
    return model.SerializeToString(deterministic=True)


def image_rows(count: int = ROWS, *, right: float = 0.9) -> ListRows:
    """Images whose labels are the graph's own decisions, a tenth of them replaced."""
    pixels = bundles.images(count, seed=7)
    outputs = bundles.run_onnx(bundles.image_graph(), {"pixel_values": pixels[:, None]})
    random = np.random.default_rng(3)
    digits = np.where(
        random.random(count) < right, outputs["digit"].argmax(-1), random.integers(0, 3, count)
    )
    larger = np.where(random.random(count) < right, outputs["larger"][:, 0] > 0, digits == 0)
    return ListRows(
        [
            {"image": image, "digit": str(digit), "larger": "yes" if yes else "no"}
            for image, digit, yes in zip(pixels, digits, larger, strict=True)
        ]
    )


def text_rows(count: int = 40) -> ListRows:
    """Sentences of unequal length with an intent, and a label for each word."""
    random = np.random.default_rng(11)
    rows = []
    for index in range(count):
        words = [str(word) for word in random.choice(bundles.WORDS[:8], random.integers(1, 9))]
        labels = [str(label) for label in random.choice(("O", "B-city", "I-city"), len(words))]
        intent = ("book", "play", "other")[index % 3]
        rows.append({"id": f"r{index}", "text": " ".join(words), "intent": intent, "ner": labels})
    return ListRows(rows)


def with_reference(folder: Path, rows: Rows, *, split: str = "test") -> Path:
    """The bundle with the stored reference that its own fp32 graph gives for ``rows``."""
    from kd2edge.runtime import load
    from kd2edge.validate.split import Split

    manifest = open_bundle(folder).manifest
    ids, hashes = row_keys(rows, manifest.inputs)
    tasks = {str(name): spec for name, spec in manifest.tasks.items()}
    part = Split.of(rows, manifest.inputs, tasks)
    with load(folder, artefact="onnx-fp32", threads=1) as model:
        encoded = model.encode(part.values(range(len(rows))))
        arrays = {name: array for one in encoded.values() for name, array in one.arrays.items()}
        outputs = model.logits(arrays)
        decoded = model.decode(outputs, encoded)
    logits: dict[str, Any] = {}
    for spec in tasks.values():
        logits |= all_items(spec, outputs, encoded)
    path = f"reference/{split}.npz"
    reached = {
        task: {spec.metric: measure(spec, part.truths[task], decoded[task], spec.metric)}
        for task, spec in tasks.items()
    }
    numbers = np.array(hashes, np.uint64)
    labels = {task: labels_fingerprint(truth) for task, truth in part.truths.items()}
    rows_of = {split: SplitMeaning(len(ids), inputs_fingerprint(numbers), labels)}
    meaning = meaning_of(WEIGHTS, manifest.tasks, manifest.inputs, hashes_of(manifest), rows_of)
    content = pack_reference(
        ids, hashes, decoded, logits, manifest.tasks,
        truths=part.truths, meaning=meaning.key, split=split,
    )  # fmt: skip
    told = {
        task: {name: {"value": value, "low": value - 0.02, "high": value + 0.02}}
        for task, metrics in reached.items()
        for name, value in metrics.items()
    }
    record = Record(meaning.key, {split: told})
    return rewritten(
        folder,
        {path: content, MEANING: meaning.to_json(), REPORT: pack_record(record)},
        references={split: path},
        provenance={**manifest.provenance, "student": WEIGHTS},
    )


def hashes_of(manifest: Manifest) -> dict[str, str]:
    """Path -> SHA-256 of the bundle's own files."""
    return {entry.path: entry.sha256 for entry in manifest.files}


def meant(folder: Path, **changes: Any) -> Path:
    """The bundle whose meaning says something else; reference and report name the changed one."""
    bundle = open_bundle(folder)
    meaning = dataclasses.replace(open_meaning(bundle.read(MEANING)), **changes)
    record = dataclasses.replace(open_record(bundle.read(REPORT)), meaning=meaning.key)
    files = {MEANING: meaning.to_json(), REPORT: pack_record(record)}
    for split, path in bundle.manifest.references.items():
        arrays = npz_arrays(bundle.read(path))
        said = canonical_json({"meaning": meaning.key, "split": split})
        arrays["of"] = np.frombuffer(said, np.uint8)
        files[path] = npz_bytes(arrays)
    return rewritten(folder, files)
