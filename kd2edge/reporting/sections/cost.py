"""What the models cost: parameters, FLOPs, bytes, seconds of training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kd2edge.reporting import formats
from kd2edge.reporting.page import Block, Cell, Column, Grid, Note, Section
from kd2edge.reporting.reading import FORMS

__all__ = ["section", "smaller"]

Json = Mapping[str, Any]

_COLUMNS = (
    Column("Model", is_text=True),
    Column("Parameters"),
    Column("of these embeddings"),
    Column("FLOPs a row"),
    Column("Bytes (fp32)"),
    Column("Steps"),
    Column("Training time"),
)


def section(report: Json) -> Section | None:
    """One line a model, with the factor by which the student is smaller; None when unknown."""
    models: Json = report.get("models", {})
    rows = [_row(form, models[form], models.get("teacher", {})) for form in FORMS if form in models]
    if not rows:
        return None
    blocks: list[Block] = [Grid(_COLUMNS, rows)]
    if start := models.get("student", {}).get("start"):
        blocks.append(Note(_start_text(start)))
    cache: Json = report.get("cache", {})
    if cache.get("bytes"):
        blocks.append(Note(_cache_text(cache)))
    return Section("cost", "Size and cost", blocks)


def _start_text(start: Json) -> str:
    """What the student was started from, and how much of what it was taken from that keeps."""
    parts = [
        f"{one['what']} from {one['origin']} ({one['how']}{_kept_text(one['explained'])}), "
        f"{formats.percent(one['parameters'] / start['parameters'])}"
        for one in start["parts"]
    ]
    share = formats.percent(start["started"] / start["parameters"])
    rest = " The rest by chance." if start["started"] < start["parameters"] else ""
    return f"Start: {share} of the student's parameters: {'; '.join(parts)}.{rest}"


def _kept_text(explained: Any) -> str:
    return "" if explained is None or explained == 1.0 else f", keeps {formats.percent(explained)}"


def _cache_text(cache: Json) -> str:
    reused = "reused from an earlier run" if cache.get("reused") else "written in this run"
    return (
        f"Teacher outputs: {formats.size(cache['bytes'])} on disk for "
        f"{formats.count(cache.get('rows'))} rows, {reused}."
    )


def _row(form: str, model: Json, teacher: Json) -> list[Cell]:
    compared = teacher if form == "student" else {}
    name = "Student without distillation" if form == "baseline" else FORMS[form].capitalize()
    return [
        Cell(name),
        _sized(model, compared, "parameters", formats.count),
        Cell(
            formats.count(model.get("embedding_parameters")), sort=model.get("embedding_parameters")
        ),
        _sized(model, compared, "flops", formats.count),
        _sized(model, compared, "bytes", formats.size),
        Cell(formats.count(model.get("steps")), sort=model.get("steps")),
        Cell(formats.seconds(model.get("train_seconds")), sort=model.get("train_seconds")),
    ]


def _sized(model: Json, teacher: Json, key: str, write: Any) -> Cell:
    factor = smaller(teacher, model, key)
    sub = f"{formats.fraction(factor)} of the teacher" if factor else ""
    return Cell(write(model.get(key)), sub, "strong" if sub else "", model.get(key))


def smaller(teacher: Json, student: Json, key: str) -> float | None:
    """By what factor the student is smaller; None when either number is missing or zero."""
    large, small = teacher.get(key), student.get(key)
    return large / small if large and small else None
