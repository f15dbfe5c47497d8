from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import bundles
from kd2edge.bundle import Evidence, Machine, machine, open_bundle
from kd2edge.bundle.manifest import Manifest
from kd2edge.errors import BackendError, GateError, IntegrityError, UsageError
from kd2edge.runtime.choice import Choice, choose
from kd2edge.runtime.known import known_of

HERE = machine()
ELSEWHERE = Machine("other-cpu", "other", 1, (), "Linux", "3.11", 0)


@pytest.fixture
def manifest(image_bundle: Path) -> Manifest:
    return open_bundle(image_bundle).manifest


def with_artefacts(manifest: Manifest, **changes: dict[str, Any]) -> Manifest:
    """The manifest with fields of artefacts changed, and artefacts that it did not have added."""
    made = dict(manifest.artefacts)
    for key, fields in changes.items():
        name = key.replace("_", "-")
        one = made.get(name) or bundles.artefact(name, "", {}, (), ())
        made[name] = replace(one, **fields)
    return replace(manifest, artefacts=made)


def validation(time: str = "2026-01-01", at: Machine = HERE, **verdicts: str) -> Evidence:
    artefacts = {name.replace("_", "-"): {"verdict": verdict} for name, verdict in verdicts.items()}
    return Evidence("validation", at, "sha", time, {"artefacts": artefacts}, Path())


def bench(at: Machine = HERE, threads: int = 1, **p50: float) -> Evidence:
    timings = [
        {
            "artefact": name.replace("_", "-"),
            "batch": batch,
            "threads": threads,
            "p50_ms": ms * scale,
        }
        for batch, scale in ((1, 1), (8, -1))  # the larger batch would choose the other one
        for name, ms in p50.items()
    ]
    return Evidence("bench", at, "sha", "2026-01-02", {"timings": timings}, Path())


def build(artefact: str, folder: Path, at: Machine = HERE, engine: str = "a.engine") -> Evidence:
    payload = {"artefact": artefact, "engine": engine, "sha256": "ab", "bytes": 3}
    return Evidence("build", at, "sha", "2026-01-03", payload, folder)


def chosen(
    manifest: Manifest, *evidence: Evidence, asked: str | None = None, threads: int = 1
) -> Choice:
    known = known_of(evidence, HERE, threads, "models/tiny")
    return choose(manifest, known, asked=asked, place="models/tiny")


def test_without_evidence_the_preferred_order_decides(manifest: Manifest):
    assert chosen(manifest).artefact.id == "onnx-fp32"
    turned = replace(manifest, preferred=("onnx-int8-qdq", "onnx-fp32"))
    choice = chosen(turned)
    assert choice.artefact.id == "onnx-int8-qdq"
    assert "preferred order" in choice.why


@pytest.mark.parametrize(
    "found",
    [
        {"verdict": "PASS"},
        {"verdict": True},
        {"verdict": "pass", "tasks": {"digit": {"verdict": "fail"}}},
    ],
)
def test_a_verdict_that_does_not_follow_is_refused(manifest: Manifest, found: dict[str, Any]):
    one = replace(validation(), payload={"artefacts": {"onnx-fp32": found}})
    with pytest.raises(IntegrityError, match="evidence that cannot be read"):
        chosen(manifest, one)


@pytest.mark.parametrize("time", [0.0, -5.0, float("nan")])
def test_a_time_that_cannot_be_is_refused(manifest: Manifest, time: float):
    with pytest.raises(IntegrityError, match="a time that cannot be"):
        chosen(manifest, bench(onnx_fp32=time))


def test_what_passed_here_comes_before_what_is_preferred(manifest: Manifest):
    choice = chosen(manifest, validation(onnx_int8_qdq="pass"))
    assert choice.artefact.id == "onnx-int8-qdq"
    assert "passed validation on a machine like this one" in choice.why


def test_the_fastest_of_those_that_passed_is_taken(manifest: Manifest):
    passed = validation(onnx_fp32="pass", onnx_int8_qdq="pass")
    assert chosen(manifest, passed).artefact.id == "onnx-fp32"
    choice = chosen(manifest, passed, bench(onnx_fp32=2.0, onnx_int8_qdq=1.0))
    assert choice.artefact.id == "onnx-int8-qdq"
    assert choice.why.startswith("fastest of 2")
    assert chosen(manifest, passed, bench(onnx_fp32=1, onnx_int8_qdq=2)).artefact.id == "onnx-fp32"


def test_only_what_one_bench_timed_is_compared(manifest: Manifest):
    third = with_artefacts(manifest, onnx_int8_dynamic={})
    passed = validation(onnx_fp32="pass", onnx_int8_qdq="pass", onnx_int8_dynamic="pass")
    full = bench(onnx_fp32=1.0, onnx_int8_qdq=2.0, onnx_int8_dynamic=3.0)
    for alone in (0.1, 99.0):  # of another hour: says nothing about the others
        choice = chosen(third, passed, full, bench(onnx_int8_dynamic=alone))
        assert choice.artefact.id == "onnx-fp32"
        assert choice.why.startswith("fastest of 3 that passed")
        assert chosen(third, passed, bench(onnx_int8_dynamic=alone)).artefact.id == "onnx-fp32"
    two = chosen(third, passed, bench(onnx_int8_qdq=2.0, onnx_int8_dynamic=1.0))
    assert two.artefact.id == "onnx-int8-dynamic"
    assert two.why.startswith("fastest of 2 timed together, among 3 that passed")
    newer = bench(onnx_fp32=3.0, onnx_int8_qdq=1.0, onnx_int8_dynamic=2.0)
    assert chosen(third, passed, full, newer).artefact.id == "onnx-int8-qdq"


def test_speed_without_a_pass_counts_for_nothing(manifest: Manifest):
    evidence = (validation(onnx_fp32="pass"), bench(onnx_fp32=2.0, onnx_int8_qdq=1.0))
    assert chosen(manifest, *evidence).artefact.id == "onnx-fp32"


def test_the_bench_with_as_many_threads_counts_first(manifest: Manifest):
    passed = validation(onnx_fp32="pass", onnx_int8_qdq="pass")
    both = bench(threads=1, onnx_fp32=2.0, onnx_int8_qdq=1.0)
    both.payload["timings"].extend(
        bench(threads=2, onnx_fp32=1.0, onnx_int8_qdq=2.0).payload["timings"]
    )
    assert chosen(manifest, passed, both, threads=1).artefact.id == "onnx-int8-qdq"
    assert chosen(manifest, passed, both, threads=2).artefact.id == "onnx-fp32"


def test_evidence_of_another_machine_counts_for_nothing(manifest: Manifest):
    passed = validation(at=ELSEWHERE, onnx_int8_qdq="pass", onnx_fp32="fail")
    assert chosen(manifest, passed).artefact.id == "onnx-fp32"


def test_the_newest_verdict_counts(manifest: Manifest):
    old = validation("2026-01-01", onnx_int8_qdq="pass")
    new = validation("2026-01-05", onnx_int8_qdq="fail")
    assert chosen(manifest, old, new).artefact.id == "onnx-fp32"


def test_what_failed_here_is_not_taken_by_preference(manifest: Manifest):
    assert chosen(manifest, validation(onnx_fp32="fail")).artefact.id == "onnx-int8-qdq"
    assert chosen(manifest, validation(onnx_fp32="undecided")).artefact.id == "onnx-fp32"
    failed = validation(onnx_fp32="fail", onnx_int8_qdq="fail")
    with pytest.raises(GateError, match="failed validation") as caught:
        chosen(manifest, failed)
    assert caught.value.exit_code == 3
    assert chosen(manifest, failed, asked="onnx-fp32").why == "asked for by its id"


def test_what_is_not_installed_is_passed_over(manifest: Manifest, monkeypatch):
    more = with_artefacts(manifest, openvino_fp32={}, onnx_fp32={}, onnx_int8_qdq={})
    more = replace(more, preferred=("openvino-fp32", "onnx-fp32"))
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert chosen(more).artefact.id == "onnx-fp32"
    with pytest.raises(BackendError, match=r'openvino-fp32 cannot run.*pip install "kd2edge\[ope'):
        chosen(more, asked="openvino-fp32")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BackendError, match="no artefact of models/tiny can run here.*onnx-fp32: "):
        chosen(more)


def test_asked_for_ones_that_cannot_run_say_why_and_what_to_do(manifest: Manifest):
    waiting = {"status": "needs_device", "reason": "a GPU builds the engine"}
    more = with_artefacts(
        manifest,
        tensorrt_fp16=waiting,
        onnx_bf16={"status": "failed", "reason": "no bf16 MatMul"},
    )
    with pytest.raises(BackendError, match="a GPU builds.*run: kd2edge build BUNDLE") as caught:
        chosen(more, asked="tensorrt-fp16")
    assert caught.value.exit_code == 6
    with pytest.raises(BackendError, match=r"its export failed \(no bf16 MatMul\)"):
        chosen(more, asked="onnx-bf16")
    with pytest.raises(UsageError, match="no artefact 'onnx-int4'; it has onnx-fp32") as usage:
        chosen(more, asked="onnx-int4")
    assert usage.value.exit_code == 2
    assert chosen(more).artefact.id == "onnx-fp32"


def test_an_engine_built_here_makes_its_artefact_loadable(manifest: Manifest, tmp_path: Path):
    more = with_artefacts(manifest, tensorrt_fp16={"status": "needs_device", "reason": "no GPU"})
    (tmp_path / "a.engine").write_bytes(b"abc")
    built = build("tensorrt-fp16", tmp_path)
    choice = chosen(more, built, asked="tensorrt-fp16")
    assert choice.engine is not None
    assert (choice.engine.folder, choice.engine.path) == (tmp_path, "a.engine")
    assert choice.engine.sha256 == "ab"
    newer = chosen(more, built, build("tensorrt-fp16", tmp_path, engine="b"), asked=None)
    assert newer.artefact.id == "onnx-fp32"
    passed = chosen(more, built, validation(tensorrt_fp16="pass"))
    assert passed.artefact.id == "tensorrt-fp16"
    assert passed.engine is not None
    with pytest.raises(BackendError, match="needs a device"):
        chosen(more, build("tensorrt-fp16", tmp_path, ELSEWHERE), asked="tensorrt-fp16")


def test_evidence_never_stands_in_for_bytes_that_the_manifest_names(
    manifest: Manifest, tmp_path: Path
):
    (tmp_path / "a.engine").write_bytes(b"abc")
    choice = chosen(manifest, build("onnx-fp32", tmp_path), validation(onnx_fp32="pass"))
    assert choice.artefact.id == "onnx-fp32"
    assert choice.engine is None


def test_an_engine_that_is_gone_is_as_good_as_never_built(manifest: Manifest, tmp_path: Path):
    more = with_artefacts(manifest, tensorrt_fp16={"status": "needs_device", "reason": "no GPU"})
    evidence = (
        build("tensorrt-fp16", tmp_path),
        validation(tensorrt_fp16="pass", onnx_fp32="pass"),
        bench(tensorrt_fp16=1.0, onnx_fp32=2.0),
    )
    assert chosen(more, *evidence).artefact.id == "onnx-fp32"
    with pytest.raises(BackendError, match="run: kd2edge build BUNDLE"):
        chosen(more, *evidence, asked="tensorrt-fp16")
    (tmp_path / "a.engine").write_bytes(b"abc")
    assert chosen(more, *evidence).artefact.id == "tensorrt-fp16"


def test_not_run_says_nothing_against_an_earlier_verdict(manifest: Manifest):
    evidence = (validation(onnx_int8_qdq="pass"), validation("2026-01-09", onnx_int8_qdq="not_run"))
    assert chosen(manifest, *evidence).artefact.id == "onnx-int8-qdq"


@pytest.mark.parametrize(
    "evidence",
    [
        Evidence("validation", HERE, "sha", "", {}, Path()),
        Evidence("validation", HERE, "sha", "", {"artefacts": []}, Path()),
        Evidence("validation", HERE, "sha", "", {"artefacts": {"onnx-fp32": "pass"}}, Path()),
        Evidence("bench", HERE, "sha", "", {"timings": [{"threads": 1}]}, Path()),
        Evidence("build", HERE, "sha", "", {"artefact": "tensorrt-fp16"}, Path()),
    ],
)
def test_evidence_of_another_form_is_an_integrity_error(manifest: Manifest, evidence: Evidence):
    with pytest.raises(IntegrityError, match="evidence that cannot be read"):
        chosen(manifest, evidence)
