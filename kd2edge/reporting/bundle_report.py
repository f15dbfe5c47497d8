"""A report for a bundle whose run is not at hand: what its manifest and its validation know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kd2edge.bundle.manifest import Manifest
from kd2edge.reporting.reading import SCHEMA

__all__ = ["report_from_validation"]

Json = Mapping[str, Any]


def report_from_validation(manifest: Manifest, validation: Json) -> dict[str, Any]:
    """A mapping in the form of report.json with the student alone, as the stored reference has it.

    Args:
        manifest: the bundle's.
        validation: payload of its validation evidence.
    """
    student = {name: {"metrics": _reference(validation, name)} for name in manifest.tasks}
    return {
        "schema": SCHEMA,
        "name": manifest.name,
        "created_by": f"kd2edge; bundle version {manifest.version}",
        "tasks": {
            name: {
                "kind": spec.kind,
                "labels": list(spec.labels),
                "metric": spec.metric,
                "metrics": list(spec.metrics),
            }
            for name, spec in manifest.tasks.items()
        },
        "splits": {
            validation["split"]: {
                "rows": validation["rows"],
                "distinct": validation.get("distinct", validation["rows"]),
                "tasks": {name: {"student": block} for name, block in student.items()},
            }
        },
        "fingerprints": dict(manifest.provenance),
        "commands": [f"kd2edge validate models/{manifest.name}"],
    }


def _reference(validation: Json, task: str) -> dict[str, Any]:
    """The reference's metrics: of the artefact that was held against the most of these rows."""
    on_others = validation.get("earlier", {})
    blocks = [
        part["tasks"][task]["metrics"]
        for name, part in validation["artefacts"].items()
        if name not in on_others and part["tasks"].get(task, {}).get("metrics")
    ]
    if not blocks:
        return {}
    best = max(blocks, key=lambda block: max(part["reference"]["rows"] for part in block.values()))
    return {name: part["reference"] for name, part in best.items()}
