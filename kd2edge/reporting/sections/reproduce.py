"""How to get the same again: commands, fingerprints, machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kd2edge.reporting.page import Block, Cell, Column, Commands, Grid, Section

__all__ = ["section"]

Json = Mapping[str, Any]


def section(report: Json, validation: Json | None) -> Section:
    """Commands first, then what they have to agree with."""
    blocks: list[Block] = [Commands(_commands(report))]
    prints: Json = report.get("fingerprints", {})
    named = {f"{name} (SHA-256)": value for name, value in prints.items() if value}
    if validation is not None and validation.get("manifest"):
        named["bundle (SHA-256 of manifest.json)"] = validation["manifest"]
    named["seed"] = report.get("seed", "")
    named["made by"] = report.get("created_by", "")
    named.update(
        {f"machine: {key}": _plain(value) for key, value in report.get("machine", {}).items()}
    )
    rows = [
        [Cell(name), Cell(str(value), kind="code")] for name, value in named.items() if value != ""
    ]
    blocks.append(Grid([Column("What", is_text=True), Column("Value", is_text=True)], rows))
    return Section("reproduce", "Reproduce", blocks)


def _plain(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(str(part) for part in value)
    return str(value)


def _commands(report: Json) -> list[str]:
    """The run's own commands where it kept them, else the verbs by name."""
    kept = report.get("commands")
    if isinstance(kept, list) and kept:
        return [str(line) for line in kept]
    name = report["name"]
    return [
        f"kd2edge distill runs/{name}/recipe.yaml --run-dir runs/{name}-again",
        f"kd2edge export runs/{name} --out models/{name}",
        f"kd2edge validate models/{name}",
        f"kd2edge bench models/{name}",
        f"kd2edge compare runs/{name} runs/{name}-again",
    ]
