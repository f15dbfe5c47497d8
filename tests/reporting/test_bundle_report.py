from __future__ import annotations

import bundles
from kd2edge.bundle.store import open_bundle
from kd2edge.reporting import headline, html_report, report_from_validation


def test_a_bundle_alone_has_a_report_too(tmp_path, validation):
    manifest = open_bundle(bundles.image_bundle(tmp_path / "bundle")).manifest
    for part in validation["artefacts"].values():
        part["tasks"] = {"digit": part["tasks"].get("left", {})} if part["tasks"] else {}
    report = report_from_validation(manifest, validation)
    text = headline(report, validation).text()
    assert "student" in text
    assert "teacher" not in text
    assert "0.953 [.945, .961]" in text
    html = html_report(report, validation=validation)
    assert "kd2edge validate models/tiny-image" in html
    assert "larger" in html  # which no artefact has a number for
