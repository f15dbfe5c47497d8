from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.errors import InputError, UsageError
from kd2edge.inputs import ArraySpec, Encoder, InputSpec, input_kind

GREY, RGB = (1, 4, 6), (3, 4, 6)


def opened(shape: tuple[int, int, int] = GREY, **options: Any) -> Encoder:
    channels, height, width = shape
    options = {"size": [height, width], "channels": channels, **options}
    return input_kind("image").open(InputSpec("photo", "image", ("photo",), options), {})


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def pixels(encoder: Encoder, values: Any) -> np.ndarray:
    return encoder.encode(values).arrays["pixel_values"]


@pytest.mark.parametrize("shape", [GREY, RGB])
def test_arrays_are_those_of_the_contract(shape: tuple[int, int, int]) -> None:
    assert opened(shape).arrays == (ArraySpec("pixel_values", "uint8", ("batch", *shape)),)
    assert opened(shape, prefix="photo_").arrays[0].name == "photo_pixel_values"


def test_a_ready_batch_is_not_copied() -> None:
    batch = noise(5, *RGB)
    assert pixels(opened(RGB), batch) is batch


def test_a_batch_without_the_channel_is_not_copied() -> None:
    batch = noise(5, 4, 6)
    found = pixels(opened(), batch)
    assert found.shape == (5, *GREY)
    assert np.shares_memory(found, batch)


@given(seed=st.integers(0, 2**16), rows=st.integers(1, 3), shape=st.sampled_from([GREY, RGB]))
def test_every_layout_gives_the_same_pixels(
    seed: int, rows: int, shape: tuple[int, int, int]
) -> None:
    batch = np.random.default_rng(seed).integers(0, 256, (rows, *shape), dtype=np.uint8)
    last = np.moveaxis(batch, 1, -1)
    forms: list[Any] = [
        batch,
        list(batch),
        tuple(batch),
        last,
        list(last),
        batch.tolist(),
        last.tolist(),
    ]
    forms += [batch.astype(np.int64), list(batch.astype(np.int32))]
    if shape[0] == 1:
        forms += [batch[:, 0], list(batch[:, 0]), batch[:, 0].tolist()]
    for form in forms:
        found = pixels(opened(shape), form)
        assert found.dtype == np.uint8
        assert np.array_equal(found, batch)
        assert found.flags.c_contiguous


def test_a_batch_with_gaps_is_made_contiguous() -> None:
    batch = noise(6, *GREY)[::2]
    found = pixels(opened(), batch)
    assert found.flags.c_contiguous
    assert np.array_equal(found, batch)


def test_height_and_width_are_not_confused() -> None:
    with pytest.raises(InputError, match=r"expected 4 x 6 pixels \(height x width\), found 6 x 4"):
        opened().encode([noise(6, 4)])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.zeros((4, 6), np.float32), r"expected uint8 pixels.*found float32.*\(255 \* x\)"),
        (np.full((4, 6), np.nan), "found float64"),
        (np.zeros((4, 6), bool), "found bool"),
        (np.full((4, 6), 256), "expected pixels in 0 to 255, found 256 to 256"),
        (np.full((4, 6), -1), "found -1 to -1"),
        (np.zeros((2, 4, 6), np.uint8), r"found \[2, 4, 6\]"),
        (np.zeros((), np.uint8), r"found \[\]"),
        ([[1, 2], [3]], "inhomogeneous"),
        ([], "float64"),
        (None, "expected a uint8 array.*found None"),
        (float("nan"), "found NaN"),
        (3, "found a int"),
        ("no-such-file.png", "no such image: no-such-file.png"),
        (b"not a picture", "13 bytes: no picture that can be read"),
        (b"", "0 bytes: no picture"),
    ],
)
def test_other_values_are_refused_by_row(value: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"input 'photo', row 1: .*{message}"):
        opened().encode([noise(4, 6), value])


def test_a_whole_batch_of_floats_is_refused_with_advice() -> None:
    with pytest.raises(InputError, match=r"row 0: expected uint8 pixels.*float32"):
        opened().encode(np.zeros((2, *GREY), np.float32))


def test_resizing_happens_only_when_asked_for() -> None:
    big = noise(8, 12, 3)
    found = pixels(opened(RGB, resize=True), [big, noise(*RGB)])
    assert found.shape == (2, *RGB)
    assert np.array_equal(found[1], noise(*RGB))
    with pytest.raises(InputError, match="resize: true"):
        opened(RGB).encode([big])


@pytest.mark.parametrize("shape", [GREY, RGB])
def test_resizing_keeps_an_even_colour(shape: tuple[int, int, int]) -> None:
    colour = np.arange(1, shape[0] + 1, dtype=np.uint8) * 50
    image = np.broadcast_to(colour, (9, 3, shape[0]))
    found = pixels(opened(shape, resize=True), [image])
    assert (found == colour[:, None, None]).all()


def test_rows_have_length_one_and_are_never_cut() -> None:
    encoder = opened()
    assert encoder.length(encoder.encode(noise(3, 4, 6))).tolist() == [1, 1, 1]
    assert not encoder.truncated(noise(4, 6))


@pytest.mark.parametrize("shape", [GREY, RGB])
def test_every_edge_can_be_encoded(shape: tuple[int, int, int]) -> None:
    encoder = opened(shape)
    edges = encoder.edge_values()
    assert pixels(encoder, list(edges.values())).shape == (len(edges), *shape)
    assert np.array_equal(encoder.edge_values()["noise"], edges["noise"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": None}, "expected size"),
        ({"size": [4]}, "expected size"),
        ({"size": [4, 0]}, "expected size"),
        ({"size": "4x6"}, "expected size"),
        ({"channels": 2}, "channels must be 1"),
        ({"channels": "RGB"}, "channels must be 1"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        opened(**options)


def value_of(value: Any, root: str = "") -> Any:
    return input_kind("image").value(
        InputSpec("photo", "image", ("photo",)), {"photo": value}, root
    )


def test_a_path_starts_at_the_root_of_the_rows(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    assert value_of("a.png", str(tmp_path)) == tmp_path / "a.png"


def test_arrays_and_bytes_are_values_as_they_are() -> None:
    image = noise(4, 6)
    assert value_of(image) is image
    assert value_of(b"png") == b"png"


@pytest.mark.parametrize("value", [None, float("nan"), 3, "missing.png"])
def test_value_refuses_other_things(value: Any) -> None:
    with pytest.raises(ValueError, match=r"empty|found|no such image"):
        value_of(value)


def test_a_missing_file_is_named_with_where_paths_start() -> None:
    with pytest.raises(ValueError, match=r"^no such image: /data/a.png; relative paths start at"):
        value_of("a.png", "/data")
    with pytest.raises(ValueError, match=r"^no such image: /no/a.png$"):
        value_of("/no/a.png", "/data")


@pytest.mark.parametrize("value", [None, ""])
def test_no_picture_is_an_empty_cell_not_the_folder_of_the_data(
    value: str | None, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="column 'photo' is empty: fill it, or leave the row out"):
        value_of(value, str(tmp_path))


def test_a_file_as_data_sets_ship_it_is_its_bytes_or_else_its_path(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    assert value_of({"bytes": b"of a file", "path": "a.png"}, str(tmp_path)) == b"of a file"
    assert value_of({"bytes": None, "path": "a.png"}, str(tmp_path)) == tmp_path / "a.png"
    with pytest.raises(ValueError, match="is empty"):
        value_of({"bytes": None, "path": None})
    with pytest.raises(ValueError, match="expected a uint8 array, the bytes"):
        value_of({"bytes": b"", "path": "", "more": 1})
    with pytest.raises(InputError, match="no such image"):
        opened().encode([{"bytes": None, "path": "missing.png"}])
