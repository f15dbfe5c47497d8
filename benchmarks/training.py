"""Steps a second of everything that a recipe trains: its teachers on labels, its student on theirs.

Some of its training rows, batches and precision as the recipe has them; teachers and student take
turns.  Nothing is trained to an end.  What the teacher said stands in a cache on disk before the
student's first step, as in a run.  ``--compile`` lets ``torch.compile`` have the nets' forward
passes and gradients, which recipes have no option for.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from recording import parser, record, shown
from step import Some, step, taking, taught_rows
from timing import interleaved

from kd2edge.data import encode_split
from kd2edge.distill import knowledge_of
from kd2edge.distill.objective import Objective
from kd2edge.distill.precision import precision_of
from kd2edge.pipeline.reading.model_inputs import teacher_inputs
from kd2edge.pipeline.reading.prepare import prepare_data
from kd2edge.pipeline.reading.settings import student_settings, teacher_settings
from kd2edge.pipeline.steps.work import fresh_net
from kd2edge.recipe import load_recipe
from kd2edge.rows.join import Source, joined

#: Steps of each that do not count: kernels are chosen and compiled in them.
_WARM = 5
_CPU = torch.device("cpu")


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("recipes", nargs="+", type=Path)
    arguments.add_argument("--rows", type=int, default=1024)
    arguments.add_argument("--rounds", type=int, default=30)
    arguments.add_argument("--device", default="cpu")
    arguments.add_argument("--compile", action="store_true", help="with torch.compile")
    given = arguments.parse_args()
    device, compiler = torch.device(given.device), "inductor" if given.compile else None
    found = [measured(path, given.rows, given.rounds, device, compiler) for path in given.recipes]
    record("training", {"recipes": found}, given.out, ["torch", "transformers"])


def measured(
    path: Path,
    rows: int,
    rounds: int,
    device: torch.device = _CPU,
    compiler: str | None = None,
) -> dict[str, Any]:
    """Every net of a recipe whose teachers are nets that it trains.

    Args:
        path: of the recipe.
        rows: that batches are made of.
        rounds: steps of each net.
        device: that they are taken on.
        compiler: what ``torch.compile`` calls its backend; None: it is left out.
    """
    loaded = load_recipe(path)
    recipe, data = loaded.recipe, prepare_data(loaded)
    check = data.checks["train"]
    some = joined([Source("some", Some(data.rows["train"], rows), tuple(data.tasks))])
    steps: dict[str, Callable[[], object]] = {}
    about: dict[str, Any] = {}
    with TemporaryDirectory() as place, ExitStack() as hooks:
        folder = Path(place)
        split, caches = taught_rows(loaded, data, rows, folder)
        settings = student_settings(recipe, list(data.tasks), check)
        said = knowledge_of(caches)
        steps["student"] = step(loaded, data, split, settings, said, hooks, device, compiler)
        about["student"] = {"batch": settings.batch_size}
        for teacher in recipe.teachers:
            own = teacher_settings(recipe, teacher, check)
            tasks = [task for task in data.tasks.values() if task.name in teacher.tasks]
            inputs = teacher_inputs(recipe, teacher.name, data.learned)
            encoded = encode_split(some, inputs.pairs, tasks, folder, file_hashes=inputs.hashes)
            net = fresh_net(teacher.model, inputs, tasks, recipe.seed).train().to(device)
            objective = Objective(tasks, own.distill, None, own.label_smoothing)
            name = f"teacher {teacher.name}"
            steps[name] = taking(net, objective, encoded, own, hooks, device, compiler)
            about[name] = {"batch": own.batch_size}
        times = interleaved(steps, rounds=rounds, warm=_WARM)
    for name, one in times.items():
        about[name] |= {"steps_per_second": round(1 / one.median, 2), "times": one.to_json()}
        print(f"{recipe.name}, {name}: {about[name]['steps_per_second']} steps a second")
    return {
        "recipe": shown(path),
        "name": recipe.name,
        "device": device.type,
        "precision": precision_of(settings.precision, device),
        "threads": torch.get_num_threads(),
        "compiler": compiler,
        "nets": about,
    }


if __name__ == "__main__":
    main()
