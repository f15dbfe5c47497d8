"""Picture files to pixels, by Pillow (the extra ``image``)."""

from __future__ import annotations

import io
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from kd2edge.errors import BackendError

try:
    from PIL import Image, ImageOps, UnidentifiedImageError
except ImportError as error:  # pragma: no cover
    raise BackendError("picture files need Pillow: pip install 'kd2edge[image]'") from error

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Pixels = npt.NDArray[np.uint8]

#: What may be opened: each format more is a decoder more that a stranger can feed.
_FORMATS = ("BMP", "JPEG", "PNG", "WEBP")
_ORIENTATION = 0x0112
#: Orientations of a camera that lay on its side: height and width are swapped.
_LYING = (5, 6, 7, 8)


def pixels_of(source: bytes | str | Path, channels: int) -> Pixels:
    """Pixels ``[height, width, channel]`` of a picture file, turned the way its EXIF data says.

    Args:
        source: the file's bytes, or its path.
        channels: 1 for grey, 3 for RGB; an alpha channel is dropped.

    Raises:
        ValueError: no such file, no picture, a damaged one, or one of more than 8 bits a channel.
    """
    with _opened(source) as picture:
        return _converted(picture, channels)


def size_of(source: bytes | str | Path) -> tuple[int, int]:
    """Height and width of what :func:`pixels_of` would give; reads the file's header alone.

    Raises:
        ValueError: as there, but for damage behind the header.
    """
    with _opened(source) as picture:
        _require_bytes(picture)
        # Not the format's own method: that of PNG decodes all pixels to look behind them.
        turned = Image.Image.getexif(picture).get(_ORIENTATION, 1) in _LYING
        return picture.size if turned else (picture.height, picture.width)


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
            yield picture
    except FileNotFoundError as error:
        raise ValueError(f"no such image: {place}") from error
    except UnidentifiedImageError as error:
        known = ", ".join(_FORMATS)
        raise ValueError(f"{place}: no picture that can be read (one of {known})") from error
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{place}: the picture cannot be read: {error}") from error


def _require_bytes(picture: Picture) -> None:
    if picture.mode.startswith(("I", "F")):
        raise ValueError(
            f"expected 8 bits a channel, found a picture of mode {picture.mode}; convert it first:"
            " which of its bits matter, only you know"
        )


def _converted(picture: Picture, channels: int) -> Pixels:
    _require_bytes(picture)
    upright = ImageOps.exif_transpose(picture)
    return _array(upright.convert("L" if channels == 1 else "RGB"))


def _array(picture: Picture) -> Pixels:
    pixels = np.asarray(picture)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels
