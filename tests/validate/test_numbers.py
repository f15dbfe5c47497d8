from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import bundles
from kd2edge.inputs import WordStarts
from kd2edge.tasks.spec import Ragged, TaskName, TaskSpec
from kd2edge.validate.numbers import Sample, compare_logits, number_results, padded

MULTI = TaskSpec(TaskName("a"), "classification", ("x", "y", "z"), "accuracy")
BINARY = TaskSpec(TaskName("b"), "binary", ("no", "yes"), "accuracy")
WORDS = TaskSpec(TaskName("w"), "token_classification", ("O", "X", "Y"), "accuracy", input="text")
NAN = float("nan")


def logits(seed: int, rows: int = 6, classes: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, classes))


@given(st.integers(0, 1000), st.sampled_from([(MULTI, 3), (BINARY, 1)]))
def test_equal_logits_agree_in_every_number(seed, head):
    spec, classes = head
    values = logits(seed, classes=classes)
    found = compare_logits("x", spec, values, values.copy(), 6)
    assert found.max_abs == 0
    assert found.kl == 0
    assert found.top1 == 1
    assert found.cosine == pytest.approx(1)


@given(st.integers(0, 1000), st.sampled_from([(MULTI, 3), (BINARY, 1)]))
def test_divergence_is_never_negative_and_agreement_a_share(seed, head):
    spec, classes = head
    found = compare_logits("x", spec, logits(seed, 6, classes), logits(seed + 1, 6, classes), 6)
    assert found.kl >= 0
    assert 0 <= found.top1 <= 1
    assert -1 - 1e-9 <= found.cosine <= 1 + 1e-9


def test_the_divergence_is_the_one_of_the_textbook():
    wanted, found = np.log([[0.5, 0.25, 0.25]]), np.log([[0.25, 0.5, 0.25]])
    by_hand = 0.5 * np.log(2) + 0.25 * np.log(0.5)
    assert compare_logits("x", MULTI, wanted, found, 1).kl == pytest.approx(by_hand)
    yes, no = np.array([[np.log(3.0)]]), np.array([[0.0]])  # 0.75 against 0.5
    by_hand = 0.75 * np.log(1.5) + 0.25 * np.log(0.5)
    assert compare_logits("x", BINARY, yes, no, 1).kl == pytest.approx(by_hand)


@pytest.mark.parametrize("spoil", [NAN, np.inf, -np.inf])
def test_an_output_that_is_not_finite_is_infinitely_wrong(spoil):
    wanted = logits(1)
    found = wanted.copy()
    found[2, 1] = spoil
    assert compare_logits("x", MULTI, wanted, found, 6).max_abs == np.inf


def test_another_number_of_outputs_is_infinitely_wrong():
    assert compare_logits("x", MULTI, logits(1), logits(1, 5), 6).max_abs == np.inf


def test_words_that_were_cut_off_do_not_count():
    wanted, found = logits(1), logits(1)
    wanted[3], found[3] = NAN, NAN
    assert compare_logits("x", MULTI, wanted, found, 6).max_abs == 0
    found[2] = NAN  # one that the reference did answer
    assert compare_logits("x", MULTI, wanted, found, 6).max_abs == np.inf


def run_text(graph: bytes):
    return lambda arrays: bundles.run_onnx(graph, arrays)


def text_sample(graph: bytes) -> Sample:
    """Five sentences of unequal length; PyTorch's part is played by each row run alone."""
    ids = [[2, 4, 5, 3], [2, 6, 3], [2, 4, 5, 6, 7, 8, 3], [2, 9, 3], [2, 10, 11, 3]]
    alone = [
        bundles.run_onnx(
            graph,
            {"input_ids": np.array([row]), "attention_mask": np.ones((1, len(row)), np.int64)},
        )
        for row in ids
    ]
    words = [output["ner"][0, 1:-1] for output in alone]
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in words])])

    def encode(start: int, stop: int):
        part = ids[start:stop]
        longest = max(map(len, part))
        array = np.array([row + [0] * (longest - len(row)) for row in part])
        starts = [at for row in part for at in range(1, len(row) - 1)]
        offsets = np.cumsum([0, *(len(row) - 2 for row in part)])
        arrays = {"input_ids": array, "attention_mask": (array > 0).astype(np.int64)}
        return arrays, {"text": WordStarts(np.array(starts), offsets)}

    return Sample(
        encode,
        len(ids),
        {
            "intent": np.concatenate([output["intent"] for output in alone]),
            "ner": Ragged(np.concatenate(words), offsets),
        },
    )


TASKS = {"intent": bundles.TEXT_TASKS[0], "ner": bundles.TEXT_TASKS[1]}
RANGES = {"batch": (1, 64), "length": (1, 12)}


def test_a_sound_graph_agrees_however_rows_are_batched_and_padded():
    graph = bundles.text_graph()
    found = number_results(text_sample(graph), run_text(graph), TASKS, bundles.TEXT_ARRAYS, RANGES)
    ways = [part.way for part in found["ner"]]
    assert ways == ["batch 1", "batch 2", "length +1", "length +5"]  # 7 + 5: the largest it takes
    assert all(part.max_abs < 1e-5 for parts in found.values() for part in parts)
    assert all(part.top1 == 1 for parts in found.values() for part in parts)


def test_a_graph_that_reads_its_padding_is_caught():
    import onnx

    model = onnx.load_from_string(bundles.text_graph())
    for node in model.graph.node:
        if list(node.output) == ["pooled"]:
            node.input[0] = "embedded"  # the sum no longer passes through the mask
    graph = model.SerializeToString()
    sample = text_sample(bundles.text_graph())
    found = number_results(sample, run_text(graph), TASKS, bundles.TEXT_ARRAYS, RANGES)
    wrong = {part.way for part in found["intent"] if part.max_abs > 1e-4}
    assert {"length +1", "length +5"} <= wrong
    assert "batch 1" not in wrong


def test_padding_adds_zeros_to_the_length_alone():
    ids = np.ones((2, 3), np.int64)
    found = padded({"input_ids": ids, "attention_mask": ids}, bundles.TEXT_ARRAYS, 2)
    assert found["attention_mask"].tolist() == [[1, 1, 1, 0, 0]] * 2
