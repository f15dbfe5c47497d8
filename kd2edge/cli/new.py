"""``kd2edge new``: a commented recipe to start from."""

from __future__ import annotations

from pathlib import Path

import click

from kd2edge.cli.output import emit, json_option, say
from kd2edge.errors import UsageError


@click.command("new")
@click.argument("name", required=False)
@click.option("--from", "origin", default="quickstart", show_default=True, help="A gallery recipe.")
@click.option("--list", "show", is_flag=True, help="List the gallery.")
@json_option
def command(name: str | None, origin: str, show: bool, as_json: bool) -> None:
    """Write NAME.yaml, a commented recipe to start from."""
    from kd2edge.files import write_atomic
    from kd2edge.pipeline.verbs.gallery import gallery, started

    if show:
        recipes = gallery()
        if as_json:
            emit(
                {
                    "recipes": {
                        one.name: {"title": one.title, "path": str(one.path)} for one in recipes
                    }
                }
            )
        for one in recipes:
            say(f"{one.name:<28} {one.title}", as_json=as_json)
        return
    if not name:
        raise UsageError("expected a NAME for the new recipe (or --list to see the gallery)")
    name = name.removesuffix(".yaml")  # who wrote the file's name means the recipe's
    path = Path(f"{name}.yaml")
    text = started(origin, name)
    if path.exists():
        raise UsageError(f"{path} is already there: choose another name or move it away")
    write_atomic(path, text.encode())
    if as_json:
        emit({"recipe": str(path)})
    say(f"{path} is written: edit it, then run `kd2edge check {path}`", as_json=as_json)
