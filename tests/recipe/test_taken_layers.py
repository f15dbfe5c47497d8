"""A word for layers is told as a list, where files state how many layers the nets have."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands import succeed
from kd2edge.recipe import load_recipe
from kd2edge.recipe.taken_layers import taken_layers
from products import write_text_project

_TEACHER = "teachers.0.model.config.num_hidden_layers=12"
_STUDENT = "student.model.config.num_hidden_layers=6"


@pytest.mark.parametrize(
    ("overrides", "layers"),
    [
        (("student.init.layers=strided", _TEACHER, _STUDENT), (0, 2, 4, 7, 9, 11)),
        (("student.init.layers=last", _TEACHER, _STUDENT), (6, 7, 8, 9, 10, 11)),
        (("student.init.layers=first", _TEACHER), (0,)),
        (("student.init.layers=[1]",), None),
        ((), None),
        (("student.init=null",), None),
        # More layers than the teacher has are refused at check.
        (("student.init.layers=first", _STUDENT), None),
        # Nobody states how many it has: transformers' default is not looked up.
        (("student.init.layers=first", "teachers.0.model.config={model_type: bert}"), None),
        (("student.init.layers=first", "student.model={family: static}"), None),
    ],
)
def test_a_word_is_told_where_the_numbers_are_stated(
    tmp_path: Path, overrides: tuple[str, ...], layers: tuple[int, ...] | None
) -> None:
    recipe = load_recipe(write_text_project(tmp_path), overrides=overrides).recipe
    assert taken_layers(recipe) == layers


@pytest.mark.parametrize("written", ['{"n_layers": 4}', '{"n_layers": "four"}', "[4]", "{", None])
def test_weights_on_this_machine_state_it(tmp_path: Path, written: str | None) -> None:
    recipe = write_text_project(tmp_path)
    folder = tmp_path / "weights"
    folder.mkdir()
    if written is not None:
        (folder / "config.json").write_text(written, encoding="utf-8")
    source = f"teachers.0.model={{family: transformers, source: {folder}}}"
    overrides = [source, "student.init.layers=last"]
    wanted = (3,) if written == '{"n_layers": 4}' else None
    assert taken_layers(load_recipe(recipe, overrides=overrides).recipe) == wanted


def test_show_says_it_behind_the_recipe_and_is_shown_as_itself(tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)
    settings = [part for one in ("student.init.layers=strided", _TEACHER, _STUDENT)
                for part in ("--set", one)]  # fmt: skip
    shown = succeed("show", recipe, *settings).out
    assert shown.endswith("# student.init.layers means [0, 2, 4, 7, 9, 11]\n")
    again = tmp_path / "again.yaml"
    again.write_text(shown, encoding="utf-8")
    assert succeed("show", again).out == shown
    said = json.loads(succeed("show", recipe, *settings, "--json").out)
    assert said["means"] == {"student.init.layers": [0, 2, 4, 7, 9, 11]}
    assert said["recipe"]["student"]["init"]["layers"] == "strided"
    assert json.loads(succeed("show", recipe, "--json").out)["means"] == {}
