"""Golden raw values and ids in the gate, and what it says of where a fault lies."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import onnx
import pytest

import bundles
import probing
import references
from kd2edge.bundle.store import open_bundle
from kd2edge.files.npz import npz_arrays, npz_bytes
from kd2edge.runtime.probes import PROBES, open_probes, probe_bytes
from kd2edge.validate import validate_bundle
from kd2edge.validate.meaning import MEANING

WIDE = {"digit": 0.05, "larger": 0.05}
ANY = {"intent": 1.0, "ner": 1.0}
GOLDEN = "golden/golden.npz"
GRAPHS = ("onnx/fp32.onnx", "onnx/int8-qdq.onnx")


def run(folder, rows, budgets=WIDE):
    return validate_bundle(folder, rows=rows, threads=1, max_drop=budgets)


@pytest.fixture
def text(tmp_path, tools):
    rows = tools.text_rows()
    folder = tools.with_reference(bundles.text_bundle(tmp_path / "text"), rows)
    return probing.with_probes(folder, bundles.text_graph()), rows


def test_a_clean_bundle_passes_and_every_golden_check_is_there(text):
    folder, rows = text
    found = run(folder, rows, ANY)
    assert found.outcome == "pass"
    for result in found.artefacts.values():
        names = {check.name for check in result.graph if check.name.startswith("golden")}
        assert names == {
            "golden outputs", "golden raw values", "golden outputs of raw values", "golden ids",
        }  # fmt: skip
        assert (result.faults, result.cause) == ((), "")


def test_a_bundle_of_before_passes_and_says_what_was_not_looked_at(bundle, rows):
    found = run(bundle, rows)
    assert found.outcome == "pass"
    assert "golden raw values not run: no golden raw values in this bundle" in found.table()


def test_lower_casing_that_is_lost_is_preprocessing_though_no_row_asks_for_it(text):
    folder, rows = text
    content = json.loads(bundles.tokenizer_json())
    content["normalizer"]["lowercase"] = False
    changed = {"tokenizer/text.json": json.dumps(content).encode()}
    folder = references.without(probing.rewritten(folder, changed), MEANING)  # only golden can tell
    found = run(folder, rows, ANY)
    assert found.outcome == "fail"
    result = found.artefacts["onnx-int8-qdq"]
    assert result.cause.startswith("preprocessing: the tokenizer file, the manifest's options")
    assert all(part.verdict == "pass" for part in result.tasks.values())
    assert any("'own words, capitals'" in fault for fault in result.faults)
    assert result.cause in found.table()


def test_a_table_with_two_rows_that_no_row_asks_for_is_named(text):
    folder, rows = text
    model = onnx.load_from_string(bundles.text_graph())
    for tensor in model.graph.initializer:
        if tensor.name == "table":
            table = np.array(onnx.numpy_helper.to_array(tensor))
            table[[13, 14]] = table[[14, 13]]
            tensor.CopyFrom(onnx.numpy_helper.from_array(table, "table"))
    graph = model.SerializeToString(deterministic=True)
    found = run(probing.rewritten(folder, dict.fromkeys(GRAPHS, graph)), rows, ANY)
    assert found.outcome == "fail"
    for result in found.artefacts.values():
        assert all(part.changed == 0 for part in result.tasks.values())
        assert any("rows of the table changed places" in fault for fault in result.faults)


def other_golden(folder):
    arrays = npz_arrays(open_bundle(folder).read(GOLDEN))
    flipped = {name: -one if name.startswith("out.") else one for name, one in arrays.items()}
    return {GOLDEN: npz_bytes(flipped)}


def test_golden_wrong_and_rows_right_is_stale(bundle, rows):
    found = run(probing.rewritten(bundle, other_golden(bundle)), rows)
    result = found.artefacts["onnx-fp32"]
    assert result.verdict == "fail"
    assert result.cause.startswith("golden/golden.npz is stale")
    assert len([fault for fault in result.faults if "golden output" in fault]) == 2  # a head each


def test_raw_values_of_another_student_are_stale(text):
    folder, rows = text
    probed = open_probes(open_bundle(folder).read(PROBES))
    groups = tuple(
        dataclasses.replace(group, outputs={name: -one for name, one in group.outputs.items()})
        for group in probed.groups
    )
    content = probe_bytes(dataclasses.replace(probed, groups=groups))
    found = run(probing.rewritten(folder, {PROBES: content}), rows, ANY)
    assert found.artefacts["onnx-fp32"].cause.startswith("golden/probes.npz is stale")


def test_both_wrong_is_the_graph(bundle, rows, tools):
    graph = tools.scaled(bundles.image_graph(), "digit_weight", -1.0)
    result = run(probing.rewritten(bundle, {GRAPHS[0]: graph}), rows).artefacts["onnx-fp32"]
    assert result.cause.startswith("the graph, its weights, the runtime or this CPU")


def test_golden_right_and_rows_wrong_is_preprocessing_or_reference(bundle, rows, tools):
    arrays = npz_arrays(open_bundle(bundle).read("reference/test.npz"))
    name = next(key for key in arrays if "logits" in key and "digit" in key)
    arrays[name] = arrays[name][..., ::-1]
    content = npz_bytes(arrays)
    result = run(probing.rewritten(bundle, {"reference/test.npz": content}), rows)
    assert result.artefacts["onnx-fp32"].cause.startswith("golden inputs come out right, so graph")


def test_swapped_heads_are_said_to_be(tmp_path, tools):
    tasks = {name: dataclasses.replace(bundles.IMAGE_TASKS[0], name=name) for name in ("a", "b")}
    pixels = bundles.images(4)[:, None]
    one = bundles.run_onnx(bundles.image_graph(), {"pixel_values": pixels})["digit"]
    model = onnx.load_from_string(bundles.image_graph())
    other = onnx.numpy_helper.from_array(
        bundles.weights(144, 3, seed=9, scale=0.2), "larger_weight"
    )
    for tensor in model.graph.initializer:
        if tensor.name == "larger_weight":
            tensor.CopyFrom(other)
    names = {"digit": "b", "larger": "a"}  # the wrong way round
    for node in model.graph.node:
        node.output[:] = [names.get(name, name) for name in node.output]
    for output in model.graph.output:
        output.name = names[output.name]
        output.type.tensor_type.shape.dim[1].dim_value = 3
    graph = model.SerializeToString(deterministic=True)
    right = {"a": one, "b": bundles.run_onnx(graph, {"pixel_values": pixels})["a"]}
    heads = tuple(dataclasses.replace(bundles.IMAGE_HEADS[0], name=name) for name in ("a", "b"))
    files = {"onnx/fp32.onnx": graph}
    made = bundles.artefact("onnx-fp32", "onnx/fp32.onnx", files, bundles.IMAGE_ARRAYS, heads)
    folder = bundles.image_bundle(tmp_path / "bundle", artefacts={"onnx-fp32": (made, files)})
    golden = bundles.golden({"pixel_values": pixels}, right)
    only = {"onnx-fp32": open_bundle(folder).manifest.artefacts["onnx-fp32"]}
    probing.rewritten(
        folder, {GOLDEN: golden}, tasks=tasks, artefacts=only, preferred=("onnx-fp32",)
    )
    found = validate_bundle(folder, rows=None, threads=1, max_drop={"a": 1.0, "b": 1.0})
    result = found.artefacts["onnx-fp32"]
    assert result.cause.startswith("heads are swapped")


def test_a_failed_level_hides_no_other_and_each_is_said_once(bundle, rows, tools, monkeypatch):
    from kd2edge.errors import BackendError
    from kd2edge.runtime import Model

    probing.rewritten(bundle, other_golden(bundle))
    tools.misread(bundle, "digit", labels=("1", "0", "2"))
    monkeypatch.setattr(
        Model, "predict", lambda *_, **__: (_ for _ in ()).throw(BackendError("no"))
    )
    found = run(bundle, rows)
    result = found.artefacts["onnx-fp32"]
    assert any("task digit: labels is" in fault for fault in result.faults)
    assert any("misses its golden output" in fault for fault in result.faults)
    assert any("predict refuses" in fault for fault in result.faults)
    assert len(set(result.faults)) == len(result.faults)
    table = found.table()
    part = table[table.index("- onnx-fp32 fail") :]
    assert all(fault in part for fault in result.faults)
    assert found.to_json()["artefacts"]["onnx-fp32"]["faults"] == list(result.faults)


def test_doubts_stand_in_a_line_each(bundle, rows):
    found = run(bundle, rows, {"digit": 0.001, "larger": 0.001})
    result = found.artefacts["onnx-fp32"]
    assert result.verdict == "undecided"
    assert len(result.faults) == 2
    table = found.table()
    assert all(f"  - {fault}" in table for fault in result.faults)


def test_a_golden_file_that_cannot_be_read_fails_each_artefact(text):
    folder, rows = text
    found = run(probing.rewritten(folder, {PROBES: b"no zip"}), rows, ANY)
    assert {result.verdict for result in found.artefacts.values()} == {"fail"}
    assert "golden/probes.npz cannot be read" in found.artefacts["onnx-fp32"].reason


@pytest.mark.parametrize("lacking", ["all rows", "a head"])
def test_raw_values_stand_in_where_no_golden_row_has_a_head(tmp_path, tools, lacking):
    rows = tools.text_rows()
    folder = bundles.text_bundle(tmp_path / "text")
    probing.with_probes(folder, bundles.text_graph())
    if lacking == "all rows":  # as with `samples: synthetic`
        probing.rewritten(folder, {}, golden="")
    else:
        arrays = npz_arrays(open_bundle(folder).read(GOLDEN))
        probing.rewritten(
            folder, {GOLDEN: npz_bytes({k: v for k, v in arrays.items() if k != "out.ner"})}
        )
    found = run(folder, rows, ANY)
    numbers = found.artefacts["onnx-fp32"].numbers
    assert all(numbers[task] for task in ("intent", "ner"))
    assert max(part.max_abs for task in numbers.values() for part in task) <= 1e-4
    wrong = tools.scaled(bundles.text_graph(), "ner_weight", -1.0)
    bad = run(probing.rewritten(folder, {GRAPHS[0]: wrong}), rows, ANY).artefacts["onnx-fp32"]
    assert bad.verdict == "fail"
    assert any(fault.startswith("ner: logits differ by") for fault in bad.faults)
