"""Pictures in every format, turned in every way and large, beside the pixels that they hold.

Golden pictures are PNG files, as whoever makes them makes the same bytes.  What Pillow writes may
differ from release to release, what it holds does not: so it is asked for where it is read.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.errors import BackendError
from kd2edge.inputs.kind import Twin

try:
    from PIL import Image, features
except ImportError as error:  # pragma: no cover
    raise BackendError("picture files need Pillow: pip install 'kd2edge[image]'") from error

__all__ = ["twins"]

_ORIENTATION = 0x0112
#: How a picture is turned that its EXIF data puts upright again.
_TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
#: Levels by which a lossy format, other colours or another size may move a smooth picture.
_LOSSY = 16
#: Pixels along the longer side of a large picture; in a smaller one than this nothing is smooth.
_LARGE, _SMALL = 1000, 8


def twins(shape: tuple[int, int, int], *, resizes: bool) -> Iterator[Twin]:
    """Files and pictures, each with the array that means the same.

    Args:
        shape: channels, height and width of what the net reads.
        resizes: whether pictures of other sizes are taken.
    """
    channels, height, width = shape
    picture = _smooth(height, width)
    grey = picture.convert("L")
    pixels, greys = _array(picture, channels), _array(grey, channels)
    yield Twin("a picture of Pillow", picture, pixels, 1)
    yield Twin("BMP", _file(picture, "BMP"), pixels, 1)
    yield Twin("JPEG", _jpeg(picture), pixels, _LOSSY)
    yield Twin("JPEG, grey", _jpeg(grey), greys, _LOSSY)
    yield Twin("JPEG, CMYK", _jpeg(picture.convert("CMYK")), pixels, _LOSSY)
    if features.check("webp"):
        yield Twin("WebP", _file(picture, "WEBP", lossless=True), pixels, 1)
    for orientation, turn in _TURNED.items():
        exif = Image.Exif()
        exif[_ORIENTATION] = orientation
        turned = picture.transpose(turn)
        name = f"turned by EXIF {orientation}"
        yield Twin(f"PNG, {name}", _file(turned, "PNG", exif=exif), pixels, 1)
        yield Twin(f"JPEG, {name}", _jpeg(turned, exif=exif), pixels, _LOSSY)
    if resizes and min(height, width) >= _SMALL:
        times = max(2, _LARGE // max(height, width))
        large = pixels.repeat(times, axis=0).repeat(times, axis=1)
        yield Twin("a large picture", large, pixels, _LOSSY)


def _smooth(height: int, width: int) -> Image.Image:
    """Colours that run another way in each channel, and nowhere fast."""
    down, across = np.mgrid[0:height, 0:width]
    red, green = across / max(1, width - 1), down / max(1, height - 1)
    colours = np.stack([red, green, 1 - (red + green) / 2], axis=-1)
    return Image.fromarray((20 + 210 * colours).astype(np.uint8))


def _array(picture: Image.Image, channels: int) -> npt.NDArray[np.uint8]:
    return np.asarray(picture.convert("RGB") if channels == 3 else picture.convert("L"))


def _jpeg(picture: Image.Image, **options: Any) -> bytes:
    return _file(picture, "JPEG", quality=100, subsampling=0, **options)


def _file(picture: Image.Image, form: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()
