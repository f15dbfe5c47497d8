from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

import kd2edge as kd2edge_package
from commands import kd2edge, succeed
from kd2edge.bundle import open_bundle
from kd2edge.errors import IntegrityError, StorageError
from kd2edge.pipeline.steps.provenance import code_fingerprint, read_report
from products import Product


@pytest.mark.parametrize("text", ["{", "[]", "{}"])
def test_a_damaged_report_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "report.json").write_text(text, encoding="utf-8")
    with pytest.raises(IntegrityError, match=r"report\.json"):
        read_report(tmp_path / "report.json")
    with pytest.raises(StorageError, match="cannot be read"):
        read_report(tmp_path / "none.json")


def test_the_code_has_one_fingerprint() -> None:
    assert code_fingerprint() == code_fingerprint(Path(kd2edge_package.__file__).parent)
    assert len(code_fingerprint()) == 64


def test_other_code_has_another_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    source = tmp_path / "inner" / "one.py"
    source.write_text("a = 1\n", encoding="utf-8")
    before = code_fingerprint(tmp_path)
    (tmp_path / "notes.txt").write_text("no code", encoding="utf-8")
    assert code_fingerprint(tmp_path) == before
    source.write_text("a = 2\n", encoding="utf-8")
    changed = code_fingerprint(tmp_path)
    source.rename(tmp_path / "one.py")
    assert len({before, changed, code_fingerprint(tmp_path)}) == 3


def test_reports_of_runs_and_bundles_are_one_file(text_product: Product, tmp_path: Path) -> None:
    for place in (text_product.run, text_product.bundle):
        out = tmp_path / f"{place.parent.name}.html"
        succeed("report", place, "--out", out)
        page = out.read_text(encoding="utf-8")
        assert "tiny-text" in page
        assert 'src="http' not in page
        assert 'href="http' not in page


def test_a_bundle_far_from_its_run_reports_its_evidence(
    text_product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bundle = Path(shutil.copytree(text_product.bundle, tmp_path / "models" / "tiny"))
    shutil.rmtree(bundle / "reports", ignore_errors=True)
    refused = kd2edge("report", bundle)
    assert refused.code == 2
    assert "kd2edge validate" in refused.err
    data = text_product.folder / "test.jsonl"
    kd2edge("validate", bundle, "--data", data, "--artefact", "onnx-fp32", "--threads", "1")
    assert succeed("report", bundle).out.strip().endswith("tiny-report.html")
    assert "onnx-fp32" in (tmp_path / "tiny-report.html").read_text(encoding="utf-8")


def test_two_runs_are_compared_task_by_task(text_product: Product, image_product: Product) -> None:
    text = succeed("compare", text_product.run, text_product.bundle).out
    assert "intent" in text
    assert "urgent" in text
    result = kd2edge("compare", text_product.run, image_product.run)
    assert result.code == 2
    assert "expected at least one task that both have" in result.err


def test_a_wrong_place_is_neither_run_nor_bundle(tmp_path: Path) -> None:
    assert kd2edge("report", tmp_path / "none").code == 2
    assert kd2edge("report", tmp_path).code == 2


def test_the_manifest_s_provenance_is_the_report_s(text_product: Product) -> None:
    report = json.loads((text_product.run / "report.json").read_text(encoding="utf-8"))
    provenance = open_bundle(text_product.bundle).manifest.provenance
    for key in ("recipe", "data", "teacher"):
        assert provenance[key] == report["fingerprints"][key]
