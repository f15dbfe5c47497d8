"""The arrays that an input gives to a net, by input kind, known without opening an encoder."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

from kd2edge.errors import UsageError
from kd2edge.inputs.spec import ArraySpec, InputSpec

__all__ = ["ARRAYS", "array_specs", "image_shape", "prefix"]


def prefix(spec: InputSpec) -> str:
    """What stands before this input's array names ("" unless two inputs would share a name)."""
    return str(spec.options.get("prefix", ""))


def array_specs(spec: InputSpec) -> tuple[ArraySpec, ...]:
    """The arrays of one input.

    Raises:
        UsageError: an input kind that no net can take.
    """
    make = ARRAYS.get(spec.kind)
    if make is None:
        raise UsageError(
            f"input {spec.name}: no net takes inputs of kind {spec.kind!r};"
            f" known are {sorted(ARRAYS)}"
        )
    return make(spec)


def image_shape(spec: InputSpec) -> tuple[int, int, int]:
    """Channels, height and width of an image input.

    Raises:
        UsageError: an input that states no size.
    """
    size = spec.options.get("size")
    if not isinstance(size, (list, tuple)) or len(size) != 2:
        raise UsageError(f"input {spec.name}: an image needs size: [height, width], found {size!r}")
    return int(spec.options.get("channels", 1)), int(size[0]), int(size[1])


def _text(spec: InputSpec) -> tuple[ArraySpec, ...]:
    names = ["input_ids", "attention_mask"] + ["casing_ids"] * bool(spec.options.get("casing"))
    return tuple(ArraySpec(prefix(spec) + name, "int64", ("batch", "length")) for name in names)


def _image(spec: InputSpec) -> tuple[ArraySpec, ...]:
    return (ArraySpec(prefix(spec) + "pixel_values", "uint8", ("batch", *image_shape(spec))),)


#: Input kind -> its arrays; a test compares the keys with ``inputs.INPUT_KINDS``.
ARRAYS: MappingProxyType[str, Callable[[InputSpec], tuple[ArraySpec, ...]]] = MappingProxyType(
    {"image": _image, "text": _text, "tokens": _text}
)
