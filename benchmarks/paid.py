"""The section of ``docs/results.md`` about studies: what paid, and what did not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from statistics import mean
from typing import Any

from sections import Result, Row, Tables, content, table, written

_MINUS = "\N{MINUS SIGN}"


def studies(results: Tables) -> str:
    """Every study: each variant of its recipe against the recipe as it is, task by task."""
    found = [results[name] for name in sorted(results) if name.startswith("study-")]
    header = (
        "study", "variant", "task", "metric", "as it is", "variant", "gain", "at least", "at most",
        "p (Holm)", "shown",
    )  # fmt: skip
    rows = [row for result in found for row in rows_of(content(result))]
    return written(
        "What paid",
        "Variants of one recipe over the same seeds (`kd2edge study`), on test rows.  Gains are in"
        " points where the metric is a share, bounds one-sided (95 %), p is corrected for all tests"
        " of its study.  `no` means that these rows and seeds do not show a gain, not that there is"
        " none.  Of an ablation the gain is what the part brings.  " + " ".join(students(found)),
        table(header, rows),
        found,
    )


def scopes(results: Tables) -> str:
    """What tells rows in and out of scope apart; "" where nothing was measured."""
    found = [results[name] for name in sorted(results) if name.startswith("scopes-")]
    if not found:
        return ""
    header = ("recipe", "task", "score", "accuracy", "recall out of scope", "in scope")
    keys = ("accuracy", "out_of_scope_recall", "in_scope_recall")
    rows: list[Row] = [
        (content(one)["recipe"], task, score, *(f"{mean(values[key]):.4f}" for key in keys))
        for one in found
        for task, scored in content(one)["tasks"].items()
        for score, values in scored.items()
    ]
    seeds = len(next(iter(next(iter(content(found[0])["tasks"].values())).values()))["accuracy"])
    return written(
        "What tells rows out of scope",
        f"Scores of one and the same students ({seeds} seeds, means) on test rows, each with a"
        " threshold fitted to the validation rows to the recipe's aim.  Probability and energy are"
        " what `reject` has; distances are cosines in the space that heads read, from the mean of"
        " the training rows: to prototypes as by `by: distance`, to all rows as nothing of the"
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
    for one in study["comparisons"]:
        task, gain = study["tasks"][one["task"]], one["gain"]
        sides = (mean(one["base"]), mean(one["variant_values"]))
        yield (
            study["name"],
            one["variant"],
            one["task"],
            one["metric"],
            *(f"{value:.4f}" for value in sides),
            *(signed(gain[key] * task["factor"]) for key in ("value", "low", "high")),
            f"{one['p_holm']:.3f}",
            "yes" if one["shown"] else "no",
        )


def signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", _MINUS)
