"""``kd2edge verify``: every checksum of a bundle."""

from __future__ import annotations

from pathlib import Path

import click

from kd2edge.cli.output import emit, json_option, say
from kd2edge.errors import IntegrityError

_PROVES = (
    "Checksums show that nothing was damaged; --identity, that it is the bundle you expect.",
    "Evidence in reports/ is the word of whoever can write there; whose, only a signature tells.",
)


@click.command("verify")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option(
    "--identity", default=None, metavar="SHA256", help="Expect this identity: any other is exit 5."
)
@json_option
def command(bundle: Path, identity: str | None, as_json: bool) -> None:
    """Check that every file of BUNDLE is the one that its manifest names.

    Files of reference/ may be absent; they are named.  That the manifest is the one you expect only
    --identity tells, from a place that you trust.
    """
    from kd2edge.bundle import open_bundle
    from kd2edge.runtime.known import known_here

    opened = open_bundle(bundle, identity=identity)
    problems = opened.verify()
    if problems:
        raise IntegrityError(*problems)
    if as_json:
        found = {"bundle": str(bundle), "identity": opened.identity, "verified": True}
        notes = list(known_here(opened).notes)
        emit({**found, "left_out": list(opened.left_out), "evidence": notes})
        return
    say(f"{bundle}: every file is the one that its manifest names", as_json=as_json)
    for file in opened.left_out:
        say(f"{file}: left out; validate compares with onnx-fp32 instead", as_json=as_json)
    for note in known_here(opened).notes:
        say(f"evidence: {note}", as_json=as_json)
    say(f"identity {opened.identity}", as_json=as_json)
    for line in _PROVES:
        say(line, as_json=as_json)
