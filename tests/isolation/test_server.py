"""``kd2edge[cpu,validate]``: bundles run, are judged and measured where no torch is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from isolation.environments import Environment

ABSENT = ("torch", "transformers", "pydantic", "datasets", "scipy", "sklearn", "openvino")
VERBS = """
import sys
from kd2edge.cli.group import main
try:
    main(sys.argv[1:])
except SystemExit as leave:
    print("exit", leave.code or 0)
print("modules", *sys.modules)
"""


def assert_no_torch(output: str) -> None:
    modules = output.splitlines()[-1].split()
    assert modules[0] == "modules"
    assert not set(modules) & set(ABSENT)


def test_no_torch_came_in(server: Environment):
    code = "import importlib.util as u, sys; print(*[n for n in sys.argv[1:] if u.find_spec(n)])"
    assert server.python(code, *ABSENT).split() == []


def test_graphs_are_changed_and_quantized_without_torch(server: Environment):
    modules = ("kd2edge.export.passes.kinds", "kd2edge.export.targets.kinds", "kd2edge.quantize")
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    server.python(code, *modules)


def test_predict(server: Environment, bundle: Path):
    done = server.kd2edge("predict", bundle, "--text", "book a flight", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["artefact"] == "onnx-fp32"
    assert set(found["rows"][0]) == {"intent", "ner"}


def test_load_tests_itself(server: Environment, bundle: Path):
    code = (
        "import sys\nfrom kd2edge.runtime import load\n"
        "with load(sys.argv[1], self_test=True) as model:\n"
        "    print(len(model.predict({'text': ['play music', 'now']})['intent']))\n"
    )
    assert server.python(code, str(bundle)).split() == ["2"]


def test_the_gate(server: Environment, bundle: Path, rows: Path):
    # Inside one process, so that what was imported can be told.
    printed = server.python(VERBS, "validate", str(bundle), "--data", str(rows))
    assert "| onnx-int8-qdq | pass" in printed
    assert "exit 0" in printed
    assert_no_torch(printed)
    (evidence,) = (bundle / "reports").glob("validation-*.json")
    assert json.loads(evidence.read_bytes())["entries"]
    done = server.kd2edge("predict", bundle, "--text", "now", "--json")
    assert "passed validation on a machine like this one" in done.stderr


def test_a_gate_that_cannot_decide_has_its_exit_code(server: Environment, bundle: Path, rows: Path):
    few = rows.with_name("few.jsonl")
    few.write_text(rows.read_text(encoding="utf-8").partition("\n")[0] + "\n", encoding="utf-8")
    done = server.kd2edge("validate", bundle, "--data", few)
    assert done.returncode == 3, done.stderr
    assert "undecided" in done.stdout


def test_bench(server: Environment, bundle: Path):
    done = server.kd2edge("bench", bundle, "--seconds", "0.1", "--batch", "1", "--threads", "1")
    assert done.returncode == 0, done.stderr
    assert "onnx-fp32" in done.stdout
    assert list((bundle / "reports").glob("bench-*.json"))


def test_report_and_compare(server: Environment, bundle: Path, rows: Path):
    assert server.kd2edge("validate", bundle, "--data", rows).returncode == 0
    page = rows.with_name("report.html")
    printed = server.python(VERBS, "report", str(bundle), "--out", str(page))
    assert_no_torch(printed)
    assert "<html" in page.read_text(encoding="utf-8")
    done = server.kd2edge("compare", bundle, bundle)
    assert done.returncode == 0, done.stderr
    assert "intent" in done.stdout


@pytest.mark.parametrize("verb", ["inspect", "verify"])
def test_a_bundle_is_read(server: Environment, bundle: Path, verb: str):
    printed = server.python(VERBS, verb, str(bundle))
    assert "exit 0" in printed
    assert_no_torch(printed)


def test_doctor_knows_what_works(server: Environment):
    printed = server.python(VERBS, "doctor", "--json")
    abilities = json.loads(printed.splitlines()[0])["abilities"]
    works = {name for name, ability in abilities.items() if ability["works"]}
    assert works == {"validate", "run onnx", "run numpy"}
    assert_no_torch(printed)
