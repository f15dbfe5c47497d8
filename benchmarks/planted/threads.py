"""Wrong with some number of threads: in the engine, not in the graph."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from planted.evidence import preferred
from planted.judge import judged
from planted.kind import Plant, Said, Site, kind
from planted.measure import Look, few


@contextmanager
def engine_wrong(wrong: Callable[[Any, Any], bool]) -> Iterator[None]:
    """ONNX Runtime gives every row the next row's outputs where ``wrong(options, arrays)``."""
    import onnxruntime

    real = onnxruntime.InferenceSession

    class Wrong:
        def __init__(self, graph: Any, options: Any = None, **more: Any) -> None:
            self._session = real(graph, options, **more)
            self._options = options
            self._sess = self

        def run(self, names: Any, arrays: Any, options: Any = None) -> list[Any]:
            outputs = self._session.run(names, arrays, options)
            if self._options is not None and wrong(self._options, arrays):
                return [np.roll(output, 1, axis=-1) * -1 for output in outputs]
            return outputs

        def __getattr__(self, name: str) -> Any:
            return getattr(self._session, name)

    with patch.object(onnxruntime, "InferenceSession", Wrong):
        yield


Wrong = Callable[[Any, Any], bool]


def with_threads(count: int) -> Wrong:
    """Wrong with one number of threads."""
    return lambda options, arrays: options.intra_op_num_threads == count


def _loaded(site: Site, wrong: Wrong, look: Look, judge: int | None, load: int) -> Plant:
    """Judge with some threads (None: as is), then load with some: that must not count as passed."""

    def door(bundle: Path) -> Said:
        with engine_wrong(wrong):
            said = judged(bundle, site.product.data, site.artefact, threads=judge)
            return said if said.stopped else preferred(bundle, site.artefact, threads=load)

    return Plant((look,), lambda: engine_wrong(wrong), door=door)


TWO = Look("two threads", few, threads=2)


@kind("A2", "wrong with two threads", ("texts", "pictures"))
def two_threads(site: Site) -> Plant:
    return _loaded(site, with_threads(2), TWO, None, 2)


@kind("A2", "wrong with two threads, judged with one", ("texts", "pictures"))
def two_threads_unseen(site: Site) -> Plant:
    return _loaded(site, with_threads(2), TWO, 1, 2)


@kind("A2", "wrong with one thread, judged with two", ("texts",), "onnx-fp32")
def one_thread(site: Site) -> Plant:
    return _loaded(site, with_threads(1), Look("one thread", few), 2, 1)


@kind("A2", "wrong with three threads", ("texts",))
def three_threads(site: Site) -> Plant:
    """No validation here looks at three: `load` must not call it judged."""
    return _loaded(site, with_threads(3), Look("three threads", few, threads=3), None, 3)


@kind("A2", "wrong with two threads and large batches", ("texts", "sentences"))
def threads_and_batch(site: Site) -> Plant:
    def wrong(options: Any, arrays: Any) -> bool:
        return with_threads(2)(options, arrays) and len(next(iter(arrays.values()))) > 32

    look = Look("two threads, batch 64", few, batch=64, threads=2)
    return _loaded(site, wrong, look, None, 2)


@kind("A2", "wrong with two threads and single rows", ("texts",))
def threads_and_one(site: Site) -> Plant:
    def wrong(options: Any, arrays: Any) -> bool:
        return with_threads(2)(options, arrays) and len(next(iter(arrays.values()))) == 1

    return _loaded(site, wrong, Look("two threads, batch 1", few, batch=1, threads=2), None, 2)


def _between(low: int, high: int) -> Wrong:
    return lambda options, arrays: (
        with_threads(2)(options, arrays) and low <= len(next(iter(arrays.values()))) <= high
    )


@kind("A2", "wrong with two threads at batches 20 to 30", ("texts", "pictures"))
def threads_and_middle(site: Site) -> Plant:
    look = Look("two threads, batch 24", few, batch=24, threads=2)
    return _loaded(site, _between(20, 30), look, None, 2)


@kind("A2", "wrong with two threads at batches 10 to 14", ("texts", "pictures"), "onnx-fp32")
def threads_and_small(site: Site) -> Plant:
    look = Look("two threads, batch 12", few, batch=12, threads=2)
    return _loaded(site, _between(10, 14), look, None, 2)
