"""What packages offer is there, sorted, and listed once."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from pathlib import Path

import pytest

import kd2edge

ROOT = Path(kd2edge.__file__).parent
PACKAGES = [
    "kd2edge",
    *(one.name for one in pkgutil.walk_packages([str(ROOT)], "kd2edge.") if one.ispkg),
]
#: Packages that offer modules, not names.
BARE = {
    "kd2edge.pipeline",
    "kd2edge.pipeline.reading",
    "kd2edge.pipeline.steps",
    "kd2edge.pipeline.verbs",
    "kd2edge.pipeline.verbs.study",
    "kd2edge.reporting.sections",
    "kd2edge.runtime.backends",
}


def sort_key(name: str) -> tuple[int, str]:
    """The order that ruff keeps: constants, classes, functions."""
    rank = 0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2
    return rank, name


def test_there_are_packages_to_look_at() -> None:
    assert len(PACKAGES) >= 26


@pytest.mark.parametrize("name", PACKAGES)
def test_every_name_that_a_package_offers_can_be_imported(name: str) -> None:
    module = importlib.import_module(name)
    offered = getattr(module, "__all__", None)
    if offered is None:
        assert name in BARE, f"{name} has no __all__"
        return
    assert list(offered) == sorted(set(offered), key=sort_key)
    for one in offered:
        assert getattr(module, one) is not None


@pytest.mark.parametrize("name", PACKAGES)
def test_every_package_says_in_a_line_what_it_is(name: str) -> None:
    documented = importlib.import_module(name).__doc__ or ""
    first, _, rest = documented.partition("\n")
    assert first.strip(), f"{name} has no docstring"
    assert not rest.strip() or rest.startswith("\n"), f"{name}: the first line is a sentence"


def test_every_module_lists_only_names_that_it_has() -> None:
    checked = 0
    for path in sorted(ROOT.rglob("*.py")):
        listed, defined = names_of(ast.parse(path.read_text(encoding="utf-8")))
        if path.name != "__init__.py" and listed:
            checked += 1
            assert listed <= defined, f"{path.relative_to(ROOT)}: {sorted(listed - defined)}"
    assert checked >= 10


def names_of(tree: ast.Module) -> tuple[set[str], set[str]]:
    """What a module's ``__all__`` lists, and what it defines at its top level."""
    listed: set[str] = set()
    defined: set[str] = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            defined.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            defined |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {one.id for one in targets if isinstance(one, ast.Name)}
            defined |= names
            if names == {"__all__"} and isinstance(node.value, (ast.List, ast.Tuple)):
                listed |= {one.value for one in node.value.elts if isinstance(one, ast.Constant)}
    return listed, defined
