"""A flipped byte is noticed wherever it stands, and nothing is done with it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands import kd2edge, succeed
from faulty import assert_clean_failure, flip_byte
from kd2edge.bundle import open_bundle
from products import Product


def resume(product: Product, run: Path, *more: str) -> list[str | Path]:
    return ["distill", product.recipe, "--run-dir", run, "--resume", *more]


@pytest.mark.parametrize("part", ["teachers", "encoded"])
def test_a_corrupt_cache(text_product: Product, run: Path, part: str) -> None:
    for shard in (run / "cache" / part).glob("*/*.bin"):
        flip_byte(shard)
    result = kd2edge(*resume(text_product, run))
    assert_clean_failure_after_stages(result.code, result.err)
    assert ".bin" in result.err
    assert "--recache" in result.err
    # It was seen before anything was written: the finished run is what it was.
    assert (run / "report.json").exists()


def test_recache_mends_a_corrupt_cache(text_product: Product, run: Path) -> None:
    for shard in (run / "cache").glob("*/*/*.bin"):
        flip_byte(shard)
    succeed(*resume(text_product, run, "--recache"))
    before = text_product.run / "student.safetensors"
    assert (run / "student.safetensors").read_bytes() == before.read_bytes()


def test_a_corrupt_checkpoint(text_product: Product, run: Path) -> None:
    (run / "student.record.json").unlink()  # as if it had been stopped
    for file in (run / "checkpoints" / "student").glob("*.safetensors"):
        flip_byte(file)
    result = kd2edge(*resume(text_product, run))
    assert_clean_failure_after_stages(result.code, result.err)
    assert "checkpoints/student" in result.err
    assert "SHA-256" in result.err


def test_a_checkpoint_of_other_settings(text_product: Product, run: Path) -> None:
    result = kd2edge(*resume(text_product, run, "--set", "train.lr=0.1"))
    assert result.code == 2
    assert "other settings" in result.err


@pytest.mark.parametrize("name", ["teachers/bert", "student"])
def test_a_corrupt_net(text_product: Product, run: Path, name: str) -> None:
    flip_byte(run / f"{name}.safetensors")
    result = kd2edge(*resume(text_product, run))
    assert_clean_failure_after_stages(result.code, result.err)
    assert f"{name}.safetensors" in result.err


@pytest.mark.parametrize(
    "file",
    [
        "student.safetensors", "student.json", "report.json", "samples/calibration.npz",
        "samples/golden.npz", "samples/reference-test.npz",
    ],
)  # fmt: skip
def test_a_corrupt_run_is_not_exported(run: Path, tmp_path: Path, file: str) -> None:
    flip_byte(run / file, 0.0 if file.endswith(".json") else 0.6)
    result = kd2edge("export", run, "--onnx", "--precision", "int8", "--out", tmp_path / "out")
    assert result.code == 5, result.err
    assert Path(file).name in result.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "file",
    [
        "student.safetensors", "student.json", "report.json", "samples/calibration.npz",
        "samples/golden.npz", "samples/reference-test.npz", "tokenizer/text.json",
    ],
)  # fmt: skip
def test_a_run_without_one_of_its_files_is_not_exported(
    run: Path, tmp_path: Path, file: str
) -> None:
    (run / file).unlink()
    result = kd2edge("export", run, "--onnx", "--precision", "int8", "--out", tmp_path / "out")
    # Without its report a run is not finished.
    assert result.code == (2 if file == "report.json" else 4), result.err
    assert Path(file).name in result.err
    assert not (tmp_path / "out").exists()


def test_every_file_of_a_bundle_is_verified(bundle: Path) -> None:
    for file in open_bundle(bundle).files:
        flip_byte(bundle / file)
        result = kd2edge("verify", bundle)
        assert_clean_failure(result, 5)
        assert file in result.err
        flip_byte(bundle / file)
    succeed("verify", bundle)


def test_a_stranger_in_a_bundle_is_noticed(bundle: Path) -> None:
    (bundle / "onnx" / "more.onnx").write_bytes(b"odd")
    result = kd2edge("verify", bundle)
    assert_clean_failure(result, 5)
    assert "more.onnx: not named" in result.err


@pytest.mark.parametrize("file", ["onnx/onnx-fp32.onnx", "tokenizer/text.json"])
def test_a_corrupt_bundle_does_not_answer(bundle: Path, file: str) -> None:
    assert file in open_bundle(bundle).files
    flip_byte(bundle / file)
    result = kd2edge("predict", bundle, "--text", "hello", "--artefact", "onnx-fp32")
    assert_clean_failure(result, 5)
    assert file in result.err


def test_a_corrupt_artefact_does_not_pass_the_gate(bundle: Path, text_product: Product) -> None:
    flip_byte(bundle / "onnx" / "onnx-fp32.onnx")
    wide = ["--max-drop", "intent=1", "--max-drop", "urgent=1"]
    only = ["--artefact", "onnx-fp32"]
    result = kd2edge("validate", bundle, "--run", text_product.run, *only, *wide)
    assert result.code == 5, result.err
    assert "onnx-fp32.onnx" in result.err


def test_a_corrupt_engine_is_not_built(bundle: Path) -> None:
    flip_byte(bundle / "tensorrt" / "tensorrt-fp32.onnx")
    assert_clean_failure(kd2edge("build", bundle), 5)
    assert not list(bundle.rglob("*.engine"))


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("../outside.onnx", 5),
        ("onnx/../../outside.onnx", 5),
        ("/etc/passwd", 5),
        ("C:\\outside.onnx", 5),
        ("onnx\\..\\outside.onnx", 5),
    ],
)
@pytest.mark.parametrize("verb", ["verify", "inspect", "predict", "validate", "build", "bench"])
def test_a_manifest_that_leaves_its_folder(bundle: Path, path: str, code: int, verb: str) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    entry = next(iter(manifest["artefacts"].values()))
    entry["files"][0]["path"] = entry["entry"] = path
    (bundle / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    result = kd2edge(verb, bundle)
    assert_clean_failure(result, code)
    assert "manifest.json" in result.err


def test_a_link_that_leaves_its_folder(bundle: Path, tmp_path: Path) -> None:
    graph = bundle / "onnx" / "onnx-fp32.onnx"
    graph.rename(tmp_path / "outside.onnx")
    graph.symlink_to(tmp_path / "outside.onnx")
    assert_clean_failure(kd2edge("verify", bundle), 5)
    only = ["--artefact", "onnx-fp32"]
    assert_clean_failure(kd2edge("predict", bundle, "--text", "hello", *only), 5)


@pytest.mark.parametrize("verb", ["verify", "inspect", "predict", "validate", "bench"])
def test_a_bundle_of_a_newer_schema(bundle: Path, verb: str) -> None:
    manifest = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    manifest["schema"] += 1
    (bundle / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    result = kd2edge(verb, bundle)
    assert_clean_failure(result, 2)
    assert "newer" in result.err


def test_a_manifest_that_is_no_json(bundle: Path) -> None:
    content = (bundle / "manifest.json").read_bytes()
    (bundle / "manifest.json").write_bytes(content[: len(content) // 2])
    assert_clean_failure(kd2edge("inspect", bundle), 5)


def assert_clean_failure_after_stages(code: int, said: str) -> None:
    """Integrity failed; what was said before are the stages."""
    assert code == 5, said
    assert "Traceback" not in said
    assert said.splitlines()[-1].startswith("error: ")
