"""Views: what training sees of a row instead of the row itself, the same at every look.

View ``v`` of row ``p`` is a function of (seed, p, v) and nothing else.  The teacher's cache holds
the outputs of every view, and the student is shown the view of the epoch: they cannot disagree.
View 0 is the row as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.data.augment.augmentation import Augmentation, Images
from kd2edge.data.augment.chance import chance
from kd2edge.data.augment.kinds import AUGMENTATIONS
from kd2edge.errors import UsageError
from kd2edge.files import fingerprint


@final
@dataclass(frozen=True, slots=True)
class Step:
    """One change of a picture.

    Args:
        kind: a name in ``AUGMENTATIONS``.
        options: JSON values for it.
    """

    kind: str
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])


@final
@dataclass(frozen=True, slots=True)
class Views:
    """How many views of each row there are, and what makes them.

    Args:
        count: views of each row, view 0 (the row itself) included.
        steps: column of a picture -> what changes it, in this order.  Columns and not inputs: a
            teacher may read the same picture under another name.
        seed: seed of the chance in it.
    """

    count: int = 1
    steps: Mapping[str, Sequence[Step]] = field(default_factory=dict[str, Sequence[Step]])
    seed: int = 0

    def form(self) -> dict[str, Any]:
        """As JSON values: what caches and encoded rows are known by."""
        return {
            "count": self.count,
            "seed": self.seed,
            "steps": {
                column: [[one.kind, dict(one.options)] for one in steps]
                for column, steps in self.steps.items()
            },
        }

    @classmethod
    def of(cls, form: Mapping[str, Any]) -> Views:
        """The views that have a :meth:`form`."""
        steps = {
            column: tuple(Step(kind, options) for kind, options in steps)
            for column, steps in form["steps"].items()
        }
        return cls(form["count"], steps, form["seed"])


@final
class Seen:
    """The pictures of one column, as the views show them.

    Args:
        column: its name, which the chance depends on, too: two pictures of a row move apart.
        steps: what changes them.
        seed: of the chance.
    """

    def __init__(self, column: str, steps: Sequence[Augmentation], seed: int) -> None:
        # A number that is the same in every process, which Python's own hash of a text is not.
        self._purpose = int(fingerprint(column)[:15], 16)
        self._steps = tuple(steps)
        self._seed = seed

    def apply(self, images: Images, positions: npt.NDArray[np.int64], view: int) -> Images:
        """View ``view`` of ``images`` ``[row, channel, height, width]`` of the rows there."""
        of_column = chance(self._seed, positions, view).of(self._purpose)
        for at, step in enumerate(self._steps):
            images = step.apply(images, of_column.of(at))
        return images


def seen(views: Views) -> dict[str, Seen]:
    """What changes the pictures of each column that ``views`` names.

    Raises:
        UsageError: an unknown kind or option.
    """
    return {
        column: Seen(column, [_augmentation(one) for one in steps], views.seed)
        for column, steps in views.steps.items()
    }


def _augmentation(step: Step) -> Augmentation:
    if step.kind not in AUGMENTATIONS:
        known = ", ".join(sorted(AUGMENTATIONS))
        raise UsageError(f"views: kind {step.kind!r} is not known; choose one of {known}")
    try:
        return AUGMENTATIONS[step.kind](**step.options)
    except TypeError as error:
        raise UsageError(f"views: {step.kind}: {error}") from error
