"""Text of bundles, rows and recipes that would move a terminal or begin lines of its own."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

import bundles
from commands import Result, kd2edge
from kd2edge.bundle import append_evidence, open_bundle
from kd2edge.reporting import model_card
from kd2edge.tasks.spec import TaskName

EVIL = "a\x1b]0;owned\x07\x9b2J\u202ekcab\u2066\u200b\r\nerror: forged | <img src=x> `b` \x7f"
#: What a terminal obeys, whoever printed it; ends of lines are looked at by the words behind them.
OBEYED = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
NAMES = json.dumps({"text": "play music", EVIL: 1}) + "\n"


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whatever a manifest may hold as text is hostile."""
    intent, ner = bundles.TEXT_TASKS
    odd = replace(intent, labels=(EVIL, f"{EVIL}2", "\x1b[31m" + "x" * 5000))
    failed = bundles.artefact(
        "tensorrt-fp32", "", {}, bundles.TEXT_ARRAYS, bundles.TEXT_HEADS,
        status="failed", reason=EVIL, tools={EVIL: EVIL},
    )  # fmt: skip
    made = bundles.text_bundle(
        tmp_path_factory.mktemp("hostile") / "tiny",
        version=EVIL,
        tasks={TaskName("intent"): odd, ner.name: ner},
        artefacts={"tensorrt-fp32": (failed, {})},
        licences={"weights": (EVIL,), EVIL: (EVIL, "b")},
        provenance={EVIL: EVIL, "run": "0" * 64},
    )
    (made / f"stranger{EVIL.replace('/', '')}").write_bytes(b"")
    return made


def assert_quiet(result: Result) -> Result:
    for text in (result.out, result.err):
        assert not OBEYED.search(text), repr(text)
        assert not re.search(r"^error: forged", text, re.MULTILINE)
    assert "unexpected" not in result.err
    return result


def test_no_verb_hands_control_characters_on(bundle: Path, tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(NAMES + json.dumps({EVIL: EVIL}) + "\n", encoding="utf-8")
    fine = tmp_path / "fine.jsonl"
    fine.write_text(NAMES, encoding="utf-8")
    recipe = tmp_path / f"recipe{EVIL.replace('/', '')}.yaml"
    recipe.write_text(f"version: 1\nname: {json.dumps(EVIL)}\n{json.dumps(EVIL)}: 3\n")
    for arguments, code in (
        (("inspect", bundle), 0),
        (("verify", bundle), 5),
        (("predict", bundle, fine, "--artefact", "onnx-fp32", "--top-k", "3"), 0),
        (("predict", bundle, rows, "--artefact", "onnx-fp32"), 2),
        (("predict", bundle, fine, "--artefact", EVIL), 2),
        (("predict", bundle, fine, "--task", EVIL), 2),
        (("predict", bundle, tmp_path / EVIL.replace("/", "")), 2),
        (("bench", bundle, "--batch", "1", "--threads", "1", "--seconds", "0.1"), 0),
        (("validate", bundle, "--data", rows, "--out", tmp_path / "out"), 2),
        (("export", tmp_path / EVIL), 2),
        (("report", tmp_path / EVIL), 2),
        (("compare", bundle, tmp_path / EVIL), 2),
        (("check", recipe), 2),
        (("distill", recipe), 2),
        (("new", "mine", "--from", EVIL), 2),
        (("build", bundle, "--artefact", EVIL), 2),
        ((EVIL,), 2),
        (("inspect", bundle, f"--{EVIL}"), 2),
    ):
        for more in ((), ("--json",)):
            result = assert_quiet(kd2edge(*arguments, *more))
            assert result.code == code, f"{arguments}: {result.err}"
            if more:
                json.loads(result.out.splitlines()[0])
            assert max(map(len, result.err.splitlines()), default=0) <= 1100


def test_answers_are_the_same_values(bundle: Path, tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text(NAMES, encoding="utf-8")
    options = ("--artefact", "onnx-fp32", "--top-k", "3")
    result = assert_quiet(kd2edge("predict", bundle, tmp_path / "rows.jsonl", *options))
    labels = {one["label"] for one in json.loads(result.out)["intent"]}
    assert labels == set(open_bundle(bundle).manifest.tasks[TaskName("intent")].labels)


def test_evidence_is_shown_without_them_too(bundle: Path) -> None:
    identity = open_bundle(bundle).identity
    bench = {"samples": EVIL, "artefacts": [], "timings": [], "not_run": {EVIL: EVIL}}
    path = append_evidence(bundle, "bench", identity, bench)
    for verb in ("inspect", "verify", "report"):
        assert_quiet(kd2edge(verb, bundle))
    path.write_text(path.read_text(encoding="utf-8").replace('"entries"', json.dumps(EVIL)))
    for verb in ("verify", "report"):
        assert_quiet(kd2edge(verb, bundle))
    path.unlink()


def test_a_model_card_is_markdown_of_its_own_alone(bundle: Path) -> None:
    card = model_card(open_bundle(bundle).manifest)
    assert not OBEYED.search(card)
    assert not re.search(r"^\W*error: forged", card, re.MULTILINE)
    assert not re.search(r"(?<!\\)<img", card.partition("\n---\n")[2])
    tables = [line for line in card.splitlines() if line.startswith("| intent")]
    assert len(re.findall(r"(?<!\\)\|", tables[0])) == 6
    assert max(map(len, card.splitlines())) < 12_000
