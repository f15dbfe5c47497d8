"""The training loop: one for teachers, baselines and students."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kd2edge.data.device import device_of, full_fp32
from kd2edge.data.split import EncodedSplit
from kd2edge.distill.checkpoint import (
    Checkpoint,
    load_checkpoint,
    not_resumable,
    remove_checkpoint,
    save_checkpoint,
)
from kd2edge.distill.cursor import Cursor, cursor_from_json
from kd2edge.distill.determinism import deterministic
from kd2edge.distill.evaluate import metric_values, predict_split
from kd2edge.distill.events import (
    BeginEvent,
    EpochEvent,
    OnEvent,
    ResumedEvent,
    SavedEvent,
    StepEvent,
)
from kd2edge.distill.identity import training_key
from kd2edge.distill.interruption import Interruption
from kd2edge.distill.knowledge import Knowledge, require_match
from kd2edge.distill.objective import Objective
from kd2edge.distill.optimizer import rate
from kd2edge.distill.plan import plan_of
from kd2edge.distill.precision import precision_of
from kd2edge.distill.random_state import own_randomness
from kd2edge.distill.result import TrainResult
from kd2edge.distill.saving import BEST, NET, copied, prefixed, under
from kd2edge.distill.schedule import Moment
from kd2edge.distill.settings import TrainSettings
from kd2edge.distill.step import Stepper
from kd2edge.errors import Interrupted, Kd2edgeError, UsageError
from kd2edge.nets import Net
from kd2edge.runtime.progress import ignore
from kd2edge.tasks.spec import TaskName, TaskSpec

#: Steps between two StepEvents: often enough for a bar, and a GPU is waited for at each.
_EVENT_STEPS = 10


def train(
    net: Net,
    train_split: EncodedSplit,
    validation_split: EncodedSplit | None,
    *,
    tasks: Sequence[TaskSpec],
    settings: TrainSettings,
    directory: Path,
    knowledge: Knowledge | None = None,
    origin: str = "",
    resume: bool = False,
    on_event: OnEvent = ignore,
    stop: Callable[[], bool] | None = None,
) -> TrainResult:
    """Train a net on labels, and on what teachers know where there are any.

    On return the net holds the kept weights, in evaluation mode.  Random generators are left
    as they were.  Interrupted and resumed, training gives the same bits as in one go (on one
    machine, with the same number of threads; on a GPU, too: see ``determinism``).

    Args:
        net: what is trained, in place.
        train_split: rows to learn from; those without any label only where there is a teacher.
        validation_split: rows that choose the best epoch; None keeps the last one.
        tasks: what is learned, by name and kind.
        settings: how.
        directory: folder of the checkpoint.
        knowledge: teachers' caches of the training rows; None trains on labels alone.
        origin: fingerprint of what the net is made of and started from, as far as its shapes do not
            show it (dropout, pretrained weights): a checkpoint of another is not gone on from.
        resume: go on from the checkpoint when there is one; else it is removed.
        on_event: told what happens.
        stop: asked after every step; True saves and ends, like Ctrl-C.

    Raises:
        Interrupted: Ctrl-C, SIGTERM or ``stop``; the state was saved.
        DataError: nothing to learn from, or caches of other rows.
        UsageError: settings that name nothing known, or a checkpoint of another training.
        IntegrityError: a damaged checkpoint.
        StorageError: the checkpoint cannot be written.
        Kd2edgeError: the loss is no longer finite.
    """
    device = device_of(settings.device)
    if knowledge is not None:
        require_match(knowledge, train_split)
    found = load_checkpoint(directory) if resume else None
    if not resume:
        remove_checkpoint(directory)
    threads = found.state["threads"] if found and device.type == "cpu" else settings.threads
    with (
        _threads(threads),
        own_randomness(settings.seed),
        deterministic(device),
        full_fp32(device),
        Interruption(stop) as interruption,
    ):
        training = _Training(
            net, train_split, validation_split, tasks, settings, knowledge, device, origin
        )
        training.directory, training.on_event = directory, on_event
        if found is None or not cursor_from_json(found.state["cursor"]).finished:
            plan = training.plan
            on_event(BeginEvent(len(plan.rows), len(train_split), plan.epochs, plan.steps))
        if found is not None:
            training.resume(found)
        return training.run(interruption)


@final
class _Training:
    """A training in progress."""

    directory: Path
    on_event: OnEvent

    def __init__(
        self,
        net: Net,
        train_split: EncodedSplit,
        validation_split: EncodedSplit | None,
        tasks: Sequence[TaskSpec],
        settings: TrainSettings,
        knowledge: Knowledge | None,
        device: torch.device,
        origin: str,
    ) -> None:
        self.net = net.to(device)
        self.split = train_split
        self.validation = validation_split
        self.tasks = tuple(tasks)
        settings = replace(
            settings, device=device.type, precision=precision_of(settings.precision, device)
        )
        self.settings = settings
        self.device = device
        self.objective = Objective(tasks, settings.distill, knowledge, settings.label_smoothing)
        names = [task.name for task in tasks]
        self.plan = plan_of(
            train_split, names, settings, taught=self.objective.learns_from_all_rows
        )
        self._prepare_hints()
        self.objective.to(device)
        self.stepper = Stepper(self.net, self.objective, settings, device, settings.precision)
        self.cursor = Cursor()
        self.best: dict[str, Tensor] = {}
        splits = (train_split, validation_split)
        shapes = {name: list(one.shape) for name, one in net.state_dict().items()}
        # With device and precision as they were resolved: others give other bits.
        made = {"origin": origin, "shapes": shapes}
        self.key = training_key(made, splits, tasks, settings, knowledge)

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
        """Go on from a checkpoint.

        Raises:
            UsageError: it was written by a training of another net, or with other settings, data or
                teachers.
        """
        if found.state["key"] != self.key:
            raise UsageError(not_resumable(self.directory))
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
        self.on_event(ResumedEvent(self.cursor.step, str(self.directory), note))

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
        batch = self.split.batch(positions, view=self.cursor.epoch)
        rate_now = self._rate(self.cursor.step)
        self.cursor.meter.add(self.stepper.take(batch, features, self._moment, rate_now))

    def _end_epoch(self) -> None:
        cursor, plan = self.cursor, self.plan
        last = cursor.step >= plan.steps
        due = last or (cursor.epoch + 1) % self.settings.validate_every == 0
        validation = self._validated() if due else {}
        best = cursor.end_epoch(validation)
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
        if self.validation is None:
            return {}
        size = 4 * self.settings.batch_size  # no gradients: room for more rows
        logits = predict_split(
            self.net, self.validation, self.tasks, batch_size=size, device=str(self.device)
        )
        return metric_values(self.tasks, self.validation, logits)

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
            f"{self.directory}: go on with --resume"
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
        path = save_checkpoint(self.directory, tensors, state)
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

    def _moment(self, task: TaskName) -> Moment:
        return Moment(task, self.cursor.step, self.plan.steps, self.cursor.epoch)

    def _rate(self, step: int) -> float:
        settings = self.settings
        return settings.lr * rate(step, self.plan.steps, settings.warmup, settings.schedule)

    def _prepare_hints(self) -> None:
        """Let the hints see the student's features once, without a trace in net or generators."""
        if not self.objective.captures:
            return
        batch = self.split.batch(self.plan.rows[:2])
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
