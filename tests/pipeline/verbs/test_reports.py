from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import bundles
from kd2edge.bundle import Bundle, append_evidence, open_bundle
from kd2edge.pipeline.verbs.reports import findings, newest
from kd2edge.reporting import html_report


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return open_bundle(bundles.image_bundle(tmp_path / "bundle"))


def validated(bundle: Bundle, rows: int = 200, **verdicts: str) -> None:
    artefacts = {
        name.replace("_", "-"): {"verdict": verdict, "reason": "", "bytes": 1, "tasks": {}}
        for name, verdict in verdicts.items()
    }
    payload: dict[str, Any] = {
        "split": "test", "rows": rows, "fingerprint": f"of {rows}", "confidence": 0.95,
        "reference": "PyTorch", "artefacts": artefacts,
    }  # fmt: skip
    append_evidence(bundle.path, "validation", bundle.identity, payload)


def timed(bundle: Bundle, **p50: float) -> None:
    timings = [
        {"artefact": name.replace("_", "-"), "batch": 1, "threads": 1, "p50_ms": time}
        for name, time in p50.items()
    ]
    append_evidence(bundle.path, "bench", bundle.identity, {"timings": timings})


def verdicts(bundle: Bundle) -> dict[str, str]:
    found = newest(bundle, "validation")
    assert found is not None
    return {name: part["verdict"] for name, part in found["artefacts"].items()}


def test_an_artefact_judged_alone_does_not_hide_the_others(bundle: Bundle) -> None:
    assert newest(bundle, "validation") is None
    validated(bundle, onnx_fp32="pass", onnx_int8_qdq="pass")
    validated(bundle, onnx_int8_qdq="fail")
    validated(bundle, onnx_int8_qdq="not_run", openvino_int8="not_run")
    assert verdicts(bundle) == {
        "onnx-fp32": "pass", "onnx-int8-qdq": "fail", "openvino-int8": "not_run",
    }  # fmt: skip
    assert "was judged before" not in page(bundle)


def test_a_verdict_on_other_rows_says_so(bundle: Bundle) -> None:
    validated(bundle, 200, onnx_fp32="pass", onnx_int8_qdq="pass")
    validated(bundle, 90, onnx_int8_qdq="fail")
    text = page(bundle)
    assert "Gate on 90 rows of the test split" in text
    assert "onnx-fp32 was judged before, on 200 rows of the test split at 95% against" in text
    assert "onnx-int8-qdq was judged before" not in text


def test_times_of_different_benches_are_not_mixed(bundle: Bundle) -> None:
    timed(bundle, onnx_fp32=1.0, onnx_int8_qdq=2.0)
    timed(bundle, onnx_fp32=3.0, onnx_int8_qdq=4.0)
    timed(bundle, onnx_int8_qdq=99.0)
    found = newest(bundle, "bench")
    assert found is not None
    assert [one["p50_ms"] for one in found["timings"]] == [3.0, 4.0]


def page(bundle: Bundle) -> str:
    report, validation, bench = findings(bundle.path)
    return html_report(report, validation=validation, bench=bench)
