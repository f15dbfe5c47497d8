"""``kd2edge doctor``: what works on this machine, and why the rest does not."""

from __future__ import annotations

from dataclasses import asdict

import click

from kd2edge.cli.output import emit, json_option, say


@click.command("doctor")
@json_option
def command(as_json: bool) -> None:
    """List what this machine can do: train, export, validate, run on each backend."""
    from kd2edge.bundle import machine
    from kd2edge.pipeline.verbs.doctor import examine

    here = machine()
    abilities = examine()
    if as_json:
        emit(
            {
                "machine": asdict(here),
                "abilities": {one.name: asdict(one) for one in abilities},
            }
        )
        return
    say(f"machine  {here.id}")
    for ability in abilities:
        mark = "yes" if ability.works else "no"
        say(f"{ability.name:<22} {mark:<4} {ability.detail}")
        if ability.mend:
            say(f"{'':<22}      -> {ability.mend}")
