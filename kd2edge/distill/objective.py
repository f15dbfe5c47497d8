"""The losses of a batch: hard and soft, a task each, and features.

For every task, ``L = weight * (alpha * L_kd + (1 - alpha) * L_task)``.  **Each of the two is a mean
of its own**: ``L_task`` over the items (rows or words) of the batch that have this task's label,
``L_kd`` over those that its teachers saw.  So unlabelled rows in a batch do not thin out the hard
loss: its share is ``1 - alpha`` in every batch that has any label of the task.  A batch without one
has ``alpha * L_kd`` alone.  A task that nobody teaches has ``weight * L_task`` whatever alpha is.

Terms that would be multiplied by zero are not computed: with alpha 0 a step is the supervised step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from kd2edge.data.batch import Batch
from kd2edge.distill.balance import BALANCERS, Balancer, LossKey
from kd2edge.distill.feature_term import FeatureTerm
from kd2edge.distill.hard import HARD_LOSSES
from kd2edge.distill.knowledge import Knowledge
from kd2edge.distill.logits import LOGIT_LOSSES
from kd2edge.distill.loss import Given, Loss, Need
from kd2edge.distill.method import Method, made
from kd2edge.distill.schedule import Constant, Moment, Schedule, schedules
from kd2edge.distill.settings import DistillSettings
from kd2edge.errors import UsageError
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.spec import Activation, TaskName, TaskSpec

_PLAIN = Method("kl")


class Terms(NamedTuple):
    """Losses of a batch: ``terms`` with alpha and weights in them, ``raw`` (detached) without."""

    terms: dict[LossKey, Tensor]
    raw: dict[LossKey, Tensor]


@dataclass(frozen=True, slots=True)
class _Values:
    alpha: Schedule
    temperature: Schedule
    weight: Schedule


@final
class Objective(nn.Module):
    """All losses of a training and the balancer, with whatever they learn themselves.

    Args:
        tasks: the student's tasks.
        settings: losses, alpha, temperature, weights, balance.
        knowledge: the teachers; None for supervised training.
        smoothing: label smoothing of the hard losses.

    Raises:
        UsageError: an unknown loss, balancer or option, or a loss that needs what is not there.
    """

    def __init__(
        self,
        tasks: Sequence[TaskSpec],
        settings: DistillSettings,
        knowledge: Knowledge | None,
        smoothing: float = 0.0,
    ) -> None:
        super().__init__()
        names = tuple(task.name for task in tasks)
        self._tasks = names
        self._activations: dict[TaskName, Activation] = {
            task.name: task_kind(task.kind).output(task).activation for task in tasks
        }
        self._knowledge = knowledge
        self._values = _values(settings, names)
        known = knowledge.teachers if knowledge else {}
        # An alpha of 0 throughout is no teaching: rows without a label would have no loss at all.
        silent = {task for task, values in self._values.items() if values.alpha == Constant(0.0)}
        self._taught = frozenset(known) & frozenset(names) - silent
        # Indexed, not named: a task's name may hold a dot, which torch takes for a path.
        self.hard = nn.ModuleList([HARD_LOSSES[task.kind](task, smoothing) for task in tasks])
        self.soft = nn.ModuleList(
            [
                _logit_loss(settings, name, self._activations[name], name in self._taught)
                for name in names
            ]
        )
        self.features = nn.ModuleList(
            [FeatureTerm(term, knowledge) for term in settings.features if knowledge]
        )
        self.balancer = made("balance", BALANCERS, settings.balance, names)

    @property
    def learns_from_all_rows(self) -> bool:
        """Whether a row without any label teaches something: teachers have a say."""
        return bool(self._taught) or len(self.features) > 0

    @property
    def balance(self) -> Balancer:
        """What combines the terms."""
        assert isinstance(self.balancer, Balancer)
        return self.balancer

    @property
    def captures(self) -> tuple[str, ...]:
        """Module paths of the student whose outputs :meth:`terms` and the balancer read."""
        return tuple(
            dict.fromkeys(
                [*(term.target for term in self._feature_terms()), *self.balance.features]
            )
        )

    def prepare(self, features: Mapping[str, Tensor], batch: Batch) -> None:
        """Make the projectors of features, once the student's features were seen."""
        for term in self._feature_terms():
            term.prepare(features[term.target], batch)

    def terms(
        self,
        outputs: Mapping[str, Tensor],
        features: Mapping[str, Tensor],
        batch: Batch,
        moment: Callable[[TaskName], Moment],
    ) -> Terms:
        """The losses of a batch.

        Args:
            outputs: the student's logits by task, on the device.
            features: the student's features at :attr:`captures`.
            batch: the rows, *on the CPU*: there no GPU is waited for to find out what counts.
            moment: when this is, for a task.
        """
        found = Terms({}, {})
        for at, task in enumerate(self._tasks):
            now, values = moment(task), self._values[task]
            alpha = values.alpha.at(now) if task in self._taught else 0.0
            weight = values.weight.at(now)
            view = _TaskView(task, batch, outputs[task], self._activations[task])
            if alpha < 1:
                _add(found, LossKey(task, "task"), weight * (1 - alpha), self._hard(at, view))
            if alpha > 0:
                soft = self._soft(at, view, values.temperature.at(now))
                _add(found, LossKey(task, "kd"), weight * alpha, soft)
        for at, term in enumerate(self._feature_terms()):
            _add(
                found,
                LossKey(TaskName(""), f"feature{at}"),
                term.weight,
                term(features[term.target], batch),
            )
        return found

    def _hard(self, at: int, view: _TaskView) -> Tensor | None:
        counted = view.batch.has_label(view.task) & view.seen
        if not counted.any():
            return None
        optional: dict[str, Tensor] = {}
        if view.task in view.batch.objects:
            owners = torch.from_numpy(view.batch.objects[view.task])
            optional["owners"] = owners.to(view.device)
        return self.hard[at](view.given(counted, targets=view.targets(), **optional))

    def _soft(self, at: int, view: _TaskView, temperature: float) -> Tensor | None:
        assert self._knowledge is not None
        teacher = self._knowledge.logits(view.task, view.batch, temperature, view.activation)
        loss = self.soft[at]
        assert isinstance(loss, Loss)
        counted = view.seen
        if view.batch.words_of(view.task) is not None:  # only words can be cut off
            unseen = teacher[:, 0].isnan()
            counted = counted & ~unseen
            teacher = teacher.masked_fill(unseen[:, None], 0.0)
            if not counted.any():
                return None
        optional: dict[str, Tensor] = {}
        if Need.ROWS in loss.needs:
            optional["rows"] = torch.from_numpy(view.batch.items_of(view.task)).to(view.device)
        teacher = teacher.to(view.device, non_blocking=True)
        targets = view.targets() if Need.TARGETS in loss.needs else None
        return loss(
            view.given(
                counted,
                temperature=temperature,
                teacher_logits=teacher,
                targets=targets,
                **optional,
            )
        )

    def _feature_terms(self) -> list[FeatureTerm]:
        return [term for term in self.features if isinstance(term, FeatureTerm)]


@final
class _TaskView:
    """A batch as one task sees it."""

    def __init__(
        self, task: TaskName, batch: Batch, output: Tensor, activation: Activation
    ) -> None:
        words = batch.words_of(task)
        self.task = task
        self.activation: Activation = activation
        self.batch = batch
        self.device = output.device
        if words is None:
            self.logits = output.float()  # [batch, channel]
            self.seen = torch.ones(len(batch), dtype=torch.bool)
        else:
            self.logits = words.pick(output).float()  # [all words, channel]
            self.seen = words.index >= 0

    def given(self, counted: Tensor, **more: Any) -> Given:
        """What every loss is given, and what one of them is given beside."""
        weights = counted.to(torch.float32).to(self.device, non_blocking=True)
        return Given(weights, student_logits=self.logits, activation=self.activation, **more)

    def targets(self) -> dict[str, Tensor]:
        """What the data says of each item, by field."""
        return {
            name: values.to(self.device, non_blocking=True)
            for name, values in self.batch.targets[self.task].items()
        }


def _add(found: Terms, key: LossKey, factor: float, loss: Tensor | None) -> None:
    if loss is not None and factor > 0:
        found.terms[key] = loss * factor
        found.raw[key] = loss.detach()


def _values(settings: DistillSettings, tasks: tuple[TaskName, ...]) -> dict[TaskName, _Values]:
    alpha = schedules(settings.alpha, tasks, 0.5)
    temperature = schedules(settings.temperature, tasks, 1.0)
    weight = schedules(settings.weight, tasks, 1.0)
    return {task: _Values(alpha[task], temperature[task], weight[task]) for task in tasks}


def _logit_loss(
    settings: DistillSettings, task: TaskName, activation: Activation, taught: bool
) -> nn.Module:
    if not taught:
        return nn.Identity()
    loss = made(f"logits of {task}", LOGIT_LOSSES, settings.logits.get(task, _PLAIN))
    if activation not in loss.activations:
        known = " and ".join(sorted(loss.activations))
        raise UsageError(
            f"logits of {task}: the loss {settings.logits.get(task, _PLAIN).kind} is defined for "
            f"outputs under {known}, the task's have {activation}"
        )
    foreign = loss.needs & {Need.STUDENT_FEATURES, Need.TEACHER_FEATURES}
    if foreign:
        names = ", ".join(need.words for need in foreign)
        raise UsageError(
            f"logits of {task}: the loss needs {names}; such a loss stands under features"
        )
    return loss
