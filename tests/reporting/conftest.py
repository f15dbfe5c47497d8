"""Reports that look like those of a real run, made from random decisions with a fixed seed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

Report = dict[str, Any]


def estimate(value: float, width: float = 0.008) -> dict[str, float]:
    return {
        "value": value,
        "low": value - width,
        "high": min(1.0, value + width),
        "confidence": 0.95,
        "rows": 4000,
    }


def confusion(random: np.random.Generator, classes: int, accuracy: float) -> list[list[int]]:
    matrix = random.poisson((1 - accuracy) * 400 / classes / 3, size=(classes, classes))
    matrix[np.arange(classes), np.arange(classes)] = random.poisson(400 * accuracy, size=classes)
    return matrix.tolist()


def per_class(random: np.random.Generator, labels: list[str], level: float) -> list[dict[str, Any]]:
    groups = ("head", "middle", "tail")
    return [
        {
            "label": label,
            "precision": float(np.clip(level + random.normal(0, 0.03), 0, 1)),
            "recall": float(np.clip(level + random.normal(0, 0.03), 0, 1)),
            "f1": float(np.clip(level + random.normal(0, 0.03), 0, 1)),
            "support": int(random.integers(20, 500)),
            "train_support": int(random.integers(20, 5000)),
            "group": groups[index * 3 // len(labels)],
        }
        for index, label in enumerate(labels)
    ]


def reliability(random: np.random.Generator) -> dict[str, Any]:
    edges = np.linspace(0, 1, 11)
    bins = [
        {
            "low": float(low),
            "high": float(high),
            "confidence": float((low + high) / 2) if low > 0.2 else None,
            "accuracy": float(np.clip((low + high) / 2 - random.normal(0.04, 0.03), 0, 1))
            if low > 0.2
            else None,
            "count": int(40 * 2 ** (low * 7)) if low > 0.2 else 0,
        }
        for low, high in zip(edges[:-1], edges[1:], strict=True)
    ]
    return {"bins": bins, "ece": 0.031}


def block(
    random: np.random.Generator, labels: list[str], level: float, metrics: list[str]
) -> dict[str, Any]:
    return {
        "metrics": {name: estimate(level - 0.002 * index) for index, name in enumerate(metrics)},
        "per_class": per_class(random, labels, level),
        "groups": {
            name: {
                "classes": len(labels) // 3,
                "support": 900 - 400 * index,
                "f1": level - 0.02 * index,
                "low": level - 0.02 * index - 0.01 * (index + 1),
                "high": level - 0.02 * index + 0.01,
                "confidence": 0.95,
            }
            for index, name in enumerate(("head", "middle", "tail"))
        },
        "confusion": confusion(random, len(labels), level),
        "reliability": reliability(random),
    }


def curve(
    random: np.random.Generator, tasks: list[str], level: float, epochs: int
) -> list[dict[str, Any]]:
    return [
        {
            "step": 100 * epoch,
            "epoch": epoch,
            "seconds": 3.1 * epoch,
            "train": {
                task: {"kd": 3 * 0.8**epoch + 0.1, "task": 2 * 0.85**epoch + 0.2} for task in tasks
            },
            "validation": {
                task: float(level * (1 - 0.6 * 0.7**epoch) + random.normal(0, 0.004))
                for task in tasks
            },
        }
        for epoch in range(1, epochs + 1)
    ]


def make_report(tasks: dict[str, list[str]], *, name: str = "quickstart") -> Report:
    random = np.random.default_rng(5)
    levels = {"teacher": 0.972, "baseline": 0.921, "student": 0.953}
    metrics = ["accuracy", "macro_f1"]
    blocks = {
        task: {form: block(random, labels, level, metrics) for form, level in levels.items()}
        for task, labels in tasks.items()
    }
    gain = {task: {"value": 0.032, "low": 0.024, "high": 0.041} for task in tasks}
    split = {"rows": 4000, "tasks": blocks, "gain": gain}
    return {
        "schema": 3,
        "name": name,
        "seed": 17,
        "created_by": "kd2edge 0.1.0",
        "tasks": {
            task: {
                "kind": "binary" if len(labels) == 2 else "classification",
                "labels": labels,
                "metric": "accuracy",
                "metrics": metrics,
            }
            for task, labels in tasks.items()
        },
        "models": {
            "teacher": {"parameters": 710_000, "embedding_parameters": 0, "flops": 52_400_000,
                        "bytes": 2_840_000, "train_seconds": 91.5, "steps": 1800},
            "baseline": {"parameters": 65_300, "embedding_parameters": 0, "flops": 4_100_000,
                         "bytes": 261_200, "train_seconds": 44.2, "steps": 2400},
            "student": {"parameters": 65_300, "embedding_parameters": 0, "flops": 4_100_000,
                        "bytes": 261_200, "train_seconds": 46.0, "steps": 2400},
        },
        "splits": {"validation": {**copy.deepcopy(split), "rows": 1500}, "test": split},
        "curves": {
            "teacher": curve(random, list(tasks), 0.97, 8),
            "baseline": curve(random, list(tasks), 0.92, 14),
            "student": curve(random, list(tasks), 0.95, 14),
        },
        "fingerprints": {part: part[0] * 64 for part in ("recipe", "data", "teacher", "code")},
        "machine": {"id": "x86-64-2c", "cpu": "Example CPU", "cores": 2, "features": ["avx2"]},
        "cache": {"bytes": 3_400_000, "rows": 12_000, "reused": False},
    }  # fmt: skip


def make_validation(tasks: list[str], *, split: str = "test") -> Report:
    """A validation as validate writes it, with every verdict."""
    shapes = {
        "onnx-fp32": ("pass", 0.0, 0.0008, 266_000),
        "onnx-int8-qdq": ("pass", 0.001, 0.0039, 81_000),
        "onnx-int8-dynamic": ("undecided", 0.003, 0.0074, 92_000),
        "openvino-int8": ("fail", 0.014, 0.019, 88_000),
    }
    artefacts: dict[str, Any] = {
        name: {
            "status": "ran",
            "verdict": outcome,
            "reason": "",
            "bytes": size,
            "tasks": {
                task: {
                    "metric": "accuracy",
                    "verdict": outcome,
                    "max_drop": 0.005,
                    "rows_needed": 9100 if outcome == "undecided" else None,
                    "metrics": {
                        "accuracy": {
                            "candidate": estimate(0.953 - drop),
                            "reference": estimate(0.953),
                            "drop": {"value": drop, "low": 2 * drop - high, "high": high},
                        }
                    },
                }
                for task in tasks
            },
        }
        for name, (outcome, drop, high, size) in shapes.items()
    }
    artefacts["tensorrt-int8"] = {
        "status": "not_run",
        "verdict": "not_run",
        "reason": "needs a device: run `kd2edge build` there",
        "bytes": 81_900,
        "tasks": {},
    }
    return {
        "schema": 1, "manifest": "m" * 64, "name": "quickstart", "split": split, "rows": 4000,
        "reference": "PyTorch", "confidence": 0.95, "outcome": "fail", "artefacts": artefacts,
    }  # fmt: skip


def make_bench() -> Report:
    """A bench as bench writes it, two batch sizes."""
    times = {
        "onnx-fp32": 0.031,
        "onnx-int8-qdq": 0.022,
        "onnx-int8-dynamic": 0.07,
        "openvino-int8": 0.034,
    }
    sizes = {
        "onnx-fp32": 266_000,
        "onnx-int8-qdq": 81_000,
        "onnx-int8-dynamic": 92_000,
        "openvino-int8": 88_000,
    }
    timings = [
        {
            "artefact": name,
            "batch": batch,
            "threads": 2,
            "p50_ms": time * batch**0.8,
            "p99_ms": 2 * time * batch**0.8,
            "rows_per_second": 1000 * batch**0.2 / time,
            "calls": 900,
            "speed_up": 0.031 / time,
            "best": name == "onnx-int8-qdq",
        }
        for batch in (32, 1)
        for name, time in times.items()
    ]
    return {
        "samples": "golden",
        "artefacts": [
            {"artefact": name, "bytes": size, "load_ms": 11.0, "memory_bytes": 9_000_000}
            for name, size in sizes.items()
        ],
        "timings": timings,
        "not_run": {"tensorrt-int8": "needs a device"},
    }  # fmt: skip


DIGITS = [str(digit) for digit in range(10)]


@pytest.fixture
def report() -> Report:
    return make_report({"left": DIGITS, "right": DIGITS, "larger": ["no", "yes"]})


@pytest.fixture
def joint(report: Report) -> Report:
    """The report of a run whose first task has two teachers."""
    found = copy.deepcopy(report)
    found["joins"] = {"left": {"kind": "skill", "power": 1.5, "lacks": {"net": 0.1, "trees": 0.2}}}
    for split in found["splits"].values():
        split["teachers"] = {
            "left": {
                name: {"metrics": {"accuracy": estimate(value)}}
                for name, value in (("net", 0.96), ("trees", 0.95))
            }
        }
    return found


@pytest.fixture
def validation() -> Report:
    return make_validation(["left", "right", "larger"])


@pytest.fixture
def bench() -> Report:
    return make_bench()


@pytest.fixture
def report_of() -> Callable[..., Report]:
    return make_report
