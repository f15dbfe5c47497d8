from __future__ import annotations

import json
import platform
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from kd2edge.bundle import Bundle, append_evidence, machine, read_evidence, require_writable
from kd2edge.bundle.evidence import SKEW, Evidence, in_order
from kd2edge.errors import IntegrityError, SchemaTooNewError, StorageError, UsageError
from kd2edge.files import fingerprint

SHA = "0" * 64


def test_is_appended_and_read_back(bundle: Bundle) -> None:
    first = append_evidence(bundle.path, "validation", bundle.identity, {"passed": True})
    again = append_evidence(bundle.path, "validation", SHA, {"passed": False})
    append_evidence(bundle.path, "bench", SHA, {"p50": 0.5})
    assert first == again == bundle.path / "reports" / f"validation-{machine().id}.json"

    found = read_evidence(bundle.path)
    assert [one.kind for one in found].count("validation") == 2
    (own,) = read_evidence(bundle.path, manifest_sha=bundle.identity)
    assert own.payload == {"passed": True}
    assert own.machine == machine()
    assert own.time.endswith("+00:00")
    (speed,) = read_evidence(bundle.path, kind="bench")
    assert speed.payload == {"p50": 0.5}


def test_leaves_the_bundle_what_it_was(bundle: Bundle) -> None:
    append_evidence(bundle.path, "bench", bundle.identity, {})
    assert bundle.verify() == []


def test_the_file_has_the_agreed_form(tmp_path: Path) -> None:
    path = append_evidence(tmp_path / "out", "bench", SHA, {"rows": 3})
    assert path.parent == tmp_path / "out"
    value = json.loads(path.read_bytes())
    assert value.keys() == {"schema", "kind", "machine", "entries"}
    (entry,) = value["entries"]
    assert entry.keys() == {"manifest", "time", "payload", "checksum"}
    assert entry.pop("checksum") == fingerprint(entry)


def test_a_missing_folder_holds_nothing(tmp_path: Path) -> None:
    assert read_evidence(tmp_path / "nothing") == []


def test_two_appenders_lose_nothing(tmp_path: Path) -> None:
    def work(name: int) -> None:
        for index in range(3):
            append_evidence(tmp_path, "bench", SHA, {"at": [name, index]})

    threads = [threading.Thread(target=work, args=(name,)) for name in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = {tuple(one.payload["at"]) for one in read_evidence(tmp_path)}
    assert found == {(name, index) for name in range(3) for index in range(3)}


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{}", b'{"schema": 1, "kind": "bench", "machine": {}, "entries": []}']
)
def test_damaged_evidence_is_noticed_and_not_overwritten(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / f"bench-{machine().id}.json"
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="bench-"):
        read_evidence(tmp_path)
    with pytest.raises(IntegrityError, match="bench-"):
        append_evidence(tmp_path, "bench", SHA, {})
    assert path.read_bytes() == content


def test_newer_evidence_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "bench-other.json").write_bytes(b'{"schema": 3}')
    with pytest.raises(SchemaTooNewError):
        read_evidence(tmp_path)


def test_refuses_kinds_and_payloads_that_cannot_be_meant(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="kind"):
        append_evidence(tmp_path, "../bench", SHA, {})
    with pytest.raises(UsageError, match="JSON"):
        append_evidence(tmp_path, "bench", SHA, {"p50": float("nan")})


def test_a_folder_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError):
        append_evidence(tmp_path / "file", "bench", SHA, {})


@pytest.mark.parametrize("place", ["file", "file/new", "file/new/deep"])
def test_what_append_would_refuse_can_be_known_before(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="--out DIR"):
        require_writable(tmp_path / place)


def test_asking_before_leaves_a_bundle_and_its_evidence_alone(bundle: Bundle) -> None:
    require_writable(bundle.path)
    assert list((bundle.path / "reports").iterdir()) == []
    path = append_evidence(bundle.path, "bench", bundle.identity, {})
    content = path.read_bytes()
    require_writable(bundle.path)
    assert path.read_bytes() == content
    assert bundle.verify() == []


def test_the_machine_names_no_host() -> None:
    here = machine()
    assert here == machine()
    assert here.cores > 0
    assert here.id == here.id.lower()
    assert all(part.isalnum() for part in here.id.split("-"))
    host = platform.node().lower()
    if len(host) > 3:  # shorter ones stand in any text by chance
        assert host not in repr(here).lower()


def changed(path: Path, change: Callable[[Any], object]) -> None:
    value = json.loads(path.read_bytes())
    change(value)
    path.write_text(json.dumps(value), encoding="utf-8")


@pytest.mark.parametrize(
    "change",
    [
        lambda value: value["entries"][1]["payload"].update(verdict="pass"),
        lambda value: value["entries"][1].update(time="2099-01-01T00:00:00+00:00"),
        lambda value: value["entries"][1].update(manifest="1" * 64),
        lambda value: value["entries"][1].update(checksum="0" * 64),
        lambda value: value["entries"][1].pop("checksum"),
    ],
)
def test_an_entry_that_is_not_what_was_written_is_named(tmp_path: Path, change: Any) -> None:
    for rows in (1, 2, 3):
        path = append_evidence(tmp_path, "bench", SHA, {"rows": rows, "verdict": "fail"})
    changed(path, change)
    with pytest.raises(IntegrityError, match=r"entries\[1\].*checksum"):
        read_evidence(tmp_path)


@pytest.mark.parametrize("time", ["", "yesterday", "2026-11-26", "2026-11-26T10:00:00"])
def test_a_time_that_is_none_is_refused(tmp_path: Path, time: str) -> None:
    path = append_evidence(tmp_path, "bench", SHA, {})

    def change(value: Any) -> None:
        (entry,) = value["entries"]
        entry["time"] = time
        del entry["checksum"]
        entry["checksum"] = fingerprint(entry)

    changed(path, change)
    with pytest.raises(IntegrityError, match="a time with its zone"):
        read_evidence(tmp_path)


def test_what_is_summed_is_what_is_read(tmp_path: Path) -> None:
    odd = {
        "tuple": (1, 2.5, -0.0, 1e300),
        "words": "\u00e9 \u6f22",
        "deep": [{"b": 1, "a": {}}],
    }
    append_evidence(tmp_path, "bench", SHA, odd)
    append_evidence(tmp_path, "bench", SHA, odd)
    first, second = read_evidence(tmp_path)
    assert first.payload == second.payload
    assert first.checked
    assert second.checked


def test_older_evidence_is_read_as_unchecked_and_stays_so(tmp_path: Path) -> None:
    path = append_evidence(tmp_path, "bench", SHA, {"rows": 1})

    def older(value: Any) -> None:
        value["schema"] = 1
        del value["entries"][0]["checksum"]

    changed(path, older)
    (old,) = read_evidence(tmp_path)
    assert (old.payload, old.checked) == ({"rows": 1}, False)
    append_evidence(tmp_path, "bench", SHA, {"rows": 2})
    assert [one.checked for one in read_evidence(tmp_path)] == [False, True]
    append_evidence(tmp_path, "bench", SHA, {"rows": 3})
    assert [one.checked for one in read_evidence(tmp_path)] == [False, True, True]


def entry(time: str, name: int = 0) -> Evidence:
    return Evidence("bench", machine(), SHA, f"2026-01-{time}T00:00:00+00:00", {"at": name}, Path())


def test_entries_of_one_file_stay_in_its_order() -> None:
    one = [entry("05", 0), entry("03", 1), entry("09", 2)]
    two = [entry("04", 3), entry("06", 4)]
    assert [found.payload["at"] for found in in_order([one, two])] == [0, 1, 3, 4, 2]
    assert [found.payload["at"] for found in in_order([one])] == [0, 1, 2]
    assert in_order([[], []]) == []


def test_a_time_in_the_future_is_noticed_and_a_clock_may_be_a_little_off() -> None:
    now = datetime(2026, 1, 1, tzinfo=timezone.utc)

    def made(after: timedelta) -> Evidence:
        return Evidence("bench", machine(), SHA, (now + after).isoformat(), {}, Path())

    assert not made(timedelta(0)).is_ahead(now)
    assert not made(SKEW).is_ahead(now)
    assert made(SKEW + timedelta(seconds=1)).is_ahead(now)
    zone = timezone(timedelta(hours=5))
    same = Evidence("bench", machine(), SHA, now.astimezone(zone).isoformat(), {}, Path())
    assert not same.is_ahead(now)
