"""Proof that an artefact is as good as PyTorch's report says: levels, verdicts, evidence."""

from __future__ import annotations

from kd2edge.events import Progress
from kd2edge.validate.candidate import Candidate, Loaded, loaded
from kd2edge.validate.judge import judge
from kd2edge.validate.policy import Policy
from kd2edge.validate.reference import Reference, open_reference, pack_reference, row_keys
from kd2edge.validate.validation import Validation
from kd2edge.validate.validator import validate_bundle

__all__ = [
    "Candidate",
    "Loaded",
    "Policy",
    "Progress",
    "Reference",
    "Validation",
    "judge",
    "loaded",
    "open_reference",
    "pack_reference",
    "row_keys",
    "validate_bundle",
]
