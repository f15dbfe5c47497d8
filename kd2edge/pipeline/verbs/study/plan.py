"""What a study tries: the recipe as it is first, then variants of it, each over the same seeds."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias, final

from kd2edge.errors import Problem, RecipeError, UsageError
from kd2edge.files import fingerprint
from kd2edge.json_text import json_value
from kd2edge.recipe import LoadedRecipe, load_recipe
from kd2edge.recipe.ablation import override, without
from kd2edge.recipe.code import require_code_allowed
from kd2edge.recipe.yaml_text import parse_yaml
from kd2edge.tasks.kinds import task_kind
from kd2edge.wording import meant

__all__ = ["BASE", "Asked", "Plan", "Range", "Variant", "plan_study"]

#: The name of the recipe as it is.
BASE = "as it is"
#: Trials of a search where nobody says how many.
TRIALS = 20
#: Most variants of a grid: what is larger is a search.
_MOST = 200

#: What no student is made of, and why it cannot differ between variants.
_APART: Mapping[str, str] = {
    "version": "it is the schema's",
    "name": "it names the runs",
    "seed": "every variant has the same seeds (--seeds)",
    "baseline": "trials have none: name an ingredient instead",
    "reference": "no student depends on it",
    "export": "no student depends on it",
    "validate": "no student depends on it",
    "licences": "no student depends on it",
}

Sampler: TypeAlias = Literal["grid", "tpe", "random"]


@final
@dataclass(frozen=True, slots=True)
class Range:
    """Numbers to choose from, both ends included; whole ones when both ends are."""

    low: float
    high: float
    log: bool = False

    @property
    def is_whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)


#: What is tried of a field: values, as JSON texts, or a range.
Choice: TypeAlias = "tuple[str, ...] | Range"


@final
@dataclass(frozen=True, slots=True)
class Variant:
    """A recipe that is tried: its name in tables, and how it differs from the recipe."""

    name: str
    overrides: tuple[str, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of a study, as the command line has it.

    Args:
        fields: ``distill.alpha=[0.5, 0.9]`` or ``train.lr={low: 1e-4, high: 1e-2, log: true}``.
        ablate: parts that the recipe is tried without, one at a time.
        seeds: how many, from the recipe's own.
        sampler: how the fields' values are chosen; None: every combination, ``tpe`` with a range.
        trials: variants of a search; None: :data:`TRIALS`.
        metrics: task -> metric that a search looks at on validation; none: each task's own.
        allow_code: let code run that the recipe names.
    """

    fields: tuple[str, ...] = ()
    ablate: tuple[str, ...] = ()
    seeds: int = 3
    sampler: Sampler | None = None
    trials: int | None = None
    metrics: Mapping[str, str] | None = None
    allow_code: bool = False


@final
@dataclass(frozen=True, slots=True)
class Plan:
    """A study, checked.

    Args:
        loaded: the recipe as it is.
        is_ablation: variants lack something, and what they lack is judged by what it brings.
        variants: those that are known before any is tried; the recipe as it is comes first.
        space: field -> what a search chooses from; empty without one.
        sampler: how.
        trials: variants that a search tries, beside the recipe as it is.
        seeds: of every variant.
        objective: task -> metric on validation, of which a search wants the mean large.
        allow_code: let code run that the recipe names.
    """

    loaded: LoadedRecipe
    is_ablation: bool
    variants: tuple[Variant, ...]
    space: Mapping[str, Choice]
    sampler: Sampler
    trials: int
    seeds: tuple[int, ...]
    objective: Mapping[str, str]
    allow_code: bool = False

    @property
    def is_search(self) -> bool:
        return bool(self.space) and self.sampler != "grid"

    @property
    def parts(self) -> dict[str, str]:
        """What a study in a storage is known by; the number of a search's trials may grow."""
        asked = {
            "seeds": self.seeds,
            "variants": [(one.name, one.overrides) for one in self.variants],
            "fields": {
                name: [one.low, one.high, one.log] if isinstance(one, Range) else one
                for name, one in self.space.items()
            },
            "sampler": self.sampler,
            "metrics": self.objective,
        }
        return {
            "recipe": self.loaded.fingerprint,
            **{name: fingerprint(value) for name, value in asked.items()},
        }

    def asked_fields(self) -> dict[str, Any]:
        """What is tried of each field, as ``--field`` has it: a list of values, or a range."""
        return {
            name: asdict(choice) if isinstance(choice, Range) else [*map(json_value, choice)]
            for name, choice in self.space.items()
        }

    def chosen(self, values: Mapping[str, Any]) -> Variant:
        """The variant with these values: of a list's field its JSON text, of a range's a number."""
        texts = {
            name: json.dumps(values[name]) if isinstance(choice, Range) else str(values[name])
            for name, choice in self.space.items()
        }
        return _variant(texts)


def plan_study(recipe: Path, overrides: Sequence[str], asked: Asked) -> Plan:
    """Read a recipe and what is asked of it; every variant is loaded before any is trained.

    Args:
        recipe: its file.
        overrides: ``--set`` values, for all variants.
        asked: what is to be tried.

    Raises:
        RecipeError: the recipe, or a variant of it: all problems at once.
        UsageError: fields, parts or metrics that there are none of.
    """
    loaded = load_recipe(recipe, overrides=overrides, check_files=True)
    require_code_allowed(loaded, asked.allow_code)
    if bool(asked.fields) == bool(asked.ablate):
        raise UsageError("expected --field (repeatable) or --ablate PARTS, one of the two")
    space = dict(_field(text) for text in asked.fields)
    if len(space) < len(asked.fields):
        raise UsageError("--field: expected every field once, with all its values")
    for path in (*space, *asked.ablate):
        _require_of_student(path)
    sampler = _sampler(space, asked)
    variants = [Variant(BASE)]
    variants += [
        Variant(f"without {part}", (without(loaded, part),)) for part in dict.fromkeys(asked.ablate)
    ]
    if sampler == "grid":
        variants += _grid(space)
    ends = [] if sampler == "grid" else _ends(space)
    _require_loadable(recipe, overrides, [*variants, *ends])
    return Plan(
        loaded,
        bool(asked.ablate),
        tuple(variants),
        space,
        sampler,
        0 if sampler == "grid" else asked.trials or TRIALS,
        tuple(loaded.recipe.seed + at for at in range(asked.seeds)),
        _objective(loaded, asked.metrics or {}),
        asked.allow_code,
    )


def _field(text: str) -> tuple[str, Choice]:
    """Field and what is tried of it.

    Raises:
        UsageError: no such text.
    """
    path, sign, value = text.partition("=")
    document = parse_yaml(value or "null", "--field", {})
    problem = next((one.message for one in document.problems), "")
    found = document.value
    if problem or not sign or not path or not isinstance(found, (list, dict)) or not found:
        expected = "expected FIELD=[a, b] or FIELD={low: a, high: b, log: true}"
        raise UsageError(f"--field {text}: {problem or expected}")
    if isinstance(found, dict):
        return path, _range(path, found)
    values = tuple(json.dumps(one, ensure_ascii=False) for one in found)
    if len(set(values)) < len(values):
        raise UsageError(f"--field {text}: a value stands twice")
    return path, values


def _range(path: str, found: Mapping[str, Any]) -> Range:
    unknown = found.keys() - {"low", "high", "log"}
    low, high, log = found.get("low"), found.get("high"), found.get("log", False)
    numbers = [one for one in (low, high) if isinstance(one, (int, float)) and one is not True]
    if unknown or len(numbers) < 2 or not isinstance(log, bool):
        raise UsageError(
            f"--field {path}: expected {{low: NUMBER, high: NUMBER, log: true or false}}"
        )
    low, high = numbers
    if low >= high or (log and low <= 0):
        raise UsageError(
            f"--field {path}: expected low below high{' and above 0' * log}, found {low} and {high}"
        )
    return Range(low, high, log)


def _require_of_student(path: str) -> None:
    first = path.partition(".")[0]
    if first in _APART:
        raise UsageError(f"{path}: it cannot be varied: {_APART[first]}")
    if path in {"train.threads", "train.checkpoint_every"} or path.startswith("train.explosion"):
        raise UsageError(f"{path}: it cannot be varied: no student depends on it")


def _sampler(space: Mapping[str, Choice], asked: Asked) -> Sampler:
    ranges = [name for name, choice in space.items() if isinstance(choice, Range)]
    sampler = asked.sampler or ("tpe" if ranges else "grid")
    if sampler == "grid" and ranges:
        raise UsageError(f"--sampler grid: {ranges[0]} is a range: list its values")
    if sampler == "grid" and asked.trials is not None:
        raise UsageError("--trials: a grid or an ablation tries all there is; it is for a search")
    if asked.ablate and asked.sampler not in {None, "grid"}:
        raise UsageError("--sampler: an ablation tries every part; it is for --field")
    return sampler


def _grid(space: Mapping[str, Choice]) -> list[Variant]:
    lists = [choice for choice in space.values() if not isinstance(choice, Range)]
    found = [
        _variant(dict(zip(space, values, strict=True))) for values in itertools.product(*lists)
    ]
    if not space:
        return []
    if len(found) > _MOST:
        raise UsageError(
            f"a grid of {len(found):,} variants: at most {_MOST} are tried; search with --sampler"
            " tpe --trials N"
        )
    return found


def _ends(space: Mapping[str, Choice]) -> list[Variant]:
    """Variants with each value of a list and each end of a range: what can be wrong shows there."""
    found: list[Variant] = []
    for name, choice in space.items():
        ends = [choice.low, choice.high] if isinstance(choice, Range) else []
        texts = [json.dumps(one) for one in ends] if ends else list(choice)  # pyright: ignore[reportArgumentType]
        found += [_variant({name: text}) for text in texts]
    return found


def _variant(values: Mapping[str, str]) -> Variant:
    """The variant of some fields' JSON texts; its name has as much of each field as tells it."""
    lasts = [name.rpartition(".")[2] for name in values]
    shown: list[str] = []
    for (name, text), last in zip(values.items(), lasts, strict=True):
        shown.append(f"{last if lasts.count(last) == 1 else name}={_short(text)}")
    settings = [override(name, json_value(text)) for name, text in values.items()]
    return Variant(" ".join(shown), tuple(settings))


def _short(text: str) -> str:
    """A value in a name: of a number that was drawn, as many digits as tell it apart."""
    value = json_value(text)
    if isinstance(value, float) and len(text) > len(f"{value:.4g}"):
        return f"{value:.4g}"
    return value if isinstance(value, str) else text


def _require_loadable(recipe: Path, overrides: Sequence[str], variants: Sequence[Variant]) -> None:
    problems: dict[Problem, None] = {}
    for one in variants:
        try:
            load_recipe(recipe, overrides=[*overrides, *one.overrides], check_files=True)
        except RecipeError as error:
            problems |= dict.fromkeys(error.problems)
    if problems:
        raise RecipeError(list(problems))


def _objective(loaded: LoadedRecipe, metrics: Mapping[str, str]) -> dict[str, str]:
    tasks = loaded.recipe.tasks
    for task in metrics:
        if task not in tasks:
            raise UsageError(
                f"--metric: no task {task!r}; {meant(task, tasks) or ', '.join(tasks)}"
            )
    for task, name in metrics.items():
        usual = task_kind(tasks[task].kind).default_metrics
        known = (tasks[task].metric, *(tasks[task].metrics or usual))
        if name not in known:
            raise UsageError(
                f"--metric {task}={name}: the recipe's report has {', '.join(known)}:"
                f" name it under tasks.{task}.metrics"
            )
    return dict(metrics) or {name: task.metric for name, task in tasks.items()}
