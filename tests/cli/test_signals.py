"""The first signal unwinds, the second ends at once; what is ignored stays ignored."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from kd2edge.cli.failure import failure_of
from kd2edge.cli.signals import Stopped
from kd2edge.errors import BackendError, Interrupted, StorageError, UsageError

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

#: A verb whose first signal is lost in a callback that cannot raise, as in torch's export.
LOST = """
import os, signal, sys, time
from kd2edge.cli.signals import catch_signals
signal.signal(signal.SIGHUP, signal.SIG_IGN)
catch_signals("--json" in sys.argv)
class Callback:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
Callback()
os.kill(os.getpid(), signal.SIGHUP)
print("alive", flush=True)
os.kill(os.getpid(), signal.{second})
time.sleep(60)
"""


@pytest.mark.parametrize(("second", "code"), [("SIGINT", 130), ("SIGTERM", 143)])
def test_a_second_signal_ends_quietly(second: str, code: int) -> None:
    command = [sys.executable, "-c", LOST.replace("{second}", second), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=50)
    assert done.returncode == code
    alive, error = done.stdout.splitlines()
    assert alive == "alive"  # SIGHUP stays ignored, as under nohup
    assert json.loads(error)["error"]["exit_code"] == code
    assert done.stderr in {"Interrupted.\n", "Terminated.\n"}


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGHUP, 129), (signal.SIGINT, 130), (signal.SIGTERM, 143)]
)
def test_each_signal_has_its_exit_code_and_says_how_to_go_on(number: int, code: int) -> None:
    failure = failure_of(Stopped(number), resumable=True)
    assert failure.code == code
    assert "--resume" in failure.message


@pytest.mark.parametrize(
    "error",
    [
        ImportError("numpy._core.multiarray failed to import"),
        UsageError("torch cannot export the net: module 'torch._dynamo' has no attribute 'exc'"),
        RuntimeError(),
        KeyboardInterrupt(),
    ],
)
def test_what_a_signal_breaks_is_told_as_the_signal(error: BaseException) -> None:
    failure = failure_of(error, resumable=False, signalled=[Stopped(signal.SIGTERM)])
    assert (failure.kind, failure.code, failure.message) == ("Interrupted", 143, "Terminated.")


@pytest.mark.parametrize("error", [StorageError("disk full"), Interrupted("saved")])
def test_what_became_of_the_state_is_told_after_a_signal(error: Exception) -> None:
    stopped = [Stopped(signal.SIGTERM)]
    assert failure_of(error, resumable=True, signalled=stopped).message == str(error)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 3.5 EiB"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
        ImportError("x.so: failed to map segment from shared object"),
        OSError(12, "Cannot allocate memory"),
    ],
)
def test_memory_that_is_not_there_is_said(error: Exception) -> None:
    failure = failure_of(error, resumable=False)
    assert (failure.kind, failure.code) == ("MemoryError", 1)
    assert failure.message.startswith("out of memory")
    known = BackendError("onnx-fp32 cannot be opened")
    known.__cause__ = error
    failure = failure_of(known, resumable=False)
    assert (failure.kind, failure.code) == ("BackendError", 6)
    assert failure.message.startswith("out of memory: onnx-fp32")
