"""What may be handed to ``predict``: every form that can be meant gives the answers of a list."""

from __future__ import annotations

from collections import UserDict, deque
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from PIL import Image

import bundles
from kd2edge.errors import InputError, StorageError, UsageError
from kd2edge.runtime import Model, load
from kd2edge.runtime.handed import rows_by_input

TEXTS = ["book a flight", "", "play music now", "to paris"]


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Model:
    place = bundles.text_bundle(tmp_path_factory.mktemp("handed") / "text")
    return load(place, artefact="onnx-fp32", threads=1)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Model:
    place = bundles.image_bundle(tmp_path_factory.mktemp("handed") / "image")
    return load(place, artefact="onnx-fp32", threads=1)


class Series:
    """A column as polars has it: no pandas, no array."""

    def __init__(self, values: list[Any]) -> None:
        self._values = values

    def __len__(self) -> int:
        return len(self._values)

    def to_list(self) -> list[Any]:
        return list(self._values)


class Frame:
    """A data frame as polars has it; ``keys`` and ``==`` would mislead."""

    columns = ("n", "text")

    def __len__(self) -> int:
        return len(TEXTS)

    def __getitem__(self, name: str) -> Series:
        return Series({"text": TEXTS, "n": [1, 2, 3, 4]}[name])


class Lazy(Frame):
    """A frame that was not computed yet."""

    __len__ = None  # pyright: ignore[reportAssignmentType]

    def collect(self) -> Frame:
        return Frame()


FRAME = {"n": [1, 2, 3, 4], "text": TEXTS}
FORMS: dict[str, Any] = {
    "data frame": pd.DataFrame({"n": [1, 2, 3, 4], "text": TEXTS}, index=[4, 3, 2, 1]),
    "strings of pandas": pd.DataFrame({"text": pd.Series(TEXTS, dtype="string")}),
    "categories": pd.DataFrame({"text": pd.Series(TEXTS, dtype="category")}),
    "one of another library": Frame(),
    "table of Arrow": pa.table({"text": TEXTS, "n": [1, 2, 3, 4]}),
    "a series in a mapping": {"text": pd.Series(TEXTS, index=[9, 8, 7, 6])},
    "an index": {"text": pd.Index(TEXTS)},
    "a column in a mapping": {"text": Series(TEXTS)},
    "an array of Arrow": {"text": pa.array(TEXTS)},
    "an array of objects": {"text": np.array(TEXTS, dtype=object)},
    "an array of strings": {"text": np.array(TEXTS)},
    "a tuple": {"text": tuple(TEXTS)},
    "another mapping": UserDict({"text": TEXTS}),
    "rows": [{"text": one, "n": 1} for one in TEXTS],
    "records of NumPy": np.array([(one, 1) for one in TEXTS], dtype=[("text", "U30"), ("n", "i4")]),
    "rows as a data frame gives them": [row for _, row in pd.DataFrame(FRAME).iterrows()],
    "named tuples": list(pd.DataFrame(FRAME).itertuples()),
    "the rows of the only input": TEXTS,
    "its series": pd.Series(TEXTS),
    "its array": np.array(TEXTS),
    "a sequence": {"text": deque(TEXTS)},
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_answered_as_a_list_is(text: Model, form: str) -> None:
    right = text.predict({"text": TEXTS})
    handed = FORMS[form]
    assert text.predict(handed) == right
    assert text.predict(handed, batch_size=2)["intent"] == right["intent"]
    logits = text.logits(handed)
    assert np.array_equal(logits["intent"], text.logits({"text": TEXTS})["intent"])
    assert np.array_equal(
        text.encode(handed)["text"].arrays["input_ids"],
        text.encode({"text": TEXTS})["text"].arrays["input_ids"],
    )


def test_a_plain_value_is_one_row(text: Model, image: Model, tmp_path: Path) -> None:
    (right,) = text.predict({"text": [TEXTS[0]]})["intent"]
    for handed in (
        {"text": TEXTS[0]},
        TEXTS[0],
        {"text": np.array(TEXTS[0])},
        [{"text": TEXTS[0]}],
        pd.DataFrame({"tail": TEXTS, "text": TEXTS, "n": 1}).iloc[0],
        next(pd.DataFrame({"tail": TEXTS, "text": TEXTS}).itertuples()),
    ):
        assert text.predict(handed)["intent"] == [right]
    picture = Image.fromarray(bundles.images(1)[0])
    path = tmp_path / "a.png"
    picture.save(path)
    (right,) = image.predict({"image": bundles.images(1)})["digit"]
    content = path.read_bytes()
    shipped = {"bytes": content, "path": "a.png"}  # as data sets ship it
    for handed in (
        picture,
        path,
        str(path),
        content,
        bytearray(content),
        memoryview(content),
        shipped,
    ):
        assert image.predict({"image": handed})["digit"] == [right]
        assert image.predict({"image": [handed]})["digit"] == [right]


def test_a_column_has_the_name_of_the_data_or_of_the_input(tmp_path: Path) -> None:
    from dataclasses import replace

    inputs = {"text": replace(bundles.TEXT_INPUT, columns=("sentence",))}
    with load(bundles.text_bundle(tmp_path / "b", inputs=inputs), artefact="onnx-fp32") as model:
        right = model.predict({"text": TEXTS})
        frame = pd.DataFrame({"sentence": TEXTS})
        for handed in (frame, frame.rename(columns={"sentence": "text"}), dict(frame)):
            assert model.predict(handed) == right
        with pytest.raises(InputError, match=r"'sentence' in the DataFrame, found 'sentense'.*did"):
            model.predict(frame.rename(columns={"sentence": "sentense"}))


@pytest.mark.parametrize(
    ("handed", "words"),
    [
        (pd.DataFrame({"n": [1]}), "expected one column 'text' in the DataFrame, found 'n'"),
        (pd.DataFrame([["a", "b"]], columns=["text", "text"]), "expected one column 'text'.*2"),
        (pd.DataFrame({"text": []}), "at least one row"),
        (pa.table({"n": [1]}), "expected one column 'text' in the Table"),
        ({"text": pd.Series(["a", None], dtype=object)}, "row 1: .*, found None; fill it"),
        ({"text": pd.Series(["a", float("nan")])}, "row 1: expected a string, found NaN; fill it"),
        ({"text": pd.Series(["a", pd.NA], dtype="string")}, "row 1: .* found NA; fill it"),
        ({"text": pd.Series(["a", pd.NaT], dtype=object)}, "row 1: .* found NaT; fill it"),
        ({"text": pd.Series([1, 2])}, "row 0: expected a string, found a int"),
        ({"text": [10**5000]}, "row 0: expected a string, found a int that is too long"),
        ({"text": 10**5000}, "found a int"),
        ({"text": (one for one in TEXTS)}, r"found a generator; write list\(...\) around it"),
        ({"text": {"a": 1}.values()}, r"found a dict_values; write list\(...\) around it"),
        ([{"text": "a"}, {"txt": "b"}], "row 1: no 'text', the row has 'txt'.*did you mean"),
        ([{"text": "a"}, "b"], "row 1: expected a mapping"),
        ({"text": {0: "a", 1: "b"}}, r"found a dict; hand over list\(....values\(\)\)"),
        ({"text": b"hello"}, "row 0: expected a string, found a bytes"),
        (Lazy(), r"a table with all its rows, found a Lazy; collect\(\) it first"),
        (pd.DataFrame, "found a type"),
    ],
)
def test_the_rest_is_an_input_error_that_says_how(text: Model, handed: Any, words: str) -> None:
    for call in (text.predict, text.logits, text.encode):
        with pytest.raises(InputError, match=words):
            call(handed)


def test_whatever_a_foreign_column_raises_is_an_input_error(text: Model) -> None:
    class Broken:
        def to_list(self) -> list[str]:
            raise RuntimeError("on another device\x1b[2J")

    with pytest.raises(InputError, match=r"does not give its values \(on another device\\x1b"):
        text.predict({"text": Broken()})


@pytest.mark.parametrize("kind", [str, bytes, Path])
def test_paths_and_numbers_of_other_types(tmp_path: Path, kind: Any) -> None:
    place = bundles.image_bundle(tmp_path / "b")
    path = str(place).encode() if kind is bytes else kind(place)
    for threads in (np.int64(1), np.uint8(1), 1):
        with load(path, artefact="onnx-fp32", threads=threads, evidence=path) as model:
            assert model.artefact == "onnx-fp32"
    for threads in (True, 1.0, "1", 0, -1, 10**5000, np.float32(1)):
        with pytest.raises(UsageError, match="threads must be a whole number from 1"):
            load(path, threads=threads)
    for artefact in (["onnx-fp32"], b"onnx-fp32", 5):
        with pytest.raises(UsageError, match="artefact must be the id of one, found a"):
            load(path, artefact=artefact)  # pyright: ignore[reportArgumentType]
    for path in ("a" * 5000, b"a" * 5000, "b/" * 3000):
        with pytest.raises(StorageError, match="aaa: cannot be read|b: cannot be read"):
            load(path)
        with pytest.raises(StorageError, match="cannot be read"):
            load(place, evidence=path)
    for path in (None, 3, ["a"]):
        with pytest.raises(UsageError, match="expected the path of a folder, found a"):
            load(path)  # pyright: ignore[reportArgumentType]


def test_tasks_are_named_as_text_whatever_names_them(text: Model) -> None:
    (name,) = text.predict(TEXTS, tasks=np.array(["intent"]))
    assert type(name) is str


def test_an_input_of_several_columns_has_a_mapping_of_them_a_row():
    columns = {"text": "text", "table": ("age", "city")}
    wanted = [{"age": 3, "city": "Rome"}, {"age": 4, "city": None}]
    records = [{"text": "a", "age": 3, "city": "Rome"}, {"text": "b", "age": 4, "city": None}]
    assert rows_by_input(records, columns)["table"] == wanted
    by_column = {"text": ["a", "b"], "age": [3, 4], "city": ["Rome", None]}
    assert rows_by_input(by_column, columns)["table"] == wanted
    with pytest.raises(InputError, match="same number of rows, found {'age': 1, 'city': 2}"):
        rows_by_input(by_column | {"age": [3]}, columns)
    assert rows_by_input({"text": ["a", "b"], "table": wanted}, columns)["table"] == wanted
    assert rows_by_input([{"text": "a"}], columns, ("table",))["table"] == [None]
    with pytest.raises(InputError, match="no .*age.*city.*the row has 'text'"):
        rows_by_input([{"text": "a"}], columns)
