"""Load time and peak memory of one artefact, in a process of its own.

``python -m kd2edge.bench.probe BUNDLE EVIDENCE ARTEFACT THREADS BATCH...`` writes one JSON object
to stdout.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

from kd2edge.bench.memory import forget_peak, peak_bytes
from kd2edge.bench.result import Footprint
from kd2edge.bench.samples import sample, tiled
from kd2edge.bundle.store import open_bundle
from kd2edge.errors import BackendError
from kd2edge.json_text import json_value
from kd2edge.runtime.backends.table import preload
from kd2edge.runtime.model import Model, load

__all__ = ["footprint"]

_LOADS = 3


def footprint(
    path: Path, evidence: Path, artefact: str, *, threads: int, batches: Sequence[int]
) -> Footprint:
    """Measure an artefact in a new process.

    Args:
        path: the bundle.
        evidence: the folder of evidence and engines; may be the bundle.
        artefact: its id.
        threads: of one forward pass.
        batches: rows of the forward passes whose memory counts.

    Raises:
        BackendError: the process ended without an answer (killed for its memory, say).
    """
    arguments = [path, evidence, artefact, threads, *batches]
    ended = subprocess.run(
        [sys.executable, "-m", "kd2edge.bench.probe", *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env=_environment(),
        check=False,
    )
    try:
        return Footprint(**json_value(ended.stdout))
    except (ValueError, TypeError) as error:
        raise BackendError(
            f"{artefact}: its own process ended with status {ended.returncode} and no result:"
            f" {ended.stderr.strip()[-500:] or 'no message'}"
        ) from error


def _environment() -> dict[str, str]:
    """The new process finds the same kd2edge, also when it was not installed."""
    here = str(Path(__file__).resolve().parents[2])
    paths = [here, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _measured(
    path: Path, evidence: Path, artefact: str, threads: int, batches: Sequence[int]
) -> Footprint:
    bundle = open_bundle(path)
    rows, _ = sample(bundle)
    inputs = [tiled(rows, batch) for batch in batches]
    preload(bundle.manifest.artefacts[artefact].target)
    before = forget_peak()
    model, first = _loaded(path, evidence, artefact, threads)
    for arrays in inputs:
        model.logits(arrays)
    peak = peak_bytes()
    size = model.session.size
    model.close()
    times = [first]
    for _ in range(_LOADS - 1):
        again, seconds = _loaded(path, evidence, artefact, threads)
        again.close()
        times.append(seconds)
    return Footprint(artefact, size, median(times) * 1e3, max(0, peak - before))


def _loaded(path: Path, evidence: Path, artefact: str, threads: int) -> tuple[Model, float]:
    start = perf_counter()
    model = load(path, artefact=artefact, threads=threads, evidence=evidence)
    return model, perf_counter() - start


def _main(arguments: Sequence[str]) -> None:
    path, evidence, artefact, threads, *batches = arguments
    sizes = [int(one) for one in batches]
    found = _measured(Path(path), Path(evidence), artefact, int(threads), sizes)
    from dataclasses import asdict

    sys.stdout.write(json.dumps(asdict(found)))


if __name__ == "__main__":
    _main(sys.argv[1:])
