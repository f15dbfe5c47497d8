"""Where the rows of a validation come from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from kd2edge.bundle import open_bundle
from kd2edge.errors import IntegrityError, UsageError
from kd2edge.pipeline.verbs.finished import finished_run
from kd2edge.pipeline.verbs.validation import latest_bundle, rows_from_file, validate
from kd2edge.validate import Validation
from products import Product

ONE = {"artefacts": ["onnx-fp32"], "max_drop": {"intent": 1.0, "urgent": 1.0}, "threads": 1}


@pytest.fixture
def bundle(text_product: Product, tmp_path: Path) -> Path:
    """The product's bundle, far from its run."""
    return Path(shutil.copytree(text_product.bundle, tmp_path / "far" / "models" / "tiny"))


def judged(bundle: Path, **options: object) -> Validation:
    return validate(bundle, **{**ONE, **options})  # type: ignore[arg-type]


def test_rows_are_those_of_the_run_that_was_named(text_product: Product, bundle: Path) -> None:
    found = judged(bundle, run=finished_run(text_product.run))
    assert (found.outcome, found.split, found.rows) == ("pass", "test", 24)
    assert found.references == {"pytorch": 24, "onnx-fp32": 0}


def test_rows_of_a_file_find_their_stored_outputs(text_product: Product, bundle: Path) -> None:
    found = judged(bundle, data=text_product.folder / "test.jsonl")
    assert found.references == {"pytorch": 24, "onnx-fp32": 0}
    rows = rows_from_file(open_bundle(bundle), text_product.folder / "test.jsonl")
    assert len(rows) == 24


def test_without_run_or_file_it_says_what_to_name(
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bundle.parent)
    with pytest.raises(UsageError, match="the rows are not at hand"):
        judged(bundle)


def test_another_run_s_rows_are_refused(bundle: Path, token_product: Product) -> None:
    with pytest.raises(IntegrityError, match="its student has weights"):
        judged(bundle, run=finished_run(token_product.run))


def test_a_split_without_rows_is_refused(text_product: Product, bundle: Path) -> None:
    with pytest.raises(UsageError):
        judged(bundle, run=finished_run(text_product.run), split="none")


def test_the_latest_bundle_is_that_of_the_latest_run(
    text_product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="no finished run"):
        latest_bundle()
    shutil.copytree(text_product.run, tmp_path / "runs" / "one")
    with pytest.raises(UsageError, match="no bundle there yet"):
        latest_bundle()
    (tmp_path / "models" / "tiny-text").mkdir(parents=True)
    assert latest_bundle() == Path("models/tiny-text")
