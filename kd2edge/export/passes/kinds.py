"""The table of graph passes: a new pass is one file and one line here."""

from __future__ import annotations

from kd2edge.export.passes.cast_fp16 import CastFp16
from kd2edge.export.passes.counted_positions import CountedPositions
from kd2edge.export.passes.graph_pass import GraphPass
from kd2edge.export.passes.int8_embedding import Int8Embedding
from kd2edge.export.passes.int8_prototypes import Int8Prototypes
from kd2edge.export.passes.no_zero_points import NoZeroPoints
from kd2edge.export.passes.short_names import ShortNames
from kd2edge.export.passes.strip_metadata import StripMetadata

#: Name -> pass, with the settings that exporting uses.
PASSES: dict[str, GraphPass] = {
    "cast_fp16": CastFp16(),
    "counted_positions": CountedPositions(),
    "no_zero_points": NoZeroPoints(),
    "short_names": ShortNames(),
    "strip_metadata": StripMetadata(),
    "int8_embedding_rows": Int8Embedding("rows", one_scale=True),
    "int8_embedding_table": Int8Embedding("table"),
    "int8_prototypes": Int8Prototypes(),
}
