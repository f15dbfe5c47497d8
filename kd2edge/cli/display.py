"""What long work looks like: bars on a terminal, plain lines elsewhere.  Always on stderr."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import final

from rich import progress as rich_progress
from rich.console import Console

from kd2edge.cli.output import note
from kd2edge.events import (
    BeginEvent,
    EpochEvent,
    Event,
    Losses,
    Progress,
    ResumedEvent,
    SavedEvent,
    StageEvent,
    StepEvent,
)
from kd2edge.wording import shown


@contextmanager
def display() -> Iterator[Callable[[Event], None]]:
    """A listener for a run's events."""
    if sys.stderr.isatty():
        # rich reads NO_COLOR itself.
        bars = _Bars(Console(stderr=True))
        with bars.progress:
            yield bars
    else:
        yield _Lines()


class _Display(ABC):
    def __call__(self, event: Event) -> None:
        match event:
            case StageEvent():
                self.stage(event)
            case StepEvent():
                self.step(event)
            case EpochEvent():
                self.epoch(event)
            case Progress():
                self.walk(event)
            case ResumedEvent():
                self.resumed(event)
            case BeginEvent() | SavedEvent():
                pass  # the stage said the one, and of the other nobody waits to hear

    @abstractmethod
    def say(self, text: str) -> None:
        """Write a line that stays."""

    def stage(self, event: StageEvent) -> None:
        """A stage begins or is skipped."""
        skipped = "  (done before)" if event.skipped else ""
        self.say(f"{event.stage:<18} {event.detail}{skipped}")

    def epoch(self, event: EpochEvent) -> None:
        """An epoch is finished."""
        values = "  ".join(f"{task} {value:.3f}" for task, value in event.validation.items())
        best = " *" if event.best else ""
        head = f"  epoch {event.epoch:>3}/{event.epochs}  "
        self.say(f"{head}{_time(event.seconds_left)} left  {values}{best}")
        self.say(f"{'':{len(head)}}loss       {_losses(event.losses, 3)}")
        for name, metrics in event.peers.items():
            values = "  ".join(f"{task} {value:.3f}" for task, value in metrics.items())
            self.say(f"{'':{len(head)}}peer       {name}: {values}")

    def resumed(self, event: ResumedEvent) -> None:
        """Training goes on from a checkpoint."""
        self.say(f"  resumed at step {event.step:,}. {event.note}".rstrip())

    @abstractmethod
    def step(self, event: StepEvent) -> None:
        """A step was taken."""

    @abstractmethod
    def walk(self, event: Progress) -> None:
        """Rows or artefacts were walked over."""


@final
class _Lines(_Display):
    def say(self, text: str) -> None:
        note(text)

    def step(self, event: StepEvent) -> None:
        pass  # a line an epoch is enough

    def walk(self, event: Progress) -> None:
        pass


@final
class _Bars(_Display):
    def __init__(self, console: Console) -> None:
        self.progress = rich_progress.Progress(
            rich_progress.TextColumn("{task.description}", markup=False),
            rich_progress.BarColumn(
                bar_width=8
            ),  # three tasks' losses must fit beside it in 80 columns
            rich_progress.TextColumn("{task.percentage:>3.0f}% {task.fields[note]}", markup=False),
            console=console,
            transient=True,
        )
        self._bars: dict[str, rich_progress.TaskID] = {}

    def say(self, text: str) -> None:
        self.progress.console.print(shown(text), highlight=False, markup=False)

    def stage(self, event: StageEvent) -> None:
        for bar in self._bars.values():
            self.progress.remove_task(bar)
        self._bars.clear()
        super().stage(event)

    def step(self, event: StepEvent) -> None:
        beside = f"{_losses(event.losses, 2)}  {_time(event.seconds_left)} left"
        self._draw("train", event.step, event.steps, beside)

    def walk(self, event: Progress) -> None:
        self._draw(event.what, event.done, event.total, "")

    def _draw(self, what: str, done: int, total: int, beside: str) -> None:
        text = shown(beside)
        if what not in self._bars:
            self._bars[what] = self.progress.add_task(shown(what), total=total, note=text)
        self.progress.update(self._bars[what], completed=done, total=total, note=text)


def _losses(losses: Losses, digits: int) -> str:
    """``task hard/soft``; a dash where no hard loss counted."""
    parts = []
    for task, kinds in losses.items():
        # By name: they come in the order in which the epoch's batches brought them.
        soft = [name for name in ("kd", "mutual") if name in kinds]
        names = ["task", *soft] if soft else list(kinds)
        values = [f"{kinds[name]:.{digits}f}" if name in kinds else "-" for name in names]
        parts.append(f"{task or 'features'} {'/'.join(values)}")
    return "  ".join(parts)


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"
