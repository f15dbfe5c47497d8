from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from distill.balance.terms import ONE, THREE, TWO, Trunk, balancer, of_tasks, require_solver
from kd2edge.distill.balance import BALANCERS, LossKey, Shared
from kd2edge.distill.balance.weighting import WEIGHTINGS
from kd2edge.errors import UsageError

TASKS = [ONE, TWO, THREE]
NAMES = sorted(WEIGHTINGS)
FORMS = ("features", "parameters")
#: The library's aggregators of whole Jacobians, with the options that recipes default to.
AGGREGATORS: dict[str, tuple[str, dict[str, Any]]] = {
    "aligned_mtl": ("AlignedMTL", {}),
    "cagrad": ("CAGrad", {"c": 0.4}),
    "imtl_g": ("IMTLG", {}),
    "mgda": ("MGDA", {}),
    "nash_mtl": ("NashMTL", {"n_tasks": 3}),
    "pcgrad": ("PCGrad", {}),
    "upgrad": ("UPGrad", {}),
}


def aggregated(name: str, jacobian: Tensor) -> Tensor:
    """What TorchJD's own aggregator makes of a Jacobian ``[loss, number]``."""
    import torchjd.aggregation

    require_solver(name)
    made, options = AGGREGATORS[name]
    aggregate = getattr(torchjd.aggregation, made)(**options)
    return aggregate(jacobian)


def jacobian(losses: list[Tensor], of: Tensor) -> Tensor:
    """Gradients of the losses ``[loss, number]``."""
    rows = [torch.autograd.grad(loss, of, retain_graph=True)[0].flatten() for loss in losses]
    return torch.stack(rows)


def test_every_method_of_the_library_is_compared() -> None:
    assert set(AGGREGATORS) == set(WEIGHTINGS)


@pytest.mark.filterwarnings("ignore::UserWarning")  # cvxpy, called by the library itself
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", FORMS)
def test_the_trunk_gets_what_the_library_makes_of_the_jacobian(name: str, form: str) -> None:
    trunk = Trunk()
    losses = trunk.losses()
    made = balancer(name, TASKS, gradients=form)
    torch.manual_seed(3)
    if form == "features":
        whole = jacobian(losses, trunk.feature)
        wanted = trunk.x.T @ aggregated(name, whole).view_as(trunk.feature)
    else:
        wanted = aggregated(name, jacobian(losses, trunk.weight)).view_as(trunk.weight)
    torch.manual_seed(3)
    made.backward(of_tasks(*losses), trunk.shared(TASKS))
    torch.testing.assert_close(trunk.weight.grad, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", FORMS)
def test_heads_get_the_plain_gradient_of_their_own_task(name: str, form: str) -> None:
    trunk = Trunk()
    losses = trunk.losses()
    wanted = torch.autograd.grad(torch.stack(losses).sum(), list(trunk.heads), retain_graph=True)
    balancer(name, TASKS, gradients=form).backward(of_tasks(*losses), trunk.shared(TASKS))
    for head, one in zip(trunk.heads, wanted, strict=True):
        assert head.grad is not None
        assert torch.equal(head.grad, one)


@pytest.mark.parametrize("name", sorted(set(WEIGHTINGS) - {"nash_mtl"}))
def test_both_forms_are_one_where_the_trunk_is_linear_in_a_single_row(name: str) -> None:
    """The Jacobians differ by a factor: the row's own length."""
    found: list[Tensor] = []
    for form in FORMS:
        trunk = Trunk(rows=1)
        torch.manual_seed(3)
        made = balancer(name, TASKS, gradients=form)
        made.backward(of_tasks(*trunk.losses()), trunk.shared(TASKS))
        assert trunk.weight.grad is not None
        found.append(trunk.weight.grad)
    torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("form", FORMS)
def test_equal_losses_pull_like_one_of_them(name: str, form: str) -> None:
    trunk = Trunk()
    loss = trunk.losses()[0]
    (wanted,) = torch.autograd.grad(loss, trunk.weight, retain_graph=True)
    made = balancer(name, TASKS, gradients=form)
    made.backward(of_tasks(loss, loss * 1, loss * 1), trunk.shared(TASKS))
    assert trunk.weight.grad is not None
    pair = trunk.weight.grad.flatten(), wanted.flatten()
    assert torch.cosine_similarity(*pair, dim=0).item() == pytest.approx(1, abs=1e-5)
    if name in {"upgrad", "mgda", "imtl_g", "aligned_mtl"}:  # weights of a mean
        torch.testing.assert_close(*pair, rtol=1e-4, atol=1e-5)
    if name == "pcgrad":  # of a sum
        torch.testing.assert_close(pair[0], 3 * pair[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "tasks"), [("upgrad", 3), ("mgda", 3), ("nash_mtl", 3), ("pcgrad", 2)]
)
@pytest.mark.parametrize("seed", range(5))
def test_a_conflict_is_solved_at_no_tasks_cost(name: str, tasks: int, seed: int) -> None:
    """No loss rises in a small step, though two of them pull against each other."""
    generator = torch.Generator().manual_seed(seed)
    pulls = torch.randn(tasks, 20, generator=generator)
    pulls[1] = 0.5 * pulls[1] - 3 * pulls[0]
    made = balancer(name, TASKS[:tasks], gradients="parameters")
    weight = nn.Parameter(torch.zeros(20))
    assert pulls[0] @ pulls[1] < 0
    assert pulls.sum(0) @ pulls[0] < 0  # the plain sum would harm the first
    made.backward(of_tasks(*(pulls @ weight)), Shared(lambda: [weight], {}, list))
    assert weight.grad is not None
    worst = (pulls @ weight.grad).min().item()
    scale = (pulls.norm(dim=1) * weight.grad.norm()).max().item()
    assert worst > -2e-4 * scale


def test_cagrad_is_best_for_the_worst_off_task_near_the_mean_gradient() -> None:
    """Liu et al. 2021, equation 2: no other step as near gives the worst-off task more."""
    random = np.random.default_rng(0)
    pulls = random.standard_normal((3, 20)).astype(np.float32)
    pulls[1] = 0.5 * pulls[1] - 3 * pulls[0]
    weight = nn.Parameter(torch.zeros(20))
    made = balancer("cagrad", TASKS, gradients="parameters", c=0.4)
    losses = torch.from_numpy(pulls) @ weight
    made.backward(of_tasks(*losses), Shared(lambda: [weight], {}, list))
    assert weight.grad is not None
    found, mean = weight.grad.numpy(), pulls.mean(0)
    radius = 0.4 * np.linalg.norm(mean)
    assert np.linalg.norm(found - mean) == pytest.approx(radius, rel=1e-3)
    others = (pulls.T @ random.dirichlet(np.ones(3), 2000).T).T  # the best ones lie among these
    steps = mean + radius * others / np.linalg.norm(others, axis=1, keepdims=True)
    assert (pulls @ found).min() >= (steps @ pulls.T).min(1).max() - 1e-3


def test_mgda_of_two_tasks_is_the_shortest_point_between_them() -> None:
    """Sener and Koltun 2018, equation 6."""
    pulls = np.array([[2.0, 1.0, 0.0], [-1.0, 1.0, 3.0]], dtype=np.float32)
    one, two = pulls
    share = float(np.clip((two - one) @ two / ((one - two) @ (one - two)), 0, 1))
    weight = nn.Parameter(torch.zeros(3))
    made = balancer("mgda", [ONE, TWO], gradients="parameters")
    made.backward(of_tasks(*(torch.tensor(pulls) @ weight)), Shared(lambda: [weight], {}, list))
    assert weight.grad is not None
    np.testing.assert_allclose(weight.grad, share * one + (1 - share) * two, rtol=1e-3, atol=1e-3)


def test_pcgrad_of_two_tasks_takes_the_conflicting_parts_out() -> None:
    """Yu et al. 2020, algorithm 1."""
    one, two = np.array([2.0, 0.5]), np.array([-1.0, 1.0])
    wanted = (one - one @ two / (two @ two) * two) + (two - one @ two / (one @ one) * one)
    weight = nn.Parameter(torch.zeros(2))
    made = balancer("pcgrad", [ONE, TWO], gradients="parameters")
    losses = [(torch.tensor(g, dtype=torch.float32) * weight).sum() for g in (one, two)]
    made.backward(of_tasks(*losses), Shared(lambda: [weight], {}, list))
    np.testing.assert_allclose(weight.grad, wanted, rtol=1e-5)


def test_imtl_g_gives_all_tasks_equal_projections() -> None:
    """Liu et al. 2021, equation 3."""
    pulls = torch.randn(3, 8, generator=torch.Generator().manual_seed(1))
    pulls[2] *= 50
    weight = nn.Parameter(torch.zeros(8))
    made = balancer("imtl_g", TASKS, gradients="parameters")
    made.backward(of_tasks(*(pulls @ weight)), Shared(lambda: [weight], {}, list))
    assert weight.grad is not None
    projections = (pulls / pulls.norm(dim=1, keepdim=True)) @ weight.grad
    assert projections.tolist() == pytest.approx([projections[0].item()] * 3, rel=1e-3)


def test_terms_are_weighed_apart_where_asked() -> None:
    trunk = Trunk()
    one, two, three = trunk.losses()
    wanted = aggregated("upgrad", jacobian([one, two, three], trunk.weight))
    made = balancer("upgrad", [ONE, TWO], gradients="parameters", over="terms")
    terms = {LossKey(ONE, "task"): one, LossKey(ONE, "kd"): two, LossKey(TWO, "task"): three}
    made.backward(terms, trunk.shared([ONE, TWO]))
    torch.testing.assert_close(trunk.weight.grad, wanted.view_as(trunk.weight))


@pytest.mark.parametrize("name", ["upgrad", "cagrad"])
def test_small_gradients_are_weighed_like_large_ones(name: str) -> None:
    """The library's solvers take those of a loss of 1e-4 for zero."""
    found: list[Tensor] = []
    for scale in (1.0, 1e-5):
        trunk = Trunk()
        made = balancer(name, TASKS)
        losses = trunk.losses()
        made.backward(of_tasks(*(scale * loss for loss in losses)), trunk.shared(TASKS))
        assert trunk.weight.grad is not None
        found.append(trunk.weight.grad / scale)
    torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_a_loss_without_a_gradient_has_no_say(name: str) -> None:
    found: list[Tensor] = []
    for task in (False, True):
        torch.manual_seed(3)
        trunk, made = Trunk(), balancer(name, TASKS)
        losses = trunk.losses()
        last = [(trunk.heads[2] ** 2).sum()] if task else []  # it never reads the trunk
        made.backward(of_tasks(*losses[:2], *last), trunk.shared(TASKS))
        assert trunk.weight.grad is not None
        found.append(trunk.weight.grad)
    torch.testing.assert_close(found[0], found[1])


def test_gradients_in_bf16_are_weighed_in_fp32() -> None:
    trunk = Trunk()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        losses = [loss.float() for loss in trunk.losses()]
    assert trunk.feature.dtype == torch.bfloat16
    rows = jacobian(losses, trunk.feature)
    assert rows.dtype == torch.bfloat16
    combined = aggregated("upgrad", rows.float()).to(torch.bfloat16).view_as(trunk.feature)
    (wanted,) = torch.autograd.grad(trunk.feature, trunk.weight, combined, retain_graph=True)
    balancer("upgrad", TASKS).backward(of_tasks(*losses), trunk.shared(TASKS))
    assert trunk.weight.grad is not None
    assert trunk.weight.grad.dtype == torch.float32
    torch.testing.assert_close(trunk.weight.grad, wanted, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("form", FORMS)
def test_is_added_to_a_gradient_that_is_there(form: str) -> None:
    trunk = Trunk()
    made = balancer("mgda", TASKS, gradients=form)
    made.backward(of_tasks(*trunk.losses()), trunk.shared(TASKS))
    once = [one.grad.clone() for one in trunk.parameters() if one.grad is not None]
    made.backward(of_tasks(*trunk.losses()), trunk.shared(TASKS))
    twice = [one.grad for one in trunk.parameters()]
    assert len(once) == len(twice) == 4
    for before, after in zip(once, twice, strict=True):
        torch.testing.assert_close(after, 2 * before)


@pytest.mark.parametrize("form", FORMS)
def test_a_frozen_trunk_is_refused(form: str) -> None:
    trunk, made = Trunk(), balancer("mgda", TASKS, gradients=form)
    losses = trunk.losses()
    frozen = Shared(list, trunk.shared(TASKS).features, lambda: list(trunk.heads))
    for refused in (
        lambda: made.backward(of_tasks(*losses), frozen),
        lambda: made.require_fits(frozen, losses),
    ):
        with pytest.raises(UsageError, match=r"a trunk that is trained.*balance: static"):
            refused()


def test_one_task_alone_is_refused_but_its_terms_may_be_weighed() -> None:
    with pytest.raises(UsageError, match="there is one alone; take balance: static"):
        balancer("mgda", [ONE])
    trunk, made = Trunk(), balancer("mgda", [ONE], over="terms")
    one, two, _ = trunk.losses()
    made.backward({LossKey(ONE, "task"): one, LossKey(ONE, "kd"): two}, trunk.shared([ONE]))
    assert trunk.weight.grad is not None
    pulls = jacobian(trunk.losses()[:2], trunk.weight)
    assert (pulls @ trunk.weight.grad.flatten() > 0).all()


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(TypeError, match="strength"):
        BALANCERS["mgda"](TASKS, gradients="features", over="tasks", strength=1)
