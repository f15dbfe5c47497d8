"""What is shipped: the manifest, its files, and evidence about them."""

from __future__ import annotations

from kd2edge.bundle.evidence import Evidence, append_evidence, read_evidence, require_writable
from kd2edge.bundle.machine import Machine, machine
from kd2edge.bundle.manifest import SCHEMA, Artefact, FileEntry, Gate, Manifest
from kd2edge.bundle.manifest_json import manifest_from_json, manifest_to_json, split_artefact_id
from kd2edge.bundle.store import Bundle, file_entry, open_bundle, write_bundle

__all__ = [
    "SCHEMA",
    "Artefact",
    "Bundle",
    "Evidence",
    "FileEntry",
    "Gate",
    "Machine",
    "Manifest",
    "append_evidence",
    "file_entry",
    "machine",
    "manifest_from_json",
    "manifest_to_json",
    "open_bundle",
    "read_evidence",
    "require_writable",
    "split_artefact_id",
    "write_bundle",
]
