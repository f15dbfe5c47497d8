"""``kd2edge export``: a run's student as a bundle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from kd2edge.cli.output import emit, json_option, note, say
from kd2edge.engines import ENGINES, PRECISIONS

if TYPE_CHECKING:
    from kd2edge.pipeline.verbs.exporting import Exported

_INCOMPLETE = 6
_Command = TypeVar("_Command", bound=Callable[..., int])


def _target_flags(verb: _Command) -> _Command:
    """An option for every engine, called as its target."""
    for engine in reversed(tuple(ENGINES.values())):
        flag = click.option(
            f"--{engine.flag}", engine.target, is_flag=True, help=f"Artefacts for {engine.title}."
        )
        verb = flag(verb)
    return verb


@click.command("export")
@click.argument("run", type=click.Path(path_type=Path), required=False)
@_target_flags
@click.option(
    "--precision",
    default=None,
    help=f"Of {','.join(PRECISIONS)}, as far as a target has them (default: the recipe's).",
)
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Default: models/NAME.")
@click.option(
    "--allow-missing",
    is_flag=True,
    help="Exit 0 though what a target of the recipe needs is not installed.",
)
@json_option
def command(
    run: Path | None,
    precision: str | None,
    out: Path | None,
    allow_missing: bool,
    as_json: bool,
    **asked: bool,
) -> int:
    """Export the student of RUN (default: the latest finished run).

    Without a target flag, the recipe's targets are made.
    """
    targets = [name for name, wanted in asked.items() if wanted]
    precisions = [part.strip() for part in precision.split(",")] if precision else []

    from kd2edge.export.targets.kinds import target

    for name in targets:
        # Before torch is imported or a file is read: a missing runtime is known in milliseconds.
        target(name).needs(precisions or ["fp32"])

    from kd2edge.bundle.gains import shortcomings, size_text
    from kd2edge.pipeline.verbs.exporting import export_run
    from kd2edge.pipeline.verbs.finished import finished_run

    exported = export_run(
        finished_run(run),
        targets=targets,
        precisions=precisions,
        out=out,
        on_stage=lambda text: note(f"export  {text}"),
    )
    bundle = exported.bundle
    artefacts = bundle.manifest.artefacts.values()
    # The files of what is not ready yet are no measure of what will run.
    sizes = {one.id: sum(file.bytes for file in one.files) for one in artefacts}
    ready: dict[str, int | None] = {one.id: sizes[one.id] for one in artefacts if not one.reason}
    if as_json:
        found = {
            one.id: {
                "status": one.status,
                "reason": one.reason,
                "bytes": sizes[one.id],
                "shortcomings": list(shortcomings(one.id, ready)),
            }
            for one in artefacts
        }
        emit({"bundle": str(bundle.path), "identity": bundle.identity, "artefacts": found})
    else:
        for one in artefacts:
            beside = size_text(one.id, ready)
            text = f"{one.id:<20} {one.status:<13} {sizes[one.id]:>11,} bytes  {beside}"
            say(text.rstrip(), as_json=as_json)
            if one.reason:
                say(f"{'':<20} {one.reason}", as_json=as_json)
        say(f"bundle: {bundle.path}  identity {bundle.identity[:12]}", as_json=as_json)
    return _code(exported, allow_missing)


def _code(exported: Exported, allow_missing: bool) -> int:
    """0 when all was made, or when ``allow_missing`` and nothing but packages is missing."""
    if exported.broken:
        return min(exported.broken.values())  # 1, the unexpected, before what has a better name
    return _INCOMPLETE if exported.failed and not allow_missing else 0
