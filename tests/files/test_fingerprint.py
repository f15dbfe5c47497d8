from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kd2edge.errors import StorageError
from kd2edge.files import canonical_json, fingerprint, fingerprint_bytes, fingerprint_file


@dataclass(frozen=True)
class Point:
    x: int
    y: tuple[float, ...]


def test_is_the_sha256_of_canonical_json() -> None:
    # The digest of b'{"a":[1,0.5],"\xc3\xa4":null}', worked out by sha256sum.
    assert canonical_json({"ä": None, "a": (1, 0.5)}) == '{"a":[1,0.5],"ä":null}'.encode()
    assert fingerprint({"b": 1}) == fingerprint_bytes(b'{"b":1}')
    assert fingerprint_bytes(b"") == (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    )


def test_equal_values_have_equal_fingerprints() -> None:
    plain = {"x": 1, "y": [0.5, 2.0]}
    assert fingerprint(Point(1, (0.5, 2.0))) == fingerprint(plain)
    assert fingerprint(MappingProxyType(plain)) == fingerprint(plain)
    assert fingerprint(dict(reversed(plain.items()))) == fingerprint(plain)
    assert fingerprint([1]) != fingerprint([1.0])


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_refuses_numbers_that_json_lacks(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        fingerprint(value)


def test_refuses_what_has_no_json_form() -> None:
    with pytest.raises(TypeError, match="set has no canonical"):
        fingerprint({1, 2})


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=[])))
def test_any_text_has_one(text: str) -> None:
    assert len(fingerprint(text)) == 64


def test_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 8192  # 2 MiB: more than one piece
    (tmp_path / "file").write_bytes(content)
    assert fingerprint_file(tmp_path / "file") == fingerprint_bytes(content)
    with pytest.raises(StorageError, match="nothing"):
        fingerprint_file(tmp_path / "nothing")
