"""Models of ``transformers``: known keys, safe weights, nothing that runs or fetches code."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from kd2edge.errors import IntegrityError, UsageError
from kd2edge.json_text import json_value
from kd2edge.nets.backbones.pickled import tensors_from_pickle
from kd2edge.nets.source import PICKLED, has_safetensors
from kd2edge.wording import meant

if TYPE_CHECKING:
    from torch import nn
    from transformers import PreTrainedConfig

#: Keys that every configuration has but that say nothing of the architecture.
_FOREIGN = frozenset(
    {
        "add_cross_attention", "architectures", "auto_map", "bos_token_id",
        "chunk_size_feed_forward", "classifier_dropout", "dtype", "eos_token_id", "id2label",
        "is_decoder", "is_encoder_decoder", "label2id", "model_type", "name_or_path",
        "out_features", "out_indices", "output_attentions", "output_hidden_states", "pad_token_id",
        "problem_type", "qa_dropout", "quantization_config", "return_dict", "seq_classif_dropout",
        "stage_names", "summary_activation", "summary_last_dropout", "summary_type",
        "summary_use_proj", "tie_word_embeddings", "torch_dtype", "transformers_version",
        "use_cache",
    }
)  # fmt: skip

#: What to do about a damaged folder of weights: it is not ours to repair.
_WAY_OUT = "fetch it again, or name another folder as the model's source"


def known_keys(kind: type[PreTrainedConfig]) -> frozenset[str]:
    """The keys of an architecture, their other spellings (``hidden_size`` for ``dim``) included."""
    keys = set(kind().to_dict()) | set(kind.attribute_map)
    return frozenset(key for key in keys - _FOREIGN if not key.startswith("_"))


def architecture(config: PreTrainedConfig) -> dict[str, Any]:
    """``model_type`` and every field that the architecture depends on, as JSON values."""
    everything, keys = config.to_dict(), known_keys(type(config))
    fields = {key: value for key, value in sorted(everything.items()) if key in keys}
    return {"model_type": config.model_type, **fields}


def checked(given: Mapping[str, Any], known: Iterable[str], what: str) -> dict[str, Any]:
    """``given`` without ``model_type``, once every key of it is known.

    ``transformers`` keeps unknown keys as attributes, so a misspelt one would silently do nothing.

    Raises:
        UsageError: an unknown key, with the nearest known one.
    """
    known = sorted(known)
    for key in given:
        if key != "model_type" and key not in known:
            advice = meant(key, known) or f"known are {', '.join(known)}"
            raise UsageError(f"model config of {what}: unknown key {key!r}; {advice}")
    return {key: value for key, value in given.items() if key != "model_type"}


def config_from(kind: type[Any], fields: Mapping[str, Any]) -> Any:
    """The configuration with these fields.

    Raises:
        UsageError: a value of a wrong type or range.
    """
    from huggingface_hub.errors import StrictDataclassError

    try:
        return kind(**fields)
    except (StrictDataclassError, TypeError, ValueError) as error:
        raise UsageError(f"model config of {kind.model_type}: {error}") from error


def read_config(folder: Path) -> dict[str, Any]:
    """The ``config.json`` of a folder of weights.

    Raises:
        UsageError: no such file.
        IntegrityError: a file that is no JSON object.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise UsageError(f"{folder}: expected a folder of weights with config.json, found none")
    try:
        content = json_value(path.read_bytes(), strict=False)
    except ValueError as error:
        raise IntegrityError(f"{path}: not readable as JSON ({error}); {_WAY_OUT}") from error
    if not isinstance(content, dict):
        raise IntegrityError(
            f"{path}: expected a JSON object, found {type(content).__name__}; {_WAY_OUT}"
        )
    return content


def model_from(
    model_class: type[Any], config: Any, options: Mapping[str, Any], source_dir: Path | None
) -> nn.Module:
    """A model of ``transformers`` in fp32: fresh, or with the weights of a folder.

    Args:
        model_class: of ``transformers``, such as ``AutoModel``.
        config: its configuration.
        options: keywords of the class beside the configuration.
        source_dir: folder of pretrained weights; None: a fresh model.

    Raises:
        UsageError: a folder without weights that can be read, or fields that no model can have
            together.
        IntegrityError: a folder whose weights do not fill the model.
    """
    from kd2edge.nets.backbones import attention

    # Never what a config.json asks for: it may name code to fetch.
    config._attn_implementation = attention.NAME if model_class._supports_sdpa else "eager"
    if source_dir is None:
        return _fresh(model_class, config, options)
    place, tensors = _weights(source_dir)
    try:
        with _quiet():
            model, found = model_class.from_pretrained(
                place,
                config=config,
                state_dict=tensors,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
                output_loading_info=True,
                **options,
            )
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise IntegrityError(
            f"{source_dir}: its weights cannot be loaded ({error}); {_WAY_OUT}"
        ) from error
    wrong = sorted(found["missing_keys"]) + sorted(str(key) for key in found["mismatched_keys"])
    if wrong:
        raise IntegrityError(
            f"{source_dir}: the weights lack {len(wrong)} tensors of a {config.model_type},"
            f" e.g. {wrong[0]}; is this the folder of another model?"
        )
    return model


def _fresh(model_class: type[Any], config: Any, options: Mapping[str, Any]) -> nn.Module:
    try:
        return model_class(config, **options)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UsageError(f"model config of {config.model_type}: no net fits it: {error}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without ``from_pretrained``'s bar and report: what matters of them is checked after it."""
    from transformers.utils import logging  # as in transformers_text

    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()


def _weights(folder: Path) -> tuple[Path | None, dict[str, Tensor] | None]:
    """Where ``transformers`` finds the weights of a folder, or these tensors themselves.

    Raises:
        UsageError: neither safetensors nor a ``pytorch_model.bin`` of tensors alone.
        IntegrityError: the latter is damaged.
    """
    if has_safetensors(folder):
        return folder, None
    if (folder / PICKLED).is_file():
        return None, tensors_from_pickle(folder / PICKLED)
    unsafe = sorted(
        path.name for ext in ("bin", "pt", "pth", "ckpt") for path in folder.glob(f"*.{ext}")
    )
    found = f"only {', '.join(unsafe)}, which runs code when it is loaded" if unsafe else "none"
    raise UsageError(
        f"{folder}: expected model.safetensors (or a {PICKLED} of tensors), found {found};"
        " convert the weights to safetensors where you trust them"
    )
