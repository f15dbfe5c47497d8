"""Projects, runs and bundles that a test may damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from faulty import Project
from products import Product, write_text_project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "project"
    folder.mkdir()
    return Project(write_text_project(folder))


@pytest.fixture
def run(text_product: Product, tmp_path: Path) -> Path:
    """A copy of the finished text run."""
    return Path(shutil.copytree(text_product.run, tmp_path / "runs" / "tiny"))


@pytest.fixture
def bundle(text_product: Product, tmp_path: Path) -> Path:
    """A copy of the text bundle."""
    return Path(shutil.copytree(text_product.bundle, tmp_path / "models" / "tiny"))
