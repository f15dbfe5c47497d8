"""A disk that fills up while something is written: exit 4, and nothing half-written."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import pytest

from commands import Result, kd2edge, succeed
from faulty import Project
from kd2edge.bundle import open_bundle
from products import Product

FullDisk = Callable[[str], None]


@pytest.fixture
def full_disk(monkeypatch: pytest.MonkeyPatch) -> FullDisk:
    """Lets every write to a file whose name has a piece in it fail half-way."""
    real = Path.open

    def install(piece: str) -> None:
        def opened(path: Path, mode: str = "r", *rest: Any, **named: Any) -> IO[Any]:
            file = real(path, mode, *rest, **named)
            return _Full(file) if piece in path.name and set(mode) & set("wxa") else file

        monkeypatch.setattr(Path, "open", opened)

    return install


class _Full:
    """A file on a disk that takes half of what is written and then no more."""

    def __init__(self, file: IO[Any]) -> None:
        self._file = file

    def write(self, content: Any) -> int:
        self._file.write(content[: len(content) // 2])
        self._file.flush()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> _Full:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def assert_full(result: Result, file: str) -> None:
    assert result.code == 4, result.err
    assert "Traceback" not in result.err
    last = result.err.splitlines()[-1]
    assert last.startswith("error: ")
    assert file in last
    assert "disk full" in last


@pytest.mark.parametrize(
    "file",
    [
        "recipe.yaml", "rows.json", "text.json", "00000.bin", "bert.safetensors",
        "bert.record.json", "checkpoint.json", "student.safetensors", "calibration.npz",
        "golden.npz", "reference-test.npz", "report.html", "report.json",
    ],
)  # fmt: skip
def test_while_a_recipe_is_run(project: Project, full_disk: FullDisk, file: str) -> None:
    run = project.folder / "runs" / "tiny"
    project.edit("train: {epochs: 3", "train: {epochs: 1")
    full_disk(file)
    result = kd2edge("distill", project.recipe, "--run-dir", run)
    assert_full(result, file)
    assert not list(run.rglob("*.partial"))
    assert not list(run.rglob(file))
    assert not (run / "report.json").exists()
    assert not (run.parent / "latest").exists()
    assert kd2edge("export", run).code == 2  # it is not finished


def test_a_run_goes_on_when_there_is_room_again(
    project: Project, full_disk: FullDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = project.folder / "run"
    full_disk("report.json")
    assert kd2edge("distill", project.recipe, "--run-dir", run).code == 4
    monkeypatch.undo()
    result = succeed("distill", project.recipe, "--run-dir", run, "--resume")
    assert "epoch" not in result.err


def test_while_the_log_is_written(text_product: Product, run: Path, full_disk: FullDisk) -> None:
    before = (run / "log.jsonl").read_bytes()
    full_disk("log.jsonl")
    result = kd2edge("distill", text_product.recipe, "--run-dir", run, "--resume")
    assert_full(result, "log.jsonl")
    assert (run / "log.jsonl").read_bytes() == before  # no half a line


@pytest.mark.parametrize("file", ["onnx-fp32.onnx", "golden.npz", "MODEL_CARD.md", "manifest.json"])
def test_while_a_bundle_is_written(
    text_product: Product, bundle: Path, full_disk: FullDisk, file: str
) -> None:
    before = open_bundle(bundle).identity
    full_disk(file)
    place = ["--out", bundle, "--onnx", "--precision", "fp32"]
    assert_full(kd2edge("export", text_product.run, *place), str(bundle))
    assert open_bundle(bundle).identity == before
    assert open_bundle(bundle).verify() == []
    assert [path.name for path in bundle.parent.iterdir()] == ["tiny"]


def test_while_evidence_is_written(
    text_product: Product, bundle: Path, full_disk: FullDisk
) -> None:
    # The shared bundle may hold evidence that another test left: that must stay as it is.
    before = {path: path.read_bytes() for path in bundle.rglob("validation-*")}
    full_disk("validation-")
    result = kd2edge("validate", bundle, "--run", text_product.run, "--artefact", "onnx-fp32")
    assert_full(result, "validation-")
    assert {path: path.read_bytes() for path in bundle.rglob("validation-*")} == before
    assert open_bundle(bundle).verify() == []


@pytest.mark.parametrize("verb", ["build", "bench"])
def test_while_other_evidence_is_written(bundle: Path, full_disk: FullDisk, verb: str) -> None:
    full_disk(f"{verb}-" if verb == "bench" else ".engine")
    more = {
        "bench": ["--artefact", "onnx-fp32", "--batch", "1", "--threads", "1", "--seconds", "0.1"],
        "build": ["--artefact", "tensorrt-fp32"],
    }[verb]
    result = kd2edge(verb, bundle, *more)
    assert_full(result, f"{verb}-" if verb == "bench" else ".engine")
    assert open_bundle(bundle).verify() == []


def test_while_a_report_or_recipe_is_written(
    run: Path, tmp_path: Path, full_disk: FullDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (run / "report.html").read_bytes()
    full_disk("report.html")
    assert_full(kd2edge("report", run), "report.html")
    assert (run / "report.html").read_bytes() == before
    monkeypatch.chdir(tmp_path)
    full_disk("mine.yaml")
    assert_full(kd2edge("new", "mine"), "mine.yaml")
    assert not (tmp_path / "mine.yaml").exists()


def test_a_folder_that_may_not_be_written(
    text_product: Product, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *_: Any, **__: Any) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)  # root, who runs tests in containers, may do all
    result = kd2edge("distill", text_product.recipe, "--run-dir", tmp_path / "closed" / "run")
    assert result.code == 4
    assert f"{tmp_path / 'closed' / 'run'}: " in result.err
    assert "no permission" in result.err


def test_a_file_where_a_folder_is_meant(text_product: Product, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    result = kd2edge("distill", text_product.recipe, "--run-dir", tmp_path / "file" / "run")
    assert result.code == 4
    assert "Traceback" not in result.err
    assert str(tmp_path / "file") in result.err
