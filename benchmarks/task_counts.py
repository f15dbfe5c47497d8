"""What more tasks cost: a training step, passes through the trunk, memory.

A recipe's first task is there so many times under other names, all with the same column of the
rows, one teacher for all of them and a head each.  Steps learn from cached logits and labels, with
the plain sum of the losses and with a balancer of gradients of the shared features.  All counts
take turns, so a ratio is of steps that met the same noise.

"At most linear" is asked in two ways.  Ten times the tasks take at most ten times as long: easy for
a net whose trunk is most of it.  And a further task costs no more where there are many than where
there are few: the ``growth`` is what one more costs between the two largest counts, by what it
costs between the two smallest, with bounds at 95 %.

A pass is counted at the trunk itself: how often its modules run in a step, and how often a gradient
arrives at each of its parameters.  Memory is the largest resident size of ``kd2edge distill`` in a
process of its own, on the rows of ``memory.py``.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import yaml
from memory import RECIPE as MEMORY_RECIPE
from memory import peak
from recording import ROOT, parser, record, shown
from step import net_and_step, taught_rows
from timing import Times, interleaved, interval, ratio

from kd2edge.distill import knowledge_of
from kd2edge.distill.precision import precision_of
from kd2edge.nets import Net
from kd2edge.pipeline.reading.prepare import prepare_data
from kd2edge.pipeline.reading.settings import student_settings
from kd2edge.recipe import load_recipe

QUICK = "recipes/quickstart.yaml"
RECIPES = (QUICK, "recipes/customer_service/clinc150.yaml")
#: Tasks; the largest is ten times the smallest, the middle ones say whether cost grows evenly.
COUNTS = (2, 8, 14, 20)
#: Of ten times the tasks: largest resident size.
MEMORY_LIMIT = 1.2
#: How losses become one step -> ``distill.balance``; ``static`` is what recipes default to.
BALANCES: Mapping[str, Mapping[str, Any]] = {
    "static": {"kind": "static"},
    "mgda": {"kind": "mgda", "gradients": "features"},
}
_CPU = torch.device("cpu")

Json = dict[str, Any]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("recipes", nargs="*", type=Path, help=f"default: {', '.join(RECIPES)}")
    arguments.add_argument("--rows", type=int, default=1024, help="that batches are made of")
    arguments.add_argument("--rounds", type=int, default=40)
    arguments.add_argument("--counts", type=int, nargs=4, default=COUNTS, help="tasks, ascending")
    arguments.add_argument("--memory-rows", type=int, default=20_000, help="training rows")
    arguments.add_argument("--device", default="cpu")
    given = arguments.parse_args()
    known = RECIPES if "KD2EDGE_DATA" in os.environ else (QUICK,)
    recipes = given.recipes or [ROOT / name for name in known]
    device = torch.device(given.device)
    steps = [
        measured(path, given.counts, given.rows, given.rounds, how, device)
        for path in recipes
        for how in BALANCES
    ]
    memory = peaks(given.memory_rows, given.counts)
    limits = {"time": given.counts[-1] / given.counts[0], "passes": 1, "memory": MEMORY_LIMIT}
    found = {"limits": limits, "counts": given.counts, "steps": steps, "memory": memory}
    record("task_counts", found, given.out, ["torch", "torchjd", "transformers", "tokenizers"])


def measured(
    path: Path,
    counts: Sequence[int],
    rows: int,
    rounds: int,
    how: str,
    device: torch.device = _CPU,
) -> Json:
    """Steps of a recipe's student with each number of tasks.

    Args:
        path: of the recipe.
        counts: tasks, four numbers in ascending order.
        rows: that batches are made of.
        rounds: steps of each.
        how: a name in :data:`BALANCES`.
        device: that they are taken on.
    """
    with ExitStack() as open_now:
        steps: dict[str, Callable[[], object]] = {}
        passes: dict[str, Json] = {}
        about: Json = {}
        for count in counts:
            loaded = load_recipe(path, overrides=overrides(path, count, how))
            data = prepare_data(loaded)
            folder = open_now.enter_context(TemporaryDirectory())
            split, caches = taught_rows(loaded, data, rows, Path(folder))
            settings = student_settings(loaded.recipe, list(data.tasks), data.checks["train"])
            net, steps[str(count)] = net_and_step(
                loaded, data, split, settings, knowledge_of(caches), open_now, device
            )
            passes[str(count)] = passes_of(net, steps[str(count)])
            about = {
                "name": loaded.recipe.name,
                "batch": settings.batch_size,
                "precision": precision_of(settings.precision, device),
            }
        times = interleaved(steps, rounds=rounds)
    by_count = [times[str(count)] for count in counts]
    found = {
        "recipe": shown(path),
        **about,
        "balance": how,
        "device": device.type,
        "threads": torch.get_num_threads(),
        "times": {name: one.to_json() for name, one in times.items()},
        "passes": passes,
        "ratio": ratio(by_count[-1], by_count[0]),
        **growth_of(counts, by_count),
    }
    print(
        f"{about['name']}, {how}: {counts[-1]} tasks take {found['ratio']:.2f}x of {counts[0]},"
        f" growth {found['growth']:.2f}, passes {passes[str(counts[-1])]}"
    )
    return found


def overrides(path: Path, count: int, how: str) -> list[str]:
    """What gives a recipe its first task so many times, and one way to combine the losses."""
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    name, task = next(iter(tree["tasks"].items()))
    column = {"column": task.get("column", name)}
    tasks = {f"{name}{at}": {**task, **column} for at in range(count)}
    distill = {"alpha": 0.9, "temperature": 2.0, "balance": BALANCES[how]}
    return [f"tasks={json.dumps(tasks)}", f"distill={json.dumps(distill)}"]


def growth_of(counts: Sequence[int], times: Sequence[Times]) -> Json:
    """What a further task costs among many, by what it costs among few.

    Args:
        counts: tasks, ascending; the first two are few, the last two are many.
        times: of a step of each.
    """

    def each(low: int, high: int) -> Times:
        pairs = zip(times[low].seconds, times[high].seconds, strict=True)
        # A further task that costs nothing in a round is noise: it would be a division by zero.
        return Times(tuple(max(1e-9, (b - a) / (counts[high] - counts[low])) for a, b in pairs))

    few, many = each(0, 1), each(-2, -1)
    return {
        "growth": ratio(many, few),
        "growth_interval": list(interval(many, few)),
        "task_us": {"few": few.to_json()["median_us"], "many": many.to_json()["median_us"]},
    }


def passes_of(net: Net, take: Callable[[], object]) -> Json:
    """How often a step runs the trunk forward, and how often a gradient arrives at its weights.

    Args:
        net: that is trained.
        take: a step of it.
    """
    trunk = {id(one) for one in net.shared_parameters()}
    forward: Counter[str] = Counter()
    backward: Counter[str] = Counter()
    with ExitStack() as hooks:
        for name, module in net.named_modules():
            if any(id(one) in trunk for one in module.parameters(recurse=False)):
                hooks.callback(module.register_forward_pre_hook(_counting(forward, name)).remove)
        for name, one in net.named_parameters():
            if id(one) in trunk and one.requires_grad:
                hooks.callback(one.register_hook(_counting(backward, name)).remove)
        take()
    return {
        "forward": max(forward.values(), default=0),
        "backward": max(backward.values(), default=0),
    }


def _counting(counter: Counter[str], name: str) -> Callable[..., None]:
    def count(*_: object) -> None:
        counter[name] += 1

    return count


def peaks(rows: int, counts: Sequence[int]) -> Json:
    """Largest resident size with the smallest and the largest number of tasks."""
    with TemporaryDirectory() as place:
        recipe = Path(place, "recipe.yaml")
        recipe.write_text(MEMORY_RECIPE, encoding="utf-8")
        runs = [
            {"tasks": count, **peak(rows, overrides(recipe, count, "static"))}
            for count in (counts[0], counts[-1])
        ]
    found = round(runs[1]["peak_bytes"] / runs[0]["peak_bytes"], 3)
    print(f"{counts[-1]} tasks take {found:.2f}x the memory of {counts[0]}")
    return {"runs": runs, "ratio": found}


if __name__ == "__main__":
    main()
