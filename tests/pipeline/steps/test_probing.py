"""What a run keeps of its probes: the same bytes for the same student, and nothing refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import bundles
from kd2edge.inputs.kinds import input_kind
from kd2edge.pipeline.reading.model_inputs import ModelInputs
from kd2edge.pipeline.steps.probing import probed
from kd2edge.runtime.probes import Probed, probe_bytes


def inputs_of(spec: Any, files: dict[str, bytes]) -> ModelInputs:
    named = {role: files[path] for role, path in spec.files.items()}
    encoder = input_kind(spec.kind).open(spec, named)
    return ModelInputs({spec.name: spec}, {spec.name: encoder}, files)


def texts() -> Probed:
    inputs = inputs_of(bundles.TEXT_INPUT, {"tokenizer/text.json": bundles.tokenizer_json()})
    graph = bundles.text_graph()
    return probed(
        inputs, bundles.TEXT_TASKS, lambda arrays: bundles.run_onnx(graph, arrays), "a" * 64
    )


def test_the_same_student_gives_the_same_bytes():
    assert probe_bytes(texts()) == probe_bytes(texts())


def test_every_task_has_outputs_of_every_odd_value_and_of_every_id():
    found = texts()
    odd = [group for group in found.groups if group.outputs]
    names = {name for group in odd for name in group.names}
    kind = input_kind("text")
    files = {"tokenizer": bundles.tokenizer_json()}
    assert names == set(kind.probes(bundles.TEXT_INPUT, files).values)
    tasks = {str(task.name) for task in bundles.TEXT_TASKS}
    assert all(set(group.outputs) == tasks for group in odd)
    assert set(found.ids["text"].sums) == tasks


def test_pictures_of_other_sizes_are_kept_only_where_they_are_taken():
    graph = bundles.image_graph()
    sizes: dict[bool, set[str]] = {}
    for resize in (False, True):
        options = {**bundles.IMAGE_INPUT.options, "resize": resize}
        spec = dataclasses.replace(bundles.IMAGE_INPUT, options=options)
        run = lambda arrays: bundles.run_onnx(graph, arrays)  # noqa: E731
        found = probed(inputs_of(spec, {}), bundles.IMAGE_TASKS, run, "")
        sizes[resize] = {name for group in found.groups for name in group.names}
        assert not found.ids
    assert {"wide, PNG", "one pixel, array"} <= sizes[True] - sizes[False]
