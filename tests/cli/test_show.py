from __future__ import annotations

from pathlib import Path

import pytest

from commands import kd2edge, succeed
from docs.documents import ROOT
from kd2edge.recipe import load_recipe

RECIPES = sorted((ROOT / "recipes").rglob("*.yaml"))
assert RECIPES


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.stem)
def test_what_is_shown_is_the_same_recipe_and_is_shown_as_itself(
    recipe: Path, tmp_path: Path
) -> None:
    shown = succeed("show", recipe).out
    again = tmp_path / "shown.yaml"
    again.write_text(shown, encoding="utf-8")
    assert succeed("show", again).out == shown
    first, second = load_recipe(recipe), load_recipe(again)
    assert second.recipe == first.recipe
    assert second.fingerprint == first.fingerprint


def test_defaults_and_overrides_stand_in_it() -> None:
    shown = succeed("show", RECIPES[0], "--set", "train.lr=0.125").out
    assert "lr: 0.125" in shown
    assert "label_smoothing: 0.0" in shown
    assert "logits: {kind: kl, standardise: false}" in shown


def test_a_method_without_options_is_its_name_alone() -> None:
    shown = succeed("show", RECIPES[0], "--set", "distill.logits=mse").out
    assert "logits: mse" in shown


def test_variables_stand_as_they_are_read_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (ROOT / "recipes" / "quickstart.yaml").read_text(encoding="utf-8")
    path = tmp_path / "one.yaml"
    path.write_text(text.replace("name: quickstart", "name: ${KD2EDGE_NAME}"), encoding="utf-8")
    monkeypatch.setenv("KD2EDGE_NAME", "mine")
    shown = succeed("show", path).out
    path.write_text(shown, encoding="utf-8")
    monkeypatch.delenv("KD2EDGE_NAME")
    assert load_recipe(path).recipe.name == "mine"


def test_what_a_terminal_obeys_is_escaped_and_read_back(tmp_path: Path) -> None:
    licence = "a\x1b[31m\u202eb\u0085 \U000e0001 ü"
    override = f'licences.data=["{licence.encode("unicode_escape").decode()}"]'
    shown = succeed("show", ROOT / "recipes" / "quickstart.yaml", "--set", override).out
    assert all(sign.isprintable() or sign == "\n" for sign in shown)
    assert "ü" in shown
    path = tmp_path / "one.yaml"
    path.write_text(shown, encoding="utf-8")
    assert load_recipe(path).recipe.licences.data == (licence,)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    result = kd2edge("show", RECIPES[0], "--set", "train.lrr=1", "--set", "seed=x")
    assert result.code == 2
    assert "lrr" in result.err
    assert "seed" in result.err
