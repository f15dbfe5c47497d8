"""A side input of the student: cached features of a teacher, which fade out.

At a module of the student, ``h' = h + s(t) P f``: ``f`` is the teacher's feature of the row (or the
word), ``P`` a linear map without bias and ``s`` a share that falls from ``first`` to 0 over the
first part of the steps.  The student is trained in the company of what the teacher knows and ends
on its own: from then on, and whenever it is only asked, nothing is added, and what is exported is
the plain net.

The form is ours.  Close to it are BERT-of-Theseus (Xu et al. 2020, 2002.02925), whose modules of
the teacher stand in for the student's by a chance that a curriculum lets fall, and learning with
privileged information (Lopez-Paz et al. 2016, 1511.03643), which is there in training alone.  That
``P`` starts at zero, so that the first step sees the net as it is, is the zero convolution of
ControlNet (Zhang et al. 2023, 2302.05543).
"""

from __future__ import annotations

import math
from typing import final

import torch
from torch import Tensor, nn

from kd2edge.data.batch import Batch
from kd2edge.distill.feature_form import Form
from kd2edge.distill.knowledge import Knowledge, feature_of
from kd2edge.distill.schedule import Time
from kd2edge.distill.settings import FeedSpec
from kd2edge.errors import UsageError
from kd2edge.teacher.features import words_at
from kd2edge.teacher.standards import STANDARDS, require_width, standard_of


@final
class Feed(nn.Module):
    """What is added to one module's output in training.

    Raises:
        UsageError: the teacher or its feature is not there, or the standardisation is not known.
    """

    def __init__(self, spec: FeedSpec, knowledge: Knowledge) -> None:
        super().__init__()
        cache = knowledge.caches.get(spec.teacher)
        if cache is None or spec.source not in cache.features:
            raise UsageError(
                f"{spec.place}: no feature {spec.source!r} of a teacher {spec.teacher!r} is cached"
            )
        if spec.standardise not in STANDARDS:
            known = ", ".join(sorted(STANDARDS))
            raise UsageError(
                f"{spec.place}: standardise {spec.standardise!r} is not known; choose one of"
                f" {known}"
            )
        self.target = spec.target
        self._spec = spec
        self._cache = cache
        self.standard: nn.Module = nn.Identity()
        self.projector: nn.Module = nn.Identity()

    def prepare(self, feature: Tensor) -> None:
        """Make the projector for the width of the student's ``feature``.

        Raises:
            UsageError: a feature that the teacher's cannot be added to.
        """
        spec, cache = self._spec, self._cache
        theirs = Form(cache.feature_shape(spec.source), cache.is_per_word(spec.source))
        width = width_to_feed(spec, theirs, feature)
        self.standard = standard_of(spec.standardise, cache, spec.source)
        self.projector = nn.Linear(theirs.shape[0], width, bias=False)
        nn.init.zeros_(self.projector.weight)

    def share(self, time: Time) -> float:
        """How much of it is added at a step: ``first`` at the first, 0 from ``until`` on."""
        spec = self._spec
        gone = time.step / (spec.until * max(time.steps, 1))
        if gone >= 1:
            return 0.0
        left = 1 - gone if spec.shape == "linear" else (1 + math.cos(math.pi * gone)) / 2
        return spec.first * left

    def forward(self, feature: Tensor, batch: Batch, share: float) -> Tensor:
        """The student's feature with the teacher's beside it, in the form that it has.

        Args:
            feature: ``[batch, width]``, ``[batch, length, width]`` or ``[batch, width, h, w]``.
            batch: the rows, on the CPU.
            share: of what is added.
        """
        values = feature_of(self._cache, self._spec.source, batch, self.target)
        counted = ~values[:, 0].isnan()  # [row] or [word]
        values = values.nan_to_num().to(feature.device, non_blocking=True)
        with torch.autocast(feature.device.type, enabled=False):
            added = share * self.projector(self.standard(values))  # [row or word, width]
        if self._cache.is_per_word(self._spec.source):
            added = self._at_words(added, counted, feature, batch)
        else:
            added = added * counted.to(added)[:, None]
            if feature.dim() == 3:  # at every position
                added = added[:, None]
            elif feature.dim() == 4:  # at every place
                added = added[:, :, None, None]
        return feature + added.to(feature.dtype)

    def _at_words(self, added: Tensor, counted: Tensor, feature: Tensor, batch: Batch) -> Tensor:
        """Each word's vector at its first sub-word, zeros elsewhere."""
        index = words_at(self.target, batch).index
        kept = torch.nonzero(counted & (index >= 0)).flatten()
        flat = added.new_zeros(feature.shape[0] * feature.shape[1], added.shape[1])
        where, which = index[kept].to(flat.device), kept.to(flat.device)
        return flat.index_copy(0, where, added[which]).view(*feature.shape[:2], -1)


def width_to_feed(spec: FeedSpec, theirs: Form, feature: Tensor) -> int:
    """The width of the student's ``feature``, to which a teacher's of form ``theirs`` is added.

    Raises:
        UsageError: maps of a teacher, words that are added to what has none, or a width that the
            standardisation has no matrix for.
    """
    if theirs.is_map:
        raise UsageError(
            f"{spec.place}: the teacher gives {theirs}, and vectors are fed: name a module behind"
            " its pooling"
        )
    if feature.dim() not in (2, 3, 4) or (theirs.per_word and feature.dim() != 3):
        wanted = "a sequence of words" if theirs.per_word else "a vector, a sequence or a map"
        raise UsageError(
            f"{spec.place}: the teacher gives {theirs}, which is added to {wanted}; the student"
            f" gives {list(feature.shape)}"
        )
    try:
        require_width(spec.standardise, theirs.shape[0])
    except ValueError as error:
        raise UsageError(f"{spec.place}: {error}") from error
    return feature.shape[1 if feature.dim() == 4 else -1]
