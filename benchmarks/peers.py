"""Our dynamic int8 beside what ONNX Runtime's own quantizer makes of the same graph by default.

That is what Olive's default pass runs: ``quant_pre_process``, then ``quantize_dynamic`` without a
choice of operators, per-channel scales or a reduced range.  All run in turns on the bundle's golden
rows, without their padding; ``fused`` is our graph with the fusion of residual sum and layer norm
that the runtime leaves out on CPUs.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from recording import parser, record, shown
from timing import interleaved, ratio

from kd2edge.bench.samples import sample_of
from kd2edge.bundle import Bundle, open_bundle
from kd2edge.runtime import load
from kd2edge.runtime.telemetry import no_telemetry

OURS, FLOAT = "onnx-int8-dynamic", "onnx-fp32"


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("bundles", nargs="+", type=Path)
    arguments.add_argument("--batch", type=int, nargs="+", default=[1, 8])
    arguments.add_argument("--rounds", type=int, default=400)
    given = arguments.parse_args()
    found = [measured(path, given.batch, given.rounds) for path in given.bundles]
    record("peers", {"bundles": found}, given.out, ["onnxruntime", "onnx"])


def measured(path: Path, batches: list[int], rounds: int) -> dict[str, Any]:
    """Sizes, times and distance from the float graph, for every batch size."""
    bundle = open_bundle(path)
    graphs = {
        "float": bundle.read(bundle.manifest.artefacts[FLOAT].entry),
        "ours": bundle.read(bundle.manifest.artefacts[OURS].entry),
    }
    graphs["default"] = quantized_by_default(graphs["float"])
    sessions = {name: bare(graph) for name, graph in graphs.items()}
    sessions["fused"] = bare(graphs["ours"], left_out=[])
    found: dict[str, Any] = {
        "bundle": bundle.manifest.name,
        "path": shown(path),
        "bytes": {name: len(graph) for name, graph in graphs.items()},
        "calls": [one_batch(bundle, path, sessions, size, rounds) for size in batches],
    }
    print(f"{bundle.manifest.name}: {found['bytes']}")
    return found


def quantized_by_default(graph: bytes) -> bytes:
    """What Olive's default dynamic quantization makes of a graph."""
    with no_telemetry(), tempfile.TemporaryDirectory() as folder:
        from onnxruntime.quantization import QuantType, quantize_dynamic
        from onnxruntime.quantization.preprocess import quant_pre_process

        names = [Path(folder, f"{stage}.onnx") for stage in ("float", "ready", "int8")]
        names[0].write_bytes(graph)
        root = logging.getLogger()
        root.setLevel(logging.ERROR)
        quant_pre_process(str(names[0]), str(names[1]), auto_merge=True)
        quantize_dynamic(str(names[1]), str(names[2]), weight_type=QuantType.QInt8)
        return names[2].read_bytes()


def bare(graph: bytes, left_out: list[str] | None = None) -> Any:
    """A session of ONNX Runtime with one thread, as it comes or with optimizers left out."""
    with no_telemetry():
        import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(
        graph, options, providers=["CPUExecutionProvider"], disabled_optimizers=left_out
    )


def one_batch(
    bundle: Bundle, path: Path, sessions: dict[str, Any], size: int, rounds: int
) -> dict[str, Any]:
    """All graphs in turns on the same rows; ``runtime``: ours as ``load`` runs it."""
    with load(path, artefact=OURS, threads=1) as model:
        pieces = sample_of(bundle, None, size).pieces(
            size, model.encode, model.session.spec.inputs, is_fixed=True
        )
        arrays = pieces[0].arrays
        calls: dict[str, Any] = {
            name: lambda session=session: session.run(None, arrays)
            for name, session in sessions.items()
        }
        calls["runtime"] = lambda: model.logits(arrays)
        times = interleaved(calls, rounds=max(50, rounds // size))
    wanted = sessions["float"].run(None, arrays)
    errors = {
        name: [
            _distance(one, other)
            for one, other in zip(wanted, session.run(None, arrays), strict=True)
        ]
        for name, session in sessions.items()
        if name in {"ours", "default"}
    }
    ratios = {name: ratio(times["runtime"], one) for name, one in times.items()}
    print(f"  batch {size}: runtime over default {ratios['default']:.3f}, over fused"
          f" {ratios['fused']:.3f}")  # fmt: skip
    return {
        "batch": size,
        "times": {name: one.to_json() for name, one in times.items()},
        "runtime_over": ratios,
        "rms_of_logits": errors,
    }


def _distance(wanted: Any, found: Any) -> float:
    size = np.sqrt(np.mean(np.square(wanted)))
    return round(float(np.sqrt(np.mean(np.square(found - wanted))) / max(float(size), 1e-9)), 4)


if __name__ == "__main__":
    main()
