from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from distill.tiny import TOKENS, TOPIC, MemoryRows
from kd2edge.data import Absence, EncodedSplit, encode_split
from kd2edge.errors import DataError
from kd2edge.inputs import input_kind
from kd2edge.rows.join import Source, joined

ROWS = np.arange(4000)


def everywhere() -> dict[str, np.ndarray]:
    return {name: np.ones(len(ROWS), bool) for name in ("text", "table", "image")}


def test_inputs_are_left_out_as_often_as_asked() -> None:
    shown = Absence({"text": 0.1, "table": 0.3}, seed=5).kept(everywhere(), ROWS, 0)
    assert abs(1 - shown["text"].mean() - 0.1) < 0.02
    assert abs(1 - shown["table"].mean() - 0.3) < 0.03
    assert shown["image"].all()
    both = (~shown["text"] & ~shown["table"]).mean()
    assert abs(both - 0.03) < 0.01  # one has no part in the other


def test_a_row_is_shown_the_same_in_any_batch_and_otherwise_in_another_epoch() -> None:
    absence = Absence({"text": 0.5}, seed=5)
    whole = absence.kept(everywhere(), ROWS, 3)["text"]
    part = ROWS[7:900:3]
    some = {name: one[part] for name, one in everywhere().items()}
    assert np.array_equal(absence.kept(some, part, 3)["text"], whole[part])
    assert not np.array_equal(absence.kept(everywhere(), ROWS, 4)["text"], whole)
    assert not np.array_equal(Absence({"text": 0.5}, 6).kept(everywhere(), ROWS, 3)["text"], whole)


def test_no_row_is_shown_without_any_input() -> None:
    there = {"text": ROWS % 2 == 0, "table": np.ones(len(ROWS), bool)}
    shown = Absence({"text": 0.9, "table": 0.9}, seed=1).kept(there, ROWS, 0)
    assert (shown["text"] | shown["table"]).all()
    assert not (shown["text"] & ~there["text"]).any()


def encoded(folder: Path, *rows: dict[str, object], rate: float = 0.5) -> EncodedSplit:
    """Rows with two lists of words each, ``left`` and ``right``, both of which may be absent."""
    inputs = {}
    for name in ("left", "right"):
        options = {**TOKENS.spec.options, "prefix": f"{name}_", "absent": True}
        spec = replace(TOKENS.spec, name=name, columns=(name,), options=options)
        inputs[name] = (spec, input_kind("tokens").open(spec, TOKENS.files))
    hashes = dict.fromkeys(TOKENS.spec.files.values(), "")
    absence = Absence({"left": rate}, seed=2)
    source = joined([Source("s", MemoryRows(rows), ("topic",))])
    return encode_split(source, inputs, [TOPIC], folder, file_hashes=hashes, absence=absence)


def test_only_an_epoch_of_training_leaves_inputs_out(tmp_path: Path) -> None:
    row = {"left": ["ab", "c"], "right": ["c"], "topic": "p"}
    lacks = {"left": ["ab"], "right": None, "topic": "p"}
    split, at = encoded(tmp_path, *[row] * 30, lacks), np.arange(31)
    plain = split.batch(at).inputs
    assert plain["left_present"].tolist() == [1] * 31
    assert plain["right_present"].tolist() == [1] * 30 + [0]
    shown = split.batch(at, 1, 1).inputs
    assert 5 < int(shown["left_present"].sum()) < 26
    assert shown["left_present"][30] == 1  # all that the row has
    assert shown["right_present"].tolist() == plain["right_present"].tolist()
    some = split.batch(at[::3], 1, 1).inputs
    assert some["left_present"].tolist() == shown["left_present"][::3].tolist()


def test_how_often_inputs_are_left_out_changes_batches_and_no_array(tmp_path: Path) -> None:
    """Seeds and rates share the arrays, and what teachers say of them."""
    row = {"left": ["ab", "c"], "right": ["c"], "topic": "p"}
    often, seldom, never = (encoded(tmp_path, row, rate=rate) for rate in (0.5, 0.1, 0.0))
    assert len({one.fingerprint for one in (often, seldom, never)}) == 3
    assert len({one.labelled_fingerprint for one in (often, seldom, never)}) == 3
    assert len({one.arrays_fingerprint for one in (often, seldom, never)}) == 1
    assert never.fingerprint == never.arrays_fingerprint
    assert len([path for path in tmp_path.iterdir() if path.is_dir()]) == 1


def test_a_row_without_any_input_is_named_with_its_place(tmp_path: Path) -> None:
    rows = [{"left": ["ab"], "topic": "p"}, {"left": None, "topic": "p"}]
    with pytest.raises(DataError, match="2: the row has no input at all"):
        encoded(tmp_path, *rows)
