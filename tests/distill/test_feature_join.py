from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from distill.tiny import follow
from kd2edge.distill.feature_form import Form
from kd2edge.distill.feature_join import Joint, join, loss_of
from kd2edge.distill.features import FEATURE_LOSSES
from kd2edge.distill.loss import Loss
from kd2edge.distill.settings import FeatureSpec
from kd2edge.errors import UsageError

PAIR = (("a", "b"), ("c", "d"))
RELATIONS = sorted(kind for kind, loss in FEATURE_LOSSES.items() if not loss.projects)


def vector(width: int) -> Form:
    return Form((width,), False)


def joined(spec: FeatureSpec, ours: Form, theirs: Form) -> tuple[Joint, Loss]:
    loss = loss_of(spec)
    return join(spec, loss, [ours] * loss.layers, [theirs] * loss.layers, rows=9), loss


def test_vectors_are_projected_linearly_unless_the_recipe_says_otherwise() -> None:
    joint, _ = joined(follow("a", "b", "mse"), vector(3), vector(5))
    (layer,) = joint.projectors
    assert isinstance(layer, nn.Linear)
    assert layer.weight.shape == (5, 3)
    joint, _ = joined(follow("a", "b", "mse", projector="mlp"), vector(3), vector(5))
    assert isinstance(joint.projectors[0], nn.Sequential)


def test_relations_need_no_projector_and_no_equal_widths() -> None:
    assert RELATIONS == [
        "attention_relations", "attention_transfer", "cka", "crd", "relational", "similarity",
    ]  # fmt: skip
    for kind in RELATIONS:
        options = {"heads": 1} if kind == "attention_relations" else {}
        for projector in (None, "none"):
            spec = follow("a", "b", kind, projector=projector, **options)
            joint, _ = joined(spec, Form((3,), True), Form((5,), True))
            assert [*joint.projectors.parameters()] == []


@pytest.mark.parametrize("kind", RELATIONS)
def test_a_projector_that_would_learn_relations_is_refused(kind: str) -> None:
    with pytest.raises(UsageError, match=rf"a -> b: loss {kind} compares relations.*found mlp"):
        loss_of(follow("a", "b", kind, projector="mlp"))


def test_each_of_two_layers_has_its_own_projector() -> None:
    spec = follow(*PAIR, "fsp")
    ours, theirs = [vector(2), vector(3)], [vector(5), vector(7)]
    joint = join(spec, loss_of(spec), ours, theirs, rows=9)
    assert [one.weight.shape for one in joint.projectors] == [(5, 2), (7, 3)]


@pytest.mark.parametrize(
    ("sources", "targets", "loss"),
    [("a", "c", "fsp"), (*PAIR, "cosine"), (PAIR[0], "c", "fsp"), ("a", PAIR[1], "mse")],
)
def test_another_number_of_layers_is_refused(sources, targets, loss: str) -> None:
    with pytest.raises(UsageError, match=rf"loss {loss} compares [12] layers? of the teacher"):
        loss_of(follow(sources, targets, loss))


def test_items_correspond_but_rows_need_not() -> None:
    word, row = Form((4,), True), Form((6, 2, 2), False)
    for kind in ("relational", "crd", "queue_similarity", "similarity", "cka"):
        joined(follow("a", "b", kind), word, row)
    for kind in ("cosine", "mse", "normalised", "attention_transfer"):
        with pytest.raises(UsageError, match=r"teacher gives a map .* student a vector"):
            joined(follow("a", "b", kind), word, row)
    with pytest.raises(UsageError, match="the teacher gives a map"):
        joined(follow("a", "b", "similarity", per="item"), word, row)


def test_rows_as_wholes_are_as_wide_as_all_their_places() -> None:
    sizes = []

    class Keeping(Loss):
        needs = frozenset()
        per = "whole"

        def prepare(self, own) -> None:
            sizes.append(own)

        def forward(self, given) -> torch.Tensor:
            raise AssertionError

    spec, theirs = follow("a", "b"), Form((5, 2, 3), False)
    joint = join(spec, Keeping(), [Form((2, 3, 3), False)], [theirs], rows=9)
    assert joint.projectors[0].weight.shape == (30, 18)
    assert (sizes[0].rows, sizes[0].student, sizes[0].teacher, sizes[0].items) == (
        9,
        (30,),
        (30,),
        1,
    )


def test_convolutions_read_maps_alone() -> None:
    spec = follow("a", "b", projector="conv")
    joint, _ = joined(spec, Form((3, 4, 4), False), Form((5, 2, 2), False))
    assert joint.on_maps
    assert joint.grid == (2, 2)
    with pytest.raises(UsageError, match="projector conv reads maps.*use linear"):
        joined(spec, vector(3), vector(5))


def test_what_a_loss_refuses_names_the_place() -> None:
    with pytest.raises(UsageError, match=r"a -> b: attention_relations cuts .* into 12 heads"):
        joined(follow("a", "b", "attention_relations"), Form((4,), True), Form((6,), True))


def test_widths_without_a_hadamard_matrix_are_refused() -> None:
    spec = follow("a", "b", standardise="phi_s")
    joined(spec, vector(3), vector(12))
    with pytest.raises(UsageError, match="a -> b: standardise phi_s: no Hadamard .* 10.*z_score"):
        joined(spec, vector(3), vector(10))


def test_unknown_standards_are_named() -> None:
    spec = replace(follow("a", "b"), standardise="whiten")
    with pytest.raises(UsageError, match="'whiten' is not known; choose one of none, phi_s"):
        loss_of(spec)
