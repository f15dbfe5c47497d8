"""``kd2edge check``: the plan and all problems, before anything is trained."""

from __future__ import annotations

from pathlib import Path

import click

from kd2edge.cli.output import emit, json_option, overrides_option, say_lines


@click.command("check")
@click.argument("recipe", type=click.Path(path_type=Path))
@overrides_option
@json_option
def command(recipe: Path, overrides: tuple[str, ...], as_json: bool) -> None:
    """Read RECIPE and its data; print the plan and all problems at once; train nothing."""
    from kd2edge.pipeline.verbs.plan import plan_of
    from kd2edge.recipe import load_recipe

    plan = plan_of(load_recipe(recipe, overrides=overrides, check_files=True))
    if as_json:
        emit(plan.to_json())
    else:
        say_lines(plan.text())
