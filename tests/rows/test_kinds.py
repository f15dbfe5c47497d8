from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kd2edge.errors import DataError
from kd2edge.rows import ROW_KINDS, open_rows


def test_unknown_kinds_and_options_get_a_hint(write):
    path = write("r.jsonl", "{}")
    with pytest.raises(DataError, match="did you mean 'jsonl'"):
        open_rows("json", path)
    with pytest.raises(DataError, match="no option 'delim'; did you mean 'delimiter'"):
        open_rows("csv", path, options={"delim": ";"})
    with pytest.raises(DataError, match="no option 'x'; there are: none"):
        open_rows("jsonl", path, options={"x": 1})


def test_a_builtin_takes_a_mapping_and_a_file_kind_a_path():
    with pytest.raises(DataError, match="expected {builder: NAME"):
        open_rows("builtin", "multimnist")
    with pytest.raises(DataError, match="jsonl: expected a file"):
        open_rows("jsonl", {"builder": "multimnist"})
    with pytest.raises(DataError, match="did you mean 'multimnist'"):
        open_rows("builtin", {"builder": "multi_mnist"})


def test_media_paths_start_at_the_folder_of_the_file(write, tmp_path):
    write("r.jsonl", "{}")
    assert open_rows("jsonl", "r.jsonl", root=tmp_path).root == str(tmp_path)


def test_importing_the_package_imports_no_reader():
    code = "import sys, kd2edge.rows; print(*sorted(m for m in sys.modules if '.' not in m))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert set(ROW_KINDS) >= {"jsonl", "csv", "parquet", "conll", "builtin"}
    assert not {"pyarrow", "mlxtend", "torch", "tokenizers", "PIL"} & set(loaded.stdout.split())


@pytest.mark.parametrize("value", [3, b";", "", "\n", '"', "ab", [";"], {"a": 1}, "\ud800", True])
@pytest.mark.parametrize(("kind", "name"), [("csv", "delimiter"), ("conll", "separator")])
def test_options_that_cannot_be_meant_are_refused(kind, name, value, write):
    if kind == "conll" and value in ('"', "ab"):
        return
    with pytest.raises(DataError, match=f"{name}: expected"):
        open_rows(kind, write("r", "a,b\n1,2\n"), options={name: value})


@pytest.mark.parametrize("value", ["ab", 3, [3], [None], {"a": "x"}, {"a": None}, {3: 0}, [["a"]]])
@pytest.mark.parametrize("kind", ["conll", "parquet"])
def test_columns_that_are_no_names_are_refused(kind, value, write, tmp_path):
    path = write("r", "a O\n")
    if kind == "parquet":
        path = tmp_path / "r.parquet"
        pq.write_table(pa.table({"text": ["a"]}), path)
    with pytest.raises(DataError, match="column"):
        open_rows(kind, path, options={"columns": value})


@pytest.mark.parametrize("kind", [one for one in ROW_KINDS if one != "builtin"])
def test_an_option_of_none_is_not_said(kind, write, tmp_path):
    path = write("r", {"jsonl": "{}", "csv": "a,b\n1,2\n", "conll": "a O\n"}.get(kind, ""))
    if kind == "parquet":
        path = tmp_path / "r.parquet"
        pq.write_table(pa.table({"text": ["a"]}), path)
    rows = open_rows(kind, path, options=dict.fromkeys(ROW_KINDS[kind]))
    assert len(rows) == 1
