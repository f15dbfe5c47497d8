"""The bundles that are held against another library: told on the command line, with their rows."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from recording import parser

from beside import environment


def arguments(text: str | None, batches: Sequence[int]) -> argparse.ArgumentParser:
    """What every script beside a library of models is told.

    Args:
        text: what the script says of itself.
        batches: rows a call, where nobody says otherwise.
    """
    made = parser(text)
    made.add_argument("bundles", nargs="+", help="BUNDLE:FOLDER of rows below KD2EDGE_DATA")
    environment.add_argument(made)
    made.add_argument("--artefact", help="of the bundles; default: what `load` takes")
    made.add_argument("--batch", type=int, nargs="+", default=list(batches))
    made.add_argument("--rounds", type=int, default=40)
    made.add_argument("--rows", type=int, help="of each split at most; default: all")
    return made


def stated(given: Any) -> Iterator[tuple[Path, Path]]:
    """Each bundle with the folder of its rows."""
    for words in given.bundles:
        bundle, _, folder = words.rpartition(":")
        yield Path(bundle), Path(os.environ["KD2EDGE_DATA"], folder)


def common(given: Any) -> dict[str, Any]:
    """The settings of :func:`arguments` that each measurement takes by name."""
    return {
        "artefact": given.artefact, "batches": given.batch, "rounds": given.rounds,
        "most": given.rows,
    }  # fmt: skip
