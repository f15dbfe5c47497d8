"""What tells rows in and out of scope apart: scores of finished runs, on their test rows.

Each run is a finished ``kd2edge distill`` of one recipe with a seed of its own; a task rejects.
A score's threshold is fitted to the validation rows to the task's aim, by the product's own code;
what it finds of the validation rows out of scope tells which score to choose.  The nets that taught
the first run stand beside its student: a student is to be held against a teacher scored alike.
Distances in feature space are worked out here, of nets that were trained to reject otherwise: the
features are what the task's head reads, prototypes (k-means, as the product's) and stored rows
(which it has not) those of the labelled training rows in scope.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from recording import parser, record
from scipy.special import logsumexp, softmax
from sklearn.cluster import KMeans

from kd2edge.data import EncodedSplit
from kd2edge.nets import Net, load_net, net_files
from kd2edge.pipeline.reading.model_inputs import student_inputs, teacher_inputs
from kd2edge.pipeline.reading.prepare import prepare_data
from kd2edge.pipeline.steps.folders import RunFolder
from kd2edge.pipeline.steps.work import Work
from kd2edge.recipe import load_recipe
from kd2edge.tasks.reject import IN_SCOPE_RECALL, reject_label
from kd2edge.tasks.reject_fit import fitted_threshold
from kd2edge.tasks.spec import TaskSpec

_BATCH = 256
#: Prototypes a class.
_PROTOTYPES = (1, 4, 16)
_TEMPERATURES = (1.0, 1.5, 2.0, 4.0, 8.0)

Floats = npt.NDArray[np.float64]


class Seen(NamedTuple):
    """Rows of a split as a net sees them."""

    features: Floats  # [row, width]
    logits: Floats  # [row, label]
    truth: npt.NDArray[np.int64]  # [row]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("runs", nargs="+", type=Path, help="of one recipe, a seed each")
    arguments.add_argument("--cache", type=Path, help="folder of encoded rows (default: the run's)")
    given = arguments.parse_args()
    each = [measured(RunFolder(path), given.cache) for path in given.runs]
    first = RunFolder(given.runs[0])
    teachers = {
        one.name: {
            task: joined([scored])
            for task, scored in measured(first, given.cache, one.name).items()
        }
        for one in load_recipe(first.recipe).recipe.teachers
        if net_files(first.teachers / one.name)[0].exists()
    }
    name = load_recipe(RunFolder(given.runs[0]).recipe).recipe.name
    tasks = {task: joined([one[task] for one in each]) for task in each[0]}
    for task, scores in tasks.items():
        for score, found in scores.items():
            print(f"{task} {score}: {found['accuracy']} {found['out_of_scope_recall']}")
    found = {"recipe": name, "tasks": tasks, "teachers": teachers}
    record(f"scopes-{name}", found, given.out, ["numpy", "torch"])


def joined(seeds: Sequence[Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, list[float]]]:
    """Score -> what it gives -> a value a seed."""
    return {
        score: {key: [round(one[score][key], 6) for one in seeds] for key in first}
        for score, first in seeds[0].items()
    }


def measured(
    run: RunFolder, cache: Path | None, teacher: str = ""
) -> dict[str, dict[str, dict[str, float]]]:
    """Task that rejects -> score -> accuracy and recall of the student's decisions, or a teacher's.

    Args:
        run: a finished one.
        cache: folder of its encoded rows; None: its own.
        teacher: a net that taught; "": the student.
    """
    loaded = load_recipe(run.recipe)
    data = prepare_data(loaded)
    work = Work(loaded, run, data, cache or run.cache, resume=True, on_event=lambda event: None)
    inputs = (
        teacher_inputs(loaded.recipe, teacher, data.learned)
        if teacher
        else student_inputs(loaded.recipe, data.rows["train"], data.learned)
    )
    splits = work.encode(inputs, loaded.recipe.seed)
    net = load_net(run.teachers / teacher if teacher else run.student)
    found: dict[str, dict[str, dict[str, float]]] = {}
    for task in work.tasks:
        label = reject_label(task)
        if label is not None:
            seen = {name: seen_by(net, split, task) for name, split in splits.items()}
            aim = task.decode.get(IN_SCOPE_RECALL)
            found[str(task.name)] = {
                name: decided(score, seen, label, aim)
                for name, score in scores(seen["train"], label).items()
            }
    return found


@torch.inference_mode()
def seen_by(net: Net, split: EncodedSplit, task: TaskSpec) -> Seen:
    """The labelled rows, in the order of the split."""
    net.eval()
    truth = np.asarray(split.truth(task.name).labels)
    rows = np.flatnonzero(truth >= 0)
    features: list[npt.NDArray[Any]] = []
    logits: list[npt.NDArray[Any]] = []
    for begin in range(0, len(rows), _BATCH):
        found = net.features(split.batch(rows[begin : begin + _BATCH]).inputs)
        features.append(found.pooled.float().numpy())
        logits.append(net.answers(found)[str(task.name)].float().numpy())
    return Seen(
        np.concatenate(features).astype(np.float64),
        np.concatenate(logits).astype(np.float64),
        truth[rows],
    )


def decided(
    score: Callable[[Seen], Floats], seen: Mapping[str, Seen], label: int, aim: float | None
) -> dict[str, float]:
    """What comes of a score with a threshold of the validation rows."""
    validation, test = seen["validation"], seen["test"]
    likeliest = test.logits.argmax(axis=1)
    limit = fitted_threshold(
        score(validation), validation.logits.argmax(axis=1), validation.truth, label, aim
    )
    assert limit is not None
    said = np.where(score(test) < limit, label, likeliest)
    outside = test.truth == label
    beyond = validation.truth == label
    kept = np.where(score(validation) < limit, label, validation.logits.argmax(axis=1))
    return {
        "validation_out_of_scope_recall": float(np.mean(kept[beyond] == label)),
        "accuracy": float(np.mean(said == test.truth)),
        "in_scope_recall": float(np.mean(said[~outside] != label)),
        "out_of_scope_recall": float(np.mean(said[outside] == label)),
    }


def scores(train: Seen, label: int) -> dict[str, Callable[[Seen], Floats]]:
    """Score by name; high is in scope."""
    inside = train.truth != label
    middle = train.features[inside].mean(axis=0)
    rows = unit(train.features[inside] - middle)
    truth = train.truth[inside]
    prototypes = {
        f"cosine to the nearest of {count} prototypes a class": near(
            middle, np.concatenate([centres(rows[truth == at], count) for at in np.unique(truth)])
        )
        for count in _PROTOTYPES
    }
    by_temperature = {
        f"probability, temperature {heat:g}": probability(label, heat) for heat in _TEMPERATURES
    }
    return {
        **by_temperature,
        "energy": lambda seen: np.asarray(logsumexp(np.delete(seen.logits, label, 1), axis=1)),
        **prototypes,
        "cosine to the nearest training row": near(middle, rows),
    }


def centres(rows: Floats, count: int) -> Floats:
    """Centres of clusters of unit vectors ``[row, width]``, again of length 1."""
    found = KMeans(min(count, len(rows)), random_state=0).fit(rows)
    return unit(np.asarray(found.cluster_centers_))


def probability(label: int, heat: float) -> Callable[[Seen], Floats]:
    return lambda seen: np.delete(softmax(seen.logits / heat, axis=1), label, 1).max(axis=1)


def near(middle: Floats, others: Floats) -> Callable[[Seen], Floats]:
    """Largest cosine to one of ``others`` ``[row]``, features taken from their middle."""

    def score(seen: Seen) -> Floats:
        parts = np.array_split(unit(seen.features - middle), -(-len(seen.truth) // _BATCH))
        return np.concatenate([(part @ others.T).max(axis=1) for part in parts])

    return score


def unit(vectors: Floats) -> Floats:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


if __name__ == "__main__":
    main()
