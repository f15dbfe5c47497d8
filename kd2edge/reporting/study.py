"""What a study found, as a table for the terminal and as a page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from kd2edge.reporting import formats
from kd2edge.reporting.page import Cell, Column, Fact, Figure, Figures, Grid, Note, Section
from kd2edge.reporting.plots import Bar, gain_plot
from kd2edge.reporting.rendering import rendered
from kd2edge.reporting.tables import Group, Table
from kd2edge.scale import Scale

__all__ = ["HURTS", "NOT_SHOWN", "PAYS", "SCHEMA", "study_html", "study_table"]

#: Version of study.json.
SCHEMA = 2

#: What the two tests of a comparison say; what was not shown is not shown to be nothing.
PAYS = "pays"
HURTS = "hurts"
NOT_SHOWN = "not shown"

Json = Mapping[str, Any]
_COLOURS = {PAYS: "verdict-pass", HURTS: "verdict-fail"}


def study_table(study: Json) -> Table:
    """Each task: what every variant reaches, and what it gains or its part brings.

    Args:
        study: ``study.json`` as ``kd2edge study`` writes it.
    """
    columns = ("variant", "value", "gain", "at least, at most", "p", "verdict")
    groups = tuple(_group(study, task) for task in study["tasks"])
    return Table(columns, groups, frozenset({0, 5}), tuple(_notes(study)))


def study_html(study: Json) -> str:
    """The page of a study: one file that loads nothing.

    Args:
        study: ``study.json``.
    """
    result = Section(
        "result",
        "Result",
        [
            *(_grid(study, task) for task in study["tasks"]),
            *(Note(text) for text in _notes(study)),
            Figures([_figure(study, task) for task in study["tasks"]]),
        ],
    )
    tried = Section("variants", "What was tried", [_variants(study)])
    return rendered(
        name=str(study["name"]),
        what="study",
        lead=_lead(study),
        facts=_facts(study),
        sections=[result, tried],
        made_by=str(study["created_by"]),
    )


def _scale(study: Json, task: str) -> Scale:
    said = study["tasks"][task]
    return Scale(said["unit"], said["factor"], said["lower_is_better"])


def _of(study: Json, task: str) -> list[Json]:
    return [one for one in study["comparisons"] if one["task"] == task]


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _signed(scale: Scale, value: float | None) -> str:
    if value is None:
        return formats.ABSENT
    text = scale.number(abs(value))
    return text if set(text) <= {"0", "."} else ("+" if value > 0 else "−") + text


def _bounds(scale: Scale, gain: Json) -> str:
    return f"{_signed(scale, gain['low'])}, {_signed(scale, gain['high'])}"


def _title(study: Json, task: str) -> str:
    said = study["tasks"][task]
    unit = f", {said['unit']}" if said["unit"] else ""
    return f"{task}: {said['metric'].replace('_', ' ')}{unit}"


def _group(study: Json, task: str) -> Group:
    scale, compared = _scale(study, task), _of(study, task)
    rows = [("as it is", scale.number(_mean(one["base"])), "", "", "", "") for one in compared[:1]]
    for one in compared:
        gain = one["gain"]
        rows.append(
            (
                one["variant"],
                scale.number(_mean(one["variant_values"])),
                _signed(scale, gain["value"]),
                _bounds(scale, gain),
                _p(_smaller(one)),
                one["verdict"],
            )
        )
    return Group(_title(study, task), tuple(rows))


def _smaller(one: Json) -> float:
    """The corrected p-value of the side that a comparison leans to."""
    return min(one["p_holm"].values())


def _p(value: float) -> str:
    return f"{value:.3f}" if value >= 0.001 else "<.001"


def _notes(study: Json) -> Iterator[str]:
    seeds, sure, tests = study["seeds"], study["confidence"], 2 * len(study["comparisons"])
    several = f"{len(seeds)} seeds" if len(seeds) > 1 else "one seed"
    what = (
        "what the part brings: the recipe as it is less the recipe without it"
        if study["kind"] == "ablation"
        else "the variant less the recipe as it is"
    )
    over_seeds = ", with Student's t over seeds" if len(seeds) > 1 else ""
    yield (
        f"Gain: {what}, as a mean over {several}, better is positive. Each of its two bounds is"
        f" one-sided at {sure:.0%}, by a paired bootstrap over {study['split']} rows"
        f"{over_seeds}."
    )
    yield (
        "Two one-sided tests each, of a gain (pays) and of a loss (hurts). p is that of the side"
        f" the gain leans to, corrected for all {tests} tests (Holm): pays or hurts where it is at"
        f" most {1 - sure:.2f}. Not shown does not mean that there is none."
    )
    for word in (PAYS, HURTS):
        if alone := [one for one in _tests(study, "alone", word) if one["verdict"] == NOT_SHOWN]:
            yield (
                f"Not shown, but the bound of each of these, taken alone, says that it {word}:"
                f" {_named(alone)}. More seeds may tell."
            )
    if len(seeds) == 1:
        yield "One seed: bounds and tests speak of that seed alone, others may differ more."
    elif len(seeds) < 5:
        yield (
            f"{len(seeds)} seeds tell little of how much seeds differ, so the bounds are wide and"
            " little is shown. Repeat with five or more."
        )
    yield f"Teachers have one seed ({seeds[0]}): how much others would differ is in no bound."
    if study["best"] is not None:
        yield (
            f"{study['best']} is the best on validation of what the search tried; the test rows had"
            " no part in that choice."
        )
    for one in study["variants"]:
        if one["reason"]:
            yield f"{one['name']}: {one['state']}: {one['reason']}"
    if len(study["codes"]) > 1:
        yield "The runs were made by different versions of kd2edge's code."


def _tests(study: Json, key: str, word: str) -> list[Json]:
    return [one for one in study["comparisons"] if one[key] == word]


def _named(comparisons: list[Json]) -> str:
    return ", ".join(f"{one['variant']} ({one['task']})" for one in comparisons)


def _lead(study: Json) -> str:
    pays, hurts = (_tests(study, "verdict", word) for word in (PAYS, HURTS))
    said = [
        f"{len(found)} {word}{f': {_named(found)}' if found else ''}"
        for found, word in ((pays, "shown to pay"), (hurts, "shown to hurt"))
    ]
    return f"Of {len(study['comparisons'])} comparisons {'; '.join(said)}."


def _facts(study: Json) -> list[Fact]:
    done = [one for one in study["variants"] if one["state"] == "complete"]
    failed = [one for one in study["variants"] if one["state"] == "failed"]
    facts = [Fact(str(len(done)), "variants tried"), Fact(str(len(study["seeds"])), "seeds each")]
    return facts + ([Fact(str(len(failed)), "failed", "bad")] if failed else [])


def _grid(study: Json, task: str) -> Grid:
    columns = [
        Column("Variant", is_text=True), Column("Value"), Column("Gain"), Column("p (Holm)"),
        Column("Verdict", is_text=True),
    ]  # fmt: skip
    scale = _scale(study, task)
    rows: list[list[Cell]] = []
    for one in _of(study, task):
        gain, value = one["gain"], _mean(one["variant_values"])
        if not rows:
            base = _mean(one["base"])
            empty = [Cell("")] * 3
            rows.append([Cell("as it is"), Cell(scale.number(base), sort=base), *empty])
        rows.append(
            [
                Cell(one["variant"]),
                Cell(scale.number(value), sort=value),
                Cell(_signed(scale, gain["value"]), f"[{_bounds(scale, gain)}]", "", gain["value"]),
                Cell(_p(_smaller(one)), sort=_smaller(one)),
                _verdict(one),
            ]
        )
    return Grid(columns, rows, _title(study, task), sortable=True)


def _verdict(one: Json) -> Cell:
    alone = "" if one["alone"] == one["verdict"] else f"alone: {one['alone']}"
    return Cell(one["verdict"], alone, _COLOURS.get(one["verdict"], ""))


def _figure(study: Json, task: str) -> Figure:
    bars = [
        Bar(
            one["variant"],
            one["verdict"],
            one["gain"]["value"],
            one["gain"]["low"],
            one["gain"]["high"],
        )
        for one in _of(study, task)
    ]
    picture = gain_plot(bars, _scale(study, task), label=f"{task}: gains with their bounds")
    return Figure(f"Gains, {_title(study, task)}", picture)


def _variants(study: Json) -> Grid:
    columns = [
        Column("Variant", is_text=True), Column("Settings", is_text=True), Column("Parameters"),
        Column("Validation", title="what a search looks at: larger is better"),
        Column("State", is_text=True),
    ]  # fmt: skip
    rows = [
        [
            Cell(one["name"], f"trial {one['trial']}"),
            Cell(", ".join(one["settings"]) or "–"),
            Cell(formats.count(one["parameters"]), sort=one["parameters"]),
            Cell(formats.score(one["validation"]), sort=one["validation"]),
            Cell(one["state"], one["reason"]),
        ]
        for one in study["variants"]
    ]
    return Grid(columns, rows, sortable=True)
