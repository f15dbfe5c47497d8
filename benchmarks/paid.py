"""The section of ``docs/results.md`` about studies: what paid, and what did not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import mean
from typing import Any

from sections import Result, Row, Tables, content, table, written

from kd2edge.pipeline.verbs.study.findings import judge
from kd2edge.reporting.study import HURTS, NOT_SHOWN, PAYS

_MINUS = "\N{MINUS SIGN}"


def studies(results: Tables) -> str:
    """Every study: each variant of its recipe against the recipe as it is, task by task."""
    found = [results[name] for name in sorted(results) if name.startswith("study-")]
    header = (
        "study", "variant", "task", "metric", "as it is", "variant", "gain", "at least", "at most",
        "p (Holm)", "verdict",
    )  # fmt: skip
    studied = [content(result) for result in found]
    rows = [row for one in studied for row in rows_of(one)]
    before = [one["name"] for one in studied if not all(map(is_tested, one["comparisons"]))]
    one_sided = (
        f"\n\nOf {', '.join(before)} the test of a loss was not kept: the least that its p can be"
        " (but for the chance of resampling) follows from that of the gain: `>=`."
    )
    without = [row for one in studied for row in lacking_of(one)]
    lacking = "\n\nWithout a comparison:\n\n" + table(("study", "variant", "state", "why"), without)
    return written(
        "What paid",
        "Variants of one recipe over the same seeds (`kd2edge study`), on test rows.  Gains are in"
        " points where the metric is a share, bounds one-sided (95 %).  Two one-sided tests each,"
        " of a gain (`pays`) and of a loss (`hurts`); p is that of the side the gain leans to,"
        " corrected for all tests of its study.  `not shown` means that these rows and seeds do not"
        " show it, not that there is nothing; `alone` is what the same bounds say without the"
        " correction.  Of an ablation the gain is what the part brings.  "
        + " ".join(students(found)),
        table(header, rows) + one_sided * bool(before) + lacking * bool(without),
        found,
    )


def scopes(results: Tables) -> str:
    """What tells rows in and out of scope apart; "" where nothing was measured."""
    found = [results[name] for name in sorted(results) if name.startswith("scopes-")]
    if not found:
        return ""
    header = (
        "recipe", "task", "whose", "score", "validation: recall out of scope", "test: accuracy",
        "recall out of scope", "in scope",
    )  # fmt: skip
    keys = (
        "validation_out_of_scope_recall", "accuracy", "out_of_scope_recall", "in_scope_recall",
    )  # fmt: skip
    rows: list[Row] = [
        (
            content(one)["recipe"], task, whose, score,
            *(f"{mean(values[key]):.4f}" for key in keys),
        )
        for one in found
        for task in content(one)["tasks"]
        for whose, tasks in {
            "student": content(one)["tasks"],
            **{f"teacher {name}": own for name, own in content(one)["teachers"].items()},
        }.items()
        for score, values in tasks[task].items()
    ]  # fmt: skip
    seeds = len(next(iter(next(iter(content(found[0])["tasks"].values())).values()))["accuracy"])
    return written(
        "What tells rows out of scope",
        f"Scores of one and the same students ({seeds} seeds, means) and of their teacher on test"
        " rows, each with a threshold fitted to the validation rows to the recipe's aim; what it"
        " finds of the validation rows out of scope is what to choose by.  Probability and energy"
        " are what `reject` has; distances are cosines in the space that heads read, from the mean"
        " of the training rows: to prototypes as by `by: distance`, to all rows as nothing of the"
        " product does.",
        table(header, rows),
        found,
    )


def students(found: list[Result]) -> Iterator[str]:
    """What each study's student is."""
    for result in found:
        one = content(result)
        base = next(each for each in one["variants"] if each["trial"] == 0)
        model = one["student"]["model"]
        family = "several nets" if model["family"] == "joint" else f"a `{model['family']}` student"
        yield (
            f"`{one['name']}`: {family} of {base['parameters']:,} parameters,"
            f" {one['epochs']} epochs, {len(one['seeds'])} seeds."
        )


def rows_of(study: Mapping[str, Any]) -> Iterator[Row]:
    for one in two_sided(study):
        task, gain = study["tasks"][one["task"]], one["gain"]
        sides = (mean(one["base"]), mean(one["variant_values"]))
        p = min(one["p_holm"].values())
        alone = "" if one["alone"] == one["verdict"] else f" (alone: {one['alone']})"
        yield (
            study["name"],
            one["variant"],
            one["task"],
            one["metric"],
            *(f"{value:.4f}" for value in sides),
            *(signed(gain[key] * task["factor"]) for key in ("value", "low", "high")),
            f"{'' if one['exact'] or p == 1 else '>= '}{p:.3f}",
            f"{one['verdict']}{alone}",
        )


def two_sided(study: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Comparisons with both tests; of a record of before, as much as it lets one say.

    The two p-values count the same distribution's two sides, the phantom row against both, and so
    add up to at least ``1 + 1 / (1 + resamples)`` but for the chance of drawing: that of a loss is
    no less than what that of the gain leaves.  Holm's correction rises with every p-value: what
    bounds one from below bounds all of them.
    """
    comparisons = study["comparisons"]
    if all(map(is_tested, comparisons)):
        yield from ({**one, "exact": True} for one in comparisons)
        return
    rest = 1 + 1 / (1 + study["resamples"])
    found = [
        {**one, "exact": False, "p": {"gain": one["p"], "loss": max(rest - one["p"], 0.0)}}
        for one in comparisons
    ]
    judge(found)
    for one in found:
        bounds = {PAYS: one["gain"]["low"] > 0, HURTS: one["gain"]["high"] < 0}
        one["alone"] = next((word for word, is_so in bounds.items() if is_so), NOT_SHOWN)
        if one["verdict"] != NOT_SHOWN:
            one["verdict"] = "not tested"
        yield one


def is_tested(comparison: Mapping[str, Any]) -> bool:
    """Whether its record has both tests."""
    return isinstance(comparison["p"], Mapping)


def lacking_of(study: Mapping[str, Any]) -> Iterator[Row]:
    """Variants that failed, or that nothing could be compared with."""
    for one in study["variants"]:
        if one["reason"]:
            yield study["name"], one["name"], one["state"], one["reason"]


def signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", _MINUS)
