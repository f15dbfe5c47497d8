"""``kd2edge new``: a commented recipe to start from."""

from __future__ import annotations

from pathlib import Path

import click

from kd2edge.errors import StorageError, UsageError


@click.command("new")
@click.argument("name", required=False)
@click.option("--from", "origin", default="quickstart", show_default=True, help="A gallery recipe.")
@click.option("--list", "show", is_flag=True, help="List the gallery.")
def command(name: str | None, origin: str, show: bool) -> None:
    """Write NAME.yaml, a commented recipe to start from."""
    from kd2edge.pipeline.gallery import gallery, started

    if show:
        for recipe in gallery():
            click.echo(f"{recipe.name:<28} {recipe.title}")
        return
    if not name:
        raise UsageError("expected a NAME for the new recipe (or --list to see the gallery)")
    path = Path(f"{name}.yaml")
    if path.exists():
        raise StorageError(f"{path} is already there: choose another name or move it away")
    text = started(origin, name)
    path.write_text(text, encoding="utf-8")
    click.echo(f"{path} is written: edit it, then run `kd2edge check {path}`")
