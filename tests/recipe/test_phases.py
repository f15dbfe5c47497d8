"""What a phase does not state is as the recipe says for all of them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kd2edge.errors import Problem
from kd2edge.recipe import LoadedRecipe

Load = Callable[..., LoadedRecipe]
Problems = Callable[..., list[Problem]]

PHASES = """\
train: {epochs: 7, lr: 1.0e-2}
distill: {temperature: 3.0, alpha: {intent: 0.2, urgent: 0.3}}
phases:
  - {name: general, rows: unlabelled, train: {epochs: 2}, distill: {alpha: 1.0}}
  - {name: target, rows: [rows], train: {freeze: heads.urgent}}
"""


def test_each_key_is_its_own_or_the_recipes(load: Load, small: str) -> None:
    general, target = load(small + PHASES).recipe.phases
    assert (general.train.epochs, general.train.lr) == (2, 1e-2)
    assert (target.train.epochs, target.train.lr) == (7, 1e-2)
    assert (general.distill.alpha, general.distill.temperature) == (1.0, 3.0)
    assert target.distill.alpha == {"intent": 0.2, "urgent": 0.3}
    assert (general.train.freeze, target.train.freeze) == ((), ("heads.urgent",))
    assert (general.rows, target.rows) == ("unlabelled", ("rows",))


def test_a_recipe_without_phases_has_none(load: Load, small: str) -> None:
    assert load(small).recipe.phases == ()


def test_what_a_run_keeps_loads_as_the_same_phases_and_states_what_is_their_own(
    load: Load, small: str
) -> None:
    first = load(small + PHASES)
    kept = first.dump_resolved()
    again = load(kept)
    assert again.recipe == first.recipe
    assert again.fingerprint == first.fingerprint
    assert again.dump_resolved() == kept
    own = {steps[1:] for steps in again.places.keys if steps[0] == "phases" and len(steps) == 4}
    assert own == {
        (0, "train", "epochs"),
        (0, "distill", "alpha"),
        (1, "train", "freeze"),
    }


def test_what_is_put_into_a_kept_recipe_reaches_its_phases(load: Load, small: str) -> None:
    """As a study does."""
    kept = load(small + PHASES).dump_resolved()
    changed = load(kept, "train.lr=1.0", "train.epochs=9", "distill.temperature=4.0").recipe
    assert [phase.train.lr for phase in changed.phases] == [1.0, 1.0]
    assert [phase.train.epochs for phase in changed.phases] == [2, 9]
    assert [phase.distill.temperature for phase in changed.phases] == [4.0, 4.0]


def test_an_override_reaches_one_phase_by_its_name_or_all(load: Load, small: str) -> None:
    one = load(small + PHASES, "phases.target.train.lr=1.0").recipe.phases
    assert [phase.train.lr for phase in one] == [1e-2, 1.0]
    every = load(small + PHASES, "train.lr=1.0").recipe.phases
    assert [phase.train.lr for phase in every] == [1.0, 1.0]


def test_what_is_wrong_for_all_phases_is_told_once(problems: Problems, small: str) -> None:
    text = small + PHASES.replace("lr: 1.0e-2", "lr: 0")
    assert [one.field for one in problems(text)] == ["train.lr"]
    (alone,) = problems(small + PHASES, "distill.alpha={intent: 0.2, urgent: 3}")
    assert alone.field == "distill.alpha.urgent"


@pytest.mark.parametrize(
    ("old", "new", "field", "says"),
    [
        ("{epochs: 2}", "{epochs: 0}", "phases.0.train.epochs", "expected at least 1, found 0"),
        ("{epochs: 2}", "{epoch: 2}", "phases.0.train.epoch", "did you mean 'epochs'"),
        ("{epochs: 2}", "2", "phases.0.train", "expected a mapping, found 2"),
        ("unlabelled", "unlabeled", "phases.0.rows", "'unlabelled'"),
        ("[rows]", "[row]", "phases.1.rows.0", "no source 'row'; did you mean 'rows'?"),
        ("[rows]", "[rows, rows]", "phases.1.rows.1", "'rows' stands twice"),
        ("[rows]", "[]", "phases.1.rows", "expected at least 1 items"),
        ("name: target", "name: general", "phases.1.name", "'general' stands twice"),
        ("{alpha: 1.0}", "{alpha: {intent: 1}}", "phases.0.distill.alpha", "no 'urgent'"),
        ("{alpha: 1.0}", "{features: [{teacher: bigg, from: a, to: b}]}",
         "phases.0.distill.features.0.teacher", "no teacher 'bigg'; did you mean 'big'?"),
        ("freeze: heads", "layer_decay: 0, freeze: heads", "phases.1.train.layer_decay",
         "expected more than 0, found 0"),
        ("freeze: heads", "rates: {heads: 0}, freeze: heads", "phases.1.train.rates.heads",
         "expected more than 0, found 0"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_at_its_place(
    problems: Problems, small: str, old: str, new: str, field: str, says: str
) -> None:
    assert old in PHASES
    found = problems(small + PHASES.replace(old, new))
    assert [one.field for one in found] == [field] * len(found)
    assert says in found[0].message


def test_tasks_that_nobody_teaches_have_no_alpha_in_any_phase(
    problems: Problems, small: str
) -> None:
    text = small.replace("weights}", "weights}\n    tasks: [intent]") + PHASES
    text = text.replace("urgent: 0.3", "urgent: 0")
    found = problems(text)
    assert [one.field for one in found] == ["phases.0.distill.alpha"]
    assert "no teacher teaches 'urgent'" in found[0].message
