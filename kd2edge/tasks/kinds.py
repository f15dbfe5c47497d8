"""The task kinds by name; a new one is a file here and in ``nets.heads``, a line in each table."""

from __future__ import annotations

from types import MappingProxyType

from kd2edge.errors import UsageError
from kd2edge.tasks.binary import Binary
from kd2edge.tasks.classification import Classification
from kd2edge.tasks.kind import TaskKind
from kd2edge.tasks.multi_label import MultiLabel
from kd2edge.tasks.ordinal import Ordinal
from kd2edge.tasks.regression import Regression
from kd2edge.tasks.token_classification import TokenClassification
from kd2edge.wording import meant

TASK_KINDS: MappingProxyType[str, TaskKind] = MappingProxyType(
    {
        kind.name: kind
        for kind in (
            Binary(),
            Classification(),
            MultiLabel(),
            Ordinal(),
            Regression(),
            TokenClassification(),
        )
    }
)


def task_kind(name: str) -> TaskKind:
    """The task kind of that name.

    Raises:
        UsageError: an unknown name; the message lists those there are.
    """
    kind = TASK_KINDS.get(name)
    if kind is None:
        hint = meant(name, TASK_KINDS, before="; ")
        known = ", ".join(TASK_KINDS)
        raise UsageError(f"expected a task kind among {known}, found {name!r}{hint}")
    return kind
