"""A training job: one phase of one net.  A run is a list of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kd2edge.data.device import device_of
from kd2edge.data.split import EncodedSplit
from kd2edge.distill.checkpoint import checkpoint_key, not_resumable
from kd2edge.distill.knowledge import Knowledge
from kd2edge.distill.objective import Objective
from kd2edge.distill.peer import Peer
from kd2edge.distill.plan import Plan, plan_of
from kd2edge.distill.precision import precision_of
from kd2edge.distill.settings import TrainSettings
from kd2edge.errors import UsageError
from kd2edge.files import fingerprint, fingerprint_bytes
from kd2edge.nets import Net
from kd2edge.rows.rows import Rows
from kd2edge.tasks.spec import TaskSpec


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """What is trained, on which rows, how, and where it is kept.

    Args:
        name: what messages and events call it: ``student``, ``baseline``, ``teacher NAME``.
        build: makes the net to train, a new one that is the same each time.
        origin: what that net is made of and starts from, as JSON values.
        tasks: what is learned, by name and kind.
        train: rows to learn from; those without any label only where there is a teacher.
        validation: rows that choose the best epoch; None keeps the last one.
        settings: how.
        stem: where the trained net goes, without suffix.
        checkpoints: folder of its checkpoints.
        knowledge: teachers' caches of the training rows; None trains on labels alone.
        tokenizers: input -> fingerprint of its tokenizer, kept beside the net.
        fitted: input -> fingerprint of what its kind learned from the rows, likewise.
        hidden: positions of rows of ``train`` that are not shown.
        sources: which source each row of ``train`` is of ``[row]``; asked for where settings sample
            them.
        rows: the rows that ``train`` encodes, for messages; None: they are named by position.
        peers: nets that learn beside it, and from which it learns as the settings say.
    """

    name: str
    build: Callable[[], Net]
    origin: object
    tasks: Sequence[TaskSpec]
    train: EncodedSplit
    validation: EncodedSplit | None
    settings: TrainSettings
    stem: Path
    checkpoints: Path
    knowledge: Knowledge | None = None
    tokenizers: Mapping[str, str] = field(default_factory=dict[str, str])
    fitted: Mapping[str, str] = field(default_factory=dict[str, str])
    hidden: npt.NDArray[np.int64] | None = None
    sources: npt.NDArray[np.int64] | None = None
    rows: Rows | None = None
    peers: Sequence[Peer] = ()

    @property
    def key(self) -> str:
        """Fingerprint of everything that the trained weights depend on.

        The metrics that are only reported are not in it, nor how often checkpoints are written,
        how many threads compute and when a loss has exploded.
        """
        unlabelled = self.knowledge is not None or self.settings.distill.mutual > 0
        train = self.train.fingerprint if unlabelled else self.train.labelled_fingerprint
        splits = [train, self.validation.fingerprint if self.validation else ""]
        return fingerprint(
            {
                "origin": self.origin,
                "settings": replace(
                    self.settings, checkpoint_every=0, threads=None, explosion=None
                ),
                "splits": splits,
                "tasks": [replace(task, metrics=()) for task in self.tasks],
                "knowledge": self.knowledge.fingerprints() if self.knowledge else {},
                **hidden_key(self.hidden),
                **self._sources_key(),
                **({"peers": [one.key() for one in self.peers]} if self.peers else {}),
            }
        )

    @property
    def checkpoint_key(self) -> str:
        """Names the training that a checkpoint is of: another device or precision has other bits.

        Raises:
            UsageError: a device or precision that is not here.
        """
        device = device_of(self.settings.device)
        return fingerprint([self.key, device.type, precision_of(self.settings.precision, device)])

    def objective(self) -> Objective:
        """Its losses, as they are before anything was learned.

        Raises:
            UsageError: settings that name nothing known, or a loss that needs what is not there.
        """
        settings = self.settings
        if settings.distill.mutual > 0 and not self.peers:
            raise UsageError(
                f"{self.name}: mutual is {settings.distill.mutual:g}, and no net learns beside it:"
                " state peers, or 0"
            )
        return Objective(self.tasks, settings.distill, self.knowledge, settings.label_smoothing)

    def plan(self, objective: Objective) -> Plan:
        """Which rows it uses under its ``objective``, and for how many steps.

        Raises:
            DataError: a task that the rows do not know, or no rows to learn from.
        """
        names = [task.name for task in self.tasks]
        taught = objective.learns_from_all_rows
        hidden, sources = self.hidden, self.sources
        return plan_of(
            self.train, names, self.settings, taught=taught, hidden=hidden, sources=sources
        )

    def _sources_key(self) -> dict[str, str]:
        """What the key says of the sources; nothing where nobody draws from them."""
        sampling = self.settings.sampling
        if sampling is None or sampling.over != "sources" or self.sources is None:
            return {}
        return {"sources": fingerprint_bytes(self.sources.tobytes())}


def hidden_key(hidden: npt.NDArray[np.int64] | None) -> dict[str, str]:
    """What the key of a job says of the positions that it is not shown; nothing of none."""
    return {} if hidden is None else {"hidden": fingerprint_bytes(hidden.tobytes())}


def require_resumable(job: TrainingJob) -> None:
    """Refuse to go on from a checkpoint that another training left; without one there is nothing.

    Raises:
        UsageError: the checkpoint is of another net, or of other settings, data or teachers.
        IntegrityError: the checkpoint is damaged.
    """
    found = checkpoint_key(job.checkpoints)
    if found is not None and found != job.checkpoint_key:
        raise UsageError(not_resumable(job.checkpoints))
