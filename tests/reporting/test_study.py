from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from kd2edge.reporting import study_html, study_table
from kd2edge.reporting.study import SCHEMA

SHOWN = {"value": 0.031, "low": 0.012, "high": 0.05}
NOT = {"value": -0.25, "low": -0.5, "high": 0.125}
LOST = {"value": -0.042, "low": -0.08, "high": -0.011}


def study() -> dict[str, Any]:
    """An ablation of two parts on a share and on an error in years."""
    tasks = {
        "intent": {
            "metric": "macro_f1", "unit": "points", "factor": 100, "lower_is_better": False,
            "rows": 90,
        },
        "age": {"metric": "mae", "unit": "years", "factor": 1, "lower_is_better": True, "rows": 90},
    }  # fmt: skip
    comparisons = [
        {
            "variant": variant, "task": task, "metric": tasks[task]["metric"],
            "base": [0.8, 0.9], "variant_values": [0.7, 0.8], "gain": gain,
            "p": {"gain": 0.01, "loss": 0.01}, "p_holm": {"gain": p[0], "loss": p[1]},
            "verdict": verdict, "alone": verdict,
        }
        for variant, gain, p, verdict in (
            ("without a.b", SHOWN, (0.0004, 1.0), "pays"),
            ("without a.c", NOT, (1.0, 0.9), "not shown"),
            ("without a.d", LOST, (1.0, 0.012), "hurts"),
        )
        for task in tasks
    ]  # fmt: skip
    variant = {
        "settings": [], "state": "complete", "validation": 0.5, "parameters": 1234, "reason": "",
    }  # fmt: skip
    return {
        "schema": SCHEMA, "name": "mine-study", "created_by": "kd2edge 0", "kind": "ablation",
        "recipe": "f" * 64, "seeds": [17, 18], "split": "test", "confidence": 0.95,
        "resamples": 2000, "objective": {"intent": "macro_f1"}, "best": None, "tasks": tasks,
        "variants": [
            {"name": "as it is", "trial": 0, **variant},
            {"name": "without a.b", "trial": 1, **variant},
            {"name": "without a.c", "trial": 2, **variant, "reason": "it took <too> long"},
            {"name": "without a.d", "trial": 3, **variant},
        ],
        "comparisons": comparisons, "codes": ["a"],
    }  # fmt: skip


def test_a_row_says_value_gain_bounds_and_what_the_test_says() -> None:
    lines = study_table(study()).text().splitlines()
    said = [" ".join(line.split()) for line in lines]
    assert "without a.b 75.00 +3.10 +1.20, +5.00 <.001 pays" in said  # of intent, in points
    assert "without a.c 0.75 −0.25 −0.5, +0.125 0.900 not shown" in said  # of age, in years
    assert "without a.d 75.00 −4.20 −8.00, −1.10 0.012 hurts" in said
    assert all(len(line) <= 80 for line in lines)


def test_what_is_not_shown_is_not_called_absent() -> None:
    notes = " ".join(study_table(study()).notes)
    assert "Not shown does not mean that there is none" in notes
    assert "corrected for all 12 tests (Holm)" in notes  # two of each comparison
    assert "taken alone" not in notes
    assert "without a.c: complete: it took <too> long" in notes


def test_what_a_bound_alone_says_and_the_correction_does_not_is_named() -> None:
    found = study()
    found["comparisons"][2]["alone"] = "hurts"
    assert "taken alone, says that it hurts: without a.c (intent). More" in " ".join(
        study_table(found).notes
    )
    page = study_html(found)
    assert page.count("alone: hurts") == 1
    assert "alone: " not in study_html(study())


@pytest.mark.parametrize(
    ("seeds", "said"), [([1], "that seed alone"), ([1, 2, 3], "3 seeds tell little")]
)
def test_few_seeds_are_named(seeds: list[int], said: str) -> None:
    assert said in " ".join(study_table(study() | {"seeds": seeds}).notes)
    many = study_table(study() | {"seeds": [1, 2, 3, 4, 5]}).notes
    assert not any("tell little" in note or "alone" in note for note in many)


def test_bounds_are_said_to_be_what_they_are() -> None:
    """Rows are resampled and seeds are not: of few seeds the bounds are wide, never too narrow."""
    several, one = (" ".join(study_table(study() | {"seeds": at}).notes) for at in ([1, 2], [1]))
    assert "by a paired bootstrap over test rows, with Student's t over seeds." in several
    assert "the bounds are wide" in several
    assert "by a paired bootstrap over test rows. Two" in one
    assert "than should be" not in several + one


def test_a_search_names_its_best_and_how_it_was_chosen() -> None:
    found = study() | {"kind": "tpe", "best": "lr=0.1"}
    notes = " ".join(study_table(found).notes)
    assert "lr=0.1 is the best on validation" in notes
    assert "the variant less the recipe as it is" in notes


def test_the_page_has_a_plot_a_task_and_escapes_what_it_quotes() -> None:
    page = study_html(study())
    assert page == study_html(study())
    assert page.count('<svg class="plot"') == 2
    assert "it took &lt;too&gt; long" in page
    assert "mine-study: study" in page
    assert (
        "Of 6 comparisons 2 shown to pay: without a.b (intent), without a.b (age); 2 shown to hurt:"
        " without a.d (intent), without a.d (age)." in page
    )
    for colour in ("pass", "fail"):
        assert page.count(f'series verdict-{colour}"') == 2
        assert f'verdict-{colour}"><span>' in page


def test_a_study_without_anything_to_compare_has_a_table_and_a_page() -> None:
    found = deepcopy(study()) | {"comparisons": []}
    assert "intent" in study_table(found).text()
    assert "Of 0 comparisons 0 shown to pay; 0 shown to hurt." in study_html(found)
