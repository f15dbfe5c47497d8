"""One head of a model: from its arrays to what ``predict`` answers."""

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
from kd2edge.tasks.outputs import asked_of, items_of, origin_of, outputs_of
from kd2edge.tasks.spec import Columns, Decoded, Output, TaskSpec

Array = npt.NDArray[np.floating[Any]]


@final
class Head:
    """A task bound to its kind.  Holds constants only."""

    def __init__(self, spec: TaskSpec, kind: TaskKind) -> None:
        self.spec = spec
        self.kind = kind
        #: Its arrays by name.
        self.outputs = outputs_of(spec)
        self._first = next(iter(self.outputs))
        self._per_word = any(one.per == "word" for one in self.outputs.values())
        self._per_frame = any(one.per == "frame" for one in self.outputs.values())
        self._quick = QUICK[spec.kind](spec) if spec.kind in QUICK else None

    def assert_fits(self, name: str, found: ArraySpec) -> None:
        """Refuse a graph's output that has other channels than the task has labels.

        Raises:
            IntegrityError: it has; the manifest's task and artefact contradict each other.
        """
        wanted = self.outputs[name].channels
        channels = found.shape[-1] if found.shape else 0
        if isinstance(channels, int) and channels != wanted:
            raise IntegrityError(
                f"task {self.spec.name!r}: its {len(self.spec.labels)} labels need {wanted} logits,"
                f" the graph's output has {channels}; export the run again or copy the bundle anew"
            )

    def decode(self, arrays: Mapping[str, Array], encoded: Mapping[str, Encoded] | None) -> Decoded:
        """Decisions and scores of its arrays: ``[batch, C]``, ``[batch, length, C]`` ...

        Raises:
            InputError: a token task without the words that its logits belong to.
        """
        if self._per_word:
            self._require_words(encoded)
        if self._per_frame and (encoded is None or encoded[self.spec.input].lengths is None):
            raise InputError(
                f"task {self.spec.name!r} decides frames, and arrays do not say where rows end:"
                f" pass the raw {self.spec.input!r}, or take the frames' scores from logits()"
            )
        # As ``logits_of`` does, with the outputs that are known already: this is a request's path.
        items = {
            name: items_of(self.spec, output, arrays[name], encoded)
            for name, output in self.outputs.items()
        }
        if len(items) == 1:
            return self.kind.decode(self.spec, items[self._first])
        named = {output.name: items[name] for name, output in self.outputs.items()}
        return self.kind.decode(self.spec, Columns(named))

    def answers(
        self,
        arrays: Mapping[str, Array],
        encoded: Mapping[str, Encoded] | None,
        top_k: int | None,
    ) -> list[Any]:
        """What ``predict`` gives, one item a row.

        Raises:
            BackendError: NaN among the logits: no answer follows from it.
        """
        if self._quick is not None and top_k is None:
            found = self._quick(*[arrays[name] for name in self.outputs])
            if found is not None:
                return found
        if self._per_word:
            self._require_words(encoded)
        for name, output in self.outputs.items():
            self._require_numbers(output, arrays[name], encoded)
        decoded = self.decode(arrays, encoded)
        origin = origin_of(self.spec, encoded)
        return self.kind.answers(self.spec, decoded, top_k=top_k, origin=origin)

    def _require_numbers(
        self, output: Output, array: Array, encoded: Mapping[str, Encoded] | None
    ) -> None:
        if not np.isnan(array).any():
            return
        asked = asked_of(self.spec, output, array, encoded)
        if np.isnan(asked.values if isinstance(asked, Ragged) else asked).any():
            raise BackendError(
                f"task {self.spec.name!r}: the graph gives NaN for these inputs, which answers"
                " nothing; run kd2edge validate"
            )

    def _require_words(self, encoded: Mapping[str, Encoded] | None) -> Encoded:
        if encoded is None or encoded[self.spec.input].word_starts is None:
            raise InputError(
                f"task {self.spec.name!r} labels words, and arrays do not say where words start:"
                f" pass the raw {self.spec.input!r}, or take the sub-words' scores from logits()"
            )
        return encoded[self.spec.input]
