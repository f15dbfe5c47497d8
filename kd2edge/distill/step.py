"""One step: forward, losses, backward, optimiser."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import final

import torch
from torch import Tensor

from kd2edge.data.batch import Batch
from kd2edge.distill.balance import LossKey, Shared
from kd2edge.distill.mixup import mixed_terms, pairs_of, require_mixable
from kd2edge.distill.objective import Objective, Terms
from kd2edge.distill.optimizer import adamw, set_rate
from kd2edge.distill.precision import autocast
from kd2edge.distill.random_state import device_random_state, drawn_again
from kd2edge.distill.rates import rate_factors
from kd2edge.distill.saving import Learned, named_parameters, trained
from kd2edge.distill.schedule import Time
from kd2edge.distill.settings import Mixup, TrainSettings
from kd2edge.nets import Net


@final
class Stepper:
    """Takes steps with a net and its objective, both on ``device``.

    Args:
        net: on ``device``.
        objective: on ``device``; its own parameters are trained too.
        settings: rate, decay and clipping.
        device: where both stand.
        precision: ``fp32`` or ``bf16``.

    Attributes:
        learned: everything that steps change.
        named: name and parameter of everything that is trained.

    Raises:
        UsageError: rows that are to be mixed, of which this cannot be done.
    """

    def __init__(
        self,
        net: Net,
        objective: Objective,
        settings: TrainSettings,
        device: torch.device,
        precision: str,
    ) -> None:
        if settings.mixup is not None:
            distill = settings.distill
            require_mixable(net, settings.mixup.at, follows=bool(distill.features or distill.feed))
        named = list(named_parameters(net, objective))
        rates = rate_factors(net, settings.layer_decay, settings.rates)
        factors = {f"net.{name}": one for name, one in rates.items()}
        paced = frozenset(f"objective.{name}" for name in objective.paced)
        optimizer = adamw(named, settings.lr, settings.weight_decay, factors, paced)
        self.learned = Learned(net, objective, optimizer)
        self._net = net
        self._objective = objective
        self._optimizer = optimizer
        self.named = named
        self._parameters = trained(named)
        trunk = {id(one) for one in net.shared_parameters()}
        self._others = [one for one in self._parameters if id(one) not in trunk]
        self._some_frozen = not all(one.requires_grad for one in net.parameters())
        # What works against the student is no part of its gradient, and must not shorten it.
        self._clipped = [one for name, one in named if name not in paced]
        self._clip_norm = settings.clip_norm
        self._mixup, self._seed = settings.mixup, settings.seed
        self._device = device
        self._precision = precision

    def take(
        self,
        batch: Batch,
        features: Mapping[str, Tensor],
        time: Time,
        lr: float,
        look: Callable[[Mapping[LossKey, Tensor | float]], None] | None = None,
    ) -> Mapping[LossKey, Tensor | float]:
        """Learn from a batch (on the CPU); its losses, neither weighted nor balanced.

        Beside them stands what schedules gave (``Terms.raw``).

        Args:
            batch: the rows.
            features: what the forward pass fills with the features that the objective captures.
            time: where the training is.
            lr: learning rate of this step.
            look: called with the losses once gradients are there, neither clipped nor used.
        """
        balancer = self._objective.balance
        drawn = device_random_state(self._device) if balancer.looks_again else None
        found = self.losses(batch, features, time)
        terms = found.terms
        if self._some_frozen:  # of a task whose rows meet nothing that is trained
            terms = {key: term for key, term in terms.items() if term.requires_grad}
        if not terms:  # or every label of this batch was cut off
            return found.raw
        wanted = {path: features[path] for path in balancer.features}
        shared = Shared(self._net.shared_parameters, wanted, lambda: self._others)
        balancer.backward(terms, shared)
        if look is not None:
            look(found.raw)
        if self._clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self._clipped, self._clip_norm)
        set_rate(self._optimizer, lr, self._paces(time))
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        if drawn is not None:
            with torch.no_grad(), drawn_again(drawn, self._device), self._unchanged_buffers():
                again = self.losses(batch, features, time)
            balancer.after_step({key: again.terms[key] for key in terms})
        return found.raw

    def _paces(self, time: Time) -> dict[str, float]:
        return {f"objective.{name}": one for name, one in self._objective.paces(time).items()}

    def losses(self, batch: Batch, features: Mapping[str, Tensor], time: Time) -> Terms:
        """The losses of a batch (on the CPU), as :meth:`take` takes them."""
        arrays = batch.to(self._device).inputs
        if self._mixup is not None:
            return self._mixed(self._mixup, arrays, features, batch, time)
        with autocast(self._precision, self._device), self._objective.fed(self._net, batch, time):
            outputs = self._net(arrays)
        return self._objective.terms(outputs, features, batch, time)

    def _mixed(
        self,
        how: Mixup,
        arrays: Mapping[str, Tensor],
        features: Mapping[str, Tensor],
        batch: Batch,
        time: Time,
    ) -> Terms:
        pairs = pairs_of(how.alpha, self._seed, time.step, len(batch))
        with autocast(self._precision, self._device):
            if how.at == "inputs":
                outputs = self._net({name: pairs.mixed(one) for name, one in arrays.items()})
            else:
                seen = self._net.features(arrays)
                outputs = self._net.answers(replace(seen, pooled=pairs.mixed(seen.pooled)))
        own, others = (
            self._objective.terms(outputs, features, one, time)
            for one in (batch, pairs.partners(batch))
        )
        return mixed_terms(own, others, pairs.share)

    @contextmanager
    def _unchanged_buffers(self) -> Iterator[None]:
        """A second look counts neither for batch norms nor for what losses remember."""
        owners = (self._net, self._objective)
        before = [{name: one.clone() for name, one in owner.named_buffers()} for owner in owners]
        yield
        for owner, values in zip(owners, before, strict=True):
            for name, value in values.items():
                owner.get_buffer(name).copy_(value)
