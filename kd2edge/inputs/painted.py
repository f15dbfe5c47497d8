"""Pictures that ask a preprocessing for all it does: every mode, layout and size, turned ones too.

The files are written here, byte by byte: whoever makes golden pictures makes the same ones.
"""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["painted"]

Pixels = npt.NDArray[np.uint8]

#: What PNG calls the colours of a file.
_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6
#: EXIF data with one entry: the camera lay on its side.
_TURNED = (
    b"MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00" + bytes(4)
)


def painted(shape: tuple[int, int, int], *, resizes: bool) -> dict[str, Any]:
    """Raw values by name: arrays, and the bytes of PNG files.

    Args:
        shape: channels, height and width of what the net reads.
        resizes: whether pictures of other sizes are taken.
    """
    channels, height, width = shape
    image = _image(height, width)
    grey = image[:, :, 1]
    last = grey[:, :, None] if channels == 1 else image
    values: dict[str, Any] = {
        "channels first": np.ascontiguousarray(np.moveaxis(last, -1, 0)),
        "channels last": np.ascontiguousarray(last),
        "nested lists": last.tolist() if height * width <= 4096 else last,
        "black": np.zeros(shape, np.uint8),
        "white": np.full(shape, 255, np.uint8),
        "PNG, grey": _png(grey, _GREY),
        "PNG, grey and alpha": _png(np.dstack([grey, image[:, :, 0]]), _GREY_ALPHA),
        "PNG, RGB": _png(image, _RGB),
        "PNG, RGB and alpha": _png(np.dstack([image, grey]), _RGB_ALPHA),
        "PNG, palette": _png(grey // 16, _PALETTE, palette=True),
        "PNG, 1 bit": _png(np.packbits(grey > 127, axis=1), _GREY, bits=1, width=width),
        "PNG, turned": _png(_image(width, height), _RGB, exif=_TURNED),
    }
    return values | (_other_sizes(channels, height, width) if resizes else {})


def _other_sizes(channels: int, height: int, width: int) -> dict[str, Any]:
    """Larger, smaller, wider, taller: each resized in its own way."""
    sizes = {
        "larger": (2 * height + 1, 2 * width + 3),
        "smaller": (max(1, height // 2), max(1, width // 3)),
        "wide": (max(1, height // 2), 3 * width),
        "tall": (3 * height, max(1, width // 2)),
        "one pixel": (1, 1),
    }
    images = {name: _image(*size) for name, size in sizes.items()}
    arrays: dict[str, Any] = {
        f"{name}, array": np.array(image[:, :, 1:2]) if channels == 1 else image
        for name, image in images.items()
    }
    return arrays | {f"{name}, PNG": _png(image, _RGB) for name, image in images.items()}


def _image(height: int, width: int) -> Pixels:
    """RGB ``[height, width, 3]``: ramps that run another way in each channel, and noise."""
    down, across = np.mgrid[0:height, 0:width].astype(np.int64)
    noise = (down * 7919 + across * 104_729 + 17) * 2_654_435_761 % 2**32 // 2**26  # below 64
    red = across * 191 // max(1, width - 1)
    green = down * 191 // max(1, height - 1)
    blue = 191 - (red + green) // 2
    return np.stack([red + noise, green + noise, blue + noise // 2], axis=-1).astype(np.uint8)


def _png(
    pixels: Pixels,
    colours: int,
    *,
    bits: int = 8,
    width: int | None = None,
    palette: bool = False,
    exif: bytes = b"",
) -> bytes:
    """The bytes of a PNG file of ``pixels`` ``[height, width, ...]``, or rows of packed bits."""
    height = len(pixels)
    packed = b"".join(b"\x00" + np.ascontiguousarray(row).tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width or pixels.shape[1], height, bits, colours, 0, 0, 0)
    colour = np.arange(256, dtype=np.uint8)[:, None] * np.array([[16, 5, 3]], np.uint8)
    parts = [_chunk(b"IHDR", header)]
    parts += [_chunk(b"PLTE", colour.tobytes())] if palette else []
    parts += [_chunk(b"eXIf", exif)] if exif else []
    parts += [_chunk(b"IDAT", zlib.compress(packed, 9)), _chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _chunk(name: bytes, content: bytes) -> bytes:
    check = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)
