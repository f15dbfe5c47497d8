from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest

import kd2edge.recipe
from kd2edge.errors import BackendError
from kd2edge.metrics.kinds import METRICS
from kd2edge.recipe import json_schema
from kd2edge.recipe.schema import LogitLoss, Recipe
from kd2edge.recipe.schema.choices import kind_of, members


def objects(node: Any) -> list[dict[str, Any]]:
    """Every object of a JSON value."""
    inner = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    found = [item for child in inner for item in objects(child)]
    return [node, *found] if isinstance(node, dict) else found


def test_is_json_and_complete() -> None:
    schema = json.loads(json.dumps(json_schema()))
    assert schema["$schema"].endswith("2020-12/schema")
    assert schema["additionalProperties"] is False
    assert {"version", "name", "data", "inputs", "tasks", "student"} == set(schema["required"])
    for node in objects(schema):
        if "$ref" in node:
            assert node["$ref"].removeprefix("#/$defs/") in schema["$defs"]


def parts() -> dict[str, dict[str, Any]]:
    """Every mapping of a recipe by the name of its class."""
    found = [node for node in objects(json_schema()) if isinstance(node.get("properties"), dict)]
    return {node["title"]: node for node in found if "title" in node}


def test_every_part_and_key_is_explained() -> None:
    found = parts()
    assert {"Recipe", "Classification", "TextInput", "Shift", "Kl", "Gate"} <= found.keys()
    for name, part in found.items():
        assert part.get("description"), name
        for key, value in part["properties"].items():
            if key not in {"kind", "family"}:
                # What is a part of its own may leave it to that part's description.
                own = found.get(value.get("$ref", "").removeprefix("#/$defs/"), {})
                assert {**own, **value}.get("description"), f"{name}.{key}"


def test_keys_that_are_filled_in_are_not_required() -> None:
    found = parts()
    assert found["Classification"]["required"] == []
    assert found["Teacher"]["required"] == ["name", "model"]
    assert found["TextInput"]["required"] == ["tokenizer"]


def test_methods_may_be_written_short() -> None:
    text = json.dumps(json_schema())
    words = [kind_of(part, "kind") for part in members(get_args(LogitLoss)[0])]
    assert json.dumps({"enum": words, "type": "string"}) in text
    kinds = [
        "classification",
        "binary",
        "multi_label",
        "ordinal",
        "regression",
        "token_classification",
    ]
    tasks = {"enum": kinds, "type": "string"}
    assert json.dumps(tasks) in text


def test_what_may_be_written_as_one_or_as_a_list_says_so() -> None:
    found = parts()
    for part, key in (("Jsonl", "train"), ("TextInput", "columns"), ("Teacher", "tasks")):
        kinds = [one.get("type") for one in found[part]["properties"][key]["anyOf"]]
        assert kinds == ["string", "array"]


def test_metrics_are_those_of_the_table() -> None:
    found = parts()
    for part, kind in (
        ("Classification", "classification"),
        ("Binary", "binary"),
        ("TokenClassification", "token_classification"),
    ):
        metrics = [name for name, metric in METRICS.items() if kind in metric.kinds]
        assert found[part]["properties"]["metric"]["enum"] == metrics
        assert found[part]["properties"]["metric"]["default"] in metrics


def test_exported_names_are_there() -> None:
    for name in kd2edge.recipe.__all__:
        assert getattr(kd2edge.recipe, name) is not None
    assert kd2edge.recipe.Recipe is Recipe
    with pytest.raises(AttributeError, match="nothing"):
        _ = kd2edge.recipe.nothing


def run(code: str) -> str:
    path = str(Path(kd2edge.recipe.__file__).parents[2])
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {path!r})\n{code}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_importing_it_costs_nothing_and_reading_needs_no_torch() -> None:
    code = (
        "import kd2edge.recipe\n"
        "print(sorted({'pydantic', 'yaml', 'numpy'} & set(sys.modules)))\n"
        "kd2edge.recipe.load_recipe\n"
        "print(sorted({'torch', 'transformers', 'sklearn', 'scipy', 'onnx'} & set(sys.modules)))"
    )
    assert run(code).split("\n")[:2] == ["[]", "[]"]


@pytest.mark.parametrize("package", ["pydantic", "yaml"])
def test_a_missing_package_is_named_with_its_install_line(package: str) -> None:
    code = (
        f"sys.modules[{package!r}] = None\n"
        "from kd2edge.errors import BackendError\n"
        "import kd2edge.recipe\n"
        "try: kd2edge.recipe.load_recipe\n"
        "except BackendError as error: print(error, error.exit_code)"
    )
    assert run(code).strip() == (
        f"reading a recipe needs {package}: pip install 'kd2edge[recipe]' {BackendError.exit_code}"
    )
