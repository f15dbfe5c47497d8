"""The step that went wrong once more, with all that can be seen of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from kd2edge.data.device import device_of
from kd2edge.distill.balance import LossKey
from kd2edge.distill.explosion import Exploded, exploded_from_json
from kd2edge.distill.failed import load_failed, named_rows
from kd2edge.distill.job import TrainingJob
from kd2edge.distill.meter import VALUES
from kd2edge.distill.not_finite import NotFinite, broken_gradient, broken_loss, broken_weight
from kd2edge.distill.training import Training, conditions
from kd2edge.errors import UsageError
from kd2edge.nets.net import Net, first_tensor
from kd2edge.nets.watched import watched


@dataclass(frozen=True, slots=True)
class Peak:
    """The largest absolute value that a module gave; NaN or infinite where it holds one."""

    module: str
    value: float


@dataclass(frozen=True, slots=True)
class RowLoss:
    """One loss of one row: ``value``; where the row stands as ``failed.json`` names it."""

    row: Mapping[str, Any]
    value: float


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a step shows that is taken again.

    Args:
        failed: ``failed.json``: what went wrong the first time.
        precision: that it was taken in now.
        what: is not finite now, or as far too large as it was; None where nothing is.
        losses: of the batch, neither weighted nor balanced.
        rows: loss -> the worst rows first: each row alone, without dropout, and with the means of
            batch norms in place of the batch's own, before the step.  A row without that loss (no
            label, or one that compares rows with each other) is not among them.
        gradients: module -> norm of the gradient of its parameters, before clipping.
        peaks: what modules without parts gave, in the order of their calls.

    What is of a net that learned beside bears its name.
    """

    failed: Mapping[str, Any]
    precision: str
    what: NotFinite | Exploded | None
    losses: Mapping[LossKey, float]
    rows: Mapping[LossKey, Sequence[RowLoss]]
    gradients: Mapping[str, float]
    peaks: Sequence[Peak]


def replay(job: TrainingJob, *, precision: str | None = None, most: int = 10) -> Replayed:
    """Take the step that went wrong again, in memory: nothing is written.

    With the precision it had, losses are the same to the bit on the same machine.

    Args:
        job: what was trained.
        precision: ``fp32`` or ``bf16`` in place of the one it had.
        most: rows of each loss.

    Raises:
        UsageError: no step went wrong, or the job is not the one whose step did.
        IntegrityError: what was kept is damaged.
    """
    failed, state = load_failed(job.checkpoints)
    if state.state["key"] != job.checkpoint_key:
        raise UsageError(
            f"{job.checkpoints}: the step that went wrong is of another net, or of other settings,"
            " data or teachers than are here now; restore what was changed, or train again"
        )
    if precision is not None:
        job = replace(job, settings=replace(job.settings, precision=precision))
    device = device_of(job.settings.device)
    net = job.build()
    with conditions(job, device, state):
        seen = _Seen(exploded_from_json(failed["what"], failed["step"]))
        training = Training(job, net, device, watch=seen)
        training.resume(state)
        cursor = training.cursor
        positions = training.plan.batches(cursor.epoch)[cursor.batch]
        with net.capture(training.objective.captures) as features:
            training.learn()
            with _peaks(training.nets, seen.peaks):
                training.step(positions, features)
            features.clear()
            training.resume(state)
            rows = _alone(training, positions, features, most)
    return Replayed(
        failed=failed,
        precision=training.precision,
        what=seen.what,
        losses=seen.losses,
        rows=rows,
        gradients=seen.gradients,
        peaks=tuple(Peak(module, value) for module, value in seen.peaks.items()),
    )


@final
class _Seen:
    """Keeps what one step shows; of one in which a loss exploded, whether it does so again."""

    def __init__(self, exploded: Exploded | None) -> None:
        self.what: NotFinite | Exploded | None = None
        self._exploded = exploded
        self.losses: dict[LossKey, float] = {}
        self.gradients: dict[str, float] = {}
        self.peaks: dict[str, float] = {}
        self._training: Training | None = None

    def before(self, training: Training, positions: npt.NDArray[np.int64]) -> None:
        del positions
        self._training = training

    def look(self, losses: Mapping[LossKey, Tensor | float]) -> None:
        assert self._training is not None
        named = self._training.named
        self.what = broken_loss(losses) or broken_gradient(named)
        self.gradients = _norms(named)

    def after(self, losses: Mapping[LossKey, Tensor | float]) -> None:
        assert self._training is not None
        self.losses = {key: float(loss) for key, loss in losses.items() if key.kind not in VALUES}
        found = broken_loss(losses) or broken_weight(self._training.named)
        self.what = self.what or found
        exploded = self._exploded
        if self.what is None and exploded is not None and exploded.holds(losses):
            self.what = replace(exploded, value=float(losses[exploded.key]))


def _norms(named: Sequence[tuple[str, nn.Parameter]]) -> dict[str, float]:
    """Norm of the gradient by module, in float64: squares of what float32 holds may not fit."""
    sums: dict[str, float] = {}
    for name, parameter in named:
        if parameter.grad is not None:
            module = name.rpartition(".")[0]
            squares = parameter.grad.double().square().sum().item()
            sums[module] = sums.get(module, 0.0) + squares
    return {module: total**0.5 for module, total in sums.items()}


@contextmanager
def _peaks(nets: Mapping[str, Net], into: dict[str, float]) -> Iterator[None]:
    """Note the largest value of every module without parts, the first time that it is called."""

    def keep(name: str, given: Any, output: Any) -> None:
        del given
        found = first_tensor(output)
        if name not in into and found is not None and found.is_floating_point():
            into[name] = found.detach().abs().max().item() if found.numel() else 0.0

    leaves = {
        prefix + name: one
        for prefix, net in nets.items()
        for name, one in net.named_modules()
        if not any(one.children())
    }
    with watched(leaves, keep):
        yield


def _alone(
    training: Training,
    positions: npt.NDArray[np.int64],
    features: dict[str, Tensor],
    most: int,
) -> dict[LossKey, list[RowLoss]]:
    """The losses of each row alone; what losses remember is put back before the next row."""
    job = training.job
    before = {name: one.clone() for name, one in training.objective.state_dict().items()}
    found: dict[LossKey, list[tuple[int, float]]] = {}
    for net in training.nets.values():
        net.eval()
    for position in positions:
        with torch.no_grad():
            raw = training.losses(np.array([position], np.int64), features).raw()
        for key, loss in raw.items():
            if key.kind not in VALUES:
                found.setdefault(key, []).append((int(position), float(loss)))
        training.objective.load_state_dict(before)
    return {key: _worst(job, several, most) for key, several in found.items()}


def _worst(job: TrainingJob, found: list[tuple[int, float]], most: int) -> list[RowLoss]:
    ordered = sorted(found, key=lambda one: (np.isfinite(one[1]), -one[1]))[:most]
    rows = named_rows(job, np.array([position for position, _ in ordered], np.int64))
    return [RowLoss(row, value) for row, (_, value) in zip(rows, ordered, strict=True)]
