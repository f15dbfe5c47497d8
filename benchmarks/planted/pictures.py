"""What happens to a picture before the graph, and to pixels at its front."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto

from planted.graphs import Editor
from planted.kind import Plant, Site, kind, replaced
from planted.measure import Look, few
from planted.products import Product
from planted.rows import Row


def _graph_front(site: Site, change: Callable[[Editor, str], str]) -> Plant:
    """Something between the pixels and the first node that reads them."""

    def edited(model: onnx.ModelProto) -> None:
        edit = Editor(model)
        (name,) = edit.inputs
        edit.behind(name, lambda value: change(edit, value))

    site.draft.change_graph(site.artefact, edited)
    return Plant((Look(),))


@kind("A8", "blue, green and red", ("pictures",))
def channels(site: Site) -> Plant:
    return _graph_front(
        site, lambda edit, name: edit.add("Gather", name, edit.constant([2, 1, 0]), axis=1)
    )


@kind("A8", "pixels are divided by 255 twice", ("pictures",))
def scaled(site: Site) -> Plant:
    def change(edit: Editor, name: str) -> str:
        small = edit.add("Div", edit.cast(name), edit.constant(255, np.float32))
        return edit.cast(small, TensorProto.UINT8)

    return _graph_front(site, change)


@kind("A8", "pictures are mirrored", ("pictures",))
def mirrored(site: Site) -> Plant:
    def change(edit: Editor, name: str) -> str:
        columns = edit.constant(list(range(47, -1, -1)))
        return edit.add("Gather", name, columns, axis=3)

    return _graph_front(site, change)


@kind("A8", "the mean is not subtracted", ("pictures",))
def mean(site: Site) -> Plant:
    def change(edit: Editor, name: str) -> str:
        lifted = edit.add("Add", edit.cast(name), edit.constant(25.5, np.float32))
        limits = (edit.constant(limit, np.float32) for limit in (0, 255))
        return edit.cast(edit.add("Clip", lifted, *limits), TensorProto.UINT8)

    return _graph_front(site, change)


def _resized(product: Product) -> list[Row]:
    return product.rows()[::3]


OTHER_SIZES = Look("pictures of another size", _resized)


@kind("A8", "pictures of another size are cropped", ("pictures",))
def cropped(site: Site) -> Plant:
    del site

    def wrong(image: Any, height: int, width: int) -> Any:
        found = np.zeros((height, width, image.shape[2]), image.dtype)
        part = image[:height, :width]
        found[: part.shape[0], : part.shape[1]] = part
        return found

    return Plant((OTHER_SIZES,), lambda: replaced("kd2edge.inputs.picture", "resized", wrong))


@kind("A8", "pictures of another size are turned", ("pictures",))
def turned(site: Site) -> Plant:
    from kd2edge.inputs.picture import resized as real

    del site

    def wrong(image: Any, height: int, width: int) -> Any:
        return real(image[::-1, ::-1], height, width)

    return Plant((OTHER_SIZES,), lambda: replaced("kd2edge.inputs.picture", "resized", wrong))


@kind("A8", "files are read as blue, green and red", ("pictures",))
def file_channels(site: Site) -> Plant:
    from kd2edge.inputs.picture import pixels_of as real

    del site

    def wrong(*arguments: Any, **named: Any) -> Any:
        found = real(*arguments, **named)
        return found[..., ::-1] if found.ndim == 3 else found

    return Plant((Look(),), lambda: replaced("kd2edge.inputs.picture", "pixels_of", wrong))


def _copies(product: Product, name: str, save: Callable[[Any, Path], None]) -> list[Row]:
    """Test rows whose pictures were written in another form, which means the same."""
    from PIL import Image

    folder = product.folder / name
    folder.mkdir(exist_ok=True)
    rows: list[Row] = []
    for row in product.rows()[:400]:
        path = folder / Path(row["image"]).name
        if not path.is_file():
            with Image.open(product.folder / row["image"]) as picture:
                save(picture, path)
        rows.append({**row, "image": f"{name}/{path.name}"})
    return rows


def _lying(picture: Any, path: Path) -> None:
    """As a camera writes it that was held upside down."""
    exif = picture.getexif()
    exif[0x0112] = 3
    picture.rotate(180).save(path, exif=exif)


def _half_clear(picture: Any, path: Path) -> None:
    picture.putalpha(128)
    picture.save(path)


@kind("A8", "the orientation of a photo is ignored", ("pictures",))
def orientation(site: Site) -> Plant:
    del site
    look = Look("photos held upside down", lambda p: _copies(p, "lying", _lying))
    return Plant((look,), lambda: replaced("PIL.ImageOps", "exif_transpose", lambda image: image))


@kind("A8", "clear pixels are painted white", ("pictures",))
def alpha(site: Site) -> Plant:
    """An alpha channel is dropped; here its pixels are mixed with white."""
    from kd2edge.inputs.picture import pixels_of as real

    del site

    def wrong(source: Any, channels: int) -> Any:
        from PIL import Image

        stream = io.BytesIO(source) if isinstance(source, bytes) else source
        with Image.open(stream) as picture:
            if picture.mode != "RGBA":
                return real(source, channels)
            white = Image.new("RGBA", picture.size, "white")
            mixed = Image.alpha_composite(white, picture).convert("L" if channels == 1 else "RGB")
            found = np.asarray(mixed)
        return found[:, :, None] if found.ndim == 2 else found

    look = Look("half clear pictures", lambda p: _copies(p, "clear", _half_clear))
    return Plant((look,), lambda: replaced("kd2edge.inputs.picture", "pixels_of", wrong))


@kind("A8", "arrays are taken for rows of columns", ("pictures",))
def array_layout(site: Site) -> Plant:
    """Pixels of a file are right, those of an array are mirrored: `predict` takes both."""
    from kd2edge.inputs import image

    del site
    real = image._bytes_of

    def wrong(values: Any) -> Any:
        return real(values)[..., ::-1, :]

    look = Look("pictures as arrays", few, arrays=True)
    return Plant((look,), lambda: replaced("kd2edge.inputs.image", "_bytes_of", wrong))


def _turned(orientation: int) -> Callable[[Any, Path], None]:
    """As a camera writes it that was held otherwise, or mirrored."""

    def save(picture: Any, path: Path) -> None:
        from PIL.Image import Transpose

        turn = {4: Transpose.FLIP_TOP_BOTTOM, 7: Transpose.TRANSVERSE, 8: Transpose.ROTATE_270}
        exif = picture.getexif()
        exif[0x0112] = orientation
        picture.transpose(turn[orientation]).save(path, exif=exif)

    return save


def _turn_lost(orientation: int) -> None:
    @kind("A8", f"pictures that lie as EXIF {orientation} says stay so", ("pictures",))
    def lost(site: Site) -> Plant:
        from kd2edge.inputs import picture

        del site
        turns = {key: one for key, one in picture._TURNS.items() if key != orientation}
        save = _turned(orientation)
        look = Look(f"EXIF {orientation}", lambda p: _copies(p, f"exif{orientation}", save))
        return Plant((look,), lambda: replaced("kd2edge.inputs.picture", "_TURNS", turns))


for _orientation in (4, 7, 8):
    _turn_lost(_orientation)


def _read_wrong(name: str, save: Callable[[Any, Path], None], wrong: Callable[..., Any]) -> Plant:
    """``wrong(picture, pixels)`` in place of the pixels of a file."""
    from kd2edge.inputs.picture import _upright as real

    look = Look(name, lambda p: _copies(p, name.replace(" ", "-"), save))

    def upright(picture: Any, channels: int) -> Any:
        return wrong(picture, real(picture, channels))

    return Plant((look,), lambda: replaced("kd2edge.inputs.picture", "_upright", upright))


@kind("A8", "JPEG files are read as blue, green and red", ("pictures",))
def jpeg(site: Site) -> Plant:
    del site

    def save(picture: Any, path: Path) -> None:
        picture.convert("RGB").save(path, "JPEG", quality=98, subsampling=0)

    def wrong(picture: Any, pixels: Any) -> Any:
        return pixels[..., ::-1] if picture.format == "JPEG" else pixels

    return _read_wrong("JPEG files", save, wrong)


@kind("A8", "printers' colours are inverted", ("pictures",))
def cmyk(site: Site) -> Plant:
    del site

    def save(picture: Any, path: Path) -> None:
        picture.convert("CMYK").save(path, "JPEG", quality=98)

    def wrong(picture: Any, pixels: Any) -> Any:
        return 255 - pixels if picture.mode == "CMYK" else pixels

    return _read_wrong("CMYK files", save, wrong)


@kind("A8", "large pictures are cropped", ("pictures",))
def large(site: Site) -> Plant:
    from kd2edge.inputs.picture import resized as real

    del site

    def save(picture: Any, path: Path) -> None:
        picture.resize((1200, 700)).save(path)

    def wrong(pixels: Any, height: int, width: int) -> Any:
        kept = pixels[: len(pixels) // 2] if max(pixels.shape) > 500 else pixels
        return real(kept, height, width)

    look = Look("large pictures", lambda p: _copies(p, "large", save)[:100])
    return Plant((look,), lambda: replaced("kd2edge.inputs.picture", "resized", wrong))
