"""TensorRT as far as a machine without a device goes: checks, deserialisation, error paths."""

from __future__ import annotations

import ctypes
import hashlib
import sys

import pytest

import bundles
from kd2edge.errors import BackendError, IntegrityError
from kd2edge.runtime import Session
from kd2edge.runtime.backends import cuda, tensorrt

ENGINE = b"not an engine, but known by its hash"


def session(engine: bytes, sha256: str) -> Session:
    return Session.from_bytes(engine, backend="tensorrt", sha256=sha256, label="tensorrt-fp16")


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture(scope="module")
def engine() -> bytes:
    """A real engine of the tiny image graph, built without a GPU."""
    trt = pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed")
    logger = trt.Logger(trt.Logger.ERROR)
    builder = trt.Builder(logger)
    network = builder.create_network(0)
    assert trt.OnnxParser(network, logger).parse(bundles.image_graph())
    profile = builder.create_optimization_profile()
    profile.set_shape("pixel_values", (1, 1, 8, 8), (1, 1, 8, 8), (4, 1, 8, 8))
    config = builder.create_builder_config()
    config.add_optimization_profile(profile)
    return bytes(builder.build_serialized_network(network, config))


def has_device() -> bool:
    try:
        cuda.Cuda("test")
    except BackendError:
        return False
    return True


without_device = pytest.mark.skipif(has_device(), reason="this machine has a CUDA device")


def test_an_engine_nobody_vouches_for_is_never_loaded(engine: bytes):
    with pytest.raises(IntegrityError, match="without the SHA-256"):
        session(engine, "").open()


def test_an_engine_with_one_changed_byte_is_never_loaded(engine: bytes):
    changed = engine[:1000] + bytes([engine[1000] ^ 1]) + engine[1001:]
    with pytest.raises(IntegrityError, match="not the one that was built"):
        session(changed, sha(engine)).open()


@without_device
def test_without_a_device_a_good_engine_gives_a_clear_error(engine: bytes):
    with pytest.raises(BackendError, match="tensorrt-fp16 needs a CUDA device") as caught:
        session(engine, sha(engine)).open()
    assert caught.value.exit_code == 6


@without_device
@pytest.mark.parametrize("name", ["good", "bad"])
def test_deserialisation_gives_tensorrts_own_reason(name: str, engine: bytes, capfd):
    trt = tensorrt.toolkit("tensorrt-fp16")
    with pytest.raises(BackendError, match="cannot load this engine: .*run kd2edge build BUNDLE"):
        tensorrt.deserialised(trt, engine if name == "good" else ENGINE, "tensorrt-fp16")
    assert capfd.readouterr() == ("", "")


def test_a_gpu_for_which_it_makes_no_engines_is_not_sent_to_build_another():
    class Other:
        """TensorRT-RTX on an H100, as far as it is asked."""

        __name__ = "tensorrt_rtx"
        __version__ = "1.7"
        ILogger = type("ILogger", (), {"__init__": lambda self: None, "Severity": None})

        class Runtime:
            def __init__(self, logger) -> None:
                logger.last = "TensorRT-RTX does not support this compute capability, so"

            def deserialize_cuda_engine(self, engine: bytes) -> None:
                return None

    with pytest.raises(BackendError, match="install tensorrt for this one") as caught:
        tensorrt.deserialised(Other(), ENGINE, "tensorrt-fp32")
    assert "kd2edge build" not in str(caught.value)


def test_without_tensorrt_the_install_line_is_given(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    monkeypatch.setitem(sys.modules, "tensorrt_rtx", None)
    with pytest.raises(BackendError, match=r'pip install "kd2edge\[rtx\]"'):
        session(ENGINE, sha(ENGINE)).open()


def test_libraries_that_cannot_be_loaded_are_as_missing(monkeypatch: pytest.MonkeyPatch):
    def broken(name: str) -> None:
        raise OSError("libnvinfer.so.10: cannot open shared object file")

    monkeypatch.setattr(tensorrt, "quietly_imported", broken)
    with pytest.raises(BackendError, match=r'libnvinfer.*pip install "kd2edge\[rtx\]"'):
        session(ENGINE, sha(ENGINE)).open()


@pytest.mark.parametrize("providers", [["CPUExecutionProvider"], "cpu", ["CPU", "cuda"]])
def test_another_device_than_the_gpu_is_refused(providers: list[str]):
    def opened(wanted: str | list[str], **options: bool) -> None:
        made = Session.from_bytes(ENGINE, backend="tensorrt", providers=wanted, **options)
        made.open()

    with pytest.raises(BackendError, match="runs on the GPU alone"):
        opened(providers)
    # The next thing that is looked at: nobody vouches for this engine.
    for allowed in ("cuda", "GPU", ["TensorrtExecutionProvider"], ["cuda:0", "cpu"]):
        with pytest.raises(IntegrityError, match="without the SHA-256"):
            opened(allowed)
    with pytest.raises(IntegrityError, match="without the SHA-256"):
        opened(providers, allow_fallback=True)


def test_without_the_cuda_library_the_install_line_is_given(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cuda, "_candidates", lambda: iter(["libno-such-cudart.so"]))
    with pytest.raises(BackendError, match="pip install nvidia-cuda-runtime"):
        cuda.Cuda("tensorrt-fp16")


@without_device
def test_cuda_errors_carry_the_call_and_cudas_words():
    try:
        cuda._library("test")
    except BackendError:
        pytest.skip("no CUDA runtime library on this machine")
    with pytest.raises(BackendError, match=r"cudaGetDeviceCount failed, error \d+: \w+"):
        cuda.Cuda("tensorrt-fp16")


def test_every_cuda_function_that_is_called_exists():
    try:
        library: ctypes.CDLL = cuda._library("test")
    except BackendError:
        pytest.skip("no CUDA runtime library on this machine")
    for name in (
        "cudaGetDeviceCount", "cudaGetErrorString", "cudaMalloc", "cudaFree", "cudaMemcpyAsync",
        "cudaStreamCreate", "cudaStreamSynchronize", "cudaStreamDestroy",
    ):  # fmt: skip
        assert getattr(library, name)


def test_every_tensorrt_method_that_is_called_exists():
    trt = pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed")
    called = {
        trt.Runtime: ["deserialize_cuda_engine"],
        trt.ICudaEngine: [
            "create_execution_context", "num_io_tensors", "get_tensor_name", "get_tensor_mode",
            "get_tensor_dtype", "get_tensor_shape", "get_tensor_profile_shape",
        ],
        trt.IExecutionContext: [
            "set_input_shape", "set_tensor_address", "infer_shapes", "get_max_output_size",
            "get_tensor_shape", "execute_async_v3",
        ],
    }  # fmt: skip
    for kind, names in called.items():
        for name in names:
            assert hasattr(kind, name), (kind, name)
    assert {one.name for one in trt.DataType.__members__.values()} >= set(tensorrt.DTYPES)
