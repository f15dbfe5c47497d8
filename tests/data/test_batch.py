from __future__ import annotations

import numpy as np
import pytest
import torch

from kd2edge.data.batch import Batch, padded, words_at
from kd2edge.inputs.spec import Encoded
from kd2edge.ragged import Ragged, offsets_of
from kd2edge.tasks import TaskName, TaskSpec, gather_words
from kd2edge.tasks.outputs import items_of
from kd2edge.tasks.spec import Output


def starts(*rows: list[int]) -> Ragged:
    flat = np.array([start for row in rows for start in row], np.int32)
    return Ragged(flat, offsets_of(np.array([len(row) for row in rows])))


def test_words_are_gathered_as_the_runtime_gathers_them() -> None:
    logits = torch.randn(3, 5, 2, generator=torch.Generator().manual_seed(0))
    where = starts([1, 3], [2, 4, -1], [])
    words = words_at(where, 5)
    expected = gather_words(logits.numpy(), where)
    np.testing.assert_array_equal(words.gather(logits).numpy(), expected.values)
    np.testing.assert_array_equal(words.offsets, expected.offsets)


def test_no_gradient_comes_from_words_cut_off() -> None:
    logits = torch.zeros(1, 2, 1, requires_grad=True)
    words_at(starts([1, -1]), 2).gather(logits).nan_to_num().sum().backward()
    assert logits.grad is not None
    assert logits.grad.flatten().tolist() == [0.0, 1.0]


def test_padding_fills_up_to_the_longest_row() -> None:
    full = padded(starts([1, 2], [], [3]), 9, "int64")
    assert full.tolist() == [[1, 2], [9, 9], [3, 9]]
    assert padded(starts([], []), 0, "int64").shape == (2, 1)


def test_frames_are_the_first_positions_of_each_row() -> None:
    spec = TaskSpec(TaskName("said"), "transcript", ("a",), "accuracy", input="audio")
    output, lengths = Output(2, "softmax", "frame", stride=4), np.array([5, 1, 8])
    batch = Batch(np.arange(3), 0, {}, {}, {}, {}, {}, {"audio": lengths})
    logits = torch.arange(3 * 2 * 2, dtype=torch.float32).view(3, 2, 2)
    frames = batch.words_in(spec, output, logits)
    assert frames is not None
    assert frames.counts.tolist() == [2, 1, 2]  # a row's last frame may be a part
    encoded = {"audio": Encoded({}, lengths=lengths)}
    wanted = items_of(spec, output, logits.numpy(), encoded)
    assert isinstance(wanted, Ragged)
    assert frames.gather(logits).tolist() == wanted.values.tolist()
    assert frames.offsets.tolist() == wanted.offsets.tolist()
    with pytest.raises(ValueError, match="rows of 'audio' that know their lengths"):
        items_of(spec, output, logits.numpy(), None)
