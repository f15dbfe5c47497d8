"""The contract of a graph pass: a model in, a model out, with what must hold before and after."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from kd2edge.errors import Kd2edgeError
from kd2edge.export.model_io import interface

if TYPE_CHECKING:
    from onnx import ModelProto


@dataclass(frozen=True, slots=True)
class PassResult:
    """What a pass made.

    Args:
        model: the changed copy, or the very model that went in when there was nothing to do.
        changes: how many places were changed.
    """

    model: ModelProto
    changes: int


class GraphPass(ABC):
    """A change of a graph.  The base checks, the pass works on a copy: its argument stays.

    Holds for every pass: inputs and outputs keep name, type, shape and order; a changed model
    passes the ONNX checker; and a second run changes nothing more.
    """

    #: The name in messages and in the table.
    name: str

    @final
    def __call__(self, model: ModelProto) -> PassResult:
        """Run the pass.

        Raises:
            Kd2edgeError: a model that does not fit the pass, or a result that breaks its contract.
        """
        self._assert(self.before(model), "cannot run")
        changed = type(model)()
        changed.CopyFrom(model)
        changes = self.change(changed)
        if not changes:
            return PassResult(model, 0)
        self._assert(_interface_problem(model, changed), "broke the graph's interface")
        self._assert(_checker_problem(changed), "made an invalid graph")
        self._assert(self.after(changed), "did not do its work")
        return PassResult(changed, changes)

    @abstractmethod
    def change(self, model: ModelProto) -> int:
        """Change ``model`` in place; the number of places changed."""

    def before(self, model: ModelProto) -> str:
        """Why the pass cannot run on ``model``; "" when it can."""
        del model
        return ""

    def after(self, model: ModelProto) -> str:
        """What is wrong with the changed ``model``; "" when nothing is."""
        del model
        return ""

    def _assert(self, problem: str, what: str) -> None:
        if problem:
            raise Kd2edgeError(f"graph pass {self.name} {what}: {problem}")


def _interface_problem(before: ModelProto, after: ModelProto) -> str:
    expected, found = interface(before), interface(after)
    return "" if expected == found else f"expected {expected}, found {found}"


def _checker_problem(model: ModelProto) -> str:
    from onnx import checker

    try:
        checker.check_model(model)
    except checker.ValidationError as error:
        return str(error)
    return ""
