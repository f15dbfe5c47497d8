"""Picture files to pixels, by Pillow (the extra ``image``)."""

from __future__ import annotations

import io
import struct
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kd2edge.errors import BackendError

try:
    from PIL import Image, UnidentifiedImageError
    from PIL.PngImagePlugin import PngImageFile
except ImportError as error:  # pragma: no cover
    raise BackendError("picture files need Pillow: pip install 'kd2edge[image]'") from error

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Pixels = npt.NDArray[np.uint8]

#: What may be opened: each format more is a decoder more that a stranger can feed.
_FORMATS = ("BMP", "JPEG", "PNG", "WEBP")
_ORIENTATION = 0x0112
#: What puts a picture upright, by its orientation; 1 stands upright.
_TURNS: Mapping[object, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
#: Turns of a camera that lay on its side: height and width are swapped.
_LYING = tuple(_TURNS[orientation] for orientation in (5, 6, 7, 8))


def pixels_of(source: bytes | str | Path, channels: int) -> Pixels:
    """Pixels ``[height, width, channel]`` of a picture file, turned the way its EXIF data says.

    EXIF data behind the pixels (PNG allows none there) does not count.

    Args:
        source: the file's bytes, or its path.
        channels: 1 for grey, 3 for RGB; an alpha channel is dropped.

    Raises:
        ValueError: no such file, no picture, a damaged one, or one of more than 8 bits a channel.
    """
    with _opened(source) as picture:
        return _upright(picture, channels)


def pixels_of_picture(picture: Picture, channels: int) -> Pixels:
    """The same of a picture that Pillow opened or made.

    Raises:
        ValueError: more than 8 bits a channel, or a damaged or closed file behind it.
    """
    _require_bytes(picture)
    try:
        return _upright(picture, channels)
    except (OSError, SyntaxError) as error:
        raise ValueError(f"the picture cannot be read: {error}") from error


def size_of(source: bytes | str | Path) -> tuple[int, int]:
    """Height and width of what :func:`pixels_of` would give; reads the file's header alone.

    Raises:
        ValueError: as there, but for damage behind the header.
    """
    with _opened(source) as picture:
        return picture.size if _turn(picture) in _LYING else (picture.height, picture.width)


def resized(pixels: Pixels, height: int, width: int) -> Pixels:
    """Pixels ``[height, width, channel]`` at another size (bilinear; smoothed when it shrinks)."""
    grey = pixels.shape[2] == 1
    picture = Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if grey else pixels))
    return _array(picture.resize((width, height), Image.Resampling.BILINEAR))


@contextmanager
def _opened(source: bytes | str | Path) -> Generator[Picture]:
    """The picture in a file; Pillow reads its pixels when they are asked for."""
    place = f"{len(source)} bytes" if isinstance(source, bytes) else str(source)
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        picture: Picture = Image.open(stream, formats=_FORMATS)
        with picture:
            _require_bytes(picture)
            yield picture
    except FileNotFoundError as error:
        raise ValueError(f"no such image: {place}") from error
    except UnidentifiedImageError as error:
        known = ", ".join(_FORMATS)
        raise ValueError(f"{place}: no picture that can be read (one of {known})") from error
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{place}: the picture cannot be read: {error}") from error


def _require_bytes(picture: Picture) -> None:
    # Pillow has no mode for colours of 16 bits: it says RGB, and how the bytes lie says the rest.
    tiles = picture.tile if isinstance(picture, PngImageFile) else []
    deep = any("16" in str(tile.args) for tile in tiles)
    if deep or picture.mode.startswith(("I", "F")):
        bits = " with 16 bits a channel" if deep else ""
        raise ValueError(
            f"expected 8 bits a channel, found a picture of mode {picture.mode}{bits}; convert it"
            " first: which of its bits matter, only you know"
        )


def _upright(picture: Picture, channels: int) -> Pixels:
    turn = _turn(picture)  # before the pixels are read: their decoder looks behind them
    upright = picture if turn is None else picture.transpose(turn)
    return _array(upright.convert("L" if channels == 1 else "RGB"))


def _turn(picture: Picture) -> Image.Transpose | None:
    """What puts the picture upright, by what stands before its pixels; None: it is."""
    try:
        # Not the format's own method: that of PNG decodes all pixels to look behind them.
        orientation = Image.Image.getexif(picture).get(_ORIENTATION)
    except (struct.error, ValueError, TypeError, KeyError, SyntaxError):
        return None  # damaged EXIF data says nothing of the pixels
    return _TURNS.get(orientation) if isinstance(orientation, int) else None


def _array(picture: Picture) -> Pixels:
    pixels = np.asarray(picture)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels
