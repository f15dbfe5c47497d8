"""The fixed table of fusions."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from kd2edge.errors import UsageError
from kd2edge.nets.fusion.concat import Concat
from kd2edge.nets.fusion.fusion import Fusion
from kd2edge.nets.fusion.gated import Gated
from kd2edge.nets.fusion.single import Single

#: Kind -> fusion; nets of one input have ``single``, no recipe names it.
FUSIONS: MappingProxyType[str, type[Fusion]] = MappingProxyType(
    {"concat": Concat, "gated": Gated, "single": Single}
)


def fusion_for(stated: Mapping[str, Any], widths: Mapping[str, int]) -> Fusion:
    """A new fusion of inputs with vectors of these widths.

    Args:
        stated: ``kind`` and its options; empty for a net of one input.
        widths: input -> width.

    Raises:
        UsageError: an unknown kind or option.
    """
    options = dict(stated) or {"kind": "single"}
    kind = str(options.pop("kind", ""))
    if kind not in FUSIONS:
        raise UsageError(f"fusion: expected a kind among {sorted(FUSIONS)}, found {kind!r}")
    try:
        return FUSIONS[kind](widths, **options)
    except TypeError as error:
        raise UsageError(f"fusion {kind}: {error}") from error
