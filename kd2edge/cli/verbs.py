"""The fixed table of verbs.  ``--help`` reads it without importing any of them."""

from __future__ import annotations

#: verb -> (module in ``kd2edge.cli``, one line for ``--help``).
VERBS: dict[str, tuple[str, str]] = {
    "bench": ("bench", "Measure size, load time, latency and memory of every artefact."),
    "build": ("build", "Finish on this device what the manifest marks needs_device."),
    "check": ("check", "Read recipe and data, print the plan and all problems; train nothing."),
    "compare": ("compare", "Compare two runs or bundles, per task and model."),
    "distill": ("distill", "Train teachers and student as the recipe says; write a run."),
    "doctor": ("doctor", "Say what works on this machine, and why the rest does not."),
    "export": ("export", "Turn a run's student into a bundle for ONNX, TensorRT, OpenVINO."),
    "inspect": ("inspect", "Show a bundle's manifest."),
    "new": ("new", "Write a commented recipe to start from."),
    "predict": ("predict", "JSON lines in, JSON lines out."),
    "replay": ("replay", "Take the training step again at which a run stopped: NaN, infinity."),
    "report": ("report", "Write one self-contained HTML report of a run or bundle."),
    "schema": ("schema", "Print the recipe's JSON Schema; editors complete from it."),
    "show": ("show", "Print a recipe with every default filled in."),
    "study": ("study", "Try variants of a recipe over seeds: which ingredient pays?"),
    "validate": ("validate", "The gate: is every artefact as accurate as the report says?"),
    "verify": ("verify", "Check every checksum of a bundle."),
}
