from __future__ import annotations

import numpy as np

from kd2edge.data import Absence

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
