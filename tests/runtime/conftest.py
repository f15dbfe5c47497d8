"""Bundles that several tests of the runtime load."""

from __future__ import annotations

from pathlib import Path

import pytest

import bundles


@pytest.fixture(scope="session")
def image_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image bundle that no test changes."""
    return bundles.image_bundle(tmp_path_factory.mktemp("image") / "bundle")


@pytest.fixture(scope="session")
def text_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A text bundle that no test changes."""
    return bundles.text_bundle(tmp_path_factory.mktemp("text") / "bundle")
