"""``kd2edge build``: finish on the device what the manifest marks ``needs_device``."""

from __future__ import annotations

from pathlib import Path

import click

from kd2edge.cli.output import emit, json_option, say


@click.command("build")
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--artefact", "artefacts", multiple=True, help="Only this artefact (repeatable).")
@click.option(
    "--out", type=click.Path(path_type=Path), default=None, help="Folder of evidence and engines."
)
@json_option
def command(bundle: Path, artefacts: tuple[str, ...], out: Path | None, as_json: bool) -> None:
    """Build the TensorRT engines of BUNDLE for this machine."""
    from kd2edge.pipeline.verbs.building import build_bundle

    built = build_bundle(bundle, artefacts=artefacts or None, out=out)
    if as_json:
        emit({"bundle": str(bundle), "built": [engine.to_json() for engine in built]})
        return
    for engine in built:
        say(f"{engine.artefact}: {engine.path} ({engine.bytes:,} bytes)", as_json=as_json)
        say(f"{'':{len(engine.artefact)}}  sha256 {engine.sha256}", as_json=as_json)
