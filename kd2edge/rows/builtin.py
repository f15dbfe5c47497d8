"""Sources that need no file: rows made by a builder from its options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from kd2edge.errors import DataError
from kd2edge.rows.multimnist import multimnist
from kd2edge.rows.rows import Rows
from kd2edge.wording import meant

#: Builder by name: ``(options, split) -> rows``.
BUILDERS: Mapping[str, Callable[[Mapping[str, Any], str], Rows]] = {"multimnist": multimnist}


def open_builtin(options: Mapping[str, Any]) -> Rows:
    """Open a builtin source: ``{builder: multimnist, split: train, ...options of the builder}``.

    Raises:
        DataError: an unknown builder, split or option.
    """
    rest = dict(options)
    name = str(rest.pop("builder", ""))
    split = str(rest.pop("split", "train"))
    if name not in BUILDERS:
        hint = meant(name, BUILDERS) or f"there are: {', '.join(BUILDERS)}"
        raise DataError(f"no builtin source {name!r}; {hint}")
    return BUILDERS[name](rest, split)
