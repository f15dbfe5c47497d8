"""Verbs, help, and what becomes of errors."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import click
import pytest

from commands import kd2edge
from kd2edge import errors
from kd2edge.cli import doctor, failure
from kd2edge.cli.verbs import VERBS


def fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let the verb ``doctor`` raise an error."""

    @click.command("doctor")
    @click.option("--json", is_flag=True)
    def command(json: bool) -> NoReturn:
        del json
        raise error

    monkeypatch.setattr(doctor, "command", command)


def known_errors() -> list[type[errors.Kd2edgeError]]:
    several = [getattr(errors, name) for name in errors.__all__]
    return [one for one in several if issubclass(one, errors.Kd2edgeError)]


def test_help_names_every_verb_and_imports_none() -> None:
    script = (
        "import sys\n"
        "sys.argv = ['kd2edge', '--help']\n"
        "from kd2edge.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit as leave:\n    assert leave.code == 0\n"
        "heavy = {'torch', 'numpy', 'transformers', 'pydantic', 'onnx', 'onnxruntime', 'yaml'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for verb in VERBS:
        assert f"  {verb} " in done.stdout


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_has_help_and_json(verb: str) -> None:
    result = kd2edge(verb, "--help")
    assert result.code == 0
    assert "--json" in result.out


def test_the_version_is_the_package_s() -> None:
    from kd2edge import __version__

    assert kd2edge("--version").out == f"kd2edge {__version__}\n"


def test_a_misspelt_verb_is_met_with_the_right_one() -> None:
    result = kd2edge("distil")
    assert result.code == 2
    assert "No such command 'distil'; did you mean 'distill'?" in result.err


@pytest.mark.parametrize("kind", known_errors(), ids=lambda kind: kind.__name__)
def test_every_error_has_its_exit_code(
    kind: type[errors.Kd2edgeError], monkeypatch: pytest.MonkeyPatch
) -> None:
    error = (
        kind([errors.Problem("wrong", "a.yaml", 3, 4)])
        if kind is errors.RecipeError
        else kind("wrong")
    )
    fail_with(monkeypatch, error)
    result = kd2edge("doctor", "--json")
    assert result.code == kind.exit_code
    assert result.json["error"]["type"] == kind.__name__
    assert "wrong" in result.err
    assert "Traceback" not in result.err


def test_the_problems_of_a_recipe_are_listed_for_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, errors.RecipeError([errors.Problem("wrong", "a.yaml", 3, 4, "train")]))
    found = kd2edge("doctor", "--json").json["error"]["problems"]
    expected = {"message": "wrong", "file": "a.yaml", "line": 3, "column": 4, "field": "train"}
    assert found == [expected]


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), 4, "/x/y: No space left"),
        (PermissionError(errno.EACCES, "Permission denied"), 4, "Permission denied"),
        (MemoryError(), 1, "out of memory"),
        (RuntimeError("something\nelse"), 1, "unexpected RuntimeError: something"),
        (KeyboardInterrupt(), 130, "Interrupted."),
    ],
)
def test_what_nobody_foresaw_is_said_in_a_line(
    error: BaseException, code: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(failure.TRACEBACK, raising=False)
    fail_with(monkeypatch, error)
    result = kd2edge("doctor")
    assert result.code == code
    assert words in result.err
    assert "Traceback" not in result.err
    assert result.out == ""


def test_a_traceback_is_shown_on_demand(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(failure.TRACEBACK, "1")
    fail_with(monkeypatch, RuntimeError("odd"))
    assert "Traceback" in kd2edge("doctor").err


def test_a_package_that_is_missing_is_named_with_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fail_with(monkeypatch, ModuleNotFoundError("No module named 'yaml'", name="yaml"))
    result = kd2edge("doctor")
    assert result.code == 6
    assert 'pip install "kd2edge[recipe]"' in result.err
    fail_with(monkeypatch, ModuleNotFoundError("No module named 'odd'", name="odd"))
    assert kd2edge("doctor").code == 1


def test_sigterm_ends_a_command_with_143(monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command("doctor")
    def command() -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(doctor, "command", command)
    result = kd2edge("doctor")
    assert result.code == 143
    assert "Terminated." in result.err


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_a_reader_that_leaves_ends_a_command_quietly_and_never_with_0() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "kd2edge", "new", "--list"]
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert done.returncode == 141
    assert done.stderr == ""


def test_another_pipe_that_breaks_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(monkeypatch, BrokenPipeError(errno.EPIPE, "Broken pipe"))
    result = kd2edge("doctor")
    assert result.code == 4
    assert "a pipe to another process broke" in result.err


def test_new_writes_a_recipe_that_check_accepts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert kd2edge("new", "mine").code == 0
    assert 'name: "mine"' in (tmp_path / "mine.yaml").read_text(encoding="utf-8")
    few = "data.sources.0.options={train: 64, validation: 32, test: 32}"
    fewer = "data.unlabelled.0.options={unlabelled: 8}"
    result = kd2edge("check", "mine.yaml", "--set", few, "--set", fewer)
    assert result.code == 0, result.err
    assert "train 72, validation 32, test 32" in result.out
    assert kd2edge("new", "mine").code == 2  # it is there already
    assert kd2edge("new", "mine.yaml").code == 2  # nor is this another one
    assert kd2edge("new", "third.yaml").code == 0
    assert 'name: "third"' in (tmp_path / "third.yaml").read_text(encoding="utf-8")
    assert kd2edge("new", "other", "--from", "nothing").code == 2
    assert kd2edge("new", "../other").code == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.yaml", "third.yaml"]


def test_the_gallery_is_listed() -> None:
    found = kd2edge("new", "--list", "--json").json["recipes"]
    assert {"quickstart", "customer_service/clinc150", "token/uner_ewt"} <= found.keys()
    assert all(Path(one["path"]).is_file() for one in found.values())
