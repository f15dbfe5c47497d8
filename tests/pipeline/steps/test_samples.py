"""Calibration rows: none is without a piece."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from kd2edge.files import npz_bytes
from kd2edge.inputs.spec import ArraySpec
from kd2edge.pipeline.steps.samples import (
    CALIBRATION,
    GOLDEN,
    calibration_of,
    calibration_sample,
    read_arrays,
    write_calibration,
    write_golden,
)

SPEC = ArraySpec("input_ids", "int64", ("batch", "length"))


def split_of(lengths: Sequence[int]) -> Any:
    """A split whose row i has ``lengths[i]`` pieces with the id i + 1."""
    longest = max(1, *lengths)

    def batch(rows: np.ndarray) -> Any:
        ids = np.zeros((len(rows), longest), np.int64)
        for at, row in enumerate(rows):
            ids[at, : lengths[row]] = row + 1
        return SimpleNamespace(inputs={"input_ids": torch.from_numpy(ids)})

    class Split(SimpleNamespace):
        def __len__(self) -> int:
            return len(lengths)

    def sizes(rows: np.ndarray) -> Any:
        return {"length": np.array(lengths)[rows]}

    return Split(lengths=np.array(lengths), batch=batch, sizes=sizes)


def batches(folder: Path) -> list[np.ndarray]:
    return [one["input_ids"] for one in calibration_of(folder / CALIBRATION, [SPEC])()]


@pytest.mark.parametrize("rows", [4, 12, 100])
def test_rows_without_a_piece_stay_out_and_others_take_their_place(tmp_path: Path, rows: int):
    lengths = [0, 3, 0, 0, 1, 2, 0, 5, 4, 0, 0, 0, 2, 0, 1, 0, 0, 0, 0, 0, 3, 1, 6, 0, 2]
    filled = sum(length > 0 for length in lengths)
    write_calibration(tmp_path, split_of(lengths), rows, seed=3)
    found = batches(tmp_path)
    assert all(array.size and (array[:, 0] > 0).all() for array in found)
    assert sum(map(len, found)) == min(rows, filled)
    assert calibration_sample(tmp_path / CALIBRATION, 3)()["rows"] == min(rows, filled)


def test_without_any_piece_there_is_nothing_to_calibrate_on(tmp_path: Path):
    write_calibration(tmp_path, split_of([0, 0, 0]), 8, seed=3)
    assert batches(tmp_path) == []


def test_two_sequences_of_a_row_are_trimmed_apart(tmp_path: Path):
    left = ArraySpec("left", "int64", ("batch", "left.length"))
    right = ArraySpec("right", "int64", ("batch", "right.length"))
    arrays = {
        "left": np.array([[1, 0, 0], [1, 1, 0]]),
        "right": np.array([[1, 0], [0, 0]]),
        "lengths.left.length": np.array([1, 2]),
        "lengths.right.length": np.array([1, 0]),
    }
    (tmp_path / CALIBRATION).write_bytes(npz_bytes(arrays))
    (found,) = calibration_of(tmp_path / CALIBRATION, [left, right])()
    assert {name: one.shape for name, one in found.items()} == {"left": (2, 2), "right": (2, 1)}


class Sums(torch.nn.Module):
    def forward(self, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        return {"mood": inputs["input_ids"].sum(1, keepdim=True).float()}


@pytest.mark.parametrize(
    ("test", "train", "firsts"),
    [
        ([0, 2, 0, 1], [1, 1], [0, 2, 0, 4]),  # the first rows, as they come
        ([0] * 9 + [2, 0, 1], [1, 1], [10, 12]),  # none of them has a piece: those that do
        ([0, 0, 0], [0, 3, 1], [0, 2, 3]),  # nor has any row of the test
        ([0, 0, 0], [0, 0], [0, 0, 0]),
    ],
)
def test_golden_rows_ask_something_of_a_graph(
    tmp_path: Path, test: list[int], train: list[int], firsts: list[int]
):
    """Rows without a piece are as wide as each runtime likes: alone, they fail a right artefact."""
    net: Any = Sums()
    write_golden(tmp_path, [split_of(test), split_of(train)], net)
    found = read_arrays(tmp_path / GOLDEN)
    assert found["in.input_ids"][:, 0].tolist() == firsts
    assert len(found["out.mood"]) == len(firsts)
