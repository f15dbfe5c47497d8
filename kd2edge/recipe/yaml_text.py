"""YAML 1.2 (core schema) to plain values with their places, and back.

PyYAML reads YAML 1.1: ``1e-3`` a text, ``no`` a boolean, the last of two equal keys.  Here its
scanner and composer are used; types, keys and limits are ours.  Nothing is constructed: values are
made from nodes, and only mappings, lists, texts, numbers, booleans and null exist.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn, final

import yaml
from yaml.composer import ComposerError
from yaml.reader import ReaderError

from kd2edge.errors import Problem
from kd2edge.recipe.environment import escaped, expanded
from kd2edge.recipe.places import Place, Places, Steps

#: Most characters of a recipe; the largest in the gallery has a few thousand.
LONGEST = 256 << 10
#: Most levels of mappings and lists in each other.
DEEPEST = 32
#: Most keys and values as they are written; the largest in the gallery has a few hundred.
MOST_NODES = 20_000
#: Most values, and most characters in them, once aliases are followed.
MOST_VALUES = 20_000
MOST_TEXT = 1 << 20

_CORE = "tag:yaml.org,2002:"
_RESOLVERS: tuple[tuple[str, re.Pattern[str]], ...] = (
    (f"{_CORE}null", re.compile(r"(?:~|null|Null|NULL|)\Z")),
    (f"{_CORE}bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z")),
    (f"{_CORE}int", re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z")),
    (
        f"{_CORE}float",
        re.compile(
            r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
        ),
    ),
)
_LONGEST_NUMBER = 64  # characters; Python refuses to read integers of thousands of digits


@final
@dataclass(slots=True)
class Document:
    """What a YAML text says.

    Args:
        value: the value at its root; None when it could not be read at all.
        places: where everything stands.
        problems: everything that is wrong with it as YAML.
    """

    value: Any
    places: Places
    problems: list[Problem] = field(default_factory=list)


def parse_yaml(text: str, file: str, environment: Mapping[str, str]) -> Document:
    """Read a YAML text.  Never raises: what is wrong stands in ``problems``.

    Args:
        text: the text.
        file: what places call it.
        environment: variables for ``${NAME}`` in texts.
    """
    document = Document(None, Places(file))
    if len(text) > LONGEST:
        problem = f"{len(text):,} characters; at most {LONGEST:,} are read"
        document.problems.append(Problem(problem, file))
        return document
    try:
        node = _Loader(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        document.problems.append(_syntax_problem(error, file))
    except ReaderError as error:
        document.problems.append(_character_problem(error, text, file))
    except (ValueError, OverflowError) as error:  # e.g. the escape "\UFFFFFFFF" in a text
        document.problems.append(Problem(f"no valid YAML: {error}", file))
    else:
        _read(node, document, environment)
    return document


def dump_yaml(value: Any) -> str:
    """A YAML text that :func:`parse_yaml` reads back as ``value``, whatever the environment.

    It is safe to be shown: what no letter is seen of stands as an escape.
    """
    text = yaml.dump(
        _escaped(value),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=None,
        width=100,
    )
    return "".join(sign if sign.isprintable() or sign == "\n" else _sign(sign) for sign in text)


def _sign(sign: str) -> str:
    """An escape of a double-quoted text; :func:`_represent_text` has seen to it that it is one."""
    code = ord(sign)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _escaped(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _escaped(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_escaped(item) for item in value]
    return escaped(value) if isinstance(value, str) else value


class _Loader(yaml.SafeLoader):
    """PyYAML's scanner and composer with the types of YAML 1.2, and limits of depth and number."""

    yaml_implicit_resolvers: dict[Any, Any] = {None: list(_RESOLVERS)}  # noqa: RUF012
    _depth = 0
    _nodes = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._depth += 1
        self._nodes += 1
        try:
            if self._depth > DEEPEST:
                self._refuse(f"nested deeper than {DEEPEST} levels")
            if self._nodes > MOST_NODES:  # now: composing the rest would take seconds
                self._refuse(f"more than {MOST_NODES:,} keys and values")
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1

    def _refuse(self, problem: str) -> NoReturn:
        raise ComposerError(None, None, problem, self.peek_event().start_mark)


class _Dumper(yaml.SafeDumper):
    """Quotes what the loader above would not read as a text."""

    yaml_implicit_resolvers: dict[Any, Any] = {None: list(_RESOLVERS)}  # noqa: RUF012

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # Plain and single-quoted texts know no escapes, and lose some of YAML 1.1's line ends.
    style = None if text.isprintable() else '"'
    return dumper.represent_scalar(f"{_CORE}str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def _syntax_problem(error: yaml.MarkedYAMLError, file: str) -> Problem:
    mark = error.problem_mark or error.context_mark
    text = " ".join(part for part in (error.context, error.problem) if part)
    if "'\\t'" in text:
        text += " (indent with spaces)"
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    return Problem(f"no valid YAML: {text}", file, line, column)


def _character_problem(error: ReaderError, text: str, file: str) -> Problem:
    before = text[: error.position]
    line = before.count("\n") + 1
    column = error.position - (before.rfind("\n") + 1) + 1
    code = error.character if isinstance(error.character, int) else ord(error.character)
    return Problem(f"no valid YAML: the character #x{code:04x} is not allowed", file, line, column)


def _read(node: Any, document: Document, environment: Mapping[str, str]) -> None:
    if node is None:
        document.problems.append(Problem("it is empty", document.places.file))
        return
    try:
        document.value = _Reader(document, environment).value(node, ())
    except _TooLargeError as error:
        document.value = None
        document.problems.append(Problem(str(error), document.places.file))


class _TooLargeError(Exception):
    """Aliases that blow a small file up (or never end)."""


@final
class _Reader:
    """Makes values from nodes and notes where they stand."""

    def __init__(self, document: Document, environment: Mapping[str, str]) -> None:
        self._places = document.places
        self._problems = document.problems
        self._environment = environment
        self._resolve = _Loader("").resolve
        self._values = MOST_VALUES
        self._text = MOST_TEXT

    def value(self, node: yaml.Node, steps: Steps) -> Any:
        self._pay(node, steps)
        self._places.values[steps] = _place(node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, steps)
        if isinstance(node, yaml.SequenceNode):
            if node.tag != f"{_CORE}seq":
                self._refuse(node, steps, _no_objects(node))
            return [self.value(item, (*steps, at)) for at, item in enumerate(node.value)]
        return self._scalar(node, steps)

    def _pay(self, node: yaml.Node, steps: Steps) -> None:
        self._values -= 1
        self._text -= len(node.value) if isinstance(node, yaml.ScalarNode) else 0
        if len(steps) > DEEPEST or self._values < 0 or self._text < 0:
            raise _TooLargeError("aliases (*name) make it too large or endless: write values out")

    def _mapping(self, node: yaml.MappingNode, steps: Steps) -> dict[str, Any]:
        if node.tag != f"{_CORE}map":
            self._refuse(node, steps, _no_objects(node))
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                self._refuse(key_node, steps, "a key must be a plain text")
                continue
            key = str(key_node.value)  # as written, also what looks like a number
            below = (*steps, key)
            if key in found:
                first = self._places.keys[below].line
                self._refuse(key_node, below, f"the key stands twice; first in line {first}")
                continue
            self._places.keys[below] = _place(key_node)
            found[key] = self.value(value_node, below)
        return found

    def _scalar(self, node: Any, steps: Steps) -> Any:
        text, tag = str(node.value), str(node.tag)
        if tag == f"{_CORE}str" and "${" in text:
            try:
                text = expanded(text, self._environment)
            except ValueError as error:
                self._refuse(node, steps, str(error))
            if node.style is None:  # unquoted: read by the same rules as if it were written there
                tag = str(self._resolve(yaml.ScalarNode, text, (True, False)))
        try:
            return _converted(tag, text)
        except ValueError as error:
            self._refuse(node, steps, str(error) or _no_objects(node))
            return None

    def _refuse(self, node: yaml.Node, steps: Steps, message: str) -> None:
        place = _place(node)
        name = ".".join(map(str, steps))
        self._problems.append(Problem(message, self._places.file, place.line, place.column, name))


def _place(node: yaml.Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


def _no_objects(node: yaml.Node) -> str:
    return f"tag {node.tag!r}: a recipe holds plain values only"


def _converted(tag: str, text: str) -> Any:
    """The value of a scalar.

    Raises:
        ValueError: it is none of that type; without a message for a tag of another kind.
    """
    kind = tag.removeprefix(_CORE)
    pattern = dict(_RESOLVERS).get(tag)
    if pattern is not None and not pattern.match(text):
        raise ValueError(f"{text[:40]!r} is no {kind}")
    if kind in {"int", "float"} and len(text) > _LONGEST_NUMBER:
        raise ValueError(f"a number of {len(text)} characters")
    if kind == "str":
        return _text(text)
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    if kind == "int":
        return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)
    if kind == "float":
        return _finite(text)
    raise ValueError


def _text(text: str) -> str:
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueError("half a surrogate pair is no character")
    return text


def _finite(text: str) -> float:
    number = float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    if not math.isfinite(number):
        raise ValueError(f"{text} is no finite number")
    return number
