"""A training step with a cached teacher against the supervised step of the same student.

Both read a batch from the encoded rows, run the student, and learn; one also reads what the teacher
said from its cache on disk.  The teacher is untrained: its outputs cost the same.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, final

import torch
from recording import ROOT, parser, record, shown
from timing import interleaved, ratio

from kd2edge.data import EncodedSplit, encode_split
from kd2edge.distill import Knowledge, Time, TrainSettings, knowledge_of
from kd2edge.distill.cohort import take_together
from kd2edge.distill.objective import Objective
from kd2edge.distill.precision import precision_of
from kd2edge.distill.step import Stepper, Turn
from kd2edge.nets import Net
from kd2edge.pipeline.reading.model_inputs import ModelInputs, student_inputs, teacher_inputs
from kd2edge.pipeline.reading.prepare import Prepared, prepare_data
from kd2edge.pipeline.reading.settings import baseline_settings, student_settings
from kd2edge.pipeline.steps.work import fresh_net
from kd2edge.recipe import LoadedRecipe, load_recipe
from kd2edge.rows.join import JoinedRows, Source, joined
from kd2edge.rows.rows import Row, Rows
from kd2edge.teacher import NetTeacher, TeacherCache, cache_outputs

RECIPES = (
    "recipes/quickstart.yaml",
    "recipes/customer_service/clinc150.yaml",
    "recipes/token/uner_ewt.yaml",
)
LIMIT = 1.05
_CPU = torch.device("cpu")


@final
class Some(Rows):
    """``count`` labelled rows of others, spread evenly.

    Without rows that only teachers label: a supervised step could not learn from them.
    """

    def __init__(self, rows: JoinedRows, count: int) -> None:
        labelled = sum(bool(rows.tasks_of(at)) for at in range(len(rows)))
        self._rows = rows
        self._every = max(1, labelled // count)
        self._count = min(count, labelled)
        self.root = rows.root
        self.fingerprint = f"{rows.fingerprint} {self._count}"

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, position: int) -> Row:
        return self._rows[position * self._every]

    def place(self, position: int) -> str:
        return self._rows.place(position * self._every)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("recipes", nargs="*", type=Path, help=f"default: {', '.join(RECIPES)}")
    arguments.add_argument("--rows", type=int, default=1024)
    arguments.add_argument("--rounds", type=int, default=60)
    arguments.add_argument("--threads", type=int, default=None)
    arguments.add_argument("--device", default="cpu")
    given = arguments.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    recipes = given.recipes or [ROOT / name for name in RECIPES]
    device = torch.device(given.device)
    found = [measured(path, given.rows, given.rounds, device) for path in recipes]
    record("step", {"limit": LIMIT, "recipes": found}, given.out, ["torch", "transformers"])


def measured(path: Path, rows: int, rounds: int, device: torch.device = _CPU) -> dict[str, Any]:
    """Both steps of a recipe's student."""
    loaded = load_recipe(path)
    data = prepare_data(loaded)
    with TemporaryDirectory() as folder, ExitStack() as hooks:
        split, cache = taught_rows(loaded, data, rows, Path(folder))
        settings = student_settings(loaded.recipe, list(data.tasks), data.checks["train"])
        alone = baseline_settings(loaded.recipe, list(data.tasks), data.checks["train"], 1)
        steps = {
            "supervised": step(loaded, data, split, alone, None, hooks, device),
            "distilled": step(loaded, data, split, settings, knowledge_of(cache), hooks, device),
        }
        times = interleaved(steps, rounds=rounds)
    found = ratio(times["distilled"], times["supervised"])
    name, batch = loaded.recipe.name, settings.batch_size
    milliseconds = times["supervised"].median * 1e3
    print(f"{name}: step of {batch} rows {milliseconds:.1f} ms, with a cached teacher {found:.3f}x")
    return {
        "recipe": shown(path),
        "name": name,
        "batch": batch,
        "device": device.type,
        "precision": precision_of(settings.precision, device),
        "threads": torch.get_num_threads(),
        "times": {key: one.to_json() for key, one in times.items()},
        "ratio": found,
    }


def taught_rows(
    loaded: LoadedRecipe, data: Prepared, count: int, folder: Path
) -> tuple[EncodedSplit, dict[str, TeacherCache]]:
    """Some training rows as the student reads them, and what each teacher says of them."""
    recipe, tasks = loaded.recipe, list(data.tasks.values())
    rows = joined([Source("some", Some(data.rows["train"], count), tuple(data.tasks))])

    def encoded(inputs: ModelInputs) -> EncodedSplit:
        return encode_split(rows, inputs.pairs, tasks, folder, file_hashes=inputs.hashes)

    caches: dict[str, TeacherCache] = {}
    for teacher in recipe.teachers:
        inputs = teacher_inputs(recipe, teacher.name)
        own = [task for task in tasks if task.name in teacher.tasks]
        net = fresh_net(teacher.model, inputs, own, recipe.seed)
        asked = NetTeacher(lambda net=net: net, own, "untrained")
        followed = recipe.distill.features
        caches[teacher.name] = cache_outputs(
            asked,
            encoded(inputs),
            folder,
            tasks=own,
            features=sorted(
                {
                    layer
                    for one in followed
                    if one.teacher == teacher.name
                    for layer in one.teacher_layers
                }
            ),
            device="cpu",
        )
    return encoded(student_inputs(recipe, data.rows["train"], data.learned)), caches


def step(
    loaded: LoadedRecipe,
    data: Prepared,
    split: EncodedSplit,
    settings: TrainSettings,
    knowledge: Knowledge | None,
    open_hooks: ExitStack,
    device: torch.device,
) -> Callable[[], object]:
    """A function that takes the next step, over the same batches each time around."""
    recipe, tasks = loaded.recipe, list(data.tasks.values())
    inputs = student_inputs(recipe, data.rows["train"], data.learned)
    net: Net = fresh_net(recipe.student.model, inputs, tasks, recipe.seed).train().to(device)
    objective = Objective(tasks, settings.distill, knowledge, settings.label_smoothing)
    features = open_hooks.enter_context(net.capture(objective.captures))
    batches = torch.arange(len(split)).split(settings.batch_size)
    whole = [batch.numpy() for batch in batches if len(batch) == settings.batch_size]
    if objective.captures:
        first = split.batch(whole[0])
        net(first.to(device).inputs)
        objective.prepare(features, first)
    objective.to(device)
    stepper = Stepper(net, objective, settings, device, precision_of(settings.precision, device))
    at = 0

    def take() -> object:
        nonlocal at
        at = (at + 1) % len(whole)
        turn = Turn(split.batch(whole[at]), features, Time(0, 1, 0), settings.lr)
        found = take_together({"": stepper}, {"": turn})
        if device.type == "cuda":
            torch.cuda.synchronize(device)  # a step is over when the GPU has done it
        return found

    return take


if __name__ == "__main__":
    main()
