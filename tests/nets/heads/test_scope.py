from __future__ import annotations

import numpy as np
import pytest
import torch

from kd2edge.nets.heads.scope import Scope


def scope(middle: np.ndarray, prototypes: np.ndarray) -> Scope:
    found = Scope(len(middle), len(prototypes)).double()
    values = {"middle": middle, "matrix": prototypes.T.copy()}
    found.load_state_dict({name: torch.from_numpy(one) for name, one in values.items()})
    return found


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_it_is_the_largest_cosine_from_the_middle() -> None:
    random = np.random.default_rng(0)
    middle = random.normal(size=5)
    prototypes = unit(random.normal(size=(7, 5)))
    rows = random.normal(size=(9, 5))
    wanted = [
        max(float(np.dot(row - middle, one) / np.linalg.norm(row - middle)) for one in prototypes)
        for row in rows
    ]
    found = scope(middle, prototypes)(torch.from_numpy(rows))
    assert found.shape == (9, 1)
    assert found[:, 0].tolist() == pytest.approx(wanted)


def test_how_far_out_a_row_lies_says_nothing() -> None:
    net = scope(np.array([1.0, 2.0]), unit(np.array([[1.0, 0.0], [1.0, 1.0]])))
    middle, apart = torch.tensor([[1.0, 2.0]]).double(), torch.tensor([[3.0, 4.0]]).double()
    assert net(middle + 1e-3 * apart).item() == pytest.approx(net(middle + 1e3 * apart).item())


def test_a_row_in_the_middle_has_a_finite_answer() -> None:
    net = scope(np.array([1.0, 2.0]), np.eye(2))
    assert net(torch.tensor([[1.0, 2.0]]).double()).item() == 0.0


@pytest.mark.parametrize("size", [1e-2, 1.0, 1e4])
def test_half_precision_holds_near_and_far_rows(size: float) -> None:
    random = np.random.default_rng(3)
    prototypes, rows = unit(random.normal(size=(6, 64))), random.normal(size=(9, 64)) * size
    wanted = (unit(rows) @ prototypes.T).max(axis=1)
    net = scope(np.zeros(64), prototypes).half()
    found = net(torch.from_numpy(rows).half())[:, 0].float().numpy()
    assert np.abs(found - wanted).max() < 5e-3


def test_nothing_of_it_is_learned_but_all_of_it_is_counted() -> None:
    net = Scope(4, 3)
    assert not any(one.requires_grad for one in net.parameters())
    assert sum(one.numel() for one in net.parameters()) == 4 + 3 * 4
