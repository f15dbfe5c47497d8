"""A narrower transformer from the teacher's hidden channels that vary most."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kd2edge.errors import UsageError
from kd2edge.nets import Net, build_net
from kd2edge.student import hidden_channels
from nets.tiny import LEFT, MODELS, TEXT, VOCABULARY, make_arrays, make_net

_NORM = "embeddings.LayerNorm"
_WIDE = 16
#: Of the teacher of the same name: half the channels, one of two heads, half the units.
_NARROW: dict[str, dict[str, int]] = {
    "bert": {"hidden_size": 8, "num_attention_heads": 1, "intermediate_size": 12},
    "distilbert": {"dim": 8, "n_heads": 1, "hidden_dim": 12},
}
_FORMS = {
    "bert": (
        "encoder.layer",
        ("attention.self.query", "attention.self.key", "attention.self.value"),
        ("attention.output.dense", "attention.output.LayerNorm"),
        ("intermediate.dense", "output.dense", "output.LayerNorm"),
    ),
    "distilbert": (
        "transformer.layer",
        ("attention.q_lin", "attention.k_lin", "attention.v_lin"),
        ("attention.out_lin", "sa_layer_norm"),
        ("ffn.lin1", "ffn.lin2", "output_layer_norm"),
    ),
}
Arrays = dict[str, Tensor]


def narrow(model: str = "bert", **config: Any) -> Net:
    spec = MODELS[model]
    spec = replace(spec, config={**spec.config, **_NARROW.get(model, {}), **config})
    return build_net(spec, [TEXT], [LEFT], vocabulary=VOCABULARY, seed=2).eval()


def lively(model: str = "bert", seed: int = 1) -> Net:
    """A teacher in which no parameter is what a fresh one has."""
    net = make_net(model, seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.3 * torch.randn(parameter.shape, generator=generator)
    return net.eval()


def batches(count: int = 2) -> list[Arrays]:
    return [make_arrays("bert", batch=4, length=7 + at) for at in range(count)]


def start(student: Net, teacher: Net, layers: Any = (0, 1), **options: Any) -> Any:
    given = {"kept_ids": None, "batches": batches(), **options}
    return hidden_channels(student, teacher, layers=layers, **given)


def seen(net: Net, path: str, arrays: Arrays | None = None) -> np.ndarray:
    """What a module gives for each visible piece, ``[piece, width]``."""
    found: list[np.ndarray] = []
    for one in [arrays] if arrays is not None else batches():
        with torch.no_grad(), net.eval().capture([path]) as features:
            net(one)
        found.append(features[path][one["attention_mask"].bool()].double().numpy())
    return np.concatenate(found)


def weight(net: Net, path: str, name: str = "weight") -> np.ndarray:
    found = net.backbone.get_submodule(path).get_parameter(name)
    return found.detach().double().numpy()


@pytest.mark.parametrize("model", ["bert", "distilbert"])
def test_with_equal_sizes_the_student_says_what_the_teacher_says(model: str) -> None:
    teacher, student = lively(model), make_net(model, 2)
    mapped = start(student, teacher)
    assert mapped.explained == 1.0
    assert not mapped.by_values
    path = f"{_FORMS[model][0]}.1"
    np.testing.assert_allclose(seen(student, path), seen(teacher, path), atol=1e-5)
    ours, theirs = student.backbone.state_dict(), teacher.backbone.state_dict()
    assert all(torch.equal(one, theirs[name]) for name, one in ours.items())


def flat(model: str, kept: np.ndarray, constant: float) -> Net:
    """A teacher whose hidden states lie in the kept channels, where their mean is 0.

    The others are ``constant`` behind each norm and 0 in front of it.
    """
    net = lively(model)
    path, three, (out, middle), (up, down, last) = _FORMS[model]
    del three, up
    rest = np.setdiff1d(np.arange(_WIDE), kept)
    head, units = slice(0, 8), slice(0, 12)
    with torch.no_grad():
        for table in net.embeddings().values():
            centred(table.weight.T, kept)
        norms = [_NORM, *(f"{path}.{at}.{norm}" for at in range(2) for norm in (middle, last))]
        for name in norms:
            norm = net.backbone.get_submodule(name)
            norm.weight[kept], norm.weight[rest] = 1.25, 0.0
            centred(norm.bias, kept)
            norm.bias[rest] = constant
        for at in range(2):
            for name, used in ((out, head), (down, units)):
                linear = net.backbone.get_submodule(f"{path}.{at}.{name}")
                centred(linear.weight, kept)
                centred(linear.bias, kept)
                linear.weight[:, used.stop :] = 0.0  # the second head, and units, say nothing
                linear.bias[rest] = -constant
    return net


def centred(values: Tensor, kept: np.ndarray) -> None:
    """Bring ``[channel, ...]`` to a mean of 0 over the kept channels, and to 0 in the others."""
    part = values[kept] - values[kept].mean(0)
    values.zero_()
    values[kept] = part


@pytest.mark.parametrize("constant", [0.0, 0.75])
@pytest.mark.parametrize("model", ["bert", "distilbert"])
def test_of_a_teacher_that_lives_in_as_many_channels_nothing_is_lost(
    model: str, constant: float
) -> None:
    kept = np.array([1, 2, 5, 7, 8, 11, 12, 15])
    teacher, student = flat(model, kept, constant), narrow(model)
    mapped = start(student, teacher)
    assert mapped.explained == pytest.approx(1.0)
    assert mapped.by_values
    fresh_rows = make_arrays("bert", batch=5, length=9)
    for path in (_NORM, *(f"{_FORMS[model][0]}.{at}" for at in range(2))):
        for arrays in (None, fresh_rows):
            ours, theirs = seen(student, path, arrays), seen(teacher, path, arrays)
            np.testing.assert_allclose(ours, theirs[:, kept], atol=1e-5)


def test_the_channels_of_the_largest_variance_are_kept() -> None:
    teacher, student = lively(), narrow()
    mapped = start(student, teacher)
    norms = [_NORM, *(f"encoder.layer.{at}.{norm}" for at in range(2)
                      for norm in ("attention.output.LayerNorm", "output.LayerNorm"))]  # fmt: skip
    variance = sum(seen(teacher, norm).var(0) for norm in norms)
    kept = np.sort(np.argsort(-variance)[:8])
    for role in ("word", "position", "type", "casing"):
        ours, theirs = student.embeddings()[role].weight, teacher.embeddings()[role].weight
        np.testing.assert_array_equal(ours.detach(), theirs.detach()[:, kept])
    assert mapped.explained == pytest.approx(variance[kept].sum() / variance.sum())
    assert mapped.source == "layers 0, 1 and 8 of 16 channels and 12 of 24 hidden units"
    assert mapped.parts[-3:] == (_NORM, "encoder.layer.0", "encoder.layer.1")


def test_what_is_cut_off_counts_by_its_mean() -> None:
    """Each linear layer of the student is the teacher's with constants where it is cut."""
    teacher, student = lively(), narrow()
    start(student, teacher)
    table = teacher.embeddings()["word"].weight.detach().numpy()
    first = student.embeddings()["word"].weight.detach().numpy()[0]
    kept = np.array([int(np.argmin(np.abs(table[0] - value))) for value in first])
    rest = np.setdiff1d(np.arange(_WIDE), kept)
    layer = "encoder.layer.0."

    read = seen(teacher, layer + "attention.output.LayerNorm").mean(0)
    wide, bias = (
        weight(teacher, layer + "intermediate.dense"),
        weight(teacher, layer + "intermediate.dense", "bias"),
    )
    given = seen(teacher, layer + "output.dense:input")
    energy = (weight(teacher, layer + "output.dense")[kept] ** 2).sum(0) * given.var(0)
    units = np.sort(np.argsort(-energy)[:12])
    np.testing.assert_allclose(
        weight(student, layer + "intermediate.dense"), wide[np.ix_(units, kept)], rtol=1e-6
    )
    np.testing.assert_allclose(
        weight(student, layer + "intermediate.dense", "bias"),
        bias[units] + wide[np.ix_(units, rest)] @ read[rest],
        atol=1e-6,
    )

    context = seen(teacher, layer + "attention.output.dense:input")
    out = weight(teacher, layer + "attention.output.dense")
    energies = [
        ((context[:, head] - context[:, head].mean(0)) @ out[np.ix_(kept, head)].T).var(0).sum()
        for head in (np.arange(8), np.arange(8, 16))
    ]
    one, other = np.arange(8), np.arange(8, 16)
    head, left = (one, other) if energies[0] > energies[1] else (other, one)
    np.testing.assert_allclose(
        weight(student, layer + "attention.output.dense"), out[np.ix_(kept, head)], rtol=1e-6
    )
    np.testing.assert_allclose(
        weight(student, layer + "attention.output.dense", "bias"),
        weight(teacher, layer + "attention.output.dense", "bias")[kept]
        + out[np.ix_(kept, left)] @ context.mean(0)[left],
        atol=1e-6,
    )

    before = seen(teacher, layer + "output.LayerNorm:input")
    normal = (before - before.mean(1, keepdims=True)) / np.sqrt(
        before.var(1, keepdims=True) + 1e-12
    )
    scale, shift = (weight(teacher, layer + "output.LayerNorm", name)[kept]
                    for name in ("weight", "bias"))  # fmt: skip
    np.testing.assert_allclose(
        weight(student, layer + "output.LayerNorm"),
        scale * normal[:, kept].std(1).mean(),
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        weight(student, layer + "output.LayerNorm", "bias"),
        shift + scale * normal[:, kept].mean(1).mean(),
        atol=1e-5,
    )


def test_padding_is_not_looked_at() -> None:
    one, two = narrow(), narrow()
    padded = [
        {name: torch.nn.functional.pad(array, (0, 2)) for name, array in arrays.items()}
        for arrays in batches()
    ]
    start(one, lively())
    start(two, lively(), batches=padded)
    for name, value in one.backbone.state_dict().items():
        torch.testing.assert_close(value, two.backbone.state_dict()[name], atol=1e-6, rtol=1e-5)


def test_it_is_nearer_to_the_teacher_than_chance_is() -> None:
    teacher, student = lively(), narrow()
    table = teacher.embeddings()["word"].weight.detach().numpy()
    chance = narrow()
    start(student, teacher)
    first = student.embeddings()["word"].weight.detach().numpy()[0]
    kept = [int(np.argmin(np.abs(table[0] - value))) for value in first]
    wanted = seen(teacher, "encoder.layer.1")[:, kept]
    away = [np.square(seen(net, "encoder.layer.1") - wanted).mean() for net in (student, chance)]
    assert away[0] < 0.75 * away[1]


def test_words_follow_the_students_vocabulary_and_tables_may_start_alone() -> None:
    teacher = lively()
    spec = MODELS["bert"]
    student = build_net(
        replace(spec, config={**spec.config, **_NARROW["bert"]}), [TEXT], [LEFT], vocabulary=5
    )
    layer = student.backbone.get_submodule("encoder.layer.0").state_dict()
    before = {name: value.clone() for name, value in layer.items()}
    ids = np.array([7, 3, 39, 0, 1])
    mapped = start(student, teacher, layers=None, kept_ids=ids)
    variance = seen(teacher, _NORM).var(0)
    kept = np.sort(np.argsort(-variance)[:8])
    table = teacher.embeddings()["word"].weight.detach().numpy()
    np.testing.assert_array_equal(
        student.embeddings()["word"].weight.detach().numpy(), table[np.ix_(ids, kept)]
    )
    assert all(torch.equal(value, before[name]) for name, value in layer.items())
    assert mapped.source == "8 of 16 channels"


def test_rows_of_one_piece_and_dead_channels_give_finite_numbers() -> None:
    teacher, student = flat("bert", np.arange(4), 0.0), narrow()
    one = {name: array[:1, :1] for name, array in make_arrays("bert").items()}
    start(student, teacher, batches=[one])
    assert all(bool(value.isfinite().all()) for value in student.state_dict().values())
    loss = student(make_arrays("bert"))["left"].square().sum()
    loss.backward()
    assert all(
        bool(one.grad.isfinite().all()) for one in student.parameters() if one.grad is not None
    )


@pytest.mark.parametrize(
    ("student", "teacher", "layers", "message"),
    [
        ({"hidden_size": 32, "num_attention_heads": 4}, "bert", (0,), "hidden_size is 32"),
        ({"num_attention_heads": 2}, "bert", (0,), r"heads are 4 wide, the teacher's 8"),
        ({"intermediate_size": 48}, "bert", (0,), "intermediate_size is 48, the teacher's 24"),
        ({"hidden_act": "relu"}, "bert", (0,), "activation is relu, the teacher's gelu"),
        ({}, "distilbert", (0,), "of different forms"),
        ({}, "electra", (0,), "the teacher's tables are projected"),
        ({}, "conv", None, "found a teacher without embeddings.LayerNorm"),
        ({}, "bert", (5,), "the teacher has layers 0 to 1"),
        ({}, "bert", (0, 1, 0), "the student has 2 layers"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_moves(
    student: dict[str, Any], teacher: str, layers: Any, message: str
) -> None:
    net = narrow(**student)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(UsageError, match=message):
        start(net, make_net(teacher, 1), layers)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_a_student_of_another_family_is_refused() -> None:
    with pytest.raises(UsageError, match=r"found a student without embeddings.LayerNorm"):
        start(make_net("static"), make_net("bert"), None)
