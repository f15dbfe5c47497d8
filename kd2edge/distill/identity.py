"""What makes two trainings the same: one may go on from the other's checkpoint, or take its net."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kd2edge.data.split import EncodedSplit
from kd2edge.distill.knowledge import Knowledge
from kd2edge.distill.settings import TrainSettings
from kd2edge.files import fingerprint
from kd2edge.tasks.spec import TaskSpec


def training_key(
    origin: object,
    splits: Sequence[EncodedSplit | None],
    tasks: Sequence[TaskSpec],
    settings: TrainSettings,
    knowledge: Knowledge | None,
) -> str:
    """Fingerprint of everything that trained weights depend on.

    Args:
        origin: what the net is made of and starts from, as JSON values.
        splits: training and validation rows.
        tasks: what is learned; the metrics that are only reported may change.
        settings: how; how often checkpoints are written and how many threads compute may change.
        knowledge: the teachers.
    """
    return fingerprint(
        {
            "origin": origin,
            "settings": replace(settings, checkpoint_every=0, threads=None),
            "splits": [split.fingerprint if split else "" for split in splits],
            "tasks": [replace(task, metrics=()) for task in tasks],
            "knowledge": knowledge.fingerprints() if knowledge else {},
        }
    )
