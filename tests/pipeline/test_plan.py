from __future__ import annotations

import pytest

from commands import succeed
from kd2edge.pipeline.plan import Plan, plan_of
from kd2edge.recipe import load_recipe
from kd2edge.teacher import TeacherCache
from products import Product


def plan(product: Product) -> Plan:
    return plan_of(load_recipe(product.recipe, overrides=product.overrides))


def cached_bytes(product: Product) -> int:
    """What the teachers' caches of a run take, all splits together."""
    metas = (product.run / "cache" / "teachers").rglob("*.json")
    return sum(TeacherCache(folder).bytes for folder in {path.parent for path in metas})


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
