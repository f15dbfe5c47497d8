"""From a typed ONNX graph to a TensorRT engine: one way for TensorRT 10, 11 and TensorRT for RTX.

Torch-free: this is what ``kd2edge build`` runs on the device.  TensorRT for RTX also builds without
a GPU, which is how the graph is proved at export; what it builds cannot be run there.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from kd2edge.errors import BackendError, IntegrityError, Kd2edgeError, SchemaTooNewError, UsageError
from kd2edge.inputs.spec import ArraySpec
from kd2edge.json_text import json_value
from kd2edge.runtime.backends.tensorrt import DTYPES, quiet_logger, toolkit

_SCHEMA = 1
#: Sizes of one input that an engine is built for: smallest, best, largest.
Profile = tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class BuildSettings:
    """Everything that a build needs beside the graph; written as ``*.build.json``.

    Args:
        inputs: what the network must take.
        outputs: what it must give, in order.
        profiles: sizes of each input with a dynamic dimension.
        quantized: whether the graph holds Q/DQ pairs, which must all arrive in the network.
    """

    inputs: tuple[ArraySpec, ...]
    outputs: tuple[ArraySpec, ...]
    profiles: Mapping[str, Profile]
    quantized: bool = False

    def to_json(self) -> bytes:
        """Canonical JSON."""
        content = {
            "schema": _SCHEMA,
            "strongly_typed": True,
            "inputs": [_array_to_json(array) for array in self.inputs],
            "outputs": [_array_to_json(array) for array in self.outputs],
            "profiles": {
                name: [list(shape) for shape in profile] for name, profile in self.profiles.items()
            },
            "quantized": self.quantized,
        }
        return json.dumps(content, indent=2, sort_keys=True).encode() + b"\n"

    @classmethod
    def from_json(cls, data: bytes) -> BuildSettings:
        """Read what :meth:`to_json` wrote.

        Raises:
            IntegrityError: no such file.
            SchemaTooNewError: written by a newer kd2edge.
        """
        try:
            content = json_value(data, strict=False)
            if int(content["schema"]) > _SCHEMA:
                raise SchemaTooNewError(
                    f"build settings of schema {content['schema']}, this kd2edge reads {_SCHEMA};"
                    " update kd2edge"
                )
            return cls(
                tuple(_array_from_json(array) for array in content["inputs"]),
                tuple(_array_from_json(array) for array in content["outputs"]),
                {name: _profile(shapes) for name, shapes in content["profiles"].items()},
                bool(content["quantized"]),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise IntegrityError(
                f"not the build settings of a TensorRT artefact: {error!r}"
            ) from error


@dataclass(frozen=True, slots=True)
class EngineBuild:
    """A serialised engine and what it was made with.  Two builds never give the same bytes."""

    engine: bytes
    tool: str
    version: str
    compute_capabilities: tuple[str, ...]


def profiles_of(
    inputs: Sequence[ArraySpec], ranges: Mapping[str, tuple[int, int]]
) -> dict[str, Profile]:
    """A profile for each input with dynamic dimensions; best is the geometric middle of the range.

    Raises:
        UsageError: a dynamic dimension without a range, which TensorRT needs.
    """
    dynamic = {name for array in inputs for name in array.shape if isinstance(name, str)}
    missing = sorted(dynamic - set(ranges))
    if missing:
        raise UsageError(
            f"TensorRT needs a range for each dynamic dimension, found none for {missing}"
        )
    sizes: dict[str, tuple[int, int, int]] = {}
    for name in dynamic:
        low, high = ranges[name]
        sizes[name] = (low, round((low * high) ** 0.5), high)
    profiles: dict[str, Profile] = {}
    for array in inputs:
        if any(isinstance(size, str) for size in array.shape):
            low, best, high = (
                tuple(sizes[size][at] if isinstance(size, str) else size for size in array.shape)
                for at in range(3)
            )
            profiles[array.name] = (low, best, high)
    return profiles


@final
class Network:
    """A parsed and checked network, with everything that must outlive it."""

    def __init__(self, graph: bytes, settings: BuildSettings) -> None:
        """Parse ``graph`` as a strongly typed network and check it against ``settings``.

        Raises:
            BackendError: TensorRT is missing.
            Kd2edgeError: TensorRT cannot parse the graph; the message has its reason.
            IntegrityError: a network that is not what ``settings`` state.
        """
        self._trt = trt = toolkit("an engine")
        self._logger = quiet_logger(trt)
        self._builder = trt.Builder(self._logger)
        self._network = self._builder.create_network(_strongly_typed(trt))
        self._settings = settings
        parser = trt.OnnxParser(self._network, self._logger)
        if not parser.parse(graph):
            reasons = _reasons(parser) or self._logger.last
            raise Kd2edgeError(f"{self.tool} cannot parse the graph: {reasons}")
        self._check(graph)

    @property
    def tool(self) -> str:
        return f"{self._trt.__name__} {self._trt.__version__}"

    def layers(self) -> Counter[str]:
        """Number of layers by type."""
        network = self._network
        return Counter(network.get_layer(at).type.name for at in range(network.num_layers))

    def build(self, compute_capabilities: Sequence[str] = ()) -> EngineBuild:
        """Build and serialise an engine.

        Args:
            compute_capabilities: ``("8.9", ...)`` to build for, TensorRT for RTX only; empty: this
                machine's GPU, or TensorRT for RTX's own choice where there is none.

        Raises:
            BackendError: no GPU, or the build failed; the message has TensorRT's reason.
            UsageError: a compute capability that this TensorRT does not build for.
        """
        config = self._builder.create_builder_config()
        self._add_profile(config)
        _set_capabilities(self._trt, config, compute_capabilities)
        serialised = self._builder.build_serialized_network(self._network, config)
        if serialised is None:
            raise BackendError(f"{self.tool} cannot build an engine: {self._logger.last}")
        trt = self._trt
        return EngineBuild(
            bytes(serialised), trt.__name__, trt.__version__, tuple(compute_capabilities)
        )

    def _add_profile(self, config: Any) -> None:
        if not self._settings.profiles:
            return
        profile = self._builder.create_optimization_profile()
        for name, (low, best, high) in self._settings.profiles.items():
            profile.set_shape(name, low, best, high)
        if config.add_optimization_profile(profile) < 0:
            raise Kd2edgeError(f"{self.tool} refuses the profile {dict(self._settings.profiles)}")

    def _check(self, graph: bytes) -> None:
        network, stated = self._network, self._settings
        found = [_array(network.get_input(at)) for at in range(network.num_inputs)]
        _assert_same("input", stated.inputs, found)
        found = [_array(network.get_output(at)) for at in range(network.num_outputs)]
        _assert_same("output", stated.outputs, found)
        layers = self.layers()
        pairs = layers["QUANTIZE"], layers["DEQUANTIZE"]
        if stated.quantized and pairs != (expected := _pairs(graph)):
            raise IntegrityError(
                f"the graph has {expected[0]} QuantizeLinear and {expected[1]} DequantizeLinear,"
                f" the network {pairs[0]} and {pairs[1]}: {self.tool} dropped some"
            )


def _strongly_typed(trt: Any) -> int:
    """The flag that makes a network keep the graph's types; in TensorRT 11 they always are kept."""
    flag = getattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED", None)
    return 0 if flag is None else 1 << int(flag)


def _reasons(parser: Any) -> str:
    errors = [parser.get_error(at) for at in range(parser.num_errors)]
    return "; ".join(
        f"node {error.node_name() or error.node()!r} ({error.node_operator()}): {error.desc()}"
        for error in errors
    )


def _set_capabilities(trt: Any, config: Any, wanted: Sequence[str]) -> None:
    if not wanted:
        return
    kinds = getattr(trt, "ComputeCapability", None)
    if kinds is None:
        raise UsageError(
            f"{trt.__name__} builds for this machine's GPU only, not for {list(wanted)}"
        )
    config.num_compute_capabilities = len(wanted)
    for index, capability in enumerate(wanted):
        kind = getattr(kinds, f"SM{capability.replace('.', '')}", None)
        if kind is None:
            raise UsageError(f"{trt.__name__} does not build for compute capability {capability!r}")
        config.set_compute_capability(kind, index)


def _array(tensor: Any) -> ArraySpec:
    shape = tuple("?" if size < 0 else int(size) for size in tensor.shape)
    kind = str(tensor.dtype.name)
    return ArraySpec(str(tensor.name), DTYPES.get(kind, kind), shape)


def _assert_same(what: str, stated: Sequence[ArraySpec], found: Sequence[ArraySpec]) -> None:
    """Names, types and shapes must match; TensorRT calls every dynamic dimension -1."""
    plain = [
        ArraySpec(
            array.name, array.dtype, tuple("?" if isinstance(d, str) else d for d in array.shape)
        )
        for array in stated
    ]
    if plain != list(found):
        raise IntegrityError(f"the network's {what}s are {list(found)}, expected {plain}")


def _pairs(graph: bytes) -> tuple[int, int]:
    """How many QuantizeLinear and DequantizeLinear the graph has."""
    from kd2edge.export.model_io import model_from_bytes

    counts = Counter(node.op_type for node in model_from_bytes(graph).graph.node)
    return counts["QuantizeLinear"], counts["DequantizeLinear"]


def _array_to_json(array: ArraySpec) -> dict[str, Any]:
    return {"name": array.name, "dtype": array.dtype, "shape": list(array.shape)}


def _array_from_json(content: Mapping[str, Any]) -> ArraySpec:
    return ArraySpec(str(content["name"]), str(content["dtype"]), tuple(content["shape"]))


def _profile(shapes: Sequence[Sequence[int]]) -> Profile:
    low, best, high = (tuple(int(size) for size in shape) for shape in shapes)
    return low, best, high
