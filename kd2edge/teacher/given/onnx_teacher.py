"""A teacher that is an ONNX graph of somebody else's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, final

import numpy as np
import numpy.typing as npt
import torch

from kd2edge.data.batch import Batch
from kd2edge.errors import DataError, InputError, UsageError
from kd2edge.files.fingerprint import fingerprint
from kd2edge.inputs.kinds import input_kind
from kd2edge.inputs.spec import ArraySpec, InputSpec
from kd2edge.nets.backbones.image import affine
from kd2edge.runtime.graph import GraphSpec
from kd2edge.runtime.session import Session
from kd2edge.tasks.spec import TaskSpec
from kd2edge.teacher.given.cells import Cells, require_unmoved
from kd2edge.teacher.given.feeds import TEXTS, ArrayFeed, ColumnsFeed, Feed, ZerosFeed, fed
from kd2edge.teacher.given.graph_file import GraphFile
from kd2edge.teacher.given.said import Said, logits_from, one_output
from kd2edge.teacher.teacher import Answer, Outputs, Teacher

Arrays = Mapping[str, npt.NDArray[Any]]


@final
class OnnxTeacher(Teacher):
    """A graph, loaded only when it is asked, by ONNX Runtime.

    Args:
        file: the graph.
        inputs: what the rows are encoded by.
        cells: the same rows by column.
        tasks: the student's tasks that it teaches.
        said: task -> which output says it, and what its numbers are.
        feeds: input of the graph -> what feeds it; the others are fed by the array of their name,
            else by the column.
        batch_size: rows that it is asked about at once.
        threads: of a run; None: the physical cores.

    Raises:
        UsageError: a task of a kind that no single array answers.
    """

    def __init__(
        self,
        file: GraphFile,
        inputs: Mapping[str, InputSpec],
        cells: Cells,
        tasks: Sequence[TaskSpec],
        said: Mapping[str, Said],
        feeds: Mapping[str, Feed],
        *,
        batch_size: int,
        threads: int | None = None,
    ) -> None:
        for task in tasks:
            one_output(task)
        self._file = file
        self._label = file.path.name
        self._arrays = {
            array.name: spec
            for spec in inputs.values()
            for array in input_kind(spec.kind).arrays(spec)
        }
        self._first = {spec.name: name for name, spec in reversed(self._arrays.items())}
        self._cells = cells
        self._said = {task.name: said[task.name] for task in tasks}
        self._feeds = dict(feeds)
        self._threads = threads
        self.tasks = tuple(self._said[task.name].own(task) for task in tasks)
        self.batch_size = batch_size
        self.fingerprint = fingerprint(
            [file.fingerprint, self._said, [[name, _form(one)] for name, one in feeds.items()]]
        )

    @contextmanager
    def open(self, features: Sequence[str], device: torch.device) -> Iterator[Answer]:
        """A graph has no features; without a CUDA provider it is asked on the CPU.

        Raises:
            UsageError: a feature, inputs that nothing feeds, or outputs that it lacks.
            IntegrityError: no graph, or one that was changed since it was hashed.
            BackendError: ONNX Runtime is not installed, or has no kernel for the graph.
        """
        if features:
            raise UsageError(f"{self._label}: a graph has no features, found {', '.join(features)}")
        providers = ("cuda", "cpu") if device.type == "cuda" else ("cpu",)
        with Session.from_bytes(
            self._file.read(),
            threads=self._threads,
            providers=providers,
            allow_fallback=True,
            label=self._label,
        ) as session:
            feeds = self._all_feeds(session.spec)
            self._require_outputs(session.spec)
            singly = self._is_asked_singly(session.spec)

            def answer(batch: Batch) -> Outputs:
                try:
                    found = self._answered(session, feeds, batch, singly)
                except (DataError, InputError) as error:
                    raise DataError(f"{error} ({self._cells.places(batch.positions)})") from error
                return Outputs({name: torch.from_numpy(one) for name, one in found.items()}, {})

            yield answer

    def _all_feeds(self, graph: GraphSpec) -> dict[str, Feed]:
        """What feeds each input of the graph."""
        names = [spec.name for spec in graph.inputs]
        for name in self._feeds:
            if name not in names:
                raise UsageError(
                    f"{self._label}: no input {name!r} in the graph; its inputs are"
                    f" {', '.join(names)}"
                )
        return {spec.name: self._feed(spec) for spec in graph.inputs}

    def _feed(self, spec: ArraySpec) -> Feed:
        feed = self._feeds.get(spec.name)
        if feed is None:
            if spec.name in self._arrays:
                feed = ArrayFeed(spec.name)
            elif spec.name in self._cells.columns:
                feed = ColumnsFeed((spec.name,))
            else:
                raise UsageError(
                    f"{self._label}: nothing feeds the graph's input {spec.name!r}"
                    f" ({spec.dtype} {list(spec.shape)}): there are the arrays"
                    f" {', '.join(self._arrays)} and the columns {', '.join(self._cells.columns)};"
                    " state what does under `inputs` of the model"
                )
        if spec.dtype != TEXTS and not _is_number(spec.dtype):
            raise UsageError(f"{self._label}: input {spec.name!r} is {spec.dtype}, no array")
        named = (
            [("column", one, self._cells.columns) for one in feed.columns]
            if isinstance(feed, ColumnsFeed)
            else [("array", feed.like if isinstance(feed, ZerosFeed) else feed.array, self._arrays)]
        )
        for what, name, known in named:
            if name not in known:
                raise UsageError(
                    f"{self._label}: the graph's input {spec.name!r} is to be fed by the {what}"
                    f" {name!r}, which is not there; there are {', '.join(known)}"
                )
        return self._scaled(feed)

    def _scaled(self, feed: Feed) -> Feed:
        """Pixels with the scale that their input states, for graphs that take fractions."""
        spec = self._arrays.get(feed.array) if isinstance(feed, ArrayFeed) else None
        if spec is None or spec.kind != "image" or not isinstance(feed, ArrayFeed):
            return feed
        scale, shift = (tuple(one.flatten().tolist()) for one in affine(spec))
        return ArrayFeed(feed.array, scale, shift)

    def _require_outputs(self, graph: GraphSpec) -> None:
        dtypes = {spec.name: spec.dtype for spec in graph.outputs}
        for task, said in self._said.items():
            if said.output not in dtypes:
                raise UsageError(
                    f"{self._label}: no output {said.output!r} for the task {task} in the graph;"
                    f" its outputs are {', '.join(dtypes)}"
                )
            if not _is_number(dtypes[said.output]):
                raise UsageError(
                    f"{self._label}: its output {said.output!r} for the task {task} is"
                    f" {dtypes[said.output]}, expected an array of numbers: name the output of the"
                    " scores (of scikit-learn: convert it with options={'zipmap': False})"
                )

    def _is_asked_singly(self, graph: GraphSpec) -> bool:
        low, high = graph.limits("batch")
        if high not in {None, 1}:
            raise UsageError(
                f"{self._label}: the graph takes {low} rows at once, no more and no less: export it"
                " with a dynamic batch"
            )
        return high == 1

    def _answered(
        self, session: Session, feeds: Mapping[str, Feed], batch: Batch, singly: bool
    ) -> dict[str, npt.NDArray[np.float32]]:
        arrays = {name: one.numpy() for name, one in batch.inputs.items()}
        raw: Sequence[Mapping[str, Any]] = ()
        if any(isinstance(feed, ColumnsFeed) for feed in feeds.values()):
            require_unmoved(batch.view)
            raw = self._cells.at(batch.positions)
        given = {
            spec.name: fed(feeds[spec.name], spec, arrays, raw) for spec in session.spec.inputs
        }
        outputs = _run_singly(session, given, len(batch)) if singly else session.run(given)
        found = {
            str(task.name): logits_from(
                task, self._said[task.name], outputs[self._said[task.name].output], self._label
            )
            for task in self.tasks
        }
        for task in self.tasks:
            words = one_output(task).per == "word"
            length = arrays[self._first[task.input]].shape[1:2] if words else ()
            _require_every_item(task, found[task.name], (len(batch), *length), self._label)
        return found


def _form(feed: Feed) -> list[object]:
    return [type(feed).__name__, feed]


def _is_number(dtype: str) -> bool:
    try:
        return np.dtype(dtype).kind in "fiub"
    except (TypeError, ValueError):  # "seq(map(int64,tensor(float)))"
        return False


def _run_singly(session: Session, given: Arrays, rows: int) -> Arrays:
    """Outputs of a graph that takes one row at a time, one under the other."""
    parts = [
        session.run({name: one[at : at + 1] for name, one in given.items()}) for at in range(rows)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _require_every_item(
    task: TaskSpec, found: npt.NDArray[np.float32], expected: tuple[int, ...], label: str
) -> None:
    """Refuse fewer or more rows, or positions of a sequence, than were asked about."""
    if found.shape[:-1] != expected:
        raise DataError(
            f"{label}, task {task.name}: expected numbers of {list(expected)} items, found"
            f" {list(found.shape[:-1])}"
        )
