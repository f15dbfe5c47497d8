"""A net that learns beside the student, from the same rows, and is thrown away in the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from kd2edge.data.split import EncodedSplit
from kd2edge.distill.method import Method
from kd2edge.distill.settings import TrainSettings
from kd2edge.errors import DataError
from kd2edge.nets import Net


@dataclass(frozen=True, slots=True)
class Peer:
    """What learns beside the student.

    Args:
        name: what messages, checkpoints and the log call it.
        build: makes the net, a new one that is the same each time.
        origin: what that net is made of and starts from, as JSON values.
        train: the student's training rows, as this net reads them.
        validation: rows that it is measured on; None: it is not.
        seed: of what it draws in training.
        lr: its highest learning rate.
    """

    name: str
    build: Callable[[], Net]
    origin: object
    train: EncodedSplit
    validation: EncodedSplit | None
    seed: int
    lr: float

    def key(self) -> dict[str, object]:
        """What the trained weights depend on, as JSON values."""
        one = self.validation
        return {
            "name": self.name,
            "origin": self.origin,
            "splits": [self.train.fingerprint, *([one.fingerprint] if one is not None else [])],
            "seed": self.seed,
            "lr": self.lr,
        }

    def settings(self, student: TrainSettings) -> TrainSettings:
        """How it is trained: as the student, without what is said of the student's modules.

        Its rate falls alike from another height.  The losses of its tasks are summed under their
        fixed weights; the seed of the student stays that of the order and of mixed rows, which all
        nets see alike.
        """
        own = replace(student.distill, features=(), feed=(), balance=Method("static"))
        return replace(student, distill=own, lr=self.lr, freeze=(), layer_decay=1.0, rates={})

    def require_same_rows(self, train: EncodedSplit) -> None:
        """Refuse rows or views that are not the student's.

        Args:
            train: the student's training rows.

        Raises:
            DataError: of such rows.
        """
        if self.train.rows_fingerprint != train.rows_fingerprint or self.train.views != train.views:
            raise DataError(
                f"peer {self.name}: expected the {len(train)} training rows of the student in the"
                f" same views, found {len(self.train)} others: encode the same rows for both"
            )
