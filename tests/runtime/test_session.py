from __future__ import annotations

import threading

import numpy as np
import pytest

import bundles
from kd2edge.errors import BackendError, InputError, IntegrityError, UsageError
from kd2edge.runtime import GraphSpec, Session

SPEC = GraphSpec(bundles.IMAGE_ARRAYS, bundles.IMAGE_HEADS, {"batch": (1, 64)})


def pixels(rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    return {"pixel_values": bundles.images(rows, seed)[:, None]}


def session(**options: object) -> Session:
    return Session.from_bytes(bundles.image_graph(), SPEC, threads=1, **options)  # type: ignore[arg-type]


def test_gives_what_onnx_runtime_gives():
    wanted = bundles.run_onnx(bundles.image_graph(), pixels(3))
    with session() as opened:
        found = opened.run(pixels(3))
    assert list(found) == ["digit", "larger"]
    for name, array in wanted.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("rows", [0, 1, 4])
def test_an_engine_that_answers_other_rows_than_were_asked_has_failed(monkeypatch, rows):
    """OpenVINO gives none, or those of the batch before, where memory ends."""
    opened = session()
    opened.open()
    whole = opened._infer
    monkeypatch.setattr(
        opened, "_infer", lambda arrays: {**whole(arrays), "larger": np.zeros((rows, 1), "float32")}
    )
    with pytest.raises(BackendError, match=rf"its output larger is \[{rows}, 1\]: out of memory"):
        opened.run(pixels(3))


def test_making_one_is_free_and_the_first_run_opens_it():
    broken = Session.from_bytes(b"no graph", SPEC)  # says nothing yet
    with pytest.raises(IntegrityError, match="graph: no graph"):
        broken.run(pixels(1))
    opened = session()
    assert opened.providers == ()
    assert opened.run(pixels(1))["digit"].shape == (1, 3)
    assert opened.providers == ("CPUExecutionProvider",)


def test_reads_the_spec_from_the_graph_when_none_is_stated():
    opened = Session.from_bytes(bundles.text_graph(), threads=1)
    assert [(one.name, one.dtype, one.shape) for one in opened.spec.inputs] == [
        ("input_ids", "int64", ("batch", "length")),
        ("attention_mask", "int64", ("batch", "length")),
    ]
    assert [one.name for one in opened.spec.outputs] == ["intent", "ner"]


def test_gives_only_the_outputs_of_the_spec_in_their_order():
    spec = GraphSpec(bundles.IMAGE_ARRAYS, bundles.IMAGE_HEADS[::-1])
    both = Session.from_bytes(bundles.image_graph(), spec, threads=1).run(pixels(2))
    assert list(both) == ["larger", "digit"]
    spec = GraphSpec(bundles.IMAGE_ARRAYS, bundles.IMAGE_HEADS[1:])
    one = Session.from_bytes(bundles.image_graph(), spec, threads=1).run(pixels(2))
    assert list(one) == ["larger"]
    np.testing.assert_array_equal(one["larger"], both["larger"])


def test_refuses_a_graph_that_is_not_the_stated_one():
    with pytest.raises(IntegrityError, match="stated as"):
        Session.from_bytes(bundles.text_graph(), SPEC, threads=1).open()


def test_refuses_arrays_that_do_not_fit():
    with session() as opened:
        opened.run(pixels(2))
        for wrong in (
            {},
            {"image": pixels(1)["pixel_values"]},
            {"pixel_values": pixels(1)["pixel_values"].astype(np.float32)},
            {"pixel_values": bundles.images(1)},
            pixels(65),
        ):
            with pytest.raises(InputError):
                opened.run(wrong)


def test_values_out_of_range_are_the_callers_error_with_shapes():
    ids = {
        "input_ids": np.full((1, 4), 999, np.int64),
        "attention_mask": np.ones((1, 4), np.int64),
    }
    opened = Session.from_bytes(bundles.text_graph(), threads=1, label="onnx-fp32")
    with pytest.raises(InputError, match=r"onnx-fp32 failed on input_ids \[1, 4\]") as caught:
        opened.run(ids)
    assert caught.value.__cause__ is not None


def test_arrays_need_not_be_contiguous():
    wide = np.random.default_rng(0).integers(0, 256, (2, 1, 8, 16), dtype=np.uint8)
    with session() as opened:
        found = opened.run({"pixel_values": wide[..., ::2]})
        wanted = opened.run({"pixel_values": np.ascontiguousarray(wide[..., ::2])})
    np.testing.assert_array_equal(found["digit"], wanted["digit"])


def test_a_closed_session_stays_closed():
    opened = session()
    with opened:
        opened.run(pixels(1))
    opened.close()
    for use in (opened.open, lambda: opened.run(pixels(1))):
        with pytest.raises(BackendError, match="was closed"):
            use()


def test_threads_get_their_own_answers():
    wanted = [bundles.run_onnx(bundles.image_graph(), pixels(2, seed)) for seed in range(8)]
    opened = session()  # not open yet: the threads race for that too
    wrong: list[int] = []
    start = threading.Barrier(8)

    def work(seed: int) -> None:
        start.wait()
        for _ in range(50):
            found = opened.run(pixels(2, seed))
            if not np.array_equal(found["digit"], wanted[seed]["digit"]):
                wrong.append(seed)

    workers = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_threads_and_backend_names_are_checked_at_once():
    for threads in (0, True, 10**9, 10**30):
        with pytest.raises(UsageError, match="from 1 to 4096"):
            Session.from_bytes(b"", threads=threads)
    with pytest.raises(BackendError, match="onnxruntime, openvino, tensorrt"):
        Session.from_bytes(b"", backend="caffe")


def test_threads_default_to_the_cores_of_this_process():
    assert session().threads == 1
    assert Session.from_bytes(b"").threads >= 1
