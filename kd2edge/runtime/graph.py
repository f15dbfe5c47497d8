"""What a graph takes and gives, and the check of what a caller hands it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeGuard, final

import numpy as np
import numpy.typing as npt

from kd2edge.errors import InputError, IntegrityError
from kd2edge.inputs.spec import ArraySpec, Dim

Arrays = Mapping[str, npt.NDArray[Any]]

#: A dimension that the graph leaves open without a name: any size, also beside others of that name.
ANY = "?"

#: Signatures that a checker remembers; more than a server with length buckets ever sees.
_REMEMBERED = 4096


@dataclass(frozen=True, slots=True)
class GraphSpec:
    """The arrays of a graph.

    Args:
        inputs: every array that the graph needs.
        outputs: the arrays that a run gives, in this order (a subset of the graph's is fine).
        ranges: dynamic dimension -> (smallest, largest) size; without one it takes any.
    """

    inputs: tuple[ArraySpec, ...]
    outputs: tuple[ArraySpec, ...]
    ranges: Mapping[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])

    def limits(self, dimension: str) -> tuple[int, int | None]:
        """Smallest and largest size (None: any) of the dimension that ``dimension`` names.

        An array whose first dimension is a number has a fixed batch: ``limits("batch")`` is then
        that number twice.
        """
        if dimension == "batch":
            fixed = [array.shape[0] for array in self.inputs if array.shape]
            sizes = [size for size in fixed if isinstance(size, int)]
            if sizes:
                return sizes[0], sizes[0]
        return self.ranges.get(dimension, (1, None))


#: Output, axis and size of what outputs must be.
Sizes: TypeAlias = tuple[tuple[str, int, int], ...]


@final
class Checker:
    """Checks arrays against a :class:`GraphSpec`, once for each combination of types and shapes.

    What was accepted is remembered, so a call with known shapes costs one look into a set (half a
    microsecond).  Thread-safe.
    """

    def __init__(
        self, spec: GraphSpec, label: str, outputs: tuple[ArraySpec, ...] | None = None
    ) -> None:
        self._spec = spec
        self._outputs = spec.outputs if outputs is None else outputs
        self._label = label
        self._accepted: dict[tuple[Any, ...], Sizes] = {}

    def check(self, arrays: Arrays) -> Sizes:
        """Accept ``arrays`` or say what was expected.

        Returns:
            The sizes that the outputs for them have, as far as inputs and outputs share dimensions.

        Raises:
            InputError: a missing or unknown name, a value that is no array, or a wrong type, rank,
                size or range.
        """
        seen: tuple[Any, ...] = ()
        try:
            for name, array in arrays.items():
                seen += (name, array.dtype, array.shape)
            known = self._accepted.get(seen)
            if known is not None:
                return known
        except (AttributeError, TypeError):
            seen = ()  # not even arrays: the slow path finds the words for it
        sizes = self._check(arrays)
        found = tuple(
            (output.name, axis, sizes[dimension][0])
            for output in self._outputs
            for axis, dimension in enumerate(output.shape)
            if isinstance(dimension, str) and dimension != ANY and dimension in sizes
        )
        if len(self._accepted) >= _REMEMBERED:
            self._accepted.clear()
        self._accepted[seen] = found
        return found

    def _check(self, arrays: Arrays) -> dict[str, tuple[int, str]]:
        expected = {array.name: array for array in self._spec.inputs}
        is_mapping = isinstance(arrays, Mapping)  # pyright: ignore[reportUnnecessaryIsInstance]
        if not is_mapping or set(arrays) != set(expected):
            found = sorted(map(str, arrays)) if is_mapping else type(arrays).__name__
            raise InputError(
                f"{self._label}: expected the arrays {sorted(expected)}, found {found}"
            )
        sizes: dict[str, tuple[int, str]] = {}
        for name, spec in expected.items():
            self._check_type(spec, arrays[name])
            for axis, (dimension, size) in enumerate(
                zip(spec.shape, arrays[name].shape, strict=True)
            ):
                self._check_size(f"{name} axis {axis}", dimension, size, sizes)
        return sizes

    def _check_type(self, spec: ArraySpec, array: object) -> None:
        if not _is_array(array):
            found = f"a {type(array).__name__}"
        # The words of a type in another byte order differ too: ">f4".
        elif str(array.dtype) != spec.dtype or array.ndim != len(spec.shape):
            found = f"{array.dtype} {list(array.shape)}"
        else:
            return
        shape = ", ".join(map(str, spec.shape))
        raise InputError(
            f"{self._label}: {spec.name} must be a NumPy array {spec.dtype} [{shape}],"
            f" found {found}"
        )

    def _check_size(
        self, place: str, dimension: Dim, size: int, sizes: dict[str, tuple[int, str]]
    ) -> None:
        if isinstance(dimension, int):
            low, high = dimension, dimension
        else:
            low, high = self._spec.ranges.get(dimension, (0, size))
            known, where = sizes.setdefault(dimension, (size, place))
            if known != size and dimension != ANY:
                raise InputError(
                    f"{self._label}: {place} and {where} must be the same {dimension},"
                    f" found {size} and {known}"
                )
        if not low <= size <= high:
            wanted = f"{low}" if low == high else f"{low} to {high}"
            raise InputError(f"{self._label}: {place} must be {wanted}, found {size}")


def _is_array(value: object) -> TypeGuard[npt.NDArray[Any]]:
    return isinstance(value, np.ndarray)


def agreed(stated: GraphSpec | None, found: GraphSpec, label: str) -> GraphSpec:
    """The spec to work with: what the manifest states, once it fits what the graph really has.

    Raises:
        IntegrityError: a name, type or rank that differs; then the graph is not the stated one.
    """
    if stated is None:
        return found
    _agree(stated.inputs, found.inputs, f"{label}: input", whole=True)
    _agree(stated.outputs, found.outputs, f"{label}: output", whole=False)
    return stated


def _agree(
    stated: tuple[ArraySpec, ...], found: tuple[ArraySpec, ...], place: str, *, whole: bool
) -> None:
    there = {array.name: array for array in found}
    names = [array.name for array in stated]
    if set(names) - set(there) or (whole and set(there) - set(names)):
        raise IntegrityError(
            f"{place}s stated as {sorted(names)}, but the graph has {sorted(there)}"
        )
    for array in stated:
        real = there[array.name]
        if array.dtype != real.dtype or len(array.shape) != len(real.shape):
            raise IntegrityError(
                f"{place} {array.name} stated as {array.dtype} {list(array.shape)},"
                f" but the graph has {real.dtype} {list(real.shape)}"
            )
