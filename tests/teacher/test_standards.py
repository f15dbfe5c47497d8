from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from kd2edge.teacher.standards import STANDARDS, phi_s, require_width, z_score
from kd2edge.teacher.statistics import Statistics

WIDTH = 12


def features(items: int = 500) -> np.ndarray:
    """Correlated channels of very different spread, away from 0; the rank is 9 of 12."""
    random = np.random.default_rng(0)
    low = random.normal(size=(items, 9)) * np.geomspace(0.01, 30, 9)
    return low @ random.normal(size=(9, WIDTH)) + 40 * random.normal(size=WIDTH)


def of(vectors: np.ndarray) -> Statistics:
    return Statistics(len(vectors), vectors.mean(0), np.cov(vectors.T, bias=True))


def applied(standard: nn.Module, vectors: np.ndarray) -> np.ndarray:
    return standard(torch.from_numpy(vectors).float()).double().numpy()


def test_z_scores_have_mean_0_and_deviation_1_in_every_channel() -> None:
    found = applied(z_score(of(features())), features())
    np.testing.assert_allclose(found.mean(0), np.zeros(WIDTH), atol=1e-3)
    np.testing.assert_allclose(found.std(0), np.ones(WIDTH), atol=1e-3)


def test_phi_s_has_deviation_1_in_every_channel_and_keeps_the_proportions_of_distances() -> None:
    vectors = features()
    found = applied(phi_s(of(vectors)), vectors)
    np.testing.assert_allclose(found.mean(0), np.zeros(WIDTH), atol=1e-3)
    np.testing.assert_allclose(found.std(0), np.ones(WIDTH), atol=1e-3)
    apart = [np.linalg.norm(side[:50] - side[50:100], axis=1) for side in (vectors, found)]
    # Ranzinger et al. 2024: phi is the root of the mean variance.
    np.testing.assert_allclose(apart[0] / apart[1], vectors.var(0).mean() ** 0.5, rtol=1e-4)


@pytest.mark.parametrize("make", [z_score, phi_s])
def test_channels_that_never_vary_are_zero(make) -> None:
    constant = np.full((10, 4), 3.0)
    found = applied(make(of(constant)), constant)
    assert not found.any()


@pytest.mark.parametrize("make", [z_score, phi_s])
def test_places_of_a_map_are_standardised_like_vectors(make) -> None:
    vectors, standard = features(6), make(of(features()))
    as_map = torch.from_numpy(vectors).float().view(2, 3, WIDTH).transpose(1, 2)[..., None]
    found = standard(as_map)[..., 0].transpose(1, 2).reshape(6, WIDTH)
    torch.testing.assert_close(found, standard(torch.from_numpy(vectors).float()))


@pytest.mark.parametrize("make", [z_score, phi_s])
def test_words_that_were_not_seen_stay_so(make) -> None:
    words = torch.from_numpy(features(3)).float()
    words[1] = float("nan")
    found = make(of(features()))(words)
    assert found[1].isnan().all()
    assert found[[0, 2]].isfinite().all()


def test_they_come_back_from_a_checkpoint() -> None:
    """Another machine may turn eigenvectors; what the student followed must stay."""
    one, other = phi_s(of(features())), phi_s(of(features(400)))
    assert not torch.equal(one.turn, other.turn)
    other.load_state_dict(one.state_dict())
    assert torch.equal(one.turn, other.turn)


def test_none_leaves_them_as_they_are() -> None:
    assert isinstance(STANDARDS["none"](of(features())), nn.Identity)


def test_widths_are_refused_before_there_are_statistics() -> None:
    require_width("z_score", 10)
    require_width("phi_s", 12)
    with pytest.raises(ValueError, match="order 10.*use z_score"):
        require_width("phi_s", 10)
