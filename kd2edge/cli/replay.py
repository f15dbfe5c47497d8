"""``kd2edge replay``: the training step that went wrong once more."""

from __future__ import annotations

from pathlib import Path

import click

from kd2edge.cli.output import allow_code_option, emit, json_option, say_lines


@click.command("replay")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--precision", type=click.Choice(["fp32", "bf16"]), default=None,
    help="Compute the step in this precision instead of its own: is bf16 the cause?",
)  # fmt: skip
@click.option(
    "--cache-dir", type=click.Path(path_type=Path), default=None,
    help="The run's --cache-dir, where it had one.",
)  # fmt: skip
@allow_code_option
@json_option
def command(
    run: Path, precision: str | None, cache_dir: Path | None, allow_code: bool, as_json: bool
) -> int:
    """Take the step again at which a training of RUN went wrong: not finite, or a loss exploded.

    Shows every loss with its worst rows, gradient norms and the largest outputs of modules; writes
    nothing. Ends with 1 where it goes wrong again, with 0 where it does not.
    """
    from kd2edge.cli.display import display
    from kd2edge.pipeline.verbs.replaying import replay_run

    with display() as show:
        found = replay_run(
            run, precision=precision, cache_dir=cache_dir, allow_code=allow_code, on_event=show
        )
    if as_json:
        emit(found.to_json())
    else:
        say_lines(found.text())
    return 1 if found.failed else 0
