from __future__ import annotations

import math
import string
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kd2edge.recipe.places import Place
from kd2edge.recipe.yaml_text import (
    DEEPEST,
    LONGEST,
    MOST_NODES,
    MOST_VALUES,
    Document,
    dump_yaml,
    parse_yaml,
)


def parse(text: str, **environment: str) -> Document:
    return parse_yaml(text, "recipe.yaml", environment)


def value(text: str, **environment: str) -> Any:
    document = parse(text, **environment)
    assert document.problems == []
    return document.value


def complaints(text: str, **environment: str) -> list[str]:
    return [str(problem) for problem in parse(text, **environment).problems]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-3", 1e-3),
        ("1.0e-3", 1e-3),
        ("1E5", 1e5),
        (".5", 0.5),
        ("5.", 5.0),
        ("-0.0", -0.0),
        ("1_000", "1_000"),
        ("0o17", 15),
        ("0x1F", 31),
        ("017", 17),
        ("+3", 3),
        ("1:30", "1:30"),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("Off", "Off"),
        ("y", "y"),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("null", None),
        ("2026-11-01", "2026-11-01"),
        ("=", "="),
        ("'1'", "1"),
        ('"true"', "true"),
        ("!!str 1", "1"),
        ("!!float 1", 1.0),
        ("a: ", {"a": None}),
        ("1: x", {"1": "x"}),
        ("<<: {a: 1}", {"<<": {"a": 1}}),
    ],
)
def test_reads_by_the_rules_of_yaml_1_2(text: str, expected: Any) -> None:
    found = value(text)
    assert found == expected
    assert type(found) is type(expected)


def test_notes_where_everything_stands() -> None:
    document = parse("a:\n  - {b: 1, c: [x, y]}\n  - &n two\nd: *n\n")
    assert document.value == {"a": [{"b": 1, "c": ["x", "y"]}, "two"], "d": "two"}
    places = document.places
    assert places.keys["a", 0, "c"] == Place(2, 12)
    assert places.values["a", 0, "c"] == Place(2, 15)
    assert places.values["a", 0, "c", 1] == Place(2, 19)
    assert places.values["a", 1] == Place(3, 5)
    assert places.values["d",] == Place(3, 5)  # where the anchor's value is written


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: [1, 2", "recipe.yaml:1:9: no valid YAML: while parsing a flow sequence"),
        ("a:\n\tb: 1", "recipe.yaml:2:1: no valid YAML"),
        ("a: 1\nb: 2\na: 3", "recipe.yaml:3:1: a: the key stands twice; first in line 1"),
        ("a: {b: 1, b: 2}", "recipe.yaml:1:11: a.b: the key stands twice; first in line 1"),
        ("a: .inf", "recipe.yaml:1:4: a: .inf is no finite number"),
        ("a: -.INF", "no finite number"),
        ("a: .nan", "no finite number"),
        ("a: 1e999", "no finite number"),
        (f"a: {'9' * 5000}", "a number of 5000 characters"),
        ("a: !!python/object:os.system ls", "recipe.yaml:1:4: a: tag"),
        ("a: !!python/object/apply:os.system [ls]", "holds plain values only"),
        ("a: !own {b: 1}", "holds plain values only"),
        ("a: !!set {b, c}", "holds plain values only"),
        ("a: !!binary aGk=", "holds plain values only"),
        ("a: !!timestamp 2026-11-01", "holds plain values only"),
        ("a: !!int x", "'x' is no int"),
        ("a: !!bool maybe", "'maybe' is no bool"),
        ("? [a]\n: 1", "a key must be a plain text"),
        ("a: 1\n---\nb: 2", "expected a single document"),
        ("a: *nothing", "found undefined alias"),
        ("a: &x [*x]", "too large or endless"),
        ("", "recipe.yaml: it is empty"),
        ("# only a comment", "it is empty"),
        ("a: \x07", "recipe.yaml:1:4: no valid YAML: the character #x0007 is not allowed"),
        ("b: 1\na: \x00", "recipe.yaml:2:4"),
        (r'a: "\ud800"', "surrogate"),
        (r'a: "\UFFFFFFFF"', "no valid YAML"),
        ("%YAML 9" + "9" * 5000 + ".1\n---\na", "no valid YAML"),
    ],
)
def test_says_what_is_wrong_and_where(text: str, says: str) -> None:
    assert any(says in complaint for complaint in complaints(text))


def test_reports_all_faults_of_a_readable_text_at_once() -> None:
    text = "a: 1\na: 2\nb: .nan\nc: !x y\nd: ${NOTHING}\n"
    lines = [problem.line for problem in parse(text).problems]
    assert lines == [2, 3, 4, 5]


def test_deep_nesting_is_refused_with_its_place() -> None:
    assert value("[" * (DEEPEST - 1) + "]" * (DEEPEST - 1)) is not None
    for text in ("[" * 50_000, "{a: " * 50_000, "- " * 50_000):
        (complaint,) = complaints(text)
        assert "nested deeper" in complaint
        assert complaint.startswith("recipe.yaml:1:")


def test_a_billion_laughs_are_cut_short() -> None:
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    (complaint,) = complaints("\n".join(lines))
    assert "write values out" in complaint


def test_long_texts_through_aliases_are_cut_short() -> None:
    text = f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 100)}]"
    (complaint,) = complaints(text)
    assert "write values out" in complaint


def test_a_merge_bomb_is_a_plain_unknown_key() -> None:
    lines = ["a0: &a0 {x: 1}"]
    lines += [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 12)]
    (complaint,) = complaints("\n".join(lines))
    assert "write values out" in complaint


def test_a_few_aliases_are_fine_and_independent() -> None:
    found = value("a: &x {n: 1}\nb: *x\nc: *x")
    found["b"]["n"] = 2
    assert found == {"a": {"n": 1}, "b": {"n": 2}, "c": {"n": 1}}


def test_the_size_is_limited() -> None:
    (complaint,) = complaints("#" * (LONGEST + 1))
    assert "characters; at most" in complaint
    (complaint,) = complaints("[" + "1," * (MOST_NODES + 1) + "]")
    assert "more than 20,000 keys and values" in complaint
    (complaint,) = complaints("a: &a [1, 2, 3]\nb: [" + "*a, " * (MOST_VALUES // 3) + "]")
    assert "too large" in complaint


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${NAME}", "val"),
        ("a/${NAME}/b", "a/val/b"),
        ("${NAME:-other}", "val"),
        ("${UNSET:-other}", "other"),
        ("${EMPTY:-other}", "other"),
        ("${UNSET:-}x", "x"),
        ("$NAME", "$NAME"),
        ("$${NAME}", "${NAME}"),
        ("$$${NAME}", "$${NAME}"),
        ("${NUMBER}", 64),
        ("'${NUMBER}'", "64"),
        ("${UNSET:-1e-3}", 1e-3),
        ("${UNSET:-no}", "no"),
        ("${STRUCTURE}", "[1, 2]"),
    ],
)
def test_variables_are_filled_in(text: str, expected: Any) -> None:
    environment = {"NAME": "val", "EMPTY": "", "NUMBER": "64", "STRUCTURE": "[1, 2]"}
    found = value(text, **environment)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("text", ["${UNSET}", "${NAME", "${}", "${1A}", "${NAME:+x}", "${A:-${B}}"])
def test_variables_that_cannot_be_filled_in_are_named(text: str) -> None:
    (complaint,) = complaints(f"a: '{text}'", NAME="x")
    assert complaint.startswith("recipe.yaml:1:4: a: ")
    assert "UNSET is not set" in complaint or "expected ${NAME}" in complaint


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(min_value=-(10**60), max_value=10**60),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    st.sampled_from(["no", "1e-3", "0x1", "~", "null", "", "${A}", "$${A}", "true", ".inf", "- a"]),
)
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(string.ascii_letters + " :#-", max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(TREES)
@example({"a": "\x85\u2028"})
@example("\ufeff")
def test_what_is_dumped_reads_back_the_same_in_any_environment(tree: Any) -> None:
    document = parse(dump_yaml(tree), A="filled in")
    assert document.problems == []
    assert document.value == tree
    assert repr(document.value) == repr(tree)  # 1 is not 1.0, nor is -0.0 0.0


@settings(deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_reads_back(number: float) -> None:
    found = value(repr(number))
    assert isinstance(found, float)
    assert math.copysign(1, found) == math.copysign(1, number)
    assert found == number


@settings(deadline=None)
@given(
    st.lists(st.sampled_from("abc"), min_size=2, max_size=6),
)
def test_every_repeated_key_is_reported(keys: list[str]) -> None:
    document = parse("\n".join(f"{key}: {at}" for at, key in enumerate(keys)))
    assert len(document.problems) == len(keys) - len(set(keys))
    for key in set(keys):
        assert document.value[key] == keys.index(key)  # the first one stays


YAML_LIKE = st.lists(
    st.sampled_from(
        ["a", "b: ", "- ", "\n", "  ", "[", "]", "{", "}", ",", ": ", "? ", "&x ", "*x", "!!int "]
        + ["!t ", "'", '"', "|", ">", "#", "%", "---", "...", "\t", "1", "1e3", "~", "<<: ", "@"]
        + ["${A}", "${", "\\x", "\\u12", "\x00", "\ufeff", "\u2028", "é", "%YAML 1.2\n", "%TAG ! x"]
    )
).map("".join)


@settings(deadline=None)
@given(st.text() | YAML_LIKE)
@example("!<tag:yaml.org,2002:null> x")
@example("!!float ''")
@example("!<> x")
@example("? *x\n: &x y")
def test_any_text_gives_a_value_or_problems_never_a_foreign_exception(text: str) -> None:
    document = parse(text)
    assert document.problems or document.value is None or _plain(document.value)
    for problem in document.problems:
        assert problem.message
        assert problem.file == "recipe.yaml"
        assert problem.line <= text.count("\n") + text.count("\r") + len(text.splitlines()) + 1


def _plain(found: Any) -> bool:
    if isinstance(found, dict):
        return all(isinstance(key, str) and _plain(item) for key, item in found.items())
    if isinstance(found, list):
        return all(_plain(item) for item in found)
    return found is None or type(found) in {bool, int, float, str}
