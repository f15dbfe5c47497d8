from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from kd2edge.errors import DataError
from kd2edge.rows.hashes import row_hashes
from kd2edge.rows.holdout import held_out

SHARES = {"validation": 0.1, "test": 0.2}


def parts_of(rows, shares=None, **options):
    shares = SHARES if shares is None else shares
    return held_out(rows, shares, row_hashes(rows, ["text"], loose=True), **options)


def moods(count, *names):
    return [{"text": f"t{at}", "mood": names[at % len(names)]} for at in range(count)]


@pytest.mark.parametrize("count", [100, 1000])
def test_every_part_has_its_share_of_every_label(count, list_rows):
    names = ["a"] * 7 + ["b"] * 2 + ["c"]
    parts = parts_of(list_rows(moods(count, *names)), labels=["mood"])
    for name in "abc":
        own = parts[[one["mood"] == name for one in moods(count, *names)]]
        whole = len(own)
        assert np.bincount(own).tolist() == pytest.approx(
            [0.7 * whole, 0.1 * whole, 0.2 * whole], abs=1.01
        )
    assert np.bincount(parts).tolist() == pytest.approx(
        [0.7 * count, 0.1 * count, 0.2 * count], abs=2
    )


def test_rare_labels_are_trained_on_first(list_rows):
    rows = list_rows([*moods(100, "a", "b"), {"text": "rare", "mood": "c"}])
    assert parts_of(rows, labels=["mood"])[-1] == 0


def test_several_tasks_and_the_words_of_rows_count(list_rows):
    rows = [
        {"text": f"t{at}", "mood": "ab"[at % 2], "tags": ["O", "B-x" if at % 5 == 0 else "O", None]}
        for at in range(200)
    ]
    parts = parts_of(list_rows(rows), labels=["mood", "tags"])
    tagged = parts[[at % 5 == 0 for at in range(200)]]
    assert np.bincount(tagged).tolist() == pytest.approx([28, 4, 8], abs=1)
    assert np.bincount(parts[::2]).tolist() == pytest.approx([70, 10, 20], abs=3)


@pytest.mark.parametrize("grouped", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_no_input_and_no_group_stands_in_two_parts(grouped, seed, list_rows):
    random = np.random.default_rng(seed)
    rows = [
        {
            "text": f"T{text}" if at % 2 else f" t{text} ",
            "mood": [None, "a", "b"][random.integers(3)],
            "who": [None, who][int(random.random() < 0.2)],
        }
        for at, (text, who) in enumerate(random.integers(1, 80, (150, 2)).tolist())
    ]
    options = {"labels": ["mood"], "group": "who" if grouped else None, "seed": seed}
    parts = parts_of(list_rows(rows), **options)
    for column in ("text", "who")[: 1 + grouped]:
        by = {}
        for row, part in zip(rows, parts, strict=True):
            if row[column] is not None:
                by.setdefault(str(row[column]).strip().casefold(), set()).add(int(part))
        assert all(len(found) == 1 for found in by.values())
    assert set(parts.tolist()) == {0, 1, 2}


def test_the_order_of_the_rows_does_not_count_and_the_seed_does(list_rows):
    rows = moods(90, "a", "b", "c")
    first = dict(
        zip((row["text"] for row in rows), parts_of(list_rows(rows), labels=["mood"]), strict=True)
    )
    back = parts_of(list_rows(rows[::-1]), labels=["mood"])[::-1]
    assert back.tolist() == list(first.values())
    other = parts_of(list_rows(rows), labels=["mood"], seed=1)
    assert other.tolist() != back.tolist()
    assert Counter(other.tolist()) == Counter(back.tolist())


def test_parts_are_pinned(list_rows):
    """Those of a run must be found again by later versions."""
    parts = parts_of(list_rows(moods(20, "a", "b")), labels=["mood"])
    assert "".join(map(str, parts)) == "11000000002202002000"


def test_one_part_alone(list_rows):
    parts = parts_of(list_rows(moods(50, "a", "b")), {"validation": 0.1}, labels=["mood"])
    assert np.bincount(parts).tolist() == [45, 5]


def test_what_cannot_be_held_out_is_refused(list_rows):
    same = list_rows([{"text": "t", "mood": "a"}] * 50, "x.jsonl")
    with pytest.raises(DataError, match="1 rows with different inputs are too few to hold out val"):
        parts_of(same)
    with pytest.raises(DataError, match="x.jsonl:1: no column 'Text', .*did you mean 'text'"):
        parts_of(same, columns=["Text"])  # why they look the same
    rows = list_rows([{"text": f"t{at}", "who": at % 2} for at in range(50)], "x.jsonl")
    with pytest.raises(DataError, match="x.jsonl:1: 2 groups of 'who' are too few to hold out"):
        parts_of(rows, group="who")
    with pytest.raises(
        DataError, match="x.jsonl:1: hold_out: no column 'whom' to group by, .*'who'"
    ):
        parts_of(rows, group="whom")
    with pytest.raises(DataError, match="too few"):
        parts_of(list_rows([]))
