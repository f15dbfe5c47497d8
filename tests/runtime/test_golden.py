from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import bundles
from kd2edge.bundle import open_bundle
from kd2edge.errors import IntegrityError
from kd2edge.runtime import load
from kd2edge.runtime.golden import TOLERANCES, golden_arrays
from kd2edge.runtime.self_test import assert_golden


def test_the_self_test_passes_on_a_sound_bundle(image_bundle: Path, text_bundle: Path):
    for folder in (image_bundle, text_bundle):
        load(folder, threads=1, self_test=True).close()


def test_the_self_test_notices_a_graph_that_computes_something_else(tmp_path: Path):
    other = bundles.image_graph(seed=7)  # the same shapes, other weights
    files = {"onnx/fp32.onnx": other}
    heads = (bundles.IMAGE_ARRAYS, bundles.IMAGE_HEADS)
    wrong = bundles.artefact("onnx-fp32", "onnx/fp32.onnx", files, *heads)
    folder = bundles.image_bundle(tmp_path / "bundle", artefacts={"onnx-fp32": (wrong, files)})
    load(folder, artefact="onnx-fp32", threads=1).close()  # all checksums hold
    with pytest.raises(IntegrityError, match="head 'digit' misses its golden output") as caught:
        load(folder, artefact="onnx-fp32", threads=1, self_test=True)
    assert caught.value.exit_code == 5
    load(folder, artefact="onnx-int8-qdq", threads=1, self_test=True).close()


def test_a_bundle_without_golden_outputs_says_so(tmp_path: Path):
    folder = bundles.image_bundle(tmp_path / "bundle", golden="")
    with pytest.raises(IntegrityError, match="has none"):
        load(folder, threads=1, self_test=True)


@pytest.mark.parametrize("precision", sorted(TOLERANCES))
def test_tolerance_follows_the_precision(image_bundle: Path, precision: str):
    bundle = open_bundle(image_bundle)
    artefact = bundles.artefact(f"onnx-{precision}", "", {}, (), ())
    _, wanted = golden_arrays(bundle.read(bundle.manifest.golden))

    def run(share: float):
        return lambda _: {name: array * (1 + share) for name, array in wanted.items()}

    assert_golden(bundle, artefact, run(TOLERANCES[precision] * 0.9), dict)
    with pytest.raises(IntegrityError):
        assert_golden(bundle, artefact, run(TOLERANCES[precision] * 1.1), dict)
    with pytest.raises(IntegrityError):
        assert_golden(bundle, artefact, run(float("nan")), dict)
    with pytest.raises(IntegrityError, match="inf of its size"):
        assert_golden(bundle, artefact, lambda _: {}, dict)


@pytest.mark.parametrize("data", [b"", b"no zip", bundles.golden({"x": np.zeros(1)}, {})])
def test_a_file_that_is_no_golden_file_is_refused(data: bytes):
    with pytest.raises(IntegrityError):
        golden_arrays(data)


def test_objects_in_a_golden_file_are_refused():
    import io

    buffer = io.BytesIO()
    np.savez(buffer, **{"in.x": np.array([{}]), "out.y": np.zeros(1)})
    with pytest.raises(IntegrityError, match="cannot be read"):
        golden_arrays(buffer.getvalue())
