from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx
import pytest

import bundles
from kd2edge.inputs import WordStarts
from kd2edge.inputs.spec import Encoded
from kd2edge.ragged import Ragged
from kd2edge.tasks.outputs import arrays_of
from kd2edge.validate import numbers
from kd2edge.validate.numbers import Numbers, Sample, number_results, padded
from kd2edge.validate.validation import NumberResult
from kd2edge.validate.ways import Way


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

    def encode(rows: Sequence[int]):
        part = [ids[row] for row in rows]
        longest = max(map(len, part))
        array = np.array([row + [0] * (longest - len(row)) for row in part])
        starts = [at for row in part for at in range(1, len(row) - 1)]
        offsets = np.cumsum([0, *(len(row) - 2 for row in part)])
        arrays = {"input_ids": array, "attention_mask": (array > 0).astype(np.int64)}
        return arrays, {"text": Encoded({}, WordStarts(np.array(starts), offsets))}

    return Sample(
        encode,
        len(ids),
        {
            "intent": np.concatenate([output["intent"] for output in alone]),
            "ner": Ragged(np.concatenate(words), offsets),
        },
    )


TASKS = arrays_of(bundles.TEXT_TASKS)
RANGES = {"batch": (1, 64), "length": (1, 12)}


def tried(sample: Sample, graph: bytes, **options) -> tuple[list[dict[str, int]], Numbers]:
    """The sizes of every forward pass, and what was found."""
    sizes: list[dict[str, int]] = []

    def run(arrays):
        batch, length = arrays["input_ids"].shape
        sizes.append({"batch": batch, "length": length})
        return bundles.run_onnx(graph, arrays)

    return sizes, number_results(sample, run, TASKS, bundles.TEXT_ARRAYS, RANGES, **options)


def test_a_sound_graph_agrees_in_every_size_of_a_batch_and_every_length():
    graph = bundles.text_graph()
    sizes, found = tried(text_sample(graph), graph)
    assert {size["batch"] for size in sizes} == set(range(1, 65))
    assert {size["length"] for size in sizes} == set(range(1, 13))
    assert {"batch": 64, "length": 12} in sizes  # both at their ends
    assert all(part.max_abs < 1e-5 for parts in found.results.values() for part in parts)
    assert all(part.top1 == 1 for parts in found.results.values() for part in parts)
    assert found.suspects == ()


def test_numbers_of_threads_share_the_sizes_and_all_try_what_kernels_break_at():
    graph = bundles.text_graph()
    seen: list[set[tuple[str, int]]] = []
    for part in range(2):
        sizes, found = tried(text_sample(graph), graph, threads=part + 1, part=part, parts=2)
        seen.append({pair for size in sizes for pair in size.items()})
        assert all(f"{part + 1} thread" in one.way for one in found.results["ner"])
    assert seen[0] | seen[1] >= {*(("batch", n) for n in range(1, 65))}
    assert seen[0] | seen[1] >= {*(("length", n) for n in range(1, 13))}
    assert seen[0] & seen[1] >= {*(("batch", n) for n in (1, 2, 3, 31, 32, 33, 63, 64))}
    # No two neighbours are left out: an engine that is wrong at one of them is so at the next.
    own = [{size for axis, size in part if axis == "batch"} for part in seen]
    assert all({low, low + 1} & part for part in own for low in range(1, 64))


def test_small_batches_and_large_ones_meet_short_lengths_and_long_ones():
    """Each corner, and the middle, of the plane of sizes is tried somewhere."""
    ranges = {"batch": (1, 64), "length": (1, 64)}
    graph = bundles.text_graph()
    sizes: list[tuple[int, int]] = []

    def run(arrays):
        sizes.append(arrays["input_ids"].shape)
        return bundles.run_onnx(graph, arrays)

    number_results(text_sample(graph), run, TASKS, bundles.TEXT_ARRAYS, ranges)
    for least, most in ((2, 3), (4, 8), (9, 32), (33, 63)):
        for shortest, longest in ((1, 8), (9, 24), (25, 44), (45, 64)):
            assert any(
                least <= batch <= most and shortest <= length <= longest for batch, length in sizes
            ), (least, shortest)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_an_artefact_that_takes_few_rows_is_swept_over_its_lengths(most: int):
    graph = bundles.wrong_at(bundles.text_graph(), "intent", 9, axis=1)
    inputs, ranges = bundles.TEXT_ARRAYS, {"batch": (1, most), "length": (1, 12)}
    found = number_results(
        text_sample(bundles.text_graph()), run_text(graph), TASKS, inputs, ranges
    )
    assert {way.length for way in found.suspects} == {9}
    assert all(way.batch <= most for way in found.suspects)


def test_a_graph_that_reads_its_padding_is_caught():
    model = onnx.load_from_string(bundles.text_graph())
    for node in model.graph.node:
        if list(node.output) == ["pooled"]:
            node.input[0] = "embedded"  # the sum no longer passes through the mask
    _, found = tried(text_sample(bundles.text_graph()), model.SerializeToString())
    wrong = {part.way for part in found.results["intent"] if part.max_abs > 1e-4}
    assert any("length" in way for way in wrong)
    assert "1 thread, batch 1" not in wrong


@pytest.mark.parametrize(
    ("axis", "at"), [(0, 2), (0, 5), (0, 13), (0, 37), (0, 63), (1, 8), (1, 11)]
)
def test_a_size_that_is_like_neither_end_is_a_suspect(axis, at):
    graph = bundles.wrong_at(bundles.text_graph(), "intent", at, axis=axis)
    _, found = tried(text_sample(bundles.text_graph()), graph)
    assert at in {(way.batch, way.length)[axis] for way in found.suspects}


def test_a_length_below_every_row_s_is_tried_on_rows_that_are_cut():
    graph = bundles.wrong_at(bundles.text_graph(), "intent", 2, axis=1)  # the shortest row has 3
    _, found = tried(text_sample(bundles.text_graph()), graph)
    wrong = [part.way for part in found.results["intent"] if part.max_abs > 1e-4]
    assert wrong
    assert all("length 2" in way for way in wrong)


def test_padding_adds_zeros_to_the_length_alone():
    ids = np.ones((2, 3), np.int64)
    found = padded({"input_ids": ids, "attention_mask": ids}, bundles.TEXT_ARRAYS, 5, {})
    assert found["attention_mask"].tolist() == [[1, 1, 1, 0, 0]] * 2


@pytest.mark.parametrize("value", [np.inf, np.nan, 3e38])
def test_an_output_without_measure_at_one_size_is_a_suspect_and_no_warning(value: float):
    graph = bundles.text_graph()

    def wrong(arrays):
        outputs = bundles.run_onnx(graph, arrays)
        if len(arrays["input_ids"]) != 3:
            return outputs
        return {name: np.full(array.shape, value) for name, array in outputs.items()}

    inputs, ranges = bundles.TEXT_ARRAYS, {"batch": (1, 8), "length": (2, 12)}
    found = number_results(text_sample(graph), wrong, TASKS, inputs, ranges)
    assert 3 in {way.batch for way in found.suspects}


@pytest.mark.parametrize(("is_suspect", "rms"), [(False, 0.2), (True, 0.52)])
def test_two_rows_of_a_size_are_off_by_what_they_are_off_alone(is_suspect: bool, rms: float):
    # A clean int8 artefact failed: of the two rows that batch 2 got, one was hard for it.
    def found(way: Way, rows: int, off: float) -> numbers._Found:
        return numbers._Found(way, {"t": NumberResult("", rows, 1.0, 1.0, 0.0, 1.0, off)}, {})

    base, pair = found(Way(1, 1), 64, 0.2), found(Way(1, 2), 2, 0.52)
    suspects = (pair.way,) if is_suspect else ()
    assert [one.rms for one in numbers._as_alone("t", [base, pair], suspects)] == [0.2, rms]
