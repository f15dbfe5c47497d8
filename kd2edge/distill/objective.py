"""The losses of a batch: hard and soft, a task each, and features.

For every task, ``L = weight * (alpha * L_kd + (1 - alpha) * L_task)``.  **Each of the two is a mean
of its own**: ``L_task`` over the items (rows or words) of the batch that have this task's label,
``L_kd`` over those that its teachers saw.  So unlabelled rows in a batch do not thin out the hard
loss: its share is ``1 - alpha`` in every batch that has any label of the task.  A batch without one
has ``alpha * L_kd`` alone.  A task that nobody teaches has ``weight * L_task`` whatever alpha is.

With an alpha an item, an item's loss is ``alpha * kd + (1 - alpha) * task``: each of the two means
is of the losses times these shares, still over all items that have a label, or that teachers saw.
So it is with a sample weight, which both parts of an item's loss are multiplied with.

Nets that learn beside each other (Zhang et al. 2018, "Deep Mutual Learning", 1706.00384) add
``weight * mutual * L_mutual``: the mean over the others of what ``L_kd`` would be with one of them
for the teacher, as a constant.

Terms that would be multiplied by zero are not computed: with alpha 0 a step is the supervised step.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn

from kd2edge.data.batch import Batch
from kd2edge.distill.balance import BALANCERS, Balancer, LossKey
from kd2edge.distill.balance.balancer import SHARED
from kd2edge.distill.feature_term import FeatureTerm
from kd2edge.distill.feed import Feed
from kd2edge.distill.knowledge import Knowledge
from kd2edge.distill.logit_term import logit_loss, require_learnable, require_stated
from kd2edge.distill.long_tail import long_tail
from kd2edge.distill.long_tail.long_tail import LongTail, Support
from kd2edge.distill.loss import Given, Loss, Need
from kd2edge.distill.meter import VALUES
from kd2edge.distill.method import Method, made
from kd2edge.distill.schedule import Constant, Moment, Schedule, Time, schedules
from kd2edge.distill.settings import DistillSettings
from kd2edge.distill.tasks import HARD_LOSSES
from kd2edge.distill.tasks.items import Items, Said
from kd2edge.nets import Net
from kd2edge.tasks.outputs import outputs_of
from kd2edge.tasks.spec import TaskName, TaskSpec

#: What a net says of a batch: array -> its items.
Told = Mapping[str, Items]


class Terms(NamedTuple):
    """Losses of a batch: ``terms`` with alpha and weights in them, ``raw`` (detached) without.

    An alpha an item, or a sample weight, is in both: there is no loss of a task without it.
    Beside the losses ``raw`` has what schedules gave, of the kinds ``meter.VALUES``; constants are
    not in it.
    """

    terms: dict[LossKey, Tensor]
    raw: dict[LossKey, Tensor | float]


@dataclass(frozen=True, slots=True)
class _Values:
    alpha: Schedule
    temperature: Schedule
    sample_weight: Schedule
    weight: Schedule

    def changing(self) -> dict[str, Schedule]:
        """Those that are no constants, by their names among ``meter.VALUES``."""
        found = {name: getattr(self, name) for name in VALUES}
        return {name: one for name, one in found.items() if not isinstance(one, Constant)}


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
        smoothing: float,
    ) -> None:
        super().__init__()
        names = tuple(task.name for task in tasks)
        self._tasks = names
        self._specs = {task.name: task for task in tasks}
        self._outputs = {task.name: outputs_of(task) for task in tasks}
        self._knowledge = knowledge
        self._values = _values(settings, names)
        self._mutual = settings.mutual
        known = knowledge.teachers if knowledge else {}
        # An alpha of 0 throughout is no teaching: rows without a label would have no loss at all.
        silent = {task for task, values in self._values.items() if values.alpha == Constant(0.0)}
        self._taught = frozenset(known) & frozenset(names) - silent
        self._changing = {task: self._noted(task) for task in names}
        for name in names:
            if knowledge is not None and name in self._taught:
                alpha = self._values[name].alpha
                alpha.require_fits(self._specs[name])
                if alpha.by_skill:
                    knowledge.require_lack(name)
                self._values[name].sample_weight.require_fits(self._specs[name])
                knowledge.require_fits(self._specs[name])
        # Indexed, not named: a task may be called as an attribute of modules is (train, half).
        self.hard = nn.ModuleList([HARD_LOSSES[task.kind](task, smoothing) for task in tasks])
        self.tails = nn.ModuleList([_long_tail(settings, task) for task in tasks])
        self.soft = nn.ModuleList(
            [
                self._compared(settings, task, knowledge if name in self._taught else None)
                for name, task in zip(names, tasks, strict=True)
            ]
        )
        self.learned = nn.ParameterDict(self._learnable())
        self.features = nn.ModuleList(
            [FeatureTerm(term, knowledge) for term in settings.features if knowledge]
        )
        self.feeds = nn.ModuleList([Feed(one, knowledge) for one in settings.feed if knowledge])
        self.balancer = made("balance", BALANCERS, settings.balance, names)

    @property
    def learns_from_all_rows(self) -> bool:
        """Whether a row without any label teaches something: teachers or peers have a say."""
        return bool(self._taught) or len(self.features) > 0 or self._mutual > 0

    @property
    def balance(self) -> Balancer:
        """What combines the terms."""
        assert isinstance(self.balancer, Balancer)
        return self.balancer

    @property
    def captures(self) -> tuple[str, ...]:
        """Module paths of the student whose outputs are read: by losses, feeds and the balancer."""
        return tuple(
            dict.fromkeys(
                [
                    *(path for term in self._feature_terms() for path in term.targets),
                    *(feed.target for feed in self._feeds()),
                    *self.balance.features,
                ]
            )
        )

    def prepare(self, features: Mapping[str, Tensor], batch: Batch) -> None:
        """Make the projectors of features, once the student's features were seen."""
        for term in self._feature_terms():
            term.prepare([features[path] for path in term.targets], batch)
        for feed in self._feeds():
            feed.prepare(features[feed.target])

    @contextmanager
    def fed(self, net: Net, batch: Batch, time: Time) -> Iterator[None]:
        """What a training step of ``net`` adds to its features, for a ``with`` block.

        Args:
            net: the student.
            batch: the rows that it is about to read, *on the CPU*.
            time: where the training is; once a feed has faded out, the net runs as it is.
        """
        with ExitStack() as stack:
            for feed in self._feeds():
                share = feed.share(time)
                if share > 0:
                    change = partial(feed, batch=batch, share=share)
                    stack.enter_context(net.changed(feed.target, change))
            yield

    @property
    def paced(self) -> tuple[str, ...]:
        """Names of the parameters that :meth:`paces` is of."""
        return tuple(f"learned.{at}" for at in self.learned)

    def paces(self, time: Time) -> dict[str, float]:
        """What the learning rates of learned temperatures are multiplied with, by parameter.

        Args:
            time: where the training is.
        """
        by_index = ((at, self._values[self._tasks[int(at)]]) for at in self.learned)
        return {f"learned.{at}": values.temperature.pace(time) for at, values in by_index}

    def told(self, outputs: Mapping[str, Tensor], batch: Batch) -> Told:
        """What a net says of a batch to those that learn beside it: numbers, and no gradient.

        Args:
            outputs: its arrays by name, on the device.
            batch: the rows as it reads them, *on the CPU*.
        """
        return {
            name: Items(self._specs[task], batch, name, output, outputs[name].detach(), None)
            for task in self._tasks
            for name, output in self._outputs[task].items()
        }

    def terms(
        self,
        outputs: Mapping[str, Tensor],
        features: Mapping[str, Tensor],
        batch: Batch,
        time: Time,
        others: Sequence[Told] = (),
    ) -> Terms:
        """The losses of a batch.

        Args:
            outputs: the student's arrays by name, on the device.
            features: the student's features at :attr:`captures`.
            batch: the rows, *on the CPU*: there no GPU is waited for to find out what counts.
            time: where the training is.
            others: what each of the nets that learn beside this one says; none: it learns alone.
        """
        found = Terms({}, {})
        for at, task in enumerate(self._tasks):
            taught = task in self._taught
            known = self._knowledge if taught else None
            items = [
                Items(self._specs[task], batch, name, output, outputs[name], known)
                for name, output in self._outputs[task].items()
            ]
            now, values = self._moment(at, time, items[0]), self._values[task]
            alpha = values.alpha.at(now) if taught else 0.0
            weight = float(values.weight.at(now))
            share = values.sample_weight.at(now) if taught else 1.0
            if self._changing[task]:
                known = {"alpha": alpha, "sample_weight": share, "weight": weight}
                self._note(found, now, known)
            if others and self._mutual > 0:
                loss = self._from_peers(at, items, time, values.temperature, others)
                _add(found, LossKey(task, "mutual"), weight * self._mutual, loss)
            hard, soft = _Part.of(1 - alpha, share), _Part.of(alpha, share)
            if hard.factor > 0:
                loss = self._hard(at, items, hard.shares)
                _add(found, LossKey(task, "task"), weight * hard.factor, loss)
            if soft.factor > 0:
                loss = self._soft(at, items, time, values.temperature, soft.shares)
                _add(found, LossKey(task, "kd"), weight * soft.factor, loss)
        for at, term in enumerate(self._feature_terms()):
            loss = term([features[path] for path in term.targets], batch)
            _add(found, LossKey(SHARED, f"feature{at}"), term.weight, loss)
        return found

    def _learnable(self) -> dict[str, nn.Parameter]:
        """Task's index -> what its temperature learns, where somebody teaches it.

        Raises:
            UsageError: nothing that the task learns by depends on its temperature.
        """
        found: dict[str, nn.Parameter] = {}
        for at, (task, loss) in enumerate(zip(self._tasks, self.soft, strict=True)):
            schedule = self._values[task].temperature
            begin = schedule.begin() if task in self._taught else None
            if begin is not None:
                assert isinstance(loss, Loss)
                require_learnable(self._specs[task], loss, schedule)
                found[str(at)] = nn.Parameter(torch.tensor(begin))
        return found

    def _noted(self, task: TaskName) -> dict[str, Schedule]:
        """What schedules give a task that is worth noting: of a temperature, where it is used."""
        changing, used = self._values[task].changing(), {"weight"}
        if task in self._taught:
            used = set(VALUES)
        elif self._mutual > 0:
            used |= {"temperature"}
        return {value: one for value, one in changing.items() if value in used}

    def _compared(
        self, settings: DistillSettings, task: TaskSpec, knowledge: Knowledge | None
    ) -> nn.Module:
        """The loss between a task's outputs and its teachers', or those of nets beside this one.

        Raises:
            UsageError: a loss that does not fit, or a temperature that only teachers can give.
        """
        if knowledge is None and self._mutual == 0:
            return nn.Identity()
        if knowledge is None:
            require_stated(task, self._values[task.name].temperature)
        stated = settings.logits
        method = stated if isinstance(stated, Method) else stated.get(task.name)
        cut = knowledge is not None and any(
            knowledge.is_cut(array, task.name) for array in outputs_of(task)
        )
        return logit_loss(task, method, cut=cut)

    def _moment(self, at: int, time: Time, items: Items) -> Moment:
        """When a value of the task at ``at`` is asked for."""
        return Moment(time, items, self.learned.get(str(at)))

    def _note(self, found: Terms, now: Moment, known: Mapping[str, float | Tensor]) -> None:
        """Keep the means of what schedules give now; ``known`` are those that were asked."""
        for name, schedule in self._changing[now.task].items():
            value = known[name] if name in known else schedule.at(now)
            mean = value.detach().mean() if isinstance(value, Tensor) else value
            found.raw[LossKey(now.task, name)] = mean

    def _hard(
        self, at: int, several: Sequence[Items], shares: Tensor | None = None
    ) -> Tensor | None:
        """The loss with the labels; ``shares`` ``[item]`` of it count where they are given."""
        items, loss = several[0], self.hard[at]
        counted = items.labelled()
        if not counted.any():
            return None
        assert isinstance(loss, Loss)
        tail, targets = self._tail(at), items.targets()
        more: dict[str, Any] = {"student_logits": tail.labelled(items.logits)}
        if "labels" in targets:
            more["label_weights"] = tail.weights(targets["labels"])
        if items.task in items.batch.objects:
            owners = torch.from_numpy(items.batch.objects[items.task])
            more["owners"] = owners.to(items.device)
        if Need.ARRAYS in loss.needs:
            more["arrays"] = {one.output.name: one.array.float() for one in several}
        if Need.COUNTS in loss.needs:
            more["counts"] = items.counts()
        given = _given(items, counted, targets=targets, **more)
        return loss(given) if shares is None else _shared(loss, given, counted, shares)

    def _soft(
        self,
        at: int,
        several: Sequence[Items],
        time: Time,
        temperature: Schedule,
        shares: Tensor | None = None,
    ) -> Tensor | None:
        """What teachers say of every array of a task, each a mean over its own items."""
        losses: list[Tensor | None] = []
        for items in several:
            now = temperature.at(self._moment(at, time, items))
            said = items.said(now)
            assert said is not None
            if self._reads_labels(at):
                said = said.with_labels(items.targets(), items.output.channels)
            student = said.merged(self._tail(at).taught(items.logits))
            losses.append(self._followed(at, items, said, student, now, shares))
        return _summed(losses)

    def _from_peers(
        self,
        at: int,
        several: Sequence[Items],
        time: Time,
        temperature: Schedule,
        others: Sequence[Told],
    ) -> Tensor | None:
        """The mean over other nets of what each says of every array of a task.

        All learn the same labels in the same way: their outputs are compared as they are, without
        what a long tail adds to logits in training.  A temperature that learns is the teachers'.
        """
        found: list[Tensor] = []
        for told in others:
            losses: list[Tensor | None] = []
            for items in several:
                now = temperature.at(self._moment(at, time, items))
                now = now.detach() if isinstance(now, Tensor) else now
                said = items.told_by(told[items.name])
                losses.append(self._followed(at, items, said, items.logits, now, None))
            loss = _summed(losses)
            if loss is not None:  # else no word that both have seen
                found.append(loss)
        return torch.stack(found).mean() if found else None

    def _followed(
        self,
        at: int,
        items: Items,
        said: Said,
        student: Tensor,
        temperature: float | Tensor,
        shares: Tensor | None,
    ) -> Tensor | None:
        """The loss of the student's logits beside what was said of the same items."""
        if items.are_words and not said.seen.any():
            return None
        loss = self.soft[at]
        assert isinstance(loss, Loss)
        more: dict[str, Any] = {
            "temperature": temperature,
            "student_logits": student,
            "teacher_logits": said.logits,
            "cut": said.classes is not None,
        }
        if self._reads_labels(at):
            more["targets"] = said.placed(items.targets())
        if Need.LABELLED in loss.needs:
            labelled = items.labelled() & said.seen
            more["labelled"] = labelled.to(torch.float32).to(items.device)
        if Need.ROWS in loss.needs:
            more["rows"] = items.rows().to(items.device)
        given = _given(items, said.seen, **more)
        return loss(given) if shares is None else _shared(loss, given, said.seen, shares)

    def _reads_labels(self, at: int) -> bool:
        """Whether the loss beside what was said looks at targets, too."""
        loss = self.soft[at]
        return isinstance(loss, Loss) and Need.TARGETS in loss.needs

    def _tail(self, at: int) -> LongTail:
        tail = self.tails[at]
        assert isinstance(tail, LongTail)
        return tail

    def _feeds(self) -> list[Feed]:
        return [feed for feed in self.feeds if isinstance(feed, Feed)]

    def _feature_terms(self) -> list[FeatureTerm]:
        return [term for term in self.features if isinstance(term, FeatureTerm)]


class _Part(NamedTuple):
    """How much of a loss counts.

    Args:
        factor: of all of it; a constant that is kept out of what is reported.
        shares: of each item, ``[item]``; None: all as much.
    """

    factor: float
    shares: Tensor | None

    @classmethod
    def of(cls, alpha: float | Tensor, sample_weight: float | Tensor) -> _Part:
        """Of the part that has ``alpha`` of an item's loss.

        What is one an item is in the shares: a GPU would be waited for to see whether any counts.
        """
        both = (alpha, sample_weight)
        factors = [one for one in both if not isinstance(one, Tensor)]
        shares = [one for one in both if isinstance(one, Tensor)]
        return cls(math.prod(factors), math.prod(shares[1:], start=shares[0]) if shares else None)


def _given(items: Items, counted: Tensor, **more: Any) -> Given:
    """What every loss on a task's items is given, and what one of them is given beside."""
    weights = counted.to(torch.float32).to(items.device, non_blocking=True)
    given = {"student_logits": items.logits, "activation": items.output.activation, **more}
    return Given(weights, **given)


def _shared(loss: Loss, given: Given, counted: Tensor, shares: Tensor) -> Tensor:
    """The sum of each item's share of its loss, over the number of items that count.

    A loss is a mean under its weights; times their mean, it does not make up in other items for
    what the shares leave out.

    Args:
        loss: of the items.
        given: to it, with weights of 1 where ``counted``.
        counted: ``[item]``, on the CPU.
        shares: ``[item]``, from 0 to 1, on the device.
    """
    weights = given.weights * shares
    mean = weights.sum() / max(int(counted.sum()), 1)
    return loss(replace(given, weights=weights)) * mean


def _summed(losses: Sequence[Tensor | None]) -> Tensor | None:
    """The sum of those that are there; None of none."""
    found = [loss for loss in losses if loss is not None]
    return torch.stack(found).sum() if len(found) > 1 else next(iter(found), None)


def _add(found: Terms, key: LossKey, factor: float, loss: Tensor | None) -> None:
    if loss is not None and factor > 0:
        found.terms[key] = loss * factor
        found.raw[key] = loss.detach()


def _values(settings: DistillSettings, tasks: tuple[TaskName, ...]) -> dict[TaskName, _Values]:
    alpha = schedules(settings.alpha, tasks)
    temperature = schedules(settings.temperature, tasks)
    sample_weight = schedules(settings.sample_weight, tasks)
    weight = schedules(settings.weight, tasks)
    return {
        task: _Values(alpha[task], temperature[task], sample_weight[task], weight[task])
        for task in tasks
    }


def _long_tail(settings: DistillSettings, task: TaskSpec) -> nn.Module:
    stated = settings.long_tail.get(task.name)
    if stated is None:
        return long_tail(task, Method("none"), Support((), 0))
    return long_tail(task, stated.method, stated.support)
