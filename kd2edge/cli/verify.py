"""``kd2edge verify``: every checksum of a bundle."""

from __future__ import annotations

from pathlib import Path

import click

from kd2edge.cli.output import emit, json_option, say
from kd2edge.errors import IntegrityError


@click.command("verify")
@click.argument("bundle", type=click.Path(path_type=Path))
@json_option
def command(bundle: Path, as_json: bool) -> None:
    """Check that every file of BUNDLE is the one that its manifest names.

    Files of reference/ may be absent; they are named.
    """
    from kd2edge.bundle import open_bundle

    opened = open_bundle(bundle)
    problems = opened.verify()
    if problems:
        raise IntegrityError(*problems)
    if as_json:
        found = {"bundle": str(bundle), "identity": opened.identity, "verified": True}
        emit({**found, "left_out": list(opened.left_out)})
        return
    say(f"{bundle}: every file is the one that its manifest names", as_json=as_json)
    for file in opened.left_out:
        say(f"{file}: left out; validate compares with onnx-fp32 instead", as_json=as_json)
    say(f"identity {opened.identity}", as_json=as_json)
