"""Sources for targets: an exported net, its ranges and rows to calibrate on."""

from __future__ import annotations

import sysconfig
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import pytest

from kd2edge.export.static_layers import layers_from_student
from kd2edge.export.targets import TARGETS, Made, Source
from kd2edge.quantize import QUANTIZERS

#: What a caller says of the calibration rows; targets hand it on as it is.
SAMPLE = {"split": "train", "rows": 12, "seed": 0, "sha256": "0" * 64}


@pytest.fixture(scope="session")
def source(case) -> Callable[[str], Source]:
    @cache
    def make(name: str) -> Source:
        one = case(name)
        batches = [one.arrays(4, length, seed) for seed, length in enumerate((6, 17, 32))]
        ranges = {"batch": (1, 16), "text.length": (1, 32)}
        graph, calibration = one.onnx, lambda: batches
        return Source(
            graph, one.inputs, one.outputs, ranges, calibration, QUANTIZERS, sample=lambda: SAMPLE,
            layers=lambda: layers_from_student(one.net),
        )  # fmt: skip

    return make


@pytest.fixture(scope="session")
def made(source) -> Callable[[str, str], Made]:
    """The artefact ``id`` of a net, made once."""

    @cache
    def make(name: str, identity: str) -> Made:
        target = TARGETS[identity.split("-")[0]]
        variants = {one.id: one for p in target.precisions for one in target.variants(p)}
        return target.make(source(name), variants[identity])

    return make


@pytest.fixture(scope="session")
def assert_anonymous() -> Callable[[Mapping[str, bytes]], None]:
    """No file may name a place of this machine."""
    places = {str(Path.cwd()), str(Path.home()), sysconfig.get_paths()["purelib"], "site-packages"}

    def check(files: Mapping[str, bytes]) -> None:
        found = [
            (path, place) for path in files for place in places if place.encode() in files[path]
        ]
        assert not found

    return check
