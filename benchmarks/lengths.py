"""What ``predict`` gains on many rows by putting those of like length together inside a call.

The same rows three times, in turns: in calls of one batch each that run in one pass, as who states
``batch_size`` asks for; in such calls where nobody states it, which are parted by length where that
saves padding; and in one call, sorted.  Rows are the test rows of a bundle's run, or those of its
``--data``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recording import parser, record, shown
from timing import interleaved, ratio

from kd2edge.bench.samples import values_of
from kd2edge.bundle import open_bundle
from kd2edge.pipeline.verbs.benching import rows_of_run
from kd2edge.pipeline.verbs.validation import rows_from_file
from kd2edge.runtime import Model, load


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("bundles", nargs="+", type=Path)
    arguments.add_argument(
        "--data", type=Path, action="append", help="a file of rows; one for each bundle, in order"
    )
    arguments.add_argument("--batch", type=int, default=64)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--rounds", type=int, default=5)
    given = arguments.parse_args()
    sizes = (given.batch, given.threads, given.rounds)
    files = given.data or [None] * len(given.bundles)
    if len(files) != len(given.bundles):
        arguments.error(f"{len(given.bundles)} bundles, and {len(files)} files of rows")
    pairs = zip(given.bundles, files, strict=True)
    found = [measured(path, data, *sizes) for path, data in pairs]
    record("lengths", {"bundles": found}, given.out, ["onnxruntime", "openvino", "tokenizers"])


def measured(
    path: Path, data: Path | None, batch: int, threads: int, rounds: int
) -> dict[str, Any]:
    """Every artefact of a bundle that runs here."""
    bundle = open_bundle(path)
    rows = rows_of_run(bundle) if data is None else rows_from_file(bundle, data)
    if rows is None:
        raise SystemExit(f"{path}: its run is not at hand; give rows with --data FILE")
    raw = values_of(bundle, rows, range(len(rows)))
    found: dict[str, Any] = {
        "bundle": bundle.manifest.name, "path": shown(path), "rows": len(rows), "batch": batch,
        "threads": threads, "artefacts": {},
    }  # fmt: skip
    for name, artefact in bundle.manifest.artefacts.items():
        if artefact.status == "ready":
            with load(path, artefact=name, threads=threads) as model:
                found["artefacts"][name] = one_artefact(model, raw, batch, rounds)
    return found


def one_artefact(
    model: Model, raw: Mapping[str, list[Any]], batch: int, rounds: int
) -> dict[str, Any]:
    """Rows (and words) a second, and how many times the first the others reach."""
    count = len(next(iter(raw.values())))
    parts = [
        {name: values[at : at + batch] for name, values in raw.items()}
        for at in range(0, count, batch)
    ]
    calls = {
        "one_pass": lambda: [model.predict(part, batch_size=batch) for part in parts],
        "parted": lambda: [model.predict(part) for part in parts],
        "sorted": lambda: model.predict(raw, batch_size=batch),
    }
    times = interleaved(calls, rounds=rounds, warm=1)
    words = sum(len(one) for values in raw.values() for one in values if isinstance(one, list))
    gains = {name: ratio(times["one_pass"], times[name]) for name in ("parted", "sorted")}
    per_second = {name: round(count / one.median, 1) for name, one in times.items()}
    print(f"  {model.artefact}: {per_second}, {gains}")
    return {
        "rows_per_second": per_second,
        "words_per_second": {n: round(words / one.median) for n, one in times.items()},
        "times": {name: one.to_json() for name, one in times.items()},
        "gain": gains,
    }


if __name__ == "__main__":
    main()
