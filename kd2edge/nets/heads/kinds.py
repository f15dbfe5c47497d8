"""The fixed table of heads, one a task kind."""

from __future__ import annotations

from types import MappingProxyType

from kd2edge.errors import UsageError
from kd2edge.nets.features import Widths
from kd2edge.nets.heads.head import Head
from kd2edge.nets.heads.multi_label import MultiLabelHead
from kd2edge.nets.heads.pooled import PooledHead
from kd2edge.nets.heads.token_classification import TokenClassificationHead
from kd2edge.tasks.spec import TaskSpec

#: Task kind -> its head; a test compares the keys with ``tasks.TASK_KINDS``.
HEADS: MappingProxyType[str, type[Head]] = MappingProxyType(
    {
        "binary": PooledHead,
        "classification": PooledHead,
        "multi_label": MultiLabelHead,
        "ordinal": PooledHead,
        "regression": PooledHead,
        "token_classification": TokenClassificationHead,
    }
)


def head_for(spec: TaskSpec, widths: Widths, dropout: float) -> Head:
    """A new head for a task over vectors of these ``widths``.

    Raises:
        UsageError: a task kind without a head, or one that needs what no input has.
    """
    make = HEADS.get(spec.kind)
    if make is None:
        raise UsageError(
            f"task {spec.name}: no head for kind {spec.kind!r}; known are {sorted(HEADS)}"
        )
    return make(spec, widths, dropout)
