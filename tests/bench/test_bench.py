from __future__ import annotations

import inspect
import json
import sys
from pathlib import Path

import pytest

import bundles
from kd2edge.bench import Bench, Progress, bench_bundle
from kd2edge.bench.result import Footprint
from kd2edge.bundle import open_bundle, read_evidence
from kd2edge.cli.bench import command
from kd2edge.cli.output import numbers
from kd2edge.errors import BackendError, DataError, StorageError, UsageError
from kd2edge.rows.kinds import open_rows
from kd2edge.rows.rows import Rows
from kd2edge.runtime import load

FAST = {"batches": (1, 4), "threads": (1,), "seconds": 0.01}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    waiting = bundles.artefact(
        "tensorrt-fp16", "", {}, (), (), status="needs_device", reason="a GPU builds the engine"
    )
    return bundles.image_bundle(
        tmp_path_factory.mktemp("bench") / "bundle", artefacts={"tensorrt-fp16": (waiting, {})}
    )


@pytest.fixture(scope="module")
def events() -> list[Progress]:
    return []


@pytest.fixture(scope="module")
def result(folder: Path, events: list[Progress]) -> Bench:
    return bench_bundle(folder, **FAST, on_event=events.append)


def test_the_verb_has_the_function_s_defaults():
    shown = {option.name: option.default for option in command.params}
    own = {name: one.default for name, one in inspect.signature(bench_bundle).parameters.items()}
    assert numbers(str(shown["batch"]), "--batch") == own["batches"]
    assert shown["seconds"] == own["seconds"]
    assert shown["threads"] is own["threads"] is None
    assert shown["shape"] == own["shape"]


def test_measures_every_artefact_that_can_run(result: Bench):
    assert result.bundle == "tiny-image"
    assert result.samples == "golden"
    assert [one.artefact for one in result.footprints] == ["onnx-fp32", "onnx-int8-qdq"]
    assert [(one.batch, one.artefact) for one in result.timings] == [
        (batch, name) for batch in (1, 4) for name in ("onnx-fp32", "onnx-int8-qdq")
    ]
    for one in result.timings:
        assert 0 < one.graph.low_ms <= one.graph.p50_ms <= one.graph.high_ms
        assert one.graph.p50_ms <= one.graph.p99_ms
        assert one.graph.rows_per_second > 0
        assert one.graph.calls >= 30
        assert one.answer is None  # golden rows are arrays: there is no raw input
    assert [one.speed_up for one in result.timings if one.artefact == "onnx-fp32"] == [1, 1]


def test_what_cannot_run_here_says_why(result: Bench):
    assert list(result.not_run) == ["tensorrt-fp16"]
    assert "a GPU builds the engine" in result.not_run["tensorrt-fp16"]
    assert "kd2edge build" in result.not_run["tensorrt-fp16"]


def test_footprints_come_from_a_process_of_their_own(result: Bench):
    graph = len(bundles.image_graph())
    for one in result.footprints:
        assert one.bytes == graph
        assert one.load_ms > 0
        assert one.memory_bytes < 200e6  # a tiny model, not this process with all it has loaded


def test_the_result_is_evidence_that_load_goes_by(result: Bench, folder: Path):
    bundle = open_bundle(folder)
    (evidence,) = read_evidence(folder, "bench", bundle.identity)
    assert evidence.payload == result.to_json()
    assert Path(result.evidence).parent == folder / "reports"
    assert bundle.verify() == []
    load(folder, threads=1).close()


def rows_of(folder: Path, rows: list[dict[str, str]]) -> Rows:
    path = folder / "rows.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return open_rows("jsonl", path)


TEXTS = [{"text": "book"}, {"text": "book a flight to paris now"}, {"text": ""}]


def test_real_rows_are_timed_as_they_come_from_raw_input_to_answer(tmp_path: Path):
    folder = bundles.text_bundle(tmp_path / "text")
    rows = rows_of(tmp_path, TEXTS)
    found = bench_bundle(folder, rows=rows, batches=(1, 2), threads=(1, 2), seconds=0.01)
    assert (found.samples, found.shape) == ("rows", "rows")
    cells = {(one.artefact, one.batch, one.threads) for one in found.timings}
    assert len(cells) == 2 * 2 * 2
    for one in found.timings:
        assert one.answer is not None
        assert one.answer.calls >= 30
    (evidence,) = read_evidence(folder, "bench")
    assert evidence.payload["timings"][0]["answer"]["p50_ms"] > 0
    bad = rows_of(tmp_path, [{"words": "a"}])
    with pytest.raises(DataError, match="input text"):
        bench_bundle(folder, rows=bad, batches=(1,), threads=(1,), seconds=0.01)


def test_progress_is_told(result: Bench, events: list[Progress]):
    del result
    stages = [(one.what, one.done, one.total) for one in events]
    assert stages == [("load", 1, 2), ("load", 2, 2), ("time", 1, 2), ("time", 2, 2)]


def test_evidence_of_a_read_only_bundle_goes_elsewhere(folder: Path, tmp_path: Path):
    found = bench_bundle(folder, **FAST, artefacts=["onnx-fp32"], out=tmp_path / "out")
    assert Path(found.evidence).parent == tmp_path / "out"
    assert [one.artefact for one in found.footprints] == ["onnx-fp32"]
    assert found.not_run == {}


def test_a_folder_that_cannot_take_evidence_is_noticed_at_once(folder: Path, monkeypatch):
    monkeypatch.setattr("kd2edge.bench.bench.load", None)
    with pytest.raises(StorageError, match=r"--out DIR"):
        bench_bundle(folder, **FAST, out=folder / "manifest.json" / "new")


@pytest.mark.parametrize(
    "wrong",
    [
        {"batches": ()}, {"batches": (0,)}, {"threads": (0,)}, {"threads": ()}, {"seconds": 0},
        {"artefacts": ["onnx-int4"]}, {"shape": "square"},
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused(folder: Path, wrong):
    with pytest.raises(UsageError):
        bench_bundle(folder, **(FAST | wrong))


def test_when_nothing_can_run_that_is_an_error(folder: Path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BackendError, match=r"nothing of .*kd2edge\[cpu\]"):
        bench_bundle(folder, **FAST)


def test_what_takes_threads_of_its_own_is_timed_once_under_their_number(
    tmp_path: Path, monkeypatch
):
    folder = bundles.text_bundle(
        tmp_path / "bundle", artefacts={"numpy-fp32": bundles.static_artefact()}
    )
    monkeypatch.setattr(
        "kd2edge.bench.bench.footprint", lambda _, __, name, **___: Footprint(name, 1, 1.0, 0)
    )

    def rows(own: int) -> list[tuple[str, int, bool]]:
        monkeypatch.setattr("kd2edge.runtime.backends.numpy.NumPy.own_threads", lambda _: own)
        two = ("onnx-fp32", "numpy-fp32")
        found = bench_bundle(folder, batches=(1,), threads=(1, 2), seconds=0.01, artefacts=two)
        return [(one.artefact, one.threads, one.speed_up > 0) for one in found.timings]

    onnx = [("onnx-fp32", 1, True), ("onnx-fp32", 2, True)]
    assert rows(1) == [onnx[0], ("numpy-fp32", 1, True), onnx[1]]
    assert rows(8) == [*onnx, ("numpy-fp32", 8, False)]
