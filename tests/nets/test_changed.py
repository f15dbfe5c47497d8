"""What a module gives is changed for those behind it, and only inside the block."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from kd2edge.errors import UsageError
from kd2edge.nets.changed import changed
from nets.tiny import make_arrays, make_net


class Gives(nn.Module):
    """Whatever it is told to give."""

    def __init__(self, output: Any) -> None:
        super().__init__()
        self.output = output

    def forward(self) -> Any:
        return self.output


def test_the_first_of_several_values_is_changed_and_the_others_are_not() -> None:
    first, second = torch.ones(2), torch.zeros(2)
    module = Gives((first, second))
    with changed("it", module, lambda value: value + 1):
        one, other = module()
    assert one.tolist() == [2, 2]
    assert other is second
    assert module()[0] is first


@pytest.mark.parametrize("output", [{"a": torch.ones(1)}, (), ("a",), None])
def test_what_is_no_tensor_is_refused(output: Any) -> None:
    module = Gives(output)
    with changed("block.it", module, lambda value: value), pytest.raises(UsageError, match="block"):
        module()


def test_it_ends_with_the_block_also_after_an_error() -> None:
    net, arrays = make_net("static"), make_arrays("static")
    before = net(arrays)["left"]

    def zeros(value: Tensor) -> Tensor:
        return value * 0

    with net.changed("layers.0", zeros):
        assert torch.equal(net(arrays)["left"], net(arrays)["left"][:1].expand(3, -1))
    with pytest.raises(ValueError, match="stop"), net.changed("layers.0", zeros):
        raise ValueError("stop")
    assert torch.equal(net(arrays)["left"], before)


def test_a_path_that_is_not_there_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="the nearest are layers.0"):
        make_net("static").changed("layer.0", lambda value: value)
