"""Each script measures what it says, on products that were trained in a second."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import accuracy
import encoding
import imports
import lengths
import numpy as np
import overhead
import parity
import peers
import pytest
import recording
import step
import studies
import timing

from kd2edge.pipeline.steps.folders import RunFolder
from products import Product, write_text_project

ROOT = Path(__file__).resolve().parents[2]


def test_calls_take_turns_and_ratios_are_of_rounds():
    order: list[str] = []
    calls = {name: lambda name=name: order.append(name) for name in "ab"}
    times = timing.interleaved(calls, rounds=3, warm=1)
    assert "".join(order) == "ab" + "ab" + "ba" + "ab"
    assert all(len(one.seconds) == 3 for one in times.values())
    slow, quick = timing.Times((2.0, 4.0, 90.0)), timing.Times((1.0, 2.0, 30.0))
    assert timing.ratio(slow, quick) == 2.0
    assert timing.extra(slow, quick) == 2e6
    assert quick.least == 1.0


@pytest.mark.parametrize("product", ["image_product", "token_product"])
def test_parity_of_the_fp32_artefacts(product: str, request):
    made: Product = request.getfixturevalue(product)
    found = parity.measured(made.run, made.bundle, None)
    assert set(found["artefacts"]) == {"onnx-fp32", "openvino-fp32"}
    for heads in found["artefacts"].values():
        assert heads
        for head in heads.values():
            assert head["decisions"] >= found["rows"] > 0
            assert 0 < head["max_abs_error"] <= parity.LIMIT
            assert head["changed_without_tie"] == 0


def test_encoding_counts_the_words_of_the_rows_that_it_times(
    token_product: Product, text_product: Product, monkeypatch
):
    texts = {
        encoding.WORDS: encoding.opened(token_product.recipe, 20),
        encoding.SENTENCES: encoding.opened(text_product.recipe, 12),
    }
    for name, one in texts.items():
        cut = [row if name == encoding.WORDS else row.split() for row in one.values]
        assert one.words(12) == sum(len(row) for row in cut[:12]) > 12
    seen: list[int] = []
    monkeypatch.setattr(encoding, "all_of", lambda one, count, batch: seen.append(count))
    found = encoding.encoded(texts, 4, 3)
    assert set(seen) == {12}  # as many rows of both
    assert found["batch"] == 4
    assert found["ratio"] > 0


def test_of_a_study_is_kept_what_it_found_and_no_place_of_this_machine(
    image_product: Product, tmp_path: Path
):
    text = image_product.recipe.read_text(encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "study.json").write_text('{"name": "s", "codes": ["x"]}', encoding="utf-8")
    found = studies.kept(studies.StudyFolder(tmp_path))
    assert found["name"] == "s"
    assert not found["code_unchanged_since"]
    assert found["student"]["model"]["family"] == "cnn"
    assert "family: cnn" in found["recipe_text"]
    assert str(tmp_path) not in found["recipe_text"]
    student = {"source": {"path": "weights", "package": "p"}, "own": "/home/x", "kept": 1}
    assert studies.without_places([student]) == [{"source": {"package": "p"}, "kept": 1}]


def test_parity_notices_another_net(image_product: Product, monkeypatch):
    def wrong(stem: Path):
        net = parity.__dict__["real"](stem)
        for weights in net.parameters():
            weights.data += 0.1
        return net

    monkeypatch.setattr(parity, "real", parity.load_net, raising=False)
    monkeypatch.setattr(parity, "load_net", wrong)
    found = parity.measured(image_product.run, image_product.bundle, 16)
    assert max(one["max_abs_error"] for one in found["artefacts"]["onnx-fp32"].values()) > 0.01


def test_a_gap_is_how_far_a_decision_was_ahead():
    assert parity.gap(np.array([1.0, 5.0, 3.0])) == 2.0
    assert parity.gap(np.array([-0.5])) == 0.5


def test_overhead(image_product: Product, token_product: Product):
    image = overhead.measured(image_product.bundle, [1, 4], 1, 50)
    assert [one["batch"] for one in image["calls"]] == [1, 4]
    assert image["calls"][1]["predict_limit_us"] == 33
    assert image["calls"][0]["logits_ratio"] > 0
    assert image["encoding"]["batch 1"] > 0
    words = overhead.measured(token_product.bundle, [1], 1, 50)
    assert "predict_ratio" not in words["calls"][0]  # arrays do not tell where words start


_HINTS = (("encoder.layer.0", "encoder.layer.0"), ("encoder.layer.1", "encoder.layer.0"))


def test_step_with_and_without_a_teacher(token_product: Product):
    found = step.measured(token_product.recipe, 32, 2)
    assert set(found["times"]) == {"supervised", "distilled"}
    assert found["ratio"] > 0
    assert found["hints"] == []  # the recipe follows no features, and nothing says which
    assert "hinted_ratio" not in found


def test_a_hinted_step_reads_two_layers_of_the_teacher_and_the_others_none(
    token_product: Product, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(step, "HINTS", {"tiny-token": _HINTS})
    asked: dict[str, list[str]] = {}
    real_step, real_feature = step.step, step.TeacherCache.feature

    def watched(*given):
        take = real_step(*given)
        way = "hinted" if given[3].distill.features else "others"

        def taken():
            asked[""] = asked.setdefault(way, [])
            return take()

        return taken

    def feature(self, path, *rest):
        asked.setdefault("", []).append(path)
        return real_feature(self, path, *rest)

    monkeypatch.setattr(step, "step", watched)
    monkeypatch.setattr(step.TeacherCache, "feature", feature)
    found = step.measured(token_product.recipe, 32, 1)
    assert found["hints"] == [list(one) for one in _HINTS]
    assert found["hinted_ratio"] > 0
    assert set(asked["hinted"]) == {"encoder.layer.0", "encoder.layer.1"}
    assert asked["others"] == []


def test_a_compiled_net_is_still_captured_beside_one_that_is_not(tmp_path: Path):
    recipe = write_text_project(tmp_path)  # it follows a feature
    seen: list[Any] = []
    real = step.Turn

    def turn(batch, features, *rest):
        seen.append({path: one.grad_fn for path, one in features.items()})
        return real(batch, features, *rest)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(step, "Turn", turn)
        found = step.measured(recipe, 32, 2, compiler="eager")
    assert found["compiler"] == "eager"
    assert found["hinted_ratio"] > 0
    graphs = [one["encoder.layer.0"] for one in seen if one]
    assert len(graphs) > 2
    assert len(set(graphs)) == len(graphs)  # each step's own feature, not one of before


def test_recipes_that_steps_are_measured_of_have_two_hints_and_others_their_own(
    text_product: Product,
):
    for name in step.RECIPES:
        path = ROOT / name
        hints = step.hints_of(path)
        assert len(hints) == 2
        followed = step.load_recipe(path, overrides=[step.following(hints)]).recipe.distill.features
        assert [one.loss.kind for one in followed] == ["mse", "mse"]
    (own,) = step.hints_of(text_product.recipe)
    assert own["from"] == ["encoder.layer.1"]
    nothing = step.load_recipe(text_product.recipe, overrides=[step.following(())]).recipe
    assert nothing.distill.features == ()


def test_a_distilled_step_really_asks_the_cache(token_product: Product, monkeypatch):
    asked: list[str] = []
    real = step.TeacherCache.logits

    def logits(self, task, *rest):
        asked.append(task)
        return real(self, task, *rest)

    monkeypatch.setattr(step.TeacherCache, "logits", logits)
    step.measured(token_product.recipe, 32, 1)
    assert set(asked) == {"ner", "pos"}


def test_sorting_by_length_is_measured_on_the_rows_of_the_run(token_product: Product):
    found = lengths.measured(token_product.bundle, None, 8, 1, 2)
    assert found["rows"] > 8
    assert "onnx-fp32" in found["artefacts"]
    for one in found["artefacts"].values():
        assert set(one["gain"]) == {"parted", "sorted"}
        assert all(gain > 0 for gain in one["gain"].values())
        assert set(one["rows_per_second"]) == {"one_pass", "parted", "sorted"}
        assert all(speed > 0 for speed in one["words_per_second"].values())


def test_our_int8_is_held_against_the_quantizer_s_default(text_product: Product):
    found = peers.measured(text_product.bundle, [1], 50)
    assert set(found["bytes"]) == {"float", "ours", "default"}
    (call,) = found["calls"]
    assert set(call["runtime_over"]) == {"float", "ours", "default", "fused", "runtime"}
    assert call["runtime_over"]["runtime"] == 1.0
    assert all(0 <= error < 0.5 for errors in call["rms_of_logits"].values() for error in errors)


def test_start_up_loads_nothing_heavy():
    assert imports.heavy(imports._HELP) == []
    assert imports.heavy("import kd2edge.runtime") == []
    assert imports.heavy("import onnx") == ["onnx"]


def test_a_path_of_this_machine_is_not_recorded(tmp_path: Path):
    with pytest.raises(ValueError, match="must not be recorded"):
        recording.record("x", {"place": f"{recording.ROOT}/runs"}, tmp_path)
    assert list(tmp_path.iterdir()) == []
    path = recording.record("x", {"ratio": 1.0}, tmp_path)
    assert json.loads(path.read_text(encoding="utf-8"))["measured"] == {"ratio": 1.0}


def test_accuracy_is_no_other_than_what_reports_say():
    report = {"a": {"student": {"metrics": {"accuracy": {"value": 0.75}}}}}
    accuracy.require_as_reported("a", "accuracy", {"student": [0.7501]}, [report])
    with pytest.raises(SystemExit, match="a, student: accuracy is"):
        accuracy.require_as_reported("a", "accuracy", {"student": [0.76]}, [report])


@pytest.mark.slow
def test_accuracy_over_seeds_shares_the_teacher(token_product: Product, tmp_path: Path):
    command = [
        sys.executable, str(ROOT / "benchmarks" / "accuracy.py"), str(token_product.recipe),
        "--seeds", "2", "--runs", "runs", "--models", "models", "--out", "out",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (path,) = (tmp_path / "out").glob("accuracy-*.json")
    found = json.loads(path.read_text(encoding="utf-8"))["measured"]
    for task in found["tasks"].values():
        assert len(task["student"]) == len(task["baseline"]) == 2
        assert task["gain"]["low"] <= task["gain"]["value"] <= task["gain"]["high"]
    assert "onnx-fp32" in found["gate"]
    # The second run loaded the first one's teacher, whose answers stood in the shared cache.
    other = json.loads(next(tmp_path.glob("runs/*-seed*/report.json")).read_text(encoding="utf-8"))
    assert other["cache"]["reused"]
    run = RunFolder(tmp_path / "runs" / "tiny-token")
    before = run.report.stat().st_mtime_ns
    accuracy.distill(token_product.recipe, run, [])
    assert run.report.stat().st_mtime_ns == before  # finished: nothing is done again
