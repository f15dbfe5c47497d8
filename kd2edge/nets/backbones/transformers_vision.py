"""Image encoders of ``transformers`` that need no torchvision: ResNet."""

from __future__ import annotations

from typing import Any

from kd2edge.errors import UsageError
from kd2edge.inputs.image import image_shape
from kd2edge.nets.backbones import configuration
from kd2edge.nets.backbones.backbone import Built, Request
from kd2edge.nets.backbones.image import READOUT_KEYS, ImageAdapter, readout_of


def build(request: Request) -> Built:
    """A ResNet (He et al. 2016) of ``transformers``, fresh or from a folder.

    ``num_channels`` follows the input.  Module paths: ``embedder``, ``encoder.stages.0`` ...

    Raises:
        UsageError: an unknown model type or key, or an image that does not fit.
        IntegrityError: a folder whose weights do not fill the encoder.
    """
    given = dict(request.model.config)
    stored = configuration.read_config(request.source_dir) if request.source_dir else {}
    model_type = str(given.get("model_type", stored.get("model_type", "")))
    config_class, model_class = _classes(model_type)
    known = configuration.known_keys(config_class)
    fields = {key: value for key, value in stored.items() if key in known}
    own = configuration.checked(given, known | READOUT_KEYS, model_type)
    fields |= {key: value for key, value in own.items() if key not in READOUT_KEYS}
    shape = image_shape(request.input)
    config = configuration.config_from(config_class, fields | {"num_channels": shape[0]})
    backbone = configuration.model_from(model_class, config, {}, request.source_dir)
    readout = readout_of(given, backbone, shape)
    adapter = ImageAdapter(request.input, readout)
    return Built(backbone, adapter, configuration.architecture(config) | readout.as_json())


def _classes(model_type: str) -> tuple[Any, Any]:
    from transformers import ResNetConfig, ResNetModel  # as in transformers_text

    if model_type != "resnet":
        raise UsageError(f"model_type: expected 'resnet' for an image input, found {model_type!r}")
    return ResNetConfig, ResNetModel
