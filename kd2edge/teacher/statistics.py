"""Mean and covariance of a cached feature over all training rows, in every view of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from kd2edge.data.reader import ArrayStore
from kd2edge.files import npz_arrays, npz_bytes
from kd2edge.ragged import Ragged

Numbers = npt.NDArray[np.float64]
#: Rows that are read together.
_CHUNK = 64


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of a feature's vectors: those of rows, of words that were not cut off, or of places.

    Args:
        count: of vectors.
        mean: ``[channel]``.
        covariance: ``[channel, channel]``, with ``count`` below.
    """

    count: int
    mean: Numbers
    covariance: Numbers

    @property
    def deviation(self) -> Numbers:
        """Of each channel, ``[channel]``."""
        return np.sqrt(np.diagonal(self.covariance))


def statistics_of(store: ArrayStore, name: str) -> Statistics:
    """The statistics of a field, a few rows at a time, in the order of the rows.

    Chunks are joined by their means and centred sums (Chan, Golub and LeVeque 1983): a mean that is
    large beside the spread costs no digits.
    """
    channels = store.fields[name].shape[0]
    joined = _Sums(0, np.zeros(channels), np.zeros((channels, channels)))
    take = store.take_ragged if store.fields[name].ragged else store.take
    for at in range(0, store.rows, _CHUNK):
        found = take(name, np.arange(at, min(at + _CHUNK, store.rows), dtype=np.int64))
        joined = _joined(joined, _sums(_vectors(found)))
    return Statistics(joined.vectors, joined.mean, joined.products / max(joined.vectors, 1))


def statistics_bytes(several: Sequence[Statistics]) -> bytes:
    """The bytes of a file of them."""
    arrays: dict[str, npt.NDArray[np.generic]] = {}
    for at, one in enumerate(several):
        arrays |= {
            f"count{at}": np.array(one.count),
            f"mean{at}": one.mean,
            f"covariance{at}": one.covariance,
        }
    return npz_bytes(arrays)


def statistics_from(content: bytes, names: Sequence[str]) -> Mapping[str, Statistics]:
    """What a file of them holds, by the names of the features in the order they were written."""
    arrays = npz_arrays(content)
    return {
        name: Statistics(int(arrays[f"count{at}"]), arrays[f"mean{at}"], arrays[f"covariance{at}"])
        for at, name in enumerate(names)
    }


class _Sums(NamedTuple):
    vectors: int
    mean: Numbers
    products: Numbers  # of differences from the mean


def _vectors(found: npt.NDArray[np.generic] | Ragged) -> Numbers:
    """``[item, channel]``, without words that were cut off."""
    if isinstance(found, Ragged):
        vectors = found.values.astype(np.float64)
    else:
        vectors = np.moveaxis(found.astype(np.float64), 1, -1).reshape(-1, found.shape[1])
    return vectors[~np.isnan(vectors[:, 0])]


def _sums(vectors: Numbers) -> _Sums:
    if not len(vectors):
        width = vectors.shape[1]
        return _Sums(0, np.zeros(width), np.zeros((width, width)))
    mean = vectors.mean(0)
    centred = vectors - mean
    return _Sums(len(vectors), mean, centred.T @ centred)


def _joined(one: _Sums, other: _Sums) -> _Sums:
    count = one.vectors + other.vectors
    if not count:
        return one
    apart = other.mean - one.mean
    share = other.vectors / count
    products = one.products + other.products + np.outer(apart, apart) * one.vectors * share
    return _Sums(count, one.mean + apart * share, products)
