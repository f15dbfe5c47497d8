from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from kd2edge.errors import PathEscapeError, StorageError
from kd2edge.files import claimed, folder_lock, lock


def test_names_the_holder_and_lets_go(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with (
        folder_lock(folder),
        pytest.raises(StorageError, match=rf"run: in use by process {os.getpid()};") as caught,
        folder_lock(folder),
    ):
        pass
    assert caught.value.exit_code == 4
    with folder_lock(folder):
        pass
    assert list(folder.iterdir()) == []


def test_lets_go_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="x"), folder_lock(tmp_path):
        raise ValueError("x")
    with folder_lock(tmp_path):
        pass


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path: Path) -> None:
    code = (
        "import os, sys, pathlib; from kd2edge.files import folder_lock\n"
        "with folder_lock(pathlib.Path(sys.argv[1])): os._exit(9)"
    )
    path = {"PYTHONPATH": str(Path(lock.__file__).parents[2])}
    run = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], env=os.environ | path, check=False
    )
    assert run.returncode == 9
    assert (tmp_path / lock.LOCK).exists()
    with folder_lock(tmp_path):
        assert (tmp_path / lock.LOCK).read_text() == str(os.getpid())


def test_waits_for_the_holder_when_told_to(tmp_path: Path) -> None:
    held, seen = threading.Event(), []

    def hold() -> None:
        with folder_lock(tmp_path):
            held.set()
            seen.append("first")

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    with folder_lock(tmp_path, wait=60):
        seen.append("second")
    thread.join()
    assert seen == ["first", "second"]


def test_never_two_holders_at_once(tmp_path: Path) -> None:
    count, most = 0, 0
    guard = threading.Lock()

    def work() -> None:
        nonlocal count, most
        for _ in range(3):
            with folder_lock(tmp_path, wait=60):
                with guard:
                    count += 1
                    most = max(most, count)
                with guard:
                    count -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="cannot be locked"), folder_lock(tmp_path / "file"):
        pass


def test_a_lock_that_is_a_link_is_refused_and_leaves_its_goal_alone(tmp_path: Path) -> None:
    precious = tmp_path / "precious.txt"
    precious.write_text("mine")
    folder = tmp_path / "bundle"
    folder.mkdir()
    for goal in (precious, tmp_path / "missing"):
        (folder / ".lock").symlink_to(goal)
        with pytest.raises(PathEscapeError, match="a link") as caught, folder_lock(folder):
            pass
        assert caught.value.exit_code == 5
        (folder / ".lock").unlink()
    assert precious.read_text() == "mine"
    assert not (tmp_path / "missing").exists()


def test_a_claim_is_held_by_one_and_never_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "new" / "00001.lock"
    with claimed(path) as mine, claimed(path) as second, claimed(tmp_path / "other.lock") as third:
        assert (mine, second, third) == (True, False, True)
        assert path.read_text() == str(os.getpid())
    assert not path.exists()
    with claimed(path) as again:
        assert again
    (tmp_path / "file").write_bytes(b"")
    unmade = claimed(tmp_path / "file" / "x.lock")
    with pytest.raises(StorageError, match="cannot be locked"), unmade:
        pass
