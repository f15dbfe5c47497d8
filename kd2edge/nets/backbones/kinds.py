"""The fixed table of backbone families: what builds which family for which kind of input."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

from kd2edge.errors import UsageError
from kd2edge.nets.backbones import (
    cnn,
    conv,
    static,
    tabular,
    transformers_text,
    transformers_vision,
)
from kd2edge.nets.backbones.backbone import Built, Request

#: (family, input kind) -> builder.
BACKBONES: MappingProxyType[tuple[str, str], Callable[[Request], Built]] = MappingProxyType(
    {
        ("cnn", "image"): cnn.build,
        ("conv", "text"): conv.build,
        ("conv", "tokens"): conv.build,
        ("mlp", "tabular"): tabular.build,
        ("static", "text"): static.build,
        ("static", "tokens"): static.build,
        ("transformers", "image"): transformers_vision.build,
        ("transformers", "text"): transformers_text.build,
        ("transformers", "tokens"): transformers_text.build,
    }
)


def backbone_for(request: Request) -> Built:
    """Build what ``request`` asks for.

    Raises:
        UsageError: no such family, or a family that does not take this kind of input.
        IntegrityError: pretrained weights that do not fit.
    """
    build = BACKBONES.get((request.model.family, request.input.kind))
    if build is None:
        pairs = ", ".join(f"{family} for {kind}" for family, kind in sorted(BACKBONES))
        raise UsageError(
            f"model family {request.model.family!r} does not take input {request.input.name}"
            f" of kind {request.input.kind!r}; there are {pairs}"
        )
    return build(request)
