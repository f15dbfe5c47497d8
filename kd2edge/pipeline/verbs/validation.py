"""``kd2edge validate``: finds the rows, then asks ``validate``.  Needs no torch and no recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from kd2edge.bundle import Bundle, open_bundle
from kd2edge.errors import UsageError
from kd2edge.pipeline.reading.source_forms import Asked, forms_of, handed_rows
from kd2edge.pipeline.reading.sources import open_split, read_rows_plan
from kd2edge.pipeline.steps.folders import MODELS, latest_run
from kd2edge.pipeline.steps.provenance import read_report
from kd2edge.pipeline.verbs.agreement import require_run_of
from kd2edge.pipeline.verbs.finished import FinishedRun, run_of
from kd2edge.rows.rows import Rows
from kd2edge.validate import Validation, validate_bundle

__all__ = ["latest_bundle", "rows_from_file", "validate"]


def validate(
    bundle: Path,
    *,
    split: str = "test",
    data: Path | None = None,
    asked: Asked | None = None,
    run: FinishedRun | None = None,
    artefacts: Sequence[str] = (),
    max_drop: Mapping[str, float] | None = None,
    max_drop_class: Mapping[str, float] | None = None,
    confidence: float | None = None,
    threads: int | None = None,
    out: Path | None = None,
    on_event: Callable[[Any], None] = lambda event: None,
) -> Validation:
    """Judge a bundle on a split's rows: those of ``data``, else those of the run it was made of.

    Args:
        bundle: the bundle's folder.
        split: whose stored reference to compare with.
        data: a file of rows with the inputs' and tasks' columns, read as the recipe's sources
            were; None: the run's rows.
        asked: what the caller says of how ``data`` is read.
        run: the bundle's run; None: it is looked for by the manifest's fingerprint.
        artefacts: ids; empty: all.
        max_drop: task -> budget in [0, 1]; overrides the manifest's.
        max_drop_class: task -> what the recall of a class may lose; overrides the manifest's.
        confidence: of each one-sided bound; None: the manifest's.
        threads: threads of one forward pass; None: one, and the physical cores.
        out: folder for the evidence of a read-only bundle.
        on_event: told about progress.

    Raises:
        UsageError: the rows are not at hand.
        Kd2edgeError: see ``validate.validate_bundle``.
    """
    opened = open_bundle(bundle)
    if data is not None:
        rows: Rows = rows_from_file(opened, data, asked)
    else:
        rows = _from_run(opened, run, split)
    return validate_bundle(
        bundle,
        rows=rows,
        split=split,
        from_run=data is None,
        artefacts=list(artefacts) or None,
        max_drop=max_drop,
        max_drop_class=max_drop_class,
        confidence=confidence,
        threads=threads,
        out=out,
        on_event=on_event,
    )


def latest_bundle() -> Path:
    """The bundle of the latest finished run, ``models/NAME``.

    Raises:
        UsageError: there is none.
    """
    path = MODELS / str(read_report(latest_run().report)["name"])
    if not path.is_dir():
        raise UsageError(f"{path}: no bundle there yet: make it with `kd2edge export`")
    return path


def rows_from_file(bundle: Bundle, path: Path, asked: Asked | None = None) -> Rows:
    """Rows of a file with the inputs' and tasks' columns, read as the recipe's sources were.

    Raises:
        UsageError: no such file, or nothing tells how it is read.
        DataError: it is not of its kind.
    """
    return handed_rows(path, forms_of(bundle), map(str, bundle.manifest.tasks), asked)


def _from_run(bundle: Bundle, named: FinishedRun | None, split: str) -> Rows:
    run = named or run_of(bundle)
    if run is None:
        provenance = bundle.manifest.provenance.get("run", "")
        raise UsageError(
            f"{bundle.path}: the rows are not at hand: its run {provenance[:12]}... is not under "
            "runs/; name rows with --data FILE, or the run with --run DIR"
        )
    require_run_of(run, bundle)
    rows = open_split(read_rows_plan(run.folder.rows), split)
    if not len(rows):
        raise UsageError(f"{run.folder.path}: its split {split!r} has no rows")
    return rows
