"""Plants faults in products of pictures, texts, sentences and reviews; lets the gate judge each.

How much a fault costs is measured by own code, apart from the validator.  Every fault that costs at
least twice the budget has to be stopped, and no clean artefact may fail.  The exit code is 1 when
one slips or a clean artefact fails.

Products are trained once, into ``--cache``; what was found is kept there after every step, so that
an interrupted run goes on.  Without ``KD2EDGE_DATA`` texts, sentences and reviews are made.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import recording
from planted.kind import Kind
from planted.products import PRODUCTS, SCALES, product
from planted.table import Found, State, all_kinds, clean_verdicts, planted, summary

NAME = "faults"


def main() -> None:
    arguments = recording.parser(__doc__)
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    cache = Path(os.environ.get("KD2EDGE_FAULTS", home / "kd2edge-faults"))
    arguments.add_argument("--cache", type=Path, default=cache, help="folder of the products")
    arguments.add_argument("--products", nargs="+", default=list(PRODUCTS), choices=PRODUCTS)
    arguments.add_argument("--scale", default="full", choices=SCALES, help="size of the products")
    arguments.add_argument("--only", default="", help="kinds with this in their name, or `quick`")
    arguments.add_argument("--clean", type=int, default=75, help="clean verdicts a product")
    arguments.add_argument("--jobs", type=int, default=1, help="products at a time")
    arguments.add_argument("--no-record", action="store_true", help="write no result")
    given = arguments.parse_args()
    logging.disable(logging.WARNING)
    scale = SCALES[given.scale]
    if given.jobs > 1 and len(given.products) > 1:
        _beforehand(given.products, given.jobs)
    made = [product(name, given.cache, scale, _say) for name in given.products]
    kinds = [one for one in all_kinds() if _chosen(one, given.only)]
    faults: list[Found] = []
    clean: list[Found] = []
    for one in made:
        state = State(given.cache / f"found-{one.folder.name}.json")
        faults += planted(one, state, kinds, _say)
        clean += clean_verdicts(one, state, _say, given.clean)
    found = summary(faults, clean)
    if not given.no_record:
        measured = {
            "summary": found,
            "faults": faults,
            "clean": clean,
            "products": [one.folder.name for one in made],
        }
        # Reasons name files of the products: where these lie is of this machine alone.
        told = json.dumps(measured).replace(str(given.cache.absolute()), "cache")
        recording.record(NAME, json.loads(told), given.out, ("onnxruntime", "openvino", "torch"))
    for one in faults:
        if one["verdict"] in ("slipped", "broken harness"):
            _say(f"{one['verdict']}: {one['group']}: {one['kind']} / {one['product']}: {one['by']}")
    print(
        f"{found['stopped']} of {found['costly']} stopped ({found['kinds']} kinds,"
        f" {found['variants']} variants; {found['controls_passed']} of {found['controls']} clean"
        f" artefacts pass on the same rows), {found['clean']} clean verdicts"
        f" ({found['undecided']} undecided), {found['alarms']} false alarms"
    )
    whole = found["stopped"] == found["costly"] and not found["broken"]
    whole = whole and found["controls_passed"] == found["controls"]
    sys.exit(0 if whole and not found["alarms"] else 1)


def _beforehand(products: Sequence[str], jobs: int) -> None:
    """Each product in a process of its own; what they found is kept, and read afterwards."""
    words = list(sys.argv[1:])
    at = words.index("--products") if "--products" in words else len(words)
    rest = itertools.dropwhile(lambda word: not word.startswith("--"), words[at + 1 :])
    common = [sys.executable, __file__, *words[:at], *rest, "--no-record", "--jobs", "1"]
    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(lambda name: subprocess.run([*common, "--products", name]), products))


#: Kinds that are planted and judged in a second, at least one of each part.
QUICK = (
    "wrong at batch 5 alone", "wrong at the largest batch", "every row past the 40th of a batch",
    "wrong with two threads", "the reference has no rows",
    "no reference; all wrong where golden rows do not look", "labels are shuffled",
    "one label for all rows", "three rows, 40 times each, of a faulty artefact",
    "NaN on a few rows", "the short cut for many rows names the next label",
    "answers stay in the order of length", "calls of a few rows are answered backwards",
    "wrong with two threads at batches 20 to 30", "JPEG files are read as blue, green and red",
    "pass with a drop that is not that of its values",
    "letters are not made small", "accents are not stripped",
    "pass beside bounds above the budget", "evidence of the year 2099 hides a later fail",
    "noise of 0.8 of the weights' spread", "a class is never said any more",
    "an absent table counts as there", "numbers are scaled twice", "one level too high",
)  # fmt: skip


def _chosen(one: Kind, only: str) -> bool:
    return one.name in QUICK if only == "quick" else only in f"{one.group}: {one.name}"


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
