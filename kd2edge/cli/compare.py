"""``kd2edge compare``: two runs or bundles, side by side."""

from __future__ import annotations

from pathlib import Path

import click

from kd2edge.cli.output import emit, json_option, say_lines


@click.command("compare")
@click.argument("a", type=click.Path(path_type=Path))
@click.argument("b", type=click.Path(path_type=Path))
@json_option
def command(a: Path, b: Path, as_json: bool) -> None:
    """Compare A and B (runs or bundles), per task and model."""
    from kd2edge.pipeline.verbs.reports import comparison

    found = comparison(a, b)
    if as_json:
        emit(found.to_json())
    else:
        say_lines(found.text())
