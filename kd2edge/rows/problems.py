"""Problems that are one mistake: alike but for their values, or the same in several splits."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from kd2edge.errors import Problem

#: Values in a message: what is quoted, lists and objects, paths, numbers.
_VALUE = re.compile(r"""'[^']*'|"[^"]*"|\S*[/\\]\S*|[-+]?\d[\d.,]*""")
#: A value that only shows what was found: the type before it is the mistake.
_SHOWN_VALUE = re.compile(r"found (an? \w+) \(.*")
#: What a count of further rows looks like.
_MORE = re.compile(r" \(and in [\d,]+ more rows?(?: like it)?\)")
#: How a message names what to state in the recipe, for all rows at once.
_SETTINGS = ("state `", "under `columns`")
#: Ends the kind of a problem whose value is of a wrong type.
_TYPE = "(a value)"


def kind_of_problem(message: str) -> str:
    """A message without its values: two rows with the same one have the same fault."""
    bare = _MORE.sub("", message)
    typed = _SHOWN_VALUE.sub(rf"found \1 {_TYPE}", bare)
    return _VALUE.sub("*", typed)


def told_once(problems: Iterable[Problem]) -> list[Problem]:
    """The problems of several splits; what returns in a further one is a place at the first.

    One mistake in a recipe shows in every split; so does a value of a wrong type, whatever it is.
    """
    found: dict[tuple[str, str], Problem] = {}
    for problem in problems:
        kind = kind_of_problem(problem.message)
        bare = kind if is_one_mistake(kind) else _MORE.sub("", problem.message)
        # A problem of no row stands for itself: it says which split it is of.
        key = (problem.field, bare if problem.file else f"{len(found)}")
        if key not in found:
            found[key] = problem
            continue
        counted = "".join(_MORE.findall(problem.message))
        more = f"; likewise {problem.file}:{problem.line}{counted}"
        found[key] = replace(found[key], message=found[key].message + more)
    return list(found.values())


def is_one_mistake(kind: str) -> bool:
    """Whether any row of a kind of problem shows the mistake, whatever its value.

    A value of a wrong type does, and what a setting of the recipe remedies for all rows at once.
    """
    return kind.endswith(_TYPE) or any(setting in kind for setting in _SETTINGS)
