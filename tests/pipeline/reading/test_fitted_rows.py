"""What inputs learn from the training rows is learned from rows that somebody wrote."""

from __future__ import annotations

from pathlib import Path

from kd2edge.pipeline.reading.learned import fitted_files
from kd2edge.pipeline.reading.sources import RowsPlan, SourcePlan, open_split
from kd2edge.recipe.schema.inputs import TabularInput
from kd2edge.rows.made.maker import Making
from products import write_jsonl


def test_categories_are_counted_once_however_often_their_row_is_remixed(tmp_path: Path) -> None:
    items = ["coat"] * 3 + ["scarf"]
    file = write_jsonl(
        tmp_path / "train.jsonl",
        [{"text": f"a warm {item} {at}", "item": item} for at, item in enumerate(items)],
    )
    options = {"splice": 0.5, "swap": 0.5, "digits": 0.5}
    how = Making("remix", 9, 1, options, words=("text",))
    own = SourcePlan("own", "jsonl", str(file), tasks=("y",))
    remixed = SourcePlan("remixed", "jsonl", str(file), made=how)
    table = TabularInput(kind="tabular", categorical=("item",), rare=3)
    alone, both = (
        fitted_files("table", table, open_split(RowsPlan({"train": plans}, ("text",)), "train"))
        for plans in ((own,), (own, remixed))
    )
    assert alone == both
    (fitted,) = alone.values()
    assert b"coat" in fitted
    assert b"scarf" not in fitted
