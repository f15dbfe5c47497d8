from __future__ import annotations

import pytest
import torch

from kd2edge.errors import UsageError
from kd2edge.nets import Net
from kd2edge.student import MAPPINGS, copy_layers, init_from
from nets.tiny import make_net


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


def test_the_table_lists_every_mapping() -> None:
    assert sorted(MAPPINGS) == [
        "copy_layers",
        "output_embeddings",
        "svd_embeddings",
        "whole_net",
    ]
