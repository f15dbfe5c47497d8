"""``python -m kd2edge`` is the command line."""

from __future__ import annotations

from kd2edge.cli import main

if __name__ == "__main__":
    main()
