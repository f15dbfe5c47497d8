from __future__ import annotations

import os
from pathlib import Path

import pytest

from kd2edge.errors import UsageError
from kd2edge.pipeline.steps.folders import (
    RunFolder,
    latest_run,
    mark_latest,
    opened_run,
    run_to_write,
)


def make_run(path: Path, *, finished: bool = True, time: int = 0) -> RunFolder:
    path.mkdir(parents=True)
    run = RunFolder(path)
    if finished:
        run.report.write_text("{}", encoding="utf-8")
        os.utime(run.report, (time, time))
    return run


def test_the_latest_run_is_the_one_that_was_marked(tmp_path: Path) -> None:
    first = make_run(tmp_path / "first", time=1)
    make_run(tmp_path / "second", time=2)
    mark_latest(first)
    assert latest_run(tmp_path).path == first.path.resolve()


def test_without_a_mark_it_is_the_newest(tmp_path: Path) -> None:
    make_run(tmp_path / "second", time=2)
    make_run(tmp_path / "first", time=1)
    make_run(tmp_path / "third", finished=False)
    assert latest_run(tmp_path).path.name == "second"


def test_a_mark_on_a_run_that_began_again_does_not_count(tmp_path: Path) -> None:
    first = make_run(tmp_path / "first", time=1)
    second = make_run(tmp_path / "second", time=2)
    mark_latest(second)
    second.report.unlink()
    assert latest_run(tmp_path).path.name == first.path.name


def test_a_folder_called_latest_is_left_alone(tmp_path: Path) -> None:
    make_run(tmp_path / "latest")
    mark_latest(make_run(tmp_path / "first"))
    assert not (tmp_path / "latest").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "latest"]


def test_a_run_named_by_its_mark_is_the_run_that_it_points_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mark_latest(make_run(Path("runs/first")))
    run = run_to_write(Path("runs/latest"))
    mark_latest(run)
    assert run.path == Path("runs/first")
    assert latest_run().path.name == "first"
    Path("elsewhere").symlink_to("runs/first")
    assert run_to_write(Path("elsewhere")).path == tmp_path / "runs" / "first"


def test_a_mark_that_points_to_itself_is_refused_and_mended_by_the_next_run(
    tmp_path: Path,
) -> None:
    link = tmp_path / "latest"
    link.symlink_to("latest")
    with pytest.raises(UsageError, match="points to itself"):
        run_to_write(link)
    mark_latest(make_run(tmp_path / "first"))
    assert latest_run(tmp_path).path.name == "first"


def test_where_there_is_no_run_the_message_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="kd2edge distill"):
        latest_run(tmp_path)
    with pytest.raises(UsageError, match="no such run"):
        opened_run(tmp_path / "none")
    make_run(tmp_path / "half", finished=False)
    with pytest.raises(UsageError, match="--resume"):
        opened_run(tmp_path / "half")
