"""``kd2edge bench``: finds the rows, then asks ``bench``.  Needs no torch and no recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kd2edge.bench import Bench, bench_bundle
from kd2edge.bundle import Bundle, open_bundle
from kd2edge.errors import DataError, StorageError, UsageError
from kd2edge.pipeline.reading.source_forms import Asked
from kd2edge.pipeline.reading.sources import open_split, read_rows_plan
from kd2edge.pipeline.verbs.finished import run_of
from kd2edge.pipeline.verbs.validation import rows_from_file
from kd2edge.rows.rows import Rows

__all__ = ["bench", "rows_of_run"]

_SPLIT = "test"


def bench(
    bundle: Path,
    *,
    data: Path | None = None,
    asked: Asked | None = None,
    shape: str,
    batches: Sequence[int],
    threads: Sequence[int] | None,
    artefacts: Sequence[str] = (),
    seconds: float,
    out: Path | None = None,
    on_event: Callable[[Any], None] = lambda event: None,
) -> Bench:
    """Measure a bundle on rows of ``data``, else of the run it was made of, else on what it holds.

    Args:
        bundle: the bundle's folder.
        data: a file of rows with the inputs' columns; None: the run's test rows, where it is at
            hand.
        asked: how such a file is read, where its name and the bundle do not say.
        shape: ``rows`` or ``fixed``.
        batches: rows of a forward pass.
        threads: thread counts; None: 1, and the physical cores.
        artefacts: ids; empty: all.
        seconds: time to spend on each cell.
        out: folder for the evidence of a read-only bundle.
        on_event: told about progress.

    Raises:
        Kd2edgeError: see ``bench.bench_bundle``.
    """
    opened = open_bundle(bundle)
    return bench_bundle(
        bundle,
        rows=rows_from_file(opened, data, asked) if data is not None else rows_of_run(opened),
        shape=shape,
        batches=batches,
        threads=threads,
        artefacts=artefacts or None,
        seconds=seconds,
        out=out,
        on_event=on_event,
    )


def rows_of_run(bundle: Bundle) -> Rows | None:
    """Test rows of the bundle's run; None where they are not at hand: a bench goes on without."""
    run = run_of(bundle)
    if run is None:
        return None
    plan = read_rows_plan(run.folder.rows)
    try:
        return open_split(plan, _SPLIT)
    except (DataError, StorageError, UsageError):  # the data is gone since
        return None
