"""``kd2edge bench``: what every artefact costs on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from kd2edge.cli.output import emit, json_option, numbers, say_lines
from kd2edge.cli.rows import asked, rows_options


@click.command("bench")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--data", type=click.Path(path_type=Path), default=None,
    help="A file of rows to run on (default: the test rows of its run, else its golden ones).",
)  # fmt: skip
@rows_options
@click.option(
    "--shape", type=click.Choice(["rows", "fixed"]), default="rows", show_default=True,
    help="Lengths as the rows come, or one batch over and over.",
)  # fmt: skip
@click.option("--batch", default="1,32", show_default=True, help="Batch sizes, e.g. 1,8,32.")
@click.option(
    "--threads", default=None,
    help="Thread counts, e.g. 1,2 (default: 1, and the physical cores it may use).",
)  # fmt: skip
@click.option("--artefact", "artefacts", multiple=True, help="Only this artefact (repeatable).")
@click.option(
    "--seconds", type=click.FloatRange(min=0.1), default=1.0, show_default=True,
    help="Time an artefact, batch size and thread count; twice with raw rows.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path), default=None, help="Folder of evidence and engines."
)
@json_option
def command(
    bundle: Path,
    data: Path | None,
    kind: str,
    options: tuple[str, ...],
    source: str,
    shape: str,
    batch: str,
    threads: str | None,
    artefacts: tuple[str, ...],
    seconds: float,
    out: Path | None,
    as_json: bool,
) -> None:
    """Measure size, load time, latency, rows/s and memory of BUNDLE's artefacts, interleaved."""
    from kd2edge.cli.display import display
    from kd2edge.pipeline.verbs.benching import bench

    with display() as show:
        result = bench(
            bundle,
            data=data,
            asked=asked(kind, options, source),
            shape=shape,
            batches=numbers(batch, "--batch"),
            threads=numbers(threads, "--threads") if threads else None,
            artefacts=artefacts,
            seconds=seconds,
            out=out,
            on_event=show,
        )
    if as_json:
        emit(result.to_json())
    else:
        say_lines(result.table())
