from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from distill.tiny import DARK, IMAGES, SHAPE, TAG, TOKENS, image_rows, token_rows
from kd2edge.data import Batch, Progress, Step, Views
from kd2edge.data.batch import at_words
from kd2edge.errors import DataError, IntegrityError
from kd2edge.ragged import Ragged
from kd2edge.tasks.spec import TaskSpec
from kd2edge.teacher import NetTeacher, Outputs, Teacher, cache_outputs, fill
from kd2edge.teacher.tail import TEMPERATURES
from teacher.filler import VIEWS

ALL = {"images": (IMAGES, image_rows), "tokens": (TOKENS, token_rows)}


def never() -> None:
    raise AssertionError("the teacher was built")


@pytest.mark.parametrize("name", sorted(ALL))
def test_the_cache_holds_what_the_teacher_says(tmp_path: Path, name: str) -> None:
    world, rows = ALL[name]
    split = world.split(tmp_path, rows())
    cache = cache_outputs(world.net_teacher(), split, tmp_path, tasks=world.tasks, batch_size=7)
    net = world.net(seed=2, teacher=True).eval()
    at = np.array([11, 3, 29])
    batch = split.batch(at)
    with torch.inference_mode():
        logits = net(batch.inputs)
    for task in world.tasks:
        expected = at_words(logits[task.name], batch.words_of(task.name)).numpy()
        found = cache.logits(task.name, at)
        values = found.values if isinstance(found, Ragged) else found
        np.testing.assert_allclose(values, expected, atol=2e-3)
        assert values.dtype == np.float16
    assert not cache.reused
    assert cache.tasks == tuple(task.name for task in world.tasks)


def test_a_second_run_does_not_build_the_teacher(tmp_path: Path) -> None:
    split = IMAGES.split(tmp_path, image_rows())
    teacher = IMAGES.net_teacher()
    first = cache_outputs(teacher, split, tmp_path, tasks=IMAGES.tasks)
    absent = NetTeacher(never, teacher.tasks, teacher.fingerprint)  # type: ignore[arg-type]
    second = cache_outputs(absent, split, tmp_path, tasks=IMAGES.tasks)
    assert second.reused
    at = np.arange(len(split))
    assert np.array_equal(second.logits(SHAPE.name, at), first.logits(SHAPE.name, at))


@pytest.mark.parametrize("change", ["teacher", "data", "tasks", "features"])
def test_the_key_follows_everything_it_depends_on(tmp_path: Path, change: str) -> None:
    split = IMAGES.split(tmp_path, image_rows())
    cache_outputs(IMAGES.net_teacher(), split, tmp_path, tasks=IMAGES.tasks)
    again = cache_outputs(
        IMAGES.net_teacher(seed=3 if change == "teacher" else 2),
        IMAGES.split(tmp_path, image_rows(seed=9)) if change == "data" else split,
        tmp_path,
        tasks=(SHAPE,) if change == "tasks" else IMAGES.tasks,
        features=("stages.1",) if change == "features" else (),
    )
    assert not again.reused


def test_a_flipped_byte_is_noticed(tmp_path: Path) -> None:
    split = IMAGES.split(tmp_path / "data", image_rows())
    cache_outputs(IMAGES.net_teacher(), split, tmp_path / "cache", tasks=IMAGES.tasks)
    (shard,) = (tmp_path / "cache").glob("*/*.bin")
    content = bytearray(shard.read_bytes())
    content[100] ^= 1
    shard.write_bytes(content)
    with pytest.raises(IntegrityError, match=r"delete .* or run with --recache"):
        cache_outputs(IMAGES.net_teacher(), split, tmp_path / "cache", tasks=IMAGES.tasks)


def test_every_view_is_kept(tmp_path: Path) -> None:
    views = Views(3, {"image": [Step("shift", {"pixels": 2})]}, seed=5)
    split = IMAGES.split(tmp_path, image_rows(), views=views)
    cache = cache_outputs(IMAGES.net_teacher(), split, tmp_path, tasks=IMAGES.tasks)
    net, at = IMAGES.net(seed=2, teacher=True).eval(), np.array([4, 17])
    said = []
    for view in range(4):
        with torch.inference_mode():
            expected = net(split.batch(at, view).inputs)[SHAPE.name].numpy()
        said.append(cache.logits(SHAPE.name, at, view))
        np.testing.assert_allclose(said[-1], expected, atol=2e-3)
    assert not np.array_equal(said[0], said[1])
    assert np.array_equal(said[0], said[3])


def test_words_that_were_cut_off_are_nan(tmp_path: Path) -> None:
    split = TOKENS.split(tmp_path, token_rows())
    cache = cache_outputs(TOKENS.net_teacher(), split, tmp_path, tasks=TOKENS.tasks)
    at = np.arange(len(split))
    found = cache.logits(TAG.name, at)
    assert isinstance(found, Ragged)
    gone = split.batch(at).words["words"].index.numpy() < 0
    assert gone.any()
    assert np.array_equal(np.isnan(found.values).all(axis=1), gone)
    assert np.array_equal(np.isnan(found.values).any(axis=1), gone)


@pytest.mark.parametrize(
    ("name", "path", "shape", "per_word"),
    [
        ("images", "stages.0", (8, 3, 3), False),
        ("images", "stages.1", (10, 2, 2), False),
        ("tokens", "encoder.layer.1", (12,), True),
    ],
)
def test_features_are_kept_in_shared_form(
    tmp_path: Path, name: str, path: str, shape: tuple[int, ...], per_word: bool
) -> None:
    world, rows = ALL[name]
    split = world.split(tmp_path, rows())
    cache = cache_outputs(world.net_teacher(), split, tmp_path, tasks=world.tasks, features=(path,))
    assert cache.features == (path,)
    assert cache.feature_shape(path) == shape
    assert cache.is_per_word(path) is per_word
    at = np.array([2, 0])
    found = cache.feature(path, at)
    if isinstance(found, Ragged):
        assert found.offsets.tolist() == split.batch(at).words["words"].offsets.tolist()
    else:
        assert found.shape == (2, *shape)


def relabelled(tasks: Sequence[TaskSpec]) -> tuple[TaskSpec, ...]:
    return tuple(replace(task, labels=tuple(reversed(task.labels))) for task in tasks)


@pytest.mark.parametrize("name", sorted(ALL))
def test_another_label_order_is_mapped_by_name(tmp_path: Path, name: str) -> None:
    world, rows = ALL[name]
    split = world.split(tmp_path, rows())
    plain = cache_outputs(world.net_teacher(), split, tmp_path, tasks=world.tasks)
    turned = cache_outputs(world.net_teacher(), split, tmp_path, tasks=relabelled(world.tasks))
    at = np.arange(len(split))
    for task in world.tasks:
        one, two = plain.logits(task.name, at), turned.logits(task.name, at)
        first, second = (x.values if isinstance(x, Ragged) else x for x in (one, two))
        expected = -first if task.kind == "binary" else first[:, ::-1]
        np.testing.assert_array_equal(second, expected)


@pytest.mark.parametrize(
    ("task", "says"),
    [
        (replace(SHAPE, labels=("a", "b", "d")), r"labels c, d \(2"),
        (replace(SHAPE, name="form"), "form: the teacher does not know it; it knows shape, dark"),
        (replace(DARK, kind="classification"), "dark: the teacher's is binary"),
    ],
)
def test_labels_that_do_not_match_are_refused(tmp_path: Path, task: TaskSpec, says: str) -> None:
    split = IMAGES.split(tmp_path, image_rows())
    with pytest.raises(DataError, match=says):
        cache_outputs(IMAGES.net_teacher(), split, tmp_path, tasks=(task,))


def test_a_stopped_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kd2edge.data.layout.SHARD_ROWS", 16)
    monkeypatch.setattr("kd2edge.teacher.fill._BLOCK", 16)
    split = IMAGES.split(tmp_path / "data", image_rows())
    whole = cache_outputs(IMAGES.net_teacher(), split, tmp_path / "whole", tasks=IMAGES.tasks)

    def stop(event: Progress) -> None:
        if event.done > 32:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache_outputs(
            IMAGES.net_teacher(), split, tmp_path / "part", tasks=IMAGES.tasks, on_event=stop
        )
    seen: list[int] = []
    part = cache_outputs(
        IMAGES.net_teacher(),
        split,
        tmp_path / "part",
        tasks=IMAGES.tasks,
        on_event=lambda event: seen.append(event.done),
    )
    assert seen == [48, 50]
    at = np.arange(len(split))
    assert np.array_equal(part.logits(SHAPE.name, at), whole.logits(SHAPE.name, at))


def test_two_processes_fill_one_cache_together(tmp_path: Path) -> None:
    tests, product = Path(__file__).parents[1], Path(fill.__file__).parents[2]
    paths = {"PYTHONPATH": os.pathsep.join(map(str, (product, tests)))}
    names = ("one", "two")
    running = [
        subprocess.Popen(
            [sys.executable, tests / "teacher" / "filler.py", tmp_path, name, other],
            env=os.environ | paths,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name, other in (names, names[::-1])
    ]
    made = [process.communicate(timeout=300)[0].split() for process in running]
    assert [process.returncode for process in running] == [0, 0]
    # 50 rows in 2 views, 8 a shard: each was made once, some by either.
    expected = [view * 50 + min(at + 8, 50) for view in range(2) for at in range(0, 50, 8)]
    assert sorted(map(int, made[0] + made[1])) == expected
    assert all(made)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kd2edge.data.layout.SHARD_ROWS", 8)
        patch.setattr("kd2edge.teacher.fill._BLOCK", 8)
        split = IMAGES.split(tmp_path / "rows", image_rows(), views=VIEWS)
        cache_outputs(IMAGES.net_teacher(), split, tmp_path / "alone", tasks=IMAGES.tasks)
    assert files_of(tmp_path / "cache") == files_of(tmp_path / "alone")


def files_of(directory: Path) -> dict[str, bytes]:
    (folder,) = directory.iterdir()
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class Counting(Teacher):
    """A teacher that is no net: it says how large a row's first array is."""

    def __init__(self, tasks: tuple[TaskSpec, ...]) -> None:
        self.tasks = tasks
        self.fingerprint = "counting"

    @contextmanager
    def open(
        self, features: Sequence[str], device: torch.device
    ) -> Iterator[Callable[[Batch], Outputs]]:
        def answer(batch: Batch) -> Outputs:
            total = batch.inputs["pixel_values"].float().flatten(1).sum(1, keepdim=True)
            return Outputs({SHAPE.name: total * torch.tensor([1.0, -1.0, 0.0])}, {})

        yield answer


def test_a_teacher_need_not_be_a_net(tmp_path: Path) -> None:
    split = IMAGES.split(tmp_path, image_rows())
    cache = cache_outputs(Counting((SHAPE,)), split, tmp_path, tasks=(SHAPE,))
    found = cache.logits(SHAPE.name, np.arange(3))
    expected = split.batch(np.arange(3)).inputs["pixel_values"].numpy().reshape(3, -1).sum(1)
    np.testing.assert_allclose(np.asarray(found)[:, 0], expected, rtol=1e-3)


def test_the_same_weights_with_other_labels_or_units_are_asked_anew(tmp_path: Path) -> None:
    split = IMAGES.split(tmp_path, image_rows())
    at = np.arange(3)
    turned = replace(SHAPE, labels=tuple(reversed(SHAPE.labels)))
    one, other = (
        cache_outputs(Counting((own,)), split, tmp_path, tasks=(SHAPE,)) for own in (SHAPE, turned)
    )
    assert not other.reused
    first, second = (np.asarray(cache.logits(SHAPE.name, at)) for cache in (one, other))
    np.testing.assert_array_equal(second, first[:, ::-1])

    class Value(Counting):
        @contextmanager
        def open(
            self, features: Sequence[str], device: torch.device
        ) -> Iterator[Callable[[Batch], Outputs]]:
            yield lambda batch: Outputs({SHAPE.name: torch.ones((len(batch), 1))}, {})

    units = [
        replace(SHAPE, kind="regression", labels=(), decode={"mean": 0.0, "spread": spread})
        for spread in (1.0, 2.0)
    ]
    caches = [cache_outputs(Value((own,)), split, tmp_path, tasks=units[:1]) for own in units]
    said = [np.asarray(cache.logits(SHAPE.name, at)) for cache in caches]
    assert [float(values[0, 0]) for values in said] == [1.0, 2.0]


def test_values_beyond_fp16_stay_finite(tmp_path: Path) -> None:
    class Loud(Counting):
        @contextmanager
        def open(
            self, features: Sequence[str], device: torch.device
        ) -> Iterator[Callable[[Batch], Outputs]]:
            yield lambda batch: Outputs({SHAPE.name: torch.full((len(batch), 3), 1e6)}, {})

    split = IMAGES.split(tmp_path, image_rows())
    cache = cache_outputs(Loud((SHAPE,)), split, tmp_path, tasks=(SHAPE,))
    assert np.isfinite(cache.logits(SHAPE.name, np.arange(3))).all()


def many(spec: TaskSpec) -> TaskSpec:
    """A task with so many classes that not all are kept."""
    return replace(spec, labels=(*spec.labels, *(f"more {at}" for at in range(300))))


@pytest.mark.parametrize("name", sorted(ALL))
def test_of_many_classes_the_likeliest_are_kept_and_the_others_as_one(
    tmp_path: Path, name: str
) -> None:
    world, rows = ALL[name]
    tasks = tuple(many(one) if one.kind != "binary" else one for one in world.tasks)
    split = world.split(tmp_path, rows(), tasks=tasks)
    teacher = world.net_teacher(tasks=tasks)
    whole, cut = (
        cache_outputs(teacher, split, tmp_path, tasks=tasks, top_k=top_k) for top_k in (None, 4)
    )
    assert whole.top_k == {}
    assert cut.top_k == {one.name: 4 for one in tasks if one.kind != "binary"}
    assert cut.bytes < whole.bytes / 3
    at = np.array([11, 3, 29])
    for task in tasks:
        said, kept = whole.logits(task.name, at), cut.logits(task.name, at)
        if task.kind == "binary":
            assert np.array_equal(said, kept)
            continue
        columns = (said, kept, cut.classes(task.name, at), cut.tails(task.name, at))
        dense, few, which, tail = (
            one.values if isinstance(one, Ragged) else one for one in columns
        )
        seen = ~np.isnan(dense).any(1)
        assert seen.any()
        assert np.isnan(few[~seen]).all()
        assert np.isnan(tail[~seen]).all()
        assert (tail.dtype, tail.shape) == (np.float16, (len(dense), len(TEMPERATURES)))
        assert (which.dtype, which.shape) == (np.int16, (len(dense), 4))
        for at_one, temperature in enumerate(TEMPERATURES):
            chances = np.exp(dense[seen].astype(np.float64) / temperature)
            chances /= chances.sum(1, keepdims=True)
            top = np.take_along_axis(chances, which[seen].astype(np.int64), axis=1)
            own = few[seen].astype(np.float64) / temperature
            others = tail[seen][:, at_one : at_one + 1].astype(np.float64)
            found = np.exp(np.concatenate([own, others], axis=1))
            found /= found.sum(1, keepdims=True)
            np.testing.assert_allclose(found[:, :-1], top, rtol=0.02)
            np.testing.assert_allclose(found[:, -1], 1 - top.sum(1), rtol=0.02)
            # float16 makes ties among the likeliest; none that is left out is likelier by more.
            assert (top.min(1) >= np.sort(chances, axis=1)[:, -4] * 0.98).all()


def test_no_cache_that_knew_the_others_at_one_temperature_is_taken_for_this(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = (many(SHAPE),)
    split = IMAGES.split(tmp_path, image_rows(), tasks=tasks)
    teacher = IMAGES.net_teacher(tasks=tasks)
    first = cache_outputs(teacher, split, tmp_path, tasks=tasks, top_k=4)
    assert cache_outputs(teacher, split, tmp_path, tasks=tasks, top_k=4).reused
    monkeypatch.setattr(fill, "TEMPERATURES", (1.0,))
    other = cache_outputs(teacher, split, tmp_path, tasks=tasks, top_k=4)
    assert not other.reused
    assert other.fingerprint != first.fingerprint


def test_few_classes_are_kept_under_the_same_key(tmp_path: Path) -> None:
    split = IMAGES.split(tmp_path, image_rows())
    first = cache_outputs(IMAGES.net_teacher(), split, tmp_path, tasks=IMAGES.tasks)
    second = cache_outputs(IMAGES.net_teacher(), split, tmp_path, tasks=IMAGES.tasks, top_k=64)
    assert second.reused
    assert second.fingerprint == first.fingerprint
