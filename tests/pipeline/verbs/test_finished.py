from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kd2edge.bundle import open_bundle
from kd2edge.errors import StorageError
from kd2edge.files import fingerprint_file
from kd2edge.pipeline.steps.folders import RunFolder
from kd2edge.pipeline.verbs.finished import finished_run, read_run, run_of
from products import Product


def test_a_bundle_finds_its_run_and_no_other(text_product: Product, token_product: Product) -> None:
    bundle = open_bundle(text_product.bundle)
    found = run_of(bundle)
    assert found is not None
    assert found.folder.path.resolve() == text_product.run.resolve()
    assert run_of(bundle, [token_product.run.parent]) is None


def test_a_damaged_run_beside_it_does_no_harm(text_product: Product, tmp_path: Path) -> None:
    shutil.copytree(text_product.run, tmp_path / "runs" / "good")
    (tmp_path / "runs" / "bad").mkdir()
    (tmp_path / "runs" / "bad" / "report.json").write_text("{", encoding="utf-8")
    found = run_of(open_bundle(text_product.bundle), [tmp_path / "runs"])
    assert found is not None
    assert found.folder.path.name == "good"


def test_other_weights_are_another_run(text_product: Product, tmp_path: Path) -> None:
    folder = RunFolder(Path(shutil.copytree(text_product.run, tmp_path / "run")))
    before = read_run(folder).provenance
    (folder.path / "student.safetensors").write_bytes(b"other")
    after = read_run(folder).provenance
    assert before["run"] != after["run"]
    assert before["data"] == after["data"]


def test_a_run_without_its_student_cannot_be_read(text_product: Product, tmp_path: Path) -> None:
    folder = RunFolder(Path(shutil.copytree(text_product.run, tmp_path / "run")))
    folder.student.with_name("student.safetensors").unlink()
    with pytest.raises(StorageError, match="cannot be read"):
        read_run(folder)


def test_a_run_says_what_its_report_says(text_product: Product) -> None:
    run = finished_run(text_product.run)
    assert run.name == "tiny-text"
    assert run.weights == fingerprint_file(text_product.run / "student.safetensors")
    assert run.meaning.weights == run.weights
    assert run.record.meaning == run.meaning.key
    assert run.record.splits.keys() == {"validation", "test"}
