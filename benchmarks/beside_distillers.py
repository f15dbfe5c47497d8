"""Training steps beside torchdistill and TextBrewer: the same student, teacher, batches and loss.

They run the teacher in every step, as their documents have it (TextBrewer also with the cache in
memory that it offers); ours reads what the teacher said from its cache on disk.  Theirs is fp32,
ours what the recipe's ``precision`` says, and fp32 beside it.  One thread each, in turns.

A recipe's first task of kind ``classification`` alone, with its ``alpha`` of 0.9 and temperature of
2: that is what all of them can learn.  The teacher is untrained: its outputs cost the same.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml
from beside import environment
from beside.judged import OURS
from beside.process import Side, SideError
from beside.turns import over
from recording import ROOT, parser, record, shown
from timing import in_turns

from kd2edge.recipe import load_recipe

RECIPES = ("recipes/customer_service/clinc150.yaml",)
#: How many times their steps a second, and how far losses may be apart.
LIMITS = {"speed": 3.5, "loss": 1e-5}
FP32 = f"{OURS}, fp32"
CACHED = "textbrewer, cached"
#: Side -> its script and what it is started with.
SCRIPTS: Mapping[str, tuple[str, dict[str, str]]] = {
    "torchdistill": ("torchdistill_steps", {}),
    "textbrewer": ("textbrewer_steps", {"way": "plain"}),
    CACHED: ("textbrewer_steps", {"way": "cached"}),
}
ALPHA, TEMPERATURE = 0.9, 2.0
Json = dict[str, Any]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("recipes", nargs="*", type=Path, help=f"default: {', '.join(RECIPES)}")
    environment.add_argument(arguments)
    arguments.add_argument("--rows", type=int, default=1024)
    arguments.add_argument("--rounds", type=int, default=20)
    arguments.add_argument("--steps", type=int, default=10, help="of a turn")
    given = arguments.parse_args()
    recipes = given.recipes or [ROOT / name for name in RECIPES]
    found = [
        measured(path, given.environments, given.rows, given.rounds, given.steps)
        for path in recipes
    ]
    packages = ["torch", "transformers", "safetensors"]
    record("beside_distillers", {"limits": LIMITS, "recipes": found}, given.out, packages)


def measured(path: Path, environments: Path | None, rows: int, rounds: int, steps: int) -> Json:
    """A recipe's student.

    Args:
        path: of the recipe.
        environments: folder of the others' environments; None: they are not run.
        rows: that batches are made of.
        rounds: turns of each side.
        steps: of a turn.
    """
    settings = overrides(path)
    recipe = load_recipe(path, overrides=settings).recipe
    found: Json = {"recipe": shown(path), "name": recipe.name, "sides": {}}
    with tempfile.TemporaryDirectory() as place, ExitStack() as running:
        given = {"folder": place, "rows": rows}
        own = Side(sys.executable, "kd2edge_steps", recipe=str(path), overrides=settings, **given)
        ours = running.enter_context(own)
        found["step"] = ours.ask("prepare").value
        sides: dict[str, Side] = {}
        for name, (script, more) in SCRIPTS.items():
            start = {
                **more, "folder": place, "alpha": ALPHA, "temperature": TEMPERATURE,
                "epochs": recipe.train.epochs,
                **{key: found["step"][key] for key in ("lr", "weight_decay", "clip_norm")},
            }  # fmt: skip
            try:
                python = environment.python_of(script.removesuffix("_steps"), environments)
                side = running.enter_context(Side(python, script, **start))
                about = {what: side.ask(what).value for what in ("versions", "note", "apart")}
                sides[name], found["sides"][name] = side, about
            except SideError as error:
                found["sides"][name] = {"not_run": str(error)}
                print(f"{name}: not run: {error}")
        found["sides"][OURS] = {"versions": ours.ask("versions").value}
        found["losses"] = losses({OURS: ours, **sides}, Path(place))
        turns = {
            OURS: ours.turns("steps", [{"count": steps, "precision": recipe.train.precision}]),
            FP32: ours.turns("steps", [{"count": steps, "precision": "fp32"}]),
            **{name: side.turns("steps", [{"count": steps}]) for name, side in sides.items()},
        }
        times = in_turns(turns, rounds=rounds, warm=1)
    found |= {
        "steps_a_turn": steps,
        "steps_per_second": {name: round(1 / one.median, 3) for name, one in times.items()},
        "times_of_a_step": {name: one.to_json() for name, one in times.items()},
        "over_ours": over(times, OURS),
        "over_ours_fp32": over(times, FP32),
    }
    print(f"{recipe.name}: steps/s {found['steps_per_second']}")
    return found


def overrides(path: Path) -> list[str]:
    """What makes a recipe one of a single task with the loss that all have."""
    tree = yaml.safe_load(path.read_text(encoding="utf-8"))
    kinds = {name: one for name, one in tree["tasks"].items() if one["kind"] == "classification"}
    if not kinds:
        raise SystemExit(f"{path}: expected a task of kind classification")
    name = next(iter(kinds))
    distill = {"alpha": ALPHA, "temperature": TEMPERATURE, "logits": "kl"}
    return [
        f"tasks={json.dumps({name: kinds[name]})}",
        f"distill={json.dumps(distill)}",
    ]


def losses(sides: Mapping[str, Side], folder: Path) -> Json:
    """Side -> its loss of the same logits and labels, and how far it is from ours.

    That of TextBrewer less the entropy of what the teacher says: its soft loss is the cross
    entropy, ours the divergence.
    """
    with np.load(folder / "given.npz", allow_pickle=False) as arrays:
        constant = ALPHA * TEMPERATURE**2 * entropy(arrays["teacher"] / TEMPERATURE)
    found: Json = {}
    for name, side in sides.items():
        value = side.ask("loss").value
        less = constant if name.startswith("textbrewer") else 0.0
        found[name] = {"said": value, "value": value - less}
    for one in found.values():
        one["apart"] = abs(one["value"] - found[OURS]["value"])
    return found


def entropy(logits: npt.NDArray[Any]) -> float:
    """Mean entropy of softmax(logits ``[row, C]``), in nats."""
    values = logits.astype(np.float64)
    values -= values.max(1, keepdims=True)
    sums = np.exp(values).sum(1, keepdims=True)
    return float(-(np.exp(values) / sums * (values - np.log(sums))).sum(1).mean())


if __name__ == "__main__":
    main()
