"""One feature to follow: a teacher's, a module of the student, and the loss between them."""

from __future__ import annotations

from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from kd2edge.data.batch import Batch
from kd2edge.distill.features import FEATURE_LOSSES, PROJECTORS
from kd2edge.distill.knowledge import Knowledge, feature_of
from kd2edge.distill.loss import Given, Need
from kd2edge.distill.method import made
from kd2edge.distill.settings import FeatureSpec
from kd2edge.errors import UsageError
from kd2edge.teacher.features import as_items, on_grid, shared_form, words_at

_KNOWN_NEEDS = frozenset({Need.STUDENT_FEATURES, Need.TEACHER_FEATURES, Need.ROWS})


class Form(NamedTuple):
    """What a feature in shared form is like.

    Args:
        shape: of one row or word: ``(width,)`` or ``(channel, height, width)``.
        per_word: whether it is one a word.
    """

    shape: tuple[int, ...]
    per_word: bool

    def __str__(self) -> str:
        what = "map" if len(self.shape) == 3 else "vector"
        return f"a {what} {self.shape} a {'word' if self.per_word else 'row'}"


@final
class FeatureTerm(nn.Module):
    """The loss between a module of the student and a cached feature of a teacher.

    Raises:
        UsageError: the teacher or its feature is not there, or the loss needs what a task has.
    """

    def __init__(self, spec: FeatureSpec, knowledge: Knowledge) -> None:
        super().__init__()
        cache = knowledge.caches.get(spec.teacher)
        if cache is None or spec.source not in cache.features:
            raise UsageError(
                f"features: no features {spec.source!r} of a teacher {spec.teacher!r} are cached"
            )
        self.target = spec.target
        self.weight = spec.weight
        self._cache = cache
        self._source = spec.source
        self._spec = spec
        self.loss = made("features", FEATURE_LOSSES, spec.loss)
        foreign = self.loss.needs - _KNOWN_NEEDS
        if foreign:
            names = ", ".join(sorted(need.words for need in foreign))
            raise UsageError(
                f"features: loss {spec.loss.kind} needs {names}, which belong to one task"
            )
        self.projector: nn.Module = nn.Identity()

    def prepare(self, feature: Tensor, batch: Batch) -> None:
        """Make the projector for the student's width, which ``feature`` shows; prepare the loss.

        Raises:
            UsageError: features of different kinds, or widths that the projector cannot join.
        """
        shared = shared_form(self.target, feature, batch)
        ours = Form(tuple(shared.values.shape[1:]), shared.words is not None)
        theirs = Form(
            self._cache.feature_shape(self._source), self._cache.is_per_word(self._source)
        )
        self.projector = projector_between(self._spec, ours, theirs)
        self.loss.prepare(self._cache.rows, theirs.shape[0])

    def forward(self, feature: Tensor, batch: Batch) -> Tensor | None:
        """The loss of a batch; None when no item counts.  ``batch`` is on the CPU."""
        device = feature.device
        teacher = feature_of(self._cache, self._source, batch, self.target)
        shared = shared_form(self.target, feature.float(), batch)
        student = as_items(on_grid(shared.values, teacher))  # [item, width]
        wanted = as_items(teacher)
        counted = self._counted(wanted, batch, words=shared.words is not None)
        if not counted.any():
            return None
        student = student.nan_to_num() if shared.words is not None else student
        given = Given(
            weights=counted.float().to(device),
            student_features=self.projector(student),
            teacher_features=wanted.nan_to_num().to(device, non_blocking=True),
            rows=self._rows(batch, len(wanted)).to(device)
            if Need.ROWS in self.loss.needs
            else None,
        )
        return self.loss(given)

    def _counted(self, teacher: Tensor, batch: Batch, *, words: bool) -> Tensor:
        counted = ~teacher[:, 0].isnan()
        if words:
            counted &= words_at(self.target, batch).index >= 0
        return counted

    def _rows(self, batch: Batch, items: int) -> Tensor:
        positions = torch.from_numpy(batch.positions)
        if self._cache.is_per_word(self._source):
            counts = words_at(self.target, batch).counts
            return positions.repeat_interleave(torch.from_numpy(counts))
        return positions.repeat_interleave(items // len(positions))


def form_of(path: str, feature: Tensor) -> Form:
    """The form of a module's output ``[batch, ...]``, without looking at any words.

    Raises:
        UsageError: an output that has none of the shared forms.
    """
    if feature.dim() not in (2, 3, 4):
        raise UsageError(
            f"feature {path}: {feature.dim()} dimensions; 2, 3 (words) or 4 (image) are known"
        )
    if feature.dim() == 3:
        return Form(tuple(feature.shape[2:]), True)
    return Form(tuple(feature.shape[1:]), False)


def projector_between(spec: FeatureSpec, student: Form, teacher: Form) -> nn.Module:
    """What brings the student's feature to the teacher's width.

    Raises:
        UsageError: features of different kinds, or widths that the projector cannot join.
    """
    place = f"features {spec.source} -> {spec.target}"
    if (student.per_word, len(student.shape)) != (teacher.per_word, len(teacher.shape)):
        raise UsageError(f"{place}: the teacher gives {teacher}, the student {student}")
    try:
        return made("features", PROJECTORS, spec.projector, student.shape[0], teacher.shape[0])
    except ValueError as error:
        raise UsageError(f"{place}: {error}") from error
