"""``--json``: exactly one JSON object on stdout, for every verb, also when it fails."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from commands import kd2edge
from kd2edge.cli.verbs import VERBS
from products import Product, write_jsonl

#: verb -> (arguments with places to fill in, a key of its object).
CALLS: dict[str, tuple[str, str]] = {
    "bench": ("{bundle} --artefact onnx-fp32 --batch 1 --threads 1 --seconds 0.1", "timings"),
    "build": ("{bundle} --artefact tensorrt-fp32 --out {out}", "built"),
    "check": ("{recipe}", "tasks"),
    "compare": ("{run} {bundle}", "columns"),
    "distill": ("{recipe} --run-dir {copy} --resume", "report"),
    "doctor": ("", "abilities"),
    "export": ("{run} --onnx --precision fp32 --out {out}/new", "identity"),
    "inspect": ("{bundle}", "manifest"),
    "new": ("--list", "recipes"),
    "predict": ("{bundle} {rows}", "rows"),
    "report": ("{run} --out {out}/report.html", "report"),
    "schema": ("", "properties"),
    "show": ("{recipe}", "recipe"),
    "study": ("{recipe} --field train.epochs=[1] --seeds 1", "study"),
    "validate": (
        "{bundle} --run {run} --artefact onnx-fp32 --max-drop intent=0.9 --max-drop urgent=0.9",
        "outcome",
    ),
    "verify": ("{bundle}", "verified"),
}


@pytest.fixture
def places(
    text_product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Any]:
    monkeypatch.chdir(tmp_path)  # a study stands below runs/
    copy = shutil.copytree(text_product.run, tmp_path / "run")  # resuming writes its report anew
    rows = write_jsonl(tmp_path / "rows.jsonl", [{"text": "hello"}, {"text": ""}])
    product = text_product
    return {
        "recipe": product.recipe, "run": product.run, "bundle": product.bundle,
        "rows": rows, "out": tmp_path, "copy": copy,
    }  # fmt: skip


def test_every_verb_is_called() -> None:
    """``replay`` of a run that broke: ``tests/pipeline/verbs/test_replaying.py``."""
    assert CALLS.keys() | {"replay"} == VERBS.keys()


@pytest.mark.parametrize("verb", sorted(CALLS))
def test_a_verb_prints_one_object(verb: str, places: dict[str, Any]) -> None:
    arguments, key = CALLS[verb]
    result = kd2edge(verb, *arguments.format(**places).split(), "--json")
    assert result.code == 0, result.err
    assert key in result.json


@pytest.mark.parametrize("verb", sorted(set(VERBS) - {"doctor", "schema", "new"}))
def test_a_verb_that_fails_prints_one_object_too(verb: str, tmp_path: Path) -> None:
    several = [tmp_path / "a", tmp_path / "b"] if verb == "compare" else [tmp_path / "a"]
    result = kd2edge(verb, *several, "--json")
    error = result.json["error"]
    assert error["exit_code"] == result.code == 2
    assert error["message"]
    assert result.err.startswith("error: ")


def test_a_misused_command_prints_one_object_too() -> None:
    result = kd2edge("verify", "--jsonn", "--json")
    assert result.code == 2
    assert result.json["error"]["type"] == "UsageError"
