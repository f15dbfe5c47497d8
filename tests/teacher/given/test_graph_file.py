"""An ONNX file of somebody else's: known by its content, weights in its own folder alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from kd2edge.errors import IntegrityError, PathEscapeError, StorageError
from kd2edge.runtime.session import Session
from kd2edge.teacher.given.graph_file import graph_file
from teacher.given.graphs import classifier, linear, saved

W = np.arange(600, dtype=np.float32).reshape(2, 300)
B = np.ones(300, np.float32)


def beside(folder: Path, location: str = "weights.bin") -> Path:
    """A graph whose weights stand in another file."""
    path = folder / "teacher.onnx"
    onnx.save_model(
        linear(W, B), path, save_as_external_data=True, location="weights.bin", size_threshold=0
    )
    made = onnx.load(path, load_external_data=False)
    for tensor in made.graph.initializer:
        next(one for one in tensor.external_data if one.key == "location").value = location
    return saved(made, path)


def test_a_graph_is_known_by_its_content(tmp_path: Path) -> None:
    one = saved(linear(W, B), tmp_path / "teacher.onnx")
    (tmp_path / "other").mkdir()
    again = saved(linear(W, B), tmp_path / "other" / "teacher.onnx")
    changed = saved(linear(W, B + 1), tmp_path / "changed.onnx")
    prints = [graph_file(path).fingerprint for path in (one, again, changed)]
    assert prints[0] == prints[1] != prints[2]
    assert graph_file(one).parameters == 900
    assert graph_file(one).bytes == one.stat().st_size
    assert graph_file(one).read() == one.read_bytes()


def test_numbers_in_attributes_are_no_known_parameters(tmp_path: Path) -> None:
    path = saved(classifier(zipmap=False), tmp_path / "trees.onnx")
    assert graph_file(path).parameters is None


def test_weights_beside_a_graph_are_read_and_count(tmp_path: Path) -> None:
    found = graph_file(beside(tmp_path))
    assert set(found.files) == {"teacher.onnx", "weights.bin"}
    assert found.bytes == sum(path.stat().st_size for path in tmp_path.iterdir())
    x = np.array([[1, 2], [3, -1]], np.float32)
    with Session.from_bytes(found.read(), threads=1) as session:
        np.testing.assert_allclose(session.run({"x": x})["scores"], x @ W + B)
    (tmp_path / "weights.bin").write_bytes(b"\1" * (tmp_path / "weights.bin").stat().st_size)
    assert graph_file(tmp_path / "teacher.onnx").fingerprint != found.fingerprint
    with pytest.raises(IntegrityError, match=r"weights\.bin: it changed"):
        found.read()


@pytest.mark.parametrize("location", ["../stray.bin", "/etc/hostname", "sub/../../stray.bin"])
def test_weights_outside_the_folder_are_refused(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    (tmp_path / "stray.bin").write_bytes(b"\0" * 4000)
    with pytest.raises(PathEscapeError, match="which leaves it"):
        graph_file(beside(folder, location))


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    path = beside(folder)
    (folder / "weights.bin").rename(tmp_path / "weights.bin")
    (folder / "weights.bin").symlink_to(tmp_path / "weights.bin")
    with pytest.raises(PathEscapeError, match="which leaves it"):
        graph_file(path)


def test_weights_that_are_gone_or_cut_off_are_named(tmp_path: Path) -> None:
    path = beside(tmp_path)
    weights = tmp_path / "weights.bin"
    weights.write_bytes(weights.read_bytes()[:100])
    with pytest.raises(IntegrityError, match="its weights cannot be read|cannot|outside"):
        graph_file(path).read()
    weights.unlink()
    with pytest.raises(IntegrityError, match="'weights.bin', which is not beside it"):
        graph_file(path)


def test_what_is_no_graph_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "teacher.onnx"
    with pytest.raises(StorageError):
        graph_file(path)
    path.write_bytes(b"\x80\x04pickle")
    with pytest.raises(IntegrityError, match="no ONNX file|no graph"):
        graph_file(path)
