"""Standard streams: the same bytes in and out in every locale; closed ones are said."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import bundles
import commands
from kd2edge.tasks.spec import TaskName, TaskSpec

LABELS = ("日本", "\u202enefil\x9b2J", "café 🙂")
ROWS = '{"text": "book a caf\u00e9"}\n\n{"text": "日本 \\ud83d\\ude42"}\n'.encode()


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    intent, ner = bundles.TEXT_TASKS
    odd = TaskSpec(intent.name, intent.kind, LABELS, intent.metric, intent.metrics, intent.column)
    tasks = {TaskName("intent"): odd, ner.name: ner}
    return bundles.text_bundle(tmp_path_factory.mktemp("streams") / "tiny", tasks=tasks)


@dataclass(frozen=True, slots=True)
class Ended:
    code: int
    out: bytes
    err: bytes


@contextmanager
def streams(encoding: str, fed: bytes) -> Iterator[tuple[io.BytesIO, io.BytesIO]]:
    """Standard streams of a locale."""
    out, err = io.BytesIO(), io.BytesIO()
    kept = sys.stdin, sys.stdout, sys.stderr
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.BytesIO(fed)), encoding=encoding)
    sys.stdout = io.TextIOWrapper(out, encoding=encoding)
    sys.stderr = io.TextIOWrapper(err, encoding=encoding, errors="backslashreplace")
    texts = sys.stdin, sys.stdout, sys.stderr
    try:
        yield out, err
    finally:
        for text in texts[1:]:
            text.flush()
        sys.stdin, sys.stdout, sys.stderr = kept
        for text in texts:  # or closing them would close what was written with them
            text.detach()


def run(encoding: str, fed: bytes, *arguments: str | Path) -> Ended:
    kept = commands.signals_kept()
    with streams(encoding, fed) as (out, err), kept, pytest.raises(SystemExit) as left:
        commands.main([str(one) for one in arguments])
    return Ended(left.value.code, out.getvalue(), err.getvalue())


def predict(bundle: Path, encoding: str, fed: bytes, *more: str | Path) -> Ended:
    return run(encoding, fed, "predict", bundle, "--artefact", "onnx-fp32", "--top-k", "3", *more)


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "cp1252", "ascii", "utf-16"])
def test_answers_do_not_depend_on_the_locale(bundle: Path, tmp_path: Path, encoding: str) -> None:
    (tmp_path / "rows.jsonl").write_bytes(ROWS)
    right = predict(bundle, "utf-8", b"", tmp_path / "rows.jsonl")
    assert right.code == 0, right.err
    lines = right.out.decode().splitlines()
    assert len(lines) == 2
    assert {one["label"] for one in json.loads(lines[0])["intent"]} == set(LABELS)
    assert "日本" in lines[0]
    for fed in (ROWS, b"\xef\xbb\xbf" + ROWS, gzip.compress(ROWS[:30]) + gzip.compress(ROWS[30:])):
        assert predict(bundle, encoding, fed).out == right.out
        assert predict(bundle, encoding, fed, "-").out == right.out
    whole = predict(bundle, encoding, ROWS, "--json")
    assert whole.code == 0
    assert json.loads(whole.out)["rows"] == [json.loads(line) for line in lines]


@pytest.mark.parametrize("name", ["rows.jsonl.gz", "rows.jsonl"])
def test_packed_files_are_unpacked_whatever_their_name(
    bundle: Path, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_bytes(gzip.compress(b"\xef\xbb\xbf" + ROWS))
    assert predict(bundle, "utf-8", b"", tmp_path / name).out.count(b"\n") == 2
    (tmp_path / name).write_bytes(gzip.compress(ROWS)[:-9])
    broken = predict(bundle, "utf-8", b"", tmp_path / name)
    assert broken.code == 2
    assert b"not a whole gzip file" in broken.err


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_other_encodings_are_named(bundle: Path, tmp_path: Path, encoding: str) -> None:
    (tmp_path / "rows.jsonl").write_bytes(ROWS.decode().encode(encoding))
    for ended in (
        predict(bundle, "utf-8", b"", tmp_path / "rows.jsonl"),
        predict(bundle, "utf-8", ROWS.decode().encode(encoding)),
    ):
        assert ended.code == 2
        assert f"this is {encoding[:6].upper()}; save it as UTF-8".encode() in ended.err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"text": "caf\xe9"}', b"stdin:2: not UTF-8 text: byte 0xe9"),
        (b'{"text": ' + b"9" * 5000 + b"}", b"stdin:2: not JSON: a whole number of thousands"),
        (b"[" * 100_000, b"stdin:2: not JSON: nested deeper"),
        (b'{"text": "\\ud83d"}', b"stdin:2: not JSON: half a surrogate pair"),
        (b'{"text": "a', b"stdin:2: the line is cut off"),
        (b"\x0c", b"stdin:2: not JSON"),  # as in a file: blank lines are of JSON's own blanks
        (b"[1]", b"stdin:2: expected a JSON object"),
    ],
)
def test_a_line_that_is_no_row_is_named(bundle: Path, line: bytes, words: bytes) -> None:
    ended = predict(bundle, "cp1252", b'{"text": "a"}\n' + line + b"\n")
    assert ended.code == 2
    assert words in ended.err
    assert len(ended.err) < 600


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_text_for_people_never_fails_for_a_letter(
    bundle: Path, tmp_path: Path, encoding: str
) -> None:
    for arguments in (
        ("inspect", bundle),
        ("verify", bundle),
        ("check", tmp_path / "日本\udce9\x1b[2J.yaml"),
        ("predict", bundle, tmp_path / "caf\udce9\n.jsonl"),
    ):
        ended = run(encoding, b"", *arguments)
        assert ended.code in {0, 2}, ended.err
        assert b"unexpected" not in ended.err
        assert b"\x1b" not in ended.out + ended.err
    assert b"caf\\xe9\\n.jsonl: no such file" in ended.err
    answer = run(encoding, b"", "predict", bundle, tmp_path / "caf\udce9\n.jsonl", "--json")
    assert json.loads(answer.out)["error"]["exit_code"] == 2


SHELL = [sys.executable, "-m", "kd2edge"]


def shell(line: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    """What ``sh`` makes of a line in which ``kd2edge`` is the command."""
    command = " ".join(f"'{part}'" for part in SHELL)
    return subprocess.run(
        ["/bin/sh", "-c", line.replace("kd2edge ", f"{command} ", 1)],
        capture_output=True,
        env={**os.environ, **variables},
        check=False,
    )


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of POSIX")
def test_streams_that_are_closed_are_said(bundle: Path) -> None:
    ended = shell(f"kd2edge predict '{bundle}' <&-")
    assert ended.returncode == 2
    assert b"standard input, and it is closed" in ended.stderr
    ended = shell(f"kd2edge predict '{bundle}' --text hello >&-")
    assert ended.returncode == 4
    assert b"standard output is closed" in ended.stderr
    ended = shell(f"kd2edge predict '{bundle}' --text hello 2>&-")
    assert ended.returncode == 0
    assert ended.stdout.count(b"\n") == 1
    if Path("/dev/full").exists():
        for more in ("", " --json"):
            ended = shell(f"kd2edge predict '{bundle}' --text hello{more} >/dev/full")
            assert ended.returncode == 4
            assert b"error: No space left" in ended.stderr
            assert b"Traceback" not in ended.stderr
        # Notes are for people: answers do not depend on the disk that a log of them is on.
        ended = shell(f"kd2edge predict '{bundle}' --text hello 2>/dev/full")
        assert ended.returncode == 0
        assert ended.stdout.count(b"\n") == 1
        assert (
            shell(f"kd2edge predict '{bundle}' --task nothing --text hello 2>/dev/full").returncode
            == 2
        )


@pytest.mark.skipif(sys.platform == "win32", reason="a locale of POSIX")
def test_what_is_typed_is_the_same_in_a_locale_without_its_letters(bundle: Path) -> None:
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}
    line = f"kd2edge predict '{bundle}' --text 'a 日本 café' --artefact onnx-fp32"
    ended, right = shell(line, **plain), shell(line, PYTHONUTF8="1")
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout == right.stdout
    assert "日本".encode() in ended.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_a_reader_that_leaves_ends_help_and_errors_too(tmp_path: Path) -> None:
    for arguments in (["--help"], ["verify", str(tmp_path), "--json"]):
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            [*SHELL, *arguments], stdout=writer, stderr=subprocess.PIPE, check=False
        )
        os.close(writer)
        assert done.returncode == 141
        assert b"Traceback" not in done.stderr
