"""The verbs as functions: what a script calls instead of the command line.

Each imports its stages when it is called, so that ``import kd2edge`` costs nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kd2edge.runtime import load

if TYPE_CHECKING:
    from kd2edge.validate import Validation

__all__ = ["distill", "export", "load", "validate"]

PathLike = str | os.PathLike[str]


def distill(
    recipe: PathLike,
    *,
    run_dir: PathLike | None = None,
    resume: bool = False,
    overrides: Sequence[str] = (),
    allow_code: bool = False,
    on_event: Callable[[Any], None] = lambda event: None,
) -> Path:
    """Run a recipe; the run's folder.

    Args:
        recipe: the YAML file.
        run_dir: the run's folder; None: ``runs/NAME``.
        resume: go on with what was interrupted.
        overrides: ``train.lr=1e-3``: values that replace the recipe's.
        allow_code: let code run that the recipe names (teachers of family ``python``).
        on_event: told about stages and progress.

    Raises:
        RecipeError, DataError: a recipe or rows that cannot be used.
        Interrupted: stopped; the state was saved.
    """
    from kd2edge.pipeline.verbs.distilling import RunOptions, distill_recipe
    from kd2edge.recipe import load_recipe

    loaded = load_recipe(Path(recipe), overrides=overrides, check_files=True)
    options = RunOptions(None if run_dir is None else Path(run_dir), resume, allow_code=allow_code)
    return distill_recipe(loaded, options, on_event=on_event).path


def export(
    run: PathLike | None = None,
    *,
    targets: Sequence[str] = (),
    precisions: Sequence[str] = (),
    out: PathLike | None = None,
) -> Path:
    """Export a run's student (default: the latest finished run); the bundle's folder.

    Args:
        run: the run's folder.
        targets: ``onnx``, ``openvino``, ``tensorrt``; empty: the recipe's.
        precisions: ``fp32``, ``int8``, for TensorRT also ``fp16``; empty: the recipe's.
        out: the bundle's folder; None: ``models/NAME``.

    Raises:
        BackendError: a target that was asked for is not installed.
    """
    from kd2edge.pipeline.verbs.exporting import export_run
    from kd2edge.pipeline.verbs.finished import finished_run

    opened = finished_run(None if run is None else Path(run))
    place = None if out is None else Path(out)
    exported = export_run(opened, targets=targets, precisions=precisions, out=place)
    return exported.bundle.path


def validate(
    bundle: PathLike,
    *,
    split: str = "test",
    data: PathLike | None = None,
    artefacts: Sequence[str] = (),
    max_drop: Mapping[str, float] | None = None,
    max_drop_class: Mapping[str, float] | None = None,
    confidence: float | None = None,
) -> Validation:
    """Judge a bundle's artefacts; see ``pipeline.validation.validate``.

    Args:
        bundle: its folder.
        split: ``test`` or ``validation``: the stored reference that is judged by.
        data: a file of labelled rows instead of the run's own.
        artefacts: ids of those to judge; empty: all that can run here.
        max_drop: task -> most that its metric may fall; None: the manifest's.
        max_drop_class: the same for the recall of one class.
        confidence: of each one-sided bound; None: the manifest's.
    """
    from kd2edge.pipeline.verbs import validation

    file = None if data is None else Path(data)
    return validation.validate(
        Path(bundle),
        split=split,
        data=file,
        artefacts=artefacts,
        max_drop=max_drop,
        max_drop_class=max_drop_class,
        confidence=confidence,
    )
