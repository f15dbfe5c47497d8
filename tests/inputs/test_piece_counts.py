from __future__ import annotations

from typing import Any

import pytest

from inputs.tokenizers_of import every
from kd2edge.inputs import Encoder, InputSpec, input_kind
from kd2edge.inputs.piece_counts import PieceCounts


def opened(kind: str, name: str = "cased bert") -> Encoder:
    return input_kind(kind).open(InputSpec("said", kind, ("said",)), {"tokenizer": every()[name]})


@pytest.mark.parametrize(
    ("kind", "value"), [("text", "the ☃☃ anB a"), ("tokens", ["the", "☃☃", "anB", "a"])]
)
def test_unknown_pieces_and_single_letters_of_longer_words_are_counted(
    kind: str, value: Any
) -> None:
    assert opened(kind).piece_counts([value]) == PieceCounts(5, 1, 1)  # the ☃☃ an ##B a
    assert opened(kind).piece_counts([value, value]) == PieceCounts(10, 2, 2)
    assert opened(kind).piece_counts([[] if kind == "tokens" else ""]) == PieceCounts()


def test_a_byte_is_less_than_a_letter() -> None:
    found = opened("text", "byte-level trim=False prefix=False regex=True").piece_counts(["漢字"])
    assert found is not None
    assert (found.unknown, found.single) == (0, found.pieces)


def test_pictures_have_no_pieces() -> None:
    spec = InputSpec("photo", "image", ("photo",), {"size": [2, 2], "channels": 1})
    assert input_kind("image").open(spec, {}).piece_counts([]) is None
