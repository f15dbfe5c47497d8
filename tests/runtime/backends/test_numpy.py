from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bundles
from kd2edge.errors import BackendError, InputError, IntegrityError
from kd2edge.files import npz_bytes
from kd2edge.runtime import Session, load
from kd2edge.runtime.backends.numpy import NumPy
from kd2edge.runtime.graph import GraphSpec


def session(companions: Mapping[str, bytes] | None = None, **options: Any) -> Session:
    plan, arrays = bundles.static_layers()
    files = {"numpy/fp32.npz": npz_bytes(arrays)} if companions is None else companions
    return Session.from_bytes(
        plan.to_json(), backend="numpy", companions=files, label="numpy-fp32", **options
    )


def words(*ids: int, mask: int = 1) -> dict[str, np.ndarray]:
    return {"input_ids": np.array([ids]), "attention_mask": np.full((1, len(ids)), mask)}


def test_it_gives_what_onnx_runtime_gives_for_the_same_weights():
    ids = np.array([[2, 4, 5, 6, 3], [2, 9, 10, 3, 0]])
    arrays = {"input_ids": ids, "attention_mask": (ids > 0).astype(np.int64)}
    with session() as opened:
        found = opened.run(arrays)
        assert opened.providers == ("CPU",)
        assert opened.options == {"engine": f"numpy {np.__version__}"}
        assert not opened.uses_threads
    for name, expected in bundles.run_onnx(bundles.text_graph(), arrays).items():
        np.testing.assert_allclose(found[name], expected, rtol=1e-5, atol=1e-5)


def test_it_gives_only_the_stated_outputs_in_their_order():
    heads = bundles.TEXT_HEADS
    for stated in (heads[::-1], heads[1:]):
        spec = GraphSpec(bundles.TEXT_ARRAYS, stated)
        assert list(session(spec=spec).run(words(2, 3))) == [one.name for one in stated]


@pytest.mark.parametrize("wrong", [-1, 999, 2**40])
def test_an_id_that_the_table_has_not_is_the_callers_error(wrong: int):
    with pytest.raises(InputError, match=r"numpy-fp32 failed on input_ids \[1, 2\]"):
        session().run(words(2, wrong))


def test_what_no_mask_shows_is_answered():
    found = session().run(words(2, 3, mask=0))
    np.testing.assert_array_equal(found["intent"], np.zeros((1, 3), np.float32))


def test_an_answer_is_the_callers_own_to_change():
    opened = session()
    first = opened.run(words(2, 4, 3))
    before = {name: array.copy() for name, array in first.items()}
    for array in first.values():
        array[:] = 7
    again = opened.run(words(2, 4, 3))
    assert all((again[name] == before[name]).all() for name in before)


def test_another_device_is_refused_or_left_aside():
    assert session(providers="cpu").run(words(2, 3))
    with pytest.raises(BackendError, match="NumPy runs on the CPU, found 'cuda'"):
        session(providers="cuda").open()
    assert session(providers="cuda", allow_fallback=True).run(words(2, 3))


@pytest.mark.parametrize(
    ("companions", "message"),
    [
        ({}, "expected one file of weights, found none"),
        ({"a.npz": b"", "b.npz": b""}, r"expected one file of weights, found a\.npz, b\.npz"),
        ({"a.npz": b"PK other bytes"}, r"numpy-fp32: a\.npz: it is no \.npz archive"),
    ],
)
def test_weights_that_are_none_are_refused(companions: dict[str, bytes], message: str):
    with pytest.raises(IntegrityError, match=message):
        session(companions).open()


@pytest.mark.parametrize(
    ("stated", "threads"),
    [
        ({}, 4),
        ({"OMP_NUM_THREADS": "1"}, 1),
        ({"OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "2"}, 2),
        ({"OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "0"}, 3),
        ({"OMP_NUM_THREADS": "64"}, 4),
        ({"OMP_NUM_THREADS": "many"}, 4),
    ],
)
def test_its_threads_are_the_blas_librarys(
    monkeypatch: pytest.MonkeyPatch, stated: dict[str, str], threads: int
):
    module = "kd2edge.runtime.backends.numpy"
    monkeypatch.setattr(f"{module}.usable_cpus", lambda: [0, 1, 2, 3])
    monkeypatch.setattr(f"{module}._blas", lambda: "scipy-openblas")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in stated.items():
        monkeypatch.setenv(name, value)
    assert NumPy().own_threads() == threads
    monkeypatch.setattr(f"{module}._blas", lambda: "accelerate")  # which reads none of them
    assert NumPy().own_threads() == 4


def test_weights_beyond_memory_are_a_backend_error(monkeypatch: pytest.MonkeyPatch):
    def none_left(*_: Any) -> None:
        raise MemoryError("Unable to allocate 4.00 GiB")

    monkeypatch.setattr("kd2edge.runtime.backends.numpy.StaticNet", none_left)
    with pytest.raises(BackendError, match=r"not enough memory for [\d,]+ bytes .* 4\.00 GiB"):
        session().open()


def test_a_closed_session_stays_closed():
    opened = session()
    with opened:
        opened.run(words(2, 3))
    with pytest.raises(BackendError, match="was closed"):
        opened.run(words(2, 3))


def test_a_bundle_loads_it_and_its_golden_rows_come_out(tmp_path: Path):
    folder = bundles.text_bundle(
        tmp_path / "bundle", artefacts={"numpy-fp32": bundles.static_artefact()}
    )
    text = {"text": ["book a flight", "", "play music now"]}
    with load(folder, artefact="numpy-fp32", self_test=True) as model, load(folder) as other:
        assert other.artefact == "onnx-fp32"
        found, expected = model.predict(text), other.predict(text)
    for task, answers in expected.items():
        for one, wanted in zip(found[task], answers, strict=True):
            assert [item["label"] for item in one] == [item["label"] for item in wanted]
