"""Training steps that teachers have a part in against the supervised step of the same student.

All read a batch from the encoded rows, run the student, and learn.  ``distilled`` also reads the
logits of the teachers from their cache on disk; ``hinted`` those and two hidden layers, which it
follows through projectors (FitNets, Romero et al. 2015, 1412.6550, equation 3).  The teacher is
untrained: its outputs cost the same.

``--compile`` lets ``torch.compile`` have the student's forward pass and its gradient in all three.
Recipes have no such option: this is what one could bring.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
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
#: Of the supervised step's time: with cached logits, and with two hints beside them.
LIMIT, HINTED_LIMIT = 1.05, 1.15
#: Recipe -> module of its teacher and of its student, of each hint.  Recipes that it does not name
#: have the features that they follow themselves.
HINTS: Mapping[str, Sequence[tuple[str, str]]] = {
    # Maps of 7 x 12 and 4 x 6 places on both sides.
    "quickstart": (("encoder.stages.0", "stages.1"), ("encoder.stages.1", "stages.2")),
    "clinc150": (("encoder.layer.2", "encoder.layer.1"), ("encoder.layer.5", "encoder.layer.2")),
    "uner_ewt": (("encoder.layer.2", "encoder.layer.1"), ("encoder.layer.5", "encoder.layer.2")),
}
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
    arguments.add_argument("--compile", action="store_true", help="with torch.compile")
    arguments.add_argument("--name", default="step", help="of the result")
    given = arguments.parse_args()
    if given.threads:
        torch.set_num_threads(given.threads)
    recipes = given.recipes or [ROOT / name for name in RECIPES]
    device, compiler = torch.device(given.device), "inductor" if given.compile else None
    found = [measured(path, given.rows, given.rounds, device, compiler) for path in recipes]
    measurements = {"limit": LIMIT, "hinted_limit": HINTED_LIMIT, "recipes": found}
    record(given.name, measurements, given.out, ["torch", "transformers"])


def measured(
    path: Path,
    rows: int,
    rounds: int,
    device: torch.device = _CPU,
    compiler: str | None = None,
) -> dict[str, Any]:
    """All steps of a recipe's student.

    Args:
        path: of the recipe.
        rows: that batches are made of.
        rounds: steps of each kind.
        device: that they are taken on.
        compiler: what ``torch.compile`` calls its backend; None: it is left out.
    """
    hints = hints_of(path)
    loaded = load_recipe(path, overrides=[following(())])
    hinted = load_recipe(path, overrides=[following(hints)])
    data = prepare_data(loaded)
    with TemporaryDirectory() as folder, ExitStack() as hooks:
        split, cache = taught_rows(hinted, data, rows, Path(folder))
        said = knowledge_of(cache)
        about = list(data.tasks), data.checks["train"]
        settings = student_settings(loaded.recipe, *about)
        plans: dict[str, tuple[TrainSettings, Knowledge | None]] = {
            "supervised": (baseline_settings(loaded.recipe, *about, 1), None),
            "distilled": (settings, said),
        }
        if hints:
            plans["hinted"] = student_settings(hinted.recipe, *about), said
        steps = {
            name: step(loaded, data, split, how, known, hooks, device, compiler)
            for name, (how, known) in plans.items()
        }
        times = interleaved(steps, rounds=rounds)
    plain = times["supervised"]
    ratios = {way: ratio(one, plain) for way, one in times.items() if way != "supervised"}
    name, batch = loaded.recipe.name, settings.batch_size
    print(f"{name}: step of {batch} rows {plain.median * 1e3:.1f} ms; times that: {ratios}")
    found = {
        "recipe": shown(path),
        "name": name,
        "batch": batch,
        "device": device.type,
        "precision": precision_of(settings.precision, device),
        "threads": torch.get_num_threads(),
        "compiler": compiler,
        "times": {key: one.to_json() for key, one in times.items()},
        "ratio": ratios["distilled"],
        "hints": [[one["from"], one["to"]] for one in hints],
    }
    return found | ({"hinted_ratio": ratios["hinted"]} if hints else {})


def hints_of(path: Path) -> list[dict[str, Any]]:
    """The features that the student follows in the hinted step; none where nothing says which."""
    recipe = load_recipe(path).recipe
    if recipe.name in HINTS:
        teacher = recipe.teachers[0].name
        return [
            {"teacher": teacher, "from": theirs, "to": ours, "loss": "mse"}
            for theirs, ours in HINTS[recipe.name]
        ]
    own = (one.model_dump(mode="json", by_alias=True) for one in recipe.distill.features)
    return list(own)


def following(hints: Sequence[Mapping[str, Any]]) -> str:
    """What makes a recipe one that follows these features and no others."""
    return f"distill.features={json.dumps(hints)}"


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
    compiler: str | None = None,
) -> Callable[[], object]:
    """A function that takes the next step, over the same batches each time around."""
    return net_and_step(loaded, data, split, settings, knowledge, open_hooks, device, compiler)[1]


def net_and_step(
    loaded: LoadedRecipe,
    data: Prepared,
    split: EncodedSplit,
    settings: TrainSettings,
    knowledge: Knowledge | None,
    open_hooks: ExitStack,
    device: torch.device,
    compiler: str | None = None,
) -> tuple[Net, Callable[[], object]]:
    """A new student, and what :func:`step` gives of it."""
    recipe, tasks = loaded.recipe, list(data.tasks.values())
    inputs = student_inputs(recipe, data.rows["train"], data.learned)
    net: Net = fresh_net(recipe.student.model, inputs, tasks, recipe.seed).train().to(device)
    objective = Objective(tasks, settings.distill, knowledge, settings.label_smoothing)
    return net, taking(net, objective, split, settings, open_hooks, device, compiler)


def taking(
    net: Net,
    objective: Objective,
    split: EncodedSplit,
    settings: TrainSettings,
    open_hooks: ExitStack,
    device: torch.device,
    compiler: str | None = None,
) -> Callable[[], object]:
    """A function that takes the next step of a net on ``device``."""
    features = open_hooks.enter_context(net.capture(objective.captures))
    batches = torch.arange(len(split)).split(settings.batch_size)
    whole = [batch.numpy() for batch in batches if len(batch) == settings.batch_size]
    if objective.captures:
        first = split.batch(whole[0])
        net(first.to(device).inputs)
        objective.prepare(features, first)
    objective.to(device)
    if compiler is not None:
        compile_net(net, compiler)
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


def compile_net(net: Net, compiler: str) -> None:
    """Let ``torch.compile`` have a net, with the hooks that stand by now.

    All nets of a process run the same code, and what was compiled for one is taken for the next
    where it looks alike: by default hooks are not looked at, and a net that is to be captured would
    run what was compiled without.  Beyond some nets the compiler gives up and says nothing.
    """
    import torch._dynamo

    settings = torch._dynamo.config
    settings.skip_nnmodule_hook_guards = False
    settings.recompile_limit = settings.accumulated_recompile_limit = 1000
    settings.fail_on_recompile_limit_hit = True
    net.compile(backend=compiler)


if __name__ == "__main__":
    main()
