"""One step of a net: forward, losses, backward, optimiser."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import NamedTuple, final

import torch
from torch import Tensor

from kd2edge.data.batch import Batch
from kd2edge.distill.balance import LossKey, Shared
from kd2edge.distill.mixup import Pairs, mixed_terms, pairs_of, require_mixable
from kd2edge.distill.objective import Objective, Terms, Told
from kd2edge.distill.optimizer import adamw, set_rate
from kd2edge.distill.precision import autocast
from kd2edge.distill.random_state import device_random_state, drawn_again
from kd2edge.distill.rates import rate_factors
from kd2edge.distill.saving import Learned, named_parameters, trained
from kd2edge.distill.schedule import Time
from kd2edge.distill.settings import Mixup, TrainSettings
from kd2edge.nets import Net


@dataclass(frozen=True, slots=True)
class Turn:
    """What a net learns from in a step.

    Args:
        batch: the rows, *on the CPU*.
        features: what the forward pass fills with the features that the objective captures.
        time: where the training is.
        lr: learning rate of this step.
    """

    batch: Batch
    features: Mapping[str, Tensor]
    time: Time
    lr: float


class Answer(NamedTuple):
    """What a net says of a batch, with its gradient.

    Args:
        outputs: its arrays by name.
        pairs: how the rows were mixed; None: they were not.
        drawn: where the generators stood before; None: nobody looks at the step again.
    """

    outputs: Mapping[str, Tensor]
    pairs: Pairs | None
    drawn: Sequence[Tensor] | None


@final
class Stepper:
    """Takes the parts of a step with a net and its objective, both on ``device``.

    What they are in one step, alone or beside other nets, ``cohort`` says.

    Args:
        net: on ``device``.
        objective: on ``device``; its own parameters are trained too.
        settings: rate, decay and clipping.
        device: where both stand.
        precision: ``fp32`` or ``bf16``.
        randomness: what a forward pass draws in; a net alone draws from the global generators.

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
        randomness: Callable[[], AbstractContextManager[None]] = nullcontext,
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
        self._randomness = randomness

    def answer(self, turn: Turn) -> Answer:
        """The forward pass."""
        looks_again = self._objective.balance.looks_again
        with self._randomness():
            drawn = device_random_state(self._device) if looks_again else None
            arrays = turn.batch.to(self._device).inputs
            if self._mixup is not None:
                return self._mixed(self._mixup, arrays, turn, drawn)
            fed = self._objective.fed(self._net, turn.batch, turn.time)
            with autocast(self._precision, self._device), fed:
                return Answer(self._net(arrays), None, drawn)

    def told(self, answer: Answer, turn: Turn) -> Told:
        """What the net says to those that learn beside it."""
        return self._objective.told(answer.outputs, turn.batch)

    def terms(self, answer: Answer, turn: Turn, others: Sequence[Told]) -> Terms:
        """The losses of an answer; of rows that were mixed, those of the mix."""
        outputs, features, time = answer.outputs, turn.features, turn.time
        if answer.pairs is None:
            return self._objective.terms(outputs, features, turn.batch, time, others)
        own, partners = (
            self._objective.terms(outputs, features, one, time, others)
            for one in (turn.batch, answer.pairs.partners(turn.batch))
        )
        return mixed_terms(own, partners, answer.pairs.share)

    def losses(self, turn: Turn, others: Sequence[Told] = ()) -> Terms:
        """The losses of a step, from the forward pass on.

        Args:
            turn: the step.
            others: what is said in it by those that learn beside the net.
        """
        return self.terms(self.answer(turn), turn, others)

    def backward(self, terms: Mapping[LossKey, Tensor], turn: Turn) -> Mapping[LossKey, Tensor]:
        """Leave the gradients of losses in ``.grad``; those of the losses that teach something."""
        if self._some_frozen:  # of a task whose rows meet nothing that is trained
            terms = {key: term for key, term in terms.items() if term.requires_grad}
        if terms:  # else every label of this batch was cut off
            balancer = self._objective.balance
            wanted = {path: turn.features[path] for path in balancer.features}
            shared = Shared(self._net.shared_parameters, wanted, lambda: self._others)
            balancer.backward(terms, shared)
        return terms

    def update(self, turn: Turn) -> None:
        """Change what is trained by its gradients, which are gone then."""
        if self._clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self._clipped, self._clip_norm)
        set_rate(self._optimizer, turn.lr, self._paces(turn.time))
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)

    def look_again(
        self, drawn: Sequence[Tensor], turn: Turn, others: Sequence[Told], keys: Iterable[LossKey]
    ) -> None:
        """Let the balancer see what a step did.

        Args:
            drawn: where the generators stood before it.
            turn: the step.
            others: what was said in it.
            keys: of the losses that taught something.
        """
        with torch.no_grad(), drawn_again(drawn, self._device), self._unchanged_buffers():
            again = self.losses(turn, others)
        self._objective.balance.after_step({key: again.terms[key] for key in keys})

    def _paces(self, time: Time) -> dict[str, float]:
        return {f"objective.{name}": one for name, one in self._objective.paces(time).items()}

    def _mixed(
        self,
        how: Mixup,
        arrays: Mapping[str, Tensor],
        turn: Turn,
        drawn: Sequence[Tensor] | None,
    ) -> Answer:
        pairs = pairs_of(how.alpha, self._seed, turn.time.step, len(turn.batch))
        with autocast(self._precision, self._device):
            if how.at == "inputs":
                outputs = self._net({name: pairs.mixed(one) for name, one in arrays.items()})
            else:
                seen = self._net.features(arrays)
                outputs = self._net.answers(replace(seen, pooled=pairs.mixed(seen.pooled)))
        return Answer(outputs, pairs, drawn)

    @contextmanager
    def _unchanged_buffers(self) -> Iterator[None]:
        """A second look counts neither for batch norms nor for what losses remember."""
        owners = (self._net, self._objective)
        before = [{name: one.clone() for name, one in owner.named_buffers()} for owner in owners]
        yield
        for owner, values in zip(owners, before, strict=True):
            for name, value in values.items():
                owner.get_buffer(name).copy_(value)
