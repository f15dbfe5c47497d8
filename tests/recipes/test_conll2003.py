"""The recipe for CoNLL-2003 on files of its shape, made here: the data itself is licensed."""

from __future__ import annotations

import json
from pathlib import Path

import kd2edge
from commands import succeed
from recipes.column_files import write_conll2003

RECIPE = Path(kd2edge.__file__).parent.parent / "recipes" / "token" / "conll2003.yaml"


def test_both_ways_to_write_entities_are_the_same_labels(tmp_path: Path) -> None:
    told = []
    for name, iob2 in (("one", False), ("two", True)):
        write_conll2003(tmp_path / name, iob2=iob2)
        told.append(
            succeed("check", RECIPE, "--set", f"data.root={tmp_path / name}", "--json").json
        )
    assert told[0]["rows"] == {"train": 40, "validation": 12, "test": 12}  # and no -DOCSTART-
    assert told[0]["tasks"] == told[1]["tasks"]
    assert told[0]["tasks"]["ner"]["notes"] == []


def test_it_runs_as_it_stands_but_for_its_length(tmp_path: Path) -> None:
    write_conll2003(tmp_path, iob2=False)
    short = [
        f"data.root={tmp_path}", "teachers.minilm.train.epochs=1", "train.epochs=1",
        "teachers.minilm.train.batch_size=8", "baseline=false", "train.batch_size=8",
    ]  # fmt: skip
    settings = [part for one in short for part in ("--set", one)]
    succeed("distill", RECIPE, "--run-dir", tmp_path / "run", *settings)
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    labels = {"B-LOC", "B-MISC", "B-ORG", "B-PER", "I-PER", "O"}
    assert set(report["tasks"]["ner"]["labels"]) == labels
    found = report["splits"]["test"]["tasks"]["ner"]["student"]["metrics"]
    assert found.keys() >= {"entity_f1", "weighted_f1", "macro_f1", "accuracy"}
