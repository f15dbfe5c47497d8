"""What an exported bundle is: exact, reproducible, provable, usable."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from commands import kd2edge, succeed
from kd2edge.bundle import open_bundle
from kd2edge.files import fingerprint_file
from kd2edge.nets import load_net
from kd2edge.pipeline.reading.sources import open_split, read_rows_plan
from kd2edge.runtime import load
from kd2edge.tasks.spec import TaskName
from products import Product

PRODUCTS = ("image_product", "text_product", "token_product")
TARGETS = ("--onnx", "--openvino", "--trt")


@pytest.fixture(params=PRODUCTS)
def product(request: pytest.FixtureRequest) -> Product:
    return request.getfixturevalue(request.param)


def rows_of(product: Product, split: str = "test") -> list[dict[str, Any]]:
    return [dict(row) for row in open_split(read_rows_plan(product.run / "rows.json"), split)]


def inputs_of(product: Product) -> dict[str, list[Any]]:
    name = next(iter(open_bundle(product.bundle).manifest.inputs))
    return {name: [row[name] for row in rows_of(product)]}


@pytest.mark.parametrize("artefact", ["onnx-fp32", "openvino-fp32"])
def test_fp32_artefacts_say_what_pytorch_says_on_every_row(product: Product, artefact: str) -> None:
    net = load_net(product.run / "student")
    with load(product.bundle, artefact=artefact, threads=1, self_test=True) as model:
        encoded = model.encode(inputs_of(product))
        arrays = {name: array for one in encoded.values() for name, array in one.arrays.items()}
        found = model.logits(arrays)
    with torch.inference_mode():
        expected = net({name: torch.from_numpy(array) for name, array in arrays.items()})
    mask = arrays.get("attention_mask")
    for task, logits in expected.items():
        wanted, got = logits.numpy(), found[task]
        if wanted.ndim == 3 and mask is not None:  # what stands on padding is nobody's answer
            wanted, got = wanted[mask == 1], got[mask == 1]
        assert np.abs(wanted - got).max() <= 1e-4
        assert np.array_equal(wanted.argmax(-1), got.argmax(-1))


@pytest.mark.parametrize("name", ["image_product", "text_product"])
def test_the_same_run_exported_twice_gives_the_same_bytes(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    product: Product = request.getfixturevalue(name)
    succeed("export", product.run, "--out", tmp_path / "again", *TARGETS)
    first, second = open_bundle(product.bundle), open_bundle(tmp_path / "again")
    assert first.identity == second.identity  # the manifest names every file's SHA-256
    assert second.verify() == []


def test_the_manifest_lists_an_artefact_for_every_target(product: Product) -> None:
    bundle = open_bundle(product.bundle)
    status = {name: one.status for name, one in bundle.manifest.artefacts.items()}
    assert status["onnx-fp32"] == status["openvino-fp32"] == "ready"
    assert status["tensorrt-fp32"] == "needs_device"
    assert "failed" not in status.values()
    assert bundle.manifest.preferred[0] == "onnx-fp32"
    assert bundle.manifest.tasks.keys() == load_net(product.run / "student").heads.keys()


def test_calibrated_artefacts_state_their_sample(text_product: Product) -> None:
    bundle = open_bundle(text_product.bundle)
    stated = {
        name: one.settings["calibration"]
        for name, one in bundle.manifest.artefacts.items()
        if "calibration" in one.settings
    }
    assert set(stated) == {"onnx-int8-qdq", "openvino-int8", "tensorrt-int8"}
    path = text_product.run / "samples" / "calibration.npz"
    sample = {"split": "train", "rows": 16, "seed": 3, "sha256": fingerprint_file(path)}
    assert all(one == sample for one in stated.values())
    card = (text_product.bundle / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "calibrated on 16 rows of the train split, drawn by seed 3" in card
    assert sample["sha256"] in card


def test_the_manifest_holds_no_path_of_this_machine(product: Product) -> None:
    text = (product.bundle / "manifest.json").read_text(encoding="utf-8")
    assert str(product.folder) not in text
    assert sys.prefix not in text
    for graph in product.bundle.rglob("*.onnx"):
        assert str(Path(torch.__file__).parent).encode() not in graph.read_bytes()


def test_int8_artefacts_answer_too(text_product: Product) -> None:
    for artefact in ("onnx-int8-qdq", "onnx-int8-dynamic", "openvino-int8"):
        with load(text_product.bundle, artefact=artefact, threads=1) as model:
            answers = model.predict(inputs_of(text_product))
        assert len(answers["intent"]) == 24
        assert {one["label"] for one in answers["urgent"]} <= {"yes", "no"}


def test_predict_answers_as_the_report_measured(product: Product) -> None:
    """Accuracy by hand over what ``predict`` prints is the accuracy of the report."""
    report = json.loads((product.run / "report.json").read_text(encoding="utf-8"))
    rows = rows_of(product)
    with load(product.bundle, artefact="onnx-fp32", threads=1) as model:
        answers = model.predict(inputs_of(product), top_k=1)
    for task, spec in report["tasks"].items():
        if spec["kind"] == "token_classification":
            continue
        metrics = report["splits"]["test"]["tasks"][task]["student"]["metrics"]
        pairs = [
            (row[task], one[0]["label"] if isinstance(one, list) else one["label"])
            for row, one in zip(rows, answers[task], strict=True)
            if row[task] is not None
        ]
        accuracy = np.mean([truth == said for truth, said in pairs])
        assert metrics["accuracy"]["value"] == pytest.approx(accuracy)


def test_the_gate_passes_fp32_and_says_what_it_cannot_decide(product: Product) -> None:
    tasks = open_bundle(product.bundle).manifest.tasks
    wide = [part for task in tasks for part in ("--max-drop", f"{task}=0.9")]
    artefacts = ["--artefact", "onnx-fp32", "--artefact", "openvino-fp32", "--threads", "1"]
    place = [product.bundle, "--run", product.run, *artefacts]
    passed = kd2edge("validate", *place, *wide, "--json")
    assert passed.code == 0, passed.err
    assert passed.json["outcome"] == "pass"
    narrow = kd2edge("validate", *place, "--json")
    assert narrow.code == 3
    # Nothing was lost, but a few rows cannot prove half a point.
    assert narrow.json["outcome"] == "undecided"


def test_validate_needs_neither_torch_nor_the_recipe_package(image_product: Product) -> None:
    """It finds the run by the manifest's fingerprint, from the working directory."""
    script = (
        "import sys\n"
        "for name in ('torch', 'transformers', 'datasets', 'pydantic', 'yaml', 'safetensors',"
        " 'kd2edge.recipe', 'kd2edge.nets', 'kd2edge.distill'):\n"
        "    sys.modules[name] = None\n"
        "from kd2edge.cli import main\n"
        "main(sys.argv[1:])\n"
    )
    arguments = ["validate", "models/tiny", "--artefact", "onnx-fp32", "--json"]
    arguments += [
        part for task in ("left", "right", "larger") for part in ("--max-drop", f"{task}=1")
    ]
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=image_product.folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outcome"] == "pass"


def test_a_bundle_without_its_run_asks_for_rows(text_product: Product, tmp_path: Path) -> None:
    bundle = tmp_path / "elsewhere" / "tiny"
    shutil.copytree(text_product.bundle, bundle)
    result = kd2edge("validate", bundle)
    assert result.code == 2
    assert "--data FILE" in result.err
    data = text_product.folder / "test.jsonl"
    wide = ["--max-drop", "intent=0.9", "--max-drop", "urgent=0.9"]
    arguments = ["--data", data, "--artefact", "onnx-fp32", "--threads", "1", *wide]
    assert kd2edge("validate", bundle, *arguments).code == 0
    assert kd2edge("validate", bundle, "--data", tmp_path / "rows.txt").code == 2


def test_a_killed_export_leaves_the_old_bundle(text_product: Product, tmp_path: Path) -> None:
    bundle = tmp_path / "models" / "tiny"
    shutil.copytree(text_product.bundle, bundle)
    before = open_bundle(bundle).identity
    command = [
        sys.executable,
        "-m",
        "kd2edge",
        "export",
        text_product.run,
        "--out",
        bundle,
        "--onnx",
    ]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as job:
        assert job.stderr is not None
        for line in job.stderr:
            if "onnx-fp32" in line:
                job.send_signal(signal.SIGKILL)
    assert job.returncode == -signal.SIGKILL
    assert open_bundle(bundle).identity == before
    assert open_bundle(bundle).verify() == []
    assert [path.name for path in bundle.parent.iterdir()] == ["tiny"]


def test_ctrl_c_while_exporting_leaves_the_old_bundle(
    text_product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kd2edge.bundle import store

    bundle = tmp_path / "tiny"
    shutil.copytree(text_product.bundle, bundle)
    place, files = store._place, []

    def stop(*arguments: Any) -> None:
        files.append(arguments)
        if len(files) == 3:
            raise KeyboardInterrupt
        place(*arguments)

    monkeypatch.setattr(store, "_place", stop)
    result = kd2edge("export", text_product.run, "--out", bundle, "--onnx", "--precision", "fp32")
    assert result.code == 130
    assert open_bundle(bundle).identity == open_bundle(text_product.bundle).identity
    assert open_bundle(bundle).verify() == []
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]


def test_export_needs_neither_data_nor_teacher(text_product: Product, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(text_product.run, run, ignore=shutil.ignore_patterns("cache", "teachers"))
    recipe = (run / "recipe.yaml").read_text(encoding="utf-8")
    assert str(text_product.folder) in recipe
    gone = recipe.replace(str(text_product.folder), str(tmp_path / "gone"))
    (run / "recipe.yaml").write_text(gone, encoding="utf-8")
    succeed("export", run, "--out", tmp_path / "bundle", "--onnx", "--precision", "fp32")
    bundle = open_bundle(tmp_path / "bundle")
    assert list(bundle.manifest.artefacts) == ["onnx-fp32"]
    run_print = open_bundle(text_product.bundle).manifest.provenance["run"]
    assert bundle.manifest.provenance["run"] == run_print


def test_engines_are_built_and_named_by_evidence(image_product: Product, tmp_path: Path) -> None:
    bundle = tmp_path / "tiny"
    shutil.copytree(image_product.bundle, bundle)
    before = open_bundle(bundle).identity
    built = succeed("build", bundle, "--artefact", "tensorrt-fp32", "--json").json["built"]
    assert [one["artefact"] for one in built] == ["tensorrt-fp32"]
    assert (bundle / "tensorrt" / "tensorrt-fp32.engine").stat().st_size == built[0]["bytes"]
    assert open_bundle(bundle).identity == before
    assert open_bundle(bundle).verify() == []
    assert kd2edge("build", bundle, "--artefact", "onnx-fp32").code == 2


def test_a_decision_of_a_task_can_be_asked_for_alone(token_product: Product) -> None:
    with load(token_product.bundle, threads=1) as model:
        answers = model.predict({"tokens": [["Anna", "sees", "Rome"]]}, tasks=["pos"])
    assert list(answers) == ["pos"]
    words = [one["text"] for one in answers[TaskName("pos")][0]]
    assert words == ["Anna", "sees", "Rome"]
