from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import bundles
from kd2edge.bench.samples import BATCHES, sample, sample_of, tiled
from kd2edge.bundle import open_bundle
from kd2edge.rows.kinds import open_rows
from kd2edge.rows.rows import Rows
from kd2edge.runtime import load


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


def rows_of(folder: Path, rows: list[dict[str, str]]) -> Rows:
    path = folder / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return open_rows("jsonl", path)


def shapes(folder: Path, rows, size: int, *, is_fixed: bool = False) -> list[tuple[int, ...]]:
    bundle = open_bundle(folder)
    with load(folder, threads=1) as model:
        pieces = sample_of(bundle, rows, size).pieces(
            size, model.encode, model.session.spec.inputs, is_fixed=is_fixed
        )
        assert len(pieces) == BATCHES >= 30
        for piece in pieces:
            model.logits(piece.arrays)
        return [piece.arrays["input_ids"].shape for piece in pieces]


def test_lengths_change_as_the_rows_do(tmp_path: Path):
    folder = bundles.text_bundle(tmp_path / "bundle")
    texts = [{"text": text} for text in ("book", "book a flight to paris", "play music", "")]
    rows = rows_of(tmp_path, texts)
    assert shapes(folder, rows, 1)[:5] == [(1, 3), (1, 7), (1, 4), (1, 2), (1, 3)]
    assert shapes(folder, rows, 2)[:3] == [(2, 7), (2, 4), (2, 7)]
    assert set(shapes(folder, rows, 2, is_fixed=True)) == {(2, 7)}


def test_golden_rows_lose_their_padding_and_made_up_ones_are_of_many_lengths(tmp_path: Path):
    folder = bundles.text_bundle(tmp_path / "bundle")
    assert shapes(folder, None, 1)[:3] == [(1, 5), (1, 4), (1, 5)]
    empty = bundles.text_bundle(tmp_path / "empty", golden="")
    found = {length for _, length in shapes(empty, None, 1)}
    assert len(found) > 2
    assert max(found) <= bundles.MAX_LENGTH
