"""The interface of a target: a float32 graph or program in, the files of one artefact out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

import numpy.typing as npt

from kd2edge.engines import ENGINES, MadeFrom, artefact_id
from kd2edge.errors import UsageError
from kd2edge.inputs.spec import ArraySpec
from kd2edge.runtime.static_plan import StaticPlan
from kd2edge.verdict import Status

if TYPE_CHECKING:  # targets that are made from the graph need no torch
    from torch.export import ExportedProgram

Arrays = Mapping[str, npt.NDArray[Any]]
#: Gives the batches to calibrate on, from the start, as often as it is called.
Calibration = Callable[[], Iterable[Arrays]]
#: Method name -> function, from ``kd2edge.quantize.QUANTIZERS``.  The pipeline hands them in: the
#: stages export and quantize do not know each other.
Quantizers = Mapping[str, Callable[..., Any]]


@dataclass(frozen=True, slots=True)
class Variant:
    """One form of the student that a target can make; ``id`` is the artefact's."""

    target: str
    precision: str
    name: str = ""

    @property
    def id(self) -> str:
        return artefact_id(self.target, self.precision, self.name)


@dataclass(frozen=True, slots=True)
class Layers:
    """A student of static embeddings: what it is made of, and its float32 weights by place."""

    plan: StaticPlan
    arrays: Arrays


def _no_program() -> ExportedProgram:
    raise UsageError("this source has no torch program")


def _no_layers() -> Layers:
    raise UsageError("this source has no layers")


@dataclass(frozen=True, slots=True)
class Source:
    """What every artefact of a student is made from.

    Args:
        graph: the float32 ONNX graph; empty where no target is made from it.
        inputs: the inputs of graph and program, in order.
        outputs: their outputs, in order.
        ranges: dynamic dimension -> (smallest, largest) size that artefacts take.
        calibration: training rows for int8; called only when a variant needs them.
        sample: what the artefact says of those rows (JSON values); called when they are used.
        quantizers: the methods.
        exclude: names of the graph's nodes that int8 keeps in float.
        method: how ONNX ranges are made from the calibration rows (``minmax``, ``percentile``).
        program: the float32 program, whose arguments and results are ``inputs`` and ``outputs`` in
            their order; called only by targets that are made from it.
        layers: the weights of the layers; called only by targets that are made from them.
    """

    graph: bytes
    inputs: tuple[ArraySpec, ...]
    outputs: tuple[ArraySpec, ...]
    ranges: Mapping[str, tuple[int, int]]
    calibration: Calibration = tuple
    quantizers: Quantizers = field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    method: str = "minmax"
    sample: Callable[[], Mapping[str, Any]] = dict
    program: Callable[[], ExportedProgram] = _no_program
    layers: Callable[[], Layers] = _no_layers

    def calibrated(self) -> dict[str, Any]:
        """The settings of an artefact that was calibrated: on which rows."""
        sample = dict(self.sample())
        return {"calibration": sample} if sample else {}


@dataclass(frozen=True, slots=True)
class Made:
    """The files of one artefact and what the manifest says of them.

    Args:
        files: path relative to the bundle (it starts with the target's folder) -> bytes.
        entry: the file that the runtime opens first; "" when failed.
        status: ``ready``, ``needs_device`` or ``failed``.
        reason: why it is not ready; "" when it is.
        tools: tool -> version.
        settings: of quantization or build, JSON values.
    """

    files: Mapping[str, bytes]
    entry: str
    status: Status = "ready"
    reason: str = ""
    tools: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


class Target(ABC):
    """A runtime that the student is made ready for.  Implementations are final, without state."""

    #: The name in recipes and artefact ids, and the folder inside a bundle.
    name: str

    @property
    def precisions(self) -> Mapping[str, tuple[str, ...]]:
        """Precision -> names of its variants ("" when it has one form)."""
        return ENGINES[self.name].precisions

    @property
    def made_from(self) -> MadeFrom:
        """What of a source :meth:`make` reads."""
        return ENGINES[self.name].made_from

    @final
    def variants(self, precision: str) -> tuple[Variant, ...]:
        """The forms that ``precision`` has here, in the order to prefer them.

        Raises:
            UsageError: a precision that this target does not make.
        """
        if precision not in self.precisions:
            raise UsageError(
                f"target {self.name} has no precision {precision!r};"
                f" it makes {', '.join(sorted(self.precisions))}"
            )
        return tuple(Variant(self.name, precision, name) for name in self.precisions[precision])

    @abstractmethod
    def needs(self, precisions: Sequence[str]) -> None:
        """Return when everything that making ``precisions`` needs is installed.

        Raises:
            BackendError: a package is missing; the message has the line that installs it.
        """

    @abstractmethod
    def make(self, source: Source, variant: Variant) -> Made:
        """Make one artefact.  The same source and variant give the same bytes.

        Raises:
            DataError: int8 without calibration rows.
            BackendError: a package is missing; see :meth:`needs`.
        """
