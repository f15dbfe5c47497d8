from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import bundles
from kd2edge.bench.samples import sample, tiled
from kd2edge.bundle import open_bundle


def test_rows_are_the_golden_ones(tmp_path: Path):
    rows, source = sample(open_bundle(bundles.image_bundle(tmp_path / "bundle")))
    assert source == "golden"
    np.testing.assert_array_equal(rows["pixel_values"], bundles.images(4)[:, None])


def test_a_bundle_without_rows_gets_valid_synthetic_ones(tmp_path: Path):
    folder = bundles.text_bundle(tmp_path / "bundle", golden="")
    rows, source = sample(open_bundle(folder))
    assert source == "synthetic"
    assert {name: (array.dtype.name, array.shape) for name, array in rows.items()} == {
        "input_ids": ("int64", (1, bundles.MAX_LENGTH)),
        "attention_mask": ("int64", (1, bundles.MAX_LENGTH)),
    }
    assert bundles.run_onnx(bundles.text_graph(), rows)["intent"].shape == (1, 3)


@pytest.mark.parametrize("batch", [1, 3, 4, 9])
def test_tiling_repeats_rows_in_order(batch: int):
    rows = {"x": np.arange(4)[:, None]}
    found = tiled(rows, batch)["x"]
    assert found[:, 0].tolist() == [index % 4 for index in range(batch)]
    assert found.flags.c_contiguous
