"""What the gate says about a planted fault, through its public door."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from planted.kind import Said

#: Parts of an artefact's result, and what the table calls them.
_LEVELS = {"graph": "graph", "numbers": "numbers", "tasks": "tasks", "edges": "edges"}
#: Letters of a reason in the table.
_SHOWN = 160


def judged(
    bundle: Path,
    data: Path | None,
    artefact: str,
    *,
    threads: int | None = 1,
    max_drop: Mapping[str, float] | None = None,
    confidence: float | None = None,
) -> Said:
    """``kd2edge validate BUNDLE --data FILE --artefact ID``."""
    from kd2edge.errors import Kd2edgeError
    from kd2edge.pipeline.verbs.validation import validate

    try:
        result = validate(
            bundle,
            data=data,
            artefacts=[artefact],
            threads=threads,
            max_drop=max_drop,
            confidence=confidence,
        )
    except Kd2edgeError as error:
        return Said(True, "refused", f"{type(error).__name__}: {_short(str(error), bundle)}")
    said = result.to_json()["artefacts"][artefact]
    reason = said.get("reason") or ""
    if result.outcome == "pass":
        return Said(False, "pass", "")
    levels = ", ".join(dict.fromkeys(_levels(said))) or said["verdict"]
    return Said(True, result.outcome, f"{levels}: {_short(reason, bundle)}")


def _levels(said: Mapping[str, Any]) -> Iterator[str]:
    """The parts of a result that hold something against the artefact."""
    for name, part in said.items():
        if name == "tasks":
            if any(one["verdict"] != "pass" for one in part.values()):
                yield name
        elif name == "without":
            if any("tasks" in _levels({"reason": "", **one}) for one in part.values()):
                yield "without an input"
        elif name != "numbers" and _failed(part):
            yield _LEVELS.get(name, name)
    if "logits" in (said.get("reason") or "") or "decisions are PyTorch's" in said["reason"]:
        yield "numbers"


def _failed(part: Any) -> bool:
    """Whether a check in it failed, or could not be looked at."""
    if isinstance(part, Mapping):
        return part.get("status") == "failed" or any(map(_failed, part.values()))
    return isinstance(part, list) and any(map(_failed, part))


def _short(text: str, bundle: Path) -> str:
    for place in (bundle, bundle.parent.parent):
        text = text.replace(str(place), place.name)
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
