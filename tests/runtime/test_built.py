from __future__ import annotations

from pathlib import Path

import pytest

from kd2edge.errors import IntegrityError, PathEscapeError
from kd2edge.runtime.built import BuiltEngine, engine_bytes


def test_reads_a_file_of_the_bundle(tmp_path: Path):
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "a.engine").write_bytes(b"engine")
    assert engine_bytes(BuiltEngine(tmp_path, "reports/a.engine", "", 6)) == b"engine"


@pytest.mark.parametrize("path", ["../a.engine", "/etc/passwd", "a\\b", "C:/a"])
def test_evidence_may_not_point_outside(tmp_path: Path, path: str):
    with pytest.raises(PathEscapeError):
        engine_bytes(BuiltEngine(tmp_path, path, "", 10))


def test_a_link_may_not_lead_outside(tmp_path: Path):
    (tmp_path / "secret").write_bytes(b"x")
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "a.engine").symlink_to(tmp_path / "secret")
    with pytest.raises(PathEscapeError):
        engine_bytes(BuiltEngine(bundle, "a.engine", "", 10))


def test_a_missing_or_larger_file_is_an_integrity_error(tmp_path: Path):
    with pytest.raises(IntegrityError, match="missing"):
        engine_bytes(BuiltEngine(tmp_path, "a.engine", "", 10))
    (tmp_path / "a.engine").write_bytes(b"x" * 20)
    with pytest.raises(IntegrityError, match="larger"):
        engine_bytes(BuiltEngine(tmp_path, "a.engine", "", 10))
