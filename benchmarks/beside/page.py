"""Sections of ``docs/results.md`` about other libraries, each in an environment of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from sections import Row, Tables, content, mark, points, table, wanted, written

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
        " validation rows, for either in the same way: with the best accuracy there, or so that"
        " the stated share of the rows in scope keeps its answers.  Gains are in points, with the"
        " lower bound (one-sided 95 %, paired bootstrap over test rows).  Model2Vec has a"
        " classifier for each task, with a table of its own (as its documents have it) or with one"
        " for all.  `int8`: its tables quantised after training.",
        table(_ACCURACY, [row for one in bundles for row in accuracy_rows(one)])
        + "\n\nRaw text to the answers of all tasks on one core, sentences of real length in turns."
        "  DistilBERT has random weights, in dynamic int8 by ONNX Runtime's default: its time and"
        " size alone are of interest.  Bytes are those of the files that it takes to answer on"
        " either side: weights, tokenizer and configuration.  A `static` student, which NumPy runs,"
        " is to have at least 0.8x of Model2Vec's rows a second and at most 1/3 of its bytes.\n\n"
        + table(
            (*_SPEED, "met"),
            [row for one in bundles for row in speed_rows(one, "rows/s", held=static_held)],
        )
        + derived_said(bundles)
        + sides_said(bundles),
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
        + table(_SPEED, [row for one in bundles for row in speed_rows(one, "words/s")])
        + sides_said(bundles),
        [found],
    )


def distillers(results: Tables) -> str:
    """Training steps beside other distillation libraries."""
    header = (
        "recipe", "beside", "their steps/s", "ours", "ours over theirs (95 %)", "in fp32",
        "losses apart", "met",
    )  # fmt: skip
    found = results.get("beside_distillers")
    measured = content(found)
    recipes = measured.get("recipes", ())
    limits = measured.get("limits", {})
    return written(
        "Training steps beside torchdistill and TextBrewer",
        "The same student, teacher, batches and loss on one core.  They run the teacher in every"
        " step, as their documents have it, in fp32; ours reads its cache, in the recipe's"
        " precision and in fp32: at least 3.5x their steps a second, and losses of the same logits"
        " within 1e-5.  `cached`: TextBrewer's own cache in memory, of which nothing is asked.",
        table(header, [row for one in recipes for row in distiller_rows(one, limits)])
        + sides_said(recipes),
        [found],
    )


def distiller_rows(recipe: Json, limits: Json) -> Iterator[Row]:
    """A line a library."""
    for side, one in recipe["sides"].items():
        if "not_run" in one:
            yield (recipe["name"], side, f"not run: {one['not_run']}", *[""] * 5)
        elif side != OURS:
            ratio, low, high = _faster(recipe["over_ours"][side])
            plain, *_ = _faster(recipe["over_ours_fp32"][side])
            speed, apart = recipe["steps_per_second"], recipe["losses"][side]["apart"]
            met = ratio >= limits["speed"] and apart <= limits["loss"]
            yield (
                recipe["name"], side, f"{speed[side]:.2f}",
                f"{speed[OURS]:.2f} ({recipe['step']['precision']})",
                f"{ratio:.2f}x ({low:.2f} to {high:.2f})", f"{plain:.2f}x", f"{apart:.1e}",
                "" if side.endswith("cached") else mark(met),
            )  # fmt: skip


def balancers(results: Tables) -> str:
    """Balancers beside LibMTL and TorchJD."""
    header = (
        "method",
        "tasks",
        "the faster",
        "our time over it (95 %)",
        "apart from LibMTL",
        "from TorchJD",
        "met",
    )
    found = results.get("beside_libmtl")
    measured = content(found)
    lacks = measured.get("sides", {}).get("libmtl", {}).get("not_run")
    rows = [balancer_row(one, measured["limits"]) for one in measured.get("calls", ())]
    return written(
        "Balancers beside LibMTL and TorchJD",
        "From losses to the gradients of a trunk of 360,000 parameters, on one core: at most 1.1x"
        " of the faster library, gradients within 1e-5 of either (largest difference by largest"
        " number).  Methods with a memory start with the same numbers in it.  PCGrad draws an"
        " order, so beyond two tasks its time alone is compared, as of random weights.",
        table(header, rows)
        + (f"\n\nLibMTL was not run: {lacks}." if lacks else "")
        + ("" if measured else wanted("beside_libmtl.py"))
        + sides_said([measured] if measured else []),
        [found],
    )


def balancer_row(one: Json, limits: Json) -> Row:
    named = one["method"], str(one["count"])
    if "not_run" in one:
        reasons = "; ".join(one["not_run"].values())
        return (*named, f"not run: {reasons}", *[""] * 4)
    differences, (low, high) = one["differences"], one["interval"]
    known = [value for value in differences.values() if value is not None]
    met = one["ratio"] <= limits["call"] and all(one <= limits["difference"] for one in known)
    failed = one.get("failed", {})
    said = {name: "" if value is None else f"{value:.1e}" for name, value in differences.items()}
    said |= dict.fromkeys(failed, "failed")
    return (
        *named,
        one["faster"],
        f"{one['ratio']:.2f}x ({low:.2f} to {high:.2f})",
        *(said.get(name, "") for name in ("libmtl", "torchjd")),
        mark(met),
    )


def _faster(one: Json) -> tuple[float, float, float]:
    return one["ratio"], *one["interval"]


def sides_said(found: Iterable[Json]) -> str:
    """Versions in each environment, and what had to be done so that a library runs."""
    lines: dict[str, None] = {}
    for one in found:
        for side, own in one["sides"].items():
            if "versions" in own and side != OURS:
                versions = ", ".join(f"{name} {at}" for name, at in own["versions"].items())
                note = f"; {own['note']}" if own.get("note") else ""
                lines[f"- {side}: {versions}{note}."] = None
    return "\n\n" + "\n".join(lines) if lines else ""


_ACCURACY = (
    "bundle", "beside", "task", "decided", "metric", "theirs", "ours", "gain (at least)", "ahead",
)  # fmt: skip
_SPEED = (
    "bundle", "beside", "batch", "theirs", "ours", "ours over theirs (95 %)", "their bytes",
    "our bytes",
)  # fmt: skip


def accuracy_rows(bundle: Json) -> Iterator[Row]:
    """A line a side, task, way of deciding and metric; sides that did not run say why."""
    yield from _not_run(bundle, len(_ACCURACY))
    for task, ways in bundle["tasks"].items():
        for way in (one for one in ways if one != "thresholds"):
            for metric, one in ways[way].items():
                for side, own in one.items():
                    if side != OURS:
                        gain = own["gain"]
                        yield (
                            bundle["bundle"], side, task, way, metric, f"{own['value']:.4f}",
                            f"{one[OURS]['value']:.4f}",
                            f"{points(gain['value'])} ({points(gain['low'])})",
                            mark(gain["low"] > 0),
                        )  # fmt: skip


def speed_rows(
    bundle: Json, unit: str, held: Callable[[Json, str, Json], str] | None = None
) -> Iterator[Row]:
    """A line a side and batch size.

    Args:
        bundle: what was found.
        unit: of what is counted.
        held: says, of a side and its times, whether what is asked for is met; None: nothing is.
    """
    yield from _not_run(bundle, len(_SPEED) + (held is not None))
    for call in bundle["calls"]:
        for side, one in call["over_ours"].items():
            low, high = one["interval"]
            sizes = (f"{bundle['sides'][name]['bytes']:,}" for name in (side, OURS))
            speeds = (f"{call['per_second'][name]:,.0f} {unit}" for name in (side, OURS))
            yield (
                bundle["bundle"], side, str(call["batch"]), *speeds,
                f"{one['ratio']:.2f}x ({low:.2f} to {high:.2f})", *sizes,
                *([held(bundle, side, one)] if held else []),
            )  # fmt: skip


#: Of Model2Vec's rows a second, and how many times as many bytes it has, at least.
_AS_FAST, _SMALLER = 0.8, 3


def static_held(bundle: Json, side: str, over: Json) -> str:
    """Whether a student that NumPy runs is as fast and small as is asked; "" of any other."""
    sides = bundle["sides"]
    if not side.startswith("model2vec") or not sides[OURS].get("artefact", "").startswith("numpy"):
        return ""
    is_small = sides[OURS]["bytes"] * _SMALLER <= sides[side]["bytes"]
    return mark(over["ratio"] >= _AS_FAST and is_small)


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
