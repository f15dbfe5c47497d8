"""Rows that are made of a source's own, for teachers to label: one file a maker."""
