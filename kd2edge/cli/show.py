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
    from any folder, whatever the environment.  A comment says which layers a word in
    `student.init.layers` means.
    """
    from kd2edge.recipe import load_recipe
    from kd2edge.recipe.taken_layers import taken_layers

    loaded = load_recipe(recipe, overrides=overrides)
    taken = taken_layers(loaded.recipe)
    if as_json:
        layers = {} if taken is None else {"student.init.layers": list(taken)}
        emit({"recipe": loaded.resolved, "fingerprint": loaded.fingerprint, "means": layers})
    else:
        comment = "" if taken is None else f"# student.init.layers means {list(taken)}\n"
        say_whole(loaded.dump_resolved() + comment)
