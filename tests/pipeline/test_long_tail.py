"""A run whose rare classes are made to count."""

from __future__ import annotations

import json
from pathlib import Path

from commands import succeed
from kd2edge.files import fingerprint_file
from products import Product

TAILS = "distill.long_tail={intent: logit_adjustment, urgent: {kind: class_balanced, beta: 0.9}}"


def test_it_changes_student_and_baseline_and_no_teacher(
    text_product: Product, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    settings = [*text_product.settings, "--set", TAILS]
    succeed("distill", text_product.recipe, "--run-dir", run, *settings)
    plain = text_product.run
    for name, same in (("student", False), ("baseline", False), ("teachers/bert", True)):
        files = [(folder / f"{name}.safetensors") for folder in (run, plain)]
        assert (fingerprint_file(files[0]) == fingerprint_file(files[1])) == same, name
    report = json.loads((run / "report.json").read_text(encoding="utf-8"))
    assert {"teacher", "baseline", "student"} <= report["splits"]["test"]["tasks"]["intent"].keys()
    written = (run / "recipe.yaml").read_text(encoding="utf-8")
    assert "{kind: logit_adjustment, tau: 1.0, teacher: true}" in written
