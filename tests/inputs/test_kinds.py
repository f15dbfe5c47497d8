from __future__ import annotations

import pytest

from kd2edge.errors import UsageError
from kd2edge.inputs import INPUT_KINDS, input_kind


def test_the_table_is_keyed_by_name() -> None:
    assert list(INPUT_KINDS) == ["image", "text", "tokens"]
    assert all(kind.name == name for name, kind in INPUT_KINDS.items())


def test_an_unknown_kind_is_refused_with_the_nearest() -> None:
    with pytest.raises(
        UsageError, match=r"image, text, tokens, found 'token'; did you mean 'tokens'"
    ):
        input_kind("token")
