from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.inputs.blanks import cut_at_blanks

#: Everything else that ``str.split`` or ``str.splitlines`` cuts at.
OTHERS = [
    *"\x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000",
    *map(chr, range(0x2000, 0x200B)),
]


@pytest.mark.parametrize("blank", OTHERS)
def test_a_blank_of_unicode_is_part_of_its_word(blank: str) -> None:
    assert len(f"a{blank}b c".split()) == 3 or len(f"a{blank}b".splitlines()) == 2
    assert cut_at_blanks(f" a{blank}b\tc\r\n{blank}") == [f"a{blank}b", "c", blank]


@given(st.text())
def test_ascii_text_is_cut_as_usual(text: str) -> None:
    plain = "".join(letter for letter in text if letter not in OTHERS)
    assert cut_at_blanks(plain) == plain.split()
