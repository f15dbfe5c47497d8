from __future__ import annotations

import dataclasses

import pytest

import bundles
from kd2edge.bundle.store import open_bundle
from kd2edge.errors import UsageError
from kd2edge.reporting import model_card


@pytest.fixture
def manifest(tmp_path):
    return open_bundle(bundles.text_bundle(tmp_path / "bundle")).manifest


def test_the_same_arguments_give_the_same_card(manifest, report):
    assert model_card(manifest, report) == model_card(manifest, report)


def test_the_card_says_what_a_person_needs(manifest):
    card = model_card(manifest)
    for part in (
        "intent", "ner", "token_classification", "Apache-2.0", "CC0-1.0", "`onnx-int8-qdq`",
        "beyond 12 sub-words", "run `kd2edge validate` on the machine", 'load("models/tiny-text")',
    ):  # fmt: skip
        assert part in card


def test_artefacts_of_one_sample_share_a_line(manifest):
    sample = {"split": "train", "rows": 1024, "seed": 7, "sha256": "ab" * 32}
    artefacts = {
        name: dataclasses.replace(one, settings={"calibration": sample})
        for name, one in manifest.artefacts.items()
    }
    card = model_card(dataclasses.replace(manifest, artefacts=artefacts))
    (line,) = [line for line in card.splitlines() if "calibrated on" in line]
    assert all(f"`{name}`" in line for name in artefacts)
    assert "1,024 rows of the train split, drawn by seed 7" in line
    assert "calibrated on" not in model_card(manifest)


def test_a_model_hub_reads_the_front_matter(manifest, report):
    from huggingface_hub import ModelCard

    card = ModelCard(model_card(manifest, report))
    assert card.data.license == "apache-2.0"
    assert card.data.library_name == "kd2edge"
    results = {result.task_name: result.metric_value for result in card.data.eval_results or []}
    assert results == {"left": 0.953, "right": 0.953, "larger": 0.953}


def test_several_licences_are_all_named(manifest):
    from huggingface_hub import ModelCard

    both = dataclasses.replace(manifest, licences={"weights": ("MIT", "Apache-2.0"), "data": ()})
    card = model_card(both)
    assert ModelCard(card).data.to_dict()["license_name"] == "MIT AND Apache-2.0"
    assert "- data: not stated" in card


def test_names_cannot_break_out_of_the_table(manifest):
    card = model_card(dataclasses.replace(manifest, name="a|b\n# c <script>"))
    assert "\n# c" not in card
    front, fenced, rest = card.partition("```python")
    prose = front.split("---", 2)[2] + rest.partition("```")[2]
    assert "<script>" not in prose
    assert "\\<script\\>" in prose
    assert fenced


def test_weak_classes_are_named_when_there_is_a_report(manifest, report):
    assert "weakest classes by F1" in model_card(manifest, report)
    assert "weakest" not in model_card(manifest)


def test_what_is_no_report_is_refused(manifest):
    with pytest.raises(UsageError):
        model_card(manifest, {"schema": 1})
