from __future__ import annotations

import sys

import pytest

from kd2edge.errors import BackendError
from kd2edge.runtime.backends.backend import Backend
from kd2edge.runtime.backends.table import BACKENDS, backend, missing, preload


def test_every_entry_is_a_backend_with_the_same_install_line():
    for name, entry in BACKENDS.items():
        made = backend(name)
        assert isinstance(made, Backend)
        assert entry.install in made.install


def test_says_what_is_missing_without_importing(monkeypatch: pytest.MonkeyPatch):
    assert missing("onnx") == ""
    assert "no runtime for target 'coreml'" in missing("coreml")
    for engine in ("tensorrt", "tensorrt_rtx", "openvino"):
        monkeypatch.setitem(sys.modules, engine, None)
    assert 'pip install "kd2edge[openvino]"' in missing("openvino")
    assert 'pip install "kd2edge[rtx]"' in missing("tensorrt")
    with pytest.raises(BackendError, match="not installed"):
        preload("openvino")


def test_preload_imports_the_engine():
    preload("onnx")
    assert "onnxruntime" in sys.modules
