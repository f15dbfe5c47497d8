"""A process that fills a teacher's cache together with another: ``filler.py FOLDER NAME OTHER``.

It says which shards it made, one a line.  After its first question to the teacher it waits for the
other, so that neither can do all before the other has begun.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from distill.tiny import IMAGES, image_rows
from kd2edge.data import Batch, Step, Views, layout
from kd2edge.teacher import Outputs, Teacher, cache_outputs, fill

VIEWS = Views(2, {"image": [Step("shift", {"pixels": 2})]}, seed=5)


class Waiting(Teacher):
    """The tiny teacher, who says so when a shard has begun and waits until another one has."""

    def __init__(self, folder: Path, name: str, other: str) -> None:
        self._inner = IMAGES.net_teacher()
        self.tasks, self.fingerprint = self._inner.tasks, self._inner.fingerprint
        self._mine, self._other = folder / name, folder / other

    @contextmanager
    def open(
        self, features: Sequence[str], device: torch.device
    ) -> Iterator[Callable[[Batch], Outputs]]:
        with self._inner.open(features, device) as answer:
            asked = 0

            def waited(batch: Batch) -> Outputs:
                nonlocal asked
                asked += 1
                if asked == 2:  # the first was the probe; now a shard is claimed
                    self._mine.touch()
                    until = time.monotonic() + 120
                    while not self._other.exists():
                        assert time.monotonic() < until
                        time.sleep(0.01)
                return answer(batch)

            yield waited


def main(folder: Path, name: str, other: str) -> None:
    torch.set_num_threads(1)
    layout.SHARD_ROWS = fill._BLOCK = 8
    split = IMAGES.split(folder / f"rows of {name}", image_rows(), views=VIEWS)
    cache_outputs(
        Waiting(folder, name, other),
        split,
        folder / "cache",
        tasks=IMAGES.tasks,
        on_event=lambda event: sys.stdout.write(f"{event.done}\n"),
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3])
