"""Start a student as another one was: one generally distilled student starts many recipes.

Jiao et al. 2020, "TinyBERT" (arXiv:1909.10351, section 3.2): what general distillation gave is
where the distillation of every task begins.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from kd2edge.errors import UsageError
from kd2edge.nets.net import Net, module_key
from kd2edge.student.mapped import Mapped
from kd2edge.tasks.spec import TaskSpec

Shapes = Mapping[str, tuple[int, ...]]


@torch.no_grad()
def whole_net(student: Net, teacher: Net, *, heads: bool) -> Mapped:
    """Copy everything outside the heads, statistics of batch norms included, in place.

    A head's prototypes of rows in scope stay behind: they are of what the other net read.

    Args:
        student: the net to start.
        teacher: the student of another run; it is not changed.
        heads: also those of tasks of the same name, kind and labels.

    Raises:
        UsageError: a tensor that the other net has in another shape, or one of the two lacks.
    """
    theirs = {task.name: task for task in teacher.tasks}
    same = [task for task in student.tasks if heads and _is_same(task, theirs.get(task.name))]
    kept = tuple(f"heads.{module_key(task.name)}." for task in same)
    scopes = tuple(f"{head}scope." for head in kept)
    given = {name: one for name, one in teacher.state_dict().items() if not name.startswith(scopes)}
    ours = student.state_dict()
    own, others = (
        {name: tuple(one.shape) for name, one in state.items() if _is_taken(name, kept)}
        for state in (ours, given)
    )
    _require_same_shapes(own, others)
    student.load_state_dict({**ours, **{name: given[name] for name in own}})
    return Mapped(("trunk", *(f"heads.{task.name}" for task in same)), 1.0)


def _is_same(task: TaskSpec, other: TaskSpec | None) -> bool:
    return other is not None and (task.kind, task.labels) == (other.kind, other.labels)


def _is_taken(name: str, heads: tuple[str, ...]) -> bool:
    return not name.startswith("heads.") or name.startswith(heads)


def _require_same_shapes(ours: Shapes, theirs: Shapes) -> None:
    wrong = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
    if wrong:
        first = wrong[0]
        more = f", and so are {len(wrong) - 1:,} more tensors" if len(wrong) > 1 else ""
        raise UsageError(
            f"init run: the nets differ in their shapes: {first} is {_said(theirs.get(first))} in"
            f" the student of that run and {_said(ours.get(first))} in this one{more}; give both"
            " the same `student.model` and vocabulary, or leave init out"
        )


def _said(shape: tuple[int, ...] | None) -> str:
    return "not there" if shape is None else str(list(shape))
