"""One feature to follow: a teacher's, a module of the student, and the loss between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from kd2edge.data.batch import Batch
from kd2edge.distill.feature_form import Form, Items, items_of
from kd2edge.distill.feature_join import join, loss_of
from kd2edge.distill.knowledge import Knowledge, feature_of
from kd2edge.distill.loss import Given, Need
from kd2edge.distill.settings import FeatureSpec
from kd2edge.errors import UsageError
from kd2edge.ragged import Ragged
from kd2edge.teacher.features import Shared, on_grid, shared_form, words_at
from kd2edge.teacher.standards import standard_of


@final
class FeatureTerm(nn.Module):
    """The loss between modules of the student and cached features of a teacher.

    Raises:
        UsageError: the teacher or its feature is not there, or the loss cannot compare them.
    """

    def __init__(self, spec: FeatureSpec, knowledge: Knowledge) -> None:
        super().__init__()
        cache = knowledge.caches.get(spec.teacher)
        for source in spec.sources:
            if cache is None or source not in cache.features:
                raise UsageError(
                    f"features: no features {source!r} of a teacher {spec.teacher!r} are cached"
                )
        assert cache is not None
        self.targets = spec.targets
        self.weight = spec.weight
        self._cache = cache
        self._spec = spec
        self.loss = loss_of(spec)
        self.projectors = nn.ModuleList()
        self.standards = nn.ModuleList()
        self._on_maps = False
        self._grid: tuple[int, int] | None = None

    def prepare(self, features: Sequence[Tensor], batch: Batch) -> None:
        """Make projectors for the student's widths, which ``features`` show; prepare the loss.

        Raises:
            UsageError: features of different kinds, or widths that the projector cannot join.
        """
        cache, spec = self._cache, self._spec
        ours: list[Form] = []
        for path, feature in zip(spec.targets, features, strict=True):
            shared = shared_form(path, feature, batch)
            ours.append(Form(tuple(shared.values.shape[1:]), shared.words is not None))
        theirs = [Form(cache.feature_shape(one), cache.is_per_word(one)) for one in spec.sources]
        self.projectors, self._on_maps, self._grid = join(spec, self.loss, ours, theirs, cache.rows)
        self.standards = nn.ModuleList(
            [standard_of(spec.standardise, cache, source) for source in spec.sources]
        )

    def forward(self, features: Sequence[Tensor], batch: Batch) -> Tensor | None:
        """The loss of a batch; None when no item counts.  ``batch`` is on the CPU."""
        device = features[0].device
        teacher = [
            self._teacher(source, target, standard, batch, device)
            for source, target, standard in zip(
                self._spec.sources, self.targets, self.standards, strict=True
            )
        ]
        student = [
            self._student(path, feature.float(), projector, batch)
            for path, feature, projector in zip(
                self.targets, features, self.projectors, strict=True
            )
        ]
        counted = torch.stack([one.counted for one in (*teacher, *student)]).all(0)
        if not counted.any():
            return None
        counts, needs = teacher[0].counts, self.loss.needs
        rows = torch.from_numpy(batch.positions).repeat_interleave(counts)
        return self.loss(
            Given(
                weights=counted.float().to(device),
                student_features=_side_by_side(student),
                teacher_features=_side_by_side(teacher),
                rows=rows.to(device) if Need.ROWS in needs else None,
                counts=counts if Need.COUNTS in needs else None,
            )
        )

    def _student(self, path: str, feature: Tensor, projector: nn.Module, batch: Batch) -> Items:
        if self._on_maps:
            feature = projector(feature)
        shared = shared_form(path, feature, batch)
        shared = shared._replace(values=on_grid(shared.values, self._grid))
        items = items_of(*_parts(shared), self.loss.per)
        return items if self._on_maps else items._replace(values=projector(items.values))

    def _teacher(
        self, source: str, target: str, standard: nn.Module, batch: Batch, device: torch.device
    ) -> Items:
        if self.loss.per == "item":
            values = feature_of(self._cache, source, batch, target)
            counts = None
            if self._cache.is_per_word(source):
                counts = torch.from_numpy(words_at(target, batch).counts)
        else:  # rows: its own words, whatever the student's are
            found = self._cache.feature(source, batch.positions, batch.view)
            ragged = isinstance(found, Ragged)
            values = torch.from_numpy(found.values if ragged else found).float()
            counts = torch.from_numpy(found.lengths) if ragged else None
        counted = ~values.flatten(1)[:, 0].isnan()
        values = standard(values.to(device, non_blocking=True))
        return items_of(on_grid(values, self._grid), counted, counts, self.loss.per)


def _parts(shared: Shared) -> tuple[Tensor, Tensor, Tensor | None]:
    """Values, which of them there are, and how many a row has."""
    if shared.words is None:
        return shared.values, torch.ones(len(shared.values), dtype=torch.bool), None
    return shared.values, shared.words.index >= 0, torch.from_numpy(shared.words.counts)


def _side_by_side(layers: Sequence[Items]) -> Tensor:
    return layers[0].values if len(layers) == 1 else torch.cat([one.values for one in layers], 1)
