"""``kd2edge inspect``: a bundle's manifest."""

from __future__ import annotations

from pathlib import Path

import click

from kd2edge.cli.output import emit, json_option, say
from kd2edge.json_text import json_value


@click.command("inspect")
@click.argument("bundle", type=click.Path(path_type=Path))
@json_option
def command(bundle: Path, as_json: bool) -> None:
    """Show BUNDLE's tasks, inputs, artefacts and provenance."""
    from kd2edge.bundle import manifest_to_json, open_bundle
    from kd2edge.runtime.known import known_here
    from kd2edge.tasks.cut import cut_text
    from kd2edge.tasks.reject import rejection_of

    opened = open_bundle(bundle)
    manifest, known = opened.manifest, known_here(opened)
    if as_json:
        verdicts = {
            name: {"verdict": one.word, "threads": sorted(one.threads), "reason": one.reason}
            for name, one in known.verdicts.items()
        }
        here = {"verdicts": verdicts, "notes": list(known.notes)}
        whole = json_value(manifest_to_json(manifest))
        emit({"identity": opened.identity, "manifest": whole, "here": here})
        return
    say(f"{manifest.name}  (kd2edge {manifest.version}, schema {manifest.schema})")
    say(f"identity   {opened.identity}")
    for name, spec in manifest.inputs.items():
        lacking = "; a row may lack it" if spec.may_be_absent else ""
        say(f"input      {name}: {spec.kind} from {', '.join(spec.columns)}{lacking}")
    for task, spec in manifest.tasks.items():
        said = f"{len(spec.labels)} labels" if spec.labels else f"in {spec.unit or 'its own unit'}"
        rejects = rejection_of(spec)
        how = cut_text(spec) if rejects is None else rejects.text(spec)
        when = f"; {how}" if how else ""
        say(f"task       {task}: {spec.kind}, {said}, {spec.metric}{when}")
    for artefact in manifest.artefacts.values():
        size = sum(entry.bytes for entry in artefact.files)
        reason = f"  ({artefact.reason})" if artefact.reason else ""
        say(f"artefact   {artefact.id:<22} {artefact.status:<13} {size:>12,} bytes{reason}")
    say(f"preferred  {', '.join(manifest.preferred)}")
    for kind, names in manifest.licences.items():
        say(f"licence    {kind}: {', '.join(names) or 'not stated'}")
    for kind, value in manifest.provenance.items():
        say(f"from       {kind} {value}")
    for name, one in known.verdicts.items():
        counts = ", ".join(map(str, sorted(one.threads))) or "none stated"
        say(f"here       {name:<22} {one.word:<13} threads {counts}")
    for note in known.notes:
        say(f"evidence   {note}")
