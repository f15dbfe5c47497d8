from __future__ import annotations

import pytest
import torch

from kd2edge.distill.freezing import freeze
from kd2edge.errors import UsageError
from kd2edge.nets import Net
from kd2edge.student import MAPPINGS, copy_layers, init_from
from nets.tiny import make_arrays, make_net


def _layer(net: Net, path: str) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in net.backbone.get_submodule(path).state_dict().items()}


def _equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(v, other[k]) for k, v in one.items())


@pytest.mark.parametrize(
    ("model", "path"),
    [("bert", "encoder.layer"), ("electra", "encoder.layer"), ("distilbert", "transformer.layer")],
)
def test_the_named_layers_are_copied_in_their_order(model: str, path: str) -> None:
    teacher, student = make_net(model, 1), make_net(model, 2)
    mapped = copy_layers(student, teacher, [1, 0])
    assert mapped.parts == (f"{path}.0", f"{path}.1")
    assert _equal(_layer(student, f"{path}.0"), _layer(teacher, f"{path}.1"))
    assert _equal(_layer(student, f"{path}.1"), _layer(teacher, f"{path}.0"))


def test_layers_that_are_not_named_stay_fresh() -> None:
    teacher, student = make_net("bert", 1), make_net("bert", 2)
    before = _layer(student, "encoder.layer.1")
    copy_layers(student, teacher, [1])
    assert _equal(_layer(student, "encoder.layer.1"), before)


def test_a_bert_can_start_an_electra_of_its_width() -> None:
    teacher, student = make_net("bert", 1), make_net("electra", 2)
    copy_layers(student, teacher, [0, 1])
    assert _equal(_layer(student, "encoder.layer.1"), _layer(teacher, "encoder.layer.1"))


def test_a_copy_is_a_copy() -> None:
    teacher, student = make_net("bert", 1), make_net("bert", 2)
    copy_layers(student, teacher, [0])
    before = _layer(teacher, "encoder.layer.0")
    torch.nn.init.zeros_(student.backbone.encoder.layer[0].output.dense.weight)
    assert _equal(_layer(teacher, "encoder.layer.0"), before)


@pytest.mark.parametrize(
    ("student", "layers", "message"),
    [
        ("bert", [0, 1, 1], "fewer than the 3"),
        ("bert", [2], r"0 to 1, not \[2\]"),
        ("bert", [-1], r"not \[-1\]"),
        ("distilbert", [0], "does not fit"),
        ("cnn", [0], "no list of layers"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_moves(
    student: str, layers: list[int], message: str
) -> None:
    net = make_net(student, 2)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(UsageError, match=message):
        copy_layers(net, make_net("bert", 1), layers)
    assert _equal(net.state_dict(), before)


def test_init_from_applies_each_mapping_and_says_what_it_did() -> None:
    teacher, student = make_net("bert", 1), make_net("electra", 2)
    done = init_from(student, teacher, {"svd_embeddings": {}, "copy_layers": {"layers": [1]}})
    assert list(done) == ["svd_embeddings", "copy_layers"]
    assert 0 < done["svd_embeddings"].explained < 1
    assert done["copy_layers"].parts == ("encoder.layer.0",)
    with pytest.raises(UsageError, match="svd_embedings.*svd_embeddings"):
        init_from(student, teacher, {"svd_embedings": {}})


def _far_from_its_start(net: Net) -> Net:
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.2 * torch.rand(parameter.shape, generator=generator)
    return net.eval()


def _seen(net: Net, path: str) -> torch.Tensor:
    with torch.no_grad(), net.eval().capture([path]) as features:
        net(make_arrays("bert"))
    return features[path]


@pytest.mark.parametrize("model", ["bert", "electra", "distilbert"])
def test_a_frozen_slice_of_the_teacher_gives_its_numbers_before_and_after_training(
    model: str,
) -> None:
    teacher, student = _far_from_its_start(make_net(model, 1)), make_net(model, 2)
    init_from(student, teacher, {"svd_embeddings": {}, "copy_layers": {"layers": [0]}})
    layer = "transformer.layer.0" if model == "distilbert" else "encoder.layer.0"
    frozen = ["embeddings", "adapter.casing", layer]
    frozen += ["embeddings_project"] if model == "electra" else []
    expected = _seen(teacher, layer)
    assert torch.equal(_seen(student, layer), expected)
    held = freeze(student, frozen)
    behind = _seen(student, "heads.left")
    student.train()
    for module in held:
        module.eval()
    trained = [one for one in student.parameters() if one.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.1, weight_decay=0.1)
    student(make_arrays("bert"))["left"].square().sum().backward()
    optimizer.step()
    assert torch.equal(_seen(student, layer), expected)
    assert not torch.equal(_seen(student, "heads.left"), behind)


def test_what_lies_behind_tables_is_taken_over_only_where_widths_are_equal() -> None:
    teacher = _far_from_its_start(make_net("bert", 1))
    equal, narrow = make_net("bert", 2), make_net("electra", 2)
    norm = _layer(narrow, "embeddings.LayerNorm")
    done = init_from(equal, teacher, {"svd_embeddings": {}})["svd_embeddings"]
    assert "embeddings.LayerNorm" in done.parts
    assert _equal(_layer(equal, "embeddings.LayerNorm"), _layer(teacher, "embeddings.LayerNorm"))
    init_from(narrow, teacher, {"svd_embeddings": {}})
    assert _equal(_layer(narrow, "embeddings.LayerNorm"), norm)


def test_the_table_lists_every_mapping() -> None:
    assert sorted(MAPPINGS) == [
        "conv_channels",
        "copy_layers",
        "hidden_channels",
        "output_embeddings",
        "svd_embeddings",
        "whole_net",
    ]


def test_a_word_copies_what_its_list_copies() -> None:
    one, two = make_net("bert", 2), make_net("bert", 2)
    mapped = copy_layers(one, make_net("bert", 1), "last")
    assert mapped == copy_layers(two, make_net("bert", 1), [0, 1])
    assert mapped.source == "layers 0, 1"
    assert _equal(one.state_dict(), two.state_dict())
