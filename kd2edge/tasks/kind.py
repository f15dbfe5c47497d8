"""The interface of a task kind, NumPy half: raw label to target, logits to decision and answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.ragged import Ragged
from kd2edge.tasks.spec import Decoded, TaskSpec, Truth


class TaskKind(ABC):
    """One kind of task.  Implementations are final, hold no state and import numpy alone."""

    #: The name in recipes and manifests.
    name: str
    #: True when every word of an input has its own label.
    per_word: bool = False
    #: Numbers of one object, where a target is a list of objects (its label first, then the corners
    #: of a box, say); 0 for kinds that label rows or words.
    object_width: int = 0
    #: Metrics that a report of this kind computes when the recipe names none; the first one leads.
    default_metrics: tuple[str, ...]

    @abstractmethod
    def channels(self, spec: TaskSpec) -> int:
        """How many logits a row (or a word) has: the last dimension of the head's output."""

    @abstractmethod
    def labels_from_values(self, values: Iterable[Any]) -> tuple[str, ...]:
        """The labels that the data shows, in a stable order; missing values are skipped.

        Raises:
            ValueError: labels that this kind cannot have (``binary``: not exactly two).
        """

    @abstractmethod
    def target(self, spec: TaskSpec, value: Any) -> npt.NDArray[np.int64] | np.int64:
        """Class index (row-level) or indices ``[word]`` of one raw value; ``MISSING`` for none.

        Raises:
            ValueError: a label outside ``spec.labels`` or of a wrong type; the message names the
                label and the nearest known one.  Callers add file and line.
        """

    def channel_order(self, spec: TaskSpec, labels: Sequence[int]) -> list[int]:
        """Which channel stands at each place when label ``i`` becomes what ``labels[i]`` was."""
        del spec
        return list(labels)

    @abstractmethod
    def decode(self, spec: TaskSpec, logits: npt.NDArray[np.floating[Any]] | Ragged) -> Decoded:
        """Decisions and scores of logits ``[row, channel]``, or ragged ``[word, channel]``.

        NaN where a score should be is decided -1 with score 0; equal logits go to the first label.
        """

    @abstractmethod
    def answers(
        self,
        spec: TaskSpec,
        decoded: Decoded,
        *,
        top_k: int | None = None,
        words: Sequence[Sequence[tuple[int, int, str]]] | None = None,
    ) -> list[Any]:
        """What ``predict`` gives, one item a row (design section 7).

        ``words`` holds (start, end, text) of each word of each row, for per-word kinds.
        """

    @abstractmethod
    def pack(self, decoded: Decoded, top_k: int = 5) -> dict[str, npt.NDArray[Any]]:
        """Arrays that keep ``decoded`` in a ``reference/<split>.npz``: labels and top-k scores."""

    @abstractmethod
    def unpack(self, spec: TaskSpec, arrays: Mapping[str, npt.NDArray[Any]]) -> Decoded:
        """The decoded output that :meth:`pack` kept; scores below the top k are zero."""

    @abstractmethod
    def truth(self, targets: Sequence[npt.NDArray[np.int64] | np.int64]) -> Truth:
        """Collect the targets of some rows."""
