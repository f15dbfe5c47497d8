"""A tiny bundle with rows and a stored reference."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

import bundles
from references import (
    ListRows,
    image_rows,
    meant,
    misread,
    rewritten,
    scaled,
    text_rows,
    with_artefact,
    with_reference,
    without,
    wrong_alone,
)


@pytest.fixture
def rows() -> ListRows:
    return image_rows()


@pytest.fixture
def bundle(tmp_path: Path, rows: ListRows) -> Path:
    """An image bundle with its reference; its int8 artefact is the very same graph."""
    return with_reference(bundles.image_bundle(tmp_path / "image"), rows)


@pytest.fixture
def tools() -> SimpleNamespace:
    """Ways to make and to spoil bundles."""
    return SimpleNamespace(
        ListRows=ListRows,
        image_rows=image_rows,
        meant=meant,
        misread=misread,
        rewritten=rewritten,
        scaled=scaled,
        text_rows=text_rows,
        with_artefact=with_artefact,
        wrong_alone=wrong_alone,
        with_reference=with_reference,
        without=without,
    )
