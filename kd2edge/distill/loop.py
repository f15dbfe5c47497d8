"""The training loop: one for teachers, baselines and students."""

from __future__ import annotations

from collections.abc import Callable

import torch

from kd2edge.data.device import device_of
from kd2edge.distill.checkpoint import Checkpoint, load_checkpoint, remove_checkpoint
from kd2edge.distill.failed import remove_failed
from kd2edge.distill.interruption import Interruption
from kd2edge.distill.job import TrainingJob, require_resumable
from kd2edge.distill.knowledge import require_match
from kd2edge.distill.not_finite import Lost
from kd2edge.distill.result import TrainResult
from kd2edge.distill.retrace import failure_of
from kd2edge.distill.training import Training, conditions
from kd2edge.events import BeginEvent, OnEvent, ignore
from kd2edge.nets import save_net


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

    What is no longer finite is noticed when losses are read, perhaps steps later.  Training is then
    run again from the last good checkpoint, or from its beginning, to the first step that went
    wrong, and the state before that step is kept for :func:`~kd2edge.distill.replay.replay`.  Of a
    loss that has exploded that is the first of the steps in which it was far too large.

    Args:
        job: what to train.
        resume: go on from the job's checkpoint when there is one; else it is removed.
        on_event: told what happens.
        stop: asked after every step; True saves and ends, like Ctrl-C.

    Raises:
        Interrupted: Ctrl-C, SIGTERM or ``stop``; the state was saved.
        DataError: nothing to learn from, or caches or peers of other rows.
        UsageError: settings that name nothing known, or a checkpoint of another training.
        IntegrityError: a damaged checkpoint.
        StorageError: the checkpoint or the net cannot be written.
        Kd2edgeError: a loss, gradient or weight is no longer finite, or a loss has exploded; it
            names step and rows.
    """
    device = device_of(job.settings.device)
    if job.knowledge is not None:
        require_match(job.knowledge, job.train)
    for peer in job.peers:
        peer.require_same_rows(job.train)
    if resume:
        require_resumable(job)
    found = load_checkpoint(job.checkpoints) if resume else None
    if not resume:
        remove_checkpoint(job.checkpoints)
        remove_failed(job.checkpoints)
    interruption = Interruption(stop)
    result = _result(job, device, found, on_event, interruption)
    if isinstance(result, Lost):
        with interruption:  # one that came before ends the search at once
            raise failure_of(job, device, result, interruption)
    remove_failed(job.checkpoints)
    return result


def _result(
    job: TrainingJob,
    device: torch.device,
    found: Checkpoint | None,
    on_event: OnEvent,
    interruption: Interruption,
) -> TrainResult | Lost:
    """What came of training; returned, not raised, so that nothing holds the net any longer."""
    net = job.build()
    with conditions(job, device, found), interruption:
        training = Training(job, net, device, on_event)
        if found is None or not found.state["cursor"]["finished"]:
            plan = training.plan
            on_event(BeginEvent(len(plan.rows), len(job.train), plan.epochs, plan.steps))
        if found is not None:
            training.resume(found)
        try:
            result = training.run(interruption)
            training.decide()
        except Lost as lost:
            return lost.with_traceback(None)
    save_net(net.cpu(), job.stem, tokenizers=job.tokenizers, fitted=job.fitted)
    return result
