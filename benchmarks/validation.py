"""A validation as this checkout makes it against another commit's: how much longer does it take?

Both judge the same bundle on the same rows, in processes of their own and by turns.  Seconds are
the processor's, user and system: others on the machine do not count in them, waiting threads do.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from recording import ROOT, checkout, parser, record, shown

LIMIT = 2.0
_VALIDATE = """
import sys
from pathlib import Path
import kd2edge
from kd2edge.pipeline.verbs.validation import validate
bundle, run, out, threads, *artefacts = sys.argv[1:]
found = validate(
    Path(bundle), run=Path(run), out=Path(out), threads=int(threads) or None, artefacts=artefacts
)
print(found.rows, len(found.artefacts), Path(kd2edge.__file__).parent.parent)
"""


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("runs", nargs="+", metavar="RUN:BUNDLE", help="a run and its bundle")
    arguments.add_argument("--base", default="4c2a75f", help="a commit that reads these runs")
    arguments.add_argument("--artefact", action="append", default=[], help="only these")
    arguments.add_argument("--threads", type=int, default=0, help="0: what each takes by default")
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    pairs = [tuple(map(Path, pair.split(":"))) for pair in given.runs]
    with TemporaryDirectory() as folder, checkout(given.base, Path(folder) / "base") as base:
        found = [
            compared(run, bundle, base, given.artefact, given.threads, given.rounds)
            for run, bundle in pairs
        ]
    content = {"base": given.base, "limit": LIMIT, "bundles": found}
    names = "-".join(bundle.name for _, bundle in pairs)
    record(f"validation-{names}-{given.base}", content, given.out, ["onnxruntime", "openvino"])


def compared(
    run: Path, bundle: Path, base: Path, artefacts: list[str], threads: int, rounds: int
) -> dict[str, Any]:
    """Both trees by turns; the ratio is the median of those within a round."""
    taken: dict[str, list[float]] = {"base": [], "here": []}
    said: dict[str, Any] = {}
    for _ in range(rounds):
        for name, tree in (("base", base), ("here", ROOT)):
            seconds, said = validated(tree, run, bundle, artefacts, threads)
            taken[name].append(seconds)
    ratio = round(float(np.median(np.divide(taken["here"], taken["base"]))), 3)
    print(f"{shown(bundle)}: {ratio}x of {base.name}, at most {LIMIT}x ({said['rows']:,} rows)")
    return {
        "bundle": shown(bundle), "ratio": ratio, "within": ratio <= LIMIT, "threads": threads,
        "artefacts": artefacts, **said,
        "cpu_seconds": {name: [round(one, 2) for one in times] for name, times in taken.items()},
    }  # fmt: skip


def validated(
    tree: Path, run: Path, bundle: Path, artefacts: list[str], threads: int
) -> tuple[float, dict[str, Any]]:
    """Seconds of the processor that one validation took, and what it judged."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with TemporaryDirectory() as out:
        done = subprocess.run(
            [sys.executable, "-c", _VALIDATE, bundle, run, out, str(threads), *artefacts],
            env={**os.environ, "PYTHONPATH": str(tree)},
            cwd=tree,  # Python looks there first
            check=True,
            capture_output=True,
            text=True,
        )
    rows, count, where = done.stdout.split(maxsplit=2)
    if Path(where.strip()).resolve() != tree.resolve():
        raise SystemExit(f"{json.dumps(where)} was run, not {tree}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return seconds, {"rows": int(rows), "judged": int(count)}


if __name__ == "__main__":
    main()
