"""Sections of ``docs/results.md`` about time: validation, peers, and rows of many lengths."""

from __future__ import annotations

from statistics import median

from sections import Row, Tables, content, mark, table, written


def validation(results: Tables) -> str:
    """How long the gate takes, against what it took before it looked at all of this."""
    header = ("bundle", "rows", "artefacts", "commit", "took", "now", "ratio", "met")
    found = [results[name] for name in sorted(results) if name.startswith("validation-")]
    rows: list[Row] = []
    for result in found:
        measured = content(result)
        for one in measured["bundles"]:
            before, now = (median(one["cpu_seconds"][tree]) for tree in ("base", "here"))
            rows.append(
                (
                    one["bundle"], f"{one['rows']:,}", str(one["judged"]), measured["base"],
                    f"{before:.1f} s", f"{now:.1f} s", f"{one['ratio']:.2f}x",
                    mark(one["ratio"] <= measured["limit"]),
                )
            )  # fmt: skip
    return written(
        "A full validation",
        "At most 2x of the processor's time that 5a20317 took for the same artefacts and rows, when"
        " the gate looked at batches of 1, 2, 7 and 32 and at none of `predict`.  That commit reads"
        " no run of today: what came since is held against 4c2a75f, and the two ratios multiply.",
        table(header, rows),
        found,
    )


def peers(results: Tables) -> str:
    """Dynamic int8 beside the default of ONNX Runtime's quantizer, which is Olive's."""
    header = (
        "bundle", "bytes", "of the default's", "batch", "default call", "ours in the runtime",
        "error of logits: ours / default", "met",
    )  # fmt: skip
    found = results.get("peers")
    rows: list[Row] = []
    for bundle in content(found).get("bundles", ()):
        size = bundle["bytes"]["ours"] / bundle["bytes"]["default"]
        for one in bundle["calls"]:
            ratio, errors = one["runtime_over"]["default"], one["rms_of_logits"]
            worst = " / ".join(f"{max(errors[name]):.3f}" for name in ("ours", "default"))
            rows.append(
                (
                    bundle["bundle"], f"{bundle['bytes']['ours']:,}", f"{size:.3f}x",
                    str(one["batch"]), f"{one['times']['default']['median_us']:.0f} us",
                    f"{ratio:.2f}x", worst, mark(ratio <= 1 and size <= 1),
                )
            )  # fmt: skip
    return written(
        "Dynamic int8 beside the default of Olive",
        "The same graph through `quant_pre_process` and `quantize_dynamic` as they come: neither"
        " larger nor slower than that.  The error is the distance from the float graph's logits,"
        " as a share of their size.",
        table(header, rows),
        [found],
    )


def lengths(results: Tables) -> str:
    """What putting rows of like length together gains inside one call."""
    header = (
        "bundle", "artefact", "rows", "a call", "in one pass", "parted", "gain", "all in one call",
        "gain",
    )  # fmt: skip
    found = results.get("lengths")
    rows: list[Row] = []
    for bundle in content(found).get("bundles", ()):
        for artefact, one in bundle["artefacts"].items():
            unit = (
                "words_per_second" if any(one["words_per_second"].values()) else "rows_per_second"
            )
            speed, said = one[unit], unit.partition("_")[0]
            rows.append(
                (
                    bundle["bundle"], artefact, f"{bundle['rows']:,}", str(bundle["batch"]),
                    f"{speed['one_pass']:,.0f} {said}/s",
                    *(
                        text
                        for way in ("parted", "sorted")
                        for text in (f"{speed[way]:,.0f} {said}/s", f"{one['gain'][way]:.2f}x")
                    ),
                )
            )  # fmt: skip
    return written(
        "Many rows in one call of `predict`",
        "A call whose `batch_size` nobody states is parted by length where that saves a quarter of"
        " the positions; with one, rows of one call are sorted by length.  So a batch is padded to"
        " rows of its kind; the answers stand in the order of the rows.",
        table(header, rows),
        [found],
    )
