from __future__ import annotations

import torch
from torch.nn import functional as F

from distill.features.cases import random
from kd2edge.distill.features.scaled import directions, scaled


def test_the_largest_magnitude_is_one_and_zeros_stay() -> None:
    values = torch.tensor([[1e25, -4e25], [0.0, 0.0]])
    torch.testing.assert_close(scaled(values, [1]), torch.tensor([[0.25, -1.0], [0.0, 0.0]]))


def test_the_gradient_of_what_knows_no_scale_is_exact() -> None:
    plain, sized = (random().double().requires_grad_() for _ in range(2))
    wanted = random(seed=1).double()
    F.cosine_similarity(plain, wanted).sum().backward()
    F.cosine_similarity(scaled(sized, [1]), wanted).sum().backward()
    torch.testing.assert_close(plain.grad, sized.grad)


def test_directions_have_length_one_and_none_at_zero() -> None:
    vectors = torch.tensor([[3.0, 4.0], [0.0, 0.0], [1e-8, 0.0]], requires_grad=True)
    found = directions(vectors)
    torch.testing.assert_close(found[0], torch.tensor([0.6, 0.8]))
    assert not found[1:].any()
    (gradient,) = torch.autograd.grad(found.sum(), vectors)
    # d/dx of (x + y) / |(x, y)| at (3, 4): (|v|² - x (x + y)) / |v|³, and likewise for y
    torch.testing.assert_close(gradient[0], torch.tensor([4.0, -3.0]) / 125)
    assert not gradient[1:].any()
