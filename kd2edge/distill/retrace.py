"""Finding the first step that went wrong by training again, up to it.

A loss that has exploded says itself since when; that step is trained up to again, for its state.

A loss is NaN because of its rows, or because the update of the step before it left weights that are
not finite while every loss of that step was.  In a good run nothing looks at gradients or weights;
here each step is looked at before and after its update, so that the first of the two is named.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from kd2edge.distill.balance import LossKey
from kd2edge.distill.checkpoint import Checkpoint, load_checkpoint
from kd2edge.distill.explosion import Exploded
from kd2edge.distill.failed import keep_failed, named_rows, some_rows
from kd2edge.distill.interruption import Interruption
from kd2edge.distill.job import TrainingJob
from kd2edge.distill.not_finite import (
    Lost,
    NotFinite,
    broken_gradient,
    broken_loss,
    broken_weight,
)
from kd2edge.distill.precision import precision_of
from kd2edge.distill.saving import copied
from kd2edge.distill.training import Training, conditions
from kd2edge.errors import Kd2edgeError, StorageError

_OTHERS = "the computation is not the same each time on this device or with these threads"


class _Ended(Exception):  # noqa: N818  (it ends training again, and is no failure)
    """Training again is over: the step was met, or the reason why it was not."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason)


@final
class _Search:
    """Looks for the first step that went wrong.

    Attributes:
        what: was not finite first; None until it was met.
        state: before the step in progress.
        positions: its rows.
    """

    def __init__(self, lost: Lost, interruption: Interruption) -> None:
        self.what: NotFinite | Exploded | None = None
        self.state = Checkpoint({}, {})
        self.positions = np.empty(0, np.int64)
        self._until = lost.step
        self._exploded = lost.what if isinstance(lost.what, Exploded) else None
        self._interruption = interruption
        self._training: Training | None = None

    def before(self, training: Training, positions: npt.NDArray[np.int64]) -> None:
        if self._interruption.requested:
            raise _Ended("it was stopped while it was looked for")
        if training.cursor.step >= self._until:
            if self._exploded is not None:
                raise _Ended(f"the last checkpoint is of a later step ({training.cursor.step})")
            raise _Ended(
                f"trained again to step {self._until}, everything stayed finite: {_OTHERS}"
            )
        self._training, self.positions = training, positions
        # Copies on the CPU: a GPU may have no room for a second state.
        tensors = copied(training.tensors())
        self.state = Checkpoint(tensors, training.state())

    def look(self, losses: Mapping[LossKey, Tensor | float]) -> None:
        assert self._training is not None
        self._end_at(broken_loss(losses) or broken_gradient(self._training.named))

    def after(self, losses: Mapping[LossKey, Tensor | float]) -> None:
        training, exploded = self._training, self._exploded
        assert training is not None
        self._end_at(broken_loss(losses) or broken_weight(training.named))
        if exploded is not None and training.cursor.step + 1 == self._until:
            self._end_at(exploded if exploded.holds(losses) else None)
            raise _Ended(f"trained again to step {self._until}, its loss is another one: {_OTHERS}")

    def _end_at(self, what: NotFinite | Exploded | None) -> None:
        if what is not None:
            self.what = what
            raise _Ended


def failure_of(
    job: TrainingJob, device: torch.device, lost: Lost, interruption: Interruption
) -> Kd2edgeError:
    """Look for the first step that went wrong and keep the state before it; the error to raise.

    Args:
        job: what was trained; its checkpoint is the last good one.
        device: where.
        lost: what was noticed, in that step or a later one.
        interruption: ends the search.
    """
    search = _Search(lost, interruption)
    lacking = _searched(job, device, search)
    what, step, epoch, positions = lost.what, lost.step, lost.epoch, lost.positions
    if search.what is not None:
        cursor = search.state.state["cursor"]
        what, step, epoch = search.what, cursor["step"] + 1, cursor["epoch"] + 1
        positions = search.positions
    rows = named_rows(job, positions)
    document: dict[str, Any] = {
        "name": job.name,
        "step": step,
        "epoch": epoch,
        "what": what.to_json(),
        "noticed": {"step": lost.step, "what": lost.what.to_json()},
        "lacking": lacking,
        "device": device.type,
        "precision": precision_of(job.settings.precision, device),
        "threads": search.state.state.get("threads"),
        "rows": rows,
    }
    met = search.what is not None
    try:
        folder = keep_failed(job.checkpoints, document, search.state if met else None)
        kept = f"{folder} names all rows"
        if met:
            kept += " and holds the state before this step, which `kd2edge replay RUN` takes again"
    except StorageError as error:
        kept = f"what is known of it could not be kept ({error})"
    again = (
        "--resume with nothing changed stops here again"
        if met
        else f"the step was not met again: {lacking}"
    )
    meant = (
        " A loss that is meant to grow so wants a larger train.explosion.factor, or"
        " train.explosion: null."
        if isinstance(what, Exploded)
        else ""
    )
    return Kd2edgeError(
        f"{job.name}, step {step}, epoch {epoch}: {what}; rows {some_rows(rows)}. {kept}. Lower"
        f" train.lr, raise train.warmup, or look at these rows; {again}.{meant}"
    )


def _searched(job: TrainingJob, device: torch.device, search: _Search) -> str:
    """Train again until something is met; why it was not, "" where it was."""
    try:
        found = load_checkpoint(job.checkpoints)
        net = job.build()
        with conditions(job, device, found):
            training = Training(job, net, device, watch=search)
            if found is not None:
                training.resume(found)
            training.run(Interruption())  # never entered: the search is asked at every step
    except _Ended as end:
        return str(end)
    except Lost as other:
        return f"training again, {other} in step {other.step}"
    except (Kd2edgeError, MemoryError, RuntimeError) as error:  # the last two: no memory, by torch
        return f"training again failed: {error}"
    return "trained again to the end, everything stayed finite"
