"""An object of Python teaches: it sees rows by column, and its slips are told with their place."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from distill.tiny import MemoryRows
from kd2edge.data import Batch
from kd2edge.errors import DataError, UsageError
from kd2edge.inputs import InputSpec
from kd2edge.tasks.spec import TaskName, TaskSpec
from kd2edge.teacher.given import Cells, PythonTeacher, Said, named_object

TABLE = InputSpec(
    "person", "tabular", ("age", "town"), {"numeric": ["age"], "categorical": ["town"]}
)
TASK = TaskSpec(TaskName("happy"), "classification", ("no", "yes"), "", column="happy")
WORDS = TaskSpec(TaskName("tag"), "token_classification", ("X", "Y"), "", input="words")
SAID = {"happy": Said("logits", ("yes", "no")), "tag": Said("logits", ("X", "Y"))}


class Rows(MemoryRows):
    """Rows of one source, as a split has them."""

    def root_of(self, position: int) -> str:
        return ""


ROWS = Rows(
    [
        {"age": 30, "town": "Rome", "happy": "yes"},
        {"age": None, "town": "", "happy": "no"},
        {"age": "7", "town": 1, "happy": None},
    ]
)


def teacher(make: Callable[[], Any]) -> PythonTeacher:
    cells = Cells({"person": TABLE}, ROWS)
    return PythonTeacher(make, "mine:Mine", cells, [TASK], SAID, "print", batch_size=8)


def asked(make: Callable[[], Any], *at: int, view: int = 0) -> np.ndarray:
    batch = Batch(np.array(at, np.int64), view, {}, {}, {}, {})
    with teacher(make).open((), torch.device("cpu")) as answer:
        return answer(batch).logits["happy"].numpy()


def always(numbers: Any) -> Callable[[], Any]:
    return lambda: lambda rows: numbers


def test_it_sees_its_inputs_columns_and_no_labels() -> None:
    seen: list[Mapping[str, Any]] = []

    def answer(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        seen.extend(rows)
        return {"happy": [[1.0, 2.0]] * len(rows), "more": None}

    assert asked(lambda: answer, 2, 0, 1).tolist() == [[1.0, 2.0]] * 3
    assert [set(row) for row in seen] == [{"age", "town"}] * 3
    assert seen[1] == {"age": 30.0, "town": "Rome"}
    assert seen[2] == {"age": None, "town": None}
    assert seen[0]["age"] == 7.0


def test_its_labels_are_in_its_own_order() -> None:
    assert teacher(always({})).tasks[0].labels == ("yes", "no")


@pytest.mark.parametrize(
    "numbers", [np.ones((2, 2)), torch.ones(2, 2), [[1, 1], [1, 1]], np.ones((2, 2), np.float16)]
)
def test_whatever_numpy_takes_is_taken(numbers: Any) -> None:
    assert asked(always({"happy": numbers}), 0, 1).tolist() == [[1.0, 1.0]] * 2


def broken(rows: Sequence[Mapping[str, Any]]) -> Any:
    raise KeyError(rows[0]["age"])


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: broken, UsageError, r"failed on 2 rows, memory:1 to memory:3: KeyError: 30.0 \("),
        (lambda: 1 / 0, UsageError, "cannot be made: ZeroDivisionError"),
        (always({"sad": 1}), DataError, "expected numbers for happy, found sad"),
        (always([1, 2]), DataError, "expected numbers for happy, found <class 'list'>"),
        (always({"happy": [[1, 2]]}), DataError, r"of 2 rows, found \[1, 2\] \(2 rows, memory:1"),
        (always({"happy": [[1], [2, 3]]}), DataError, "no array of numbers"),
        (always({"happy": np.ones((2, 3))}), DataError, r"expected numbers \[batch, 2\]"),
        (always({"happy": [[1, np.nan], [1, 2]]}), DataError, "not finite"),
        (always({"happy": [["a", "b"]] * 2}), DataError, "expected an array of numbers"),
    ],
)
def test_what_goes_wrong_in_it_is_told_with_the_rows(
    make: Callable[[], Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        asked(make, 0, 2)


def test_views_words_and_features_are_refused() -> None:
    with pytest.raises(UsageError, match="drop augment"):
        asked(always({"happy": [[1, 2]]}), 0, view=1)
    with pytest.raises(UsageError, match="an object answers rows"):
        PythonTeacher(always({}), "mine", Cells({}, ROWS), [WORDS], SAID, "print", batch_size=8)
    cpu = torch.device("cpu")
    with pytest.raises(UsageError, match="no features"), teacher(always({})).open(("a",), cpu):
        pass


# --- by its name ----------------------------------------------------------------------------------

SOURCE = "from its_helper import TWO\n\n\nclass Mine:\n    pass\n\n\nodd = 1\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "its_module.py").write_text(SOURCE)
    (tmp_path / "its_helper.py").write_text("TWO = 2\n")
    yield tmp_path
    for name in ("its_module", "its_helper"):
        sys.modules.pop(name, None)


def test_an_object_is_found_beside_the_recipe_and_known_by_its_source(folder: Path) -> None:
    found = named_object("its_module:Mine", folder)
    assert found.factory.__name__ == "Mine"
    sys.modules.pop("its_module")
    (folder / "its_module.py").write_text(SOURCE + "# changed\n")
    assert named_object("its_module:Mine", folder).identity != found.identity


def test_a_stated_version_is_what_an_object_is_known_by(folder: Path) -> None:
    (folder / "its_module.py").write_text("class Mine:\n    version = '3'\n")
    found = named_object("its_module:Mine", folder)
    sys.modules.pop("its_module")
    (folder / "its_module.py").write_text("class Mine:\n    version = '3'  # changed\n")
    assert (
        named_object("its_module:Mine", folder).identity
        == found.identity
        == [
            "its_module:Mine",
            "3",
        ]
    )


def test_what_cannot_be_found_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"its_module:Yours: expected a class or a function Yours"):
        named_object("its_module:Yours", folder)
    with pytest.raises(UsageError, match="expected a class or a function odd, found 1"):
        named_object("its_module:odd", folder)
    other = tmp_path / "other"
    other.mkdir()
    (other / "its_module.py").write_text(SOURCE)
    with pytest.raises(UsageError, match="another one of that name was imported before"):
        named_object("its_module:Mine", other)
    with pytest.raises(UsageError, match="cannot be imported: ModuleNotFoundError"):
        named_object("no_such_module:Mine", None)
    (folder / "its_helper.py").write_text("oops(\n")
    for name in ("its_module", "its_helper"):
        sys.modules.pop(name, None)
    with pytest.raises(UsageError, match="cannot be imported: SyntaxError"):
        named_object("its_module:Mine", folder)
