"""``kd2edge export``: a run's student as a bundle."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.bundle import Artefact, Bundle, FileEntry, Manifest, file_entry, write_bundle
from kd2edge.engines import ranked, unmade
from kd2edge.errors import BackendError, Kd2edgeError, StorageError, UsageError
from kd2edge.export.static_layers import layers_from_student
from kd2edge.export.student import onnx_from_student, program_from_student
from kd2edge.export.targets.kinds import target
from kd2edge.export.targets.target import Made, Source, Target, Variant
from kd2edge.files import folder_lock
from kd2edge.inputs.kinds import input_kind
from kd2edge.inputs.spec import ArraySpec, InputSpec
from kd2edge.pipeline.reading.budgets import gate_of
from kd2edge.pipeline.steps.folders import MODELS
from kd2edge.pipeline.steps.samples import (
    CALIBRATION,
    calibration_of,
    calibration_sample,
)
from kd2edge.pipeline.verbs.finished import FinishedRun
from kd2edge.pipeline.verbs.shipment import SPLITS, Shipment, shipment_of
from kd2edge.quantize import QUANTIZERS
from kd2edge.recipe import Recipe, load_recipe
from kd2edge.reporting import model_card
from kd2edge.version import __version__

__all__ = ["Exported", "export_run"]

#: Seconds to wait for another export that is writing its bundle into the same folder.
_WAIT = 60.0
_PATH = re.compile(r"(?<![\w.])(?:/|[A-Za-z]:\\)[^\s'\",;:)]+")
#: Letters of a foreign error that a manifest keeps.
_SHOWN = 400


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote.

    Args:
        bundle: the bundle.
        failed: id -> why the artefact could not be made.
        broken: id -> exit code, for those of ``failed`` that no missing package explains.
    """

    bundle: Bundle
    failed: Mapping[str, str]
    broken: Mapping[str, int]


def export_run(
    run: FinishedRun,
    *,
    targets: Sequence[str] = (),
    precisions: Sequence[str] = (),
    out: Path | None = None,
    on_stage: Callable[[str], None] = lambda text: None,
) -> Exported:
    """Write the bundle of a finished run.

    A target that was asked for by name must be installed: that is checked before any work.  One
    that only the recipe names is written as ``failed`` with its reason; so is every artefact that
    cannot be made, whatever the cause: the others are none the worse for it.

    Args:
        run: a finished run.
        targets: target names; empty: the recipe's.
        precisions: precisions to make, each where a target has it; empty: the recipe's.
        out: the bundle's folder; None: ``models/NAME``.
        on_stage: told what is being made.

    Raises:
        BackendError: a target that was asked for is not installed.
        UsageError: an unknown target or precision, or a target asked for that makes none of these.
        StorageError, IntegrityError: the run cannot be read, the bundle cannot be written.
    """
    recipe = load_recipe(run.folder.recipe).recipe
    wanted = tuple(precisions or recipe.export.precisions)
    variants = _variants(targets or recipe.export.targets, wanted)
    for name in targets:
        _assert_makes_one(target(name), wanted)
        target(name).needs(wanted)
    job = shipment_of(recipe, run)
    forms = {target(variant.target).made_from for variant in variants}
    if "graph" in forms:
        on_stage("student to ONNX")
    source = _source(job, forms)
    broken: dict[str, int] = {}
    made = {variant: _made(source, variant, on_stage, broken) for variant in variants}
    files = dict(job.files)
    manifest = _manifest(job, source, made, files)
    card = model_card(manifest, job.run.report).encode()
    manifest = replace(manifest, files=(*manifest.files, file_entry("MODEL_CARD.md", card)))
    files["MODEL_CARD.md"] = card
    for one in made.values():
        files.update(one.files)
    bundle = _written(out or MODELS / recipe.name, manifest, files)
    failed = {variant.id: one.reason for variant, one in made.items() if one.status == "failed"}
    return Exported(bundle, failed, broken)


def _variants(targets: Sequence[str], precisions: Sequence[str]) -> list[Variant]:
    """Every form that a target has in one of the precisions.

    Raises:
        UsageError: an unknown target, or a precision that none of them makes.
    """
    known = {name: target(name) for name in targets}
    for precision in unmade(known, precisions):
        there = sorted({name for one in known.values() for name in one.precisions})
        raise UsageError(
            f"no precision {precision!r} for {', '.join(known)}; there are {', '.join(there)}"
        )
    return [
        variant
        for one in known.values()
        for precision in dict.fromkeys(precisions)
        if precision in one.precisions
        for variant in one.variants(precision)
    ]


def _assert_makes_one(maker: Target, precisions: Sequence[str]) -> None:
    """A target that was asked for by name must not come out empty.

    Raises:
        UsageError: it makes none of ``precisions``.
    """
    if not any(precision in maker.precisions for precision in precisions):
        raise UsageError(
            f"target {maker.name} was asked for and makes none of {', '.join(precisions)}; it makes"
            f" {', '.join(maker.precisions)}: add one of these, or leave the target out"
        )


def _written(path: Path, manifest: Manifest, files: Mapping[str, bytes]) -> Bundle:
    # The bundle's folder is replaced as a whole, so the lock stands beside it.
    with folder_lock(path.parent, wait=_WAIT):
        return write_bundle(path, manifest, files)


def _source(job: Shipment, forms: Container[str]) -> Source:
    """What artefacts are made from: the graph now, the rest when a target asks for it."""
    recipe, run, net = job.recipe, job.run.folder, job.net
    inputs, outputs = net.array_specs(), net.output_specs()
    ranges = _ranges(recipe, net.inputs)
    calibration = calibration_of(run.samples / CALIBRATION, inputs)
    whole = (one for one in calibration() if all(array.size for array in one.values()))
    sample = next(whole, None) or _zeros(inputs, ranges)
    graph = b""
    if "graph" in forms:
        graph = onnx_from_student(net, inputs, outputs, sample=sample, opset=recipe.export.opset)
    return Source(
        graph=graph,
        inputs=inputs,
        outputs=outputs,
        ranges=ranges,
        calibration=calibration,
        quantizers=QUANTIZERS,
        sample=calibration_sample(run.samples / CALIBRATION, recipe.seed),
        program=cache(
            lambda: program_from_student(net, inputs, outputs, sample=sample, ranges=ranges)
        ),
        layers=cache(lambda: layers_from_student(net)),
    )


def _zeros(
    inputs: Sequence[ArraySpec], ranges: Mapping[str, tuple[int, int]]
) -> dict[str, npt.NDArray[Any]]:
    """Arrays to trace on where no row has a piece: the tracer sees their shapes alone."""
    shapes = {
        spec.name: [dim if isinstance(dim, int) else ranges[dim][0] for dim in spec.shape]
        for spec in inputs
    }
    return {spec.name: np.zeros(shapes[spec.name], spec.dtype) for spec in inputs}


def _ranges(recipe: Recipe, inputs: Sequence[InputSpec]) -> dict[str, tuple[int, int]]:
    ranges = {"batch": (1, recipe.export.max_batch)}
    for spec in inputs:
        ranges |= input_kind(spec.kind).ranges(spec)
    return ranges


def _made(
    source: Source,
    variant: Variant,
    on_stage: Callable[[str], None],
    broken: dict[str, int],
) -> Made:
    """The artefact, or why there is none; ``broken`` learns of what is no missing package."""
    on_stage(variant.id)
    maker = target(variant.target)
    try:
        maker.needs([variant.precision])
        return maker.make(source, variant)
    except BackendError as error:
        return Made({}, "", "failed", str(error))
    except StorageError:  # the disk is full for the others, too
        raise
    except Kd2edgeError as error:
        broken[variant.id] = error.exit_code
        return Made({}, "", "failed", str(error))
    except Exception as error:  # noqa: BLE001  (quantizers and converters raise what they like)
        broken[variant.id] = Kd2edgeError.exit_code
        return Made({}, "", "failed", _foreign(error))


def _foreign(error: Exception) -> str:
    """A tool's own error in a line, without the folders of this machine: a manifest keeps it."""
    said = _PATH.sub("...", " ".join(str(error).split()))
    text = said if len(said) <= _SHOWN else f"{said[:_SHOWN]}..."
    return f"the tool that makes it failed: {type(error).__name__}: {text}".rstrip(": ")


def _manifest(
    job: Shipment, source: Source, made: Mapping[Variant, Made], files: Mapping[str, bytes]
) -> Manifest:
    recipe = job.recipe
    artefacts = {variant.id: _artefact(variant, one, source) for variant, one in made.items()}
    return Manifest(
        name=recipe.name,
        version=__version__,
        tasks={task.name: task for task in job.net.tasks},
        inputs={spec.name: spec for spec in job.net.inputs},
        artefacts=artefacts,
        preferred=_preferred(artefacts),
        files=tuple(file_entry(path, content) for path, content in sorted(files.items())),
        references={split: f"reference/{split}.npz" for split in SPLITS},
        golden="golden/golden.npz" if "golden/golden.npz" in files else "",
        gate=gate_of(recipe, {str(task.name): task for task in job.net.tasks}),
        licences={"weights": recipe.licences.weights, "data": recipe.licences.data},
        provenance=job.run.provenance,
    )


def _preferred(artefacts: Mapping[str, Artefact]) -> tuple[str, ...]:
    usable = [name for name, artefact in artefacts.items() if artefact.status != "failed"]
    return tuple(name for name in ranked() if name in usable)


def _artefact(variant: Variant, made: Made, source: Source) -> Artefact:
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
