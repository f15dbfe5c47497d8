"""Whether this checkout makes what another commit makes: a move must change no number.

The gallery's recipes are trained for an epoch on the first rows of their data, exported, judged and
asked, by both trees in turn.  Weights, graphs and tokenizers are compared by their bytes, metrics,
verdicts and answers by their values.  The exit code is 1 where anything differs that ``--differs``
does not name.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from recording import ROOT, checkout

_QUICK = "recipes/quickstart.yaml"
RECIPES = (_QUICK, "recipes/customer_service/clinc150.yaml", "recipes/token/uner_ewt.yaml")
_SETTINGS = (
    "train.epochs=1",
    "train.threads=1",
    "train.device=cpu",
    "train.precision=fp32",
    "teachers.0.train.epochs=1",
)
#: The quick start makes its rows.
_QUICK_ROWS = "data.sources.0.options={{train: {0}, validation: {0}, test: {0}}}"
_QUICK_MORE = "data.unlabelled.0.options.unlabelled={0}"

Prints = dict[str, str]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("recipes", nargs="*", default=list(RECIPES))
    arguments.add_argument("--base", default="HEAD", help="the commit to compare with")
    arguments.add_argument("--rows", type=int, default=300, help="of each file")
    arguments.add_argument(
        "--differs", action="append", default=[], metavar="GLOB", help="names that may differ"
    )
    given = arguments.parse_args()
    changed: list[str] = []
    with TemporaryDirectory() as folder, checkout(given.base, Path(folder) / "base") as base:
        place = Path(folder)
        cut(place / "data", given.rows)
        for recipe in given.recipes:
            before, after = (
                made(tree, recipe, place / name / Path(recipe).stem, place / "data", given.rows)
                for name, tree in (("before", base), ("after", ROOT))
            )
            found = sorted(
                name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
            )
            print(f"{recipe}: {len(after)} things, {len(found)} differ", flush=True)
            for name in found:
                print(f"  {name}: {before.get(name, 'not there')} -> {after.get(name, 'gone')}")
            changed += [f"{Path(recipe).stem}/{name}" for name in found]
    others = [one for one in changed if not any(fnmatch(one, glob) for glob in given.differs)]
    sys.exit(1 if others else 0)


def cut(folder: Path, rows: int) -> None:
    """The first rows of every file of rows."""
    data = os.environ.get("KD2EDGE_DATA")
    for path in Path(data).glob("*/*.jsonl") if data else ():
        target = folder / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        with path.open(encoding="utf-8") as lines, target.open("w", encoding="utf-8") as kept:
            kept.writelines(line for line, _ in zip(lines, range(rows), strict=False))


def made(tree: Path, recipe: str, folder: Path, data: Path, rows: int) -> Prints:
    """Everything that a tree makes of a recipe, by name."""
    folder.mkdir(parents=True)
    settings = [*_SETTINGS]
    if recipe == _QUICK:
        settings += [_QUICK_ROWS.format(rows), _QUICK_MORE.format(rows)]
    chosen = [word for one in settings for word in ("--set", one)]
    run, bundle = folder / "run", folder / "bundle"
    environment = {**os.environ, "PYTHONPATH": str(tree), "KD2EDGE_DATA": str(data)}

    def verb(*words: str | Path) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "kd2edge", *map(str, words), "--json"],
            cwd=tree, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode not in (0, 3):  # 3: the gate says no, as it may of such students
            sys.exit(f"{tree}: {' '.join(map(str, words[:2]))}: {done.stderr[-2000:]}")
        return json.loads(done.stdout)

    report = verb("distill", recipe, "--run-dir", run, *chosen)["report"]
    verb("export", run, "--out", bundle)
    judged = verb("validate", bundle, "--run", run, "--threads", "1")
    prints = {f"run/{path.relative_to(run)}": digest(path) for path in run.rglob("*.safetensors")}
    for part in ("onnx", "openvino", "tensorrt", "tokenizer", "golden"):
        for path in sorted((bundle / part).rglob("*")):
            prints[f"bundle/{path.relative_to(bundle)}"] = digest(path)
    prints |= {f"report/{name}": text for name, text in values(report["splits"])}
    for name, one in judged["artefacts"].items():
        prints[f"verdict/{name}"] = f"{one['verdict']} {one['reason']}"
    return prints


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()[:12] if path.is_file() else "folder"


def values(part: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Numbers of a JSON value with the way to each."""
    if isinstance(part, Mapping):
        for key, one in part.items():
            yield from values(one, f"{name}/{key}")
    elif isinstance(part, list):
        for at, one in enumerate(part):
            yield from values(one, f"{name}/{at}")
    elif isinstance(part, float | int):
        yield name, repr(part)


if __name__ == "__main__":
    main()
