"""What every step of a run is handed: the recipe, its data and folder, how it was asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kd2edge.data import EncodedSplit, encode_split
from kd2edge.nets import Net, build_net
from kd2edge.pipeline.reading.model_inputs import ModelInputs, absence_of, views_of, weights_of
from kd2edge.pipeline.reading.prepare import Prepared
from kd2edge.pipeline.reading.settings import model_spec
from kd2edge.pipeline.reading.sources import SPLITS
from kd2edge.pipeline.steps.events import Listener
from kd2edge.pipeline.steps.folders import RunFolder
from kd2edge.recipe import LoadedRecipe, Recipe
from kd2edge.recipe.schema import Model
from kd2edge.recipe.schema.models import models_of
from kd2edge.rows.lacking import LackingRows
from kd2edge.tasks.spec import TaskSpec

__all__ = ["Learner", "Splits", "Work", "fresh_net"]

#: Split -> its rows, encoded for one model.
Splits = dict[str, EncodedSplit]


@dataclass(frozen=True, slots=True)
class Work:
    """A run in progress.

    Args:
        loaded: the recipe.
        run: the run's folder.
        data: rows and tasks.
        cache: folder of encoded rows and teachers' outputs.
        resume: take over what an interrupted run left.
        on_event: told about stages and progress.
        allow_code: whether code may run that the recipe names.
    """

    loaded: LoadedRecipe
    run: RunFolder
    data: Prepared
    cache: Path
    resume: bool
    on_event: Listener
    allow_code: bool = False

    @property
    def recipe(self) -> Recipe:
        return self.loaded.recipe

    @property
    def tasks(self) -> list[TaskSpec]:
        """All tasks, in the recipe's order."""
        return list(self.data.tasks.values())

    def encode(self, inputs: ModelInputs, seed: int) -> Splits:
        """Every split as one model reads it; from the cache where it stands there.

        Args:
            inputs: what it reads.
            seed: of its training, which says what is left out of which rows.
        """
        encoded = self._encoder(inputs)
        absence = absence_of(self.recipe, inputs, seed)
        of_training = {"views": views_of(self.recipe), "absence": absence}
        return {
            split: encoded(self.data.rows[split], **(of_training if split == "train" else {}))
            for split in SPLITS
        }

    def encode_lacking(self, rows: LackingRows, inputs: ModelInputs) -> EncodedSplit:
        """Rows without an input, as a model reads them; from the cache where they stand there."""
        return self._encoder(inputs)(rows)

    def _encoder(self, inputs: ModelInputs) -> Callable[..., EncodedSplit]:
        """What encodes rows as a model reads them, into this run's cache."""
        return partial(
            encode_split,
            inputs=inputs.pairs,
            tasks=self.tasks,
            directory=self.cache / "encoded",
            file_hashes=inputs.hashes,
            on_event=self.on_event,
        )


@dataclass(frozen=True, slots=True)
class Learner:
    """One model that learns: what it reads, and the rows as it reads them."""

    inputs: ModelInputs
    splits: Splits


def fresh_net(model: Model, inputs: ModelInputs, tasks: Sequence[TaskSpec], seed: int) -> Net:
    """A net as the recipe describes it, from its pretrained weights or from chance.

    Args:
        model: the recipe's part.
        inputs: what the net reads.
        tasks: what it answers.
        seed: of the weights that nothing pretrained fills.
    """
    sources = {name: weights_of(one) for name, one in models_of(model, inputs.specs).items()}
    return build_net(
        model_spec(model),
        list(inputs.specs.values()),
        tasks,
        source_dir={name: folder for name, folder in sources.items() if folder is not None},
        vocabulary=inputs.vocabulary,
        seed=seed,
    )
