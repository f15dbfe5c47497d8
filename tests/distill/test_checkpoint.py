from __future__ import annotations

from pathlib import Path

import pytest
import torch

from kd2edge.distill.checkpoint import NAME, load_checkpoint, remove_checkpoint, save_checkpoint
from kd2edge.errors import IntegrityError

TENSORS = {"a/b": torch.arange(4.0), "state": torch.tensor([1, 2], dtype=torch.uint8)}
STATE = {"step": 3, "score": 0.1 + 0.2}


def test_what_was_saved_is_loaded(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, TENSORS, STATE)
    found = load_checkpoint(tmp_path)
    assert found is not None
    assert found.state == STATE
    assert {name: one.tolist() for name, one in found.tensors.items()} == {
        name: one.tolist() for name, one in TENSORS.items()
    }
    assert found.tensors["state"].dtype == torch.uint8


def test_nothing_there_is_none(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path / "no") is None


def test_a_new_one_takes_the_place_of_the_old(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, TENSORS, STATE)
    save_checkpoint(tmp_path, {"a": torch.zeros(1)}, {"step": 4})
    found = load_checkpoint(tmp_path)
    assert found is not None
    assert found.state == {"step": 4}
    assert len(list(tmp_path.iterdir())) == 2
    remove_checkpoint(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_killed_between_the_two_files_the_old_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_checkpoint(tmp_path, TENSORS, STATE)
    from kd2edge.distill import checkpoint

    real = checkpoint.write_atomic

    def killed(path: Path, content: bytes) -> None:
        if path.name == NAME:
            raise KeyboardInterrupt
        real(path, content)

    monkeypatch.setattr(checkpoint, "write_atomic", killed)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, {"a": torch.zeros(1)}, {"step": 4})
    found = load_checkpoint(tmp_path)
    assert found is not None
    assert found.state == STATE


@pytest.mark.parametrize("pattern", [NAME, "tensors-*"])
@pytest.mark.parametrize("at", [0.1, 0.5, 0.9])
def test_a_changed_byte_is_noticed(tmp_path: Path, pattern: str, at: float) -> None:
    save_checkpoint(tmp_path, TENSORS, STATE)
    (path,) = tmp_path.glob(pattern)
    content = bytearray(path.read_bytes())
    content[int(at * len(content))] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="run without --resume"):
        load_checkpoint(tmp_path)


def test_missing_tensors_are_noticed(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, TENSORS, STATE)
    (path,) = tmp_path.glob("tensors-*")
    path.unlink()
    with pytest.raises(IntegrityError, match=path.name):
        load_checkpoint(tmp_path)
