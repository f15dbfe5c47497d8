"""``train``: how nets are trained.  Every default of training stands here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from kd2edge.recipe.schema.base import (
    Count,
    NotNegative,
    Part,
    Positive,
    Rate,
    Share,
    Text,
    Texts,
)


class TrainPart(Part):
    """What the training of teachers and students has in common."""

    batch_size: Count = 64
    """Rows a step."""
    weight_decay: NotNegative = 0.01
    """Decoupled weight decay (AdamW)."""
    warmup: Share = 0.1
    """Share of the steps in which the learning rate rises from 0."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """How the learning rate goes on after the warm-up."""
    clip_norm: Positive | None = 1.0
    """Largest norm of the gradient; null: not clipped."""
    label_smoothing: Rate = 0.0
    """Share of a label's weight that is spread over all labels."""
    validate_every: Count = 1
    """Epochs between two validations."""
    keep: Literal["best", "last"] = "best"
    """Which weights are kept: the best on validation, or the last."""
    freeze: Texts = ()
    """Modules that stay as they are, with all that is inside them, by their paths as
    `kd2edge check --modules` prints them, or `backbone`, `adapter`, `heads` as a whole: they get
    neither gradients nor decay, their batch norms keep their statistics, and they drop nothing."""
    layer_decay: Annotated[float, Strict(), Field(gt=0, le=1)] = 1.0
    """What each level's learning rate is of that of the level above it; heads have the whole.
    Levels are counted in the order in which the net calls them: what stands before the layers,
    each layer, what stands behind them."""
    rates: dict[Text, Positive] = {}
    """Module, by its path -> what its learning rate is multiplied with beside that; of modules
    inside each other the inner one counts."""


class TeacherTrain(TrainPart):
    """How a teacher is trained."""

    epochs: Count = 5
    """Passes over the labelled training rows; of one that is taught over all of them."""
    lr: Positive = 3e-4
    """Largest learning rate."""


class Baseline(Part):
    """How the baseline is trained, where the student's way is not the best one for labels alone."""

    epochs: Count
    """Passes over the labelled rows; as many steps as the student would be far more of them."""
    lr: Positive | None = None
    """Largest learning rate; null: the student's."""


class Mixup(Part):
    """Rows of a batch are mixed in pairs, with their labels and their teachers' word.

    After Zhang et al. (2018). A teacher is not asked about what is mixed.
    """

    alpha: Annotated[Positive, Field(ge=0.01, le=10)] = 0.2
    """A row's share is drawn from Beta(alpha, alpha): the smaller, the nearer to 0 or 1."""
    at: Literal["inputs", "features"] = "inputs"
    """`inputs` mixes pictures, and the numbers of tables; `features` the vectors that the heads
    read, whatever they were made of."""


class Explosion(Part):
    """When a loss counts as exploded, and training stops.

    The loss of a task and kind, neither weighted nor balanced, is above `factor` times (the
    smallest that it was, in its first batch or as a mean over `steps` batches, plus `floor`) in
    `steps` batches more than it is not.
    """

    factor: Annotated[float, Strict(), Field(gt=1, le=1e9)] = 100.0
    """How many times as large: good trainings let losses grow many times over, too."""
    floor: Positive = 1.0
    """Added to the smallest: losses may begin at 0, or come near to it."""
    steps: Annotated[Count, Field(le=10_000)] = 20
    """Batches above, less those since that are not: a single one of odd rows stops nothing."""


class Sampling(Part):
    """From which sources or tasks the rows of an epoch come, which has as many as without it.

    A source or task of n rows has a share in proportion to n to the power of 1 / `temperature`:
    rows of small ones are shown more than once, and of large ones some in a later epoch.
    """

    over: Literal["sources", "tasks"] = "sources"
    """Of `tasks` a row counts for the one with the fewest labelled rows that it has a label of;
    rows without any label are shown once an epoch, as ever."""
    temperature: Annotated[float, Strict(), Field(ge=1, le=100)] = 2.0
    """At 1 every row is shown once; the higher, the more alike are the shares."""


class Train(TrainPart):
    """How the student (and the baseline) is trained, and on what."""

    epochs: Count = 20
    """Passes over the training rows, unlabelled ones included."""
    lr: Positive = 1e-3
    """Largest learning rate."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """`auto` takes a mixed precision where the device gains by it."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto` takes CUDA when it is there."""
    threads: Count | None = None
    """CPU threads; null: the physical cores."""
    checkpoint_every: Annotated[Count, Field(le=1_000_000)] = 200
    """Steps between two checkpoints that a stopped run resumes from."""
    explosion: Explosion | None = Explosion()
    """When the loss of a net has exploded, teachers included: training stops as it does at NaN;
    null: never."""
    sampling: Sampling | None = None
    """Draws the training rows of the student and the baseline from their sources or tasks, e.g.
    `{over: tasks, temperature: 2}`; null: an epoch shows each row once."""
    mixup: Mixup | None = None
    """Mixes the training rows of the student and the baseline, e.g. `{alpha: 0.2}`; null: they are
    shown as they are."""
