"""Names of runs and bundles, for the schema and for what writes recipes without pydantic."""

from __future__ import annotations

#: A name that becomes a folder.
FOLDER_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
#: ``runs/latest`` is the link to the latest run.
TAKEN_NAME = "latest"
