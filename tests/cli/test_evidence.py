"""What the verbs say about evidence, and which bundle they take."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest

import bundles
from commands import kd2edge
from kd2edge.bundle import append_evidence, open_bundle


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return bundles.image_bundle(tmp_path / "bundle")


def test_a_pinned_identity_is_exit_5_for_any_other(folder: Path, tmp_path: Path) -> None:
    own = open_bundle(folder).identity
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"image": bundles.images(1)[0].tolist()}) + "\n", encoding="utf-8")
    for words in (("verify", folder), ("predict", folder, rows)):
        assert kd2edge(*words, "--identity", own).code == 0
        other = kd2edge(*words, "--identity", "0" * 64)
        assert other.code == 5
        assert own in other.err
        assert kd2edge(*words, "--identity", "latest").code == 2


def test_verify_says_what_evidence_proves(folder: Path) -> None:
    found = kd2edge("verify", folder)
    assert "whose, only a signature tells" in found.out
    assert max(map(len, found.out.splitlines()[-2:])) <= 100


def test_evidence_that_contradicts_itself_is_named(folder: Path) -> None:
    payload = copy.deepcopy(bundles.validated(onnx_fp32="pass", onnx_int8_qdq="pass"))
    task = payload["artefacts"]["onnx-int8-qdq"]["tasks"]["digit"]
    task["metrics"]["accuracy"]["drop"]["high"] = 0.4
    append_evidence(folder, "validation", open_bundle(folder).identity, payload)
    for words in (("verify", folder), ("inspect", folder)):
        found = kd2edge(*words)
        assert found.code == 0
        assert "onnx-int8-qdq: evidence of 2" in found.out
        assert "contradicts itself: digit is said to pass, but" in found.out
    here = kd2edge("inspect", folder, "--json").json["here"]
    assert here["verdicts"]["onnx-fp32"] == {"verdict": "pass", "threads": [1, 2], "reason": ""}
    assert "onnx-int8-qdq" not in here["verdicts"]
    assert len(here["notes"]) == 1
