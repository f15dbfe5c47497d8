"""A student becomes graphs and artefacts: torch to ONNX, passes over graphs, one file a target.

Nothing is imported here: `student` needs torch, `passes` and `targets` must not.
"""

from __future__ import annotations

__all__: list[str] = []
