from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from kd2edge.errors import UsageError
from kd2edge.inputs.spec import ArraySpec, InputSpec
from kd2edge.nets import ModelSpec, build_net, flops, load_net, save_net
from kd2edge.tasks.spec import TaskName
from nets.tiny import (
    IMAGE,
    LARGER,
    LEFT,
    MODELS,
    NER,
    TEXT,
    TEXT_MODELS,
    VOCABULARY,
    is_text,
    make_arrays,
    make_net,
)

ALL = pytest.mark.parametrize("model", MODELS)


@ALL
def test_logits_have_the_shapes_that_the_specs_state(model: str) -> None:
    net, arrays = make_net(model), make_arrays(model)
    sizes = {"batch": 3, "text.length": 7}
    logits = net(arrays)
    assert list(logits) == [spec.name for spec in net.output_specs()]
    for spec in net.output_specs():
        assert logits[spec.name].shape == tuple(sizes.get(d, d) for d in spec.shape)
        assert logits[spec.name].dtype == torch.float32


@ALL
def test_array_specs_name_the_arrays_that_forward_takes(model: str) -> None:
    specs, arrays = make_net(model).array_specs(), make_arrays(model)
    assert {spec.name for spec in specs} == set(arrays)
    for spec in specs:
        assert str(arrays[spec.name].dtype) == f"torch.{spec.dtype}"
        assert len(spec.shape) == arrays[spec.name].ndim


@ALL
def test_every_parameter_gets_a_gradient(model: str) -> None:
    net = make_net(model)
    sum(value.square().sum() for value in net(make_arrays(model)).values()).backward()
    assert [name for name, value in net.named_parameters() if value.grad is None] == []


@ALL
def test_a_seed_fixes_the_weights_and_leaves_the_global_state_alone(model: str) -> None:
    torch.manual_seed(3)
    before = torch.random.get_rng_state()
    one, same, other = make_net(model, 1), make_net(model, 1), make_net(model, 2)
    assert torch.equal(before, torch.random.get_rng_state())
    weights = [dict(net.named_parameters()) for net in (one, same, other)]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    assert not all(torch.equal(value, weights[2][name]) for name, value in weights[0].items())


@pytest.mark.parametrize("model", TEXT_MODELS)
def test_padding_changes_no_logits(model: str) -> None:
    net, arrays = make_net(model), make_arrays(model, batch=1, length=5)
    padded = {name: torch.nn.functional.pad(value, (0, 4)) for name, value in arrays.items()}
    # Whatever stands under the padding: the mask alone decides.
    padded["input_ids"][:, 5:] = 9
    short, long = net(arrays), net(padded)
    torch.testing.assert_close(short["left"], long["left"], atol=1e-6, rtol=0)
    torch.testing.assert_close(short["ner"], long["ner"][:, :5], atol=1e-6, rtol=0)


@pytest.mark.parametrize("model", ["bert", "electra", "distilbert"])
def test_feeding_is_that_of_transformers(model: str) -> None:
    net, arrays = make_net(model), make_arrays(model)
    mask = arrays["attention_mask"]
    ours = net.features(arrays).sequences["text"]
    theirs = net.backbone(input_ids=arrays["input_ids"], attention_mask=mask).last_hidden_state
    torch.testing.assert_close(ours * mask[..., None], theirs * mask[..., None], atol=1e-6, rtol=0)


@ALL
def test_a_row_does_not_depend_on_its_neighbours(model: str) -> None:
    net, arrays = make_net(model), make_arrays(model)
    alone = net({name: value[1:2] for name, value in arrays.items()})["left"]
    torch.testing.assert_close(alone, net(arrays)["left"][1:2], atol=1e-6, rtol=0)


@pytest.mark.parametrize("model", TEXT_MODELS)
def test_a_row_of_padding_alone_gives_finite_logits(model: str) -> None:
    arrays = {name: torch.zeros_like(value) for name, value in make_arrays(model).items()}
    assert all(bool(value.isfinite().all()) for value in make_net(model)(arrays).values())


def test_a_fresh_casing_table_changes_nothing_and_then_learns() -> None:
    net, arrays = make_net("bert"), make_arrays("bert")
    without = {**arrays, "casing_ids": torch.zeros_like(arrays["casing_ids"])}
    assert torch.equal(net(arrays)["left"], net(without)["left"])
    torch.nn.init.ones_(net.embeddings()["casing"].weight[1:].detach())
    assert not torch.equal(net(arrays)["left"], net(without)["left"])


def test_the_pooling_decides_what_a_row_level_head_sees() -> None:
    mean, cls = make_net("bert"), make_net("bert-cls")
    cls.load_state_dict(mean.state_dict())
    arrays = make_arrays("bert", batch=1)
    assert not torch.allclose(mean(arrays)["left"], cls(arrays)["left"])
    assert torch.equal(mean(arrays)["ner"], cls(arrays)["ner"])


@ALL
def test_capture_gives_outputs_by_path_and_removes_its_hooks(model: str) -> None:
    net, arrays = make_net(model), make_arrays(model)
    paths = {
        "bert": "encoder.layer.1",
        "bert-cls": "encoder.layer.1",
        "electra": "encoder.layer.1",
        "distilbert": "transformer.layer.1",
        "resnet": "encoder.stages.1",
        "cnn": "stages.1",
        "cnn-depthwise": "stages.2",
        "static": "word_embeddings",
        "static-both": "word_embeddings",
        "conv": "layers.1",
        "conv-depthwise": "layers.1",
    }
    with net.capture([paths[model]]) as features:
        net(arrays)
    kept = features[paths[model]]
    assert kept.requires_grad
    assert kept.shape[:2] == ((3, 7) if is_text(model) else (3, 8))
    features.clear()
    net(arrays)
    assert features == {}


@ALL
def test_capture_sees_heads_under_their_tasks_names_and_what_they_are_given(model: str) -> None:
    net, arrays = make_net(model), make_arrays(model)
    with net.capture(["heads.left", "heads.left.dropout:input"]) as features:
        logits = net(arrays)
    head = net.heads["left"]
    assert isinstance(head, torch.nn.Module)
    assert torch.equal(features["heads.left"], logits["left"])
    assert torch.equal(head.linear(features["heads.left.dropout:input"]), logits["left"])
    (gradient,) = torch.autograd.grad(logits["left"].sum(), features["heads.left.dropout:input"])
    assert gradient.shape == (3, net.adapter.width)


def test_capture_finds_heads_whose_names_torch_does_not_take() -> None:
    task = replace(LEFT, name=TaskName("a.values"))
    net = build_net(MODELS["cnn"], [IMAGE], [task]).eval()
    with net.capture(["heads.a.values", "heads.a.values.linear:input"]) as features:
        logits = net(make_arrays("cnn"))
    assert torch.equal(features["heads.a.values"], logits["a.values"])
    assert len(features) == 2


def test_capture_of_an_unknown_path_names_the_nearest() -> None:
    with (
        pytest.raises(UsageError, match=r"encoder\.layer\.7.*encoder\.layer\.[01]"),
        make_net("bert").capture(["encoder.layer.7"]),
    ):
        pass


def test_counts_are_those_of_the_tables_and_weights() -> None:
    net = make_net("electra")
    tables = 8 * (VOCABULARY + 16 + 2 + 7)  # word, position, type, casing
    assert net.embedding_parameter_count() == tables
    assert net.parameter_count() == sum(p.numel() for p in net.parameters())
    heads = sum(p.numel() for p in net.heads.parameters())
    assert sum(p.numel() for p in net.shared_parameters()) == net.parameter_count() - heads


def test_a_vocabulary_sizes_the_table_and_every_piece_learns() -> None:
    table = make_net("bert").embeddings()["word"]
    assert table.num_embeddings == VOCABULARY
    assert table.padding_idx is None


def test_flops_grow_with_the_batch_and_count_attention() -> None:
    net = make_net("bert")
    one, two = (flops(net, make_arrays("bert", batch=n)) for n in (1, 2))
    assert two == 2 * one > 0
    # Of twice the length, attention scores cost four times as much: more than double in all.
    assert flops(net, make_arrays("bert", 1, 14)) > 2 * one
    assert not net.training


def test_normalisation_is_that_of_the_input_spec() -> None:
    net = make_net("cnn")
    seen = []
    net.backbone.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    pixels = make_arrays("cnn")["pixel_values"]
    net({"pixel_values": pixels})
    torch.testing.assert_close(seen[0], (pixels / 255 - 0.2) / 0.4, atol=1e-6, rtol=1e-6)


def test_a_grid_keeps_left_and_right_apart() -> None:
    arrays = make_arrays("cnn")
    mirrored = {"pixel_values": arrays["pixel_values"].flip(3)}
    grid = make_net("cnn")
    assert grid.adapter.width == 16
    assert not torch.allclose(grid(arrays)["left"], grid(mirrored)["left"], atol=1e-3)


def test_a_hidden_layer_stands_before_the_heads() -> None:
    net, arrays = make_net("cnn-depthwise"), make_arrays("cnn-depthwise")
    assert net.adapter.width == 6
    hidden = net.adapter(net.backbone, arrays).pooled
    assert hidden.shape == (3, 6)
    assert bool((hidden >= 0).all())
    one_row = {name: value[:1] for name, value in arrays.items()}
    assert bool(net.train()(one_row)["left"].isfinite().all())


def test_a_prefix_stands_before_the_array_names() -> None:
    spec = replace(TEXT, options={**TEXT.options, "prefix": "query_"})
    net = build_net(MODELS["bert"], [spec], [LEFT], vocabulary=VOCABULARY).eval()
    arrays = {f"query_{name}": value for name, value in make_arrays("bert").items()}
    assert {item.name for item in net.array_specs()} == set(arrays)
    assert net(arrays)["left"].shape == (3, 3)


ODD = ("type", "values", "to", "training", "a.b", "a-db", "-a-db", "-type")


def test_a_task_may_have_any_name_and_ordinary_ones_name_their_weights(tmp_path: Path) -> None:
    tasks = [replace(LEFT, name=TaskName(name)) for name in ("left", *ODD)]
    net = build_net(MODELS["cnn"], [IMAGE], tasks).eval()
    logits = net(make_arrays("cnn"))
    assert list(logits) == ["left", *ODD] == [spec.name for spec in net.output_specs()]
    assert len(net.heads) == len(tasks)
    assert [name for name in net.state_dict() if name.startswith("heads.left.")]
    save_net(net, tmp_path / "odd")
    again = load_net(tmp_path / "odd")(make_arrays("cnn"))
    assert all(torch.equal(logits[name], again[name]) for name in logits)


def test_output_specs_of_each_kind() -> None:
    assert make_net("bert").output_specs() == (
        ArraySpec("left", "float32", ("batch", 3)),
        ArraySpec("larger", "float32", ("batch", 1)),
        ArraySpec("ner", "float32", ("batch", "text.length", 3)),
    )


def _bad(model: str, **config: object) -> ModelSpec:
    return replace(MODELS[model], config={**MODELS[model].config, **config})


@pytest.mark.parametrize(
    ("model", "spec", "message"),
    [
        (ModelSpec("resnet"), IMAGE, "there are cnn for image"),
        (ModelSpec("cnn"), TEXT, "does not take input text"),
        (ModelSpec("cnn"), IMAGE, "needs channels"),
        (_bad("cnn", chanels=[4]), IMAGE, "did you mean 'channels'"),
        (_bad("cnn", channels=[4, 0]), IMAGE, "whole numbers"),
        (_bad("cnn", strides=[1]), IMAGE, "expected 2 strides"),
        (_bad("cnn", kernel=2), IMAGE, "odd"),
        (_bad("cnn", kernel="three"), IMAGE, "kernel must be a whole number, found 'three'"),
        (_bad("cnn", depthwise="no"), IMAGE, "depthwise must be true or false, found 'no'"),
        (_bad("cnn", channels=[4, True]), IMAGE, "whole numbers"),
        (_bad("cnn", activation="gelu"), IMAGE, "relu"),
        (_bad("cnn", pool=[9, 9]), IMAGE, "does not fit"),
        (_bad("cnn", hidden=-1), IMAGE, "whole number of units"),
        (_bad("cnn", channels=[4] * 4, kernel=1, strides=[40] * 4, pool=[1, 2]), IMAGE, "fit"),
        (_bad("cnn", pool="2x2"), IMAGE, "rows, columns"),
        (_bad("resnet", depth=[1, 1]), IMAGE, "did you mean 'depths'"),
        (_bad("bert", hiden_size=16), TEXT, "did you mean 'hidden_size'"),
        (_bad("bert", model_type="gpt2"), TEXT, "expected one of"),
        (_bad("bert", num_attention_heads=3), TEXT, "model config of bert.*16.*3"),
        (_bad("bert", hidden_size="wide"), TEXT, "model config of bert.*hidden_size"),
        (_bad("bert", hidden_act="swoosh"), TEXT, "model config of bert.*swoosh"),
        (_bad("resnet", layer_type="thin"), IMAGE, "model config of resnet"),
        (_bad("bert", max_position_embeddings=8), TEXT, "max_length 16"),
        (replace(MODELS["bert"], pooling="max"), TEXT, "pooling"),
        (replace(MODELS["bert"], dropout=1.0), TEXT, "dropout"),
        (replace(MODELS["bert"], pretrained=True), TEXT, "pretrained"),
        (MODELS["cnn"], replace(IMAGE, options={"channels": 1}), "size"),
        (MODELS["cnn"], replace(IMAGE, options={**IMAGE.options, "std": 0}), "std"),
        (MODELS["cnn"], replace(IMAGE, options={**IMAGE.options, "mean": [1, 2]}), "1 values"),
        (MODELS["cnn"], replace(IMAGE, kind="sound"), "sound"),
    ],
)
def test_a_spec_that_does_not_fit_is_refused(
    model: ModelSpec, spec: InputSpec, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        build_net(model, [spec], [LEFT])


def test_tasks_that_do_not_fit_are_refused() -> None:
    with pytest.raises(UsageError, match="ner.*text or tokens"):
        build_net(MODELS["cnn"], [IMAGE], [NER])
    with pytest.raises(UsageError, match="at least one task"):
        build_net(MODELS["cnn"], [IMAGE], [])
    with pytest.raises(UsageError, match="a single one: state `encoders`"):
        build_net(MODELS["cnn"], [IMAGE, IMAGE], [LEFT])
    with pytest.raises(UsageError, match="no head"):
        build_net(MODELS["cnn"], [IMAGE], [replace(LARGER, kind="boxes")])
