"""A bundle taken apart, changed, and written again with every checksum remade."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, final

import numpy as np
import numpy.typing as npt
import onnx

from kd2edge.bundle import file_entry, open_bundle, write_bundle
from kd2edge.bundle.manifest import Artefact, Manifest
from kd2edge.files import canonical_json, fingerprint_bytes, npz_arrays, npz_bytes
from kd2edge.validate.meaning import MEANING, Meaning, meaning_of, open_meaning
from kd2edge.validate.record import REPORT, open_record, pack_record

Arrays = dict[str, npt.NDArray[Any]]


@final
class Draft:
    """What a broken tool chain would hand to the bundle writer: its checksums always hold."""

    def __init__(self, path: Path) -> None:
        bundle = open_bundle(path)
        self.manifest: Manifest = bundle.manifest
        self.files: dict[str, bytes] = {name: bundle.read(name) for name in bundle.files}

    def artefact(self, name: str) -> Artefact:
        return self.manifest.artefacts[name]

    def graph(self, name: str) -> onnx.ModelProto:
        """The ONNX graph of an artefact."""
        return onnx.load_from_string(self.files[self.artefact(name).entry])

    def set_graph(self, name: str, model: onnx.ModelProto) -> None:
        self.files[self.artefact(name).entry] = model.SerializeToString(deterministic=True)

    def change_graph(self, name: str, change: Callable[[onnx.ModelProto], None]) -> None:
        """Change an ONNX artefact in place."""
        model = self.graph(name)
        change(model)
        self.set_graph(name, model)

    def change_arrays(self, path: str, change: Callable[[Arrays], Arrays]) -> None:
        """Change an npz file of the bundle."""
        self.files[path] = npz_bytes(change(dict(npz_arrays(self.files[path]))))

    def change_meaning(self, change: Callable[[Meaning], Meaning]) -> None:
        """Change what outputs mean; what names the meaning names the changed one."""
        meaning = change(open_meaning(self.files[MEANING]))
        record = replace(open_record(self.files[REPORT]), meaning=meaning.key)
        self.files |= {MEANING: meaning.to_json(), REPORT: pack_record(record)}
        for split, path in self.manifest.references.items():
            said = canonical_json({"meaning": meaning.key, "split": split})
            self.change_arrays(
                path, lambda arrays, said=said: arrays | {"of": np.frombuffer(said, np.uint8)}
            )

    def change_manifest(self, **fields: Any) -> None:
        self.manifest = replace(self.manifest, **fields)

    def change_task(self, name: str, **fields: Any) -> None:
        tasks = dict(self.manifest.tasks)
        key = next(key for key in tasks if str(key) == name)
        tasks[key] = replace(tasks[key], **fields)
        self.change_manifest(tasks=tasks)

    def change_input(self, role: str, **options: Any) -> None:
        """Change options of the input that has a file of a role."""
        name = self._input_with(role)
        spec = self.manifest.inputs[name]
        changed = replace(spec, options={**spec.options, **options})
        self.change_manifest(inputs={**self.manifest.inputs, name: changed})

    def input_file(self, role: str) -> str:
        """The only file of a role: ``tokenizer``, ``table``."""
        return self.manifest.inputs[self._input_with(role)].files[role]

    def _input_with(self, role: str) -> str:
        (name,) = (name for name, spec in self.manifest.inputs.items() if role in spec.files)
        return name

    def agree(self) -> None:
        """A broken tool chain describes what it ships: the meaning states inputs and tasks so."""
        hashes = {path: fingerprint_bytes(content) for path, content in self.files.items()}

        def restated(meaning: Meaning) -> Meaning:
            stated = meaning_of(meaning.weights, self.manifest.tasks, self.manifest.inputs, hashes)
            return replace(meaning, tasks=stated.tasks, inputs=stated.inputs)

        self.change_meaning(restated)

    def drop(self, path: str) -> None:
        """Leave a file out, of the manifest too."""
        del self.files[path]

    def take_artefact(self, name: str, other: Draft) -> None:
        """The files of an artefact as another bundle has them, under this one's names."""
        own, theirs = self.artefact(name), other.artefact(name)
        pairs = zip(own.files, theirs.files, strict=True)
        self.files |= {mine.path: other.files[its.path] for mine, its in pairs}

    def write(self, path: Path) -> Path:
        """Write the bundle; its manifest names the bytes that are there."""
        manifest = self.manifest
        artefacts = {
            name: replace(one, files=tuple(self._entry(file.path) for file in one.files))
            for name, one in manifest.artefacts.items()
        }
        own = {file.path for one in artefacts.values() for file in one.files}
        others = tuple(self._entry(path) for path in sorted(self.files) if path not in own)
        manifest = replace(manifest, artefacts=artefacts, files=others)
        write_bundle(path, manifest, self.files)
        return path

    def _entry(self, path: str) -> Any:
        return file_entry(path, self.files[path])


def is_onnx(bundle: Path, artefact: str) -> bool:
    return open_bundle(bundle).manifest.artefacts[artefact].entry.endswith(".onnx")


def sizes(bundle: Path) -> Mapping[str, tuple[int, int]]:
    """The sizes that the dynamic dimensions take."""
    return next(iter(open_bundle(bundle).manifest.artefacts.values())).ranges
