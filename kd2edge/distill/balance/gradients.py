"""Gradients of several losses become one: the part that all such balancers share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor, nn

from kd2edge.distill.balance.balancer import SHARED, Balancer, LossKey, Shared, tasks_of
from kd2edge.distill.balance.tap import Tap, trunk_of
from kd2edge.distill.balance.weighting import weighting_of
from kd2edge.errors import Kd2edgeError, UsageError
from kd2edge.tasks.spec import TaskName

_ADVICE = "write gradients: parameters"
#: Gradients of one loss, one a target.
Row = list[Tensor | None]


@final
class Gradients(Balancer):
    """Weighs the trunk's gradients of K losses by their K x K inner products.

    With respect to *features* (Sener and Koltun 2018, 1810.04650, section 3.3) there is one
    backward pass through the trunk, with the weighted sum of the gradients at the last tensor that
    all heads read.  With respect to *parameters* there are K, and as many copies of the gradient.
    Either way each head has the plain gradient of its own task, and losses on features, which
    belong to no task and may lie below that tensor, are added to the trunk as they are.

    A loss whose gradient is zero has no say, as if its task were absent from the batch: it would
    bring methods that weigh small gradients most to a standstill.  One loss alone is not weighed.

    Args:
        method: a name in :data:`~kd2edge.distill.balance.weighting.WEIGHTINGS`.
        tasks: the student's tasks.
        gradients: ``features`` or ``parameters``: with respect to what.
        over: ``tasks`` sums the terms of a task before they are weighed, ``terms`` does not.
        options: of the method.

    Raises:
        UsageError: one task alone, or a package that is missing.
    """

    def __init__(
        self,
        method: str,
        tasks: Sequence[TaskName],
        *,
        gradients: str,
        over: str,
        **options: Any,
    ) -> None:
        super().__init__()
        if over == "tasks" and len(tasks) < 2:
            raise UsageError(
                f"balance {method}: it weighs tasks against each other, and there is"
                f" {' and '.join(tasks)} alone; take balance: static, or weigh over: terms"
            )
        self.weighting = weighting_of(method, tasks, options)
        self._method = method
        self._over = over
        self._tap = Tap(tasks, _ADVICE) if gradients == "features" else None
        self.features = self._tap.paths if self._tap else ()

    def backward(self, terms: Mapping[LossKey, Tensor], shared: Shared) -> Tensor:
        losses = self._losses(terms)
        fixed = [term for key, term in terms.items() if key.task == SHARED]
        targets = self._targets(shared, terms)
        rows = [_gradients(loss, targets, shared.others()) for loss in losses.values()]
        weights = self._weights(list(losses), rows)
        combined = [_combined(weights, [row[at] for row in rows]) for at in range(len(targets))]
        if self._tap:
            _through_the_trunk(targets, combined, fixed)
        else:
            if fixed:
                torch.stack(fixed).sum().backward()
            _accumulate(targets, combined)
        weighted = [w * loss for w, loss in zip(weights.tolist(), losses.values(), strict=True)]
        return torch.stack([*weighted, *fixed]).sum().detach()

    def require_fits(self, shared: Shared, outputs: Sequence[Tensor]) -> None:
        if self._tap is None:
            trunk_of(shared)
        else:
            self._tap.require(shared, outputs)

    def _losses(self, terms: Mapping[LossKey, Tensor]) -> dict[LossKey, Tensor]:
        own = {key: term for key, term in terms.items() if key.task != SHARED}
        if self._over == "terms":
            return own
        return {LossKey(task, ""): loss for task, loss in tasks_of(own).items()}

    def _targets(self, shared: Shared, terms: Mapping[LossKey, Tensor]) -> Sequence[Tensor]:
        if self._tap is None:
            return trunk_of(shared)
        tasks = tasks_of(terms)
        tasks.pop(SHARED, None)
        return [self._tap.tensor(shared, tasks)]

    def _weights(self, keys: list[LossKey], rows: list[Row]) -> Tensor:
        """One weight a loss, on the CPU."""
        weights = torch.ones(len(rows))
        if len(rows) < 2:
            return weights
        gramian = _gramian(rows)
        # What is no longer finite goes on as it is: the loop names the loss and says what to do.
        pulls = (gramian.diagonal() > 0).nonzero().flatten()
        if len(pulls) < 2 or not gramian.isfinite().all():
            return weights
        present = [keys[at].task for at in pulls.tolist()]
        try:
            weights[pulls] = self.weighting(gramian[pulls][:, pulls], present)
        except (ArithmeticError, RuntimeError, ValueError) as error:
            raise Kd2edgeError(
                f"balance {self._method}: its solver found no weights ({error}); take another one"
            ) from error
        return weights


def _gradients(loss: Tensor, targets: Sequence[Tensor], heads: Sequence[nn.Parameter]) -> Row:
    """The gradients at ``targets``; those of ``heads`` are accumulated."""
    found = torch.autograd.grad(loss, [*targets, *heads], retain_graph=True, allow_unused=True)
    _accumulate(heads, found[len(targets) :])
    return list(found[: len(targets)])


def _gramian(rows: Sequence[Row]) -> Tensor:
    """Inner products of the losses' gradients ``[loss, loss]``, in fp32 on the CPU.

    They are so few that solvers are quicker there, and each would wait for a GPU at every step.
    """
    count = len(rows)
    parts = [
        torch.stack([_flat(one, shown) for one in several])
        for several in zip(*rows, strict=True)
        if (shown := next((one for one in several if one is not None), None)) is not None
    ]
    if not parts:  # no loss reaches the trunk
        return torch.zeros(count, count)
    return torch.stack([part @ part.T for part in parts]).sum(0).cpu()


def _flat(gradient: Tensor | None, like: Tensor) -> Tensor:
    if gradient is None:
        return torch.zeros(like.numel(), device=like.device)
    return gradient.float().flatten()


def _combined(weights: Tensor, gradients: Iterable[Tensor | None]) -> Tensor | None:
    """The weighted sum at one target, in its own type; None where no loss reaches it."""
    total: Tensor | None = None
    given: Tensor | None = None
    for weight, one in zip(weights.tolist(), gradients, strict=True):
        if one is not None:
            given = one
            total = one.float() * weight if total is None else total.add_(one, alpha=weight)
    return total if total is None or given is None else total.to(given.dtype)


def _through_the_trunk(
    targets: Sequence[Tensor], combined: Sequence[Tensor | None], fixed: Sequence[Tensor]
) -> None:
    """One backward pass from the shared tensor and from losses that are not weighed."""
    pairs = zip(targets, combined, strict=True)
    roots = [(target, one) for target, one in pairs if one is not None]
    roots += [(one, None) for one in fixed]
    if roots:
        torch.autograd.backward([root for root, _ in roots], [one for _, one in roots])


def _accumulate(parameters: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> None:
    for parameter, one in zip(parameters, gradients, strict=True):
        if one is not None:
            parameter.grad = one if parameter.grad is None else parameter.grad + one
