"""Which device, and in which arithmetic."""

from __future__ import annotations

import pytest
import torch

from kd2edge.data.device import device_of, full_fp32
from kd2edge.errors import BackendError


def allowed() -> tuple[bool, bool]:
    return torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32


def test_fp32_on_a_gpu_is_fp32_and_what_the_caller_had_comes_back():
    # Seen on an H100: logits of fp32 convolutions were off by 3e-3, and the gate failed onnx-fp32.
    before = allowed()
    assert before == (True, False)  # torch's own defaults
    with full_fp32(torch.device("cuda")):
        assert allowed() == (False, False)
    assert allowed() == before
    with full_fp32(torch.device("cpu")):
        assert allowed() == before


def test_a_device_that_is_not_there_is_an_error_that_says_what_to_do():
    if torch.cuda.is_available():
        pytest.skip("CUDA is here")
    assert device_of("auto") == torch.device("cpu")
    with pytest.raises(BackendError, match="use device: auto"):
        device_of("cuda:1")
