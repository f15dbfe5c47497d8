"""Words beside spaCy, trained on the same rows: a shared HashEmbedCNN under its components.

Accuracy: labels of both for every word of the test rows, scored by the same code; gains are paired
over sentences.  spaCy learns from the labelled rows alone; a recipe's student may have had other
texts that its teacher spoke about.

Time: raw words to the answers of all tasks, one thread each, in turns on the same test rows with
their real lengths.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from beside import bundles, environment
from beside.judged import OURS, compared
from beside.process import Side, SideError
from beside.rows import labelled_rows
from beside.turns import in_batches
from recording import record, shown

from kd2edge.bundle import open_bundle
from kd2edge.ragged import Ragged, offsets_of
from kd2edge.tasks.spec import MISSING, Decoded, TaskSpec, Truth

#: Tasks that both answer, by the columns of the rows.
COLUMNS = ("upos", "deprel", "ner")
#: What spaCy's parser learns from beside the labels.
_MORE = ("head",)
SPLITS = ("train", "validation", "test")
SPACY = "spacy"
_LEAST_ROWS = 16  # of a turn: much longer than a question takes on its way

Json = dict[str, Any]


def main() -> None:
    arguments = bundles.arguments(__doc__, (1, 64))
    arguments.add_argument("--steps", type=int, default=0, help="of spaCy; 0: its configuration's")
    given = arguments.parse_args()
    found = [
        measured(path, folder, given.environments, **bundles.common(given), steps=given.steps)
        for path, folder in bundles.stated(given)
    ]
    record("beside_spacy", {"bundles": found}, given.out, ["onnxruntime", "tokenizers"])


def measured(
    path: Path,
    folder: Path,
    environments: Path | None,
    *,
    artefact: str | None = None,
    batches: Sequence[int] = (1, 64),
    rounds: int = 40,
    steps: int = 0,
    most: int | None = None,
) -> Json:
    """A bundle beside spaCy.

    Args:
        path: of the bundle, with tasks of kind ``token_classification`` on one input of words.
        folder: of ``train.jsonl``, ``validation.jsonl``, ``test.jsonl``.
        environments: folder of spaCy's environment; None: it is not run.
        artefact: of the bundle; None: what ``load`` takes.
        batches: sentences a call.
        rounds: turns of each side.
        steps: of spaCy's training at most; 0: as its configuration has it.
        most: rows of a split at most; None: all.
    """
    tasks = labelled(path)
    splits = read_splits(folder, column_of(path), tasks, most)
    found: Json = {
        "bundle": open_bundle(path).manifest.name,
        "path": shown(path),
        "data": folder.name,
        "rows": {name: len(rows["tokens"]) for name, rows in splits.items()},
        "sides": {},
    }
    with tempfile.TemporaryDirectory() as place, ExitStack() as running:
        rows = Path(place, "rows.json")
        rows.write_text(json.dumps({"splits": splits}), encoding="utf-8")
        own = {"rows": str(rows), "bundle": str(path.resolve()), "artefact": artefact}
        ours = Side(sys.executable, "kd2edge_words", tasks=list(tasks), **own)
        sides = {OURS: running.enter_context(ours)}
        try:
            python = environment.python_of(SPACY, environments)
            given = {"rows": str(rows), "folder": str(Path(place, SPACY))}
            sides[SPACY] = running.enter_context(Side(python, "spacy_words", **given))
            took = sides[SPACY].ask("fit", steps=steps).seconds
            print(f"spacy: trained in {took:.0f} s", flush=True)
        except SideError as error:
            sides.pop(SPACY, None)
            found["sides"][SPACY] = {"not_run": str(error)}
            print(f"spacy: not run: {error}")
        for name, side in sides.items():
            found["sides"][name] = {
                "bytes": side.ask("size").value, "versions": side.ask("versions").value
            }  # fmt: skip
        found["sides"][OURS] |= sides[OURS].ask("about").value
        found["tasks"] = judged(tasks, splits["test"], sides, Path(place))
        count = len(splits["test"]["tokens"])
        found["calls"] = [
            in_batches(sides, count, size, rounds, least=_LEAST_ROWS) for size in batches
        ]
    return found


def labelled(path: Path) -> dict[str, TaskSpec]:
    """Tasks of a bundle that spaCy has, too: by the column of their labels."""
    tasks = open_bundle(path).manifest.tasks
    found = {str(name): one for name, one in tasks.items() if _column(name, one) in COLUMNS}
    if not found:
        raise SystemExit(f"{path}: expected tasks on the columns {', '.join(COLUMNS)}")
    return found


def _column(name: str, spec: TaskSpec) -> str:
    return spec.column or name


def column_of(path: Path) -> str:
    """The column of the bundle's only input, a list of words."""
    inputs = list(open_bundle(path).manifest.inputs.values())
    if len(inputs) != 1 or inputs[0].kind != "tokens" or len(inputs[0].columns) != 1:
        raise SystemExit(f"{path}: expected one input of kind tokens with one column")
    return inputs[0].columns[0]


def read_splits(
    folder: Path, column: str, tasks: Mapping[str, TaskSpec], most: int | None
) -> dict[str, dict[str, list[list[Any]]]]:
    """Split -> ``tokens`` and a column of each of spaCy's, of rows that have all of the tasks'."""
    needed = [_column(name, one) for name, one in tasks.items()]
    found: dict[str, dict[str, list[list[Any]]]] = {}
    for split in SPLITS:
        kept = labelled_rows(folder / f"{split}.jsonl", (column, *needed), most)
        columns = [one for one in (*COLUMNS, *_MORE) if all(row.get(one) for row in kept)]
        found[split] = {"tokens": [row[column] for row in kept]}
        found[split] |= {name: [row[name] for row in kept] for name in columns}
    return found


def judged(
    tasks: Mapping[str, TaskSpec],
    rows: Mapping[str, list[list[Any]]],
    sides: Mapping[str, Side],
    work: Path,
) -> Json:
    """Task -> ``plain`` -> metric -> side -> value, and our gain."""
    said: dict[str, dict[str, list[list[str | None]]]] = {}
    for name, side in sides.items():
        path = work / "said.json"
        side.ask("said", split="test", out=str(path))
        said[name] = json.loads(path.read_text(encoding="utf-8"))
    texts = [json.dumps(words) for words in rows["tokens"]]
    inputs = np.unique(texts, return_inverse=True)[1]
    found: Json = {}
    for name, spec in tasks.items():
        column = _column(name, spec)
        truth = Truth(indices(spec, rows[column], MISSING))
        decided = {
            side: Decoded(indices(spec, one[name if side == OURS else column], -1))
            for side, one in said.items()
        }
        plain = replace(spec, decode={})
        found[column] = {"plain": compared(plain, truth, decided, [spec.metric], inputs)}
    return found


def indices(spec: TaskSpec, labels: Sequence[Sequence[str | None]], unknown: int) -> Ragged:
    """Labels as the task counts them; ``unknown`` where it has no such label."""
    known = {label: at for at, label in enumerate(spec.labels)}
    flat = [known.get(one, unknown) if one else unknown for row in labels for one in row]
    lengths = np.array([len(row) for row in labels], np.int64)
    return Ragged(np.array(flat, np.int64), offsets_of(lengths))


if __name__ == "__main__":
    main()
