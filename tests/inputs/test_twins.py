from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from kd2edge.inputs import picture
from kd2edge.inputs.kinds import input_kind
from kd2edge.inputs.spec import InputSpec
from kd2edge.validate.edges import twin_checks
from kd2edge.validate.validation import Check


def checked(size: tuple[int, int], channels: int, *, resize: bool = True) -> Check:
    options = {"size": list(size), "channels": channels, "resize": resize}
    spec = InputSpec(name="image", kind="image", columns=("image",), options=options, files={})
    encoder = input_kind("image").open(spec, {})
    (found,) = twin_checks({"image": spec}, {"image": encoder}, {"image": {}})
    return found


@pytest.mark.parametrize("resize", [True, False])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (8, 8), (9, 40), (28, 48), (64, 17)])
def test_a_picture_is_the_same_in_every_form(size, channels, resize):
    assert checked(size, channels, resize=resize).status == "ok"


def at(name: str, change: Callable[[Any, Any], Any]) -> tuple[str, Any]:
    real = getattr(picture, name)
    return name, lambda *given: change(real(*given), given[0])


@pytest.mark.parametrize(
    ("name", "change", "form"),
    [
        ("_upright", lambda out, own: 255 - out if own.mode == "CMYK" else out, "CMYK"),
        ("_upright", lambda out, own: out[..., ::-1] if own.format == "JPEG" else out, "JPEG"),
        ("_upright", lambda out, own: out[::-1] if own.format == "WEBP" else out, "WebP"),
        ("pixels_of_picture", lambda out, own: out[:, ::-1], "a picture of Pillow"),
        ("resized", lambda out, own: out[:, ::-1] if len(own) > 500 else out, "a large picture"),
    ],
)
def test_a_form_that_is_read_otherwise_is_named(monkeypatch, name, change, form):
    monkeypatch.setattr(picture, *at(name, change))
    found = checked((28, 48), 3)
    assert found.status == "failed"
    assert form in found.detail


@pytest.mark.parametrize("orientation", range(2, 9))
def test_each_turn_of_a_camera_counts(monkeypatch, orientation):
    turns = {key: turn for key, turn in picture._TURNS.items() if key != orientation}
    monkeypatch.setattr(picture, "_TURNS", turns)
    assert f"EXIF {orientation}" in checked((28, 28), 3).detail


def test_what_is_refused_is_named(monkeypatch):
    monkeypatch.setattr(picture, "_FORMATS", ("JPEG", "PNG", "WEBP"))
    assert "BMP is refused" in checked((28, 48), 3).detail


def test_arrays_differ_by_no_more_than_a_format_loses(monkeypatch):
    monkeypatch.setattr(picture, *at("_upright", lambda out, own: np.minimum(out, 200)))
    assert checked((28, 48), 3).status == "failed"
