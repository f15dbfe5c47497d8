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
    lacking = {
        name: {
            "rows": basis["rows"],
            "distinct": basis["distinct"],
            "tasks": _students(manifest, validation, name),
        }
        for name, basis in validation.get("without", {}).items()
    }
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
                "tasks": _students(manifest, validation),
            }
            | ({"without": lacking} if lacking else {})
        },
        "fingerprints": dict(manifest.provenance),
        "commands": [f"kd2edge validate models/{manifest.name}"],
    }


def _students(manifest: Manifest, validation: Json, without: str = "") -> dict[str, Any]:
    """Task -> the student's block, on all rows or on those without an input."""
    return {
        name: {"student": {"metrics": _reference(validation, name, without)}}
        for name in manifest.tasks
    }


def _reference(validation: Json, task: str, without: str) -> dict[str, Any]:
    """The reference's metrics: of the artefact that was held against the most of these rows."""
    on_others = validation.get("earlier", {})
    found = {
        name: one.get("without", {}).get(without, {}) if without else one
        for name, one in validation["artefacts"].items()
        if name not in on_others
    }
    parts = [one.get("tasks", {}).get(task, {}) for one in found.values()]
    blocks = [part["metrics"] for part in parts if part.get("metrics")]
    if not blocks:
        return {}
    best = max(blocks, key=lambda block: max(part["reference"]["rows"] for part in block.values()))
    return {name: part["reference"] for name, part in best.items()}
