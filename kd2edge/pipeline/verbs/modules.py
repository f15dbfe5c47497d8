"""``kd2edge check --modules``: the paths that ``from`` and ``to`` of a feature may name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kd2edge.nets.shapes import ModuleShape, module_shapes
from kd2edge.pipeline.reading.model_inputs import student_inputs
from kd2edge.pipeline.reading.prepare import prepare_data, require_sound
from kd2edge.pipeline.steps.rehearsal import nets_of
from kd2edge.recipe import LoadedRecipe

__all__ = ["ModuleTrees", "modules_of"]


@dataclass(frozen=True, slots=True)
class ModuleTrees:
    """The modules of every net of a recipe.

    Args:
        nets: teacher, or ``student`` -> its modules.
    """

    nets: Mapping[str, list[ModuleShape]]

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {
            "modules": {
                name: [one._asdict() for one in modules] for name, modules in self.nets.items()
            }
        }

    def text(self) -> str:
        """For a terminal."""
        lines: list[str] = []
        for name, modules in self.nets.items():
            lines += [name, *(f"  {one.text()}" for one in modules)]
        return "\n".join(lines)


def modules_of(loaded: LoadedRecipe) -> ModuleTrees:
    """Make every net that the recipe trains or follows, and run it.  Trains and writes nothing.

    Raises:
        RecipeError: all problems of the data, with file and line; else all nets that do not fit.
        DataError: a source that cannot be opened.
        IntegrityError, StorageError: weights that are damaged or cannot be read.
    """
    data = prepare_data(loaded)
    require_sound(loaded, data)
    inputs = student_inputs(loaded.recipe, data.rows["train"], data.learned)
    nets = nets_of(loaded, list(data.tasks.values()), inputs, data.learned)
    return ModuleTrees({name: module_shapes(net) for name, net in nets})
