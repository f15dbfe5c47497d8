from __future__ import annotations

import pytest

from kd2edge.inputs.cell import cell, no_column


@pytest.mark.parametrize(
    ("header", "shell"), [("Nr,text", ","), ("Nr;text", ";"), ("Nr\ttext", r"\t"), ("Nr|text", "|")]
)
def test_a_header_that_is_one_column_says_what_to_state(header: str, shell: str):
    """A file cut at another character than its own has one column, which is all of them."""
    with pytest.raises(ValueError, match="no column 'text'") as caught:
        cell({header: "1,a"}, "text")
    assert str(caught.value).endswith(
        f"state options: {{delimiter: \"{shell}\"}}, or --option 'delimiter={shell}'"
    )


def test_a_column_of_another_name_is_what_was_meant():
    assert no_column("text", {"texts": "a, b", "x": 1}).endswith("; did you mean 'texts'?")
    assert no_column("text", {"texts": "a"}).endswith("; did you mean 'texts'?")
    assert no_column("text", {"x": 1, "TEXT": "a"}).endswith("; did you mean 'TEXT'?")
    assert no_column("y", {"x": 1, "Y ": "a"}).endswith("; did you mean 'Y '?")
    assert no_column("text", {}) == "no column 'text', the row has none"


def test_a_wide_row_is_told_in_part():
    said = no_column("text", [f"c{at}" for at in range(1041)] + ["texts"])
    assert "'c19' and 1,022 more; did you mean 'texts'?" in said
    assert "'c20'" not in said
