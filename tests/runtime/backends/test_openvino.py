from __future__ import annotations

import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import bundles
from kd2edge.errors import BackendError, InputError, IntegrityError
from kd2edge.inputs.spec import ArraySpec
from kd2edge.runtime import GraphSpec, Session

SPEC = GraphSpec(bundles.IMAGE_ARRAYS, bundles.IMAGE_HEADS, {"batch": (1, 64)})


@pytest.fixture(scope="module")
def files() -> tuple[bytes, bytes]:
    return bundles.openvino_files(bundles.image_graph())


def session(files: tuple[bytes, bytes], **options) -> Session:
    xml, binary = files
    fixed = {"companions": {"openvino/fp32.bin": binary}, "threads": 1, "label": "openvino-fp32"}
    return Session.from_bytes(xml, backend="openvino", **(fixed | options))


def pixels(rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    return {"pixel_values": bundles.images(rows, seed)[:, None]}


def test_an_fp32_graph_gives_what_onnx_runtime_gives(files):
    wanted = bundles.run_onnx(bundles.image_graph(), pixels(5))
    with session(files, spec=SPEC) as opened:
        found = opened.run(pixels(5))
        assert opened.providers == ("CPU",)
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        np.testing.assert_allclose(found[name], array, atol=1e-5)


def test_reads_the_spec_from_the_graph(files):
    spec = session(files).spec
    assert [(one.name, one.dtype, one.shape) for one in spec.inputs] == [
        ("pixel_values", "uint8", ("?", 1, 8, 8))
    ]
    assert [(one.name, one.dtype, one.shape) for one in spec.outputs] == [
        ("digit", "float32", ("?", 3)),
        ("larger", "float32", ("?", 1)),
    ]


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_float_parts_are_never_computed_in_bf16(files, precision, monkeypatch):
    import openvino

    seen: list[dict[str, object]] = []
    real = openvino.Core.compile_model

    def spy(self, model, device, properties):
        seen.append(properties)
        return real(self, model, device, properties)

    monkeypatch.setattr(openvino.Core, "compile_model", spy)
    session(files, precision=precision, threads=2).open()
    assert seen[0]["INFERENCE_PRECISION_HINT"] == "f32"
    assert seen[0]["INFERENCE_NUM_THREADS"] == 2


def test_results_are_the_callers_to_keep(files):
    with session(files) as opened:
        first = opened.run(pixels(2, 0))["digit"]
        kept = first.copy()
        opened.run(pixels(2, 1))
        np.testing.assert_array_equal(first, kept)


def test_arrays_may_be_read_only_or_strided(files):
    wide = np.random.default_rng(0).integers(0, 256, (2, 1, 8, 16), dtype=np.uint8)
    strided = wide[..., ::2]
    whole = np.ascontiguousarray(strided)
    whole.flags.writeable = False
    with session(files) as opened:
        np.testing.assert_array_equal(
            opened.run({"pixel_values": strided})["digit"],
            opened.run({"pixel_values": whole})["digit"],
        )


def test_threads_get_their_own_answers(files):
    with session(files) as opened:
        wanted = [opened.run(pixels(2, seed))["digit"] for seed in range(4)]
        wrong: list[int] = []

        def work(seed: int) -> None:
            found = [opened.run(pixels(2, seed))["digit"] for _ in range(30)]
            wrong.extend(seed for one in found if not np.array_equal(one, wanted[seed]))

        workers = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    assert not wrong


def test_damaged_files_are_an_integrity_error(files):
    xml, binary = files
    for graph, weights in ((b"<net", binary), (xml[:200], binary), (xml, binary[:8]), (xml, b"")):
        with pytest.raises(IntegrityError, match="openvino-fp32: no model"):
            session((graph, weights)).open()
    with pytest.raises(IntegrityError, match="one weights file"):
        session(files, companions={"a.bin": b"", "b.bin": b""}).open()


def test_a_device_that_is_not_here_is_an_error(files):
    with pytest.raises(BackendError, match="no device 'NPU'.*CPU"):
        session(files, providers=["NPU"]).open()
    with session(files, providers=["NPU"], allow_fallback=True) as opened:
        assert opened.providers == ("CPU",)


def test_without_openvino_the_install_line_is_given(files, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(BackendError, match=r'pip install "kd2edge\[openvino\]"'):
        session(files).open()


def test_wrong_arrays_are_refused_before_openvino_converts_them(files):
    with session(files) as opened, pytest.raises(InputError, match="uint8"):
        opened.run({"pixel_values": np.zeros((1, 1, 8, 8), np.float32)})


def test_a_failing_run_names_artefact_and_shapes(files):
    loose = (ArraySpec("pixel_values", "uint8", ("batch", 1, "height", "width")),)
    with session(files, spec=GraphSpec(loose, bundles.IMAGE_HEADS)) as opened:
        # The stated spec leaves open what the graph fixes, so only OpenVINO can notice.
        with pytest.raises(
            BackendError, match=r"openvino-fp32 failed on pixel_values \[2, 1, 9, 9\]"
        ):
            opened.run({"pixel_values": np.zeros((2, 1, 9, 9), np.uint8)})
        # The request that failed is fit for the next run.
        assert opened.run(pixels(2))["digit"].shape == (2, 3)


def test_different_lengths_are_refused_where_openvino_computes_nonsense():
    # OpenVINO 2026.4 multiplies [1, 4, 8] by [1, 5, 1] without a word; the names must agree before.
    ids = {
        "input_ids": np.full((1, 4), 4, np.int64),
        "attention_mask": np.ones((1, 5), np.int64),
    }
    spec = GraphSpec(bundles.TEXT_ARRAYS, bundles.TEXT_HEADS)
    text = bundles.openvino_files(bundles.text_graph())
    with session(text, spec=spec) as opened, pytest.raises(InputError, match="same length"):
        opened.run(ids)


@pytest.mark.parametrize("graph", [bundles.image_graph(), bundles.text_graph()])
def test_an_onnx_graph_with_weights_in_another_file_is_refused(
    graph: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    outside = bundles.outside(graph, tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(IntegrityError, match="in another file"):
        Session.from_bytes(outside, backend="openvino", threads=1, label="openvino-fp32").open()
