"""Load a bundle and run it: numpy and one engine, no torch.  `Session` runs any other graph."""

from __future__ import annotations

from kd2edge.runtime.graph import GraphSpec
from kd2edge.runtime.model import Model, load
from kd2edge.runtime.session import Session

__all__ = ["GraphSpec", "Model", "Session", "load"]
