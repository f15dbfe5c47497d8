"""Sources of rows by global position: files and builders, fingerprints, checks and leaks."""

from __future__ import annotations

from kd2edge.rows.check import SplitCheck, check_rows
from kd2edge.rows.hashes import row_hash, row_hashes, row_id
from kd2edge.rows.join import JoinedRows, Source, joined
from kd2edge.rows.kinds import ROW_KINDS, open_rows
from kd2edge.rows.leak import leaks, without
from kd2edge.rows.reading import labels_of
from kd2edge.rows.rows import Row, Rows

__all__ = [
    "ROW_KINDS",
    "JoinedRows",
    "Row",
    "Rows",
    "Source",
    "SplitCheck",
    "check_rows",
    "joined",
    "labels_of",
    "leaks",
    "open_rows",
    "row_hash",
    "row_hashes",
    "row_id",
    "without",
]
