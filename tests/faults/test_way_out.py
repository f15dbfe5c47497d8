"""Whatever file of a run is damaged: it is mended in passing, or the message says how to go on."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from commands import kd2edge
from products import Product

#: One file of each kind that a run keeps for the next command.
FILES = [
    "baseline.json", "baseline.record.json", "baseline.safetensors",
    "cache/encoded/*/00000.bin", "cache/encoded/*/manifest.json",
    "cache/teachers/*/00000.bin", "cache/teachers/*/manifest.json",
    "checkpoints/student/checkpoint.json", "checkpoints/student/*.safetensors",
    "report.json", "rows.json", "samples/calibration.npz", "samples/golden.npz",
    "samples/reference-test.npz", "student.json", "student.record.json", "student.safetensors",
    "teachers/bert.json", "teachers/bert.record.json", "teachers/bert.safetensors",
    "tokenizer/text.json",
]  # fmt: skip


def _cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _another(path: Path) -> None:
    """Well-formed, and not what was written."""
    path.write_text(json.dumps({"schema": 1, "tasks": [[]], "key": 7}), encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        *((file, _cut_short) for file in FILES),
        *((file, _another) for file in FILES if file.endswith(".json")),
    ],
)
def test_a_damaged_run_can_always_be_finished(
    text_product: Product, run: Path, file: str, damage: Callable[[Path], None]
) -> None:
    damage(next(iter(sorted(run.glob(file)))))
    _finished(["distill", text_product.recipe, "--run-dir", run, "--resume"], run)
    again = json.loads((run / "report.json").read_text(encoding="utf-8"))
    before = json.loads((text_product.run / "report.json").read_text(encoding="utf-8"))
    assert again["splits"] == before["splits"]


@pytest.mark.parametrize("file", ["teachers/bert.json", "teachers/bert.safetensors"])
def test_without_resume_too(text_product: Product, run: Path, file: str) -> None:
    _cut_short(run / file)
    _finished(["distill", text_product.recipe, "--run-dir", run], run)


@pytest.mark.parametrize("verb", ["export", "report", "validate", "compare"])
@pytest.mark.parametrize("file", ["report.json", "student.json", "rows.json"])
def test_a_verb_that_reads_a_damaged_run_says_what_to_run(
    text_product: Product, run: Path, tmp_path: Path, file: str, verb: str
) -> None:
    _cut_short(run / file)
    arguments = {
        "export": ["export", run, "--onnx", "--out", tmp_path / "out"],
        "report": ["report", run],
        "validate": ["validate", text_product.bundle, "--run", run, "--out", tmp_path / "out"],
        "compare": ["compare", run, text_product.run],
    }[verb]
    result = kd2edge(*arguments)
    if result.code in {0, 3}:  # it does not read this one
        return
    assert result.code == 5, result.err
    last = result.err.splitlines()[-1]
    assert str(run) in last
    assert "kd2edge distill" in last, last


def _finished(command: list[str | Path], run: Path) -> None:
    """Run a command; where it stops for damage, do what it says until it is through."""
    for _ in range(3):
        result = kd2edge(*command)
        if result.code == 0:
            return
        assert result.code == 5, result.err
        last = result.err.splitlines()[-1]
        found = re.search(r"delete (\S+?)[,;:.]?( |$)", last)
        assert found is not None, f"no way out: {last}"
        path = Path(found[1])
        assert path.exists(), last
        assert run in path.parents, last
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
        if "--resume" in last and "--resume" not in command:
            command = [*command, "--resume"]
    pytest.fail(f"the way out leads nowhere: {result.err}")
