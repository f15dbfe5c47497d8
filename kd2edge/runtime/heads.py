"""One head of a model: from its logits to what ``predict`` answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.errors import BackendError, InputError, IntegrityError
from kd2edge.inputs.spec import ArraySpec, Encoded
from kd2edge.ragged import Ragged
from kd2edge.runtime.quick import QUICK
from kd2edge.tasks.kind import TaskKind
from kd2edge.tasks.spec import Decoded, TaskSpec
from kd2edge.tasks.token_classification import gather_words

Logits = npt.NDArray[np.floating[Any]]


@final
class Head:
    """A task bound to its kind.  Holds constants only."""

    def __init__(self, spec: TaskSpec, kind: TaskKind) -> None:
        self.spec = spec
        self.kind = kind
        self._quick = QUICK[spec.kind](spec) if spec.kind in QUICK else None

    def assert_fits(self, output: ArraySpec) -> None:
        """Refuse a graph's output that has other channels than the task has labels.

        Raises:
            IntegrityError: it has; the manifest's task and artefact contradict each other.
        """
        wanted, found = (
            self.kind.output(self.spec).channels,
            output.shape[-1] if output.shape else 0,
        )
        if isinstance(found, int) and found != wanted:
            raise IntegrityError(
                f"task {self.spec.name!r}: its {len(self.spec.labels)} labels need {wanted} logits,"
                f" the graph's output has {found}; export the run again or copy the bundle anew"
            )

    def decode(self, logits: Logits, encoded: Mapping[str, Encoded] | None) -> Decoded:
        """Decisions and scores of ``logits`` ``[batch, C]`` or ``[batch, length, C]``.

        Raises:
            InputError: a token task without the words that its logits belong to.
        """
        if not self.kind.per_word:
            return self.kind.decode(self.spec, logits)
        return self.kind.decode(self.spec, self.words(logits, encoded))

    def answers(
        self, logits: Logits, encoded: Mapping[str, Encoded] | None, top_k: int | None
    ) -> list[Any]:
        """What ``predict`` gives, one item a row.

        Raises:
            BackendError: NaN among the logits: no answer follows from it.
        """
        if self._quick is not None and top_k is None:
            found = self._quick(logits)
            if found is not None:
                return found
        words = self._encoded(encoded).words if self.kind.per_word else None
        self._require_numbers(logits, encoded)
        decoded = self.decode(logits, encoded)
        return self.kind.answers(self.spec, decoded, top_k=top_k, words=words)

    def words(self, logits: Logits, encoded: Mapping[str, Encoded] | None) -> Ragged:
        """Logits ``[word, C]`` of every row, taken at each word's first sub-word."""
        starts = self._encoded(encoded).word_starts
        assert starts is not None
        return gather_words(logits, starts)

    def _require_numbers(self, logits: Logits, encoded: Mapping[str, Encoded] | None) -> None:
        missing = np.isnan(logits)
        if self.kind.per_word and missing.any():  # only at words: of padding nothing is asked
            starts = self._encoded(encoded).word_starts
            assert starts is not None
            missing = np.isnan(self.words(logits, encoded).values[starts.values >= 0])
        if missing.any():
            raise BackendError(
                f"task {self.spec.name!r}: the graph gives NaN for these inputs, which answers"
                " nothing; run kd2edge validate"
            )

    def _encoded(self, encoded: Mapping[str, Encoded] | None) -> Encoded:
        if encoded is None or encoded[self.spec.input].word_starts is None:
            raise InputError(
                f"task {self.spec.name!r} labels words, and arrays do not say where words start:"
                f" pass the raw {self.spec.input!r}, or take the sub-words' scores from logits()"
            )
        return encoded[self.spec.input]
