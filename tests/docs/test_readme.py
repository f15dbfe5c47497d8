"""The README's commands, run from the first to the last in one folder, as a reader would."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest

from commands import kd2edge
from docs.documents import ROOT, blocks, commands, write_pictures
from products import QUICKSTART

COMMANDS = [
    words for block in blocks("bash") if block.file == "README.md" for words in commands(block)
]
#: What is added to a command so that it takes seconds; everything else runs as it stands.
SHORTER = {
    "distill": [part for value in QUICKSTART for part in ("--set", value)],
    "bench": ["--seconds", "0.1"],
}
#: A gate on the few rows of a short run may have too little data to say; nothing else may fail.
FINE = {"validate": (0, 3)}


def test_the_readme_shows_every_verb_of_a_first_tour() -> None:
    """A command that moves out of reach of these tests shows here."""
    assert [words[1] for words in COMMANDS] == [
        "demo", "test", "distill", "export", "validate", "bench", "predict", "new", "check",
    ]  # fmt: skip
    assert {words[0] for words in COMMANDS} == {"make", "kd2edge"}


def test_every_make_target_of_the_readme_is_run_by_ci() -> None:
    """They install and test everything, so no test can run them: CI does, from a clean clone."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    made = [line for line in script if line.startswith("make")]
    assert made == [" ".join(words) for words in COMMANDS if words[0] == "make"]
    assert made == ["make demo", "make test"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    assert "set -euo pipefail" in script  # a failing demo fails CI


@pytest.mark.slow
def test_every_command_of_the_readme_runs_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    write_pictures(tmp_path / "rows.jsonl")
    monkeypatch.chdir(tmp_path)
    for words in COMMANDS:
        if words[0] == "kd2edge":
            assert_runs(words[1:])
    bundle = tmp_path / "models" / "quickstart"
    assert sorted(path.name.partition("-")[0] for path in (bundle / "reports").glob("*.json")) == [
        "bench",
        "validation",
    ]
    assert (tmp_path / "mine.yaml").is_file()


def test_a_proof_that_needs_a_package_index_cannot_vanish_from_ci() -> None:
    """``tests/isolation`` skips where no index can be reached, unless CI is set."""
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert "export CI=1" in script[: script.index("make test")]


def assert_runs(words: Sequence[str]) -> None:
    verb = words[0]
    result = kd2edge(*words, *SHORTER.get(verb, ()))
    assert result.code in FINE.get(verb, (0,)), f"kd2edge {' '.join(words)}: {result.err}"
    assert result.out or result.err
