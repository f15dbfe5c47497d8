from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kd2edge import tasks
from kd2edge.bundle import Gate, Manifest, manifest_from_json, manifest_to_json, split_artefact_id
from kd2edge.bundle.manifest_json import _SETTINGS, LIMIT
from kd2edge.errors import IntegrityError, Kd2edgeError, PathEscapeError, SchemaTooNewError
from kd2edge.tasks.cut import CUTS, FITTED
from kd2edge.tasks.reject import IN_SCOPE_RECALL, LABEL, LIMITS


def test_reads_back_what_it_writes(manifest: Manifest) -> None:
    content = manifest_to_json(manifest)
    assert manifest_from_json(content) == manifest
    assert manifest_to_json(manifest_from_json(content)) == content


def test_the_text_does_not_depend_on_the_order_of_keys(manifest: Manifest) -> None:
    turned = replace(manifest, artefacts=dict(reversed(list(manifest.artefacts.items()))))
    assert list(turned.artefacts) != list(manifest.artefacts)
    assert manifest_to_json(turned) == manifest_to_json(manifest)


def test_the_text_is_sorted_indented_utf8_with_a_newline(manifest: Manifest) -> None:
    content = manifest_to_json(manifest)
    value = json.loads(content)
    expected = json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False) + "\n"
    assert content == expected.encode()
    assert "größer".encode() in content


def rejecting(manifest: dict[str, Any], **settings: float) -> None:
    """Let the first task reject, by settings that are right but for those given."""
    decode = {"reject": 1, "least_probability": 0.6, **settings}
    manifest["tasks"]["intent"]["decode"].update(decode)


def test_a_threshold_comes_back_to_the_last_bit(manifest: Manifest) -> None:
    for setting in ({"least_probability": 0.1 + 0.2}, {"most_energy": -1.7976931348623157e308}):
        task = replace(manifest.tasks["intent"], decode={"reject": 1, **setting})
        whole = replace(manifest, tasks={**manifest.tasks, "intent": task})
        assert manifest_from_json(manifest_to_json(whole)) == whole


def changed(manifest: Manifest, change: Callable[[dict[str, Any]], object]) -> bytes:
    value = json.loads(manifest_to_json(manifest))
    change(value)
    return json.dumps(value).encode()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m.update(extra=1), "extra: unknown key"),
        (lambda m: m.pop("golden"), "golden: missing"),
        (lambda m: m["tasks"]["intent"].update(beta=1), r"tasks.intent.beta: unknown key"),
        (lambda m: m["tasks"]["intent"].update(labels="abc"), "labels: expected a list"),
        (lambda m: m["tasks"]["intent"].update(labels=["a", "a"]), "stands twice"),
        (lambda m: m["tasks"]["intent"].update(name="other"), "names itself"),
        (lambda m: m["tasks"]["intent"].update(kind=3), "expected a text, found a number"),
        (lambda m: m["tasks"]["intent"]["decode"].update(low=True), "expected a number"),
        # Of a later version, say: without it other decisions were made than were judged.
        (lambda m: m["tasks"]["intent"]["decode"].update(heat=2), "no such setting: heat; there"),
        (lambda m: m["tasks"]["intent"].update(kind="binary"), "expected two"),
        (lambda m: m["tasks"]["intent"].update(input="speech"), "no input 'speech'"),
        (lambda m: m["tasks"]["intent"]["decode"].update(temperature=0), "above 0"),
        (lambda m: m["tasks"]["intent"]["decode"].update(temperature=-1.0), "above 0"),
        (lambda m: m["tasks"]["intent"]["decode"].update(scope_temperature=0), "above 0"),
        (lambda m: m["tasks"]["intent"]["decode"].update(temperature=10**400), "a float can hold"),
        (lambda m: m["tasks"]["intent"]["decode"].update(threshold=1.1), "from 0 to 1"),
        (lambda m: m["tasks"]["intent"]["decode"].update(quantile=-0.1), "from 0 to 1"),
        (lambda m: m["tasks"]["intent"]["decode"].update(fitted=0.5), "fitted: .* whole number"),
        (lambda m: m["tasks"]["intent"]["decode"].update(top_k=0), "whole number from 1"),
        (lambda m: m["tasks"]["intent"]["decode"].update(top_k=1.5), "whole number from 1"),
        (lambda m: rejecting(m, reject=99), "decode.reject: there are . labels"),
        (lambda m: rejecting(m, reject=0.5), "reject: expected a whole number"),
        (lambda m: rejecting(m, reject=-1), "reject: expected a whole number"),
        (lambda m: rejecting(m, least_probability=1.5), "least_probability: .* from 0 to 1"),
        (lambda m: rejecting(m, in_scope_recall=97), "in_scope_recall: .* from 0 to 1"),
        (lambda m: rejecting(m, most_energy=-3.0), "needs one of least_probability, most_energy"),
        (lambda m: m["tasks"]["intent"]["decode"].update(reject=1), "needs one of"),
        (lambda m: m["gate"].update(max_drop=[1]), "max_drop: expected an object"),
        (lambda m: m["gate"]["max_drop"].update(intent=[1]), "max_drop.intent: expected a number"),
        (lambda m: m["gate"]["max_drop"].update(intent=-1), "max_drop.intent: .* from 0"),
        (lambda m: m["gate"].pop("max_drop_class"), "gate.max_drop_class: missing"),
        (lambda m: m["gate"].update(max_dorp={}), "gate.max_dorp: unknown key"),
        (lambda m: m["gate"].update(confidence="high"), "confidence: expected a number"),
        (lambda m: m["gate"].update(confidence=1.5), "confidence: .* from 0 to 1"),
        (lambda m: m["artefacts"]["onnx-fp32"].update(id="onnx_fp32"), "<target>-<precision>"),
        (lambda m: m["artefacts"]["onnx-fp32"].update(id="ONNX-fp32"), "<target>-<precision>"),
        (lambda m: m["artefacts"]["onnx-fp32"].update(precision="fp16"), "does not say"),
        (lambda m: m["artefacts"]["onnx-fp32"].update(status="maybe"), "expected one of ready"),
        (lambda m: m["artefacts"]["onnx-fp32"].update(reason="why"), "exactly when"),
        (lambda m: m["artefacts"]["onnx-fp32"].update(entry=""), "entry: missing"),
        (lambda m: m["artefacts"]["onnx-fp32"].update(entry="x.onnx"), "none of its files"),
        (lambda m: m["artefacts"]["onnx-fp32"]["ranges"].update(batch=[8, 1]), "smallest"),
        (lambda m: m["artefacts"]["onnx-fp32"]["ranges"].update(batch=[1]), "smallest"),
        (lambda m: m["artefacts"]["onnx-fp32"]["inputs"][0].update(dtype="object"), "dtype"),
        (lambda m: m["artefacts"]["onnx-fp32"]["inputs"][0].update(shape=[0]), "from 1"),
        (lambda m: m["artefacts"]["onnx-fp32"]["files"][0].update(sha256="A" * 64), "64 hex"),
        (lambda m: m["artefacts"]["onnx-fp32"]["files"][0].update(bytes=-1), "from 0"),
        (lambda m: m["artefacts"]["onnx-fp32"]["files"][0].update(bytes=True), "from 0"),
        (lambda m: m["artefacts"]["onnx-fp32"]["files"][0].update(bytes=2.0), "from 0"),
        (lambda m: m["files"].append(m["files"][0] | {"bytes": 9}), "listed twice"),
        (lambda m: m["files"][0].update(path="manifest.json"), "identity"),
        (lambda m: m["files"][0].update(path="reports/a.json"), "identity"),
        (lambda m: m.update(preferred=["onnx-fp16"]), "no artefact 'onnx-fp16'"),
        (lambda m: m.update(golden="nothing.npz"), "used, but not listed"),
        (lambda m: m.update(schema=0), "schema"),
        (lambda m: m.update(schema="1"), "schema"),
        (lambda m: m.update(schema=True), "schema"),
        (lambda m: m.update(tasks=[]), "tasks: expected an object, found a list"),
        (lambda m: m.update(golden=None), "found null"),
    ],
)
def test_refuses_what_it_does_not_understand(
    manifest: Manifest, change: Callable[[dict[str, Any]], object], says: str
) -> None:
    with pytest.raises(IntegrityError, match=says):
        manifest_from_json(changed(manifest, change))


def test_a_number_without_end_is_none(manifest: Manifest) -> None:
    content = changed(manifest, lambda m: m["tasks"]["intent"]["decode"].update(temperature=0.25))
    with pytest.raises(IntegrityError, match="a float can hold"):
        manifest_from_json(content.replace(b"0.25", b"1e999"))


@pytest.mark.parametrize(
    "path",
    [
        "../evil",
        "a/../../evil",
        "/etc/passwd",
        "..\\evil",
        "a\\b",
        "C:/evil",
        "c:evil",
        "//server/share",
    ],
)
def test_refuses_paths_that_leave_the_bundle(manifest: Manifest, path: str) -> None:
    for place in (
        lambda m: m["files"][0].update(path=path),
        lambda m: m["artefacts"]["onnx-fp32"]["files"][0].update(path=path),
        lambda m: m["artefacts"]["onnx-fp32"].update(entry=path),
        lambda m: m.update(golden=path),
        lambda m: m["references"].update(test=path),
        lambda m: m["inputs"]["text"]["files"].update(tokenizer=path),
    ):
        with pytest.raises(PathEscapeError, match="leaves the folder"):
            manifest_from_json(changed(manifest, place))


@pytest.mark.parametrize("path", ["", "a//b", "./a", "a/.", "a\0b", "a:b", "a" * 600, "a ", "b."])
def test_refuses_paths_that_no_system_shares(manifest: Manifest, path: str) -> None:
    with pytest.raises(IntegrityError):
        manifest_from_json(changed(manifest, lambda m: m["files"][0].update(path=path)))


def test_a_newer_schema_is_named_as_such_whatever_else_is_new(manifest: Manifest) -> None:
    content = changed(manifest, lambda m: m.update(schema=99, invention={}))
    with pytest.raises(SchemaTooNewError, match="install a newer") as caught:
        manifest_from_json(content)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "no valid JSON"),
        (b"\xff", "no valid JSON"),
        (b'{"schema": 1, "schema": 1}', "stands twice"),
        (b'{"schema": NaN}', "NaN"),
        (b"[" * 200_000, "no valid JSON"),
        (b"[]", "expected an object"),
        (b" " * (LIMIT + 1), "at most"),
    ],
)
def test_refuses_texts_that_are_no_manifest(content: bytes, says: str) -> None:
    with pytest.raises(IntegrityError, match=says):
        manifest_from_json(content)


def test_does_not_write_what_it_would_not_read(manifest: Manifest) -> None:
    with pytest.raises(IntegrityError, match="no artefact"):
        manifest_to_json(replace(manifest, preferred=("nothing-fp32",)))
    with pytest.raises(IntegrityError, match="JSON cannot hold"):
        manifest_to_json(replace(manifest, gate=Gate(confidence=float("nan"))))
    with pytest.raises(IntegrityError, match="JSON cannot hold"):
        manifest_to_json(replace(manifest, gate=Gate(confidence=object())))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(deadline=None)
@given(st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_give_a_manifest_or_our_error(content: bytes) -> None:
    with pytest.raises(Kd2edgeError):
        manifest_from_json(content)


@pytest.mark.parametrize(
    ("artefact", "parts"),
    [
        ("onnx-fp32", ("onnx", "fp32", "")),
        ("onnx-int8-qdq", ("onnx", "int8", "qdq")),
        ("tensorrt_rtx-int8-qdq-sm89", ("tensorrt_rtx", "int8", "qdq-sm89")),
    ],
)
def test_artefact_ids_split(artefact: str, parts: tuple[str, str, str]) -> None:
    assert split_artefact_id(artefact) == parts


@pytest.mark.parametrize("artefact", ["", "onnx", "onnx-", "-fp32", "onnx--fp32", "Onnx-fp32"])
def test_other_artefact_ids_are_refused(artefact: str) -> None:
    with pytest.raises(IntegrityError):
        split_artefact_id(artefact)


def test_every_setting_that_a_decision_reads_may_stand_in_a_manifest() -> None:
    folder = Path(tasks.__file__).parent
    source = "".join(path.read_text(encoding="utf-8") for path in folder.glob("*.py"))
    read = set(re.findall(r'decode\.get\("(\w+)"', source))
    assert len(read) >= 11
    assert read | set(CUTS) | set(LIMITS.values()) | {LABEL, FITTED, IN_SCOPE_RECALL} <= set(
        _SETTINGS
    )
