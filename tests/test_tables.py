"""What a recipe may name and what there is are the same, method by method."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args

import pytest

from kd2edge.data.augment import AUGMENTATIONS
from kd2edge.distill.balance import BALANCERS
from kd2edge.distill.features import FEATURE_LOSSES, PROJECTORS
from kd2edge.distill.logits import LOGIT_LOSSES
from kd2edge.distill.long_tail import LONG_TAILS
from kd2edge.distill.schedules import SCHEDULES
from kd2edge.distill.tasks import HARD_LOSSES
from kd2edge.engines import ENGINES
from kd2edge.export.targets.kinds import TARGETS
from kd2edge.inputs import INPUT_KINDS
from kd2edge.metrics import METRICS
from kd2edge.nets.backbones.kinds import BACKBONES
from kd2edge.nets.fusion import FUSIONS
from kd2edge.nets.heads import HEADS
from kd2edge.pipeline.steps.cheap import REFERENCES
from kd2edge.recipe.schema import Input, Model, Source, Task
from kd2edge.recipe.schema.balance import Balance
from kd2edge.recipe.schema.choices import kind_of, members
from kd2edge.recipe.schema.features import FeatureLoss, Projector
from kd2edge.recipe.schema.inputs import Augment
from kd2edge.recipe.schema.joins import Join
from kd2edge.recipe.schema.logits import LogitLoss
from kd2edge.recipe.schema.long_tail import LongTail
from kd2edge.recipe.schema.made import Make
from kd2edge.recipe.schema.models import Fusion
from kd2edge.recipe.schema.reference import Reference
from kd2edge.recipe.schema.schedules import AlphaSchedule, TemperatureSchedule
from kd2edge.recipe.schema.ship import Precision, Target
from kd2edge.rows.kinds import ROW_KINDS
from kd2edge.rows.made import MAKERS
from kd2edge.runtime.backends.table import BACKENDS
from kd2edge.tasks import TASK_KINDS
from kd2edge.teacher.joins import JOINS

FAMILIES = {family for family, _ in BACKBONES} | {"joint"}


def kinds(union: Any, key: str = "kind") -> set[str]:
    """The words that a recipe may write for one of its unions of methods."""
    return {kind_of(part, key) for part in members(get_args(union)[0])}


@pytest.mark.parametrize(
    ("words", "table"),
    [
        (kinds(LogitLoss), LOGIT_LOSSES),
        (kinds(AlphaSchedule) | kinds(TemperatureSchedule), SCHEDULES),
        (kinds(FeatureLoss), FEATURE_LOSSES),
        (kinds(Projector), PROJECTORS),
        (kinds(Balance), BALANCERS),
        (kinds(LongTail), LONG_TAILS),
        (kinds(Reference), REFERENCES),
        (kinds(Join) - {"none"}, JOINS),
        (kinds(Augment), AUGMENTATIONS),
        (kinds(Task), TASK_KINDS),
        (kinds(Input), INPUT_KINDS),
        (kinds(Source), ROW_KINDS),
        (kinds(Make), MAKERS),
        (kinds(Model, "family"), FAMILIES),
        (kinds(Fusion) | {"single"}, FUSIONS),
        (set(get_args(Target)), TARGETS),
    ],
    ids=lambda one: "",
)
def test_a_recipe_can_name_exactly_what_there_is(words: set[str], table: Iterable[str]) -> None:
    assert words == set(table)


def test_rows_take_the_options_of_their_part_of_the_recipe() -> None:
    for part in members(get_args(Source)[0]):
        named = part.model_fields.get("options")
        if named is not None and isinstance(named.annotation, type):
            assert set(named.annotation.model_fields) <= set(ROW_KINDS[kind_of(part, "kind")]), part


def test_both_halves_have_every_kind() -> None:
    assert set(TASK_KINDS) == set(HEADS) == set(HARD_LOSSES)
    modules = {loss.__module__.rpartition(".")[2] for loss in HARD_LOSSES.values()}
    assert modules <= set(TASK_KINDS)  # each stands in the file of its kind
    assert set(INPUT_KINDS) == {kind for _, kind in BACKBONES}
    assert set(TARGETS) == set(ENGINES)
    assert len(BACKENDS) == len(ENGINES)


def test_every_precision_of_a_recipe_is_made_by_some_target() -> None:
    made = {precision for one in ENGINES.values() for precision in one.precisions}
    assert made == set(get_args(Precision))


def test_metrics_and_task_kinds_know_each_other() -> None:
    for name, metric in METRICS.items():
        assert set(metric.kinds) <= set(TASK_KINDS), name
    for name, kind in TASK_KINDS.items():
        assert kind.default_metrics
        for one in kind.default_metrics:
            assert name in METRICS[one].kinds, (name, one)
