"""Sections of ``docs/results.md`` about other libraries, each in an environment of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sections import Row, Tables, content, mark, points, table, written

from beside.judged import OURS

Json = Mapping[str, Any]


def model2vec(results: Tables) -> str:
    """Sentences beside Model2Vec, and the time of a net of DistilBERT's size."""
    found = results.get("beside_model2vec")
    bundles = content(found).get("bundles", ())
    return written(
        "Sentences beside Model2Vec",
        "Trained on the same rows, from the same sentence transformer; the same code decides and"
        " scores.  `rejecting`: with a threshold below which a row is out of scope, fitted to the"
        " validation rows, for either in the same way.  Gains are in points, with the lower bound"
        " (one-sided 95 %, paired bootstrap over test rows).  Model2Vec has a classifier for each"
        " task, with a table of its own (as its documents have it) or with one for all.",
        table(_ACCURACY, [row for one in bundles for row in accuracy_rows(one)])
        + "\n\nRaw text to the answers of all tasks on one core, sentences of real length in turns."
        "  DistilBERT has random weights, in dynamic int8 by ONNX Runtime's default: its time and"
        " size alone are of interest.\n\n"
        + table(_SPEED, [row for one in bundles for row in speed_rows(one, "rows/s")])
        + derived_said(bundles),
        [found],
    )


def spacy(results: Tables) -> str:
    """Words beside spaCy."""
    found = results.get("beside_spacy")
    bundles = content(found).get("bundles", ())
    return written(
        "Words beside spaCy",
        "A shared HashEmbedCNN under morphologizer, parser and entity recognizer, trained on the"
        " same labelled rows by `spacy train`; the same code scores.  Gains are in points, with the"
        " lower bound (one-sided 95 %, paired bootstrap over test sentences).",
        table(_ACCURACY, [row for one in bundles for row in accuracy_rows(one)])
        + "\n\nRaw words to the answers of all tasks on one core, sentences of real length in"
        " turns.\n\n"
        + table(_SPEED, [row for one in bundles for row in speed_rows(one, "words/s")]),
        [found],
    )


_ACCURACY = (
    "bundle", "beside", "task", "decided", "metric", "it", "ours", "gain (at least)", "ahead",
)  # fmt: skip
_SPEED = ("bundle", "beside", "batch", "it", "ours", "as fast (95 %)", "its bytes", "our bytes")


def accuracy_rows(bundle: Json) -> Iterator[Row]:
    """A line a side, task, way of deciding and metric; sides that did not run say why."""
    yield from _not_run(bundle, len(_ACCURACY))
    for task, ways in bundle["tasks"].items():
        for way in ("plain", "rejecting"):
            for metric, one in ways.get(way, {}).items():
                for side, own in one.items():
                    if side != OURS:
                        gain = own["gain"]
                        yield (
                            bundle["bundle"], side, task, way, metric, f"{own['value']:.4f}",
                            f"{one[OURS]['value']:.4f}",
                            f"{points(gain['value'])} ({points(gain['low'])})",
                            mark(gain["low"] > 0),
                        )  # fmt: skip


def speed_rows(bundle: Json, unit: str) -> Iterator[Row]:
    """A line a side and batch size."""
    yield from _not_run(bundle, len(_SPEED))
    for call in bundle["calls"]:
        for side, one in call["over_ours"].items():
            low, high = one["interval"]
            sizes = (f"{bundle['sides'][name]['bytes']:,}" for name in (side, OURS))
            speeds = (f"{call['per_second'][name]:,.0f} {unit}" for name in (side, OURS))
            yield (
                bundle["bundle"], side, str(call["batch"]), *speeds,
                f"{one['ratio']:.2f}x ({low:.2f} to {high:.2f})", *sizes,
            )  # fmt: skip


def derived_said(bundles: Any) -> str:
    """What a classifier of one task alone says of another that follows from it."""
    lines = [
        f"- {one['bundle']}: {what}, where the first is read off the second: "
        + ", ".join(f"{side} {value:.4f}" for side, value in values.items())
        for one in bundles
        for what, values in one.get("derived", {}).items()
    ]
    if not lines:
        return ""
    return "\n\n".join(["", "Accuracy of a task that follows from another:", "\n".join(lines)])


def _not_run(bundle: Json, width: int) -> Iterator[Row]:
    for side, one in bundle["sides"].items():
        if "not_run" in one:
            yield (bundle["bundle"], side, f"not run: {one['not_run']}", *[""] * (width - 3))
