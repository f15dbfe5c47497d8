"""The interface of a loss: it states what it needs, and is given that and no more."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Literal

from torch import Tensor, nn

from kd2edge.tasks.spec import Activation


class Need(Enum):
    """What a loss may ask for: the attribute of :class:`Given` that holds it."""

    STUDENT_LOGITS = "student_logits"
    TEACHER_LOGITS = "teacher_logits"
    TARGETS = "targets"
    STUDENT_FEATURES = "student_features"
    TEACHER_FEATURES = "teacher_features"
    LABELLED = "labelled"
    ROWS = "rows"
    OWNERS = "owners"
    ARRAYS = "arrays"
    COUNTS = "counts"

    @property
    def words(self) -> str:
        """For messages."""
        return self.value.replace("_", " ")


@dataclass(frozen=True, slots=True)
class Given:
    """What a loss is given: what it stated, and always ``weights`` and ``temperature``.

    An item is what the output says: a row, a word, a place of a map, an object.  Where the target's
    is another (a list of objects for the places of a map), ``weights`` of a hard loss are of rows.

    Args:
        weights: ``[item]``, 0 for an item that does not count (unlabelled, cut off).  Such an
            item's values are arbitrary but finite.
        temperature: one value, or ``[item, 1]``.
        activation: what the task's logits become.
        cut: whether the last of the logits is of all other classes together, and so no class.
        student_logits: ``[item, channel]``, fp32.
        teacher_logits: ``[item, channel]``, fp32; those of several teachers are already joined.
        targets: field of the task's kind -> ``[item, ...]``: ``labels`` are class indices, with
            ``MISSING`` where there is none.
        labelled: ``[item]``, 1 for an item that has a label and was seen, else 0.
        student_features: ``[item, width]``, already projected to the teacher's width.
        teacher_features: ``[item, width]``.
        rows: ``[item]`` global position of the row that an item belongs to.
        owners: ``[object]`` the row that each object belongs to, for tasks whose targets are lists
            of objects.
        arrays: name of an output of the task's kind -> ``[batch, ..., channel]``, fp32, as the
            student's head gives it; for hard losses.
        counts: ``[row]`` how many words or frames each row has, of the first array, for hard
            losses; for losses on features how many items each row has, one row's after another's,
            on the CPU.
        label_weights: in the shape of ``labels``, what each of them counts in a hard loss; None:
            all alike.  Unlike ``weights`` they are not divided by their sum.
    """

    weights: Tensor
    temperature: float | Tensor = 1.0
    activation: Activation = "softmax"
    cut: bool = False
    student_logits: Tensor | None = None
    teacher_logits: Tensor | None = None
    targets: Mapping[str, Tensor] | None = None
    labelled: Tensor | None = None
    student_features: Tensor | None = None
    teacher_features: Tensor | None = None
    rows: Tensor | None = None
    owners: Tensor | None = None
    arrays: Mapping[str, Tensor] | None = None
    counts: Tensor | None = None
    label_weights: Tensor | None = None

    def need(self, need: Need) -> Tensor:
        """What a loss stated.

        Raises:
            LookupError: it did not state this.
        """
        found = getattr(self, need.value)
        if found is None:
            raise LookupError(f"the loss uses {need.words}, but does not state it in `needs`")
        return found

    def target(self, field: str) -> Tensor:
        """What the data says of each item, for a loss that stated ``Need.TARGETS``.

        Raises:
            LookupError: it did not state this.
        """
        if self.targets is None:
            raise LookupError("the loss uses targets, but does not state it in `needs`")
        return self.targets[field]

    def array(self, name: str = "") -> Tensor:
        """An array of the student's head, for a hard loss that stated ``Need.ARRAYS``.

        Raises:
            LookupError: it did not state this.
        """
        if self.arrays is None:
            raise LookupError("the loss uses arrays, but does not state it in `needs`")
        return self.arrays[name]


#: What an item of a loss on features is: a vector, word or place as it comes; a row, the mean of
#: its words or places; or a row as a whole, the places of its map side by side.
Per = Literal["item", "row", "whole"]


@dataclass(frozen=True, slots=True)
class Sizes:
    """What is known of two features before the first step.

    Args:
        rows: of the training split; :attr:`Given.rows` lie below.
        student: width of each of the student's layers, as the loss is given them.
        teacher: likewise.
        items: how many a row has (1, or the places of a map); None for words, whose number differs.
    """

    rows: int
    student: tuple[int, ...]
    teacher: tuple[int, ...]
    items: int | None


class Loss(nn.Module, ABC):
    """One loss.  Implementations are final; parameters and buffers they own are trained and saved.

    Attributes:
        needs: what :meth:`forward` reads.
        activations: of the outputs that a loss on logits is defined for.
        kinds: of the tasks that it is defined for; none: of every kind.
        fewest_channels: that an item of such outputs has.
        tempered: whether a temperature changes what a loss on logits says.
        whole: whether a loss on logits needs each class by itself: what it says of the likeliest
            and of all others together is not what it says of all.
        per: of a loss on features, what an item is.  Items that are rows need not be the teacher's:
            each side may have its own words, places and inputs.
        projects: of a loss on features, whether it compares vectors number by number, so that the
            student's are first brought to the teacher's width.  One that compares relations of
            items has no use for that: a projector would learn the relations in the student's place
            and be thrown away with them, so a recipe that states one is refused.
        layers: of a loss on features, how many layers of either side it compares; their vectors
            stand side by side.
    """

    needs: frozenset[Need]
    activations: frozenset[Activation] = frozenset({"softmax", "sigmoid"})
    kinds: frozenset[str] = frozenset()
    fewest_channels: int = 1
    tempered: bool = True
    whole: bool = False
    per: Per = "item"
    projects: bool = True
    layers: int = 1

    def prepare(self, sizes: Sizes) -> None:
        """Make what takes its size from the data, say a memory bank; those on features are asked.

        Called once, before a checkpoint is restored: buffers that are registered here are saved and
        come back.

        Args:
            sizes: of the two features.

        Raises:
            ValueError: features that the loss says nothing of, or widths that do not fit.
        """

    @abstractmethod
    def forward(self, given: Given) -> Tensor:
        """The loss, one number: the mean over the items that count."""


def weighted_mean(values: Tensor, weights: Tensor) -> Tensor:
    """Mean of finite ``values`` ``[item]`` under ``weights`` ``[item]``; 0 when nothing counts."""
    return values.dot(weights / weights.sum().clamp(min=1e-12))
