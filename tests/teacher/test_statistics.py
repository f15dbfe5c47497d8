from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from distill.tiny import IMAGES, TOKENS, image_rows, token_rows
from kd2edge.data import Progress, Step, Views
from kd2edge.errors import IntegrityError
from kd2edge.ragged import Ragged
from kd2edge.teacher import TeacherCache, cache_outputs, statistics

ALL = {
    "images": (IMAGES, image_rows, "stages.1"),
    "tokens": (TOKENS, token_rows, "encoder.layer.1"),
}
VIEWS = Views(2, {"image": [Step("shift", {"pixels": 1})]})


def cached(name: str, tmp_path: Path, folder: str = "cache", **more) -> TeacherCache:
    world, rows, path = ALL[name]
    views = VIEWS if name == "images" else None
    split = world.split(tmp_path, rows(), views=views)
    teacher = world.net_teacher()
    features = (path, "embeddings") if name == "tokens" else (path,)
    return cache_outputs(
        teacher, split, tmp_path / folder, tasks=world.tasks, features=features, **more
    )


@pytest.mark.parametrize("name", sorted(ALL))
def test_mean_and_covariance_of_all_rows_and_views(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statistics, "_CHUNK", 7)
    cache, path = cached(name, tmp_path), ALL[name][2]
    vectors = []
    for view in range(2 if name == "images" else 1):
        found = cache.feature(path, np.arange(cache.rows), view)
        if isinstance(found, Ragged):
            vectors.append(found.values[~np.isnan(found.values[:, 0])])
            assert len(vectors[0]) < len(found.values)  # some words were cut off
        else:
            vectors.append(found.transpose(0, 2, 3, 1).reshape(-1, found.shape[1]))
    expected = np.concatenate(vectors).astype(np.float64)
    own = cache.statistics(path)
    assert own.count == len(expected)
    np.testing.assert_allclose(own.mean, expected.mean(0), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(own.covariance, np.cov(expected.T, bias=True), atol=1e-12)
    np.testing.assert_allclose(own.deviation, expected.std(0), atol=1e-9)


def test_a_mean_that_is_large_beside_the_spread_costs_no_digits() -> None:
    vectors = 1e6 + np.random.default_rng(0).normal(size=(100, 3))
    parts = [statistics._sums(part) for part in np.split(vectors, 4)]
    joined = parts[0]
    for part in parts[1:]:
        joined = statistics._joined(joined, part)
    np.testing.assert_allclose(joined.products / 100, np.cov(vectors.T, bias=True), rtol=1e-6)


def test_they_are_found_again_with_the_cache(tmp_path: Path) -> None:
    first, second = cached("tokens", tmp_path), cached("tokens", tmp_path)
    assert second.reused
    for path in first.features:
        one, other = first.statistics(path), second.statistics(path)
        assert one.count == other.count
        assert np.array_equal(one.mean, other.mean)
        assert np.array_equal(one.covariance, other.covariance)
    assert not np.array_equal(*(first.statistics(path).mean for path in first.features))


def test_a_stopped_run_gives_the_same_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kd2edge.data.layout.SHARD_ROWS", 16)
    monkeypatch.setattr("kd2edge.teacher.fill._BLOCK", 16)
    whole = cached("tokens", tmp_path, "whole")

    def stop(event: Progress) -> None:
        if event.done > 16:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cached("tokens", tmp_path, "part", on_event=stop)
    part = cached("tokens", tmp_path, "part")
    assert not part.reused
    for path in whole.features:
        assert np.array_equal(part.statistics(path).covariance, whole.statistics(path).covariance)


def test_a_changed_byte_and_a_missing_file_are_noticed(tmp_path: Path) -> None:
    cached("tokens", tmp_path)
    (file,) = (tmp_path / "cache").glob("*/statistics-*.npz")
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    with pytest.raises(IntegrityError, match=r"SHA-256 does not hold; delete .* --recache"):
        cached("tokens", tmp_path)
    file.unlink()
    with pytest.raises(IntegrityError, match=r"missing; delete .* --recache"):
        cached("tokens", tmp_path)


def test_a_cache_without_features_has_none(tmp_path: Path) -> None:
    split = IMAGES.split(tmp_path, image_rows())
    cache_outputs(IMAGES.net_teacher(), split, tmp_path / "cache", tasks=IMAGES.tasks)
    assert not [*(tmp_path / "cache").glob("*/statistics-*")]
