"""Measure it here: size, load time, latency, throughput and memory of every artefact."""

from __future__ import annotations

from kd2edge.bench.bench import bench_bundle
from kd2edge.bench.progress import Progress
from kd2edge.bench.result import Bench, Footprint, Timing

__all__ = ["Bench", "Footprint", "Progress", "Timing", "bench_bundle"]
