"""Text of any origin as people may be shown it."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from kd2edge.errors import IntegrityError, Problem, RecipeError
from kd2edge.wording import LINE, VALUE, meant, shown, shown_lines, value, visible_json

TEXTS = st.text(st.characters())


@given(TEXTS)
def test_what_is_shown_is_visible_and_on_one_line(text: str) -> None:
    assert shown(text).isprintable()
    assert len(shown(text)) <= LINE
    assert len(value(text)) <= VALUE
    assert shown_lines(text).count("\n") == text.count("\n")
    shown(text).encode()


@given(TEXTS)
def test_what_was_shown_stays_as_it_is(text: str) -> None:
    assert shown(shown(text)) == shown(text)


@given(st.text(st.characters(categories=["L", "N", "P", "S"], max_codepoint=0x10FF)))
def test_letters_stay(text: str) -> None:
    assert value(text[:VALUE]) == text[:VALUE]


def test_what_moves_a_terminal_is_escaped() -> None:
    text = "\x1b]0;a\x07\x9b2J\u202e\u2066\u200b\ufeff\r\n\u2028\x7f\ud83d\udce9\U000e0041\u115f"
    assert shown(text) == (
        "\\x1b]0;a\\x07\\x9b2J\\u202e\\u2066\\u200b\\ufeff\\r\\n\\u2028\\x7f\\ud83d\\xe9"
        "\\U000e0041\\u115f"
    )


def test_a_long_value_keeps_both_ends() -> None:
    text = "a" * 5000 + "the end"
    assert value(text).startswith("aaaa")
    assert value(text).endswith("the end")
    assert "5,007 characters" in value(text)


@given(TEXTS)
def test_json_stays_the_same_value(text: str) -> None:
    seen = visible_json(json.dumps([text], ensure_ascii=False))
    assert seen.isprintable()
    assert json.loads(seen) == [text]


@given(TEXTS)
def test_an_error_says_each_message_in_a_line(text: str) -> None:
    assert len(str(IntegrityError(text, f"a{text}")).split("\n")) == 2
    assert str(RecipeError([Problem(text, "a.yaml", 1), Problem("b")])).count("\n") == 1


def test_what_was_meant_is_said_where_it_is_alike():
    assert meant("epoch", ["lr", "epochs"]) == "did you mean 'epochs'?"
    assert meant("epoch", []) == meant("x", ["epochs"]) == ""
    assert "\x1b" not in meant("ab\x1bcd", ["ab\x1bcde"])
