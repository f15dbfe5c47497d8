"""A graph teaches what the net teaches that it was made from, whatever order and form it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from onnx import ModelProto, helper

from distill.tiny import IMAGES, TOKENS, MemoryRows, World, image_rows, token_rows
from kd2edge.data import Batch, EncodedSplit, Step, Views
from kd2edge.errors import DataError, UsageError
from kd2edge.export.model_io import bytes_from_model, model_from_bytes
from kd2edge.export.student import onnx_from_student
from kd2edge.inputs import InputSpec
from kd2edge.recipe.schema import Export
from kd2edge.rows.join import JoinedRows
from kd2edge.tasks.spec import TaskName, TaskSpec
from kd2edge.teacher import NetTeacher, Teacher, TeacherCache, cache_outputs
from kd2edge.teacher.given import (
    ArrayFeed,
    Cells,
    ColumnsFeed,
    Feed,
    OnnxTeacher,
    Said,
    ZerosFeed,
    graph_file,
)
from kd2edge.teacher.given.said import Numbers
from random_arrays import random_arrays
from teacher.given.graphs import FLOAT, INT64, classifier, linear, model, saved, value

CPU = torch.device("cpu")
WORLDS = {"images": (IMAGES, image_rows), "tokens": (TOKENS, token_rows)}


def exported(world: World, path: Path) -> Path:
    net = world.net(seed=2, teacher=True)
    sample = random_arrays(net.array_specs(), {"batch": 2, "words.length": 7})
    made = onnx_from_student(
        net, net.array_specs(), net.output_specs(), sample=sample, opset=Export().opset
    )
    path.write_bytes(made)
    return path


@pytest.fixture(scope="module", params=sorted(WORLDS))
def made(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[World, JoinedRows, Path]:
    world, rows = WORLDS[request.param]
    folder = tmp_path_factory.mktemp(request.param)
    return world, rows(), exported(world, folder / "teacher.onnx")


def said_of(world: World, **more: Any) -> dict[str, Said]:
    return {
        str(task.name): Said("logits", task.labels, str(task.name), **more) for task in world.tasks
    }


def over(
    world: World, rows: JoinedRows, path: Path, said: Mapping[str, Said] | None = None,
    feeds: Mapping[str, Feed] | None = None, batch_size: int = 8,
) -> OnnxTeacher:  # fmt: skip
    inputs = {world.spec.name: world.spec}
    return OnnxTeacher(
        graph_file(path), inputs, Cells(inputs, rows), world.tasks, said or said_of(world),
        feeds or {}, batch_size=batch_size, threads=1,
    )  # fmt: skip


def answers(teacher: Teacher, batch: Batch) -> dict[str, np.ndarray]:
    with teacher.open((), CPU) as answer:
        return {name: one.numpy() for name, one in answer(batch).logits.items()}


def cached(teacher: Teacher, split: EncodedSplit, folder: Path, world: World) -> TeacherCache:
    return cache_outputs(teacher, split, folder, tasks=world.tasks, batch_size=8, device="cpu")


def everything(cache: TeacherCache, name: str) -> np.ndarray:
    found = cache.logits(name, np.arange(cache.rows, dtype=np.int64))
    return np.asarray(getattr(found, "values", found), np.float32)


def edited(path: Path, to: Path, nodes: Sequence[Any], outputs: Sequence[Any]) -> Path:
    """The graph with more nodes behind it, and more outputs."""
    found: ModelProto = model_from_bytes(path.read_bytes())
    found.graph.node.extend(nodes)
    found.graph.output.extend(outputs)
    to.write_bytes(bytes_from_model(found))
    return to


def test_a_graph_says_what_its_net_says(
    made: tuple[World, JoinedRows, Path], tmp_path: Path
) -> None:
    world, rows, path = made
    split = world.split(tmp_path / "rows", rows)
    batch = split.batch(np.arange(9, dtype=np.int64))
    ours, theirs = answers(over(world, rows, path), batch), answers(world.net_teacher(), batch)
    assert ours.keys() == theirs.keys()
    for name, logits in theirs.items():
        np.testing.assert_allclose(ours[name], logits, atol=1e-5, err_msg=name)
    both = [
        cached(one, split, tmp_path / "cache", world)
        for one in (over(world, rows, path), world.net_teacher())
    ]
    for task in world.tasks:
        graph, net = (everything(cache, str(task.name)) for cache in both)
        np.testing.assert_allclose(graph, net, rtol=1e-3, atol=1e-5)  # half a step of float16


def test_views_of_pictures_are_asked_about_like_rows(tmp_path: Path) -> None:
    path = exported(IMAGES, tmp_path / "teacher.onnx")
    rows = image_rows()
    split = IMAGES.split(
        tmp_path / "rows", rows, views=Views(2, {"image": [Step("shift", {"pixels": 2})]}, seed=5)
    )
    at = np.arange(5, dtype=np.int64)
    for view in (0, 1):
        batch = split.batch(at, view)
        ours, theirs = (answers(one, batch) for one in (over(IMAGES, rows, path), net(IMAGES)))
        np.testing.assert_allclose(ours["shape"], theirs["shape"], atol=1e-5)


def net(world: World) -> NetTeacher:
    return world.net_teacher()


def test_labels_in_another_order_and_probabilities_teach_the_same(tmp_path: Path) -> None:
    rows = image_rows()
    path = exported(IMAGES, tmp_path / "teacher.onnx")
    other = edited(
        path,
        tmp_path / "other.onnx",
        [
            helper.make_node("Constant", [], ["order"], value_ints=[2, 0, 1]),
            helper.make_node("Gather", ["shape", "order"], ["turned"], axis=1),
            helper.make_node("Softmax", ["turned"], ["chances"], axis=-1),
            helper.make_node("Sigmoid", ["dark"], ["yes"]),
            helper.make_node("Constant", [], ["one"], value_floats=[1.0]),
            helper.make_node("Sub", ["one", "yes"], ["no"]),
            helper.make_node("Concat", ["yes", "no"], ["both"], axis=1),
        ],
        [value("chances", FLOAT, "batch", 3), value("both", FLOAT, "batch", 2)],
    )
    said = {
        "shape": Said("probabilities", ("c", "a", "b"), "chances"),
        "dark": Said("probabilities", ("yes", "no"), "both"),
    }
    split = IMAGES.split(tmp_path / "rows", rows)
    caches = [
        cached(one, split, tmp_path / "cache", IMAGES)
        for one in (over(IMAGES, rows, path), over(IMAGES, rows, other, said))
    ]
    assert caches[0].teacher != caches[1].teacher
    shapes = [torch.from_numpy(everything(cache, "shape")).softmax(-1) for cache in caches]
    np.testing.assert_allclose(shapes[0], shapes[1], atol=1e-3)
    darks = [everything(cache, "dark") for cache in caches]
    np.testing.assert_allclose(darks[0], darks[1], atol=5e-3)


def test_the_cache_is_known_by_everything_that_the_answers_depend_on(tmp_path: Path) -> None:
    rows = image_rows()
    path = saved(linear(np.zeros((2, 3)), np.zeros(3)), tmp_path / "teacher.onnx")
    one = {"shape": Said("logits", ("a", "b", "c"), "scores")}
    world = replace(IMAGES, tasks=IMAGES.tasks[:1])
    base = over(world, rows, path, one)
    turned = {"shape": Said("logits", ("b", "a", "c"), "scores")}
    chances = {"shape": Said("probabilities", ("a", "b", "c"), "scores")}
    fed = {"x": ColumnsFeed(("image",))}
    others = [
        over(world, rows, path, turned),
        over(world, rows, path, chances),
        over(world, rows, path, one, fed),
    ]
    assert len({base.fingerprint, *(other.fingerprint for other in others)}) == 4
    assert over(world, rows, path, one).fingerprint == base.fingerprint
    saved(linear(np.zeros((2, 3)), np.ones(3)), path)
    assert over(world, rows, path, one).fingerprint != base.fingerprint


def test_a_graph_of_one_row_at_a_time_is_asked_so(tmp_path: Path) -> None:
    rows = image_rows()
    found = model_from_bytes(exported(IMAGES, tmp_path / "teacher.onnx").read_bytes())
    for one in (*found.graph.input, *found.graph.output):
        one.type.tensor_type.shape.dim[0].Clear()
        one.type.tensor_type.shape.dim[0].dim_value = 1
    path = tmp_path / "single.onnx"
    path.write_bytes(bytes_from_model(found))
    batch = IMAGES.split(tmp_path / "rows", rows).batch(np.arange(4, dtype=np.int64))
    ours, theirs = answers(over(IMAGES, rows, path), batch), answers(net(IMAGES), batch)
    np.testing.assert_allclose(ours["shape"], theirs["shape"], atol=1e-5)
    for one in (*found.graph.input, *found.graph.output):
        one.type.tensor_type.shape.dim[0].dim_value = 4
    path.write_bytes(bytes_from_model(found))
    with pytest.raises(UsageError, match="takes 4 rows at once"):
        answers(over(IMAGES, rows, path), batch)


# --- a table, as converters of scikit-learn's estimators ask for it -------------------------------

TABLE = InputSpec("person", "tabular", ("age", "pay"), {"numeric": ["age", "pay"]})
TOWN = TaskSpec(TaskName("town"), "classification", ("rome", "bern", "oslo"), "", column="town")
PEOPLE = [{"age": 1.0, "pay": 2.0}, {"age": -3.0, "pay": 0.5}, {"age": 0.0, "pay": 0.0}]


def people(path: Path, output: str = "probabilities", **feeds: Feed) -> OnnxTeacher:
    rows = JoinedRowsOf(PEOPLE)
    said = {"town": Said("probabilities", ("bern", "oslo", "rome"), output)}
    return OnnxTeacher(
        graph_file(path), {"person": TABLE}, Cells({"person": TABLE}, rows), [TOWN], said, feeds,
        batch_size=8, threads=1,
    )  # fmt: skip


class JoinedRowsOf(MemoryRows):
    """Rows of one source, as a split has them."""

    def root_of(self, position: int) -> str:
        return ""


def of_people(view: int = 0) -> Batch:
    return Batch(np.arange(3, dtype=np.int64), view, {}, {}, {}, {})


def expected() -> Numbers:
    """The classifier's softmax, written out."""
    x = np.array([[one["age"], one["pay"]] for one in PEOPLE])
    logits = x @ np.array([[0.5, -1.0, 0.25], [-0.25, 0.5, 1.0]]) + np.array([0.0, 0.5, -0.5])
    powers = np.exp(logits)
    return np.log(powers / powers.sum(1, keepdims=True)).astype(np.float32)


def test_a_converted_estimator_reads_the_tables_numbers(tmp_path: Path) -> None:
    path = saved(classifier(zipmap=False), tmp_path / "trees.onnx")
    columns = ColumnsFeed(("age", "pay"))
    found = answers(people(path, float_input=columns), of_people())["town"]
    np.testing.assert_allclose(found, expected(), atol=1e-5)
    turned = ColumnsFeed(("pay", "age"))
    assert np.abs(answers(people(path, float_input=turned), of_people())["town"] - found).max() > 1


def test_an_input_of_a_columns_name_reads_that_column(tmp_path: Path) -> None:
    nodes = [helper.make_node("Concat", ["age", "pay", "age"], ["scores"], axis=1)]
    inputs = [value("age", FLOAT, "n", 1), value("pay", FLOAT, "n", 1)]
    path = saved(model(nodes, inputs, [value("scores", FLOAT, "n", 3)]), tmp_path / "t.onnx")
    teacher = people(path, "scores")
    rows = np.array([[one["age"], one["pay"], one["age"]] for one in PEOPLE])
    with pytest.raises(DataError, match=r"expected probabilities.*3 rows, memory:1 to memory:3"):
        answers(teacher, of_people())
    teacher._said["town"] = Said("logits", ("bern", "oslo", "rome"), "scores")
    assert answers(teacher, of_people())["town"].tolist() == rows.tolist()


def test_views_cannot_be_read_as_columns(tmp_path: Path) -> None:
    path = saved(classifier(zipmap=False), tmp_path / "trees.onnx")
    with pytest.raises(UsageError, match="drop augment"):
        answers(people(path, float_input=ColumnsFeed(("age", "pay"))), of_people(view=1))


@pytest.mark.parametrize(
    ("output", "zipmap", "match"),
    [
        ("scores", False, "no output 'scores' for the task town .* label, probabilities"),
        ("label", False, "its output 'label' for the task town is object"),
        ("probabilities", True, "options=.'zipmap': False."),
    ],
)
def test_outputs_that_are_no_scores_are_refused(
    tmp_path: Path, output: str, zipmap: bool, match: str
) -> None:
    path = saved(classifier(zipmap=zipmap), tmp_path / "trees.onnx")
    with pytest.raises(UsageError, match=match):
        answers(people(path, output, float_input=ColumnsFeed(("age", "pay"))), of_people())


@pytest.mark.parametrize(
    ("feeds", "match"),
    [
        ({}, "nothing feeds the graph's input 'float_input'.*arrays person_?.*|nothing feeds"),
        ({"other": ColumnsFeed(("age",))}, "no input 'other' in the graph; .* float_input"),
        ({"float_input": ColumnsFeed(("age", "height"))}, "by the column 'height'"),
        ({"float_input": ArrayFeed("input_ids")}, "by the array 'input_ids', which is not there"),
        ({"float_input": ZerosFeed("input_ids")}, "by the array 'input_ids', which is not there"),
        ({"float_input": ColumnsFeed(("age",))}, "float_input axis 1 must be 2, found 1"),
    ],
)
def test_inputs_that_nothing_right_feeds_are_refused(
    tmp_path: Path, feeds: dict[str, Feed], match: str
) -> None:
    path = saved(classifier(zipmap=False), tmp_path / "trees.onnx")
    with pytest.raises(UsageError, match=match):
        answers(people(path, **feeds), of_people())


def test_fewer_positions_than_pieces_are_refused(tmp_path: Path) -> None:
    rows = token_rows()
    world = replace(TOKENS, tasks=TOKENS.tasks[:1])
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["f"], to=FLOAT),
        helper.make_node("Constant", [], ["two"], value_ints=[2]),
        helper.make_node("Unsqueeze", ["f", "two"], ["u"]),
        helper.make_node("Concat", ["u", "u"], ["v"], axis=2),
        helper.make_node("Constant", [], ["begin"], value_ints=[1]),
        helper.make_node("Constant", [], ["end"], value_ints=[99]),
        helper.make_node("Constant", [], ["axis"], value_ints=[1]),
        helper.make_node("Slice", ["v", "begin", "end", "axis"], ["scores"]),
    ]
    inputs = [value("input_ids", INT64, "n", "l")]
    path = saved(model(nodes, inputs, [value("scores", FLOAT, "n", "m", 2)]), tmp_path / "t.onnx")
    said = {"tag": Said("logits", ("X", "Y"), "scores")}
    batch = TOKENS.split(tmp_path / "rows", rows).batch(np.arange(3, dtype=np.int64))
    with pytest.raises(DataError, match="expected numbers of .* items"):
        answers(over(world, rows, path, said), batch)


def test_a_graph_has_no_features(tmp_path: Path) -> None:
    path = saved(classifier(zipmap=False), tmp_path / "trees.onnx")
    with pytest.raises(UsageError, match="no features"), people(path).open(("layer",), CPU):
        pass
