"""Made rows are a function of their seed, their position and the rows, whatever makes them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kd2edge.rows.made import MAKERS
from kd2edge.rows.made.maker import Making
from kd2edge.rows.made.rows import MadeRows

_WORDS = {"splice": 0.5, "swap": 0.3, "digits": 0.5}
_HOW = {
    "remix": Making("remix", 5, 1, _WORDS, words=("tokens",)),
    "perturb": Making(
        "perturb", 5, 1,
        {"drop": 0.2, "replace": 0.2, "swap": 0.2, "ngram": 0.2, "longest": 3}, words=("tokens",),
    ),
    "munge": Making(
        "munge", 5, 1,
        {"share": 0.5, "local_variance": 2.0}, numeric=("age",), categorical=("job",),
    ),
}  # fmt: skip
_ROWS = [
    {"tokens": ["call", "me", "at", "25", "past", "7"], "age": 30, "job": "cook"},
    {"tokens": ["book", "a", "table", "for", "two"], "age": 50, "job": "judge"},
    {"tokens": ["no", "thanks", "not", "today"], "age": 41, "job": "nurse"},
]


def test_every_maker_is_asked_here() -> None:
    assert set(_HOW) == set(MAKERS)


@pytest.mark.parametrize("kind", _HOW)
def test_a_variant_depends_on_seed_and_position_alone(kind, list_rows):
    how = _HOW[kind]
    one, same = (MadeRows(list_rows(_ROWS), how) for _ in range(2))
    assert [one[at] for at in reversed(range(15))] == [same[at] for at in range(15)][::-1]
    assert one.fingerprint == same.fingerprint
    reseeded = MadeRows(list_rows(_ROWS), replace(how, seed=2))
    assert [reseeded[at] for at in range(15)] != [one[at] for at in range(15)]
    others = [replace(how, copies=6), replace(how, seed=2)]
    others += [replace(how, options={**how.options, key: 0.9}) for key in how.options]
    prints = {MadeRows(list_rows(_ROWS), other).fingerprint for other in others}
    assert len(prints | {one.fingerprint}) == len(others) + 1


@pytest.mark.parametrize("kind", _HOW)
def test_made_rows_stand_in_the_place_of_their_own(kind, list_rows):
    rows = MadeRows(list_rows(_ROWS, "own"), _HOW[kind])
    assert (len(rows), rows.root, rows.root_of(4)) == (15, "/own", "/own")
    assert rows.place(4) == f"own:2 ({kind})"
    assert rows.is_made(4)
    assert all(rows[at].keys() == _ROWS[at % 3].keys() for at in range(15))
    for outside in (-1, 15):
        with pytest.raises(IndexError):
            rows[outside]
