"""A target may be made from the torch program instead of the graph: one that only tests know."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import final

import numpy as np
import pytest
import torch

from kd2edge.errors import Kd2edgeError, UsageError
from kd2edge.export.student import program_from_student
from kd2edge.export.targets import TARGETS, Made, Source, Target, Variant

RANGES = {"batch": (1, 16), "text.length": (2, 32)}


@final
class ProgramTarget(Target):
    """The program itself, as ``torch.export`` stores it."""

    name = "program"
    made_from = "program"
    precisions: Mapping[str, tuple[str, ...]] = {"fp32": ("",)}

    def needs(self, precisions: Sequence[str]) -> None:
        del precisions

    def make(self, source: Source, variant: Variant) -> Made:
        content = io.BytesIO()
        torch.export.save(source.program(), content)
        path = f"{self.name}/{variant.id}.pt2"
        return Made({path: content.getvalue()}, path)


@pytest.mark.parametrize("name", ["bert", "cnn"])
def test_a_target_is_made_from_the_program_and_runs(name, case, source):
    one = case(name)
    sample = one.arrays(2, 9)
    given = replace(
        source(name),
        graph=b"",
        program=lambda: program_from_student(
            one.net, one.inputs, one.outputs, sample=sample, ranges=RANGES
        ),
    )
    maker = ProgramTarget()
    (variant,) = maker.variants("fp32")
    made = maker.make(given, variant)
    loaded = torch.export.load(io.BytesIO(made.files[made.entry])).module()
    for batch, length in ((1, 2), (3, 9), (16, 32)):
        arrays = one.arrays(batch, length, seed=batch)
        found = loaded(*(torch.from_numpy(arrays[spec.name]) for spec in one.inputs))
        expected = one.torch(arrays)
        for spec, logits in zip(one.outputs, found, strict=True):
            assert np.abs(logits.numpy(force=True) - expected[spec.name]).max() <= 1e-5


def test_sizes_that_the_net_cannot_take_are_named(case):
    one = case("bert")  # it knows 40 positions
    with pytest.raises(Kd2edgeError, match=r"torch cannot export the net: .*length"):
        program_from_student(
            one.net,
            one.inputs,
            one.outputs,
            sample=one.arrays(2, 9),
            ranges=RANGES | {"text.length": (2, 64)},
        )


def test_without_a_program_there_is_none(source):
    with pytest.raises(UsageError, match="no torch program"):
        source("cnn").program()


def test_the_targets_there_are_take_the_graph_or_the_layers():
    assert {one.made_from for one in TARGETS.values()} == {"graph", "layers"}


def test_a_source_imports_no_torch():
    code = "import sys, kd2edge.export.targets.target; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
