"""``kd2edge study``: which ingredient of a recipe pays, over seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from kd2edge.cli.output import (
    allow_code_option,
    emit,
    json_option,
    overrides_option,
    pairs,
    say,
    say_lines,
)
from kd2edge.recipe.names import FOLDER_NAME


def _folder_name(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    import re

    del ctx, param
    if value is not None and not re.match(FOLDER_NAME, value):
        raise click.BadParameter("expected letters, digits, ., _ and -: it becomes a folder")
    return value


@click.command("study")
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option(
    "--ablate", default="", metavar="PART,PART",
    help="Try the recipe without each of these parts, e.g. distill.features,data.unlabelled.",
)  # fmt: skip
@click.option(
    "--field", "fields", multiple=True, metavar="K=VALUES",
    help="Try these values of a field: [a, b] or {low: a, high: b, log: true} (repeatable).",
)  # fmt: skip
@click.option(
    "--seeds", type=click.IntRange(1, 1000), default=3, show_default=True,
    help="Runs of each variant, with seeds from the recipe's on.",
)  # fmt: skip
@click.option(
    "--sampler", type=click.Choice(["grid", "tpe", "random"]), default=None,
    help="How values are chosen (default: every combination; tpe where a field is a range).",
)  # fmt: skip
@click.option(
    "--trials", type=click.IntRange(min=1), default=None,
    help="Variants that tpe or random tries (default: 20).",
)  # fmt: skip
@click.option(
    "--metric", "metrics", multiple=True, metavar="TASK=METRIC",
    help="What a search looks at on validation (repeatable; default: each task's own metric).",
)  # fmt: skip
@click.option(
    "--jobs", type=click.IntRange(min=1), default=1, show_default=True,
    help="Runs side by side, one thread each, as far as memory allows.",
)  # fmt: skip
@click.option("--name", callback=_folder_name, help="Of the study, in runs/ (default: NAME-study).")
@click.option(
    "--storage", metavar="URL", default=None,
    help="An Optuna storage (default: SQLite in the study's folder).",
)  # fmt: skip
@allow_code_option
@overrides_option
@json_option
def command(
    recipe: Path,
    ablate: str,
    fields: tuple[str, ...],
    seeds: int,
    metrics: tuple[str, ...],
    overrides: tuple[str, ...],
    as_json: bool,
    **how: Any,
) -> None:
    """Try variants of RECIPE over seeds; say, per task, what is shown to pay or to hurt.

    A grid or an ablation holds every variant against the recipe as it is. A search chooses by
    validation rows and holds its best one against it. Test rows are read for that alone. Stopped,
    the same command goes on: what is finished is not run again.
    """
    from kd2edge.cli.display import display
    from kd2edge.pipeline.verbs.study.plan import Asked, plan_study
    from kd2edge.pipeline.verbs.study.studying import study
    from kd2edge.reporting import study_table

    asked = Asked(
        fields,
        tuple(part.strip() for part in ablate.split(",") if part.strip()),
        seeds,
        how["sampler"],
        how["trials"],
        pairs(metrics, "--metric"),
        how["allow_code"],
    )
    plan = plan_study(recipe, overrides, asked)
    with display() as show:
        made = study(
            plan, name=how["name"], storage=how["storage"], jobs=how["jobs"], on_event=show
        )
    if as_json:
        emit({"folder": str(made.folder.path), "study": made.found})
        return
    say_lines("\n" + study_table(made.found).text())
    say(f"study:  {made.folder.json}")
    say(f"report: {made.folder.html}")
