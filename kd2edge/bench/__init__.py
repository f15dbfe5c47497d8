"""Measure it here: size, load time, latency, throughput and memory of every artefact."""

from __future__ import annotations

from kd2edge.bench.bench import bench_bundle
from kd2edge.bench.result import Bench, Footprint, Spread, Timing
from kd2edge.events import Progress

__all__ = ["Bench", "Footprint", "Progress", "Spread", "Timing", "bench_bundle"]
