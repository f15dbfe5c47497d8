from __future__ import annotations

import errno
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from commands import succeed
from kd2edge.bundle import (
    Bundle,
    Manifest,
    append_evidence,
    file_entry,
    manifest_to_json,
    open_bundle,
    paths,
    read_evidence,
    store,
    write_bundle,
)
from kd2edge.bundle.manifest_json import LIMIT
from kd2edge.errors import IntegrityError, PathEscapeError, StorageError, UsageError
from kd2edge.files import fingerprint_bytes

ENGINE = "tensorrt-fp16"
Files = dict[str, bytes]


def everything(folder: Path) -> Files:
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def test_is_read_back_whole(bundle: Bundle, manifest: Manifest, files: Files) -> None:
    opened = open_bundle(bundle.path)
    assert opened == bundle
    assert opened.manifest == manifest
    assert opened.identity == fingerprint_bytes((bundle.path / "manifest.json").read_bytes())
    assert opened.files == tuple(sorted(files))
    assert {file: opened.read(file) for file in opened.files} == files
    assert opened.verify() == []


def test_written_twice_gives_the_same_bytes(
    bundle: Bundle, manifest: Manifest, files: Files, tmp_path: Path
) -> None:
    sources: dict[str, bytes | Path] = {}
    for file in files:  # the second time from files instead of bytes, in another order
        sources = {file: bundle.path / file, **sources}
    again = write_bundle(tmp_path / "again", manifest, sources)
    assert everything(again.path) == everything(bundle.path)
    assert again.identity == bundle.identity


@pytest.mark.parametrize("change", ["flip", "shorter", "longer", "missing", "folder"])
@pytest.mark.parametrize("file", ["onnx/onnx-fp32.onnx", "tokenizer/text.json"])
def test_a_changed_or_missing_file_is_noticed(bundle: Bundle, file: str, change: str) -> None:
    path = bundle.path / file
    content = path.read_bytes()
    path.unlink()
    if change == "folder":
        path.mkdir()
    elif change != "missing":
        changed = {"flip": bytes([content[0] ^ 1, *content[1:]]), "shorter": content[:-1]}
        path.write_bytes(changed.get(change, content + b" "))
    with pytest.raises(IntegrityError, match=path.name) as caught:
        bundle.read(file)
    assert caught.value.exit_code == 5
    (problem,) = bundle.verify()
    assert file in problem


def test_a_reference_may_be_left_out_but_not_changed(bundle: Bundle) -> None:
    reference = bundle.path / "reference" / "test.npz"
    assert bundle.left_out == ()
    reference.write_bytes(b"refereNce")
    assert len(bundle.verify()) == 1
    reference.unlink()
    assert bundle.left_out == ("reference/test.npz",)
    assert bundle.verify() == []
    result = succeed("verify", bundle.path, "--json")
    assert result.json["left_out"] == ["reference/test.npz"]
    assert "reference/test.npz: left out" in succeed("verify", bundle.path).out
    reference.symlink_to("nowhere")
    assert len(bundle.verify()) == 1


def test_the_bytes_hashed_are_the_bytes_returned(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = "onnx/onnx-fp32.onnx"
    reads: list[str] = []
    original = paths.read_inside

    def changes_after_reading(folder: Path, path: str, **options: Any) -> bytes:
        reads.append(path)
        content = original(folder, path, **options)
        (folder / path).write_bytes(b"EVIL!")
        return content

    monkeypatch.setattr(store, "read_inside", changes_after_reading)
    assert bundle.read(file) == b"graph"
    assert reads == [file]


def test_only_named_files_are_read(bundle: Bundle) -> None:
    (bundle.path / "extra").write_bytes(b"")
    for file in ("extra", "manifest.json", "../outside", "onnx/./onnx-fp32.onnx"):
        with pytest.raises(IntegrityError, match="names no file"):
            bundle.read(file)
    (problem,) = bundle.verify()
    assert problem.endswith("extra: not named by manifest.json")


@pytest.fixture
def unfinished(manifest: Manifest) -> Manifest:
    """A manifest with an artefact that a device must finish."""
    ready = manifest.artefacts["onnx-fp32"]
    engine = replace(ready, id=ENGINE, target="tensorrt", precision="fp16", entry="", files=())
    engine = replace(engine, status="needs_device", reason="no GPU")
    return replace(manifest, artefacts={**manifest.artefacts, ENGINE: engine})


def test_an_engine_is_known_by_its_evidence(
    unfinished: Manifest, files: Files, tmp_path: Path
) -> None:
    bundle = write_bundle(tmp_path / "tiny", unfinished, files)
    engine = bundle.path / "tensorrt" / "fp16.engine"
    engine.parent.mkdir()
    engine.write_bytes(b"engine")
    payload = {"engine": "tensorrt/fp16.engine", "sha256": fingerprint_bytes(b"engine")}
    payload["artefact"] = ENGINE
    append_evidence(bundle.path, "build", "0" * 64, payload)  # of another bundle
    assert len(bundle.verify()) == 1
    append_evidence(bundle.path, "build", bundle.identity, payload)
    assert bundle.verify() == []
    engine.write_bytes(b"other")
    (problem,) = bundle.verify()
    assert "not the engine" in problem


def test_evidence_does_not_make_a_file_an_engine_of_a_finished_artefact(bundle: Bundle) -> None:
    (bundle.path / "onnx" / "evil.onnx").write_bytes(b"evil")
    payload = {"engine": "onnx/evil.onnx", "sha256": fingerprint_bytes(b"evil")}
    append_evidence(bundle.path, "build", bundle.identity, {**payload, "artefact": "onnx-fp32"})
    (problem,) = bundle.verify()
    assert problem.endswith("evil.onnx: not named by manifest.json")


def test_damaged_evidence_is_a_problem(bundle: Bundle) -> None:
    for kind in ("validation", "bench"):
        file = append_evidence(bundle.path, kind, bundle.identity, {})
        content = file.read_bytes()
        file.write_bytes(content[:-5])
        (problem,) = bundle.verify()
        assert file.name in problem
        file.write_bytes(content)
    assert bundle.verify() == []


def test_a_link_out_of_the_bundle_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "onnx-fp32.onnx").write_bytes(b"graph")  # even with the right bytes

    graph = bundle.path / "onnx" / "onnx-fp32.onnx"
    graph.unlink()
    graph.symlink_to(outside / "onnx-fp32.onnx")
    with pytest.raises(PathEscapeError, match="leaves .* cp -rL "):
        bundle.read("onnx/onnx-fp32.onnx")

    graph.unlink()
    graph.symlink_to(outside / "gone")  # nothing that could be copied
    with pytest.raises(PathEscapeError, match="missing: a link to a file that is not there"):
        bundle.read("onnx/onnx-fp32.onnx")

    graph.unlink()
    graph.parent.rmdir()
    graph.parent.symlink_to(outside, target_is_directory=True)
    with pytest.raises(PathEscapeError, match="leaves"):
        bundle.read("onnx/onnx-fp32.onnx")
    assert any("leaves" in problem for problem in bundle.verify())


def laid_out(bundle: Bundle, root: Path, below: str = ".") -> Path:
    """A bundle as a hub's client keeps it: ``blobs`` by their hash, a snapshot of links to them."""
    blobs, snapshot = root / "blobs", root / "snapshots" / "abc" / below
    blobs.mkdir(parents=True)
    for path in [one for one in bundle.path.rglob("*") if one.is_file()]:
        blob = blobs / hashlib.sha256(path.read_bytes()).hexdigest()
        blob.write_bytes(path.read_bytes())
        link = snapshot / path.relative_to(bundle.path)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))
    return snapshot


def test_a_bundle_as_a_hub_lays_it_out_is_whole(bundle: Bundle, tmp_path: Path) -> None:
    append_evidence(bundle.path, "bench", bundle.identity, {"n": 1})
    snapshot = laid_out(bundle, tmp_path / "hub")
    before = {path: path.read_bytes() for path in (tmp_path / "hub" / "blobs").iterdir()}
    opened = open_bundle(snapshot)
    assert opened.identity == bundle.identity
    assert opened.verify() == []
    assert opened.read("onnx/onnx-fp32.onnx") == b"graph"
    assert [one.payload for one in read_evidence(snapshot)] == [{"n": 1}]
    written = append_evidence(snapshot, "bench", bundle.identity, {"n": 2})
    assert [one.payload["n"] for one in read_evidence(snapshot)] == [1, 2]
    assert not written.is_symlink()  # in the place of the link, and never behind it
    assert {path: path.read_bytes() for path in before} == before
    assert open_bundle(snapshot).verify() == []


def test_a_link_that_stays_inside_is_followed(bundle: Bundle) -> None:
    graph = bundle.path / "onnx" / "onnx-fp32.onnx"
    graph.rename(graph.with_name("real"))
    graph.symlink_to("real")
    assert bundle.read("onnx/onnx-fp32.onnx") == b"graph"


def test_links_of_a_hub_are_verified_too(bundle: Bundle, tmp_path: Path) -> None:
    snapshot = laid_out(bundle, tmp_path / "hub")
    graph = snapshot / "onnx" / "onnx-fp32.onnx"
    blob = graph.resolve()
    opened = open_bundle(snapshot)
    for content in (b"grapX", b"graph and more", b""):
        blob.write_bytes(content)
        with pytest.raises(IntegrityError, match="changed|larger"):
            opened.read("onnx/onnx-fp32.onnx")
    blob.unlink()
    with pytest.raises(IntegrityError, match="a link to a file that is not there; download"):
        opened.read("onnx/onnx-fp32.onnx")
    blob.symlink_to(blob)
    with pytest.raises(IntegrityError, match="cannot be read"):
        opened.read("onnx/onnx-fp32.onnx")
    blob.unlink()
    (tmp_path / "secret").write_bytes(b"graph")
    for goal in (tmp_path / "secret", Path(os.devnull)):  # behind a blob, or in its place
        blob.symlink_to(goal)
        with pytest.raises(PathEscapeError):
            opened.read("onnx/onnx-fp32.onnx")
        blob.unlink()
    blob.mkdir()
    with pytest.raises(IntegrityError, match="expected a regular file|cannot be read"):
        opened.read("onnx/onnx-fp32.onnx")


def test_a_bundle_in_a_folder_of_a_repository_and_a_link_to_it(
    bundle: Bundle, tmp_path: Path
) -> None:
    snapshot = laid_out(bundle, tmp_path / "hub", "models/tiny")
    assert open_bundle(snapshot).verify() == []
    (tmp_path / "latest").symlink_to(snapshot)
    assert open_bundle(tmp_path / "latest").verify() == []


def test_a_manifest_outside_the_bundle_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    (bundle.path / "manifest.json").rename(tmp_path / "manifest.json")
    (bundle.path / "manifest.json").symlink_to(tmp_path / "manifest.json")
    with pytest.raises(PathEscapeError):
        open_bundle(bundle.path)


@pytest.mark.skipif(sys.platform == "win32", reason="no named pipes in folders")
@pytest.mark.parametrize("name", ["reports", ".lock", "reports/.lock", "reports/bench-x.json"])
def test_a_link_is_a_stranger_under_every_name(bundle: Bundle, tmp_path: Path, name: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = bundle.path / name
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(tmp_path / "elsewhere")
    assert any(str(link) in problem for problem in bundle.verify())


def test_evidence_does_not_leave_the_bundle_by_a_link(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (bundle.path / "reports").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PathEscapeError, match="reports: a link"):
        append_evidence(bundle.path, "bench", bundle.identity, {})
    with pytest.raises(PathEscapeError, match="reports: a link"):
        read_evidence(bundle.path)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_size_that_no_memory_holds_is_only_a_wrong_size(
    manifest: Manifest, files: Files, tmp_path: Path
) -> None:
    made = write_bundle(tmp_path / "made", manifest, dict(files))
    path = made.path / "manifest.json"
    size = len(files["tokenizer/text.json"])
    text = path.read_text(encoding="utf-8")
    assert f'"bytes": {size}' in text
    path.write_text(text.replace(f'"bytes": {size}', f'"bytes": {10**15}'), encoding="utf-8")
    with pytest.raises(IntegrityError, match="changed: expected"):
        open_bundle(made.path).read("tokenizer/text.json")


def test_a_pipe_in_place_of_a_file_does_not_wait(bundle: Bundle) -> None:
    graph = bundle.path / "onnx" / "onnx-fp32.onnx"
    graph.unlink()
    os.mkfifo(graph)
    with pytest.raises(IntegrityError, match="regular file"):
        bundle.read("onnx/onnx-fp32.onnx")


def test_a_huge_manifest_is_refused_without_reading_it(bundle: Bundle) -> None:
    with (bundle.path / "manifest.json").open("r+b") as handle:
        handle.truncate(LIMIT * 1000)  # a hole: takes no space on the disk
    with pytest.raises(IntegrityError, match="larger than"):
        open_bundle(bundle.path)


def test_what_is_no_bundle_is_called_so(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such folder"):
        open_bundle(tmp_path / "nothing")
    with pytest.raises(UsageError, match="no bundle"):
        open_bundle(tmp_path)


def test_refuses_files_that_are_not_what_the_manifest_names(
    tmp_path: Path, manifest: Manifest, files: Files
) -> None:
    target = tmp_path / "bundle"
    for given, says in (
        (files | {"extra": b""}, "'extra' is not both"),
        ({file: files[file] for file in list(files)[1:]}, "is not both"),
        (files | {"onnx/onnx-fp32.onnx": b"other"}, "other bytes"),
    ):
        with pytest.raises(IntegrityError, match=says):
            write_bundle(target, manifest, given)
    assert list(tmp_path.iterdir()) == []


def test_never_replaces_a_folder_that_is_no_bundle(
    tmp_path: Path, manifest: Manifest, files: Files
) -> None:
    (tmp_path / "thesis.tex").write_bytes(b"years of work")
    with pytest.raises(UsageError, match="no bundle"):
        write_bundle(tmp_path, manifest, files)
    assert everything(tmp_path) == {"thesis.tex": b"years of work"}


def test_evidence_stays_with_the_identity_that_it_is_about(
    bundle: Bundle, manifest: Manifest, files: Files
) -> None:
    append_evidence(bundle.path, "bench", bundle.identity, {})
    write_bundle(bundle.path, manifest, files)
    assert len(read_evidence(bundle.path)) == 1
    other = write_bundle(bundle.path, replace(manifest, version="0.2.0"), files)
    assert other.identity != bundle.identity
    assert read_evidence(bundle.path) == []


def test_engines_stay_with_the_evidence_that_names_them(
    unfinished: Manifest, files: Files, tmp_path: Path
) -> None:
    manifest, bundle = unfinished, write_bundle(tmp_path / "tiny", unfinished, files)
    engine, outside = bundle.path / "tensorrt" / "fp16.engine", tmp_path / "secret"
    engine.parent.mkdir()
    engine.write_bytes(b"engine")
    outside.mkdir()
    (outside / "key").write_bytes(b"key")
    (bundle.path / "linked").symlink_to(outside)
    for path in ("tensorrt/fp16.engine", "tensorrt/gone.engine", "linked/key"):
        payload = {"engine": path, "sha256": fingerprint_bytes(b"engine"), "artefact": ENGINE}
        append_evidence(bundle.path, "build", bundle.identity, payload)
    write_bundle(bundle.path, manifest, files)
    assert engine.read_bytes() == b"engine"
    assert not (bundle.path / "linked").exists()
    assert bundle.verify() == []

    append_evidence(bundle.path, "build", bundle.identity, {"engine": "../secret/key"})
    write_bundle(bundle.path, manifest, files)  # evidence that points outside: no harm
    assert len(read_evidence(bundle.path)) == 4
    write_bundle(bundle.path, replace(manifest, version="0.2.0"), files)
    assert not engine.parent.exists()


def fail_at(count: int, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let the disk be full at the ``count``-th file."""
    written: list[str] = []
    original = Path.write_bytes

    def limited(self: Path, content: Any) -> int:
        if len(written) == count:
            original(self, content[: len(content) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(self.name)
        return original(self, content)

    monkeypatch.setattr(Path, "write_bytes", limited)
    return written


@pytest.mark.parametrize("count", range(6))
def test_a_full_disk_leaves_the_old_bundle_or_none(
    tmp_path: Path, manifest: Manifest, files: Files, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = replace(manifest, version="0.2.0")
    old = write_bundle(tmp_path / "old", manifest, files)
    with monkeypatch.context() as patch:
        for target in (tmp_path / "old", tmp_path / "new"):
            written = fail_at(count, patch)
            with pytest.raises(StorageError, match="disk full") as caught:
                write_bundle(target, new, files)
            assert len(written) == count
            assert caught.value.exit_code == 4
            patch.undo()
    assert open_bundle(old.path) == old
    assert old.verify() == []
    assert [path.name for path in tmp_path.iterdir()] == ["old"]


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
def test_a_killed_export_leaves_the_old_bundle_and_no_litter_that_looks_like_one(
    bundle: Bundle, manifest: Manifest, files: Files
) -> None:
    code = (
        "import os, signal, sys\nfrom pathlib import Path\n"
        "from dataclasses import replace\nfrom kd2edge.bundle import *\n"
        "from kd2edge.files import atomic\n"
        "old = open_bundle(sys.argv[1])\n"
        "files = {file: old.path / file for file in old.files}\n"
        "atomic._put_in_place = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "write_bundle(old.path, replace(old.manifest, version='0.2.0'), files)\n"
    )
    path = {"PYTHONPATH": str(Path(store.__file__).parents[2])}
    command = [sys.executable, "-c", code, str(bundle.path)]
    run = subprocess.run(command, env=os.environ | path, check=False)
    assert run.returncode == -signal.SIGKILL
    assert open_bundle(bundle.path) == bundle
    assert bundle.verify() == []

    (litter,) = [path for path in bundle.path.parent.iterdir() if path != bundle.path]
    assert (litter / "manifest.json").exists()  # killed one step before its last rename
    with pytest.raises(UsageError, match="unfinished"):
        open_bundle(litter)

    write_bundle(bundle.path, manifest, files)
    assert list(bundle.path.parent.iterdir()) == [bundle.path]


def test_a_copied_bundle_is_the_same_bundle(bundle: Bundle, tmp_path: Path) -> None:
    shutil.copytree(bundle.path, tmp_path / "copy")
    copy = open_bundle(str(tmp_path / "copy"))
    assert copy.identity == bundle.identity
    assert copy.verify() == []


def test_entries_tell_path_hash_and_size(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"graph")
    assert file_entry("onnx/a.onnx", tmp_path / "file") == file_entry("onnx/a.onnx", b"graph")
    assert file_entry("a", b"graph").bytes == 5
    with pytest.raises(PathEscapeError):
        file_entry("../a", b"")
    with pytest.raises(StorageError):
        file_entry("a", tmp_path / "nothing")


def test_the_manifest_on_disk_is_its_canonical_text(bundle: Bundle, manifest: Manifest) -> None:
    assert (bundle.path / "manifest.json").read_bytes() == manifest_to_json(manifest)
