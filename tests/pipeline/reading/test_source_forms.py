"""A file handed to a bundle is read as the recipe's sources were, whatever its kind and name."""

from __future__ import annotations

import gzip
import json
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from commands import kd2edge, succeed
from kd2edge.errors import IntegrityError, SchemaTooNewError, UsageError
from kd2edge.pipeline.reading import source_forms
from kd2edge.pipeline.reading.source_forms import (
    Asked,
    forms_json,
    handed_rows,
    read_forms,
    source_of,
)
from kd2edge.pipeline.reading.sources import RowsPlan, SourcePlan, open_split
from products import Product, write_jsonl

CONLL = "Anna NN B-PER x\nsees VB O x\n\nBonn NN B-LOC x\n"


def plan(**splits: SourcePlan) -> RowsPlan:
    return RowsPlan({split: (source,) for split, source in splits.items()}, ("text",))


@pytest.fixture
def sources(tmp_path: Path) -> dict[str, SourcePlan]:
    """Sources of every kind, none of which is read rightly by its name alone."""
    (tmp_path / "tagged.txt").write_text(CONLL, encoding="utf-8")
    (tmp_path / "half.csv").write_text("body;mood\na, b;good\n", encoding="utf-8")
    with gzip.open(tmp_path / "packed.csv.gz", "wt", encoding="utf-8") as file:
        file.write("text,mood\na,good\n")
    write_jsonl(tmp_path / "named.jsonl", [{"utterance": "a", "mood": "good"}])
    write_jsonl(tmp_path / "raw.jsonl", [{"text": "Go on!"}])
    columns = {"columns": ["tokens", "pos", "ner", "_"]}
    return {
        "conll": SourcePlan("c", "conll", str(tmp_path / "tagged.txt"), columns, tasks=("ner",)),
        "csv": SourcePlan(
            "v", "csv", str(tmp_path / "half.csv"), {"delimiter": ";"}, {"text": "body"}, ("mood",)
        ),
        "gz": SourcePlan("g", "csv", str(tmp_path / "packed.csv.gz"), tasks=("mood",)),
        "jsonl": SourcePlan(
            "j", "jsonl", str(tmp_path / "named.jsonl"), {}, {"text": "utterance"}, ("mood",)
        ),
        "words": SourcePlan("w", "jsonl", str(tmp_path / "raw.jsonl"), words={"tokens": "text"}),
    }


@pytest.mark.parametrize("name", ["conll", "csv", "gz", "jsonl", "words"])
def test_the_file_that_trained_a_model_is_read_as_it_was_then(
    sources: dict[str, SourcePlan], name: str
) -> None:
    whole = RowsPlan({"train": tuple(sources.values())}, ("text",))
    forms = read_forms(forms_json(whole), "sources.json")
    alone = plan(test=sources[name])
    found = handed_rows(Path(str(sources[name].place)), forms, ("mood", "ner"))
    assert list(found) == list(open_split(alone, "test"))


def test_a_bundle_names_no_folder_and_each_form_once(
    sources: dict[str, SourcePlan], tmp_path: Path
) -> None:
    again = replace(sources["conll"], place=str(tmp_path / "other" / "dev.txt"))
    content = forms_json(plan(train=sources["conll"], validation=again))
    assert str(tmp_path) not in content.decode()
    (form,) = read_forms(content, "sources.json")
    assert form.files == ("tagged.txt", "dev.txt")
    assert content == forms_json(plan(train=sources["conll"], validation=again))


def test_another_file_is_like_the_only_source_of_its_kind_or_like_the_one_that_is_named(
    sources: dict[str, SourcePlan], tmp_path: Path
) -> None:
    forms = read_forms(forms_json(plan(train=sources["conll"])), "x")
    columns = {"columns": ("tokens", "pos", "ner", "_")}
    assert source_of(tmp_path / "new.unknown", forms, Asked()).options == columns
    assert source_of(tmp_path / "new.conll", forms, Asked()).options == columns
    assert source_of(tmp_path / "new.jsonl", forms, Asked()).kind == "jsonl"
    two = RowsPlan({"train": (sources["csv"], sources["gz"])}, ("text",))
    forms = read_forms(forms_json(two), "x")
    with pytest.raises(UsageError, match=r"several sources .*\(v, g\): name one, as in --source v"):
        source_of(tmp_path / "new.csv", forms, Asked())
    assert source_of(tmp_path / "new.csv", forms, Asked(source="v")).columns == {"text": "body"}
    with pytest.raises(UsageError, match="--source z: the bundle's sources are g, v"):
        source_of(tmp_path / "new.csv", forms, Asked(source="z"))


def test_what_the_caller_says_goes_before_what_the_bundle_says(
    sources: dict[str, SourcePlan], tmp_path: Path
) -> None:
    forms = read_forms(forms_json(plan(train=sources["csv"])), "x")
    said = source_of(tmp_path / "half.csv", forms, Asked(options={"delimiter": "|"}))
    assert said.options == {"delimiter": "|"}
    assert said.columns == {"text": "body"}
    assert source_of(tmp_path / "half.csv", forms, Asked("jsonl")).kind == "jsonl"
    with pytest.raises(UsageError, match="--kind xml: expected a kind of file, one of jsonl, csv"):
        source_of(tmp_path / "half.csv", forms, Asked("xml"))


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_the_same_table_in_another_kind_of_file_is_read_by_either_names(
    tmp_path: Path, kind: str, own: bool
) -> None:
    """The recipe renames columns; the table comes with the file's names, or with the model's."""
    (tmp_path / "half.txt").write_text("a;x;b\n", encoding="utf-8")
    columns = {"tokens": "words", "ner": "tags"}
    source = SourcePlan(
        "c", "conll", str(tmp_path / "half.txt"), {"columns": ["words", "tags"]}, columns,
        ("ner",), schemes={"tags": "iob1"},
    )  # fmt: skip
    forms = read_forms(forms_json(plan(train=source)), "x")
    row = {"tokens" if own else "words": ["a", "b"], "ner" if own else "tags": ["I-x", "B-x"]}
    file = tmp_path / f"other.{kind}"
    if kind == "csv":
        flat = {name: " ".join(value) for name, value in row.items()}
        file.write_text(",".join(flat) + "\n" + ",".join(flat.values()) + "\n", encoding="utf-8")
        expected = {"tokens": "a b", "ner": "I-x B-x"}
    else:
        if kind == "jsonl":
            write_jsonl(file, [row])
        else:
            pq = pytest.importorskip("pyarrow.parquet")
            pq.write_table(pytest.importorskip("pyarrow").Table.from_pylist([row]), file)
        expected = {"tokens": ["a", "b"], "ner": ["B-x", "B-x"]}
    found = handed_rows(file, forms, ("ner",))
    assert list(found) == [expected]
    assert found.tasks_of(0) == ("ner",)


def test_the_model_s_own_names_are_read_from_a_file_of_the_recipe_s_kind(
    sources: dict[str, SourcePlan], tmp_path: Path
) -> None:
    forms = read_forms(forms_json(plan(train=sources["csv"])), "x")
    (tmp_path / "own.csv").write_text("text;mood\na, b;good\n", encoding="utf-8")
    assert list(handed_rows(tmp_path / "own.csv", forms, ())) == [{"text": "a, b", "mood": "good"}]


def test_a_named_source_of_another_kind_lends_its_names(
    sources: dict[str, SourcePlan], tmp_path: Path
) -> None:
    whole = RowsPlan({"train": (sources["csv"], sources["jsonl"])}, ("text",))
    forms = read_forms(forms_json(whole), "x")
    said = source_of(tmp_path / "new.dat", forms, Asked("parquet", source="v"))
    assert (said.kind, said.options, said.columns) == ("parquet", {}, {"text": "body"})
    assert source_of(tmp_path / "new.parquet", forms, Asked()).columns == {}  # which, nobody said


def test_a_file_that_nothing_tells_is_refused_with_what_to_state(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nothing tells how its rows are read: state --kind"):
        source_of(tmp_path / "rows.dat", (), Asked())
    assert source_of(tmp_path / "rows.dat", (), Asked(otherwise="jsonl")).kind == "jsonl"


@pytest.mark.parametrize(
    "value",
    [
        {}, [], {"schema": 1}, {"schema": 1, "sources": {}}, {"schema": 1, "sources": [{}]},
        {"schema": 1, "sources": [{"options": []}]},
    ],
)  # fmt: skip
def test_what_kd2edge_did_not_write_is_refused(value: Any) -> None:
    with pytest.raises(IntegrityError, match=r"b/sources\.json"):
        read_forms(json.dumps(value).encode(), "b/sources.json")


def test_options_of_another_type_are_refused(sources: dict[str, SourcePlan]) -> None:
    value = json.loads(forms_json(plan(train=sources["csv"])))
    value["sources"][0]["options"]["delimiter"] = 7
    with pytest.raises(IntegrityError, match=r"options\.delimiter: expected a text"):
        read_forms(json.dumps(value).encode(), "sources.json")
    with pytest.raises(SchemaTooNewError):
        read_forms(json.dumps({**value, "schema": 9}).encode(), "sources.json")


def test_every_field_of_a_source_is_kept() -> None:
    known = {one.name for one in fields(SourcePlan)} - {"place", "hold_out", "made", "recipe_name"}
    assert known == set(source_forms._KEYS) <= set(source_forms._READ)


def test_predict_and_validate_read_what_recipes_read(text_product: Product, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in _test_rows(text_product).splitlines()]
    named = tmp_path / "rows.csv"
    named.write_text(
        "text,intent,urgent\n"
        + "".join(f"{row['text']},{row['intent']},{row['urgent'] or ''}\n" for row in rows),
        encoding="utf-8",
    )
    lines = write_jsonl(tmp_path / "rows.jsonl", rows)
    packed = tmp_path / "odd.name"
    packed.write_text(named.read_text(encoding="utf-8").replace(",", ";"), encoding="utf-8")
    only = ["--artefact", "onnx-fp32"]
    wanted = succeed("predict", text_product.bundle, lines, *only).out
    assert len(wanted.splitlines()) == len(rows)
    assert succeed("predict", text_product.bundle, named, *only).out == wanted
    said = ["--kind", "csv", "--option", "delimiter=;"]
    assert succeed("predict", text_product.bundle, packed, *said, *only).out == wanted
    verdicts = [
        kd2edge(
            "validate", text_product.bundle, "--data", file, *more, *only,
            "--out", tmp_path / "out", "--json",
        ).json["artefacts"]["onnx-fp32"]["tasks"]
        for file, more in ((lines, []), (named, []), (packed, said))
    ]  # fmt: skip
    assert verdicts[0] == verdicts[1] == verdicts[2]
    timed = succeed(
        "bench", text_product.bundle, "--data", packed, *said, *only, "--seconds", "0.1",
        "--batch", "1", "--threads", "1", "--out", tmp_path / "out", "--json",
    ).json  # fmt: skip
    assert timed["samples"] == "rows"


def _test_rows(product: Product) -> str:
    return (product.recipe.parent / "test.jsonl").read_text(encoding="utf-8")
