"""Whether the manifest means what PyTorch meant when its outputs were stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kd2edge.bundle.fingerprint import canonical_json
from kd2edge.bundle.manifest import Manifest
from kd2edge.validate.reference import Reference, described
from kd2edge.validate.validation import Check

__all__ = ["agreement"]

_NAME = "manifest"
_SILENT = (
    "the reference does not say what it was made with: run `kd2edge distill --resume` and export"
    " the run again"
)
_SHOWN = 120  # letters of a value in a message


def agreement(reference: Reference | None, manifest: Manifest) -> tuple[Check, ...]:
    """One check a difference: tasks that came or went, other labels, columns, settings.

    Artefact and reference are judged by the same manifest: with labels in another order both would
    be as wrong, and no drop would show.
    """
    if reference is None:  # it may stay out of a transfer
        return ()
    if not reference.made_with:
        return (Check(_NAME, "not_run", _SILENT),)
    hashes = {entry.path: entry.sha256 for entry in manifest.files}
    found = described(manifest.tasks, manifest.inputs, hashes)
    faults = [
        fault
        for part in ("tasks", "inputs")
        for fault in _differences(part[:-1], reference.made_with[part], found[part])
    ]
    return tuple(Check(_NAME, "failed", fault) for fault in faults) or (Check(_NAME, "ok"),)


def _differences(
    kind: str, wanted: Mapping[str, Mapping[str, Any]], found: Mapping[str, Mapping[str, Any]]
) -> Iterator[str]:
    for name in sorted(wanted.keys() | found.keys()):
        if name not in found:
            yield f"{kind} {name}: PyTorch's stored outputs have it, the manifest does not"
        elif name not in wanted:
            yield f"{kind} {name}: the manifest has it, PyTorch's stored outputs do not"
        else:
            yield from (
                f"{kind} {name}: {key} is {_text(found[name][key])} in the manifest, was"
                f" {_text(value)} when PyTorch's outputs were stored"
                for key, value in wanted[name].items()
                if canonical_json(found[name].get(key)) != canonical_json(value)
            )


def _text(value: Any) -> str:
    text = canonical_json(value).decode()
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
