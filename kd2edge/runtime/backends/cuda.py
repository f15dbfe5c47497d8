"""Device memory and a stream through the CUDA runtime library alone: no torch, no cuda-python.

Source of the calls: CUDA Runtime API reference (cudaMalloc, cudaMemcpyAsync, cudaStream*).
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, final

import numpy.typing as npt

from kd2edge.errors import BackendError

_NAMES = ("libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0", "libcudart.so")
_TO_DEVICE, _TO_HOST = 1, 2


@final
class Cuda:
    """The CUDA runtime of this process.

    Raises:
        BackendError: no CUDA runtime library, no driver, or no device.
    """

    def __init__(self, label: str) -> None:
        self._label = label
        self._library = _library(label)
        self._library.cudaGetErrorString.restype = ctypes.c_char_p
        count = ctypes.c_int(0)
        self.call("cudaGetDeviceCount", ctypes.byref(count))
        if count.value < 1:
            raise BackendError(f"{label} needs a CUDA device; the driver found none")

    def call(self, name: str, *arguments: Any) -> None:
        """Call a function of the library.

        Raises:
            BackendError: it returned an error; the message has the call and CUDA's own words.
        """
        code = getattr(self._library, name)(*arguments)
        if code:
            words = self._library.cudaGetErrorString(code).decode("ascii", "replace")
            raise BackendError(
                f"{self._label} needs a CUDA device: {name} failed, error {code}: {words}"
            )

    def stream(self) -> int:
        """A new stream's handle."""
        handle = ctypes.c_void_p()
        self.call("cudaStreamCreate", ctypes.byref(handle))
        return handle.value or 0

    def wait(self, stream: int) -> None:
        """Wait until everything on ``stream`` is done."""
        self.call("cudaStreamSynchronize", ctypes.c_void_p(stream))

    def destroy(self, stream: int) -> None:
        """Give a stream back."""
        self.call("cudaStreamDestroy", ctypes.c_void_p(stream))


@final
class DeviceBuffer:
    """Memory on the device that grows when asked for more than it has."""

    def __init__(self, cuda: Cuda) -> None:
        self._cuda = cuda
        self._address = ctypes.c_void_p()
        self._size = 0

    def address(self, size: int) -> int:
        """Address of at least ``size`` bytes; the contents are lost when it has to grow."""
        wanted = max(size, 1)  # an empty tensor still needs an address
        if wanted > self._size:
            self.free()
            self._cuda.call("cudaMalloc", ctypes.byref(self._address), ctypes.c_size_t(wanted))
            self._size = wanted
        return self._address.value or 0

    def write(self, array: npt.NDArray[Any], stream: int) -> None:
        """Copy a contiguous array to the device; it must live until ``stream`` was waited for."""
        self._copy(self._address.value, array.ctypes.data, array.nbytes, _TO_DEVICE, stream)

    def read(self, array: npt.NDArray[Any], stream: int) -> None:
        """Copy into a contiguous array; it is filled when ``stream`` was waited for."""
        self._copy(array.ctypes.data, self._address.value, array.nbytes, _TO_HOST, stream)

    def free(self) -> None:
        """Give the memory back; a second call does nothing."""
        if self._size:
            self._cuda.call("cudaFree", self._address)
            self._address, self._size = ctypes.c_void_p(), 0

    def _copy(self, to: int | None, source: int | None, size: int, way: int, stream: int) -> None:
        self._cuda.call(
            "cudaMemcpyAsync",
            ctypes.c_void_p(to),
            ctypes.c_void_p(source),
            ctypes.c_size_t(size),
            ctypes.c_int(way),
            ctypes.c_void_p(stream),
        )


def _library(label: str) -> Any:
    for candidate in _candidates():
        try:
            return ctypes.CDLL(candidate)
        except OSError:
            continue
    raise BackendError(
        f"{label} needs a CUDA device and the CUDA runtime library ({_NAMES[1]} or newer);"
        " found none; run: pip install nvidia-cuda-runtime-cu12"
    )


def _candidates() -> Iterator[str]:
    """Where the library stands: the loader's path, the toolkit, NVIDIA's pip packages."""
    yield from _NAMES
    yield "/usr/local/cuda/lib64/libcudart.so"
    for place in sys.path:
        for folder in ("cuda_runtime/lib", "cu13/lib"):
            yield from map(str, sorted(Path(place, "nvidia", folder).glob("libcudart.so*")))
