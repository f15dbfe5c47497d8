from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from kd2edge.errors import DataError, IntegrityError, StorageError
from kd2edge.pipeline.reading.sources import (
    RowsPlan,
    SourcePlan,
    left_out,
    made_rows,
    open_labelled,
    open_split,
    read_rows_plan,
    write_rows_plan,
)
from kd2edge.rows.made.maker import Making
from products import write_jsonl


@pytest.fixture
def plan(tmp_path: Path) -> RowsPlan:
    places = {
        name: str(
            write_jsonl(tmp_path / f"{name}.jsonl", [{"t": text, "y": "a"} for text in texts])
        )
        for name, texts in {
            "train": ["a", "b", "Held Out"],
            "test": ["held  out", "d"],
            "more": ["b", "e", "e", "D", "f"],
        }.items()
    }
    names = {"text": "t"}
    train = SourcePlan("one", "jsonl", places["train"], columns=names, tasks=("y",))
    more = SourcePlan("more", "jsonl", places["more"], columns=names)
    test = SourcePlan("one", "jsonl", places["test"], columns=names, tasks=("y",))
    return RowsPlan({"train": (train, more), "test": (test,)}, ("text",))


def texts(plan: RowsPlan, split: str) -> list[str]:
    return [row["text"] for row in open_split(plan, split)]


def test_unlabelled_rows_add_only_what_is_new(plan: RowsPlan) -> None:
    assert texts(plan, "train") == ["a", "b", "Held Out", "e", "f"]


def test_labelled_rows_of_other_splits_are_dropped_on_demand(plan: RowsPlan) -> None:
    dropping = RowsPlan(plan.splits, plan.columns, drop_leaks=True)
    assert texts(dropping, "train") == ["a", "b", "e", "f"]
    assert texts(dropping, "test") == ["held  out", "d"]


def test_labels_are_looked_for_in_every_split(plan: RowsPlan) -> None:
    assert len(open_labelled(plan)) == 5


def test_a_split_that_no_source_has_is_empty(plan: RowsPlan) -> None:
    assert len(open_split(plan, "validation")) == 0


def test_a_plan_comes_back_as_it_was(plan: RowsPlan, tmp_path: Path) -> None:
    write_rows_plan(tmp_path / "rows.json", plan)
    found = read_rows_plan(tmp_path / "rows.json")
    assert found == plan
    assert open_split(found, "train").fingerprint == open_split(plan, "train").fingerprint


def test_texts_that_nobody_cut_are_cut_and_told_apart_by_their_words(tmp_path: Path) -> None:
    cut = write_jsonl(tmp_path / "cut.jsonl", [{"tokens": ["Go", "!"], "y": "a"}])
    raw = write_jsonl(tmp_path / "raw.jsonl", [{"text": "go!"}, {"text": "Stay, please."}])
    train = SourcePlan("cut", "jsonl", str(cut), tasks=("y",))
    more = SourcePlan("raw", "jsonl", str(raw), words={"tokens": "text"})
    plan = RowsPlan({"train": (train, more)}, ("tokens",))
    rows = open_split(plan, "train")
    # "go!" is what a labelled row says already.
    assert [row["tokens"] for row in rows] == [["Go", "!"], ["Stay", ",", "please", "."]]
    write_rows_plan(tmp_path / "rows.json", plan)
    assert open_split(read_rows_plan(tmp_path / "rows.json"), "train").fingerprint == (
        rows.fingerprint
    )


def remix(copies: int, *, swap: float, digits: float) -> Making:
    options = {"splice": 0.5, "swap": swap, "digits": digits}
    return Making("remix", copies, 1, options, words=("text",))


def test_remixed_texts_are_unlabelled_rows_that_no_other_row_says(tmp_path: Path) -> None:
    texts = [{"text": f"pay {at} euros to {name}"} for at, name in enumerate(("Ann", "Bob", "Cy"))]
    train = write_jsonl(tmp_path / "train.jsonl", [{**row, "y": "a"} for row in texts])
    test = write_jsonl(tmp_path / "test.jsonl", [{"text": "pay 0 euros to Bob", "y": "a"}])
    own = SourcePlan("own", "jsonl", str(train), tasks=("y",))
    held = SourcePlan("own", "jsonl", str(test), tasks=("y",))
    how = remix(30, swap=0.1, digits=0.5)
    remixed = SourcePlan("remixed", "jsonl", str(train), made=how)
    plan = RowsPlan({"train": (own, remixed), "test": (held,)}, ("text",))
    rows = open_split(plan, "train")
    made = [rows[at]["text"] for at in range(3, len(rows))]
    assert len(set(made)) == len(made) > 30
    assert not {"pay 0 euros to Bob", *(row["text"] for row in texts)} & set(made)
    assert all(rows.tasks_of(at) == (("y",) if at < 3 else ()) for at in range(len(rows)))
    assert all(rows.is_made(at) == (at >= 3) for at in range(len(rows)))
    write_rows_plan(tmp_path / "rows.json", plan)
    assert read_rows_plan(tmp_path / "rows.json") == plan
    assert open_split(read_rows_plan(tmp_path / "rows.json"), "train").fingerprint == (
        rows.fingerprint
    )


def test_no_piece_of_a_held_out_row_is_remixed(tmp_path: Path) -> None:
    every = [{"text": f"{name} pays", "y": "a"} for name in ("Ann", "Bob", "Cy", "Secret")]
    file = write_jsonl(tmp_path / "all.jsonl", every)
    test = write_jsonl(tmp_path / "test.jsonl", [{"text": "secret  pays", "y": "a"}])
    how = remix(20, swap=0.5, digits=0.0)
    more = SourcePlan("more", "jsonl", str(file), made=how)
    held = SourcePlan("own", "jsonl", str(test), tasks=("y",))
    rows = open_split(RowsPlan({"train": (more,), "test": (held,)}, ("text",)), "train")
    assert len(rows) > 3
    assert not any("Secret" in row["text"] for row in rows)
    (line,) = left_out(rows)
    assert line.startswith("more: ")
    assert "of 80 rows left out: 20 stand in validation or test" in line
    # Where none is held out the rows are those of before.
    alone = open_split(RowsPlan({"train": (more,)}, ("text",)), "train")
    assert any("Secret" in row["text"] for row in alone)


def test_no_cell_of_a_held_out_row_is_munged(tmp_path: Path) -> None:
    every = [{"age": 20 + 3 * at, "job": job, "y": "a"} for at, job in enumerate("abcdefgh")]
    file = write_jsonl(tmp_path / "all.jsonl", every)
    test = write_jsonl(tmp_path / "test.jsonl", [{"job": "d", "age": 29, "y": "a"}])
    options = {"share": 0.5, "local_variance": 1.0}
    how = Making("munge", 20, 1, options, numeric=("age",), categorical=("job",))
    own = SourcePlan("own", "jsonl", str(file), tasks=("y",))
    more = SourcePlan("more", "jsonl", str(file), made=how)
    held = SourcePlan("own", "jsonl", str(test), tasks=("y",))
    plan = RowsPlan({"train": (own, more), "test": (held,)}, ("age", "job"))
    rows = open_split(plan, "train")
    made = [(rows[at]["age"], rows[at]["job"]) for at in range(len(rows)) if rows.is_made(at)]
    assert len(set(made)) == len(made) > 30
    assert {job for _, job in made} == set("abcefgh")
    assert not {(row["age"], row["job"]) for row in every} & set(made)
    assert made_rows(rows) == [
        f"more: {len(made)} rows were made of others, for the teachers to label"
    ]
    write_rows_plan(tmp_path / "rows.json", plan)
    assert read_rows_plan(tmp_path / "rows.json") == plan
    assert open_split(read_rows_plan(tmp_path / "rows.json"), "train").fingerprint == (
        rows.fingerprint
    )


def test_rows_that_were_remixed_before_there_were_other_makers_are_read(tmp_path: Path) -> None:
    how = remix(3, swap=0.1, digits=0.5)
    plans = tuple(
        SourcePlan(name, "jsonl", "x", made=one) for name, one in (("a", how), ("b", None))
    )
    write_rows_plan(tmp_path / "rows.json", RowsPlan({"train": plans}, ("text",)))
    value = json.loads((tmp_path / "rows.json").read_text())
    assert value["schema"] == 4
    for source in value["splits"]["train"]:
        made = source.pop("made")
        source["remix"] = made and {
            "columns": ["text"], "copies": 3, "seed": 1, "splice": 0.5, "swap": 0.1, "digits": 0.5,
        }  # fmt: skip
    old = json.dumps({**value, "schema": 2})
    (tmp_path / "rows.json").write_text(old)
    assert read_rows_plan(tmp_path / "rows.json").splits["train"] == plans


def test_pictures_of_one_name_in_two_folders_are_no_leak(tmp_path: Path) -> None:
    sources = {}
    for split, content in (("train", b"one"), ("test", b"two"), ("more", b"three")):
        folder = tmp_path / split
        folder.mkdir()
        (folder / "1.png").write_bytes(content)
        (folder / "2.png").write_bytes(b"the same in every folder")
        file = write_jsonl(folder / "rows.jsonl", [{"p": "1.png"}, {"p": "2.png"}])
        tasks = () if split == "more" else ("y",)
        sources[split] = SourcePlan(split, "jsonl", str(file), columns={"image": "p"}, tasks=tasks)
    splits = {"train": (sources["train"], sources["more"]), "test": (sources["test"],)}
    rows = open_split(RowsPlan(splits, ("image",), drop_leaks=True, pictures=("image",)), "train")
    assert [(Path(rows.root_of(at)).name, rows[at]["image"]) for at in range(len(rows))] == [
        ("train", "1.png"),
        ("more", "1.png"),
    ]


def test_a_plan_of_a_run_before_pictures_were_told_apart_is_read(
    plan: RowsPlan, tmp_path: Path
) -> None:
    path = tmp_path / "rows.json"
    write_rows_plan(path, plan)
    value = json.loads(path.read_text(encoding="utf-8"))
    del value["pictures"]
    path.write_text(json.dumps(value), encoding="utf-8")
    assert read_rows_plan(path) == plan


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"splits": {"test": [{"name": 1}]}, "columns": [], "drop_leaks": 0}']
)
def test_a_damaged_plan_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "rows.json").write_text(text, encoding="utf-8")
    with pytest.raises(IntegrityError, match=r"rows\.json: damaged"):
        read_rows_plan(tmp_path / "rows.json")


def test_a_missing_plan_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"rows\.json: cannot be read"):
        read_rows_plan(tmp_path / "rows.json")


def test_a_plan_of_a_newer_kd2edge_is_refused(plan: RowsPlan, tmp_path: Path) -> None:
    from kd2edge.errors import SchemaTooNewError

    path = tmp_path / "rows.json"
    write_rows_plan(path, plan)
    value = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**value, "schema": value["schema"] + 1}), encoding="utf-8")
    with pytest.raises(SchemaTooNewError, match="update kd2edge"):
        read_rows_plan(path)


def test_column_files_of_older_runs_may_have_columns_without_a_name(tmp_path: Path) -> None:
    file = tmp_path / "r.conll"
    file.write_text("EU NNP B-ORG\nit PRP O\n", encoding="utf-8")
    options = {"columns": ["tokens", "pos"]}
    source = SourcePlan("old", "conll", str(file), options, tasks=("pos",))
    path = tmp_path / "rows.json"
    write_rows_plan(path, RowsPlan({"test": (source,)}, ("tokens",)))
    with pytest.raises(DataError, match="expected 2 columns"):
        open_split(read_rows_plan(path), "test")[0]
    path.write_text(path.read_text("utf-8").replace('"schema": 4', '"schema": 1'), "utf-8")
    old = open_split(read_rows_plan(path), "test")
    assert old[0] == {"tokens": ["EU", "it"], "pos": ["NNP", "PRP"]}
    new = SourcePlan("old", "conll", str(file), {"columns": ["tokens", "pos", "_"]}, tasks=("pos",))
    assert (
        old.fingerprint == open_split(RowsPlan({"test": (new,)}, ("tokens",)), "test").fingerprint
    )


def test_tags_in_another_scheme_are_read_as_iob2_after_the_run_too(tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "r.jsonl", [{"tokens": ["Anna", "Bert"], "y": ["I-a", "B-a"]}])
    source = SourcePlan("s", "jsonl", str(file), columns={"ner": "y"}, tasks=("ner",))
    iob1 = replace(source, schemes={"y": "iob1"})
    write_rows_plan(tmp_path / "rows.json", RowsPlan({"test": (iob1,)}, ("tokens",)))
    rows = open_split(read_rows_plan(tmp_path / "rows.json"), "test")
    assert rows[0]["ner"] == ["B-a", "B-a"]
    assert open_split(RowsPlan({"test": (source,)}, ("tokens",)), "test")[0]["ner"][0] == "I-a"
