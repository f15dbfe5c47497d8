"""The wheel alone: every shipped module imports, every verb works or says what to install."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

import bundles
from isolation.environments import Environment

#: Not one of these may come in with the base dependencies.
ABSENT = (
    "torch", "transformers", "datasets", "pydantic", "onnx", "onnxruntime", "openvino", "scipy",
    "sklearn", "seqeval", "pyarrow", "PIL", "matplotlib", "jinja2", "optimum",
)  # fmt: skip
#: Packages of which every module imports without any extra.
SHIPPED = (
    "bench", "bundle", "cli", "errors", "inputs", "metrics", "reporting", "rows", "runtime",
    "tasks", "validate",
)  # fmt: skip
#: Modules beside them that torch-free verbs stand on.
ALSO = (
    "kd2edge", "kd2edge.api", "kd2edge.export", "kd2edge.export.targets.tensorrt_builder",
    "kd2edge.pipeline.verbs.benching", "kd2edge.pipeline.verbs.building",
    "kd2edge.pipeline.verbs.doctor", "kd2edge.pipeline.verbs.finished",
    "kd2edge.pipeline.steps.folders", "kd2edge.pipeline.verbs.gallery",
    "kd2edge.pipeline.steps.provenance", "kd2edge.pipeline.verbs.reports",
    "kd2edge.pipeline.reading.sources", "kd2edge.pipeline.verbs.validation", "kd2edge.quantize",
    "kd2edge.recipe",
)  # fmt: skip
IMPORT_ALL = """
import importlib, sys, traceback
for name in sys.argv[1:]:
    try:
        importlib.import_module(name)
    except Exception:
        print(name, traceback.format_exc().splitlines()[-1])
"""


def shipped_modules(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as file:
        paths = [Path(name) for name in file.namelist() if name.endswith(".py")]
    names = [".".join(path.with_suffix("").parts).removesuffix(".__init__") for path in paths]
    return [name for name in names if name.split(".")[1:2] and name.split(".")[1] in SHIPPED]


def contents(bundle: Path) -> list[Path]:
    """All but evidence: the gate also records that nothing could run here."""
    return sorted(path for path in bundle.rglob("*") if "reports" not in path.parts)


def test_the_environment_is_empty(base: Environment):
    code = "import importlib.util as u, sys; print(*[n for n in sys.argv[1:] if u.find_spec(n)])"
    assert base.python(code, *ABSENT).split() == []


def test_every_shipped_module_imports(base: Environment, wheel: Path):
    names = shipped_modules(wheel)
    assert {name.split(".")[1] for name in names} == set(SHIPPED)
    # In one process: a module must not lean on what another one imported, but 100 processes cost
    # a minute, and what is not installed cannot be leaned on.
    others = base.python(IMPORT_ALL, *names, *ALSO).splitlines()
    # What an extra is all about, behind the door that decides whether it is needed.
    assert [other.split()[0] for other in others] == [
        "kd2edge.inputs.picture",
        "kd2edge.inputs.twins",
    ]
    for other in others:
        assert other.split()[1].startswith("kd2edge.errors.BackendError")
        assert "pip install 'kd2edge[image]'" in other


@pytest.mark.parametrize("name", ["Recipe", "json_schema", "load_recipe"])
def test_a_name_of_the_recipe_package_says_what_to_install(base: Environment, name: str):
    code = (
        "import sys, kd2edge.recipe, kd2edge.errors\n"
        "try:\n    getattr(kd2edge.recipe, sys.argv[1])\n"
        "except kd2edge.errors.BackendError as error:\n    print(error)\n"
    )
    assert "pip install 'kd2edge[recipe]'" in base.python(code, name)


def test_help_lists_every_verb(base: Environment):
    done = base.kd2edge("--help")
    assert done.returncode == 0
    assert all(verb in done.stdout for verb in ("bench", "distill", "predict", "validate"))


def test_the_gallery_is_inside_the_wheel(base: Environment):
    done = base.kd2edge("new", "--list")
    assert done.returncode == 0
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert {"quickstart", "customer_service/clinc150", "token/uner_ewt"} <= set(names)
    assert base.kd2edge("new", "mine").returncode == 0
    assert 'name: "mine"\n' in (base.work / "mine.yaml").read_text(encoding="utf-8")


def test_a_bundle_is_verified(base: Environment, bundle: Path):
    done = base.kd2edge("verify", bundle)
    assert (done.returncode, done.stderr) == (0, "")
    bundle.joinpath("onnx", "fp32.onnx").write_bytes(b"other bytes")
    done = base.kd2edge("verify", bundle)
    assert done.returncode == 5
    assert "onnx/fp32.onnx" in done.stderr


def test_a_bundle_is_inspected(base: Environment, bundle: Path):
    done = base.kd2edge("inspect", bundle, "--json")
    assert done.returncode == 0
    manifest = json.loads(done.stdout)["manifest"]
    assert set(manifest["artefacts"]) == {"onnx-fp32", "onnx-int8-qdq", "tensorrt-fp32"}


def test_doctor_says_how_to_mend_each_ability(base: Environment):
    done = base.kd2edge("doctor", "--json")
    assert done.returncode == 0
    abilities = json.loads(done.stdout)["abilities"]
    assert len(abilities) >= 8
    assert abilities.pop("run numpy")["works"]
    for name, ability in abilities.items():
        assert not ability["works"], name
        assert ability["mend"].startswith('pip install "kd2edge['), name


def test_a_student_of_static_embeddings_runs_on_numpy_alone(base: Environment, tmp_path: Path):
    folder = bundles.text_bundle(
        tmp_path / "static", artefacts={"numpy-fp32": bundles.static_artefact()}
    )
    code = (
        "import sys\nfrom kd2edge.runtime import load\n"
        "with load(sys.argv[1], self_test=True) as model:\n"
        "    print(model.artefact, len(model.predict({'text': ['play music', '']})['intent']))\n"
    )
    assert base.python(code, str(folder)).split() == ["numpy-fp32", "2"]
    done = base.kd2edge("predict", folder, "--text", "book a flight", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["artefact"] == "numpy-fp32"
    done = base.kd2edge("bench", folder, "--shape", "fixed", "--json")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        ("predict {bundle} --text hello", "cpu"),
        ("bench {bundle}", "cpu"),
        ("validate {bundle} --data {rows}", "cpu"),
        ("build {bundle}", "rtx"),
        ("schema", "recipe"),
        ("check mine.yaml", "train"),
        ("distill mine.yaml", "recipe"),
        ("show mine.yaml", "recipe"),
        ("study mine.yaml", "recipe"),
        ("export", "train"),
        ("export --onnx", "validate"),
        ("export --openvino", "openvino"),
        ("export --trt", "rtx"),
    ],
)
def test_a_verb_without_its_engine_says_what_to_install(
    base: Environment, bundle: Path, rows: Path, arguments: str, extra: str
):
    before = contents(bundle)
    words = [word.format(bundle=bundle, rows=rows) for word in arguments.split()]
    done = base.kd2edge(*words)
    assert done.returncode == 6, done.stderr
    assert "pip install" in done.stderr
    assert f"kd2edge[{extra}" in done.stderr
    assert done.stdout == ""
    assert contents(bundle) == before


def test_json_also_when_something_is_missing(base: Environment, bundle: Path):
    done = base.kd2edge("bench", bundle, "--json")
    assert done.returncode == 6
    error = json.loads(done.stdout)["error"]
    assert (error["type"], error["exit_code"]) == ("BackendError", 6)


def test_compare_needs_no_extra_and_report_names_its_own(base: Environment, judged: Path):
    done = base.kd2edge("compare", judged, judged)
    assert done.returncode == 0, done.stderr
    assert "onnx-int8-qdq" in done.stdout
    done = base.kd2edge("report", judged)
    assert done.returncode == 6, done.stderr
    assert "kd2edge[validate]" in done.stderr
    assert not list(base.work.glob("*.html"))


@pytest.fixture
def judged(bundle: Path, rows: Path) -> Path:
    """A bundle with evidence, made by this environment."""
    from kd2edge.pipeline.verbs.validation import validate

    validate(bundle, data=rows, threads=1)
    return bundle
