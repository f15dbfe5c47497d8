"""Short runs of one recipe with other settings: how far is the student from its teacher?

Each run is a finished ``kd2edge distill RECIPE --set ...``.  Beside the metrics its student's
divergence from the teacher is measured on rows of the training, validation and test split: what the
student fits, and what of that holds on texts that it never saw.  One seed each: a hint for where to
look, no result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from recording import parser, record

from kd2edge.data import EncodedSplit
from kd2edge.distill import Knowledge, knowledge_of
from kd2edge.distill.logits.kl import kl
from kd2edge.nets import Net, load_net
from kd2edge.pipeline.reading.model_inputs import student_inputs
from kd2edge.pipeline.reading.prepare import prepare_data
from kd2edge.pipeline.steps.folders import RunFolder
from kd2edge.pipeline.steps.provenance import read_report
from kd2edge.pipeline.steps.work import Work
from kd2edge.recipe import load_recipe
from kd2edge.tasks.spec import TaskSpec
from kd2edge.teacher import TeacherCache

_BATCH = 64
#: Keys whose values belong to a machine, or only say which teacher was loaded.
_PLACES = ("checkpoint", "root", "threads", "teachers")


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("runs", nargs="+", metavar="NAME=RUN", help="the first is the base")
    arguments.add_argument(
        "--cache", type=Path, action="append", required=True, help="cache folders of these runs"
    )
    arguments.add_argument("--rows", type=int, default=1024, help="rows of each split")
    given = arguments.parse_args()
    runs = {name: RunFolder(Path(path)) for name, path in (one.split("=", 1) for one in given.runs)}
    recipes = {name: dict(flat(recipe_of(run))) for name, run in runs.items()}
    base = next(iter(recipes.values()))
    found: list[dict[str, Any]] = []
    for name, run in runs.items():
        changed = {
            key: recipes[name].get(key)
            for key in sorted(base.keys() | recipes[name].keys())
            if base.get(key) != recipes[name].get(key)
        }
        found.append({"name": name, "changed": changed, **measured(run, given.cache, given.rows)})
        print(name, found[-1]["divergence"], found[-1]["test"])
    recipe = load_recipe(next(iter(runs.values())).recipe).recipe.name
    record(f"variants-{recipe}", {"variants": found}, given.out, ["torch", "transformers"])


def recipe_of(run: RunFolder) -> dict[str, Any]:
    return load_recipe(run.recipe).recipe.model_dump(mode="json", by_alias=True)


def flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of a recipe by dotted key; sources as their names."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            if key not in _PLACES:
                yield from flat(one, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list) and value and isinstance(value[0], Mapping):
        yield path, [one.get("name", dict(flat(one))) for one in value]
    else:
        yield path, value


def measured(run: RunFolder, caches: Sequence[Path], rows: int) -> dict[str, Any]:
    """What one run reached."""
    loaded = load_recipe(run.recipe)
    data = prepare_data(loaded)
    work = Work(loaded, run, data, caches[0], resume=True, on_event=lambda event: None)
    inputs = student_inputs(loaded.recipe, data.rows["train"], data.learned)
    splits = work.encode(inputs, loaded.recipe.seed)
    net = load_net(run.student)
    kept = [path.parent for cache in caches for path in cache.glob("teachers/*/manifest.json")]
    said = [TeacherCache(path) for path in kept]
    report = read_report(run.report)
    tasks = report["splits"]["test"]["tasks"]
    return {
        "parameters": report["models"]["student"]["parameters"],
        "steps": report["models"]["student"]["steps"],
        "rows": len(splits["train"]),
        "test": {task: leading(one) for task, one in tasks.items()},
        "divergence": {
            name: divergence(net, split, spoken_of(split, said), work.tasks, rows)
            for name, split in splits.items()
        },
    }


def leading(task: Mapping[str, Any]) -> dict[str, float]:
    """Teacher's and student's value of the leading metric."""
    return {
        who: next(iter(task[who]["metrics"].values()))["value"] for who in ("teacher", "student")
    }


def spoken_of(split: EncodedSplit, caches: list[TeacherCache]) -> Knowledge:
    """The cache of a split's rows; any of them says the same logits."""
    fitting = [one for one in caches if one.rows_fingerprint == split.rows_fingerprint]
    return knowledge_of({"teacher": fitting[0]})


@torch.inference_mode()
def divergence(
    net: Net, split: EncodedSplit, knowledge: Knowledge, tasks: list[TaskSpec], rows: int
) -> dict[str, float]:
    """Mean KL (T = 2, times 4) of the student from the teacher, a word of ``rows`` rows."""
    chosen = np.random.default_rng(0).permutation(len(split))[:rows]
    sums = {task.name: np.zeros(2) for task in tasks}
    for part in np.array_split(np.sort(chosen), -(-len(chosen) // _BATCH)):
        batch = split.batch(part)
        outputs = net(batch.inputs)
        for task in tasks:
            words = batch.words_of(task.name)
            if words is None:
                raise SystemExit(f"{task.name}: this script compares words")
            teacher = knowledge.logits(task.name, batch, 2.0, "softmax")
            seen = (words.index >= 0) & ~teacher[:, 0].isnan()
            found = kl(words.pick(outputs[task.name])[seen], teacher[seen], 2.0)
            sums[task.name] += [float(found.sum()), len(found)]
    return {task: round(float(total / count), 4) for task, (total, count) in sums.items()}


if __name__ == "__main__":
    main()
