"""How many rows of every split the length limit of an input cuts."""

from __future__ import annotations

from dataclasses import dataclass

from kd2edge.inputs.kinds import input_kind
from kd2edge.pipeline.reading.model_inputs import ModelInputs
from kd2edge.pipeline.reading.prepare import Prepared

__all__ = ["Cut", "cut_rows"]

#: Rows of a split that are looked at: all, up to so many.
_LOOKED_AT = 20_000


@dataclass(frozen=True, slots=True)
class Cut:
    """What the length limit does to a split.

    Args:
        rows: rows that were looked at.
        cut: rows among them of which something is cut off.
        sample: whether there are more rows.
    """

    rows: int
    cut: int
    sample: bool

    @property
    def share(self) -> float:
        """Share of rows that are cut."""
        return self.cut / self.rows if self.rows else 0.0

    def text(self) -> str:
        """For a terminal."""
        of = "a sample of " if self.sample else ""
        return f"{self.cut:,} of {of}{self.rows:,}"


def cut_rows(data: Prepared, inputs: ModelInputs) -> dict[str, dict[str, Cut]]:
    """Input with a length limit -> split -> what the limit does, in the order of the splits."""
    return {
        name: {split: _cut(data, inputs, name, split) for split in data.rows}
        for name, spec in inputs.specs.items()
        if "max_length" in spec.options
    }


def _cut(data: Prepared, inputs: ModelInputs, name: str, split: str) -> Cut:
    rows, spec = data.rows[split], inputs.specs[name]
    kind, encoder = input_kind(spec.kind), inputs.encoders[name]
    positions = range(0, len(rows), -(-len(rows) // _LOOKED_AT) or 1)
    cut = sum(encoder.truncated(kind.value(spec, rows[at], rows.root_of(at))) for at in positions)
    return Cut(len(positions), cut, sample=len(positions) < len(rows))
