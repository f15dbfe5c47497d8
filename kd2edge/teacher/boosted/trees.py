"""Boosted trees as arrays, and what they say of rows: NumPy alone, to the last bit of scikit-learn.

A row goes left where its number is at most the threshold, or where its category is among those of
the split.  What is missing, and a category that training never showed, goes where the split says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.errors import IntegrityError

Array = npt.NDArray[Any]

#: Categories of a column that splits can tell apart, as bits of eight words of 32.
MOST = 256
_WORDS = MOST // 32
#: Places, a row in a tree each, that are walked together: some dozen bytes each.
_PLACES = 1 << 21
#: Stands for "no child" and "no set of categories".
NONE = -1
_LARGEST = float(np.finfo(np.float32).max)


@final
@dataclass(frozen=True, slots=True)
class Trees:
    """Trees of all channels in the order in which they are added.

    Args:
        baseline: ``[channel]`` float64, what a row is given before any tree.
        root: ``[tree]`` int32, where each tree begins among the nodes.
        channel: ``[tree]`` int32, what it is added to.
        feature: ``[node]`` int32, the column that is asked.
        threshold: ``[node]`` float64, the largest number that goes left.
        left: ``[node]`` int32, the child, behind the node itself; -1 for a leaf.
        right: ``[node]`` int32.
        missing_left: ``[node]`` bool, whether what is missing goes left.
        categories: ``[node]`` int32, the set that goes left; -1 where numbers are asked.
        sets: ``[set, 8]`` uint32, categories as bits.
        value: ``[node]`` float64, what a leaf adds.
    """

    baseline: Array
    root: Array
    channel: Array
    feature: Array
    threshold: Array
    left: Array
    right: Array
    missing_left: Array
    categories: Array
    sets: Array
    value: Array

    @property
    def numbers(self) -> int:
        """How many numbers were learned: a threshold or set a split, a value a leaf."""
        return len(self.value) + len(self.baseline)

    def arrays(self) -> dict[str, Array]:
        """What :func:`trees_of` makes them from again."""
        return {one.name: getattr(self, one.name) for one in fields(self)}

    def scores(self, rows: Array) -> Array:
        """What the trees add up to: ``[row, channel]`` float64.

        Args:
            rows: ``[row, column]`` float64; NaN is missing, a category is a whole number below
                :data:`MOST`.
        """
        found = np.empty((len(rows), len(self.baseline)))
        for some, leaves in self._leaves(rows):
            for channel, start in enumerate(self.baseline):
                values = self.value[leaves[:, self.channel == channel]]  # [row, tree]
                first = np.full((len(values), 1), start)
                # cumsum adds one after the other, as boosting does; sum would not.
                sums = np.cumsum(np.concatenate([first, values], axis=1), axis=1)
                found[some, channel] = sums[:, -1]
        return found

    def depth(self, rows: Array) -> float:
        """How many splits a row passes on average, over all trees."""
        steps = np.zeros(len(self.value), np.int64)  # [node]
        inner = np.flatnonzero(self.left != NONE)
        for node in inner:  # children stand behind their parent
            steps[self.left[node]] = steps[self.right[node]] = steps[node] + 1
        return sum(int(steps[leaves].sum()) for _, leaves in self._leaves(rows)) / len(rows)

    def _leaves(self, rows: Array) -> Iterator[tuple[slice, Array]]:
        """The leaf ``[row, tree]`` where each row ends in each tree, of some rows after others."""
        members = np.unpackbits(self.sets.astype("<u4").view(np.uint8), axis=1, bitorder="little")
        step = max(1, _PLACES // max(1, len(self.root)))
        for begin in range(0, len(rows), step):
            some = slice(begin, begin + step)
            yield some, self._leaves_of(rows[some], members)

    def _leaves_of(self, rows: Array, members: Array) -> Array:
        at = np.broadcast_to(self.root, (len(rows), len(self.root))).ravel().astype(np.int32)
        flat, width = np.ascontiguousarray(rows).ravel(), rows.shape[1]
        begin = np.repeat(np.arange(len(rows)) * width, len(self.root))  # [row x tree]
        going = np.flatnonzero(self.left[at] != NONE)
        while len(going):
            node = at[going]
            found = flat[begin[going] + self.feature[node]]
            goes_left = found <= self.threshold[node]
            named = np.flatnonzero(self.categories[node] != NONE)
            goes_left[named] = members[
                self.categories[node[named]], np.nan_to_num(found[named]).astype(np.int64)
            ]
            gone = np.flatnonzero(np.isnan(found))
            goes_left[gone] = self.missing_left[node[gone]]
            at[going] = np.where(goes_left, self.left[node], self.right[node])
            going = going[self.left[at[going]] != NONE]
        return at.reshape(len(rows), len(self.root))


_TYPES: Mapping[str, tuple[str, int]] = {
    "baseline": ("float64", 1), "root": ("int32", 1), "channel": ("int32", 1),
    "feature": ("int32", 1), "threshold": ("float64", 1), "left": ("int32", 1),
    "right": ("int32", 1), "missing_left": ("bool", 1), "categories": ("int32", 1),
    "sets": ("uint32", 2), "value": ("float64", 1),
}  # fmt: skip


def trees_of(arrays: Mapping[str, Array], columns: int, categorical: int) -> Trees:
    """Trees from their arrays, once it is known that every row comes to a leaf.

    Args:
        arrays: as :meth:`Trees.arrays` gives them.
        columns: how many a row has.
        categorical: how many of them, the first ones, hold categories.

    Raises:
        IntegrityError: arrays that are no trees.
    """
    if arrays.keys() != _TYPES.keys():
        raise IntegrityError(f"expected the arrays {', '.join(_TYPES)}, found {sorted(arrays)}")
    for name, (dtype, dimensions) in _TYPES.items():
        if arrays[name].dtype.name != dtype or arrays[name].ndim != dimensions:
            found = f"{arrays[name].dtype} in {arrays[name].ndim}"
            raise IntegrityError(f"{name}: expected {dtype} in {dimensions} dimensions, is {found}")
    trees = Trees(**arrays)
    count = len(trees.value)
    by_node = ("feature", "threshold", "left", "right", "missing_left", "categories", "value")
    nodes, inner, named = np.arange(count), trees.left != NONE, trees.categories != NONE
    sound = (
        all(len(arrays[name]) == count for name in by_node)
        and len(trees.root) == len(trees.channel)
        and trees.sets.shape[1] == _WORDS
        and _within(trees.root, count)
        and _within(trees.channel, len(trees.baseline))
        and _within(trees.feature, columns)
        and _within(trees.categories + 1, len(trees.sets) + 1)
        # A number is no place in a set.
        and _within(trees.feature[named], categorical)
        # Children behind their parent: no row goes round in a circle.
        and _within(trees.left[inner], count)
        and _within(trees.right[inner], count)
        and bool((trees.left > nodes)[inner].all() and (trees.right > nodes)[inner].all())
        and bool((trees.right == NONE)[~inner].all())
        # Infinity is a threshold: all that is there goes left.
        and not np.isnan(trees.threshold).any()
        # The logits are float32: what all trees may add up to is a number there.
        and bool(np.abs(trees.value).max(initial=0.0) * len(trees.root) <= _LARGEST)
        and bool(np.abs(trees.baseline).max(initial=0.0) <= _LARGEST)
    )
    if not sound:
        raise IntegrityError("nodes that make no trees")
    return trees


def _within(places: Array, end: int) -> bool:
    return not len(places) or (int(places.min()) >= 0 and int(places.max()) < end)
