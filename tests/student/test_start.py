"""Every parameter of a student is counted once, under what it was started from."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from kd2edge.nets import ModelSpec, Net, build_net
from kd2edge.student import Mapped, Start, init_from, start_of
from nets.tiny import IMAGE, LEFT, MODELS, TEXT, VOCABULARY, make_net

_MODELS = sorted(MODELS)


def _count(net: Net, path: str) -> int:
    return sum(one.numel() for one in net.module(path).parameters())


@pytest.mark.parametrize("model", _MODELS)
def test_without_a_mapping_all_of_it_is_from_chance(model: str) -> None:
    net = make_net(model)
    start = start_of(net, {}, "")
    assert (start.parts, start.started) == ((), 0)
    assert sum(start.fresh.values()) == start.parameters == net.parameter_count()
    assert start.fresh["heads"] == sum(one.numel() for one in net.heads.parameters())
    assert start.lines() == [f"all {net.parameter_count():,} parameters from chance"]


def test_parts_are_told_by_what_they_are_and_where_they_are_from() -> None:
    teacher, student = make_net("bert", 1), make_net("electra", 2)
    done = init_from(student, teacher, {"svd_embeddings": {}, "copy_layers": {"layers": [1]}})
    start = start_of(student, done, "big")
    tables, layers = start.parts
    width = 8
    table_rows = VOCABULARY + 16 + 2 + 7  # words, positions, types, casing
    assert tables.what == "word, position, type, casing embeddings, embeddings_project"
    assert tables.parameters == table_rows * width + _count(student, "embeddings_project")
    assert layers.what == "layer 0"
    assert layers.origin == "layer 1 of big"
    assert layers.parameters == _count(student, "encoder.layer.0")
    assert (layers.explained, layers.how) == (1.0, "copy_layers")
    assert start.fresh == {
        "embeddings.LayerNorm": 2 * width,
        "layer 1": _count(student, "encoder.layer.1"),
        "heads": sum(one.numel() for one in student.heads.parameters()),
    }
    assert start.started + sum(start.fresh.values()) == student.parameter_count()


def test_what_is_said_to_be_from_the_teacher_is_and_the_rest_is_not() -> None:
    """Against the values themselves: a teacher of ones, a student of zeros."""
    teacher, student = make_net("bert", 1), make_net("bert", 2)
    for net, value in ((teacher, 1.0), (student, 0.0)):
        for parameter in net.parameters():
            torch.nn.init.constant_(parameter, value)
    done = init_from(student, teacher, {"svd_embeddings": {}, "copy_layers": {"layers": [0]}})
    ones = sum(int((one == 1.0).sum()) for one in student.parameters())
    assert start_of(student, done, "big").started == ones


def test_rows_that_the_teacher_lacks_are_from_chance() -> None:
    longer = replace(
        MODELS["bert"], config={**MODELS["bert"].config, "max_position_embeddings": 20}
    )
    student = build_net(longer, [TEXT], [LEFT], vocabulary=VOCABULARY)
    done = init_from(student, make_net("bert", 1), {"svd_embeddings": {}})
    start = start_of(student, done, "big")
    assert start.fresh["position embeddings"] == 4 * 16


def test_what_a_later_mapping_writes_is_counted_as_its_own() -> None:
    net = make_net("bert")
    done = {"svd_embeddings": Mapped(("word",), 0.5), "output_embeddings": Mapped(("word",), 0.25)}
    (part,) = start_of(net, done, "big").parts
    assert (part.how, part.parameters) == ("output_embeddings", VOCABULARY * 16)


def test_a_whole_net_is_all_but_the_heads_that_it_lacks() -> None:
    student, other = make_net("bert", 2), make_net("bert", 1)
    done = init_from(student, other, {"whole_net": {"heads": False}})
    start = start_of(student, done, "runs/general")
    assert list(start.fresh) == ["heads"]
    (part,) = start.parts
    assert "layers 0-1" in part.what
    done = init_from(student, other, {"whole_net": {"heads": True}})
    start = start_of(student, done, "runs/general")
    assert not start.fresh
    assert start.lines()[0] == f"100.0 % of {student.parameter_count():,} parameters"


def test_what_is_not_known_yet_is_said_to_be_so() -> None:
    teacher, student = make_net("bert", 1), make_net("electra", 2)
    done = init_from(student, teacher, {"svd_embeddings": {}})
    known, unknown = start_of(student, done, "big"), start_of(student, done, "big", done)
    assert known.parts[0].explained == done["svd_embeddings"].explained
    assert unknown.parts[0].explained is None
    assert f"keeps {100 * done['svd_embeddings'].explained:.1f} %" in known.lines()[1]
    assert "how much that keeps is known in the run" in unknown.lines()[1]


@pytest.mark.parametrize(
    ("started", "said"),
    [
        (913, "< 0.1 %"),
        (1_300, "0.1 %"),
        (913_000, "91.3 %"),
        (999_999, "99.9 %"),
        (10**6, "100.0 %"),
    ],
)
def test_what_is_not_all_is_not_said_to_be(started: int, said: str) -> None:
    part = start_of(make_net("cnn"), {"a": Mapped(("stages.0",), 1.0)}, "big").parts[0]
    start = Start(10**6, (replace(part, parameters=started),), {"heads": 10**6 - started})
    assert start.lines()[0] == f"{said} of 1,000,000 parameters"


def test_neighbouring_layers_are_told_as_a_range() -> None:
    net = make_net("cnn-depthwise")
    done = {"a": Mapped(("stages.0", "stages.1"), 1.0)}
    (part,) = start_of(net, done, "big").parts
    assert part.what == "stages 0-1"
    assert "stage 2" in start_of(net, done, "big").fresh


def test_weights_that_the_model_names_itself_are_told_apart_from_the_teachers() -> None:
    teacher, student = make_net("bert", 1), make_net("bert", 2)
    student.model = replace(student.model, pretrained=True)
    start = start_of(student, init_from(student, teacher, {"copy_layers": {"layers": [1]}}), "big")
    own, layer = start.parts
    assert (own.how, own.origin) == ("source", "its own pretrained weights")
    assert own.parameters == _count(student, "embeddings") + _count(student, "encoder.layer.1")
    assert layer.parameters == _count(student, "encoder.layer.0")
    assert set(start.fresh) == {"casing embeddings", "heads"}


def test_of_several_inputs_each_has_its_own_parts() -> None:
    config = {**MODELS["cnn"].config, "hidden": 6}
    model = ModelSpec(
        "joint",
        encoders={"text": MODELS["bert"], "image": ModelSpec("cnn", config)},
        fusion={"kind": "concat", "hidden": 0},
    )
    teacher, student = (
        build_net(model, [TEXT, IMAGE], [LEFT], vocabulary={"text": VOCABULARY}, seed=seed)
        for seed in (1, 2)
    )
    mappings = {"svd_embeddings": {}, "copy_layers": {"layers": [0, 1]}, "conv_channels": {}}
    start = start_of(student, init_from(student, teacher, mappings), "big")
    _, layers, stages = start.parts
    text, image = (student.branches[name] for name in ("text", "image"))
    assert layers.parameters == sum(
        one.numel() for one in text.backbone.get_submodule("encoder").parameters()
    )
    assert stages.parameters == sum(one.numel() for one in image.parameters())
    assert set(start.fresh) == {"heads"}
