"""``kd2edge check``: the plan and all problems, before anything is trained."""

from __future__ import annotations

from pathlib import Path

import click

from kd2edge.cli.output import allow_code_option, emit, json_option, overrides_option, say_lines


@click.command("check")
@click.argument("recipe", type=click.Path(path_type=Path))
@overrides_option
@click.option(
    "--modules",
    is_flag=True,
    help="Print every net's modules and what they give instead: what distill.features, train.freeze"
    " and train.rates may name.",
)
@allow_code_option
@json_option
def command(
    recipe: Path, overrides: tuple[str, ...], modules: bool, allow_code: bool, as_json: bool
) -> None:
    """Read RECIPE and its data; print the plan and all problems at once; train nothing."""
    from kd2edge.pipeline.verbs.modules import modules_of
    from kd2edge.pipeline.verbs.plan import plan_of
    from kd2edge.recipe import load_recipe

    loaded = load_recipe(recipe, overrides=overrides, check_files=True)
    found = modules_of(loaded) if modules else plan_of(loaded, allow_code=allow_code)
    if as_json:
        emit(found.to_json())
    else:
        say_lines(found.text())
