"""Each default stands once: what a recipe may leave out, no stage has a second value for."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from importlib import import_module
from pkgutil import walk_packages
from types import ModuleType
from typing import Any

import kd2edge.recipe.schema
from kd2edge.recipe.schema.base import Part

#: What a recipe's numbers are handed to.
STAGES = ("data", "distill", "export", "quantize", "student", "teacher")
#: Parameters that are called like a recipe's field, and mean something else.
OTHERS = {
    "data.absence.Absence.seed": "rows whose inputs all stay draw nothing",
    "data.augment.views.Views.seed": "rows without views draw nothing",
    "distill.evaluate.predict_split.batch_size": "asking a net; a recipe states that of training",
    "distill.evaluate.predict_split.precision": "reports and parity need fp32 whatever trains",
    "distill.loss.Given.activation": "of a task's logits; a recipe states that of a net's layers",
    "distill.loss.Given.temperature": "what losses without a temperature are given",
    "teacher.fill.cache_outputs.batch_size": "asking a net; a recipe states that of training",
}
#: Values that leave the choice to what is there.
OPEN = (None, "auto", "", (), {})


def modules(package: ModuleType) -> Iterator[ModuleType]:
    yield package
    for found in walk_packages(package.__path__, f"{package.__name__}."):
        yield import_module(found.name)


def parts(part: type[Part] = Part) -> Iterator[type[Part]]:
    for one in part.__subclasses__():
        yield one
        yield from parts(one)


def callables(module: ModuleType) -> Iterator[Any]:
    """Functions, methods and classes (for what makes them) of a module's own."""
    for one in vars(module).values():
        if getattr(one, "__module__", "") != module.__name__:
            continue
        if inspect.isfunction(one):
            yield one
        elif inspect.isclass(one):
            yield one
            yield from filter(inspect.isfunction, vars(one).values())


def test_no_stage_has_a_default_for_what_a_recipe_states() -> None:
    assert list(modules(kd2edge.recipe.schema))
    stated = {
        name
        for part in parts()
        for name, field in part.model_fields.items()
        if name != "kind" and not field.is_required()
    }
    assert {"temperature", "opset", "pixels", "warmup"} <= stated
    found: set[str] = set()
    for stage in STAGES:
        for module in modules(import_module(f"kd2edge.{stage}")):
            for one in callables(module):
                if not inspect.signature(one).parameters:
                    continue
                place = f"{module.__name__.removeprefix('kd2edge.')}.{one.__qualname__}"
                found |= {
                    f"{place.removesuffix('.__init__')}.{name}"
                    for name, parameter in inspect.signature(one).parameters.items()
                    if name in stated
                    and parameter.default is not inspect.Parameter.empty
                    and type(parameter.default) in (bool, int, float, str)
                    and parameter.default not in OPEN
                }
    assert found == set(OTHERS)
