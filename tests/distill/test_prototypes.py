from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from distill.tiny import DARK, IMAGES, SHAPE, image_rows
from kd2edge.data import EncodedSplit
from kd2edge.distill import prototypes as module
from kd2edge.distill.prototypes import fit_prototypes, prototypes
from kd2edge.nets import Net, load_net, save_net
from kd2edge.tasks.reject import rejection_of, unfitted, without_prototypes
from kd2edge.tasks.spec import TaskSpec

C = 2  # the label "c"


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def clusters(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows about three directions for each of two labels, the labels, and the directions."""
    random = np.random.default_rng(seed)
    directions = unit(random.normal(size=(6, 8)))
    rows = np.repeat(directions, 20, axis=0) + random.normal(size=(120, 8)) * 1e-3
    return rows.astype(np.float32), np.repeat([4, 4, 4, 7, 7, 7], 20), directions


def test_each_label_has_the_centres_of_its_own_clusters() -> None:
    rows, labels, directions = clusters(0)
    middle, found = prototypes(rows, labels, 3, seed=1)
    assert middle == pytest.approx(rows.mean(axis=0), abs=1e-6)
    assert found.shape == (6, 8)
    wanted = unit(directions - middle)
    for own in (slice(0, 3), slice(3, 6)):  # in the order of the labels, of each in any
        assert (wanted[own] @ found[own].T).max(axis=1) == pytest.approx(np.ones(3), abs=1e-4)
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(6))


def test_one_a_label_is_the_mean_direction_of_its_rows() -> None:
    random = np.random.default_rng(2)
    rows, labels = random.normal(size=(50, 4)).astype(np.float32), random.integers(0, 3, 50)
    middle, found = prototypes(rows, labels, 1, seed=0)
    apart = unit(rows - middle)
    wanted = unit(np.stack([apart[labels == label].mean(axis=0) for label in range(3)]))
    assert found == pytest.approx(wanted, abs=1e-5)


def test_a_label_has_no_more_prototypes_than_different_rows() -> None:
    rows = np.array([[1, 0], [1, 0], [0, 1], [-1, 0], [-1, 0]], np.float32)
    _, found = prototypes(rows, np.array([0, 0, 0, 1, 1]), 16, seed=0)
    assert len(found) == 3


def test_the_same_seed_gives_the_same_centres() -> None:
    random = np.random.default_rng(3)
    rows, labels = random.normal(size=(300, 6)).astype(np.float32), random.integers(0, 4, 300)
    first, again = (prototypes(rows, labels, 5, seed=9)[1] for _ in range(2))
    assert np.array_equal(first, again)


def asking(count: int = 2) -> TaskSpec:
    return replace(SHAPE, decode=unfitted(C, "distance", 0.9, prototypes=count))


@pytest.fixture
def split(tmp_path: Path) -> EncodedSplit:
    return IMAGES.split(tmp_path, image_rows(40, 10))


def fitted(split: EncodedSplit, *tasks: TaskSpec) -> Net:
    net = IMAGES.net(tasks=tasks)
    fit_prototypes(net, split, seed=5, batch_size=7, device="cpu")
    return net


def test_a_net_has_those_of_its_labelled_rows_in_scope(split: EncodedSplit) -> None:
    net = fitted(split, asking(), DARK)
    labels = np.asarray(split.truth(SHAPE.name).labels)
    rows = np.flatnonzero((labels >= 0) & (labels != C))
    with torch.no_grad():
        seen = net.features(split.batch(rows).inputs).pooled.numpy()
    middle, centres = prototypes(seen, labels[rows], 2, seed=5)
    scope = net.state_dict()
    assert scope["heads.shape.scope.middle"].numpy() == pytest.approx(middle, abs=1e-5)
    found = scope["heads.shape.scope.matrix"].numpy().T
    assert found == pytest.approx(centres, abs=1e-4)
    with torch.no_grad():
        said = net(split.batch(rows).inputs)
    assert [*said] == ["shape", "shape.scope", "dark"]
    wanted = (unit(seen - middle) @ centres.T).max(axis=1)
    assert said["shape.scope"][:, 0].numpy() == pytest.approx(wanted, abs=1e-4)
    assert [one.shape for one in net.output_specs()] == [("batch", 3), ("batch", 1), ("batch", 1)]


def test_it_rejects_by_them_with_its_aim_and_nothing_before_a_threshold_is_fitted(
    split: EncodedSplit,
) -> None:
    task = fitted(split, asking()).tasks[0]
    assert task.decode == {
        "reject": C,
        "in_scope_recall": 0.9,
        "least_cosine": -2.0,
        "prototypes": 4,
    }
    found = rejection_of(task)
    assert found is not None
    assert (found.by, found.threshold) == ("distance", -2.0)


def test_logits_are_what_they_were(split: EncodedSplit) -> None:
    net = IMAGES.net(tasks=[asking()]).eval()
    batch = split.batch(np.arange(6)).inputs
    with torch.no_grad():
        before = net(batch)["shape"]
        fit_prototypes(net, split, seed=5, batch_size=7, device="cpu")
        assert torch.equal(net(batch)["shape"], before)


def test_a_task_without_rows_in_scope_goes_on_by_probability(tmp_path: Path) -> None:
    rows = IMAGES.split(tmp_path, image_rows(0, 12))
    net = fitted(rows, asking())
    assert [*net(rows.batch(np.arange(2)).inputs)] == ["shape"]
    found = rejection_of(without_prototypes(net.tasks[0]))
    assert found is not None
    assert (found.by, found.threshold) == ("probability", 0.0)


def test_of_many_rows_each_label_has_its_share_and_as_many_as_its_prototypes(
    split: EncodedSplit, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = np.asarray(split.truth(SHAPE.name).labels)
    counts = [int((labels == label).sum()) for label in (0, 1)]
    assert min(counts) > 6
    monkeypatch.setattr(module, "ROWS", 6)
    assert fitted(split, asking(5)).tasks[0].decode["prototypes"] == 10
    monkeypatch.setattr(module, "ROWS", sum(counts) - 1)
    assert fitted(split, asking(999)).tasks[0].decode["prototypes"] == sum(counts)


def test_a_net_with_prototypes_comes_back_from_its_files(
    split: EncodedSplit, tmp_path: Path
) -> None:
    net = fitted(split, asking(), DARK).cpu()
    save_net(net, tmp_path / "student")
    back, batch = load_net(tmp_path / "student"), split.batch(np.arange(5)).inputs
    with torch.no_grad():
        wanted, found = net.eval()(batch), back(batch)
    assert back.tasks == net.tasks
    assert wanted.keys() == found.keys()
    assert all(torch.equal(one, found[name]) for name, one in wanted.items())
