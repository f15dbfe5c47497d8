"""The recipes that come with kd2edge, and new ones started from them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from kd2edge.errors import UsageError
from kd2edge.recipe.names import FOLDER_NAME, TAKEN_NAME

__all__ = ["GalleryRecipe", "gallery", "started"]

_NAME = re.compile(r"^name:.*$", re.MULTILINE)
#: Where a header's last part begins: what its recipe reached.
_RESULTS = re.compile(r"^#\n# Reached on ", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class GalleryRecipe:
    """One recipe of the gallery: its name (path without suffix), first comment and file."""

    name: str
    title: str
    path: Path


def gallery() -> tuple[GalleryRecipe, ...]:
    """Every recipe that comes with kd2edge, by name."""
    root = _root()
    found = []
    for path in sorted(root.rglob("*.yaml")):
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        name = path.relative_to(root).with_suffix("").as_posix()
        found.append(GalleryRecipe(name, first.lstrip("# "), path))
    return tuple(found)


def started(origin: str, name: str) -> str:
    """The text of a new recipe called ``name``, started from ``origin``.

    Its header has the commands of the old one, for the new name, and none of its results.

    Raises:
        UsageError: no recipe of that name in the gallery, or a name that cannot be a folder's.
    """
    if not re.fullmatch(FOLDER_NAME, name) or name == TAKEN_NAME:
        raise UsageError(
            f"{name!r} cannot name a run: use at most 64 letters, digits, '.', '_' and '-', a "
            f"letter or digit first, and not {TAKEN_NAME!r}"
        )
    recipes = {recipe.name: recipe for recipe in gallery()}
    short = {Path(recipe.name).name: recipe for recipe in gallery()}
    chosen = recipes.get(origin) or short.get(origin)
    if chosen is None:
        raise UsageError(f"no recipe {origin!r} in the gallery; there are {', '.join(recipes)}")
    header, body = _header(chosen.path.read_text(encoding="utf-8"))
    # In quotes: plain, 42 would be a number and true no name.
    body = _NAME.sub(f'name: "{name}"', body, count=1)
    return f"{_renamed(_RESULTS.split(header)[0], chosen, name)}{body}"


def _header(text: str) -> tuple[str, str]:
    """The comment lines that a recipe begins with, and the rest."""
    lines = text.splitlines(keepends=True)
    count = next((at for at, line in enumerate(lines) if not line.startswith("#")), len(lines))
    return "".join(lines[:count]), "".join(lines[count:])


def _renamed(header: str, recipe: GalleryRecipe, name: str) -> str:
    """A header whose commands read the new recipe and go on with what it makes."""
    header = header.replace(f"recipes/{recipe.name}.yaml", f"{name}.yaml")
    header = re.sub(rf"\bmodels/{re.escape(Path(recipe.name).name)}\b", f"models/{name}", header)
    return f"# {name}, started from the recipe {recipe.name}:\n{header}"


def _root() -> Path:
    package = Path(__file__).parents[2]
    # A wheel carries the gallery inside the package; a checkout has it at the top.
    inside = package / "recipe" / "gallery"
    return inside if inside.is_dir() else package.parent / "recipes"
