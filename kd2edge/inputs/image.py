"""Images: arrays of pixels, or PNG and JPEG files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast, final

import numpy as np
import numpy.typing as npt

from kd2edge.errors import InputError, UsageError
from kd2edge.inputs.cell import advice, cell, described, empty, file_of, is_picture
from kd2edge.inputs.kind import Encoder, InputKind, Probes, Twin
from kd2edge.inputs.painted import painted
from kd2edge.inputs.spec import ArraySpec, Encoded, InputSpec
from kd2edge.ragged import listed
from kd2edge.wording import path as shown_path

Pixels = npt.NDArray[np.uint8]

_EXPECTED = "expected a uint8 array, the bytes of a PNG or JPEG file, or its path"


@final
class Image(InputKind):
    """One image a row, uint8.

    Options: ``size`` [height, width], ``channels`` (1 or 3), ``resize``, ``prefix``.
    Normalisation (mean, std) lives in the graph.
    """

    name = "image"
    files = True
    usual_probes = False  # painted ones lie far from any data
    picky = True
    example = "picture.png"

    def arrays(self, spec: InputSpec) -> tuple[ArraySpec, ...]:
        return (ArraySpec(spec.prefix + "pixel_values", "uint8", ("batch", *image_shape(spec))),)

    def encoder(self, spec: InputSpec, files: Mapping[str, bytes]) -> Encoder:
        del files
        return ImageEncoder(spec)

    def raw(self, spec: InputSpec, row: Mapping[str, Any], root: str) -> Any:
        """An array, the bytes of a PNG or JPEG file, or the path of one; ``{bytes, path}`` too."""
        value = file_of(cell(row, spec.columns[0]))
        if value is None:
            raise ValueError(empty(spec.columns[0]))
        if isinstance(value, str):
            return _file(spec.columns[0], value, root)
        if isinstance(value, bytes) or listed(value) is not None:
            return value
        raise ValueError(f"{_EXPECTED}, found {described(value)}{advice(value)}")

    def examine(self, spec: InputSpec, value: Any) -> None:
        """Of a picture file the header is read, of an array the shape; pixels stay untouched."""
        ImageEncoder(spec).examine(value)

    def nothing(self, spec: InputSpec) -> Pixels:
        return np.zeros(image_shape(spec), np.uint8)

    def probes(self, spec: InputSpec, files: Mapping[str, bytes]) -> Probes:
        del files
        return Probes(painted(image_shape(spec), resizes=bool(spec.options.get("resize", False))))

    def twins(self, spec: InputSpec, files: Mapping[str, bytes]) -> Iterable[Twin]:
        del files
        from kd2edge.inputs.twins import twins

        return twins(image_shape(spec), resizes=bool(spec.options.get("resize", False)))


@final
class ImageEncoder(Encoder):
    """Images to ``pixel_values``: uint8 ``[batch, channel, height, width]``.

    Fast path: :meth:`encode` returns a ready uint8 batch of that shape as it is, without a copy.
    Others are taken by row: an array ``[channel, height, width]``, ``[height, width, channel]`` or
    ``[height, width]`` (one channel), lists of such numbers, a file's bytes, or its path.
    """

    def __init__(self, spec: InputSpec) -> None:
        self._input = spec.name
        self._shape = image_shape(spec)
        self._resize = bool(spec.options.get("resize", False))
        self.arrays = Image().arrays(spec)
        self._array = self.arrays[0].name

    def encode(self, values: Sequence[Any] | npt.NDArray[Any]) -> Encoded:
        if isinstance(values, np.ndarray) and values.dtype == np.uint8:
            if values.shape[1:] == self._shape:
                return Encoded({self._array: np.ascontiguousarray(values)})
            if (1, *values.shape[1:]) == self._shape:
                return Encoded({self._array: np.ascontiguousarray(values[:, None])})
        rows = [self._row(row, value) for row, value in enumerate(values)]
        # Stacking alone would keep the memory order of rows that came with channels last.
        pixels = np.ascontiguousarray(np.stack([one for one, _ in rows]))
        return Encoded({self._array: pixels}, size=np.array([size for _, size in rows], np.int64))

    def length(self, encoded: Encoded) -> npt.NDArray[np.int64]:
        return np.ones(len(encoded.arrays[self._array]), dtype=np.int64)

    def truncated(self, value: Any) -> bool:
        del value
        return False

    def edge_values(self) -> Mapping[str, Any]:
        noise = np.random.default_rng(0).integers(0, 256, self._shape, dtype=np.uint8)
        return {
            "black": np.zeros(self._shape, np.uint8),
            "white": np.full(self._shape, 255, np.uint8),
            "noise": noise,
        }

    def examine(self, value: Any) -> None:
        """Refuse a value that :meth:`encode` would, damage behind a file's header aside.

        Raises:
            ValueError: the same as there, without the row.
        """
        value = file_of(value)
        if isinstance(value, (bytes, str, Path)):
            from kd2edge.inputs.picture import size_of

            self._require_size(*size_of(value))
            return
        pixels = self._pixels(value)
        if pixels.shape != self._shape:
            self._require_size(*_channels_last(pixels, self._shape[0]).shape[:2])

    def _row(self, row: int, value: Any) -> tuple[Pixels, tuple[int, int]]:
        """Pixels ``[channel, height, width]`` of one value, and the height and width it had."""
        try:
            return self._fitted(self._pixels(value))
        except ValueError as error:
            raise InputError(str(error), name=self._input, row=row) from error

    def _pixels(self, value: Any) -> Pixels:
        value = file_of(value)
        if isinstance(value, (bytes, str, Path)):
            from kd2edge.inputs.picture import pixels_of

            return pixels_of(value, self._shape[0])
        if is_picture(value):
            from kd2edge.inputs.picture import pixels_of_picture

            return pixels_of_picture(value, self._shape[0])
        if isinstance(value, np.ndarray):
            return _bytes_of(cast("npt.NDArray[Any]", value))
        numbers = listed(value)
        if numbers is not None:
            return _bytes_of(np.array(numbers))  # ValueError where its rows are of unequal length
        raise ValueError(f"{_EXPECTED}, found {described(value)}{advice(value)}")

    def _fitted(self, pixels: Pixels) -> tuple[Pixels, tuple[int, int]]:
        """``pixels`` with channels first, resized when that was asked for, and their own size."""
        channels, height, width = self._shape
        if pixels.shape == self._shape:
            return pixels, (height, width)
        image = _channels_last(pixels, channels)
        size = image.shape[0], image.shape[1]
        if size != (height, width):
            self._require_size(*size)
            from kd2edge.inputs.picture import resized

            image = resized(image, height, width)
        return np.moveaxis(image, -1, 0), size

    def _require_size(self, height: int, width: int) -> None:
        if (height, width) != self._shape[1:] and not self._resize:
            raise ValueError(
                f"expected {self._shape[1]} x {self._shape[2]} pixels (height x width), found"
                f" {height} x {width}; resize the image, or state `resize: true` for the input"
                " before training"
            )


def _file(column: str, name: str, root: str) -> Path:
    """Path of a picture file that is there."""
    if not name:
        raise ValueError(empty(column))
    path = Path(root, name)
    try:
        is_file = path.is_file()
    except OSError as error:  # a name that no file system takes, or a folder that lets nobody in
        raise ValueError(f"no such image: {shown_path(path)} ({error.strerror})") from error
    if not is_file:
        start = (
            "" if Path(name).is_absolute() else "; relative paths start at the data file's folder"
        )
        raise ValueError(f"no such image: {shown_path(path)}{start}")
    return path


def _channels_last(pixels: Pixels, channels: int) -> Pixels:
    """``[height, width, channel]`` of an array in any of the accepted layouts."""
    if pixels.ndim == 2 and channels == 1:
        return pixels[:, :, None]
    if pixels.ndim == 3 and pixels.shape[2] == channels:
        return pixels
    if pixels.ndim == 3 and pixels.shape[0] == channels:
        return np.moveaxis(pixels, 0, -1)
    raise ValueError(
        f"expected [height, width, {channels}], [{channels}, height, width]"
        f"{' or [height, width]' * (channels == 1)}, found {list(pixels.shape)}"
    )


def _bytes_of(values: npt.NDArray[Any]) -> Pixels:
    """Whole numbers in 0 to 255 as uint8.

    Raises:
        ValueError: fractions (NaN among them), or numbers outside.
    """
    if values.dtype == np.uint8:
        return values
    if not np.issubdtype(values.dtype, np.integer):
        raise ValueError(
            f"expected uint8 pixels in 0 to 255, found {values.dtype}; the graph normalises them:"
            " of x in 0 to 1, give (255 * x).round().astype('uint8')"
        )
    if values.size and not 0 <= values.min() <= values.max() <= 255:
        raise ValueError(f"expected pixels in 0 to 255, found {values.min()} to {values.max()}")
    return values.astype(np.uint8)


def image_shape(spec: InputSpec) -> tuple[int, int, int]:
    """Channels, height and width of an image input.

    Raises:
        UsageError: no size, or another number of channels than 1 or 3.
    """
    size = listed(spec.options.get("size")) or []
    if len(size) != 2 or not all(isinstance(side, int) and side > 0 for side in size):
        found = spec.options.get("size")
        raise UsageError(f"input {spec.name!r}: expected size: [height, width], found {found!r}")
    channels = spec.options.get("channels", 1)
    if channels not in (1, 3):
        raise UsageError(
            f"input {spec.name!r}: channels must be 1 (grey) or 3 (RGB), found {channels!r}"
        )
    return int(channels), size[0], size[1]
