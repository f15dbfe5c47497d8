"""A bundle on disk: opened, verified from the very bytes that are then used, and written whole."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from kd2edge.bundle.evidence import Evidence, read_evidence
from kd2edge.bundle.manifest import FileEntry, Manifest
from kd2edge.bundle.manifest_json import LIMIT, entries, manifest_from_json, manifest_to_json
from kd2edge.bundle.paths import (
    MANIFEST,
    REPORTS,
    checked_path,
    folder_path,
    is_folder,
    read_inside,
)
from kd2edge.errors import IntegrityError, Kd2edgeError, StorageError, UsageError
from kd2edge.files.atomic import PARTIAL, atomic_directory, write_atomic
from kd2edge.files.fingerprint import fingerprint_bytes, fingerprint_file
from kd2edge.files.lock import LOCK

__all__ = [
    "MANIFEST",
    "REPORTS",
    "Bundle",
    "atomic_directory",
    "file_entry",
    "open_bundle",
    "write_atomic",
    "write_bundle",
]

#: What a transfer may leave out: PyTorch's outputs, and what the report says of them.
_REFERENCE = "reference/"


@final
@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle.  Only its manifest was read; :meth:`read` checks each file as it is read.

    Args:
        path: the bundle's folder.
        manifest: what it says about itself.
        identity: SHA-256 (hex) of ``manifest.json``'s bytes.
    """

    path: Path
    manifest: Manifest
    identity: str
    _entries: Mapping[str, FileEntry] = field(repr=False, compare=False)

    @property
    def files(self) -> tuple[str, ...]:
        """Every path that the manifest names, sorted."""
        return tuple(sorted(self._entries))

    def read(self, file: str) -> bytes:
        """The bytes of a file, read once, and these bytes checked.

        Raises:
            IntegrityError: not named by the manifest, missing, or not the bytes it names.
            PathEscapeError: a link leads out of the bundle, and not into a hub's cache.
        """
        entry = self._entries.get(file)
        if entry is None:
            raise IntegrityError(f"{self.path / MANIFEST}: names no file {file!r}")
        content = read_inside(self.path, entry.path, limit=entry.bytes, links=True)
        found = fingerprint_bytes(content)
        if len(content) != entry.bytes or found != entry.sha256:
            raise IntegrityError(
                f"{self.path / file}: changed: expected {entry.bytes:,} bytes with SHA-256"
                f" {entry.sha256[:12]}..., found {len(content):,} with {found[:12]}...;"
                " export the bundle again or copy it anew"
            )
        return content

    @property
    def left_out(self) -> tuple[str, ...]:
        """Files of ``reference/`` that are not here: a transfer may leave them."""
        named = {entry.path for entry in self.manifest.files if entry.path.startswith(_REFERENCE)}
        references = sorted(named | set(self.manifest.references.values()))
        return tuple(file for file in references if not os.path.lexists(self.path / file))

    def verify(self) -> list[str]:
        """All that is wrong with the files: changed, missing, leaving the bundle, not named.

        What is :attr:`left_out` is nothing wrong.
        """
        problems: list[str] = []
        for file in sorted(set(self.files) - set(self.left_out)):
            try:
                self.read(file)
            except IntegrityError as error:
                problems.append(str(error))
        return problems + self._strangers()

    def _strangers(self) -> list[str]:
        """Damaged evidence, and files that neither it (engines) nor the manifest names."""
        problems: list[str] = []
        found: list[Evidence] = []
        try:
            found = read_evidence(self.path)
        except Kd2edgeError as error:
            problems.append(str(error))
        artefacts = self.manifest.artefacts.values()
        unfinished = {one.id for one in artefacts if one.status == "needs_device"}
        engines = {
            str(one.payload.get("engine")): one.payload.get("sha256")
            for one in found
            if (one.kind, one.manifest) == ("build", self.identity)
            and one.payload.get("artefact") in unfinished
        }
        for file in sorted(_walk(self.path) - set(self.files)):
            path = self.path / file
            if file not in engines:
                problems.append(f"{path}: not named by {MANIFEST}")
            elif path.is_symlink() or not path.is_file() or fingerprint_file(path) != engines[file]:
                problems.append(f"{path}: not the engine that the evidence names; build it again")
        return problems


def open_bundle(path: str | bytes | os.PathLike[str], *, identity: str | None = None) -> Bundle:
    """Read a bundle's manifest; no other file is touched.

    Args:
        path: the bundle's folder.
        identity: SHA-256 (hex) that its manifest must have; None: any.

    Raises:
        UsageError: there is no bundle, or an ``identity`` that is no SHA-256.
        StorageError: the folder cannot be read.
        IntegrityError: its manifest is damaged, another than ``identity`` says, or names a path
            that leaves it (PathEscapeError).
        SchemaTooNewError: a newer kd2edge wrote it.
    """
    folder, wanted = folder_path(path), None if identity is None else _sha256(identity)
    if folder.name.endswith(PARTIAL):
        raise UsageError(f"{folder}: an unfinished bundle of a stopped export; export it again")
    if not is_folder(folder):
        raise UsageError(f"{folder}: no such folder; a bundle is the folder that `export` writes")
    if not os.path.lexists(folder / MANIFEST):
        raise UsageError(f"{folder}: no bundle (it has no {MANIFEST})")
    content = read_inside(folder, MANIFEST, limit=LIMIT, links=True)
    found = fingerprint_bytes(content)
    if wanted not in {None, found}:
        raise IntegrityError(
            f"{folder / MANIFEST}: expected the identity {wanted}, found {found}: it is another"
            " bundle, or its manifest was changed"
        )
    manifest = manifest_from_json(content, str(folder / MANIFEST))
    return Bundle(folder, manifest, found, _by_path(manifest))


def _sha256(identity: str) -> str:
    digest = str(identity).lower().removeprefix("sha256:")
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise UsageError(
            "identity: expected the SHA-256 of a manifest, 64 hexadecimal digits as kd2edge verify"
            f" prints them, found {identity!r:.80}"
        )
    return digest


def file_entry(path: str, content: bytes | Path) -> FileEntry:
    """The manifest's entry for a file of the bundle, from its bytes or from where it stands now.

    Raises:
        StorageError: the file cannot be read.
        IntegrityError: a path that no bundle may have.
    """
    checked_path(path, "file")
    if isinstance(content, Path):
        try:
            return FileEntry(path, fingerprint_file(content), content.stat().st_size)
        except OSError as error:
            raise StorageError(f"{content}: cannot be read: {error.strerror}") from error
    return FileEntry(path, fingerprint_bytes(content), len(content))


def write_bundle(
    path: str | os.PathLike[str], manifest: Manifest, files: Mapping[str, bytes | Path]
) -> Bundle:
    """Write a bundle: afterwards there is the whole new one, or what was there before.

    Evidence in ``reports/`` and the engines it names stay if the new bundle has the identity of
    the old one.

    Args:
        path: the bundle's folder; replaced if it is a bundle, refused if it is anything else.
        manifest: names every file with its SHA-256.
        files: path in the bundle -> its bytes, or a file to copy.

    Raises:
        UsageError: ``path`` holds something that is no bundle.
        IntegrityError: ``files`` are not what the manifest names.
        StorageError: disk full, no permission, ...
    """
    target = Path(path)
    content = manifest_to_json(manifest)
    listed = _by_path(manifest)
    if listed.keys() != files.keys():
        odd = min(listed.keys() ^ files.keys())
        raise IntegrityError(f"{target}: {odd!r} is not both named by the manifest and given")
    keep = _kept(target, fingerprint_bytes(content))
    with atomic_directory(target, keep=keep) as folder:
        for file, source in files.items():
            _place(folder / file, source, listed[file])
        (folder / MANIFEST).write_bytes(content)  # last: without it nothing is a bundle
    return Bundle(target, manifest, fingerprint_bytes(content), listed)


def _by_path(manifest: Manifest) -> dict[str, FileEntry]:
    return {entry.path: entry for entry in entries(manifest)}


def _kept(target: Path, identity: str) -> tuple[str, ...]:
    """What stays of the folder that is replaced; refuses one that is no bundle."""
    try:
        if not target.is_dir() or not any(target.iterdir()):
            return ()
        same = fingerprint_bytes((target / MANIFEST).read_bytes()) == identity
    except FileNotFoundError as error:
        raise UsageError(
            f"{target}: exists and is no bundle (it has no {MANIFEST}): name another folder"
        ) from error
    except OSError as error:
        raise StorageError(f"{target}: cannot be read: {error.strerror}") from error
    return (REPORTS, *_engines(target, identity)) if same else ()


def _engines(folder: Path, identity: str) -> list[str]:
    """Paths of the engines that the bundle's evidence names: evidence stays, so they do."""
    try:
        built = read_evidence(folder, "build", identity)
        paths = [checked_path(str(one.payload.get("engine")), "build evidence") for one in built]
    except Kd2edgeError:
        return []  # damaged evidence is for `verify` to report; nothing it names can be loaded
    root = os.path.realpath(folder)
    real = {path: Path(os.path.realpath(folder / path)) for path in paths}
    return [path for path, at in real.items() if at.is_relative_to(root) and at.is_file()]


def _place(goal: Path, source: bytes | Path, entry: FileEntry) -> None:
    content = source.read_bytes() if isinstance(source, Path) else source
    if fingerprint_bytes(content) != entry.sha256:
        raise IntegrityError(f"{entry.path}: the manifest names other bytes than those given")
    goal.parent.mkdir(parents=True, exist_ok=True)
    goal.write_bytes(content)


def _walk(folder: Path) -> set[str]:
    """Paths of every file and link below a bundle, its manifest, evidence and lock left out.

    Links are not left out, but for files that a hub's client links to: the manifest, evidence.
    """
    found: set[str] = set()
    for root, folders, names in os.walk(folder):
        places = [Path(root, name) for name in (*names, *folders)]
        links = {
            place for place in places if place.is_symlink() and not _is_laid_out(folder, place)
        }
        files = {place for place in places[: len(names)] if not _is_ours(folder, place)}
        found |= {place.relative_to(folder).as_posix() for place in files | links}
    return found


def _is_ours(folder: Path, place: Path) -> bool:
    top, *_ = place.relative_to(folder).parts
    return place in {folder / MANIFEST, folder / LOCK} or top == REPORTS


def _is_laid_out(folder: Path, place: Path) -> bool:
    """Whether a link stands for the manifest or a file of evidence, which are read through it."""
    evidence = place.parent == folder / REPORTS and place.suffix == ".json"
    return (evidence or place == folder / MANIFEST) and place.is_file()
