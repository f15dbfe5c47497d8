"""A file of skops is read; what skops does not trust is named, and nothing of it runs."""

from __future__ import annotations

import io
import json
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from kd2edge.errors import BackendError, IntegrityError, StorageError, UsageError
from kd2edge.files import fingerprint_bytes
from kd2edge.teacher.given import estimator_file, estimator_files
from teacher.given.estimators import as_of_version, saved

X = np.array([[0.0], [1.0], [2.0], [3.0]])
Y = np.array(["no", "no", "yes", "yes"])
TREE = "sklearn.tree._tree.Tree"


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    return saved(LogisticRegression().fit(X, Y), tmp_path / "plain.skops")


def test_an_estimator_is_read_and_its_file_is_known(plain: Path) -> None:
    found = estimator_files({"happy": plain, "sad": plain}, ())
    assert found.estimators["happy"].predict(X).tolist() == Y.tolist()
    assert found.estimators["sad"] is found.estimators["happy"]
    digest = fingerprint_bytes(plain.read_bytes())
    assert found.hashes == {"happy": digest, "sad": digest}
    assert found.files == {"plain.skops": digest}
    assert found.bytes == plain.stat().st_size
    assert found.notes == ()


def test_each_task_may_have_its_own(plain: Path, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    other = saved(LogisticRegression().fit(X, Y[::-1]), tmp_path / "b" / "plain.skops")
    found = estimator_files({"happy": plain, "sad": other}, ())
    assert found.hashes["happy"] != found.hashes["sad"]
    assert found.files.keys() == {"happy/plain.skops", "sad/plain.skops"}
    assert found.bytes == plain.stat().st_size + other.stat().st_size


def test_a_file_that_grows_when_it_is_unpacked_is_refused_before(
    plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimator_file, "_LIMIT", 1 << 20)
    estimator_files({"happy": plain}, ())
    with zipfile.ZipFile(plain, "a", zipfile.ZIP_DEFLATED) as members:
        members.writestr("blanks", b" " * (2 << 20))
    assert plain.stat().st_size < 1 << 16
    with pytest.raises(IntegrityError, match=r"unpacked it has 2,.* at most 1,048,576"):
        estimator_files({"happy": plain}, ())


# --- what is not trusted --------------------------------------------------------------------------

_EVIL = """\
from pathlib import Path

Path(__file__).with_name("imported").touch()


class Evil:
    def __init__(self):
        self.a = 1

    def __setstate__(self, state):
        Path(__file__).with_name("made").touch()


def evil(*given):
    Path(__file__).with_name("called").touch()
"""


@pytest.fixture
def evil(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a module that leaves a trace of all it does, and can be imported."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (tmp_path / "its_evil.py").write_text(_EVIL)
    yield tmp_path
    sys.modules.pop("its_evil", None)


def traces(folder: Path) -> set[str]:
    return {one.name for one in folder.iterdir()} & {"imported", "made", "called"}


def test_an_object_of_a_stranger_is_refused_by_name_and_nothing_of_it_runs(evil: Path) -> None:
    from its_evil import Evil  # pyright: ignore[reportMissingImports]

    estimator = LogisticRegression().fit(X, Y)
    estimator.extra = Evil()
    path = saved(estimator, evil / "evil.skops")
    del sys.modules["its_evil"]
    (evil / "imported").unlink()
    with pytest.raises(UsageError, match=r"evil\.skops: it holds its_evil\.Evil, which skops does"):
        estimator_files({"happy": path}, ())
    with pytest.raises(UsageError, match=r"it holds its_evil\.Evil"):
        estimator_files({"happy": path}, (TREE, "its_evil.evil", "its_evil"))
    assert not traces(evil)
    assert "its_evil" not in sys.modules
    # Whoever trusts it gets it: the traces above are real.
    estimator_files({"happy": path}, ("its_evil.Evil",))
    assert traces(evil) == {"imported", "made"}


def written(path: Path, schema: Mapping[str, Any], protocol: int) -> Path:
    """A file of skops, by hand."""
    with zipfile.ZipFile(path, "w") as archive:
        whole = {**schema, "protocol": protocol, "_skops_version": "0.16.0"}
        archive.writestr("schema.json", json.dumps(whole))
    return path


def node(loader: str, module: str, name: str, **more: Any) -> dict[str, Any]:
    return {"__loader__": loader, "__module__": module, "__class__": name, "__id__": 1, **more}


NOTHING = node("JsonNode", "builtins", "str", content="null", is_json=True)
EMPTY = node("TupleNode", "builtins", "tuple", content=[])
FUNCTION = {"module_path": "its_evil", "function": "evil"}


@pytest.mark.parametrize("protocol", [0, 1, 2])
@pytest.mark.parametrize(
    "schema",
    [
        node("FunctionNode", "its_evil", "evil", content=FUNCTION),
        node("FunctionNode", "its_evil", "evil", content="evil"),
        node("TypeNode", "its_evil", "Evil"),
        node("ObjectNode", "its_evil", "Evil", content=NOTHING),
        node("ObjectNode", "os", "system", content=NOTHING),
        node("ReduceNode", "its_evil", "evil", __reduce__={"args": EMPTY}, content=EMPTY),
        node("TreeNode", "its_evil", "evil", __reduce__={"args": EMPTY}, content=EMPTY),
        node("LossNode", "its_evil", "evil", __reduce__={"args": EMPTY}, content=EMPTY),
        node("OperatorFuncNode", "its_evil", "evil", attrs=EMPTY),
        node("MethodNode", "its_evil", "evil", content={"func": "evil", "obj": NOTHING}),
        node("PartialNode", "functools", "partial", content={"func": FUNCTION}),
        node("NoSuchNode", "its_evil", "evil", content=NOTHING),
        {},
    ],
    ids=lambda one: str(one.get("__loader__", "nothing")),
)
def test_a_file_written_by_hand_runs_nothing(
    evil: Path, schema: dict[str, Any], protocol: int
) -> None:
    path = written(evil / "evil.skops", schema, protocol)
    with pytest.raises((UsageError, IntegrityError), match=r"evil\.skops"):
        estimator_files({"happy": path}, ())
    assert not traces(evil)
    assert "its_evil" not in sys.modules


def test_trees_are_trusted_only_by_name(tmp_path: Path) -> None:
    """Their indices are followed without a look, so that skops itself does not trust them."""
    forest = RandomForestClassifier(3, random_state=0).fit(X, Y)
    path = saved(forest, tmp_path / "forest.skops")
    with pytest.raises(UsageError, match=r"sklearn\.tree\._tree\.Tree.*under `trusted`"):
        estimator_files({"happy": path}, ())
    found = estimator_files({"happy": path}, (TREE,))
    np.testing.assert_array_equal(
        found.estimators["happy"].predict_proba(X), forest.predict_proba(X)
    )


# --- what is no such file -------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x80\x04cos\nsystem\n.", b"{}"])
def test_what_is_no_file_of_skops_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.skops"
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match=r"odd\.skops: expected an estimator that skops"):
        estimator_files({"happy": path}, ())


def test_a_damaged_file_is_told(plain: Path) -> None:
    content = bytearray(plain.read_bytes())
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        first = archive.infolist()[0]
    at = first.header_offset + 30 + len(first.filename) + first.file_size // 2
    content[at] ^= 0xFF
    plain.write_bytes(content)
    with pytest.raises(IntegrityError, match=r"plain\.skops"):
        estimator_files({"happy": plain}, ())


def test_no_file_and_no_skops_are_told(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StorageError, match=r"gone\.skops"):
        estimator_files({"happy": tmp_path / "gone.skops"}, ())
    monkeypatch.setitem(sys.modules, "skops.io", None)
    with pytest.raises(BackendError, match=r"pip install 'kd2edge\[skops\]'"):
        estimator_files({"happy": plain}, ())


# --- notes ----------------------------------------------------------------------------------------


def test_another_version_of_scikit_learn_is_a_note(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    path = saved(LogisticRegression().fit(X, Y), tmp_path / "old.skops")
    as_of_version(path, "1.2.3")
    (note,) = estimator_files({"happy": path}, ()).notes
    assert note.startswith("old.skops was saved by scikit-learn 1.2.3 and is read by ")
    assert not recwarn.list
