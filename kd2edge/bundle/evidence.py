"""Evidence: what was measured on some machine about one bundle; appended to, never changed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from heapq import merge
from itertools import accumulate
from pathlib import Path
from typing import Any, final

from kd2edge.bundle.machine import Machine, machine
from kd2edge.bundle.paths import MANIFEST, REPORTS, read_inside
from kd2edge.errors import (
    IntegrityError,
    PathEscapeError,
    SchemaTooNewError,
    StorageError,
    UsageError,
)
from kd2edge.files.atomic import write_atomic
from kd2edge.files.fingerprint import as_json, fingerprint
from kd2edge.files.lock import folder_lock
from kd2edge.files.strict_json import Fields, as_integer, as_object, as_text, as_texts, parsed
from kd2edge.json_text import json_value

#: Version of the evidence files that this kd2edge writes, and the newest that it reads.
SCHEMA = 2
#: How far a clock may be ahead of the one that reads.
SKEW = timedelta(minutes=10)

_UNCHECKED = 1  # the last schema whose entries carry no checksum
_LIMIT = 64 << 20  # bytes of one evidence file
_WAIT = 10.0  # seconds that an append waits for another one
_KIND = re.compile(r"[a-z][a-z0-9_]*")


@final
@dataclass(frozen=True, slots=True)
class Evidence:
    """One measurement.

    Args:
        kind: ``validation``, ``bench``, ...
        machine: where it was made.
        manifest: identity of the bundle that it is about (SHA-256 of its manifest, hex).
        time: when, ISO 8601 in UTC.
        payload: what was found, JSON values.
        folder: where it was read from: the bundle or another folder; engines it names are in it.
        checked: a checksum came with it, and holds; an older kd2edge wrote none.
    """

    kind: str
    machine: Machine
    manifest: str
    time: str
    payload: Mapping[str, Any]
    folder: Path
    checked: bool = True

    def is_ahead(self, now: datetime) -> bool:
        """Whether it says that it was made after ``now``: some clock is wrong, or it is made up."""
        return datetime.fromisoformat(self.time) > now + SKEW


def require_writable(directory: Path) -> None:
    """Notice before the work, not after it, that its evidence could not be written.

    Args:
        directory: as for :func:`append_evidence`, which it is a rehearsal of.

    Raises:
        StorageError: a read-only bundle, no folder where one is needed, no permission, ...
        PathEscapeError: the bundle's ``reports``, or the lock in it, is a link.
    """
    try:
        with folder_lock(_folder(directory), wait=_WAIT):
            pass
    except StorageError as error:
        raise StorageError(f"{error}; --out DIR (out=) takes evidence and engines") from error


def append_evidence(
    directory: Path, kind: str, manifest_sha: str, payload: Mapping[str, Any]
) -> Path:
    """Add an entry to ``<kind>-<machine>.json`` and return that file's path.

    Args:
        directory: a bundle (its ``reports/`` is meant), or any other folder; made when missing.
        kind: what was done: ``validation``, ``bench``, ...
        manifest_sha: identity of the bundle.
        payload: JSON values.

    Raises:
        StorageError: it cannot be written (a read-only bundle: write to another folder).
        IntegrityError: the file that is there is no evidence.
        PathEscapeError: the bundle's ``reports`` is a link.
        UsageError: a kind that is no plain word, or a payload that JSON cannot hold.
    """
    if not _KIND.fullmatch(kind):
        raise UsageError(f"kind of evidence {kind!r}: expected a word in lower case")
    folder, here = _folder(directory), machine()
    path = folder / f"{kind}-{here.id}.json"
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    with folder_lock(folder, wait=_WAIT):
        old = _entries(_file(path, kind, directory)) if path.exists() else []
        # What will be read is what is summed: JSON has no tuples, and no keys but texts.
        entry = json_value(_text({"manifest": manifest_sha, "time": now, "payload": payload}))
        entry["checksum"] = fingerprint(entry)
        value = {"schema": SCHEMA, "kind": kind, "machine": here, "entries": [*old, entry]}
        write_atomic(path, _text(value))
    return path


def read_evidence(
    directory: Path, kind: str | None = None, manifest_sha: str | None = None
) -> list[Evidence]:
    """Evidence of a bundle (or of another folder that holds some), oldest first.

    Entries of one file stay in its order, whatever times they state: it is appended to.

    Args:
        directory: as for :func:`append_evidence`; a missing one holds nothing.
        kind: only this kind.
        manifest_sha: only what is about the bundle of this identity.

    Raises:
        IntegrityError: a damaged file, or an entry whose checksum does not hold.
        PathEscapeError: the bundle's ``reports`` is a link.
        SchemaTooNewError: a file of a newer kd2edge.
    """
    paths = sorted(_folder(directory).glob(f"{kind or '*'}-*.json"))
    found = in_order(_file(path, kind, directory) for path in paths)
    return [one for one in found if manifest_sha in {None, one.manifest}]


def in_order(parts: Iterable[Sequence[Evidence]]) -> list[Evidence]:
    """Evidence of several files or folders by time, each part in its own order.

    What stands later in a part is no older: an entry counts as no newer than those behind it.
    """
    keyed: list[list[tuple[datetime, Evidence]]] = []
    for part in parts:
        times = [datetime.fromisoformat(one.time) for one in reversed(part)]
        earliest = [*accumulate(times, min)][::-1]
        keyed.append(list(zip(earliest, part, strict=True)))
    return [one for _, one in merge(*keyed, key=lambda pair: pair[0])]


def _folder(directory: Path) -> Path:
    if not (directory / MANIFEST).is_file():
        return directory
    folder = directory / REPORTS
    if folder.is_symlink():
        raise PathEscapeError(f"{folder}: a link; evidence would leave the bundle: remove it")
    return folder


def _file(path: Path, kind: str | None, directory: Path) -> list[Evidence]:
    place = str(path)
    value = parsed(read_inside(path.parent, path.name, limit=_LIMIT, links=True), place, _LIMIT)
    fields = Fields(value, place)
    schema = fields.one("schema", as_integer)
    if schema > SCHEMA:
        raise SchemaTooNewError(f"{place}: written with schema {schema}: install a newer kd2edge")
    named, here = fields.one("kind", as_text), fields.one("machine", _machine)
    summed = schema > _UNCHECKED
    if kind not in {None, named}:
        raise IntegrityError(f"{place}: kind: expected {kind!r}, found {named!r}")

    def entry(value: object, where: str) -> Evidence:
        parts = Fields(value, where)
        one = Evidence(
            kind=named,
            machine=here,
            manifest=parts.one("manifest", as_text),
            time=parts.one("time", _time),
            payload=parts.one("payload", as_object),
            folder=directory,
            checked=summed and _is_checked(parts.one("checksum", as_text), value, where),
        )
        parts.end()
        return one

    found = list(fields.list("entries", entry))
    fields.end()
    return found


def _is_checked(checksum: str, value: object, where: str) -> bool:
    """Whether an entry has a checksum; those that an older kd2edge wrote were kept without."""
    content = dict(as_object(value, where))
    del content["checksum"]
    if checksum and checksum != fingerprint(content):
        raise IntegrityError(
            f"{where}: damaged: its checksum does not hold; move the file away and measure again"
        )
    return bool(checksum)


def _time(value: object, where: str) -> str:
    text = as_text(value, where)
    try:
        known = datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        known = False
    if not known:
        raise IntegrityError(f"{where}: expected a time with its zone, found {text!r:.40}")
    return text


def _machine(value: object, where: str) -> Machine:
    fields = Fields(value, where)
    found = Machine(
        id=fields.one("id", as_text),
        cpu=fields.one("cpu", as_text),
        cores=fields.one("cores", as_integer),
        features=fields.one("features", as_texts),
        os=fields.one("os", as_text),
        python=fields.one("python", as_text),
        memory=fields.one("memory", as_integer),
    )
    fields.end()
    return found


def _entries(found: list[Evidence]) -> list[dict[str, Any]]:
    """As they were; old ones stay without a checksum, or damage from before would be hidden."""
    entries = [{"manifest": e.manifest, "time": e.time, "payload": e.payload} for e in found]
    sums = [fingerprint(one) if e.checked else "" for one, e in zip(entries, found, strict=True)]
    return [{**one, "checksum": own} for one, own in zip(entries, sums, strict=True)]


def _text(value: Mapping[str, Any]) -> bytes:
    try:
        text = json.dumps(
            value, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False, default=as_json
        )
        return f"{text}\n".encode()
    except (TypeError, ValueError) as error:
        raise UsageError(f"evidence: a value that JSON cannot hold: {error}") from error
