"""An artefact that cannot be made costs no other one; what is golden is this student's."""

from __future__ import annotations

import dataclasses
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from commands import kd2edge, succeed
from kd2edge.bundle import open_bundle
from kd2edge.errors import IntegrityError, StorageError
from kd2edge.export.targets import Made, Source, Variant
from kd2edge.export.targets.onnx import OnnxTarget
from kd2edge.files import npz_bytes, write_atomic
from kd2edge.nets import describe_net
from kd2edge.pipeline.steps.samples import CALIBRATION, read_arrays
from kd2edge.recipe import load_recipe
from kd2edge.runtime import load
from kd2edge.runtime.probes import open_probes, probe_bytes
from products import Product

PLACE = ("--onnx", "--precision", "fp32,int8")


def copied(product: Product, run: Path) -> Path:
    """The product's run in another place, less what export does not read."""
    return shutil.copytree(product.run, run, ignore=shutil.ignore_patterns("cache", "teachers"))


def failing(error: Exception) -> Any:
    make = OnnxTarget.make

    def broken(self: OnnxTarget, source: Any, variant: Any) -> Any:
        if variant.name == "qdq":
            raise error
        return make(self, source, variant)

    return broken


@pytest.mark.parametrize(
    "error", [ValueError("no scale for /tmp/kd2edge-x1/model.onnx"), MemoryError(), KeyError("x")]
)
def test_a_tool_that_fails_costs_its_own_artefact_alone(
    text_product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(OnnxTarget, "make", failing(error))
    out = tmp_path / "out"
    result = kd2edge("export", text_product.run, "--out", out, *PLACE, "--allow-missing")
    assert result.code == 1
    assert f"the tool that makes it failed: {type(error).__name__}" in result.out
    artefacts = open_bundle(out).manifest.artefacts
    assert artefacts["onnx-int8-qdq"].status == "failed"
    assert "/tmp" not in artefacts["onnx-int8-qdq"].reason  # a manifest has no path of a machine
    assert artefacts["onnx-fp32"].status == artefacts["onnx-int8-dynamic"].status == "ready"
    assert "onnx-int8-qdq" not in open_bundle(out).manifest.preferred
    assert re.search(r"onnx-int8-dynamic +ready +[\d,]+ bytes  \d\.\d\dx of onnx-fp32", result.out)


def test_a_full_disk_is_no_fault_of_one_artefact(
    text_product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OnnxTarget, "make", failing(StorageError("disk full")))
    assert kd2edge("export", text_product.run, "--out", tmp_path / "out", *PLACE).code == 4
    assert not (tmp_path / "out").exists()


def test_without_a_piece_in_any_row_the_float_artefact_is_made_all_the_same(
    text_product: Product, tmp_path: Path
) -> None:
    run = copied(text_product, tmp_path / "run")
    path = run / "samples" / CALIBRATION
    none = {name: array[:0] for name, array in read_arrays(path).items()}
    write_atomic(path, npz_bytes(none))
    result = kd2edge("export", run, "--out", tmp_path / "out", *PLACE, "--json")
    assert result.code == 2
    artefacts = result.json["artefacts"]
    assert artefacts["onnx-fp32"]["status"] == artefacts["onnx-int8-dynamic"]["status"] == "ready"
    assert "calibration needs at least one row" in artefacts["onnx-int8-qdq"]["reason"]
    small, large = artefacts["onnx-int8-dynamic"], artefacts["onnx-fp32"]
    # An embedding table of a few rows of eight: its scales and names take what its weights save.
    says = [one for one in small["shortcomings"] if "saves nothing" in one]
    assert bool(says) == (small["bytes"] > 0.9 * large["bytes"])


def samples_of(product: Product, run: Path, kind: str) -> None:
    """A copy of the product's run whose recipe says ``samples: KIND``."""
    copied(product, run)
    recipe = run / "recipe.yaml"
    text = recipe.read_text(encoding="utf-8")
    assert "samples: real" in text
    recipe.write_text(text.replace("samples: real", f"samples: {kind}"), encoding="utf-8")


@pytest.mark.parametrize(
    ("kind", "files"),
    [
        ("real", {"golden/golden.npz", "golden/probes.npz"}),
        ("synthetic", {"golden/probes.npz"}),
        ("none", set()),
    ],
)
def test_what_is_golden_follows_the_recipe(
    text_product: Product, tmp_path: Path, kind: str, files: set[str]
) -> None:
    samples_of(text_product, tmp_path / "run", kind)
    place = ("--out", tmp_path / "out", "--onnx", "--precision", "fp32")
    succeed("export", tmp_path / "run", *place)
    bundle = open_bundle(tmp_path / "out")
    assert {path for path in bundle.files if path.startswith("golden/")} == files
    if files:
        load(tmp_path / "out", threads=1, self_test=True).close()
        return
    with pytest.raises(IntegrityError, match="has none"):
        load(tmp_path / "out", threads=1, self_test=True)


@pytest.mark.parametrize("name", ["image_product", "text_product", "token_product"])
def test_every_artefact_gives_what_is_golden(name: str, request: pytest.FixtureRequest) -> None:
    product: Product = request.getfixturevalue(name)
    bundle = open_bundle(product.bundle)
    probed = open_probes(bundle.read("golden/probes.npz"))
    assert probed.weights == describe_net(product.run / "student").weights
    for artefact in bundle.manifest.artefacts.values():
        if artefact.status == "ready":
            load(product.bundle, artefact=artefact.id, threads=1, self_test=True).close()


def test_golden_raw_values_of_another_student_are_not_shipped(
    text_product: Product, tmp_path: Path
) -> None:
    run = copied(text_product, tmp_path / "run")
    path = run / "samples" / "probes.npz"
    probed = open_probes(path.read_bytes())
    write_atomic(path, probe_bytes(dataclasses.replace(probed, weights="0" * 64)))
    result = kd2edge("export", run, "--out", tmp_path / "out", "--onnx")
    assert result.code == 5
    assert "was made from other weights" in result.err
    assert not (tmp_path / "out").exists()


def test_a_run_of_before_is_exported_without_golden_raw_values(
    text_product: Product, tmp_path: Path
) -> None:
    run = copied(text_product, tmp_path / "run")
    (run / "samples" / "probes.npz").unlink()
    succeed("export", run, "--out", tmp_path / "out", "--onnx", "--precision", "fp32")
    load(tmp_path / "out", threads=1, self_test=True).close()


def ids(result: Any) -> set[str]:
    return set(result.json["artefacts"])


def test_each_target_makes_the_precisions_that_it_has(
    text_product: Product, tmp_path: Path
) -> None:
    out = ("--out", tmp_path / "out", "--json", "--allow-missing")
    asked = kd2edge("export", text_product.run, "--onnx", "--trt", "--precision", "fp16,int8", *out)
    expected = {"onnx-int8-qdq", "onnx-int8-dynamic", "tensorrt-fp16", "tensorrt-int8"}
    assert ids(asked) == expected
    run = copied(text_product, tmp_path / "run")
    named = ["export.targets=[onnx, tensorrt]", "export.precisions=[fp16, int8]"]
    recipe = load_recipe(run / "recipe.yaml", overrides=named)
    write_atomic(run / "recipe.yaml", recipe.dump_resolved().encode())
    assert ids(kd2edge("export", run, *out)) == expected


def test_a_precision_that_no_target_asked_for_has_is_refused(
    text_product: Product, tmp_path: Path
) -> None:
    place = ("--out", tmp_path / "out")
    result = kd2edge("export", text_product.run, "--onnx", "--precision", "fp16", *place)
    assert result.code == 2
    assert "no precision 'fp16' for onnx; there are fp32, int8" in result.err
    # ... as is a target that comes out empty beside one that does not.
    both = ("--onnx", "--trt", "--precision", "fp16")
    result = kd2edge("export", text_product.run, *both, *place)
    assert result.code == 2
    assert "target onnx was asked for and makes none of fp16; it makes fp32, int8" in result.err
    assert not (tmp_path / "out").exists()


def test_where_every_target_takes_the_program_no_graph_is_made(
    text_product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Source] = []

    def make(self: OnnxTarget, source: Source, variant: Variant) -> Made:
        seen.append(source)
        path = f"onnx/{variant.id}.pt2"
        return Made({path: str(source.program().graph_signature.user_outputs).encode()}, path)

    monkeypatch.setattr(OnnxTarget, "made_from", "program")
    monkeypatch.setattr(OnnxTarget, "make", make)
    monkeypatch.setattr("kd2edge.pipeline.verbs.exporting.onnx_from_student", None)
    place = ("--out", tmp_path / "out", "--onnx", "--precision", "fp32")
    succeed("export", text_product.run, *place)
    (source,) = seen
    assert source.graph == b""
    assert source.program() is source.program()
    assert open_bundle(tmp_path / "out").manifest.artefacts["onnx-fp32"].status == "ready"
