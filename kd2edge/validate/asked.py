"""What a validation was asked for: artefacts, confidence and budgets, beside the manifest's."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from kd2edge.bundle.manifest import Gate
from kd2edge.bundle.store import Bundle
from kd2edge.errors import UsageError
from kd2edge.metrics.kinds import metric
from kd2edge.wording import meant

__all__ = ["asked_gate", "asked_names"]


def asked_names(bundle: Bundle, asked: Iterable[str] | None) -> list[str]:
    """The artefacts to judge.

    Raises:
        UsageError: one that the bundle lacks, or none at all.
    """
    known = list(bundle.manifest.artefacts)
    names = known if asked is None else list(dict.fromkeys(asked))
    for name in names:
        if name not in known:
            raise UsageError(f"{bundle.path} has no artefact {name!r}; it has {', '.join(known)}")
    if not names:
        raise UsageError(f"{bundle.path} has no artefact to validate; export the run again")
    return names


def _confidence(bundle: Bundle, asked: float | None) -> float:
    """The confidence of each bound.

    Raises:
        UsageError: not between 0.5 and 1.
    """
    stated = bundle.manifest.gate.confidence if asked is None else asked
    if not 0.5 < stated < 1:
        raise UsageError(
            f"confidence must be between 0.5 and 1, found {stated}; state one with --confidence"
        )
    return float(stated)


def asked_gate(
    bundle: Bundle,
    max_drop: Mapping[str, float],
    max_drop_class: Mapping[str, float],
    confidence: float | None,
) -> Gate:
    """The manifest's measures with those in their place that somebody asked for.

    Args:
        bundle: whose manifest holds the defaults.
        max_drop: task -> most that its metric may fall.
        max_drop_class: task -> most that the recall of one class may fall.
        confidence: of each one-sided bound; None: the manifest's.

    Raises:
        UsageError: an unknown task, a budget below 0 or, of a share, above 1, or none at all; a
            confidence that is not between 0.5 and 1.
    """
    tasks, own = bundle.manifest.tasks, bundle.manifest.gate
    sure = _confidence(bundle, confidence)
    own_units = {
        str(task): spec.metric
        for task, spec in tasks.items()
        if not metric(spec.metric).scale.is_share
    }
    _require_budgets(bundle, "max_drop", max_drop, own_units)
    _require_budgets(bundle, "max_drop_class", max_drop_class, {})
    stated = {**own.max_drop, **max_drop}
    missing = [task for task in tasks if task not in stated]
    if missing:
        raise UsageError(
            f"no budget for {', '.join(missing)}: state it in the recipe (validate.max_drop) "
            f"or with --max-drop {missing[0]}=0.005"
        )
    return Gate(
        {str(task): float(stated[task]) for task in tasks},
        {**own.max_drop_class, **max_drop_class},
        sure,
    )


def _require_budgets(
    bundle: Bundle, what: str, overrides: Mapping[str, float], unbound: Mapping[str, str]
) -> None:
    """Budgets are shares, but those of ``unbound``: task -> metric with a unit of its own."""
    tasks = bundle.manifest.tasks
    for task, value in overrides.items():
        if task not in tasks:
            hint = meant(task, tasks) or f"it has {', '.join(tasks)}"
            raise UsageError(f"{what} names the task {task!r}, which the bundle lacks; {hint}")
        if task in unbound and not 0 <= value < math.inf:
            of = f"it is in the unit of {unbound[task]}"
            raise UsageError(f"{what} of {task} must be 0 or more ({of}), found {value}")
        if task not in unbound and not 0 <= value <= 1:
            raise UsageError(f"{what} of {task} must be a share from 0 to 1, found {value}")
