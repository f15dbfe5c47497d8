from __future__ import annotations

import io
import re
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile

from kd2edge.errors import InputError
from kd2edge.inputs import InputSpec, input_kind
from kd2edge.inputs.picture import pixels_of, resized, size_of


def picture_file(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (4, 6, 3), dtype=np.uint8)


def test_a_png_gives_its_pixels_from_bytes_and_from_a_path(
    image: np.ndarray, tmp_path: Path
) -> None:
    content = picture_file(Image.fromarray(image))
    (tmp_path / "a.png").write_bytes(content)
    for source in (content, tmp_path / "a.png", str(tmp_path / "a.png")):
        assert np.array_equal(pixels_of(source, 3), image)


def test_a_jpeg_gives_nearly_its_pixels() -> None:
    even = np.full((8, 8, 3), (200, 100, 50), np.uint8)
    found = pixels_of(picture_file(Image.fromarray(even), "JPEG"), 3)
    assert np.abs(found.astype(int) - even).max() <= 3


def test_grey_is_pillows_own_conversion(image: np.ndarray) -> None:
    wanted = np.asarray(Image.fromarray(image).convert("L"))[:, :, None]
    assert np.array_equal(pixels_of(picture_file(Image.fromarray(image)), 1), wanted)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA"])
def test_other_modes_become_rgb(mode: str, image: np.ndarray) -> None:
    content = picture_file(Image.fromarray(image).convert(mode))
    assert pixels_of(content, 3).shape == (4, 6, 3)


def test_a_picture_is_turned_as_its_exif_data_says(image: np.ndarray) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: the camera was turned by 90 degrees
    content = picture_file(Image.fromarray(image), exif=exif)
    assert np.array_equal(pixels_of(content, 3), np.rot90(image, -1))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_header_tells_the_size_that_the_pixels_will_have(
    kind: str, orientation: int, image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = picture_file(Image.fromarray(image), kind, exif=exif)
    wanted = pixels_of(content, 3).shape[:2]
    monkeypatch.setattr(ImageFile.ImageFile, "load", None)  # nothing is decoded
    assert size_of(content) == wanted


def chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a PNG file."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_file(pixels: np.ndarray, colour: int, *, before: bytes = b"", behind: bytes = b"") -> bytes:
    """A PNG of pixels ``[height, width, channel]``, with chunks before and behind them."""
    height, width = pixels.shape[:2]
    bits = 8 * pixels.dtype.itemsize
    raw = pixels.astype(pixels.dtype.newbyteorder(">"))
    lines = b"".join(b"\0" + line.tobytes() for line in raw)
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    body = chunk(b"IDAT", zlib.compress(lines))
    return b"\x89PNG\r\n\x1a\n" + head + before + body + behind + chunk(b"IEND", b"")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("colour", "width"), [(0, 1), (4, 2), (2, 3), (6, 4)])
def test_sixteen_bits_are_refused_whatever_the_colours(
    colour: int, width: int, channels: int
) -> None:
    deep = np.arange(4 * 6 * width, dtype=np.uint16).reshape(4, 6, width) * 300
    for read in (size_of, lambda file: pixels_of(file, channels)):
        with pytest.raises(ValueError, match="expected 8 bits a channel.*16 bits.*only you know"):
            read(png_file(deep, colour))
    assert size_of(png_file(deep.astype(np.uint8), colour)) == (4, 6)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_data_behind_the_pixels_counts_neither_for_the_size_nor_for_the_pixels(
    orientation: int, image: np.ndarray
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    said = chunk(b"eXIf", exif.tobytes()[6:])
    behind = png_file(image, 2, behind=said)
    assert size_of(behind) == (4, 6)
    assert np.array_equal(pixels_of(behind, 3), image)
    before = png_file(image, 2, before=said)
    assert size_of(before) == pixels_of(before, 3).shape[:2] == ((6, 4), (4, 6))[orientation < 5]


def test_damaged_exif_data_turns_nothing_and_stops_nothing(image: np.ndarray) -> None:
    for said in (b"", b"II", b"MM\0*\0\0\0\x08\xff\xff", b"no exif at all"):
        content = png_file(image, 2, before=chunk(b"eXIf", said))
        with warnings.catch_warnings(action="ignore"):
            assert size_of(content) == (4, 6)
            assert np.array_equal(pixels_of(content, 3), image)


def test_a_damaged_picture_is_refused(image: np.ndarray) -> None:
    content = picture_file(Image.fromarray(np.tile(image, (20, 20, 1))))
    with pytest.raises(ValueError, match="cannot be read"):
        pixels_of(content[: len(content) // 2], 3)


def test_a_format_that_is_not_listed_is_refused(image: np.ndarray) -> None:
    with pytest.raises(ValueError, match="no picture that can be read"):
        pixels_of(picture_file(Image.fromarray(image), "TIFF"), 3)


def test_a_picture_that_would_fill_the_memory_is_refused(
    monkeypatch: pytest.MonkeyPatch, image: np.ndarray
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(ValueError, match="decompression bomb"):
        pixels_of(picture_file(Image.fromarray(image)), 3)


def test_a_folder_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        pixels_of(tmp_path, 3)


def test_resizing_to_the_same_size_changes_nothing(image: np.ndarray) -> None:
    assert np.array_equal(resized(image, 4, 6), image)
    assert np.array_equal(resized(image[:, :, :1], 4, 6), image[:, :, :1])


def test_the_encoder_reads_pictures(image: np.ndarray) -> None:
    spec = InputSpec("photo", "image", ("photo",), {"size": [4, 6], "channels": 3})
    content = picture_file(Image.fromarray(image))
    encoder = input_kind("image").open(spec, {})
    found = encoder.encode([content, image]).arrays["pixel_values"]
    assert np.array_equal(found[0], found[1])
    with pytest.raises(InputError, match="row 1: expected 4 x 6 pixels"):
        encoder.encode([content, picture_file(Image.new("RGB", (4, 6)))])


@pytest.mark.parametrize("resize", [False, True])
@pytest.mark.parametrize(
    "value",
    [
        Image.new("RGB", (6, 4)),
        Image.new("RGB", (4, 6)),
        Image.new("I;16", (6, 4)),
        b"no picture",
        "missing.png",
        np.zeros((4, 6, 3), np.uint8),
        np.zeros((3, 4, 6), np.uint8),
        np.zeros((8, 6, 3), np.uint8),
        np.zeros((4, 6), np.uint8),
        np.zeros((4, 6, 3), np.float32),
        [[1, 2], [3]],
    ],
)
def test_examining_says_what_encoding_would(value: object, resize: bool) -> None:  # noqa: FBT001
    options = {"size": [4, 6], "channels": 3, "resize": resize}
    spec = InputSpec("photo", "image", ("photo",), options)
    given = picture_file(value) if isinstance(value, Image.Image) else value
    try:
        input_kind("image").open(spec, {}).encode([given])
    except InputError as error:
        with pytest.raises(ValueError, match=f"^{re.escape(error.reason)}$"):
            input_kind("image").examine(spec, given)
    else:
        input_kind("image").examine(spec, given)
