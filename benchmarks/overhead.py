"""What the runtime adds to a bare ONNX Runtime call on the same arrays.

The arrays are the bundle's golden inputs, repeated: real rows of real length.  Tokenization is
timed apart, on the rows of the bundle's run where that is at hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from recording import parser, record, shown
from timing import extra, interleaved, ratio

from kd2edge.bundle import Bundle, open_bundle
from kd2edge.inputs import input_kind
from kd2edge.pipeline.reading.sources import open_split, read_rows_plan
from kd2edge.pipeline.verbs.finished import run_of
from kd2edge.rows.rows import Rows
from kd2edge.runtime import Model, load
from kd2edge.runtime.golden import golden_arrays

ARTEFACT = "onnx-fp32"
#: Microseconds that ``predict`` may take above the call, for a small net: at all, and a row.
SMALL = (25.0, 2.0)
_LONGEST = 3000  # rounds
_ROWS = 6000  # rows of all rounds of a batch size


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("bundles", nargs="+", type=Path)
    arguments.add_argument("--batch", type=int, nargs="+", default=[1, 4, 16, 64])
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--rows", type=int, default=_ROWS, help="rows of all rounds together")
    given = arguments.parse_args()
    found = [measured(path, given.batch, given.threads, given.rows) for path in given.bundles]
    record("overhead", {"bundles": found}, given.out, ["onnxruntime", "tokenizers"])


def measured(path: Path, batches: list[int], threads: int, rows: int) -> dict[str, Any]:
    """Every batch size of a bundle, and its tokenization."""
    bundle = open_bundle(path)
    arrays = golden_arrays(bundle.read(str(bundle.manifest.golden)))[0]
    kinds = sorted({spec.kind for spec in bundle.manifest.inputs.values()})
    found: dict[str, Any] = {
        "bundle": bundle.manifest.name,
        "path": shown(path),
        "inputs": kinds,
        "tasks": {str(name): spec.kind for name, spec in bundle.manifest.tasks.items()},
        "threads": threads,
        "length": max((a.shape[1] for a in arrays.values() if a.ndim == 2), default=None),
    }
    print(f"{bundle.manifest.name}, {ARTEFACT}, {threads} threads")
    with load(path, artefact=ARTEFACT, threads=threads) as model:
        bare = bare_call(bundle, threads)
        found["calls"] = [
            one_batch(model, bare, tiled(arrays, size), size, max(50, min(_LONGEST, rows // size)))
            for size in batches
        ]
        found["encoding"] = encoding(model, test_rows(bundle), rows)
    return found


def bare_call(bundle: Bundle, threads: int) -> Any:
    """An ordinary session of ONNX Runtime on the same bytes, with the same threads."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    graph = bundle.read(bundle.manifest.artefacts[ARTEFACT].entry)
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def tiled(arrays: Mapping[str, Any], rows: int) -> dict[str, Any]:
    """``rows`` rows, the given ones again and again."""
    return {
        name: np.ascontiguousarray(array[np.arange(rows) % len(array)])
        for name, array in arrays.items()
    }


def one_batch(
    model: Model, bare: Any, arrays: dict[str, Any], size: int, rounds: int
) -> dict[str, Any]:
    """Bare call, ``logits`` and (where arrays are enough to answer) ``predict``."""
    calls = {"bare": lambda: bare.run(None, arrays), "logits": lambda: model.logits(arrays)}
    if not any(spec.kind == "token_classification" for spec in model.tasks.values()):
        calls["predict"] = lambda: model.predict(arrays)
    times = interleaved(calls, rounds=rounds)
    found: dict[str, Any] = {
        "batch": size,
        "times": {name: one.to_json() for name, one in times.items()},
        "logits_ratio": ratio(times["logits"], times["bare"]),
    }
    line = f"  batch {size:>3}: call {times['bare'].median * 1e6:8.1f} us"
    line += f", logits {found['logits_ratio']:.3f}x (at most 1.05x)"
    if "predict" in times:
        found["predict_ratio"] = ratio(times["predict"], times["bare"])
        found["predict_extra_us"] = extra(times["predict"], times["bare"])
        found["predict_limit_us"] = SMALL[0] + SMALL[1] * size
        line += f", predict {found['predict_ratio']:.3f}x or +{found['predict_extra_us']:.1f} us"
        line += f" (small net: at most +{found['predict_limit_us']:.0f} us)"
    print(line)
    return found


def test_rows(bundle: Bundle) -> Rows | None:
    """The test rows of the run that a bundle was made of, when it is at hand."""
    run = run_of(bundle)
    return None if run is None else open_split(read_rows_plan(run.folder.rows), "test")


def encoding(model: Model, rows: Rows | None, count: int) -> dict[str, Any]:
    """Microseconds a row from raw values to arrays, one row and 64 rows at a time."""
    if rows is None:
        return {"not_run": "the run of this bundle is not at hand"}
    found: dict[str, Any] = {}
    for size in (1, min(64, len(rows))):
        values = {
            name: [input_kind(s.kind).value(s, rows[at], rows.root_of(at)) for at in range(size)]
            for name, s in model.inputs.items()
        }
        rounds = max(50, min(_LONGEST, count // size))
        times = interleaved({"encode": lambda: model.encode(values)}, rounds=rounds)  # noqa: B023
        found[f"batch {size}"] = round(times["encode"].median * 1e6 / size, 2)
    print("  encoding a row: " + ", ".join(f"{k} {v} us" for k, v in found.items()))
    return found


if __name__ == "__main__":
    main()
