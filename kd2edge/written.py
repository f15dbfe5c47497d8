"""How text files and data frames write numbers and truth values: one form for labels and cells."""

from __future__ import annotations

import re

__all__ = ["is_number", "normal_form"]

#: A number: no other digits, blanks or marks between thousands.
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
#: A whole number as a data frame writes it where the column has gaps.
_WHOLE = re.compile(r"(-?(?:0|[1-9][0-9]*))\.0", re.ASCII)
#: How data frames and spreadsheets write booleans.
_BOOLEANS = {"True": "true", "TRUE": "true", "False": "false", "FALSE": "false"}


def is_number(text: str) -> bool:
    """Whether a text is a number."""
    return _NUMBER.fullmatch(text) is not None


def normal_form(text: str) -> str:
    """A name without what data frames do to whole numbers and booleans: "5.0" is "5"."""
    whole = _WHOLE.fullmatch(text)
    if whole is None:
        return _BOOLEANS.get(text, text)
    return whole[1] if whole[1] != "-0" else "0"
