"""``kd2edge export``: a run's student as a bundle."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path


from kd2edge import __version__
from kd2edge.bundle import (
    Artefact,
    Bundle,
    FileEntry,
    Manifest,
    canonical_json,
    file_entry,
    folder_lock,
    write_bundle,
)
from kd2edge.errors import BackendError
from kd2edge.export.samples import dummy_arrays
from kd2edge.export.student import onnx_from_student
from kd2edge.export.targets.kinds import target
from kd2edge.export.targets.target import Made, Variant
from kd2edge.export.targets.target import Source as GraphSource
from kd2edge.inputs.spec import ArraySpec
from kd2edge.nets import Net, load_net
from kd2edge.pipeline.folders import MODELS, RunFolder
from kd2edge.pipeline.provenance import run_fingerprint
from kd2edge.pipeline.samples import CALIBRATION, GOLDEN, calibration_of
from kd2edge.quantize import QUANTIZERS
from kd2edge.recipe import Recipe, by_task, load_recipe
from kd2edge.reporting import model_card

__all__ = ["Exported", "export_run"]

#: What `load` tries first where no evidence says better: exact before small, engines last.
_ORDER = (
    "onnx-fp32",
    "openvino-fp32",
    "onnx-int8-qdq",
    "openvino-int8",
    "onnx-int8-dynamic",
    "tensorrt-fp32",
    "tensorrt-int8",
)


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote."""

    bundle: Bundle
    failed: Mapping[str, str]


def export_run(
    run: RunFolder,
    *,
    targets: Sequence[str] = (),
    precisions: Sequence[str] = (),
    out: Path | None = None,
    on_stage: Callable[[str], None] = lambda text: None,
) -> Exported:
    """Write the bundle of a finished run.

    A target that was asked for by name must be installed: that is checked before any work.  One that
    only the recipe names is written as ``failed`` with its reason.

    Args:
        run: a finished run.
        targets: target names; empty: the recipe's.
        precisions: precisions to make; empty: the recipe's.
        out: the bundle's folder; None: ``models/NAME``.
        on_stage: told what is being made.

    Raises:
        BackendError: a target that was asked for is not installed.
        UsageError: an unknown target or precision.
        StorageError, IntegrityError: the run cannot be read, the bundle cannot be written.
    """
    recipe = load_recipe(run.recipe).recipe
    wanted = tuple(precisions or recipe.export.precisions)
    variants = [
        variant
        for name in targets or recipe.export.targets
        for precision in wanted
        for variant in target(name).variants(precision)
    ]
    for name in targets:
        target(name).needs(wanted)
    out = out or MODELS / recipe.name
    net = load_net(run.student)
    on_stage("student to ONNX")
    source, module_paths = _source(recipe, run, net)
    made = {variant: _made(source, variant, wanted, on_stage) for variant in variants}
    files = _files(recipe, run, net)
    files["onnx/module-paths.json"] = canonical_json(module_paths)
    report = json.loads(run.report.read_text(encoding="utf-8"))
    manifest = _manifest(recipe, run, net, source, made, files)
    card = model_card(manifest, report).encode()
    files["MODEL_CARD.md"] = card
    manifest = replace(
        manifest, files=(*manifest.files, file_entry("MODEL_CARD.md", card))
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    contents = dict(files)
    for one in made.values():
        contents.update(one.files)
    with folder_lock(out.parent):
        bundle = write_bundle(out, manifest, contents)
    failed = {v.id: one.reason for v, one in made.items() if one.status == "failed"}
    return Exported(bundle, failed)


def _source(recipe: Recipe, run: RunFolder, net: Net) -> tuple[GraphSource, Mapping[str, str]]:
    """The graph that every artefact is made from, and which module each of its nodes comes from."""
    inputs, outputs = net.array_specs(), net.output_specs()
    sample = dummy_arrays(inputs, getattr(net.backbone, "config", None))
    exported = onnx_from_student(net, inputs, outputs, sample=sample, opset=recipe.export.opset)
    source = GraphSource(
        graph=exported.model,
        inputs=inputs,
        outputs=outputs,
        ranges=_ranges(recipe, inputs),
        calibration=calibration_of(run.samples / CALIBRATION, inputs),
        quantizers=QUANTIZERS,
    )
    return source, exported.module_paths


def _ranges(recipe: Recipe, inputs: Sequence[ArraySpec]) -> dict[str, tuple[int, int]]:
    names = {dim for spec in inputs for dim in spec.shape if isinstance(dim, str)}
    ranges = {"batch": (1, recipe.export.max_batch)}
    if "length" in names:
        lengths = [getattr(one, "max_length", 0) for one in recipe.inputs.values()]
        # Two: an empty text is still the two control tokens around it.
        ranges["length"] = (2, max(lengths))
    return ranges


def _made(
    source: GraphSource, variant: Variant, precisions: Sequence[str], on_stage: Callable[[str], None]
) -> Made:
    on_stage(variant.id)
    try:
        target(variant.target).needs(precisions)
        return target(variant.target).make(source, variant)
    except BackendError as error:
        return Made({}, "", "failed", str(error))


def _files(recipe: Recipe, run: RunFolder, net: Net) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for spec in net.inputs:
        for path in spec.files.values():
            files[path] = (run.path / path).read_bytes()
    for split in ("validation", "test"):
        kept = run.samples / f"reference-{split}.npz"
        if kept.is_file():
            files[f"reference/{split}.npz"] = kept.read_bytes()
    if recipe.export.samples == "real":
        files["golden/golden.npz"] = (run.samples / GOLDEN).read_bytes()
    return files


def _manifest(
    recipe: Recipe,
    run: RunFolder,
    net: Net,
    source: GraphSource,
    made: Mapping[Variant, Made],
    files: Mapping[str, bytes],
) -> Manifest:
    artefacts = {variant.id: _artefact(variant, one, source) for variant, one in made.items()}
    usable = [name for name, artefact in artefacts.items() if artefact.status != "failed"]
    order = [name for name in _ORDER if name in usable]
    preferred = (*order, *(name for name in usable if name not in order))
    drops = by_task(recipe.gate.max_drop, list(recipe.tasks))
    return Manifest(
        name=recipe.name,
        version=__version__,
        tasks={task.name: task for task in net.tasks},
        inputs={spec.name: spec for spec in net.inputs},
        artefacts=artefacts,
        preferred=tuple(preferred),
        files=tuple(file_entry(path, content) for path, content in sorted(files.items())),
        references={
            split: f"reference/{split}.npz"
            for split in ("test", "validation")
            if f"reference/{split}.npz" in files
        },
        golden="golden/golden.npz" if "golden/golden.npz" in files else "",
        gate={"max_drop": drops, "confidence": recipe.gate.confidence},
        licences={"weights": recipe.licences.weights, "data": recipe.licences.data},
        provenance=run_fingerprint(run),
    )


def _artefact(variant: Variant, made: Made, source: GraphSource) -> Artefact:
    entries: tuple[FileEntry, ...] = tuple(
        file_entry(path, content) for path, content in sorted(made.files.items())
    )
    return Artefact(
        id=variant.id,
        target=variant.target,
        precision=variant.precision,
        variant=variant.name,
        status=made.status,
        reason=made.reason,
        entry=made.entry,
        files=entries,
        inputs=source.inputs,
        outputs=source.outputs,
        ranges=source.ranges,
        tools=made.tools,
        settings=made.settings,
    )
