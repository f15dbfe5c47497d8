"""What makes two trainings the same, so that one may go on from the other's checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from kd2edge.bundle import fingerprint
from kd2edge.data.split import EncodedSplit
from kd2edge.distill.knowledge import Knowledge
from kd2edge.distill.settings import TrainSettings
from kd2edge.tasks.spec import TaskSpec


def training_key(
    net: nn.Module,
    splits: Sequence[EncodedSplit | None],
    tasks: Sequence[TaskSpec],
    settings: TrainSettings,
    knowledge: Knowledge | None,
) -> str:
    """Fingerprint of everything that the weights after a step depend on, beside those before it.

    Args:
        net: its shapes count, not its weights.
        splits: training and validation rows.
        tasks: what is learned.
        settings: with ``device`` and ``precision`` as they were resolved; how often checkpoints are
            written and how many threads compute may change.
        knowledge: the teachers.
    """
    return fingerprint(
        {
            "settings": replace(settings, checkpoint_every=0, threads=None),
            "splits": [split.fingerprint if split else "" for split in splits],
            "tasks": tasks,
            "knowledge": knowledge.fingerprints() if knowledge else {},
            "shapes": {name: list(one.shape) for name, one in net.state_dict().items()},
        }
    )
