from __future__ import annotations

import sys
from pathlib import Path

# The scripts import their two neighbours by name, as they do when they are run.
sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
