"""Rows as batches: encoded once to disk, read a batch at a time, in a stateless order."""

from __future__ import annotations

from kd2edge.data.absence import Absence
from kd2edge.data.augment import Step, Views
from kd2edge.data.batch import Batch, Words
from kd2edge.data.encode import encode_split
from kd2edge.data.reader import ArrayStore
from kd2edge.data.sampler import epoch_order, steps_an_epoch
from kd2edge.data.split import EncodedSplit
from kd2edge.data.writer import ArrayWriter
from kd2edge.events import Progress

__all__ = [
    "Absence",
    "ArrayStore",
    "ArrayWriter",
    "Batch",
    "EncodedSplit",
    "Progress",
    "Step",
    "Views",
    "Words",
    "encode_split",
    "epoch_order",
    "steps_an_epoch",
]
