"""The version: a leaf that everything may read; the package and its build take it from here."""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
