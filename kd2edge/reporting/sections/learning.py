"""How the models learned: validation metric and training loss over the epochs, task by task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kd2edge.reporting.page import Figure, Figures, Note, Section
from kd2edge.reporting.plots import Points, line_plot
from kd2edge.reporting.reading import FORMS

__all__ = ["section"]

Json = Mapping[str, Any]


def section(report: Json) -> Section | None:
    """One metric plot and one loss plot a task; None when the run kept no curves.

    What schedules of alpha and temperature did is drawn for the tasks that have one.
    """
    curves: Json = report.get("curves", {})
    models = _models(curves)
    if not models:
        return None
    metrics = [_metric_figure(report, curves, models, task) for task in report["tasks"]]
    losses = [_loss_figure(curves, task) for task in report["tasks"]]
    blocks = [
        Figures([figure for figure in metrics if figure.svg], _legend(models)),
        Figures([figure for figure in losses if figure.svg], _loss_legend(report)),
        Figures(_value_figures(curves, report["tasks"]), [("student", "student")]),
    ]
    drawn = [block for block in blocks if block.figures]
    return Section("learning", "Learning curves", [*_phases(report), *_peers(report), *drawn])


def _phases(report: Json) -> list[Note]:
    """Which epochs of the student are of which phase."""
    phases = report.get("models", {}).get("student", {}).get("phases", [])
    said = [f"{one['name']} (epochs {one['first_epoch']} to {one['last_epoch']})" for one in phases]
    return [Note(f"The student was trained in phases: {', then '.join(said)}.")] if said else []


def _peers(report: Json) -> list[Note]:
    """Which nets have learned beside the student, and how good the last epoch left them."""
    found: Json = report.get("mutual", {})
    said: list[str] = []
    for name in found.get("peers", ()):
        points = [one.get("peers", {}).get(name) for one in report["curves"].get("student", ())]
        last = next(filter(None, reversed(points)), {})
        values = ", ".join(f"{task} {value:.3f}" for task, value in last.items())
        said.append(f"{name} ({values} on validation in the end)" if values else str(name))
    if not said:
        return []
    weight, phase = found["weight"], f" in phase {found['phase']}" if "phase" in found else ""
    return [
        Note(
            f"Beside the student learned{phase}, each from all others with weight {weight:g}:"
            f" {', '.join(said)}."
        )
    ]


def _models(curves: Json) -> dict[str, tuple[str, str]]:
    """Key of a curve -> (colour class, name); several teachers stand under their own names."""
    teachers = [name for name in curves if name not in FORMS]
    found = {name: ("teacher", f"teacher {name}") for name in teachers}
    found |= {form: (form, name) for form, name in FORMS.items()}
    return {key: model for key, model in found.items() if curves.get(key)}


def _legend(models: Mapping[str, tuple[str, str]]) -> list[tuple[str, str]]:
    """One entry a colour: two teachers look alike, and their lines say which is which."""
    kinds = [kind for kind, _ in models.values()]
    names = dict(models.values())
    return [(kind, FORMS[kind] if kinds.count(kind) > 1 else names[kind]) for kind in names]


#: Colour class -> what is drawn in it, its model, and the loss among those of training.
_LOSSES = {
    "student kd": ("student, distillation", "student", "kd"),
    "student mutual": ("student, its peers", "student", "mutual"),
    "student": ("student, labels", "student", "task"),
    "baseline": ("no distillation, labels", "baseline", "task"),
}


def _loss_legend(report: Json) -> list[tuple[str, str]]:
    """What some task's figure draws: there may be no teacher, or no baseline."""
    drawn = {name for task in report["tasks"] for name in _losses(report["curves"], task)}
    return [(kind, name) for kind, (name, _, _) in _LOSSES.items() if name in drawn]


def _metric_figure(
    report: Json, curves: Json, models: Mapping[str, tuple[str, str]], task: str
) -> Figure:
    series = {
        name: (kind, _points(curves[key], "validation", task))
        for key, (kind, name) in models.items()
    }
    metric = str(report["tasks"][task]["metric"]).replace("_", " ")
    svg = line_plot(series, label=f"{task}: validation {metric} by epoch", x_label="epoch")
    return Figure(f"{task}: {metric} on validation", svg)


def _loss_figure(curves: Json, task: str) -> Figure:
    label = f"{task}: training loss by epoch"
    svg = line_plot(_losses(curves, task), label=label, x_label="epoch")
    return Figure(f"{task}: training loss", svg)


def _value_figures(curves: Json, tasks: Json) -> list[Figure]:
    """What a schedule gave, its mean over each epoch; constants have no figure."""
    found: list[Figure] = []
    for task in tasks:
        for value in ("alpha", "temperature", "sample_weight", "weight"):
            points = _points(curves.get("student", ()), "values", task, value)
            if points:
                label = f"{task}: mean {value.replace('_', ' ')} by epoch"
                svg = line_plot({"student": ("student", points)}, label=label, x_label="epoch")
                found.append(Figure(f"{task}: {value.replace('_', ' ')}", svg))
    return found


def _losses(curves: Json, task: str) -> dict[str, tuple[str, Points]]:
    found = {
        name: (kind, _points(curves.get(model, ()), "train", task, loss))
        for kind, (name, model, loss) in _LOSSES.items()
    }
    return {name: one for name, one in found.items() if one[1]}


def _points(curve: Any, *keys: str) -> Points:
    points: list[tuple[float, float]] = []
    for entry in curve:
        value = entry
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(value, (int, float)) and value == value:  # noqa: PLR0124  (NaN)
            points.append((float(entry["epoch"]), float(value)))
    return points
