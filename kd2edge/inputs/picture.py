"""Picture files to pixels, by Pillow (the extra ``image``)."""

from __future__ import annotations

import io
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


def pixels_of(source: bytes | str | Path, channels: int) -> Pixels:
    """Pixels ``[height, width, channel]`` of a picture file, turned the way its EXIF data says.

    Args:
        source: the file's bytes, or its path.
        channels: 1 for grey, 3 for RGB; an alpha channel is dropped.

    Raises:
        ValueError: no such file, no picture, a damaged one, or one of more than 8 bits a channel.
    """
    place = f"{len(source)} bytes" if isinstance(source, bytes) else str(source)
    stream = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        picture: Picture = Image.open(stream, formats=_FORMATS)
        with picture:
            return _converted(picture, channels)
    except FileNotFoundError as error:
        raise ValueError(f"no such image: {place}") from error
    except UnidentifiedImageError as error:
        known = ", ".join(_FORMATS)
        raise ValueError(f"{place}: no picture that can be read (one of {known})") from error
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"{place}: the picture cannot be read: {error}") from error


def resized(pixels: Pixels, height: int, width: int) -> Pixels:
    """Pixels ``[height, width, channel]`` at another size (bilinear; smoothed when it shrinks)."""
    grey = pixels.shape[2] == 1
    picture = Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if grey else pixels))
    return _array(picture.resize((width, height), Image.Resampling.BILINEAR))


def _converted(picture: Picture, channels: int) -> Pixels:
    if picture.mode.startswith(("I", "F")):
        raise ValueError(
            f"expected 8 bits a channel, found a picture of mode {picture.mode}; convert it first:"
            " which of its bits matter, only you know"
        )
    upright = ImageOps.exif_transpose(picture)
    return _array(upright.convert("L" if channels == 1 else "RGB"))


def _array(picture: Picture) -> Pixels:
    pixels = np.asarray(picture)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels
