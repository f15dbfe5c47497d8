"""A CNN with fewer channels from those of the teacher's with the largest kernels."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from kd2edge.errors import UsageError
from kd2edge.nets import Net, build_net
from kd2edge.student import conv_channels
from nets.tiny import IMAGE, LEFT, MODELS, make_arrays, make_net


def net_of(model: str = "cnn", seed: int = 1, **config: Any) -> Net:
    """Batch norms have statistics of their own, and no parameter is what a fresh one has."""
    spec = MODELS[model]
    spec = replace(spec, config={**spec.config, **config})
    net = build_net(spec, [IMAGE], [LEFT], seed=seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter += 0.2 * torch.randn(parameter.shape, generator=generator)
        net.train()(make_arrays("cnn", batch=8))
    return net.eval()


def seen(net: Net, path: str) -> Tensor:
    with torch.no_grad(), net.capture([path]) as features:
        net(make_arrays("cnn"))
    return features[path]


def weight(net: Net, path: str) -> np.ndarray:
    found = net.backbone.get_submodule(path).get_parameter("weight")
    return found.detach().double().numpy()


def largest(kernels: np.ndarray, count: int) -> np.ndarray:
    norms = np.abs(kernels).reshape(len(kernels), -1).sum(1)
    return np.sort(np.argsort(-norms, kind="stable")[:count])


@pytest.mark.parametrize("model", ["cnn", "cnn-depthwise"])
def test_with_equal_sizes_the_student_is_the_teachers_trunk(model: str) -> None:
    teacher, student = net_of(model), make_net(model, 2)
    mapped = conv_channels(student, teacher)
    assert (mapped.explained, mapped.by_values) == (1.0, False)
    ours, theirs = student.backbone.state_dict(), teacher.backbone.state_dict()
    assert all(torch.equal(one, theirs[name]) for name, one in ours.items())
    last = f"stages.{len(student.backbone.get_submodule('stages')) - 1}"
    assert torch.equal(seen(student, last), seen(teacher, last))
    assert ("adapter.hidden" in mapped.parts) == (model == "cnn-depthwise")


def test_filters_of_the_largest_sum_are_kept_and_their_channels_in_what_reads_them() -> None:
    teacher, student = net_of(channels=[6, 10]), net_of(seed=2, channels=[3, 4])
    mapped = conv_channels(student, teacher)
    first, second = weight(teacher, "stages.0.0"), weight(teacher, "stages.1.0")
    kept = largest(first, 3)
    behind = largest(second[:, kept], 4)  # greedy: of what is kept in front of it
    np.testing.assert_allclose(weight(student, "stages.0.0"), first[kept])
    np.testing.assert_allclose(weight(student, "stages.1.0"), second[behind][:, kept])
    for path, channels in (("stages.0.1", kept), ("stages.1.1", behind)):
        ours, theirs = (net.backbone.get_submodule(path) for net in (student, teacher))
        for name in ("weight", "bias", "running_mean", "running_var"):
            assert torch.equal(getattr(ours, name), getattr(theirs, name)[channels])
    share = np.abs(first[kept]).sum() + np.abs(second[behind][:, kept]).sum()
    assert mapped.explained == pytest.approx(share / (np.abs(first).sum() + np.abs(second).sum()))
    assert mapped.source == "7 of 16 channels"
    assert mapped.parts == ("stages.0", "stages.1")


def test_the_paper_counts_what_is_left_of_a_filter() -> None:
    """A filter that is large on a channel that went is small."""
    teacher, student = net_of(channels=[2, 2]), net_of(seed=2, channels=[1, 1])
    with torch.no_grad():
        first, second = (teacher.backbone.get_submodule(f"stages.{at}.0").weight for at in (0, 1))
        first[0], first[1] = 1.0, 0.5
        second[:] = 0.0
        second[0, 1], second[1, 0] = 9.0, 1.0
    conv_channels(student, teacher)
    np.testing.assert_array_equal(weight(student, "stages.1.0")[0, 0], np.ones((3, 3)))


@pytest.mark.parametrize("model", ["cnn", "cnn-depthwise"])
def test_channels_that_are_always_0_are_no_loss(model: str) -> None:
    config = {"channels": [6, 8, 9], "hidden": 6}
    teacher = net_of(model, **config)
    used = [[0, 2, 5], [1, 3, 4, 7], [2, 3, 8]]
    with torch.no_grad():
        for at, channels in enumerate(used):
            modules = list(teacher.backbone.get_submodule(f"stages.{at}").children())
            conv, norm = modules[-3], modules[-2]
            left = np.setdiff1d(np.arange(len(norm.weight)), channels)
            conv.weight[left] = 0.0
            norm.weight[left] = norm.bias[left] = 0.0
            if at and len(modules) > 3:  # the depthwise half has the channels in front of it
                before = np.setdiff1d(np.arange(len(modules[1].weight)), used[at - 1])
                modules[1].weight[before] = modules[1].bias[before] = 0.0
    student = net_of(model, seed=2, **{**config, "channels": [3, 4, 3]})
    mapped = conv_channels(student, teacher)
    torch.testing.assert_close(
        seen(student, "stages.2"), seen(teacher, "stages.2")[:, used[2]], atol=1e-5, rtol=1e-5
    )
    assert "adapter.hidden" in mapped.parts
    torch.testing.assert_close(
        seen(student, "heads.left.dropout:input"),
        seen(teacher, "heads.left.dropout:input"),
        atol=1e-5,
        rtol=1e-5,
    )


def test_a_hidden_layer_behind_another_grid_or_a_larger_one_stays_fresh() -> None:
    teacher = net_of(hidden=6)
    for config in ({"pool": [2, 1]}, {"hidden": 7}, {"hidden": 0}):
        student = net_of(seed=2, **{"hidden": 6, **config})
        before = {name: value.clone() for name, value in student.adapter.state_dict().items()}
        assert "adapter.hidden" not in conv_channels(student, teacher).parts
        after = student.adapter.state_dict()
        assert all(torch.equal(value, after[name]) for name, value in before.items())


def test_a_smaller_hidden_layer_has_the_largest_units() -> None:
    teacher, student = net_of(hidden=6), net_of(seed=2, hidden=2)
    conv_channels(student, teacher)
    ours, theirs = (net.adapter.get_submodule("hidden.linear").weight.detach().double().numpy()
                    for net in (student, teacher))  # fmt: skip
    np.testing.assert_allclose(ours, theirs[largest(theirs, 2)])


def test_kernels_of_zeros_start_a_net_that_is_finite() -> None:
    teacher, student = net_of(), net_of(seed=2, channels=[2, 2])
    with torch.no_grad():
        for at in (0, 1):
            teacher.backbone.get_submodule(f"stages.{at}.0").weight.zero_()
    assert conv_channels(student, teacher).explained == 1.0
    student.train()(make_arrays("cnn"))["left"].square().sum().backward()
    assert all(
        bool(one.grad.isfinite().all()) for one in student.parameters() if one.grad is not None
    )


@pytest.mark.parametrize(
    ("student", "teacher", "message"),
    [
        (("cnn", {"channels": [4, 9]}), "cnn", "has 9 channels, the teacher's 8"),
        (("cnn", {"channels": [4]}), "cnn", "of different forms"),
        (("cnn", {"strides": [1, 2]}), "cnn", r"of different forms \(convolution of \(3, 3\), str"),
        (("cnn", {"kernel": 5}), "cnn", r"of different forms"),
        (("cnn", {"activation": "relu6"}), "cnn", r"\(ReLU6 and ReLU\)"),
        (("cnn-depthwise", {}), "cnn", "of different forms"),
        (("cnn", {}), "resnet", "found 0 in the teacher"),
        (("cnn", {}), "bert", "found 0 in the teacher"),
        (("resnet", {}), "cnn", "found 0 in the student"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_moves(
    student: tuple[str, dict[str, Any]], teacher: str, message: str
) -> None:
    model, config = student
    net = net_of(model, seed=2, **config)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(UsageError, match=message):
        conv_channels(net, make_net(teacher, 1))
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_images_of_other_channels_are_refused() -> None:
    colour = replace(
        IMAGE, options={**IMAGE.options, "channels": 3, "mean": [0.2] * 3, "std": [0.4] * 3}
    )
    teacher = build_net(MODELS["cnn"], [colour], [LEFT])
    with pytest.raises(UsageError, match="images have 1 channels, the teacher's 3"):
        conv_channels(make_net("cnn"), teacher)
