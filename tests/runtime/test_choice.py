from __future__ import annotations

import copy
import math
import sys
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

import bundles
from kd2edge.bundle import Evidence, Machine, machine, open_bundle
from kd2edge.bundle.manifest import Manifest
from kd2edge.errors import BackendError, GateError, IntegrityError, UsageError
from kd2edge.runtime.choice import Choice, Wish, choose
from kd2edge.runtime.known import known_of

HERE = machine()
OLD = "2026-01-01T00:00:00+00:00"
NOW = datetime(2026, 6, 1, tzinfo=timezone.utc)
ELSEWHERE = Machine("other-cpu", "other", 1, (), "Linux", "3.11", 0)


@pytest.fixture
def manifest(image_bundle: Path) -> Manifest:
    return open_bundle(image_bundle).manifest


def with_artefacts(manifest: Manifest, **changes: dict[str, Any]) -> Manifest:
    """The manifest with fields of artefacts changed, and artefacts that it did not have added."""
    made = dict(manifest.artefacts)
    for key, fields in changes.items():
        name = key.replace("_", "-")
        one = made.get(name) or bundles.artefact(name, "", {}, (), ())
        made[name] = replace(one, **fields)
    return replace(manifest, artefacts=made)


def validation(
    time: str = "2026-01-01", at: Machine = HERE, threads: tuple[int, ...] = (1, 2), **words: str
) -> Evidence:
    payload = bundles.validated(**words) | {"threads": list(threads)}
    return Evidence("validation", at, "sha", f"{time}T00:00:00+00:00", payload, Path())


def bench(
    at: Machine = HERE, threads: int = 1, batches: tuple[int, ...] = (1, 8), **p50: float
) -> Evidence:
    timings = [
        {
            "artefact": name.replace("_", "-"),
            "batch": batch,
            "threads": threads,
            # The larger batch would choose the other one.
            "p50_ms": ms if batch == 1 or ms <= 0 or math.isnan(ms) else 1000 * batch - ms,
        }
        for batch in batches
        for name, ms in p50.items()
    ]
    return Evidence("bench", at, "sha", "2026-01-02T00:00:00+00:00", {"timings": timings}, Path())


def both(*benches: Evidence) -> Evidence:
    """One bench of what several timed."""
    timings = [one for each in benches for one in each.payload["timings"]]
    return replace(benches[0], payload={"timings": timings})


def build(artefact: str, folder: Path, at: Machine = HERE, engine: str = "a.engine") -> Evidence:
    payload = {"artefact": artefact, "engine": engine, "sha256": "ab", "bytes": 3}
    return Evidence("build", at, "sha", "2026-01-03T00:00:00+00:00", payload, folder)


def chosen(
    manifest: Manifest,
    *evidence: Evidence,
    asked: str | None = None,
    threads: int | None = 1,
    batch: int = 1,
) -> Choice:
    known = known_of(evidence, manifest, HERE, "models/tiny", NOW)
    return choose(manifest, known, Wish(asked, threads, batch), place="models/tiny")


def test_without_evidence_the_preferred_order_decides(manifest: Manifest):
    assert chosen(manifest).artefact.id == "onnx-fp32"
    turned = replace(manifest, preferred=("onnx-int8-qdq", "onnx-fp32"))
    choice = chosen(turned)
    assert choice.artefact.id == "onnx-int8-qdq"
    assert "preferred order" in choice.why


@pytest.mark.parametrize("word", ["PASS", True, None, ["pass"]])
def test_a_word_that_is_none_is_refused(manifest: Manifest, word: Any):
    one = copy.deepcopy(validation(onnx_fp32="pass"))
    one.payload["artefacts"]["onnx-fp32"]["verdict"] = word
    with pytest.raises(IntegrityError, match="evidence that cannot be read"):
        chosen(manifest, one)


def changed(change: Any, **verdicts: str) -> Evidence:
    """A pass of onnx-int8-qdq, and what somebody made of it."""
    one = copy.deepcopy(validation("2026-02-01", **({"onnx_int8_qdq": "pass"} | verdicts)))
    change(one.payload, one.payload["artefacts"]["onnx-int8-qdq"])
    return one


def bound(part: Any, **bounds: Any) -> None:
    part["tasks"]["digit"]["metrics"]["accuracy"]["drop"].update(bounds)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda _, part: bound(part, high=0.3), "contradicts itself: digit is said to pass"),
        (lambda _, part: bound(part, high=None), "contradicts itself"),
        (lambda _, part: bound(part, low=None), "contradicts itself"),
        (lambda _, part: part["tasks"]["digit"].update(verdict="fail"), "digit did not pass"),
        (lambda _, part: part["tasks"].clear(), "contradicts itself"),
        (lambda _, part: part.update(edges=[{"name": "NaN", "status": "failed"}]), "NaN"),
        (lambda whole, _: whole.update(confidence=0.6), "was a trial: judged at confidence 0.6"),
        (lambda _, part: bound(part, confidence=0.6), "was a trial"),
    ],
)
def test_a_pass_that_does_not_follow_shows_nothing_and_is_named(
    manifest: Manifest, change: Any, said: str
):
    choice = chosen(manifest, changed(change))
    assert choice.artefact.id == "onnx-fp32"
    assert "none passed validation" in choice.why
    assert "onnx-int8-qdq: evidence of 2026-02-01" in choice.why
    assert said in choice.why
    # It takes nothing back either: what passed before has still passed.
    before = validation("2026-01-01", onnx_int8_qdq="pass")
    assert chosen(manifest, before, changed(change)).artefact.id == "onnx-int8-qdq"
    assert "; " not in chosen(manifest, changed(change), validation(onnx_int8_qdq="pass")).why


def test_a_looser_budget_never_makes_load_prefer_an_artefact(manifest: Manifest):
    def loose(_: Any, part: Any) -> None:
        part["tasks"]["digit"]["max_drop"] = 0.5
        bound(part, high=0.3)

    assert chosen(manifest, changed(loose)).artefact.id == "onnx-fp32"

    def strict(whole: Any, part: Any) -> None:
        part["tasks"]["digit"]["max_drop"] = 0.006
        whole["confidence"] = 0.99

    assert chosen(manifest, changed(strict)).artefact.id == "onnx-int8-qdq"


def test_a_looser_budget_of_classes_never_makes_load_prefer_an_artefact(manifest: Manifest):
    gate = replace(manifest.gate, max_drop_class=dict.fromkeys(map(str, manifest.tasks), 0.05))
    fallen = {"label": "7", "reference": 0.9, "candidate": 0.4, "low": 0.3, "gone": False}

    def loose(_: Any, part: Any) -> None:
        part["tasks"]["digit"] |= {"classes": [fallen | {"failed": False}], "max_drop_class": 1.0}

    def strict(_: Any, part: Any) -> None:
        mild = fallen | {"low": 0.01, "failed": True}
        part["verdict"] = part["tasks"]["digit"]["verdict"] = "fail"
        part["tasks"]["digit"] |= {"classes": [mild], "max_drop_class": 0.0}

    asked = replace(manifest, gate=gate)
    assert chosen(asked, changed(loose)).artefact.id == "onnx-fp32"
    before = validation("2026-01-01", onnx_int8_qdq="pass")
    assert chosen(asked, before, changed(loose)).artefact.id == "onnx-fp32"
    assert chosen(asked, before, changed(strict)).artefact.id == "onnx-int8-qdq"
    # A manifest of before classes had a budget fails none for them.
    assert chosen(manifest, changed(loose)).artefact.id == "onnx-int8-qdq"


def test_rows_without_pytorch_need_a_stand_in_that_passed(manifest: Manifest):
    def without(whole: Any, _: Any) -> None:
        whole["references"] = {"pytorch": 0, "onnx-fp32": 500}

    alone = changed(without)
    assert chosen(manifest, alone).artefact.id == "onnx-fp32"
    passed = chosen(manifest, validation(onnx_fp32="pass"), alone)
    assert passed.why.startswith("passed validation") or "of 2" in passed.why
    failed = chosen(manifest, validation(onnx_fp32="undecided"), alone)
    assert failed.artefact.id == "onnx-fp32"
    assert "none passed" in failed.why


def test_what_is_of_the_future_or_without_a_checksum_is_not_counted(manifest: Manifest):
    good = validation(onnx_int8_qdq="pass")
    for odd, said in (
        (replace(good, time="2099-01-01T00:00:00+00:00"), "is of 2099-01-01T00:00:00+00:00, which"),
        (replace(good, checked=False), "has no checksum"),
    ):
        choice = chosen(manifest, odd)
        assert choice.artefact.id == "onnx-fp32"
        assert f"validation evidence that {said}" in choice.why
        assert chosen(manifest, good, odd).artefact.id == "onnx-int8-qdq"
    passed = validation(onnx_fp32="pass", onnx_int8_qdq="pass")
    ahead = replace(bench(onnx_fp32=2, onnx_int8_qdq=1), time="2099-01-01T00:00:00+00:00")
    assert chosen(manifest, passed, ahead).artefact.id == "onnx-fp32"


def test_a_pass_counts_for_the_threads_that_it_was_judged_with(manifest: Manifest):
    one = validation(threads=(1,), onnx_int8_qdq="pass")
    assert chosen(manifest, one, threads=1).artefact.id == "onnx-int8-qdq"
    choice = chosen(manifest, one, threads=2)
    assert (choice.artefact.id, choice.threads) == ("onnx-fp32", 2)
    assert "with 1 threads, not with 2: run kd2edge validate --threads 2" in choice.why
    two = validation("2026-01-02", threads=(2,), onnx_int8_qdq="pass")
    for threads in (1, 2):  # each judged by itself
        assert chosen(manifest, one, two, threads=threads).artefact.id == "onnx-int8-qdq"
    free = chosen(manifest, one, threads=None)
    assert (free.artefact.id, free.threads) == ("onnx-int8-qdq", 1)
    none = validation(threads=(), onnx_int8_qdq="pass")
    assert chosen(manifest, none, threads=None).artefact.id == "onnx-fp32"


def test_the_best_pair_of_artefact_and_threads_is_taken_for_the_batch(manifest: Manifest):
    passed = validation(onnx_fp32="pass", onnx_int8_qdq="pass")
    times = both(
        bench(threads=1, batches=(1,), onnx_fp32=2.0, onnx_int8_qdq=1.0),
        bench(threads=2, batches=(1,), onnx_fp32=1.5, onnx_int8_qdq=1.2),
    )
    found = chosen(manifest, passed, times, threads=None)
    assert (found.artefact.id, found.threads) == ("onnx-int8-qdq", 1)
    assert found.why.startswith("fastest of 2 that passed")
    assert found.why.endswith("at batch 1, with 1 thread of 1, 2")
    pinned = chosen(manifest, passed, times, threads=2)
    assert (pinned.artefact.id, pinned.threads) == ("onnx-int8-qdq", 2)
    only = validation(threads=(2,), onnx_fp32="pass", onnx_int8_qdq="pass")
    assert chosen(manifest, only, times, threads=None).threads == 2


def sized(artefact: str, threads: int, **p50: float) -> Evidence:
    """A bench of one artefact: ``b1=0.5``: milliseconds at batch 1."""
    timings = [
        {"artefact": artefact, "batch": int(size[1:]), "threads": threads, "p50_ms": ms}
        for size, ms in p50.items()
    ]
    return replace(bench(), payload={"timings": timings})


def test_between_benched_batches_the_line_decides_and_beyond_them_the_nearest(manifest: Manifest):
    passed = validation(onnx_fp32="pass", onnx_int8_qdq="pass")
    times = both(sized("onnx-fp32", 1, b1=1.0, b9=9.0), sized("onnx-int8-qdq", 1, b1=3.0, b9=4.0))
    taken = {batch: chosen(manifest, passed, times, batch=batch) for batch in (1, 3, 4, 9, 64)}
    assert [one.artefact.id for one in taken.values()] == ["onnx-fp32"] * 2 + ["onnx-int8-qdq"] * 3
    assert "at batch 1," in taken[1].why
    assert "at batch 4 (between 1 and 9, which were timed)," in taken[4].why
    assert "at batch 9 (the nearest to 64 that was timed)," in taken[64].why


def test_raw_input_to_answer_counts_where_it_was_timed(manifest: Manifest):
    passed = validation(onnx_fp32="pass", onnx_int8_qdq="pass")
    times = copy.deepcopy(bench(onnx_fp32=2.0, onnx_int8_qdq=1.0))
    for one in times.payload["timings"]:
        one["answer"] = {"p50_ms": 3.0 if one["artefact"] == "onnx-fp32" else 4.0}
    assert chosen(manifest, passed, times).artefact.id == "onnx-fp32"


@pytest.mark.parametrize("time", [0.0, -5.0, float("nan")])
def test_a_time_that_cannot_be_is_refused(manifest: Manifest, time: float):
    with pytest.raises(IntegrityError, match="a time that cannot be"):
        chosen(manifest, bench(onnx_fp32=time))


def test_what_passed_here_comes_before_what_is_preferred(manifest: Manifest):
    choice = chosen(manifest, validation(onnx_int8_qdq="pass"))
    assert choice.artefact.id == "onnx-int8-qdq"
    assert "passed validation on a machine like this one" in choice.why


def test_the_fastest_of_those_that_passed_is_taken(manifest: Manifest):
    passed = validation(onnx_fp32="pass", onnx_int8_qdq="pass")
    assert chosen(manifest, passed).artefact.id == "onnx-fp32"
    choice = chosen(manifest, passed, bench(onnx_fp32=2.0, onnx_int8_qdq=1.0))
    assert choice.artefact.id == "onnx-int8-qdq"
    assert choice.why.startswith("fastest of 2")
    assert chosen(manifest, passed, bench(onnx_fp32=1, onnx_int8_qdq=2)).artefact.id == "onnx-fp32"


def test_only_what_one_bench_timed_is_compared(manifest: Manifest):
    third = with_artefacts(manifest, onnx_int8_dynamic={})
    passed = validation(onnx_fp32="pass", onnx_int8_qdq="pass", onnx_int8_dynamic="pass")
    full = bench(onnx_fp32=1.0, onnx_int8_qdq=2.0, onnx_int8_dynamic=3.0)
    for alone in (0.1, 99.0):  # of another hour: says nothing about the others
        choice = chosen(third, passed, full, bench(onnx_int8_dynamic=alone))
        assert choice.artefact.id == "onnx-fp32"
        assert choice.why.startswith("fastest of 3 that passed")
        assert chosen(third, passed, bench(onnx_int8_dynamic=alone)).artefact.id == "onnx-fp32"
    two = chosen(third, passed, bench(onnx_int8_qdq=2.0, onnx_int8_dynamic=1.0))
    assert two.artefact.id == "onnx-int8-dynamic"
    assert two.why.startswith("fastest of 2 timed together, among 3 that passed")
    newer = bench(onnx_fp32=3.0, onnx_int8_qdq=1.0, onnx_int8_dynamic=2.0)
    assert chosen(third, passed, full, newer).artefact.id == "onnx-int8-qdq"


def test_speed_without_a_pass_counts_for_nothing(manifest: Manifest):
    evidence = (validation(onnx_fp32="pass"), bench(onnx_fp32=2.0, onnx_int8_qdq=1.0))
    assert chosen(manifest, *evidence).artefact.id == "onnx-fp32"


def test_only_times_with_as_many_threads_count(manifest: Manifest):
    passed = validation(onnx_fp32="pass", onnx_int8_qdq="pass")
    times = both(
        bench(threads=1, onnx_fp32=2.0, onnx_int8_qdq=1.0),
        bench(threads=2, onnx_fp32=1.0, onnx_int8_qdq=2.0),
    )
    assert chosen(manifest, passed, times, threads=1).artefact.id == "onnx-int8-qdq"
    assert chosen(manifest, passed, times, threads=2).artefact.id == "onnx-fp32"


def test_what_takes_other_threads_than_asked_is_not_chosen_by_its_time(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch
):
    more = with_artefacts(manifest, numpy_fp32={})
    passed = validation(onnx_fp32="pass", onnx_int8_qdq="pass", numpy_fp32="pass")
    times = bench(onnx_fp32=3.0, onnx_int8_qdq=2.0, numpy_fp32=1.0)
    for own, wanted in ((1, "numpy-fp32"), (2, "onnx-int8-qdq")):
        monkeypatch.setattr(
            "kd2edge.runtime.backends.numpy.NumPy.own_threads", lambda _, own=own: own
        )
        assert chosen(more, passed, times, threads=1).artefact.id == wanted


def test_evidence_of_another_machine_counts_for_nothing(manifest: Manifest):
    passed = validation(at=ELSEWHERE, onnx_int8_qdq="pass", onnx_fp32="fail")
    assert chosen(manifest, passed).artefact.id == "onnx-fp32"


def test_the_newest_verdict_counts(manifest: Manifest):
    old = validation("2026-01-01", onnx_int8_qdq="pass")
    new = validation("2026-01-05", onnx_int8_qdq="fail")
    assert chosen(manifest, old, new).artefact.id == "onnx-fp32"


def test_what_failed_here_is_not_taken_by_preference(manifest: Manifest):
    assert chosen(manifest, validation(onnx_fp32="fail")).artefact.id == "onnx-int8-qdq"
    assert chosen(manifest, validation(onnx_fp32="undecided")).artefact.id == "onnx-fp32"
    failed = validation(onnx_fp32="fail", onnx_int8_qdq="fail")
    with pytest.raises(GateError, match="failed validation") as caught:
        chosen(manifest, failed)
    assert caught.value.exit_code == 3
    assert chosen(manifest, failed, asked="onnx-fp32").why == "asked for by its id"


def test_what_is_not_installed_is_passed_over(manifest: Manifest, monkeypatch):
    more = with_artefacts(manifest, openvino_fp32={}, onnx_fp32={}, onnx_int8_qdq={})
    more = replace(more, preferred=("openvino-fp32", "onnx-fp32"))
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert chosen(more).artefact.id == "onnx-fp32"
    with pytest.raises(BackendError, match=r'openvino-fp32 cannot run.*pip install "kd2edge\[ope'):
        chosen(more, asked="openvino-fp32")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BackendError, match="no artefact of models/tiny can run here.*onnx-fp32: "):
        chosen(more)


def test_asked_for_ones_that_cannot_run_say_why_and_what_to_do(manifest: Manifest):
    waiting = {"status": "needs_device", "reason": "a GPU builds the engine"}
    more = with_artefacts(
        manifest,
        tensorrt_fp16=waiting,
        onnx_bf16={"status": "failed", "reason": "no bf16 MatMul"},
    )
    with pytest.raises(BackendError, match="a GPU builds.*run: kd2edge build BUNDLE") as caught:
        chosen(more, asked="tensorrt-fp16")
    assert caught.value.exit_code == 6
    with pytest.raises(BackendError, match=r"its export failed \(no bf16 MatMul\)"):
        chosen(more, asked="onnx-bf16")
    with pytest.raises(UsageError, match="no artefact 'onnx-int4'; it has onnx-fp32") as usage:
        chosen(more, asked="onnx-int4")
    assert usage.value.exit_code == 2
    assert chosen(more).artefact.id == "onnx-fp32"


def test_an_engine_built_here_makes_its_artefact_loadable(manifest: Manifest, tmp_path: Path):
    more = with_artefacts(manifest, tensorrt_fp16={"status": "needs_device", "reason": "no GPU"})
    (tmp_path / "a.engine").write_bytes(b"abc")
    built = build("tensorrt-fp16", tmp_path)
    choice = chosen(more, built, asked="tensorrt-fp16")
    assert choice.engine is not None
    assert (choice.engine.folder, choice.engine.path) == (tmp_path, "a.engine")
    assert choice.engine.sha256 == "ab"
    newer = chosen(more, built, build("tensorrt-fp16", tmp_path, engine="b"), asked=None)
    assert newer.artefact.id == "onnx-fp32"
    passed = chosen(more, built, validation(tensorrt_fp16="pass"))
    assert passed.artefact.id == "tensorrt-fp16"
    assert passed.engine is not None
    with pytest.raises(BackendError, match="needs a device"):
        chosen(more, build("tensorrt-fp16", tmp_path, ELSEWHERE), asked="tensorrt-fp16")


def test_evidence_never_stands_in_for_bytes_that_the_manifest_names(
    manifest: Manifest, tmp_path: Path
):
    (tmp_path / "a.engine").write_bytes(b"abc")
    choice = chosen(manifest, build("onnx-fp32", tmp_path), validation(onnx_fp32="pass"))
    assert choice.artefact.id == "onnx-fp32"
    assert choice.engine is None


def test_an_engine_that_is_gone_is_as_good_as_never_built(manifest: Manifest, tmp_path: Path):
    more = with_artefacts(manifest, tensorrt_fp16={"status": "needs_device", "reason": "no GPU"})
    evidence = (
        build("tensorrt-fp16", tmp_path),
        validation(tensorrt_fp16="pass", onnx_fp32="pass"),
        bench(tensorrt_fp16=1.0, onnx_fp32=2.0),
    )
    assert chosen(more, *evidence).artefact.id == "onnx-fp32"
    with pytest.raises(BackendError, match="run: kd2edge build BUNDLE"):
        chosen(more, *evidence, asked="tensorrt-fp16")
    (tmp_path / "a.engine").write_bytes(b"abc")
    assert chosen(more, *evidence).artefact.id == "tensorrt-fp16"


def test_not_run_says_nothing_against_an_earlier_verdict(manifest: Manifest):
    evidence = (validation(onnx_int8_qdq="pass"), validation("2026-01-09", onnx_int8_qdq="not_run"))
    assert chosen(manifest, *evidence).artefact.id == "onnx-int8-qdq"


@pytest.mark.parametrize(
    "evidence",
    [
        Evidence("validation", HERE, "sha", OLD, {}, Path()),
        Evidence("validation", HERE, "sha", OLD, {"artefacts": []}, Path()),
        Evidence("validation", HERE, "sha", OLD, {"artefacts": {"onnx-fp32": "pass"}}, Path()),
        Evidence("bench", HERE, "sha", OLD, {"timings": [{"threads": 1}]}, Path()),
        Evidence("build", HERE, "sha", OLD, {"artefact": "tensorrt-fp16"}, Path()),
    ],
)
def test_evidence_of_another_form_is_an_integrity_error(manifest: Manifest, evidence: Evidence):
    with pytest.raises(IntegrityError, match="evidence that cannot be read"):
        chosen(manifest, evidence)
