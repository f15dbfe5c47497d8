"""How a training is run: plain values, unpacked from a recipe by whoever read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kd2edge.distill.method import Method
from kd2edge.distill.schedule import Value
from kd2edge.tasks.spec import TaskName


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """One feature that the student learns from a teacher.

    Args:
        teacher: name of the teacher in ``Knowledge.caches``.
        source: module path in the teacher (cached).
        target: module path in the student.
        loss: a name in ``FEATURE_LOSSES``, with options.
        projector: a name in ``PROJECTORS``, with options.
        weight: what its loss is multiplied with.
    """

    teacher: str
    source: str
    target: str
    loss: Method = Method("cosine")
    projector: Method = Method("linear")
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class DistillSettings:
    """What is learned from teachers.  Maps by task may leave tasks out.

    Args:
        alpha: share of the teachers in a task's loss, ``alpha * kd + (1 - alpha) * task``.
        temperature: what logits are divided by before they are compared.
        weight: of a task in the sum over tasks (also without teachers).
        logits: the logit loss of a task.
        features: features that are learned beside the outputs.
        balance: how the tasks' losses are combined.
    """

    alpha: Value = 0.5
    temperature: Value = 1.0
    weight: Value = 1.0
    logits: Mapping[TaskName, Method] = field(default_factory=dict)
    features: tuple[FeatureSpec, ...] = ()
    balance: Method = Method("static")


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
        max_steps: steps in all, whatever ``epochs`` says (a baseline gets the student's).
        validate_every: epochs between validations; the last epoch is always validated.
        keep: ``best`` epoch by the mean of the tasks' metrics, or ``last``.
        distill: losses and balance.
        precision: ``auto``, ``fp32`` or ``bf16``.
        device: ``auto``, ``cpu``, ``cuda``.
        threads: CPU threads; None leaves torch's setting.
        checkpoint_every: steps between two checkpoints.
    """

    epochs: int
    batch_size: int
    lr: float
    weight_decay: float = 0.01
    warmup: float = 0.1
    schedule: str = "linear"
    clip_norm: float | None = 1.0
    label_smoothing: float = 0.0
    seed: int = 0
    max_steps: int | None = None
    validate_every: int = 1
    keep: str = "best"
    distill: DistillSettings = field(default_factory=DistillSettings)
    precision: str = "auto"
    device: str = "auto"
    threads: int | None = None
    checkpoint_every: int = 200
