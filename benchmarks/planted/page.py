"""The planted faults as a section of ``docs/results.md``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sections import Row, Tables, content, mark, points, table, written


def faults(results: Tables) -> str:
    """Faults that were planted, what they cost, and what stopped them."""
    header = ("part", "kind", "product", "artefact", "true drop", "stopped by", "met")
    found = results.get("faults")
    measured = content(found)
    rows = [fault_row(one) for one in measured.get("faults", ())]
    return written(
        "Planted faults and the gate",
        "A bundle is changed, its checksums are made again, and the gate judges it through its"
        " public door; what the fault costs is counted apart from the validator, from what"
        " `predict` answers, at the sizes and on the rows where it shows.  Whatever costs at least"
        " twice the budget is stopped: not passed, refused, or not preferred by `load`.  Of clean"
        " artefacts, over threads, orders, parts of the rows and products, none fails; `undecided`"
        " is no alarm.  Parts are those of the gate's list of blind spots; drops are in points.",
        _said(measured) + table(header, rows),
        [found],
    )


def _said(measured: Mapping[str, Any]) -> str:
    if not measured:
        return ""
    one = measured["summary"]
    whole = one["stopped"] == one["costly"] and not one["alarms"] and not one["broken"]
    whole = whole and one["controls_passed"] == one["controls"]
    return (
        f"**{one['stopped']} of {one['costly']}** that cost twice the budget are stopped"
        f" ({one['kinds']} kinds, {one['variants']} variants); of the clean artefacts on the same"
        f" rows {one['controls_passed']} of {one['controls']} pass; {one['clean']} clean verdicts:"
        f" {one['passed']} passed, {one['undecided']} undecided, **{one['alarms']}** false alarms;"
        f" met: {mark(whole)}.\n\n"
    )


def fault_row(one: Mapping[str, Any]) -> Row:
    harmless = one["verdict"] == "harmless"
    by = "nothing: harmless" if harmless else one["by"].partition(":")[0]
    return (
        one["group"],
        one["kind"],
        one["product"],
        one["artefact"],
        f"{points(one['drop'])} ({one['where']})" if one["drop"] else one["where"],
        by[:80] if one["stopped"] or harmless else NOTHING,
        mark(one["verdict"] in ("stopped", "harmless")),
    )


NOTHING = "nothing"
