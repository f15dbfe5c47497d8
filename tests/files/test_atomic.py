from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from kd2edge.errors import StorageError
from kd2edge.files import atomic, atomic_directory, write_atomic


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(params=["exchange", "two renames"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to put a folder in place of another."""
    if request.param == "two renames":
        monkeypatch.setattr(atomic, "_exchange", lambda one, other: False)
    return request.param


def no_space(*_: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_writes_and_replaces_a_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file"
    write_atomic(path, b"old")
    write_atomic(path, b"new")
    assert tree(tmp_path) == {"new/folder/file": b"new"}


def test_a_file_gets_the_usual_rights(tmp_path: Path) -> None:
    write_atomic(tmp_path / "ours", b"")
    (tmp_path / "usual").write_bytes(b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomic(path, b"old")
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(StorageError, match=r"file: cannot be written: disk full") as caught:
        write_atomic(path, b"new")
    assert caught.value.exit_code == 4
    assert tree(tmp_path) == {"file": b"old"}


def test_a_file_in_the_way_of_a_folder_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError):
        write_atomic(tmp_path / "file" / "below", b"")
    with pytest.raises(StorageError, match="no folder"), atomic_directory(tmp_path / "file"):
        pass


def test_makes_and_replaces_a_folder(tmp_path: Path, way: str) -> None:
    target = tmp_path / "a" / "folder"
    with atomic_directory(target) as folder:
        (folder / "old").write_bytes(b"old")
        assert not target.exists()
    with atomic_directory(target) as folder:
        (folder / "below").mkdir()
        (folder / "below" / "new").write_bytes(b"new")
        assert tree(target) == {"old": b"old"}
    assert tree(tmp_path) == {"a/folder/below/new": b"new"}
    assert [path.name for path in target.parent.iterdir()] == ["folder"]


def test_keeps_what_it_is_told_to(tmp_path: Path, way: str) -> None:
    target = tmp_path / "folder"
    with atomic_directory(target) as folder:
        (folder / "reports").mkdir()
        (folder / "reports" / "a.json").write_bytes(b"a")
        (folder / "card").write_bytes(b"old")
        (folder / "graph").write_bytes(b"old")
    with atomic_directory(target, keep=["reports", "card", "absent"]) as folder:
        (folder / "card").write_bytes(b"new")
    assert tree(target) == {"reports/a.json": b"a", "card": b"new"}


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), OSError(28, "full")])
def test_an_error_in_the_block_leaves_the_old_folder(
    tmp_path: Path, error: BaseException, way: str
) -> None:
    target = tmp_path / "folder"
    with atomic_directory(target) as folder:
        (folder / "old").write_bytes(b"old")
    expected = StorageError if isinstance(error, OSError) else type(error)

    def fails_half_way() -> None:
        with atomic_directory(target) as folder:
            (folder / "half").write_bytes(b"half")
            raise error

    with pytest.raises(expected):
        fails_half_way()
    assert tree(tmp_path) == {"folder/old": b"old"}
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_a_full_disk_while_flushing_leaves_the_old_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "folder"
    with atomic_directory(target) as folder:
        (folder / "old").write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(StorageError, match="disk full"), atomic_directory(target) as folder:
        (folder / "new").write_bytes(b"new")
    assert tree(tmp_path) == {"folder/old": b"old"}


def test_a_failed_second_rename_brings_the_old_folder_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "folder"
    with atomic_directory(target) as folder:
        (folder / "old").write_bytes(b"old")
    monkeypatch.setattr(atomic, "_exchange", lambda one, other: False)
    rename = Path.rename

    def failing(self: Path, goal: Path) -> Path:
        if (self / "new").exists():
            raise OSError(errno.EIO, "broken")
        return rename(self, goal)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(StorageError, match="broken"), atomic_directory(target) as folder:
        (folder / "new").write_bytes(b"new")
    assert tree(tmp_path) == {"folder/old": b"old"}


def test_a_link_means_the_folder_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with atomic_directory(tmp_path / "link") as folder:
        (folder / "new").write_bytes(b"new")
    assert (tmp_path / "link").is_symlink()
    assert tree(tmp_path / "real") == {"new": b"new"}


def killed(tmp_path: Path, code: str) -> None:
    """Run code that kills its own process in the middle."""
    program = "import os, signal\nfrom pathlib import Path\nfrom kd2edge.files import *\n"
    program += "def die(*_): os.kill(os.getpid(), signal.SIGKILL)\n" + textwrap.dedent(code)
    run = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=os.environ | _path(), check=False
    )
    assert run.returncode == -signal.SIGKILL


def _path() -> dict[str, str]:
    return {"PYTHONPATH": str(Path(atomic.__file__).parents[2])}


def test_a_killed_writer_leaves_the_old_and_the_next_one_cleans_up(tmp_path: Path) -> None:
    write_atomic(tmp_path / "file", b"old")
    with atomic_directory(tmp_path / "folder") as folder:
        (folder / "old").write_bytes(b"old")
    killed(tmp_path, "os.fsync = die\nwrite_atomic(Path('file'), b'new')")
    killed(
        tmp_path,
        """
        with atomic_directory(Path('folder')) as folder:
            (folder / 'half').write_bytes(b'half')
            die()
        """,
    )
    assert (tmp_path / "file").read_bytes() == b"old"
    assert tree(tmp_path / "folder") == {"old": b"old"}
    litter = [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    assert len(litter) == 2
    assert all(path.name.endswith(atomic.PARTIAL) for path in litter)

    write_atomic(tmp_path / "file", b"new")
    with atomic_directory(tmp_path / "folder"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder"]


def test_the_sweep_spares_living_writers_and_other_machines(tmp_path: Path) -> None:
    mine = tmp_path / f".file.{atomic._host()}-{os.getpid()}-00.partial"
    other = tmp_path / ".file.ffffffff-1-00.partial"
    for path in (mine, other):
        path.write_bytes(b"")
    write_atomic(tmp_path / "file", b"")
    assert mine.exists()
    assert other.exists()
