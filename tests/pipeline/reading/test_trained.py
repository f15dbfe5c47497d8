"""What a trained model brings of its run, and that nothing else is taken for it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from kd2edge.errors import IntegrityError, UsageError
from kd2edge.files import fingerprint_bytes
from kd2edge.nets import save_net
from kd2edge.pipeline.reading.model_inputs import student_inputs
from kd2edge.pipeline.reading.prepare import prepare_data
from kd2edge.pipeline.reading.trained import (
    NOTHING,
    Brought,
    brought_by,
    brought_with,
    fitted_fingerprint,
    trained_stem,
    trees_stem,
)
from kd2edge.pipeline.steps.work import fresh_net
from kd2edge.recipe import load_recipe
from kd2edge.recipe.schema import TabularInput, Teacher
from products import swap_pieces, write_review_project

_TABLE, _TOKENIZER = "inputs/details.table", "tokenizer/review.json"
_DETAILS = TabularInput(kind="tabular", numeric=("age",), categorical=("town",), absent=0.3)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a net of a text and a table, as far as it counts here.  Do not change it."""
    recipe = write_review_project(tmp_path_factory.mktemp("review"))
    loaded, run = load_recipe(recipe), recipe.parent / "run"
    data = prepare_data(loaded)
    inputs = student_inputs(loaded.recipe, data.rows["train"], data.learned)
    net = fresh_net(loaded.recipe.student.model, inputs, list(data.tasks.values()), 0)
    for path, content in inputs.files.items():
        (run / path).parent.mkdir(parents=True, exist_ok=True)
        (run / path).write_bytes(content)
    for stem in (run / "student", run / "phases" / "first", run / "teachers" / "both"):
        stem.parent.mkdir(exist_ok=True)
        save_net(net, stem, tokenizers=inputs.tokenizers, fitted=inputs.fitted)
    return run


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def _table(brought: Brought) -> bytes | None:
    return brought.fitted("details", _DETAILS).get("table")


@pytest.mark.parametrize(
    "named",
    ["", "student", "student.safetensors", "phases/first.safetensors", "teachers/both"],
)
def test_a_net_brings_the_files_of_its_run(made: Path, named: str) -> None:
    found = brought_with(made / named)
    assert _table(found) == (made / _TABLE).read_bytes()
    assert found.tokenizers() == {"review": (made / _TOKENIZER).read_bytes()}


def test_a_text_has_nothing_that_it_was_fitted_to(made: Path) -> None:
    loaded = load_recipe(made.parent / "recipe.yaml")
    assert brought_with(made).fitted("review", loaded.recipe.inputs["review"]) == {}


def test_only_what_the_net_states_is_taken(run: Path) -> None:
    """What lies there is the student's, and may be another than a teacher of that run has read."""
    table = run / _TABLE
    table.write_bytes(table.read_bytes().replace(b"Rome", b"Oslo", 1) + b" ")
    found = brought_with(run)
    assert _table(found) is None
    assert found.tokenizers()
    swap_pieces(run / _TOKENIZER, "a", "b")
    assert brought_with(run) == NOTHING
    (run / _TOKENIZER).write_bytes(b"no tokenizer")
    assert brought_with(run) == NOTHING
    shutil.rmtree(run / "tokenizer")
    assert brought_with(run) == NOTHING


def test_files_beside_it_go_before_those_of_the_folder_above(run: Path) -> None:
    """A net that was copied elsewhere with its files, into another run."""
    own = (run / _TABLE).read_bytes()
    (run / "phases" / "inputs").mkdir()
    shutil.copy(run / _TABLE, run / "phases" / _TABLE)
    (run / _TABLE).write_bytes(b"{}")
    assert _table(brought_with(run / "phases" / "first")) == own
    assert _table(brought_with(run / "teachers" / "both")) is None


@pytest.mark.parametrize("path", ["../secret", "{above}/secret", "inputs/../../secret"])
def test_a_path_that_leaves_its_folder_is_not_read(run: Path, path: str) -> None:
    """Though its JSON says that these very bytes are its own."""
    (run.parent / "secret").write_bytes((run / _TABLE).read_bytes())
    described = json.loads((run / "student.json").read_bytes())
    (details,) = [one for one in described["inputs"] if one["name"] == "details"]
    details["files"]["table"] = path.format(above=run.parent)
    (run / "student.json").write_text(json.dumps(described))
    assert _table(brought_with(run)) is None


def test_a_link_that_leaves_its_folder_is_not_read(run: Path) -> None:
    (run / _TABLE).rename(run.parent / "elsewhere")
    (run / _TABLE).symlink_to(run.parent / "elsewhere")
    assert _table(brought_with(run)) is None


def test_a_table_of_other_columns_or_constants_is_not_scaled_by_it(made: Path) -> None:
    found = brought_with(made)
    for other in (
        {"numeric": ("age", "hours")},
        {"numeric": ()},
        {"scaling": "quantile"},
        {"rare": 2},
        {"absent": False},
    ):
        assert found.fitted("details", _DETAILS.model_copy(update=other)) == {}
    assert found.fitted("person", _DETAILS) == {}
    assert found.fitted(
        "details", _DETAILS.model_copy(update={"absent": True})
    )  # a rate is not one


def test_what_is_not_there_brings_nothing(tmp_path: Path) -> None:
    """Whoever checks the recipe says so, at its place."""
    assert brought_with(tmp_path / "gone.safetensors") == NOTHING
    for family in ({"family": "mlp"}, {"family": "boosting"}):
        told = {"name": "old", "model": family, "tasks": ["happy"]}
        for more in ({}, {"checkpoint": str(tmp_path / "gone.npz")}):
            assert brought_by(Teacher.model_validate({**told, **more})) == NOTHING
    with pytest.raises(UsageError, match=r"expected gone\.safetensors with gone\.json beside it"):
        trained_stem(tmp_path / "gone.safetensors")
    with pytest.raises(UsageError, match=r"expected gone\.npz with gone\.json beside it"):
        trees_stem(tmp_path / "gone.npz")


def test_a_net_whose_description_is_damaged_is_said_to_be(run: Path) -> None:
    (run / "student.json").write_bytes(b"{")
    with pytest.raises(IntegrityError, match=r"student\.json: not readable as JSON"):
        brought_with(run)


def test_the_fingerprint_follows_every_byte_and_role() -> None:
    prints = {
        fitted_fingerprint(files)
        for files in ({"table": b"a"}, {"table": b"b"}, {"other": b"a"}, {"table": b"a", "b": b""})
    }
    assert len(prints) == 4
    assert fitted_fingerprint({"a": b"1", "b": b"2"}) == fitted_fingerprint({"b": b"2", "a": b"1"})
    assert fingerprint_bytes(b"a") not in prints
