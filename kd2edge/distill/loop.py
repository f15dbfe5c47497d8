"""The training loop: one for teachers, baselines and students."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kd2edge.data.device import device_of, full_fp32
from kd2edge.distill.checkpoint import (
    Checkpoint,
    load_checkpoint,
    remove_checkpoint,
    save_checkpoint,
)
from kd2edge.distill.cursor import Cursor, cursor_from_json
from kd2edge.distill.determinism import deterministic
from kd2edge.distill.evaluate import mean_goodness, metric_values, predict_split
from kd2edge.distill.interruption import Interruption
from kd2edge.distill.job import TrainingJob, require_resumable
from kd2edge.distill.knowledge import require_match
from kd2edge.distill.optimizer import rate
from kd2edge.distill.precision import precision_of
from kd2edge.distill.random_state import own_randomness
from kd2edge.distill.result import TrainResult
from kd2edge.distill.saving import BEST, NET, copied, prefixed, under
from kd2edge.distill.schedule import Time
from kd2edge.distill.step import Stepper
from kd2edge.errors import Interrupted, Kd2edgeError
from kd2edge.events import (
    BeginEvent,
    EpochEvent,
    OnEvent,
    ResumedEvent,
    SavedEvent,
    StepEvent,
    ignore,
)
from kd2edge.nets import Net, save_net
from kd2edge.tasks.spec import TaskName

#: Steps between two StepEvents: often enough for a bar, and a GPU is waited for at each.
_EVENT_STEPS = 10


def train(
    job: TrainingJob,
    *,
    resume: bool = False,
    on_event: OnEvent = ignore,
    stop: Callable[[], bool] | None = None,
) -> TrainResult:
    """Train a net on labels, and on what teachers know where there are any, and save it.

    Random generators are left as they were.  Interrupted and resumed, training gives the same bits
    as in one go (on one machine, with the same number of threads; on a GPU, too: see
    ``determinism``).

    Args:
        job: what to train.
        resume: go on from the job's checkpoint when there is one; else it is removed.
        on_event: told what happens.
        stop: asked after every step; True saves and ends, like Ctrl-C.

    Raises:
        Interrupted: Ctrl-C, SIGTERM or ``stop``; the state was saved.
        DataError: nothing to learn from, or caches of other rows.
        UsageError: settings that name nothing known, or a checkpoint of another training.
        IntegrityError: a damaged checkpoint.
        StorageError: the checkpoint or the net cannot be written.
        Kd2edgeError: the loss is no longer finite.
    """
    settings, device = job.settings, device_of(job.settings.device)
    if job.knowledge is not None:
        require_match(job.knowledge, job.train)
    if resume:
        require_resumable(job)
    found = load_checkpoint(job.checkpoints) if resume else None
    if not resume:
        remove_checkpoint(job.checkpoints)
    net = job.build()
    threads = found.state["threads"] if found and device.type == "cpu" else settings.threads
    with (
        _threads(threads),
        own_randomness(settings.seed),
        deterministic(device),
        full_fp32(device),
        Interruption(stop) as interruption,
    ):
        training = _Training(job, net, device, on_event)
        if found is None or not cursor_from_json(found.state["cursor"]).finished:
            plan = training.plan
            on_event(BeginEvent(len(plan.rows), len(job.train), plan.epochs, plan.steps))
        if found is not None:
            training.resume(found)
        result = training.run(interruption)
    save_net(net.cpu(), job.stem, tokenizers=job.tokenizers)
    return result


@final
class _Training:
    """A training in progress."""

    def __init__(self, job: TrainingJob, net: Net, device: torch.device, on_event: OnEvent) -> None:
        self.job = job
        self.net = net.to(device)
        self.device = device
        self.on_event = on_event
        self.settings = job.settings
        self.objective = job.objective()
        self.plan = job.plan(self.objective)
        self._prepare_features()
        self.objective.to(device)
        precision = precision_of(job.settings.precision, device)
        self.stepper = Stepper(self.net, self.objective, job.settings, device, precision)
        self.cursor = Cursor()
        self.key = job.checkpoint_key
        self.best: dict[str, Tensor] = {}

    def run(self, interruption: Interruption) -> TrainResult:
        """Train to the end; the result."""
        with self.net.capture(self.objective.captures) as features:
            while not self.cursor.finished:
                self.net.train()
                self._epoch(features, interruption)
                features.clear()  # hooks would keep the last batch's graph alive through validation
                self._end_epoch()
        if interruption.signal:  # it came in the last validation: what follows must not begin
            raise self._stopped(interruption)
        self.net.eval()
        return self._result()

    def resume(self, found: Checkpoint) -> None:
        """Go on from a checkpoint of this training."""
        self.cursor = cursor_from_json(found.state["cursor"])
        self.best = under(BEST, found.tensors)
        if self.cursor.finished:
            self.net.load_state_dict(under(NET, found.tensors))
        else:
            self.stepper.learned.restore(found.tensors)
        wanted, threads = self.settings.threads, found.state["threads"]
        adapted = wanted is not None and wanted != threads and self.device.type == "cpu"
        note = (
            f"{threads} threads as before (not {wanted}): others give other bits" if adapted else ""
        )
        self.on_event(ResumedEvent(self.cursor.step, str(self.job.checkpoints), note))

    def _epoch(self, features: dict[str, Tensor], interruption: Interruption) -> None:
        cursor = self.cursor
        batches = self.plan.batches(cursor.epoch)
        while cursor.batch < len(batches) and cursor.step < self.plan.steps:
            self._step(batches[cursor.batch], features)
            cursor.batch += 1
            cursor.step += 1
            if cursor.step % _EVENT_STEPS == 0 or cursor.step == self.plan.steps:
                self._tell_step()
            if interruption.requested:
                self._interrupt(interruption)
            if cursor.step % self.settings.checkpoint_every == 0:
                self._save(self._all_tensors())

    def _step(self, positions: npt.NDArray[np.int64], features: dict[str, Tensor]) -> None:
        batch = self.job.train.batch(positions, self.cursor.epoch, self.cursor.epoch)
        rate_now = self._rate(self.cursor.step)
        self.cursor.meter.add(self.stepper.take(batch, features, self._time(), rate_now))

    def _end_epoch(self) -> None:
        cursor, plan = self.cursor, self.plan
        self.objective.balance.end_epoch()
        last = cursor.step >= plan.steps
        due = last or (cursor.epoch + 1) % self.settings.validate_every == 0
        validation = self._validated() if due else {}
        best = cursor.end_epoch(validation, mean_goodness(self.job.tasks, validation))
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
            )
        )
        if last:
            if self.best:
                self.net.load_state_dict(self.best)
            self._save(prefixed(NET, self.net.state_dict()))

    def _validated(self) -> dict[TaskName, float]:
        if self.job.validation is None:
            return {}
        tasks, split = self.job.tasks, self.job.validation
        size = 4 * self.settings.batch_size  # no gradients: room for more rows
        logits = predict_split(self.net, split, tasks, batch_size=size, device=str(self.device))
        return metric_values(tasks, split, logits)

    def _tell_step(self) -> None:
        cursor, plan = self.cursor, self.plan
        means = cursor.meter.means()
        self._require_finite(means)
        left = cursor.seconds_left(plan.steps)
        event = StepEvent(
            cursor.step,
            plan.steps,
            cursor.epoch + 1,
            plan.epochs,
            means,
            self._rate(cursor.step - 1),
            cursor.seconds,
            left,
        )
        self.on_event(event)

    def _require_finite(self, means: Mapping[TaskName, Mapping[str, float]]) -> None:
        for task, kinds in means.items():
            for kind, value in kinds.items():
                if not math.isfinite(value):
                    raise Kd2edgeError(
                        f"step {self.cursor.step}: loss {kind} of {task or 'the features'} is "
                        f"{value}; lower train.lr, raise train.warmup, or check the inputs"
                    )

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
        return {**self.stepper.learned.tensors(), **prefixed(BEST, self.best)}

    def _save(self, tensors: Mapping[str, Tensor]) -> None:
        self._require_finite(self.cursor.meter.means())
        state = {
            "key": self.key,
            "threads": torch.get_num_threads(),
            "cursor": self.cursor.to_json(),
        }
        path = save_checkpoint(self.job.checkpoints, tensors, state)
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

    def _time(self) -> Time:
        cursor = self.cursor
        return Time(
            cursor.step, self.plan.steps, cursor.epoch, cursor.meter.means, cursor.last_validation
        )

    def _rate(self, step: int) -> float:
        settings = self.settings
        return settings.lr * rate(step, self.plan.steps, settings.warmup, settings.schedule)

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
