from __future__ import annotations

import io

import numpy as np
import pytest

from kd2edge.inputs.image import Image
from kd2edge.inputs.painted import painted
from kd2edge.inputs.spec import InputSpec

PIL = pytest.importorskip("PIL.Image")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("resize", [False, True])
def test_every_picture_is_taken_and_files_are_real_ones(channels: int, resize: bool):
    options = {"size": [9, 13], "channels": channels, "resize": resize}
    spec = InputSpec("image", "image", ("image",), options)
    encoder = Image().open(spec, {})
    values = Image().probes(spec, {}).values
    for name, value in values.items():
        pixels = encoder.encode([value]).arrays["pixel_values"]
        assert pixels.shape == (1, channels, 9, 13), name
        if isinstance(value, bytes):
            PIL.open(io.BytesIO(value)).load()
    assert ("wide, PNG" in values) == resize


def test_modes_are_what_their_names_say():
    values = painted((3, 8, 8), resizes=False)
    modes = {name: PIL.open(io.BytesIO(one)).mode for name, one in values.items() if "PNG" in name}
    assert modes == {
        "PNG, grey": "L", "PNG, grey and alpha": "LA", "PNG, RGB": "RGB",
        "PNG, RGB and alpha": "RGBA", "PNG, palette": "P", "PNG, 1 bit": "1", "PNG, turned": "RGB",
    }  # fmt: skip


def test_channels_and_directions_differ():
    image = painted((3, 8, 12), resizes=False)["channels last"]
    assert len({image[..., channel].tobytes() for channel in range(3)}) == 3
    assert not np.array_equal(image, image[::-1])
    assert not np.array_equal(image, image[:, ::-1])


def test_the_same_pictures_every_time():
    one, other = (painted((1, 5, 5), resizes=True) for _ in range(2))
    same = [np.array_equal(one[name], other[name]) for name in one if "PNG" not in name]
    assert all(same)
    assert all(one[name] == other[name] for name in one if "PNG" in name)
