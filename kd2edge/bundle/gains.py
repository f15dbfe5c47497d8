"""What a rounded artefact gains over the float one of its target, in bytes and in time."""

from __future__ import annotations

from collections.abc import Mapping

from kd2edge.engines import ENGINES

__all__ = ["SAVES_NOTHING", "float_of", "shortcomings", "size_text"]

#: From this share of the float file's bytes on, rounding saved nothing: its weights stayed float.
SAVES_NOTHING = 0.9
#: From this share of the float artefact's time on it is slower; closer is a tie between two clocks.
_SLOWER = 1.02


def float_of(artefact: str) -> str:
    """The float artefact of the same target: ``onnx-fp32`` of ``onnx-int8-qdq``; "" of itself."""
    target, _, rest = artefact.partition("-")
    exact = f"{target}-fp32"
    return "" if not rest or artefact == exact else exact


def size_text(artefact: str, sizes: Mapping[str, int | None]) -> str:
    """Its bytes beside the float one's, "0.27x of onnx-fp32"; "" where there is nothing beside."""
    share = _share(artefact, sizes)
    if share is None or _is_built_elsewhere(artefact):
        return ""
    return f"{share:.2f}x of {float_of(artefact)}" + (
        ": saves nothing" if share > SAVES_NOTHING else ""
    )


def shortcomings(
    artefact: str,
    sizes: Mapping[str, int | None],
    times: Mapping[str, float | None] | None = None,
) -> tuple[str, ...]:
    """What it fails to gain, a sentence each; none of float artefacts and of good ones.

    Args:
        artefact: its id.
        sizes: id -> bytes of its files; None: not known.
        times: id -> median milliseconds of the same work on the same machine.
    """
    found: list[str] = []
    exact = float_of(artefact)
    share = _share(artefact, sizes)
    if share is not None and share > SAVES_NOTHING and not _is_built_elsewhere(artefact):
        found.append(
            f"{artefact} saves nothing: {sizes[artefact]:,} bytes, {exact} has {sizes[exact]:,}"
            f" ({share:.2f}x): its weights stayed float"
        )
    slower = _share(artefact, times or {})
    if slower is not None and slower > _SLOWER:
        found.append(f"{artefact} is slower than {exact}: {slower:.2f}x of its time")
    return tuple(found)


def _is_built_elsewhere(artefact: str) -> bool:
    """Whether what stands in a bundle is no measure of the engines that are built from it."""
    engine = ENGINES.get(artefact.partition("-")[0])
    return engine is not None and engine.is_built_on_device


def _share(
    artefact: str, values: Mapping[str, int | None] | Mapping[str, float | None]
) -> float | None:
    own, other = values.get(artefact), values.get(float_of(artefact))
    return own / other if own and other else None
