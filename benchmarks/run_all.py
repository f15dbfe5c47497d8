"""Every benchmark but the hours-long one, then ``docs/results.md``.  For an idle machine.

``accuracy.py`` (``make recipes``) comes first where its numbers are wanted: it makes the runs and
bundles that ``parity.py`` and ``overhead.py`` measure.  Other libraries are installed into the
folder that ``KD2EDGE_PEERS`` names, each into an environment of its own.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
#: Names of runs and bundles of the gallery's recipes, as ``accuracy.py`` makes them.
NAMES = (
    "quickstart", "clinc150", "clinc150_static", "nlupp", "womens_clothing", "census", "uner_ewt",
    "uner_ewt_conv",
)  # fmt: skip
#: Benchmarks beside other libraries -> bundles with the rows that both sides learn from.
BESIDE = {
    "beside_model2vec.py": [("clinc150", "nlu_clinc150"), ("clinc150_static", "nlu_clinc150")],
    "beside_spacy.py": [("uner_ewt_conv", "tok_uner_ewt")],
}
_QUICK = "recipes/quickstart.yaml"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=Path, default=Path("runs"))
    arguments.add_argument("--models", type=Path, default=Path("models"))
    given = arguments.parse_args()
    failed = [words[0] for words in plan(given.runs, given.models) if not ran(words)]
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def plan(runs: Path, models: Path) -> Iterator[list[str]]:
    """Script and arguments of each benchmark that can run here."""
    yield ["imports.py"]
    yield ["attention.py"]
    yield ["step.py"] if "KD2EDGE_DATA" in os.environ else ["step.py", _QUICK]
    yield ["balance.py"] if "KD2EDGE_DATA" in os.environ else ["balance.py", _QUICK]
    yield ["beside_libmtl.py"]
    if "KD2EDGE_DATA" in os.environ:
        yield ["beside_distillers.py"]
    yield ["memory.py"]
    yield ["task_counts.py"]
    if "KD2EDGE_DATA" in os.environ:
        yield ["encoding.py"]
    made = [name for name in NAMES if (models / name / "manifest.json").is_file()]
    finished = [name for name in made if (runs / name / "report.json").is_file()]
    for name in sorted(set(NAMES) - set(finished)):
        print(f"{name}: no run with a bundle here; make it with benchmarks/accuracy.py")
    if finished:
        yield ["parity.py", *(f"{runs / name}:{models / name}" for name in finished)]
        yield ["lengths.py", *(str(models / name) for name in finished)]
    if made:
        yield ["overhead.py", *(str(models / name) for name in made)]
        yield ["peers.py", *(str(models / name) for name in made)]
    if "KD2EDGE_DATA" in os.environ:
        for script, pairs in BESIDE.items():
            if some := [f"{models / name}:{rows}" for name, rows in pairs if name in made]:
                yield [script, *some]
    yield ["generate.py"]


def ran(words: list[str]) -> bool:
    print(f"\n$ python benchmarks/{' '.join(words)}", flush=True)
    return not subprocess.run([sys.executable, HERE / words[0], *words[1:]], check=False).returncode


if __name__ == "__main__":
    main()
