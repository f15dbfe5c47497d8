"""A small recipe to study, in a folder of its own that is the working directory."""

from __future__ import annotations

from pathlib import Path

import pytest

from products import write_text_project


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write_text_project(tmp_path)
