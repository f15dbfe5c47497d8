"""Any value in the place of any other, in every JSON file that comes from outside."""

from __future__ import annotations

import copy
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bundles
from commands import kd2edge
from kd2edge.bundle import append_evidence, open_bundle, read_evidence
from kd2edge.errors import Kd2edgeError
from kd2edge.pipeline.verbs.reports import comparison, write_html
from kd2edge.runtime import load
from products import Product

Steps = tuple[Any, ...]
QUICK = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
ODD = st.sampled_from(
    [
        None, True, 0, -1, 1, 2**70, 1.5, 1e308, "", "a", "\x1b[2J\n\u202e", "x" * 5000, [],
        ["text"], [[]], {}, {"a": 1}, {"": None}, [None], [1, "a"],
    ]
)  # fmt: skip


def nodes(value: Any, steps: Steps = ()) -> Iterator[Steps]:
    """The places of all values."""
    yield steps
    if isinstance(value, (dict, list)):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from nodes(item, (*steps, key))


def put(value: Any, steps: Steps, other: Any) -> Any:
    """A copy with another value in one place."""
    if not steps:
        return other
    changed = copy.deepcopy(value)
    part = changed
    for step in steps[:-1]:
        part = part[step]
    part[steps[-1]] = other
    return changed


@st.composite
def damaged(draw: st.DrawFn, value: Any) -> Any:
    """A value with one or two places changed, or a key left out."""
    for _ in range(draw(st.integers(1, 2))):
        steps = draw(st.sampled_from(list(nodes(value))))
        if steps and isinstance(steps[-1], str) and draw(st.booleans()):
            part = value = copy.deepcopy(value)
            for step in steps[:-1]:
                part = part[step]
            del part[steps[-1]]
        else:
            value = put(value, steps, draw(ODD))
    return value


def assert_known(call: Any) -> None:
    """It succeeds, or fails with an error of ours in lines that a terminal may be shown."""
    said = ""
    try:
        call()
    except Kd2edgeError as error:
        said = str(error)
    assert all(line.isprintable() for line in said.split("\n"))
    assert len(said) < 5000


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return bundles.text_bundle(tmp_path_factory.mktemp("json") / "tiny")


@QUICK
@given(data=st.data())
def test_a_manifest_is_understood_or_refused(bundle: Path, data: st.DataObject) -> None:
    file = bundle / "manifest.json"
    whole = file.read_text(encoding="utf-8")
    try:
        file.write_text(json.dumps(data.draw(damaged(json.loads(whole)))), encoding="utf-8")
        assert_known(lambda: open_bundle(bundle).verify())
        assert_known(lambda: load(bundle, threads=1).predict({"text": ["book a flight"]}))
        for verb in ("inspect", "verify"):
            result = kd2edge(verb, bundle)
            assert result.code in {0, 2, 5}, result.err
            assert "\x1b" not in result.out + result.err
    finally:
        file.write_text(whole, encoding="utf-8")


@QUICK
@given(data=st.data())
def test_evidence_is_understood_or_refused(bundle: Path, data: st.DataObject) -> None:
    identity = open_bundle(bundle).identity
    timing = {"artefact": "onnx-fp32", "batch": 1, "threads": 1, "p50_ms": 1.0, "p99_ms": 2.0}
    payload = {"samples": "golden", "artefacts": [], "timings": [timing], "not_run": {}}
    path = append_evidence(bundle, "bench", identity, payload)
    try:
        whole = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps(data.draw(damaged(whole))), encoding="utf-8")
        assert_known(lambda: read_evidence(bundle))
        assert_known(lambda: load(bundle, threads=1).close())
        assert_known(lambda: open_bundle(bundle).verify())
    finally:
        path.unlink()


@QUICK
@given(data=st.data())
def test_a_report_is_understood_or_refused(
    image_product: Product, tmp_path: Path, data: st.DataObject
) -> None:
    run = tmp_path / "runs" / "tiny"
    if not run.exists():
        shutil.copytree(image_product.run, run, ignore=shutil.ignore_patterns("cache", "teachers"))
    whole = json.loads((image_product.run / "report.json").read_text(encoding="utf-8"))
    (run / "report.json").write_text(json.dumps(data.draw(damaged(whole))), encoding="utf-8")
    assert_known(lambda: write_html(run, tmp_path / "report.html"))
    assert_known(lambda: comparison(run, image_product.run).text())


TRAPS = {
    "brackets": b"[" * 100_000,
    "lists": b"[" * 960 + b"]" * 960,
    "half a pair": b'{"schema": 1, "tasks": "\\ud800"}',
    "digits": b'{"schema": ' + b"9" * 5000 + b"}",
    "bytes": b"\xff\xfe\x00",
    "nothing": b"",
}


@pytest.mark.parametrize("trap", TRAPS)
def test_traps_in_the_files_of_a_run_and_a_bundle(
    image_product: Product, bundle: Path, tmp_path: Path, trap: str
) -> None:
    run = tmp_path / "run"
    shutil.copytree(image_product.run, run, ignore=shutil.ignore_patterns("cache"))
    for name in ("report.json", "student.json", "rows.json"):
        whole = (run / name).read_bytes()
        (run / name).write_bytes(TRAPS[trap])
        for call in (("report", run), ("export", run, "--onnx", "--out", tmp_path / "out")):
            if name == "rows.json" or (name == "student.json" and call[0] == "report"):
                continue
            result = kd2edge(*call)
            assert result.code in {2, 5}, f"{name}: {result.err}"
            assert name in result.err
            assert "unexpected" not in result.err
        (run / name).write_bytes(whole)
    other = shutil.copytree(bundle, tmp_path / "bundle")
    (other / "manifest.json").write_bytes(TRAPS[trap])
    assert kd2edge("inspect", other).code == 5
