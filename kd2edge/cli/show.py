"""``kd2edge show``: a recipe with every default filled in."""

from __future__ import annotations

from pathlib import Path

import click

from kd2edge.cli.output import emit, json_option, overrides_option, say_whole


@click.command("show")
@click.argument("recipe", type=click.Path(path_type=Path))
@overrides_option
@json_option
def command(recipe: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Print RECIPE with every default filled in: a recipe again, the same one.

    Variables and paths stand as they are read here and now, so that what is shown means the same
    from any folder, whatever the environment.
    """
    from kd2edge.recipe import load_recipe

    loaded = load_recipe(recipe, overrides=overrides)
    if as_json:
        emit({"recipe": loaded.resolved, "fingerprint": loaded.fingerprint})
    else:
        say_whole(loaded.dump_resolved())
