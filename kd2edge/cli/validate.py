"""``kd2edge validate``: the gate."""

from __future__ import annotations

from pathlib import Path

import click

from kd2edge.cli.output import emit, json_option, pairs, say, say_lines
from kd2edge.cli.rows import asked, rows_options

_CODES = {"pass": 0, "fail": 3, "undecided": 3, "not_run": 6}


@click.command("validate")
@click.argument("bundle", type=click.Path(path_type=Path), required=False)
@click.option("--artefact", "artefacts", multiple=True, help="Only this artefact (repeatable).")
@click.option("--split", default="test", show_default=True, help="The split to judge on.")
@click.option("--data", type=click.Path(path_type=Path), default=None, help="A file of rows.")
@rows_options
@click.option("--run", type=click.Path(path_type=Path), default=None, help="The bundle's run.")
@click.option("--max-drop", multiple=True, metavar="TASK=X", help="Budget of a task (repeatable).")
@click.option(
    "--max-drop-class", multiple=True, metavar="TASK=X",
    help="What the recall of a task's class may lose (repeatable).",
)  # fmt: skip
@click.option(
    "--confidence", type=click.FloatRange(0.5, 1, min_open=True, max_open=True), default=None,
    help="Of each bound (default: the bundle's).",
)  # fmt: skip
@click.option(
    "--threads", type=click.IntRange(min=1), default=None,
    help="Threads to judge (default: one, and the physical cores this process may use).",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path), default=None, help="Folder of evidence and engines."
)
@json_option
def command(
    bundle: Path | None,
    artefacts: tuple[str, ...],
    split: str,
    data: Path | None,
    kind: str,
    options: tuple[str, ...],
    source: str,
    run: Path | None,
    max_drop: tuple[str, ...],
    max_drop_class: tuple[str, ...],
    confidence: float | None,
    threads: int | None,
    out: Path | None,
    as_json: bool,
) -> int:
    """Judge whether every artefact of BUNDLE (default: the latest run's) is as accurate as PyTorch.

    Exit code 0: every artefact that can run here passes; 3: one failed or is undecided; 6: one that
    --artefact names, or all of them, could not run.
    """
    from kd2edge.cli.display import display
    from kd2edge.pipeline.steps.folders import RunFolder
    from kd2edge.pipeline.verbs.finished import read_run
    from kd2edge.pipeline.verbs.validation import latest_bundle, validate

    with display() as show:
        result = validate(
            bundle or latest_bundle(),
            split=split,
            data=data,
            asked=asked(kind, options, source),
            run=None if run is None else read_run(RunFolder(run)),
            artefacts=artefacts,
            max_drop=_drops(max_drop, "--max-drop"),
            max_drop_class=_drops(max_drop_class, "--max-drop-class"),
            confidence=confidence,
            threads=threads,
            out=out,
            on_event=show,
        )
    if as_json:
        emit(result.to_json())
    say_lines(result.table(), as_json=as_json)
    say(f"evidence: {result.evidence}", as_json=as_json)
    return _CODES[result.outcome]


def _drops(values: tuple[str, ...], option: str) -> dict[str, float]:
    drops: dict[str, float] = {}
    for task, text in pairs(values, option).items():
        try:
            drops[task] = float(text)
        except ValueError:
            raise click.BadParameter(
                f"expected TASK=NUMBER, found {task}={text}", param_hint=option
            ) from None
    return drops
