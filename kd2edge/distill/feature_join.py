"""What joins a feature of the student to one of a teacher: the loss, and projectors in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from torch import nn

from kd2edge.distill.feature_form import Form, common_grid
from kd2edge.distill.features import FEATURE_LOSSES, ON_MAPS, PROJECTORS
from kd2edge.distill.loss import Loss, Need, Sizes
from kd2edge.distill.method import Method, made
from kd2edge.distill.settings import FeatureSpec
from kd2edge.errors import UsageError
from kd2edge.teacher.standards import STANDARDS, require_width

_KNOWN_NEEDS = frozenset({Need.STUDENT_FEATURES, Need.TEACHER_FEATURES, Need.ROWS, Need.COUNTS})


class Joint(NamedTuple):
    """A loss that is ready, and what comes before it.

    Args:
        projectors: one a layer.
        on_maps: whether they read the student's maps as they are, not items.
        grid: of maps whose places are compared one by one; None for other features.
    """

    projectors: nn.ModuleList
    on_maps: bool
    grid: tuple[int, int] | None


def loss_of(spec: FeatureSpec) -> Loss:
    """The loss of a feature.

    Raises:
        UsageError: it is not known, needs what a task has, or compares another number of layers.
    """
    if spec.standardise not in STANDARDS:
        known = ", ".join(sorted(STANDARDS))
        raise UsageError(
            f"{spec.place}: standardise {spec.standardise!r} is not known; choose one of {known}"
        )
    loss = made("features", FEATURE_LOSSES, spec.loss)
    foreign = loss.needs - _KNOWN_NEEDS
    if foreign:
        names = ", ".join(sorted(need.words for need in foreign))
        raise UsageError(f"features: loss {spec.loss.kind} needs {names}, which belong to one task")
    if {len(spec.sources), len(spec.targets)} != {loss.layers}:
        raise UsageError(
            f"{spec.place}: loss {spec.loss.kind} compares {_layers(loss.layers)} of the teacher"
            f" with as many of the student, found {len(spec.sources)} and {len(spec.targets)}"
        )
    if spec.projector is not None and spec.projector.kind != "none" and not loss.projects:
        raise UsageError(
            f"{spec.place}: loss {spec.loss.kind} compares relations, which a projector would learn"
            f" in the student's place; leave `projector` out, found {spec.projector.kind}"
        )
    return loss


def join(
    spec: FeatureSpec, loss: Loss, ours: Sequence[Form], theirs: Sequence[Form], rows: int
) -> Joint:
    """Prepare a loss for features of these forms, and make what stands between them.

    Args:
        spec: what is joined.
        loss: made by :func:`loss_of`.
        ours: the student's feature, a layer each.
        theirs: the teacher's.
        rows: of the training split.

    Raises:
        UsageError: features of different kinds, or widths that cannot be joined.
    """
    _require_alike(spec, loss, ours, theirs)
    method = _method(spec, loss)
    on_maps = method is not None and method.kind in ON_MAPS
    if method is not None and on_maps and not all(one.is_map for one in (*ours, *theirs)):
        raise UsageError(
            f"{spec.place}: projector {method.kind} reads maps; the teacher gives {theirs[0]}, the"
            f" student {ours[0]}; use linear"
        )
    per = "item" if on_maps else loss.per
    pairs = zip(ours, theirs, strict=True)
    grid = common_grid(theirs) if loss.per == "item" else None
    try:
        projectors = [_projector(method, one.width(per), other.width(per)) for one, other in pairs]
        for form in theirs:
            require_width(spec.standardise, form.shape[0])
        loss.prepare(_sizes(loss, ours, theirs, rows, grid))
    except ValueError as error:
        raise UsageError(f"{spec.place}: {error}") from error
    return Joint(nn.ModuleList(projectors), on_maps, grid)


def _method(spec: FeatureSpec, loss: Loss) -> Method | None:
    if not loss.projects:
        return None
    return Method("linear") if spec.projector is None else spec.projector


def _projector(method: Method | None, student: int, teacher: int) -> nn.Module:
    if method is None:
        return nn.Identity()
    return made("features", PROJECTORS, method, student, teacher)


def _sizes(
    loss: Loss,
    ours: Sequence[Form],
    theirs: Sequence[Form],
    rows: int,
    grid: tuple[int, int] | None,
) -> Sizes:
    teacher = tuple(form.width(loss.per) for form in theirs)
    student = teacher if loss.projects else tuple(form.width(loss.per) for form in ours)
    items = theirs[0].items(loss.per) if grid is None else grid[0] * grid[1]
    return Sizes(rows, student, teacher, items)


def _require_alike(
    spec: FeatureSpec, loss: Loss, ours: Sequence[Form], theirs: Sequence[Form]
) -> None:
    """Refuse items that do not correspond; rows always do."""
    kinds = {(form.per_word, len(form.shape)) for form in (*ours, *theirs)}
    if loss.per == "item" and len(kinds) > 1:
        given, own = (" and ".join(map(str, several)) for several in (theirs, ours))
        raise UsageError(f"{spec.place}: the teacher gives {given}, the student {own}")


def _layers(number: int) -> str:
    return "1 layer" if number == 1 else f"{number} layers"
