"""Whatever is shown is run, or at least read by what would run it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any

import click
import pytest
from pydantic import TypeAdapter

from docs.documents import ROOT, Block, blocks, commands, documents
from kd2edge.cli.group import kd2edge
from kd2edge.pipeline.verbs.gallery import gallery
from kd2edge.recipe import Recipe, load_recipe
from kd2edge.recipe.schema.base import FOLDER
from kd2edge.recipe.schema.defaults import completed
from kd2edge.recipe.yaml_text import parse_yaml

SHELL = blocks("bash", "console")
PYTHON = blocks("python")
YAML = blocks("yaml")
MAKE = re.compile(r"^([a-z]+):.*## ", re.MULTILINE)
#: What a first line may say of a YAML block that is a part of a recipe.
FRAGMENT = "# fragment"


def test_how_much_is_shown() -> None:
    """A block that moves out of reach of these tests shows here."""
    assert len(documents()) >= 25
    assert len(SHELL) >= 26
    assert len([command for block in SHELL for command in commands(block)]) >= 40
    assert len(PYTHON) >= 6
    assert len(YAML) >= 1
    assert {block.language for block in blocks("", "sh", "shell", "yml", "py")} == set()


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_every_command_is_one_that_there_is(block: Block) -> None:
    shown = commands(block)
    assert shown
    for words in shown:
        if words[0] == "kd2edge":
            parsed(words[1:])
        elif words[0] == "make":
            assert words[1] in MAKE.findall((ROOT / "Makefile").read_text(encoding="utf-8"))
        elif words[0] == "python":
            assert (ROOT / words[1]).is_file()
        else:
            pytest.fail(f"{block}: nobody tries {words[0]!r}")


@pytest.mark.parametrize("block", blocks("console"), ids=str)
def test_shown_output_is_what_comes_out(
    block: Block,
    workplace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Every line that is shown comes out; sizes, which a shorter training changes, are left out."""
    monkeypatch.chdir(workplace)
    (words,) = commands(block)
    kd2edge.main(words[1:], standalone_mode=False)
    printed = {plain(line) for line in capsys.readouterr().out.splitlines()}
    shown = [plain(line) for line in block.text.splitlines() if not line.startswith("$")]
    assert shown
    assert not set(shown) - printed


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_python_runs(block: Block, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = compile(block.text, str(block), "exec")
    if block.note:
        assert block.note.startswith("<!-- not run: ")
        return
    monkeypatch.chdir(workplace)
    exec(program, {"__name__": "__main__"})


def test_few_blocks_are_not_run() -> None:
    """What needs a package that is none of ours, and what needs somebody's rows."""
    noted = [block.file for block in PYTHON if block.note]
    assert noted == ["docs/how-to/train.md"] * 2


@pytest.mark.parametrize("block", YAML, ids=str)
def test_yaml_is_a_recipe_or_a_part_of_one(block: Block, tmp_path: Path) -> None:
    if not block.text.startswith(FRAGMENT):
        path = tmp_path / "shown.yaml"
        path.write_text(block.text, encoding="utf-8")
        load_recipe(path)
        return
    assert_part_of_a_recipe(block)


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_json_can_be_read(block: Block) -> None:
    json.loads(block.text)


def test_every_recipe_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KD2EDGE_DATA", raising=False)
    paths = sorted((ROOT / "recipes").rglob("*.y*ml"))
    assert len(paths) == len(gallery()) == 9
    shown = (ROOT / "recipes" / "README.md").read_text(encoding="utf-8")
    for path in paths:
        assert isinstance(load_recipe(path).recipe, Recipe)
        assert f"({path.relative_to(ROOT / 'recipes').as_posix()})" in shown


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (path.parent / target).exists(), f"{path.name}: {target}"


@pytest.mark.parametrize("path", documents(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_was_left_to_fill_in(path: Path) -> None:
    assert not re.search(
        r"TODO|FIXME|TBD|XXX|lorem|/work/|/home/", path.read_text(encoding="utf-8")
    )


def parsed(words: list[str]) -> click.Context:
    """Let click read a verb's arguments, without running it; unknown options are errors."""
    with kd2edge.make_context("kd2edge", list(words)) as group:
        _, command, rest = kd2edge.resolve_command(group, list(words))
        assert command is not None
        return command.make_context(words[0], rest, parent=group)


def plain(line: str) -> str:
    """A line without sizes and alignment."""
    return " ".join(re.sub(r"[\d,]+ bytes", "", line).split())


def assert_part_of_a_recipe(block: Block) -> None:
    """The keys of a fragment hold what the schema wants there, whatever the rest may be."""
    fragment = completed(parse_yaml(block.text, str(block), {}).value)
    assert fragment
    for key, value in fragment.items():
        field = next(one for name, one in Recipe.model_fields.items() if (one.alias or name) == key)
        part: Any = field.annotation
        for condition in field.metadata:
            part = Annotated[part, condition]
        TypeAdapter(part).validate_python(value, context={FOLDER: ROOT})
