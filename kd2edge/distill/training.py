"""A training in progress: net, objective, plan and position, step after step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Protocol, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from kd2edge.data.device import full_fp32
from kd2edge.data.split import EncodedSplit
from kd2edge.distill.balance import LossKey
from kd2edge.distill.checkpoint import Checkpoint, save_checkpoint
from kd2edge.distill.cohort import Exchange, losses_together, take_together
from kd2edge.distill.cursor import Cursor, cursor_from_json
from kd2edge.distill.determinism import deterministic
from kd2edge.distill.evaluate import (
    fitted_tasks,
    is_fitted,
    mean_goodness,
    metric_values,
    predict_split,
)
from kd2edge.distill.explosion import Exploded, Growth
from kd2edge.distill.freezing import freeze
from kd2edge.distill.interruption import Interruption
from kd2edge.distill.job import TrainingJob
from kd2edge.distill.meter import Meter
from kd2edge.distill.not_finite import Lost, NotFinite, broken_weight, loss_not_finite
from kd2edge.distill.optimizer import rate
from kd2edge.distill.peer_training import PeerTraining
from kd2edge.distill.precision import precision_of
from kd2edge.distill.prototypes import fit_prototypes
from kd2edge.distill.random_state import own_randomness
from kd2edge.distill.result import TrainResult
from kd2edge.distill.saving import BEST, NET, copied, prefixed, under
from kd2edge.distill.schedule import Time
from kd2edge.distill.step import Stepper, Turn
from kd2edge.errors import Interrupted
from kd2edge.events import EpochEvent, OnEvent, ResumedEvent, SavedEvent, StepEvent, ignore
from kd2edge.nets import Net
from kd2edge.ragged import Column
from kd2edge.tasks.reject import without_prototypes
from kd2edge.tasks.spec import TaskName, TaskSpec

#: Steps between two StepEvents: often enough for a bar, and a GPU is waited for at each.
_EVENT_STEPS = 10


class Watch(Protocol):
    """Looks at every step of a training that is run again."""

    def before(self, training: Training, positions: npt.NDArray[np.int64]) -> None:
        """A step with these rows is about to be taken."""
        ...

    def look(self, losses: Mapping[LossKey, Tensor | float]) -> None:
        """Its gradients are there, neither clipped nor used."""
        ...

    def after(self, losses: Mapping[LossKey, Tensor | float]) -> None:
        """It was taken."""
        ...


@contextmanager
def conditions(job: TrainingJob, device: torch.device, found: Checkpoint | None) -> Iterator[None]:
    """Everything around a training that its bits depend on; after it all is as it was before.

    Args:
        job: what is trained.
        device: where.
        found: what it goes on from: on a CPU with the threads that it had.
    """
    threads = job.settings.threads
    if found is not None and device.type == "cpu":
        threads = found.state["threads"]
    with (
        _threads(threads),
        own_randomness(job.settings.seed),
        deterministic(device),
        full_fp32(device),
    ):
        yield


@final
class Training:
    """A training in progress.

    Args:
        job: what is trained.
        net: fresh.
        device: where it is trained.
        on_event: told what happens.
        watch: looks at every step of one that is only run again: then nothing is written.
    """

    def __init__(
        self,
        job: TrainingJob,
        net: Net,
        device: torch.device,
        on_event: OnEvent = ignore,
        watch: Watch | None = None,
    ) -> None:
        self.job = job
        self.net = net.to(device)
        self._frozen = freeze(net, job.settings.freeze)
        self.device = device
        self.on_event = on_event
        self.watch = watch
        self.settings = job.settings
        self.objective = job.objective()
        self.plan = job.plan(self.objective)
        self._prepare_features()
        self.objective.to(device)
        self.precision = precision_of(job.settings.precision, device)
        self.stepper = Stepper(self.net, self.objective, job.settings, device, self.precision)
        self.peers = [PeerTraining(one, job, device, self.precision) for one in job.peers]
        self._steppers = {"": self.stepper, **{one.peer.name: one.stepper for one in self.peers}}
        self.cursor = Cursor(Meter(Growth(job.settings.explosion)))
        self.key = job.checkpoint_key
        self.best: dict[str, Tensor] = {}

    def run(self, interruption: Interruption) -> TrainResult:
        """Train to the end; the result."""
        with self.net.capture(self.objective.captures) as features:
            while not self.cursor.finished:
                self.learn()
                self._epoch(features, interruption)
                features.clear()  # hooks would keep the last batch's graph alive through validation
                self._end_epoch()
        if interruption.signal:  # it came in the last validation: what follows must not begin
            raise self._stopped(interruption)
        self.net.eval()
        return self._result()

    def learn(self) -> None:
        """Let dropout and batch norms work as in training, but not where the net is frozen."""
        for net in self.nets.values():
            net.train()
        for module in self._frozen:
            module.eval()

    def resume(self, found: Checkpoint) -> None:
        """Go on from a checkpoint of this training."""
        self.cursor = cursor_from_json(found.state["cursor"], self.settings.explosion)
        self.best = under(BEST, found.tensors)
        if self.cursor.finished:
            self.net.load_state_dict(under(NET, found.tensors))
        else:
            self.stepper.learned.restore(found.tensors)
            for peer in self.peers:
                peer.restore(found.tensors)
        wanted, threads = self.settings.threads, found.state["threads"]
        adapted = wanted is not None and wanted != threads and self.device.type == "cpu"
        note = (
            f"{threads} threads as before (not {wanted}): others give other bits" if adapted else ""
        )
        self.on_event(ResumedEvent(self.cursor.step, str(self.job.checkpoints), note))

    def decide(self) -> None:
        """Fit how the trained net decides.

        Prototypes of rows in scope to those that it learned from, thresholds to validation rows.
        """
        net, job = self.net, self.job
        size, device = self._rows_at_once, str(self.device)
        fit_prototypes(net, job.train, seed=job.settings.seed, batch_size=size, device=device)
        # No rows, no prototypes: who loads the net is not to wait for them.
        tasks = [without_prototypes(task) for task in net.tasks]
        split = job.validation
        if split is not None and any(map(is_fitted, tasks)):
            tasks = fitted_tasks(tasks, split, self._said(split, tasks))
        net.tasks = tuple(tasks)

    @property
    def nets(self) -> dict[str, Net]:
        """What stands in front of a net's names -> the net: "" of the student, then its peers."""
        return {"": self.net, **{peer.prefix: peer.net for peer in self.peers}}

    @property
    def named(self) -> list[tuple[str, nn.Parameter]]:
        """Name and parameter of everything that is trained, peers included."""
        return [*self.stepper.named, *(one for peer in self.peers for one in peer.named)]

    def tensors(self) -> dict[str, Tensor]:
        """Everything that steps change, peers included."""
        found = self.stepper.learned.tensors()
        for peer in self.peers:
            found |= peer.tensors()
        return found

    def time(self, peer: str = "") -> Time:
        """Where the training is, as a peer sees it, or the student."""
        cursor = self.cursor
        losses = partial(cursor.meter.means, peer)
        metrics = partial(cursor.last_validation, peer)
        return Time(cursor.step, self.plan.steps, cursor.epoch, losses, metrics)

    def state(self) -> dict[str, Any]:
        """What a checkpoint says beside its tensors, as JSON values."""
        return {
            "key": self.key,
            "threads": torch.get_num_threads(),
            "cursor": self.cursor.to_json(),
        }

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0."""
        return self.settings.lr * self._share_of_rate(step)

    def step(self, positions: npt.NDArray[np.int64], features: dict[str, Tensor]) -> None:
        """Take the next step, with the rows at ``positions``."""
        turns, watch = self._turns(positions, features), self.watch
        if watch is not None:
            watch.before(self, positions)
        losses = take_together(self._steppers, turns, None if watch is None else watch.look)
        self.cursor.meter.add(losses)
        if watch is not None:
            watch.after(losses)

    def losses(self, positions: npt.NDArray[np.int64], features: dict[str, Tensor]) -> Exchange:
        """What the next step would see of the rows at ``positions``; it is not taken."""
        return losses_together(self._steppers, self._turns(positions, features))

    def _turns(
        self, positions: npt.NDArray[np.int64], features: dict[str, Tensor]
    ) -> dict[str, Turn]:
        """The rows at ``positions`` as each net reads them."""
        cursor, split = self.cursor, self.job.train
        batch = split.batch(positions, cursor.epoch, cursor.epoch)
        turns = {"": Turn(batch, features, self.time(), self.rate(cursor.step))}
        for peer in self.job.peers:
            same = peer.train is split
            own = batch if same else peer.train.batch(positions, cursor.epoch, cursor.epoch)
            lr = peer.lr * self._share_of_rate(cursor.step)
            turns[peer.name] = Turn(own, {}, self.time(peer.name), lr)
        return turns

    def _share_of_rate(self, step: int) -> float:
        """What learning rates are multiplied with in a step."""
        settings = self.settings
        return rate(step, self.plan.steps, settings.warmup, settings.schedule)

    def _epoch(self, features: dict[str, Tensor], interruption: Interruption) -> None:
        cursor = self.cursor
        batches = self.plan.batches(cursor.epoch)
        while cursor.batch < len(batches) and cursor.step < self.plan.steps:
            self.step(batches[cursor.batch], features)
            cursor.batch += 1
            cursor.step += 1
            if cursor.step % _EVENT_STEPS == 0 or cursor.step == self.plan.steps:
                self._tell_step()
            if interruption.requested:
                self._interrupt(interruption)
            if cursor.step % self.settings.checkpoint_every == 0:
                self._checkpoint()

    def _end_epoch(self) -> None:
        cursor, plan = self.cursor, self.plan
        self._require_sound()  # neither validation nor the best epoch is to see what is lost
        self.objective.balance.end_epoch()
        last = cursor.step >= plan.steps
        due = last or (cursor.epoch + 1) % self.settings.validate_every == 0
        validation = self._validated() if due else {}
        peers = {one.peer.name: one.validated(self._rows_at_once) for one in self.peers if due}
        best = cursor.end_epoch(validation, mean_goodness(self.job.tasks, validation), peers)
        if best and self.settings.keep == "best":
            self.best = copied(self.net.state_dict())
        cursor.finished = last
        point = cursor.curves[-1]
        left = cursor.seconds_left(plan.steps)
        self.on_event(
            EpochEvent(
                cursor.epoch,
                plan.epochs,
                cursor.step,
                point.train,
                validation,
                best,
                cursor.seconds,
                left,
                peers,
            )
        )
        if last:
            if self.best:
                self.net.load_state_dict(self.best)
            self._write(prefixed(NET, self.net.state_dict()))

    def _validated(self) -> dict[TaskName, float]:
        if self.job.validation is None:
            return {}
        split = self.job.validation
        return metric_values(self.job.tasks, split, self._said(split, self.job.tasks))

    def _said(self, split: EncodedSplit, tasks: Sequence[TaskSpec]) -> dict[str, Column]:
        size, device = self._rows_at_once, str(self.device)
        return predict_split(self.net, split, tasks, batch_size=size, device=device)

    @property
    def _rows_at_once(self) -> int:
        """Rows of a forward pass without gradients: there is room for more."""
        return 4 * self.settings.batch_size

    def _tell_step(self) -> None:
        cursor, plan = self.cursor, self.plan
        means = cursor.meter.means()
        self._require_finite()
        left = cursor.seconds_left(plan.steps)
        event = StepEvent(
            cursor.step,
            plan.steps,
            cursor.epoch + 1,
            plan.epochs,
            means,
            self.rate(cursor.step - 1),
            cursor.seconds,
            left,
        )
        self.on_event(event)

    def _require_finite(self) -> None:
        """Stop at losses that are not finite or exploded, once somebody waits for them anyway."""
        meter = self.cursor.meter
        broken = meter.broken()
        if broken is not None:
            raise self._lost(loss_not_finite(broken.key, broken.value), broken.ago)
        exploded = meter.exploded()
        if exploded is not None:
            raise self._lost(*exploded)

    def _require_sound(self) -> None:
        """The same for losses and weights: finite losses may have left weights that are not."""
        self._require_finite()
        found = broken_weight(self.named)
        if found is not None:
            raise self._lost(found, 0)

    def _lost(self, what: NotFinite | Exploded, ago: int) -> Lost:
        """What is wrong since so many steps before the last one, perhaps in an earlier epoch."""
        epoch, batch = self.cursor.epoch, self.cursor.batch - 1 - ago
        batches = self.plan.batches(epoch)
        while batch < 0 and epoch:
            epoch -= 1
            batches = self.plan.batches(epoch)
            batch += len(batches)
        return Lost(what, self.cursor.step - ago, epoch + 1, batches[max(batch, 0)])

    def _interrupt(self, interruption: Interruption) -> None:
        self._save(self._all_tensors())
        raise self._stopped(interruption)

    def _stopped(self, interruption: Interruption) -> Interrupted:
        error = Interrupted(
            f"stopped after step {self.cursor.step} of {self.plan.steps}; the state was saved in "
            f"{self.job.checkpoints}: go on with --resume"
        )
        error.exit_code = interruption.exit_code
        return error

    def _all_tensors(self) -> dict[str, Tensor]:
        return {**self.tensors(), **prefixed(BEST, self.best)}

    def _checkpoint(self) -> None:
        """Save, but where a loss may be about to explode: the checkpoint of before it stays."""
        self._require_sound()
        if not self.cursor.meter.growth.is_suspicious:
            self._write(self._all_tensors())

    def _save(self, tensors: Mapping[str, Tensor]) -> None:
        self._require_sound()  # the last good checkpoint stays
        self._write(tensors)

    def _write(self, tensors: Mapping[str, Tensor]) -> None:
        if self.watch is not None:
            return
        path = save_checkpoint(self.job.checkpoints, tensors, self.state())
        self.on_event(SavedEvent(self.cursor.step, str(path)))

    def _result(self) -> TrainResult:
        cursor = self.cursor
        kept = (
            cursor.best_epoch
            if self.settings.keep == "best" and cursor.best_epoch
            else cursor.epoch
        )
        return TrainResult(
            kept_epoch=kept,
            best_epoch=cursor.best_epoch,
            last_epoch=cursor.epoch,
            steps=cursor.step,
            rows=len(self.plan.rows),
            seconds=cursor.curves[-1].seconds,
            validation=cursor.curves[kept - 1].validation,
            curves=tuple(cursor.curves),
        )

    def _prepare_features(self) -> None:
        """Let the terms see the student's features once, without a trace in net or generators."""
        if not self.objective.captures:
            return
        batch = self.job.train.batch(self.plan.rows[:2])
        with torch.no_grad(), self.net.eval().capture(self.objective.captures) as features:
            self.net(batch.to(self.device).inputs)
            self.objective.prepare(features, batch)


@contextmanager
def _threads(number: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    if number is not None:
        torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
