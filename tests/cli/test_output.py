from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kd2edge.cli.output import cut_between_words, say_lines

LINE = "task       domain: classification, 18 labels, 1,500 labelled in train, metric weighted_f1"


def test_what_goes_on_stands_below_the_text_it_belongs_to():
    first, second = cut_between_words(LINE, 80).split("\n")
    assert first.endswith("metric")
    assert second == " " * 11 + "weighted_f1"
    assert cut_between_words("- a: " + "word " * 20, 40).split("\n")[1].startswith("  word")
    assert cut_between_words("error: " + "word " * 20, 40).split("\n")[1].startswith("word")


def test_tables_and_long_words_stay_whole():
    table = "| a | " + "b " * 60 + "|"
    assert cut_between_words(table, 80) == table
    path = "/a/" + "folder-name/" * 12
    assert path in cut_between_words(f"run:    {path}", 80)


@given(st.text(alphabet="ab -|:,.\n", max_size=300), st.integers(20, 90))
def test_no_word_is_lost_or_cut(text: str, width: int):
    assert cut_between_words(text, width).split() == text.split()


@pytest.mark.parametrize("on_terminal", [True, False])
def test_only_a_terminal_has_lines_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], on_terminal: bool
):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: on_terminal)
    monkeypatch.setenv("COLUMNS", "80")
    say_lines(LINE)
    assert (capsys.readouterr().out == f"{LINE}\n") is not on_terminal
