"""Keeps what finished studies found: which ingredient of a recipe paid, by how much.

A study is made by ``kd2edge study``; its ``study.json`` goes into the results with what its student
is, so that the tables of ``docs/results.md`` are made of it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recording import parser, record, shown

from kd2edge.pipeline.steps.provenance import code_fingerprint
from kd2edge.pipeline.verbs.study.runs import StudyFolder
from kd2edge.recipe import load_recipe
from kd2edge.recipe.yaml_text import dump_yaml

#: Settings that say where something stands on a machine, or how it was run, and nothing else.
_PLACES = ("checkpoint", "path", "root", "threads", "run")


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("studies", nargs="+", type=Path, help="folders under runs/")
    given = arguments.parse_args()
    for path in given.studies:
        found = kept(StudyFolder(path))
        record(f"study-{found['name']}", found, given.out, ["torch", "transformers"])
        print(f"{shown(path)}: {len(found['comparisons'])} comparisons")


def kept(study: StudyFolder) -> dict[str, Any]:
    """What a study found, its recipe without places of a machine, and its student."""
    found: dict[str, Any] = json.loads(study.json.read_bytes())
    loaded = load_recipe(study.recipe)
    codes, resolved = found.pop("codes"), without_places(loaded.resolved)
    return {
        **found,
        "recipe_text": dump_yaml(resolved),
        "student": resolved["student"],
        "epochs": loaded.recipe.train.epochs,
        "code_unchanged_since": codes == [code_fingerprint()],
    }


def without_places(value: Any) -> Any:
    """Settings without what belongs to one machine."""
    if isinstance(value, Mapping):
        kept = {key: one for key, one in value.items() if key not in _PLACES}
        return {key: without_places(one) for key, one in kept.items() if not is_place(one)}
    if isinstance(value, list):
        return [without_places(one) for one in value]
    return value


def is_place(value: Any) -> bool:
    """Whether it is a path from the root of a file system."""
    return isinstance(value, str) and Path(value).is_absolute()


if __name__ == "__main__":
    main()
