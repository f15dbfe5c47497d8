"""What following a hidden feature adds to a distilled step, for every loss that recipes know.

The student of a recipe, with cached logits alone against the same with one feature beside them:
the last pair of layers in ``step.HINTS`` (``attention_relations``: their queries, ``fsp``: both
pairs).  A loss that does not fit these layers is refused, and its reason recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from recording import ROOT, parser, record, shown
from step import HINTS, following, step, taught_rows
from timing import interleaved, ratio

from kd2edge.distill import knowledge_of
from kd2edge.distill.features import FEATURE_LOSSES
from kd2edge.distill.precision import precision_of
from kd2edge.errors import UsageError
from kd2edge.pipeline.reading.prepare import prepare_data
from kd2edge.pipeline.reading.settings import student_settings
from kd2edge.recipe import load_recipe

RECIPES = ("recipes/quickstart.yaml", "recipes/customer_service/clinc150.yaml")
#: In a layer of a BERT or an ELECTRA: the queries.
_QUERIES = "attention.self.query"
_CPU = torch.device("cpu")

Feature = Mapping[str, Any]


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("recipes", nargs="*", type=Path, help=f"default: {', '.join(RECIPES)}")
    arguments.add_argument("--rows", type=int, default=1024)
    arguments.add_argument("--rounds", type=int, default=30)
    arguments.add_argument("--device", default="cpu")
    given = arguments.parse_args()
    recipes = given.recipes or [ROOT / name for name in RECIPES]
    device = torch.device(given.device)
    found = [measured(path, given.rows, given.rounds, device) for path in recipes]
    record("features", {"recipes": found}, given.out, ["torch", "transformers"])


def measured(path: Path, rows: int, rounds: int, device: torch.device = _CPU) -> dict[str, Any]:
    """A step with each loss on features over the step without any.

    Args:
        path: of a recipe that ``step.HINTS`` names.
        rows: that batches are made of.
        rounds: steps of each.
        device: that they are taken on.

    Raises:
        SystemExit: nothing says which layers could be followed.
    """
    plain = load_recipe(path, overrides=[following(())])
    if plain.recipe.name not in HINTS:
        raise SystemExit(f"{path}: expected a recipe whose layers step.HINTS names")
    features = followed(plain.recipe.name, plain.recipe.teachers[0].name)
    everything = load_recipe(path, overrides=[following(list(features.values()))])
    data = prepare_data(plain)
    refused: dict[str, str] = {}
    with TemporaryDirectory() as folder, ExitStack() as hooks:
        split, caches = taught_rows(everything, data, rows, Path(folder))
        said = knowledge_of(caches)

        def taking(*followed: Feature) -> Callable[[], object]:
            recipe = load_recipe(path, overrides=[following(followed)]).recipe
            settings = student_settings(recipe, list(data.tasks), data.checks["train"])
            return step(plain, data, split, settings, said, hooks, device)

        steps = {"": taking()}
        for kind, feature in features.items():
            try:
                steps[kind] = taking(feature)
                steps[kind]()  # some see only then what they are to compare
            except UsageError as error:
                steps.pop(kind, None)
                refused[kind] = str(error)
        times = interleaved(steps, rounds=rounds, warm=3)
    ratios = {kind: ratio(one, times[""]) for kind, one in times.items() if kind}
    print(f"{plain.recipe.name}: {ratios}; refused: {', '.join(refused) or 'none'}")
    return {
        "recipe": shown(path),
        "name": plain.recipe.name,
        "batch": plain.recipe.train.batch_size,
        "device": device.type,
        "precision": precision_of(plain.recipe.train.precision, device),
        "times": {kind or "logits": one.to_json() for kind, one in times.items()},
        "ratios": ratios,
        "refused": refused,
    }


def followed(name: str, teacher: str) -> dict[str, Feature]:
    """Kind of loss -> the feature that a student of the recipe ``name`` follows by it."""
    pairs = HINTS[name]
    theirs, ours = pairs[-1]
    found: dict[str, Feature] = {}
    for kind in sorted(FEATURE_LOSSES):
        layers: dict[str, Any] = {"from": theirs, "to": ours}
        if kind == "fsp":
            layers = {"from": [one for one, _ in pairs], "to": [one for _, one in pairs]}
        elif kind == "attention_relations":
            if "layer" not in theirs:
                continue  # no attention in it
            layers = {"from": f"{theirs}.{_QUERIES}", "to": f"{ours}.{_QUERIES}"}
        found[kind] = {"teacher": teacher, **layers, "loss": kind}
    return found


if __name__ == "__main__":
    main()
