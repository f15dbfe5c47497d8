"""Caches set aside: new ones take their place, or they take it again."""

from __future__ import annotations

from pathlib import Path

import pytest

from kd2edge.errors import StorageError
from kd2edge.files import folder_lock
from kd2edge.pipeline.steps.recaching import caches_set_aside


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    for name in ("encoded/one", "encoded/two", "teachers/one"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "00000.bin").write_text(name)
    (tmp_path / "mine.txt").write_text("keep me")
    return tmp_path


def content(cache: Path) -> dict[str, str]:
    files = (path for path in cache.rglob("*") if path.is_file())
    return {str(path.relative_to(cache)): path.read_text() for path in files}


def test_old_caches_are_gone_when_the_run_may_write(cache: Path) -> None:
    with caches_set_aside(cache) as forget:
        assert not list((cache / "encoded").iterdir())
        (cache / "encoded" / "one").mkdir()
        (cache / "encoded" / "one" / "00000.bin").write_text("new")
        forget()
    assert content(cache) == {"encoded/one/00000.bin": "new", "mine.txt": "keep me"}


def refused(cache: Path, error: type[BaseException]) -> None:
    with caches_set_aside(cache):
        (cache / "encoded" / "one").mkdir()
        (cache / "encoded" / "one" / "00000.bin").write_text("new")
        raise error


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_run_that_is_refused_gets_them_back(cache: Path, error: type[BaseException]) -> None:
    before = content(cache)
    with pytest.raises(error):
        refused(cache, error)
    assert content(cache) == before | {"encoded/one/00000.bin": "new"}


def test_what_is_being_written_is_not_moved_and_the_others_come_back(cache: Path) -> None:
    with folder_lock(cache / "teachers" / "one"):
        before = content(cache)
        with pytest.raises(StorageError, match="in use"), caches_set_aside(cache):
            raise AssertionError("a cache was taken from under its writer")
        assert content(cache) == before


def test_what_a_killed_process_left_aside_is_removed(cache: Path) -> None:
    (cache / "aside" / "encoded" / "one").mkdir(parents=True)
    (cache / "aside" / "encoded" / "one" / "00000.bin").write_text("older")
    with caches_set_aside(cache) as forget:
        forget()
    assert content(cache) == {"mine.txt": "keep me"}
