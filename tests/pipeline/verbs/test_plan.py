from __future__ import annotations

import json
from pathlib import Path

import pytest

from commands import succeed
from kd2edge.pipeline.verbs.plan import ModelPlan, Plan, plan_of, task_lines
from kd2edge.recipe import load_recipe
from kd2edge.teacher import TeacherCache
from products import Product, write_text_project


def plan(product: Product) -> Plan:
    return plan_of(load_recipe(product.recipe, overrides=product.overrides))


def cached_bytes(product: Product) -> int:
    """What the teachers' caches of a run take, all splits together, but for the shards' seals."""
    shards = list((product.run / "cache" / "teachers").rglob("*.bin"))
    folders = {path.parent for path in shards}
    seals = sum(int.from_bytes(path.read_bytes()[-8:], "little") + 8 for path in shards)
    return sum(TeacherCache(folder).bytes for folder in folders) - seals


def test_the_cache_is_as_large_as_planned(image_product: Product) -> None:
    assert plan(image_product).cache_bytes == pytest.approx(cached_bytes(image_product), rel=0.01)


def test_the_cache_of_words_is_about_as_large_as_planned(token_product: Product) -> None:
    assert plan(token_product).cache_bytes == pytest.approx(cached_bytes(token_product), rel=0.2)


def test_features_that_are_not_counted_are_named(
    text_product: Product, token_product: Product
) -> None:
    assert plan(text_product).uncounted == ("bert encoder.layer.1",)
    assert plan(text_product).cache_bytes < cached_bytes(text_product)
    said = succeed("check", text_product.recipe).out
    assert "MB of teachers' logits; not counted: features of bert encoder.layer.1" in said
    assert "not counted" not in plan(token_product).text()


def test_repeated_inputs_are_counted_once_and_said(tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)
    assert "distinct" not in succeed("check", recipe).out
    file = tmp_path / "test.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join([*lines, *lines[:5]]), encoding="utf-8")
    result = succeed("check", recipe)
    assert f"rows       test: {len(lines) + 5} rows, {len(lines)} distinct" in result.out
    counted = succeed("check", recipe, "--json").json
    assert counted["distinct"]["test"] == len(lines)


def test_a_file_that_is_named_twice_counts_once(tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)
    once = plan_of(load_recipe(recipe))
    (tmp_path / "link.jsonl").symlink_to("test.jsonl")
    twice = "data.sources.0.test=[test.jsonl, ./test.jsonl, link.jsonl]"
    assert plan_of(load_recipe(recipe, overrides=[twice])) == once


def test_one_step_is_told_in_the_singular() -> None:
    assert ModelPlan(5, 2, 1).text().endswith("1 step")
    assert ModelPlan(5, 2, 2).text().endswith("2 steps")


def test_labels_of_words_and_of_lists_are_told_beside_their_rows() -> None:
    one = {
        "kind": "multi_label", "labels": 3, "labelled": 70, "labelled_rows": 40,
        "metric": "micro_f1", "max_drop": 0.005, "notes": [],
    }  # fmt: skip
    assert task_lines("parts", one) == [
        (
            "task       parts: multi_label, 3 labels, 70 labels on 40 rows of train, "
            "metric micro_f1, max_drop 0.50 points"
        )
    ]


def test_values_are_told_with_their_unit() -> None:
    one = {
        "kind": "regression", "labels": 0, "labelled": 40, "labelled_rows": 40, "unit": "EUR",
        "spread": {"least": 1.0, "most": 9.5, "mean": 4.0}, "metric": "mae", "max_drop": 0.25,
        "notes": [],
    }  # fmt: skip
    assert task_lines("price", one) == [
        (
            "task       price: regression, 1 to 9.5 EUR (mean 4), 40 labelled in train, "
            "metric mae, max_drop 0.25 EUR"
        )
    ]


def test_what_the_student_will_start_as_is_told_by_shapes(text_product: Product) -> None:
    """A teacher that is not trained yet shows nothing of what its width keeps."""
    planned = plan(text_product)
    tables, *_ = planned.start.parts
    assert (tables.origin, tables.how, tables.explained) == ("bert", "svd_embeddings", None)
    assert planned.start.parameters == planned.to_json()["models"]["student"]["parameters"]
    assert "how much that keeps is known in the run" in planned.text()
    recorded = json.loads((text_product.run / "report.json").read_text("utf-8"))
    start = recorded["models"]["student"]["start"]
    assert 0 < start["parts"][0].pop("explained") < 1
    said = json.loads(json.dumps(planned.to_json()["start"]))
    assert said["parts"][0].pop("explained") is None
    assert start == said
    page = (text_product.run / "report.html").read_text("utf-8")
    assert "svd_embeddings, keeps" in page


def test_of_a_teacher_that_is_there_all_is_told(text_product: Product) -> None:
    stem = text_product.run / "teachers" / "bert.safetensors"
    loaded = (f"teachers.0.checkpoint={stem}", "teachers.0.train=null")
    overrides = [*text_product.overrides, *loaded]
    planned = plan_of(load_recipe(text_product.recipe, overrides=overrides))
    recorded = json.loads((text_product.run / "report.json").read_text("utf-8"))
    wanted = recorded["models"]["student"]["start"]["parts"][0]["explained"]
    assert planned.start.parts[0].explained == pytest.approx(wanted)
    output = [*overrides, "student.init.embeddings=output"]  # which asks it about every piece
    assert (
        plan_of(load_recipe(text_product.recipe, overrides=output)).start.parts[0].explained is None
    )


def test_layers_that_a_word_means_are_listed(tmp_path: Path) -> None:
    recipe = write_text_project(tmp_path)
    said = succeed("check", recipe, "--set", "student.init.layers=last").out
    assert "layer 0 from layer 1 of bert (copy_layers)" in said


def test_a_student_from_chance_is_said_to_be(tmp_path: Path) -> None:
    planned = plan_of(load_recipe(write_text_project(tmp_path), overrides=["student.init=null"]))
    count = planned.start.parameters
    assert f"start      student: all {count:,} parameters from chance" in planned.text()
