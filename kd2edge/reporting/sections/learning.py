"""How the models learned: validation metric and training loss over the epochs, task by task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kd2edge.reporting.page import Figure, Figures, Section
from kd2edge.reporting.plots import Points, line_plot
from kd2edge.reporting.reading import FORMS

__all__ = ["section"]

Json = Mapping[str, Any]


def section(report: Json) -> Section | None:
    """One metric plot and one loss plot a task; None when the run kept no curves."""
    curves: Json = report.get("curves", {})
    present = [form for form in FORMS if curves.get(form)]
    if not present:
        return None
    legend = [(form, FORMS[form]) for form in present]
    metrics = [_metric_figure(report, curves, task) for task in report["tasks"]]
    losses = [_loss_figure(curves, task) for task in report["tasks"]]
    blocks = [
        Figures([figure for figure in metrics if figure.svg], legend),
        Figures([figure for figure in losses if figure.svg], _LOSS_LEGEND),
    ]
    return Section("learning", "Learning curves", [block for block in blocks if block.figures])


_LOSS_LEGEND = (
    ("student kd", "student, distillation loss"),
    ("student", "student, label loss"),
    ("baseline", "no distillation, label loss"),
)


def _metric_figure(report: Json, curves: Json, task: str) -> Figure:
    series = {
        FORMS[form]: (form, _points(curves[form], "validation", task))
        for form in FORMS
        if curves.get(form)
    }
    metric = str(report["tasks"][task]["metric"]).replace("_", " ")
    svg = line_plot(series, label=f"{task}: validation {metric} by epoch", x_label="epoch")
    return Figure(f"{task}: {metric} on validation", svg)


def _loss_figure(curves: Json, task: str) -> Figure:
    student, baseline = curves.get("student", ()), curves.get("baseline", ())
    series = {
        "student, distillation": ("student kd", _points(student, "train", task, "kd")),
        "student, labels": ("student", _points(student, "train", task, "task")),
        "no distillation, labels": ("baseline", _points(baseline, "train", task, "task")),
    }
    svg = line_plot(series, label=f"{task}: training loss by epoch", x_label="epoch")
    return Figure(f"{task}: training loss", svg)


def _points(curve: Any, *keys: str) -> Points:
    points: list[tuple[float, float]] = []
    for entry in curve:
        value = entry
        for key in keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        if isinstance(value, (int, float)) and value == value:  # noqa: PLR0124  (NaN)
            points.append((float(entry["epoch"]), float(value)))
    return points
