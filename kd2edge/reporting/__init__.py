"""What people look at: report.html, tables for the terminal, model cards, comparisons of runs."""

from __future__ import annotations

from kd2edge.reporting.bundle_report import report_from_validation
from kd2edge.reporting.compare import compare_reports
from kd2edge.reporting.html_report import html_report
from kd2edge.reporting.model_card import model_card
from kd2edge.reporting.study import study_html, study_table
from kd2edge.reporting.tables import Group, Table, headline, headline_table

__all__ = [
    "Group",
    "Table",
    "compare_reports",
    "headline",
    "headline_table",
    "html_report",
    "model_card",
    "report_from_validation",
    "study_html",
    "study_table",
]
