"""No student is exported, or judged, under another's report, outputs or rows."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import Result, kd2edge, succeed
from kd2edge.bundle import open_bundle
from kd2edge.files import canonical_json, fingerprint_file, npz_arrays, npz_bytes
from kd2edge.validate.meaning import MEANING, open_meaning
from kd2edge.validate.record import REPORT, open_record
from products import Product


@pytest.fixture
def run(text_product: Product, tmp_path: Path) -> Path:
    place = tmp_path / "runs" / "tiny"
    shutil.copytree(text_product.run, place, ignore=shutil.ignore_patterns("cache"))
    return place


def export(run: Path) -> Result:
    return kd2edge(
        "export", run, "--out", run.parent.parent / "bundle", "--onnx", "--precision", "fp32"
    )


def report_of(run: Path) -> dict[str, Any]:
    return json.loads((run / "report.json").read_text(encoding="utf-8"))


def change_report(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    report = report_of(run)
    change(report)
    (run / "report.json").write_text(json.dumps(report), encoding="utf-8")


def weaker_student(run: Path) -> None:
    """The baseline stands in for an earlier student: whole, with weights and description."""
    for ending in ("safetensors", "json"):
        shutil.copy(run / f"baseline.{ending}", run / f"student.{ending}")


def other_outputs(run: Path) -> None:
    path = run / "samples" / "reference-test.npz"
    arrays = npz_arrays(path.read_bytes())
    arrays["decoded/intent/labels"] = np.roll(arrays["decoded/intent/labels"], 1)
    path.write_bytes(npz_bytes(arrays))


def other_split(run: Path) -> None:
    shutil.copy(run / "samples/reference-validation.npz", run / "samples/reference-test.npz")


def old_outputs(run: Path) -> None:
    path = run / "samples" / "reference-test.npz"
    arrays = npz_arrays(path.read_bytes()) | {"schema": np.array(2)}
    path.write_bytes(npz_bytes(arrays))


def renamed_outputs(run: Path) -> None:
    path = run / "samples" / "reference-test.npz"
    said = canonical_json({"meaning": "7" * 64, "split": "test"})
    arrays = npz_arrays(path.read_bytes()) | {"of": np.frombuffer(said, np.uint8)}
    path.write_bytes(npz_bytes(arrays))


def other_labels(run: Path) -> None:
    """The student's description names its labels in another order."""
    path = run / "student.json"
    described = json.loads(path.read_text(encoding="utf-8"))
    described["tasks"][0]["labels"].reverse()
    path.write_text(json.dumps(described), encoding="utf-8")


def other_meaning(run: Path) -> None:
    path = run / "meaning.json"
    meaning = open_meaning(path.read_bytes())
    path.write_bytes(dataclasses.replace(meaning, weights="7" * 64).to_json())


def other_tokenizer(run: Path) -> None:
    (path,) = (run / "tokenizer").glob("*.json")
    path.write_bytes(path.read_bytes() + b"\n")


def stale_report(run: Path) -> None:
    change_report(run, lambda report: report["fingerprints"].update(meaning="7" * 64))


def better_report(run: Path) -> None:
    def change(report: dict[str, Any]) -> None:
        numbers = report["splits"]["test"]["tasks"]["urgent"]["student"]["metrics"]["accuracy"]
        numbers["value"] = 0.999

    change_report(run, change)


def old_report(run: Path) -> None:
    change_report(run, lambda report: report.update(schema=1))


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (weaker_student, "meaning.json is of a student with weights"),
        (other_meaning, "meaning.json is of a student with weights 777777777777"),
        (other_labels, "labels is"),
        (other_tokenizer, "input text: files is"),
        (stale_report, "report.json is about another student, other rows or other labels"),
        (renamed_outputs, "reference-test.npz is of another student, other rows or other labels"),
        (other_outputs, "task intent: PyTorch's stored decisions reach macro_f1"),
        (other_split, "reference-test.npz is of the validation split"),
        (better_report, "the report 0.9990"),
    ],
)
def test_what_is_of_several_students_is_not_exported(
    run: Path, spoil: Callable[[Path], None], said: str
) -> None:
    spoil(run)
    result = export(run)
    assert result.code == 5
    assert said in " ".join(result.err.split())
    assert "--resume" in result.err
    assert not (run.parent.parent / "bundle").exists()


@pytest.mark.parametrize("spoil", [old_outputs, old_report])
def test_what_an_older_kd2edge_wrote_is_refused(run: Path, spoil: Callable[[Path], None]) -> None:
    spoil(run)
    result = export(run)
    assert result.code == 2
    assert "this kd2edge reads" in result.err
    assert "--resume" in result.err


def test_a_bundle_carries_what_the_report_says(text_product: Product) -> None:
    bundle = open_bundle(text_product.bundle)
    record = open_record(bundle.read(REPORT))
    report = report_of(text_product.run)
    meaning = open_meaning(bundle.read(MEANING))
    assert record.meaning == report["fingerprints"]["meaning"] == meaning.key
    assert bundle.read(MEANING) == (text_product.run / MEANING).read_bytes()
    weights = fingerprint_file(text_product.run / "student.safetensors")
    assert meaning.weights == weights == bundle.manifest.provenance["student"]
    for split in ("validation", "test"):
        for task, metrics in record.splits[split].items():
            own = report["splits"][split]["tasks"][task]["student"]["metrics"]
            assert metrics.keys() == own.keys()
            assert all(numbers["value"] == own[name]["value"] for name, numbers in metrics.items())


def test_the_run_that_rows_come_from_is_the_bundle_s(text_product: Product, run: Path) -> None:
    wide = ["--max-drop", "intent=1", "--max-drop", "urgent=1", "--artefact", "onnx-fp32"]
    place = ["validate", text_product.bundle, "--run", run, "--threads", "1", *wide]
    place += ["--out", run.parent.parent / "evidence"]
    (run.parent.parent / "evidence").mkdir()
    assert kd2edge(*place).code == 0
    better_report(run)
    result = kd2edge(*place)
    assert result.code == 5
    said = " ".join(result.err.split())
    assert "urgent accuracy on test is 0.999" in said
    assert "export the run again" in said
    weaker_student(run)
    result = kd2edge(*place)
    assert result.code == 5
    assert "its student has weights" in result.err


def test_bounds_of_a_report_rest_on_distinct_rows(text_product: Product, tmp_path: Path) -> None:
    project = tmp_path / "project"
    shutil.copytree(text_product.folder, project)
    recipe, place = project / text_product.recipe.name, project / "runs" / text_product.run.name
    old = report_of(place)["splits"]["test"]
    assert old["distinct"] == old["rows"] == 24
    file = project / "test.jsonl"
    file.write_text(3 * file.read_text(encoding="utf-8"), encoding="utf-8")
    succeed("distill", recipe, "--run-dir", place, "--resume")
    new = report_of(place)["splits"]["test"]
    assert (new["rows"], new["distinct"]) == (72, 24)
    for task in ("intent", "urgent"):
        before, after = (one["tasks"][task]["student"]["metrics"]["accuracy"] for one in (old, new))
        assert after["value"] == pytest.approx(before["value"])
        assert [after["low"], after["high"]] == pytest.approx(
            [before["low"], before["high"]], abs=0.03
        )
        assert after["distinct"] == before["rows"]
    html = (place / "report.html").read_text(encoding="utf-8")
    assert "72 rows, 24 distinct of the test split" in html
