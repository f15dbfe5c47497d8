"""The table of makers of rows."""

from __future__ import annotations

from collections.abc import Mapping

from kd2edge.rows.made.maker import Maker
from kd2edge.rows.made.munge import Munge
from kd2edge.rows.made.perturb import Perturb
from kd2edge.rows.made.remix import Remix

#: Maker by its name in a recipe.
MAKERS: Mapping[str, type[Maker]] = {"munge": Munge, "perturb": Perturb, "remix": Remix}
