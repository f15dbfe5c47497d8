"""The command line: one file a verb, no logic; whatever is heavy is imported inside the verb."""

from __future__ import annotations

from kd2edge.cli.group import main

__all__ = ["main"]
