"""``kd2edge report``: one self-contained HTML file."""

from __future__ import annotations

from pathlib import Path

import click

from kd2edge.cli.output import emit, json_option, say


@click.command("report")
@click.argument("path", metavar="[RUN|BUNDLE]", type=click.Path(path_type=Path), required=False)
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Where to write it.")
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
@json_option
def command(path: Path | None, out: Path | None, show: bool, as_json: bool) -> None:
    """Write the report of a run (default: the latest) or bundle as one HTML file."""
    from kd2edge.pipeline.verbs.reports import write_html

    written = write_html(path, out)
    if as_json:
        emit({"report": str(written)})
    else:
        say(f"report: {written}", as_json=as_json)
    if show:
        click.launch(str(written))
