from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from kd2edge.bench.result import COLUMNS, Bench, Footprint, Spread, Timing, with_ratios


def timing(artefact: str, p50: float, batch: int = 1, threads: int = 1) -> Timing:
    graph = Spread(p50, p50 * 0.9, p50 * 1.1, p50 * 2, 1000 / p50, 10)
    return Timing(artefact, batch, threads, graph)


def test_speed_up_is_counted_from_onnx_fp32_of_the_same_batch_and_threads():
    found = with_ratios(
        [timing("onnx-fp32", 4), timing("onnx-int8", 2), timing("onnx-fp32", 9, 8),
         timing("onnx-int8", 3, 8), timing("onnx-int8", 3, 8, threads=2)],
        {"onnx-fp32": 10, "onnx-int8": 5},
    )  # fmt: skip
    assert [one.speed_up for one in found] == [1, 2, 1, 3, 0]


def test_best_are_those_that_nothing_beats_in_size_and_time():
    timings = [timing("a", 4), timing("b", 2), timing("c", 3), timing("d", 1), timing("a", 1, 8)]
    found = with_ratios(timings, {"a": 1, "b": 2, "c": 2, "d": 9})
    assert [one.best for one in found] == [True, True, False, True, True]


def test_equals_are_both_best():
    assert all(one.best for one in with_ratios([timing("a", 1), timing("b", 1)], {"a": 5, "b": 5}))


@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=1, max_size=8),
)
def test_every_artefact_is_matched_or_beaten_by_a_best_one(points: list[tuple[int, int]]):
    sizes = {str(index): size for index, (size, _) in enumerate(points)}
    found = with_ratios([timing(str(i), time) for i, (_, time) in enumerate(points)], sizes)
    best = [one for one in found if one.best]
    assert best
    for one in found:
        assert any(
            sizes[other.artefact] <= sizes[one.artefact] and other.p50_ms <= one.p50_ms
            for other in best
        )


BENCH = Bench(
    "tiny",
    "sha",
    "golden",
    "rows",
    (Footprint("onnx-fp32", 2500, 1.25, 0),),
    with_ratios([timing("onnx-fp32", 0.5)], {"onnx-fp32": 2500}),
    {"tensorrt-fp16": "it needs a device"},
)


def test_json_is_the_payload_that_loading_reads():
    found = json.loads(json.dumps(BENCH.to_json()))
    assert set(found) == {"schema", "samples", "shape", "artefacts", "timings", "not_run"}
    assert found["timings"][0]["p50_ms"] == 0.5
    assert {"artefact", "batch", "threads", "low_ms", "high_ms"} <= set(found["timings"][0])
    assert found["timings"][0]["answer"] is None
    assert found["not_run"] == {"tensorrt-fp16": "it needs a device"}


def test_rows_show_what_was_measured_and_what_was_not():
    measured, not_run = BENCH.rows()
    assert tuple(measured) == tuple(not_run) == COLUMNS
    assert measured["graph ms"] == "0.500"
    assert measured["size kB"] == "2.5"
    assert measured["speed-up"] == "1.00x"
    assert measured["memory MB"] == ""  # unknown is not zero
    assert measured["best"] == "*"
    assert not_run["graph ms"] == "not run: it needs a device"


def test_the_table_fits_a_terminal_and_says_what_was_not_run():
    long = "onnx-int8-dynamic"
    slow = timing(long, 1234.5)
    reason = "it needs a device: " + "an engine fits one GPU type and TensorRT version " * 2
    bench = Bench(
        "tiny",
        "sha",
        "golden",
        "rows",
        (Footprint(long, 123_456_789, 1234.5, 987_654_321),),
        with_ratios([slow], {long: 123_456_789}),
        {"tensorrt-fp16": reason.strip()},
    )
    answered = replace(slow, answer=slow.graph)
    assert replace(bench, timings=(answered,)).rows()[0]["answer ms"] == "1234.5"
    lines = bench.table().splitlines()
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith(f"|{long}") for line in lines) == 2
    assert "tensorrt-fp16 not run" in bench.table()


def test_a_table_without_a_measurement_has_the_reasons_alone():
    bench = Bench("tiny", "sha", "golden", "rows", (), (), {"tensorrt-fp16": "no device"})
    assert bench.table().split("\n") == ["tensorrt-fp16 not run: no device", ""]


def test_slow_calls_are_named_where_they_are_many():
    odd = replace(timing("onnx-fp32", 0.5), graph=replace(timing("a", 0.5).graph, outliers=3))
    assert "slow calls" not in BENCH.table()
    text = replace(BENCH, timings=(odd,)).table()
    assert "onnx-fp32 at batch 1, 1 thread: 3 of 10" in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80


def test_what_rounding_fails_to_gain_is_said_in_table_and_json():
    slow, fast = timing("onnx-int8-dynamic", 2.0), timing("onnx-int8-dynamic", 0.5, batch=32)
    plain, wide = timing("onnx-fp32", 1.0), timing("onnx-fp32", 1.0, batch=32)
    bench = replace(
        BENCH,
        footprints=(
            Footprint("onnx-fp32", 306_719, 1.0, 0),
            Footprint("onnx-int8-dynamic", 305_176, 1.0, 0),
        ),
        timings=(plain, slow, wide, fast),
    )
    disguised, slower = bench.shortcomings("onnx-int8-dynamic")
    assert "saves nothing: 305,176 bytes, onnx-fp32 has 306,719" in disguised
    assert "slower than onnx-fp32: 2.00x of its time at batch 1, 1 thread" in slower
    assert slower.endswith("(slower in 1 of 2 timings)")
    assert bench.shortcomings("onnx-fp32") == ()
    written = {one["artefact"]: one["shortcomings"] for one in bench.to_json()["artefacts"]}
    assert written == {"onnx-fp32": [], "onnx-int8-dynamic": [disguised, slower]}
    assert disguised in " ".join(bench.table().split())
    assert max(map(len, bench.table().splitlines())) <= 80
    twice = (plain, slow, wide, replace(slow, batch=32, graph=timing("", 3.0).graph))
    _, slower = replace(bench, timings=twice).shortcomings("onnx-int8-dynamic")
    assert slower.endswith("3.00x of its time at batch 32, 1 thread (slower in 2 of 2 timings)")
