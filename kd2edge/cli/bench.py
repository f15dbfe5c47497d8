"""``kd2edge bench``: what every artefact costs on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from kd2edge.cli.output import emit, json_option, numbers, say_lines


@click.command("bench")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--batch", default="1,32", show_default=True, help="Batch sizes, e.g. 1,8,32.")
@click.option(
    "--threads", default=None,
    help="Thread counts, e.g. 1,2 (default: the physical cores this process may use).",
)  # fmt: skip
@click.option("--artefact", "artefacts", multiple=True, help="Only this artefact (repeatable).")
@click.option(
    "--seconds", type=click.FloatRange(min=0.1), default=2.0, show_default=True,
    help="Time an artefact, batch size and thread count.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path), default=None, help="Folder of evidence and engines."
)
@json_option
def command(
    bundle: Path,
    batch: str,
    threads: str | None,
    artefacts: tuple[str, ...],
    seconds: float,
    out: Path | None,
    as_json: bool,
) -> None:
    """Measure size, load time, latency, rows/s and memory of BUNDLE's artefacts, interleaved."""
    from kd2edge.bench import bench_bundle
    from kd2edge.cli.display import display

    with display() as show:
        result = bench_bundle(
            bundle,
            batches=numbers(batch, "--batch"),
            threads=numbers(threads, "--threads") if threads else None,
            artefacts=artefacts or None,
            seconds=seconds,
            out=out,
            on_event=show,
        )
    if as_json:
        emit(result.to_json())
    else:
        say_lines(result.table())
