"""The reference names everything that there is."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterable
from types import ModuleType

import pytest

from docs.documents import ROOT
from kd2edge import errors
from kd2edge.bundle import Artefact
from kd2edge.data.augment import AUGMENTATIONS
from kd2edge.distill.balance import BALANCERS
from kd2edge.distill.features import FEATURE_LOSSES, PROJECTORS
from kd2edge.distill.logits import LOGIT_LOSSES
from kd2edge.distill.long_tail import LONG_TAILS
from kd2edge.distill.schedules import SCHEDULES
from kd2edge.distill.tasks import HARD_LOSSES
from kd2edge.export.passes import PASSES
from kd2edge.export.targets.kinds import TARGETS
from kd2edge.inputs import INPUT_KINDS
from kd2edge.metrics import METRICS
from kd2edge.nets.backbones.kinds import BACKBONES
from kd2edge.nets.fusion import FUSIONS
from kd2edge.pipeline.steps.cheap import REFERENCES
from kd2edge.pipeline.steps.folders import RunFolder
from kd2edge.quantize import METHODS, QUANTIZERS
from kd2edge.rows.builtin import BUILDERS
from kd2edge.rows.kinds import ROW_KINDS
from kd2edge.rows.made import MAKERS
from kd2edge.runtime.backends.table import BACKENDS
from kd2edge.student import MAPPINGS
from kd2edge.tasks import TASK_KINDS
from kd2edge.teacher.joins import JOINS

REFERENCE = ROOT / "docs" / "reference"
PACKAGE = ROOT / "kd2edge"
TABLES: dict[str, Iterable[str]] = {
    "Task kinds": TASK_KINDS,
    "Input kinds": INPUT_KINDS,
    "Sources of rows": ROW_KINDS,
    "Made rows": MAKERS,
    "Builders": BUILDERS,
    "Augmentations": AUGMENTATIONS,
    "Model families": {family for family, _ in BACKBONES} | {"joint"},
    "Fusions": FUSIONS,
    "Teachers that are no nets": {"boosting", "onnx", "python", "sklearn"},
    "References": REFERENCES,
    "Hard losses": HARD_LOSSES,
    "Long tails": set(LONG_TAILS) - {"none"},
    "Logit losses": LOGIT_LOSSES,
    "Joins": JOINS,
    "Taught teachers": {"taught_by"},
    "Schedules": SCHEDULES,
    "Training": {"feed", "freeze", "layer_decay", "mutual", "phases", "rates", "sampling"},
    "Feature losses": FEATURE_LOSSES,
    "Projectors": PROJECTORS,
    "Balancers": BALANCERS,
    "Parameter mappings": MAPPINGS,
    "Graph passes": PASSES,
    "Quantizers": QUANTIZERS,
    "Calibration methods": METHODS,
    "Metrics": METRICS,
    "Targets": TARGETS,
    "Backends": BACKENDS,
}


def page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def sections() -> dict[str, str]:
    parts = page("methods.md").split("\n## ")[1:]
    return {part.partition("\n")[0]: part.partition("\n")[2] for part in parts}


def test_methods_has_a_section_for_each_table() -> None:
    assert set(sections()) == set(TABLES)


@pytest.mark.parametrize("title", TABLES)
def test_every_method_has_its_paragraph(title: str) -> None:
    named = re.findall(r"\*\*`([a-z0-9_]+)`\*\*", sections()[title])
    assert sorted(named) == sorted(TABLES[title])


@pytest.mark.parametrize("name", ["recipe.md", "cli.md"])
def test_generated_pages_are_up_to_date(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # of the terminal that it happens to run in
    expected = generator().PAGES[name]()
    assert page(name) == expected, "run `python docs/generate_reference.py`"


def test_every_error_stands_beside_its_exit_code() -> None:
    rows = re.findall(r"^\| ([\d, ]+) \| .* \| (.*) \|$", page("exit-codes.md"), re.MULTILINE)
    shown = {
        name: int(codes.split(",")[0])
        for codes, names in rows
        for name in re.findall(r"`(\w+)`", names)
    }
    known = {name: getattr(errors, name).exit_code for name in errors.__all__ if name != "Problem"}
    assert shown == known


def test_every_file_of_a_run_is_explained() -> None:
    run = RunFolder(ROOT / "run")
    for name in vars(RunFolder):
        place = getattr(run, name) if isinstance(vars(RunFolder)[name], property) else None
        if place is not None and name != "finished":
            assert f"`{place.name}" in page("files.md"), place.name


def test_every_file_of_a_bundle_is_explained(image_product) -> None:
    text = page("files.md")
    for path in image_product.bundle.rglob("*"):
        place = path.relative_to(image_product.bundle)
        top = f"{place.parts[0]}/" if path.is_dir() or len(place.parts) > 1 else place.name
        assert f"`{top}" in text, place


def test_artefact_ids_are_named_as_the_manifest_has_them() -> None:
    fields = Artefact.__dataclass_fields__
    assert {"id", "target", "precision", "variant", "status", "reason"} <= set(fields)
    assert "`<target>-<precision>[-<variant>]`" in page("files.md")


def test_what_contributing_says_of_additions_is_there() -> None:
    """The table under "How to add": folders, tables in the kinds.py beside them, unions."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| (?!what \| file|-)([^|]+) \| ([^|]+) \| ([^|]*)\|([^|]*)\|$", text, re.MULTILINE
    )
    assert len(rows) >= 12
    schema = "".join(one.read_text("utf-8") for one in (PACKAGE / "recipe/schema").glob("*.py"))
    for what, folders, tables, union in rows:
        places = [PACKAGE / folder for folder in named(folders)]
        assert places, what
        assert all(place.is_dir() for place in places), what
        kinds = [place / "kinds.py" for place in places]
        homes = [one for one in (*kinds, PACKAGE / "engines.py") if one.exists()]
        held = "".join(one.read_text("utf-8") for one in homes)
        assert named(tables), what
        for table in named(tables):
            assert re.search(rf"^{table}\b", held, re.MULTILINE), table
        for name in named(union):
            assert re.search(rf"^{name} = ", schema, re.MULTILINE), name


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs/generate_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
