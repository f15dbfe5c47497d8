"""``kd2edge distill``: a recipe becomes a run."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from kd2edge.cli.output import (
    allow_code_option,
    emit,
    json_option,
    overrides_option,
    say,
    say_lines,
)


@click.command("distill")
@click.argument("recipe", type=click.Path(path_type=Path))
@click.option(
    "--run-dir", type=click.Path(path_type=Path), default=None, help="Default: runs/NAME."
)
@click.option("--resume", is_flag=True, help="Go on with what was interrupted.")
@click.option("--recache", is_flag=True, help="Make encoded rows and teachers' caches again.")
@click.option(
    "--cache-dir", type=click.Path(path_type=Path), default=None,
    help="Encoded rows and teachers' outputs, shared by runs (default: in the run).",
)  # fmt: skip
@allow_code_option
@overrides_option
@json_option
def command(
    recipe: Path,
    run_dir: Path | None,
    resume: bool,
    recache: bool,
    cache_dir: Path | None,
    allow_code: bool,
    overrides: tuple[str, ...],
    as_json: bool,
) -> None:
    """Train the teachers of RECIPE, cache their outputs, distil the student, write the report."""
    from kd2edge.recipe import load_recipe

    # Before torch is imported: a misspelt key is known in milliseconds.
    loaded = load_recipe(recipe, overrides=overrides, check_files=True)

    from kd2edge.cli.display import display
    from kd2edge.pipeline.steps.provenance import read_report
    from kd2edge.pipeline.verbs.distilling import RunOptions, distill_recipe
    from kd2edge.reporting import headline_table

    with display() as show:
        options = RunOptions(run_dir, resume, recache, cache_dir, allow_code)
        run = distill_recipe(loaded, options, on_event=show)
    report = read_report(run.report)
    if as_json:
        emit({"run": str(run.path), "report": report})
    else:
        say_lines("\n" + headline_table(report))
        say(f"run:    {run.path}")
        say(f"report: {run.html}")
        say(f"next:   kd2edge export {shlex.quote(str(run.path))}")
