"""Every public function of four parameters and more says what each of them is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import kd2edge

PACKAGE = Path(kd2edge.__file__).parent
MANY = 4
Function = tuple[str, ast.FunctionDef, str]  # (where it stands, the function, its documentation)


def trees() -> dict[str, ast.Module]:
    paths = sorted(PACKAGE.rglob("*.py"))
    return {
        str(path.relative_to(PACKAGE)): ast.parse(path.read_text(encoding="utf-8"))
        for path in paths
    }


def test_every_parameter_of_many_is_documented() -> None:
    functions = list(public_functions())
    assert len(functions) > 100
    lacking = {
        place: missing for place, function, said in functions if (missing := unsaid(function, said))
    }
    assert lacking == {}


def unsaid(function: ast.FunctionDef, said: str) -> list[str]:
    part = function.args
    names = [one.arg for one in (*part.posonlyargs, *part.args, *part.kwonlyargs)]
    names = [name for name in names if name not in {"self", "cls"}]
    if len(names) < MANY:
        return []
    return [
        name for name in names if not re.search(rf"^ *(\w+, )*{name}(, \w+)*: ", said, re.MULTILINE)
    ]


def public_functions() -> Iterator[Function]:
    """Functions, methods and constructors; what overrides is documented where it is declared."""
    found = trees()
    methods = {
        part.name: {one.name for one in part.body if isinstance(one, ast.FunctionDef)}
        for tree in found.values()
        for part in tree.body
        if isinstance(part, ast.ClassDef)
    }
    for path, tree in found.items():
        for part in tree.body:
            if isinstance(part, ast.FunctionDef) and is_public(part.name) and not is_verb(part):
                yield f"{path}: {part.name}", part, ast.get_docstring(part) or ""
            if not isinstance(part, ast.ClassDef) or not is_public(part.name):
                continue
            inherited = {
                name for base in part.bases for name in methods.get(ast.unparse(base), ())
            } - {"__init__"}
            for one in part.body:
                if not isinstance(one, ast.FunctionDef) or one.name in inherited:
                    continue
                said = (ast.get_docstring(one) or "") + "\n"
                if one.name == "__init__":
                    said += ast.get_docstring(part) or ""
                elif not is_public(one.name):
                    continue
                yield f"{path}: {part.name}.{one.name}", one, said


def is_public(name: str) -> bool:
    return not name.startswith("_")


def is_verb(function: ast.FunctionDef) -> bool:
    """A command: each option says itself what it is."""
    return any("click." in ast.unparse(one) for one in function.decorator_list)
