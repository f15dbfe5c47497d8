"""How a training is run: plain values, unpacked from a recipe by whoever read it.

Nothing has a default here: each stands in the recipe's schema, once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from kd2edge.distill.long_tail.long_tail import Support
from kd2edge.distill.method import Method
from kd2edge.distill.schedule import Value
from kd2edge.tasks.spec import TaskName


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One feature that the student learns from a teacher.

    Args:
        teacher: name of the teacher in ``Knowledge.caches``.
        sources: module paths in the teacher (cached): one, or as many as the loss has ``layers``.
        targets: as many module paths in the student.
        loss: a name in ``FEATURE_LOSSES``, with options.
        projector: a name in ``PROJECTORS``, with options; None for ``linear`` where the loss
            compares vectors, and nothing where it compares relations.
        weight: what its loss is multiplied with.
        standardise: a name in ``STANDARDS``: what is done to the teacher's vectors first.
    """

    teacher: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    loss: Method
    projector: Method | None
    weight: float
    standardise: str

    @property
    def place(self) -> str:
        """For messages."""
        return f"features {', '.join(self.sources)} -> {', '.join(self.targets)}"


@dataclass(frozen=True, slots=True)
class FeedSpec:
    """A teacher's feature that is added to one of the student's until it has faded out.

    Args:
        teacher: name of the teacher in ``Knowledge.caches``.
        source: module path in the teacher (cached).
        target: module path in the student.
        first: share of it at the first step.
        until: share of the steps after which nothing is added any more.
        shape: ``linear`` or ``cosine``: how the share falls.
        standardise: a name in ``STANDARDS``: what is done to the teacher's vectors first.
    """

    teacher: str
    source: str
    target: str
    first: float
    until: float
    shape: str
    standardise: str

    @property
    def place(self) -> str:
        """For messages."""
        return f"feed {self.source} -> {self.target}"


@dataclass(frozen=True, slots=True)
class LongTailSpec:
    """What makes the rare classes of a task count.

    Args:
        method: a name in ``LONG_TAILS``, with options.
        support: of the training rows.
    """

    method: Method
    support: Support


@dataclass(frozen=True, slots=True)
class DistillSettings:
    """What is learned from teachers.  Maps by task name every task, but for ``long_tail``.

    Args:
        alpha: share of the teachers in a task's loss, ``alpha * kd + (1 - alpha) * task``.
        temperature: what logits are divided by before they are compared.
        sample_weight: of an item in both parts of its task's loss, from 0 to 1, where the task has
            a teacher.
        weight: of a task in the sum over tasks (also without teachers).
        logits: the logit loss, one for all tasks or one a task.
        features: features that are learned beside the outputs.
        feed: features that are given to the student until they have faded out.
        balance: how the tasks' losses are combined.
        long_tail: of the tasks whose rare classes are made to count, with or without a teacher.
        mutual: weight of what nets that learn beside each other say of a task, beside its other
            losses; 0: they do not listen to each other, or there are none.
    """

    alpha: Value
    temperature: Value
    sample_weight: Value
    weight: Value
    logits: Method | Mapping[TaskName, Method]
    features: tuple[FeatureSpec, ...]
    feed: tuple[FeedSpec, ...]
    balance: Method
    long_tail: Mapping[TaskName, LongTailSpec]
    mutual: float


@dataclass(frozen=True, slots=True)
class Mixup:
    """How rows of a batch are mixed in pairs.

    Args:
        alpha: the share of a row is drawn from Beta(alpha, alpha).
        at: ``inputs`` or ``features``: what is mixed.
    """

    alpha: float
    at: str


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the rows of an epoch are drawn.

    Args:
        temperature: a source or task of n rows has a share in proportion to
            ``n ** (1 / temperature)``; at least 1.
        over: ``sources`` or ``tasks``; a row is of the rarest task that it has a label of.
    """

    temperature: float
    over: str


@dataclass(frozen=True, slots=True)
class Explosion:
    """When a loss has exploded.

    Args:
        factor: how many times the smallest that it was, and the floor, it is above.
        floor: added to the smallest, for losses that come near to 0.
        steps: in so many batches more it is so than it is not.
    """

    factor: float
    floor: float
    steps: int


#: No teacher has a say, and the tasks' losses are summed.
LABELS_ALONE = DistillSettings(
    alpha=0.0,
    temperature=1.0,
    sample_weight=1.0,
    weight=1.0,
    logits={},
    features=(),
    feed=(),
    balance=Method("static"),
    long_tail={},
    mutual=0.0,
)


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """How long, how fast, how exactly.

    Args:
        epochs: passes over the rows that teach something, unless ``max_steps`` is set.
        batch_size: rows a step.
        lr: highest learning rate of AdamW.
        weight_decay: on matrices; never on biases and norms.
        warmup: share of the steps in which the rate rises from 0.
        schedule: ``linear`` or ``cosine`` to 0 after the warmup, or ``constant``.
        clip_norm: largest norm of the gradient; None for no limit.
        label_smoothing: share of a label's weight that is spread over all labels, in hard losses.
        seed: of order, dropout and projectors.
        max_steps: steps in all, whatever ``epochs`` says (most baselines get the student's).
        validate_every: epochs between validations; the last epoch is always validated.
        keep: ``best`` epoch by the mean of the tasks' metrics, or ``last``.
        sampling: how rows are drawn from sources or tasks; None: an epoch shows each once.
        mixup: how rows are mixed in pairs; None: they are shown as they are.
        distill: losses and balance.
        precision: ``auto``, ``fp32`` or ``bf16``.
        device: ``auto``, ``cpu``, ``cuda``.
        threads: CPU threads; None leaves torch's setting.
        checkpoint_every: steps between two checkpoints.
        explosion: when a loss has exploded, and training stops; None: it never does.
        freeze: paths of modules that stay as they are.
        layer_decay: what a level's learning rate is of that of the level above it.
        rates: path of a module -> what its learning rate is multiplied with.
    """

    epochs: int
    batch_size: int
    lr: float
    weight_decay: float
    warmup: float
    schedule: str
    clip_norm: float | None
    label_smoothing: float
    seed: int
    max_steps: int | None
    validate_every: int
    keep: str
    sampling: Sampling | None
    mixup: Mixup | None
    distill: DistillSettings
    precision: str
    device: str
    threads: int | None
    checkpoint_every: int
    explosion: Explosion | None
    freeze: tuple[str, ...]
    layer_decay: float
    rates: Mapping[str, float]
