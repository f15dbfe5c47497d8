"""What a student's word table is started from: each piece as its teacher reads it, and its share.

A teacher is asked once for a run, student and baseline start from the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from kd2edge.data import EncodedSplit
from kd2edge.inputs.kinds import input_kind
from kd2edge.inputs.spec import InputSpec
from kd2edge.inputs.tokenizer_json import added_tokens, parsed, piece_ids
from kd2edge.inputs.words import casing
from kd2edge.nets import Net
from kd2edge.pipeline.reading.model_inputs import ModelInputs
from kd2edge.student import piece_outputs, worded

__all__ = [
    "PieceTable",
    "piece_batches",
    "piece_ids_of",
    "piece_shares",
    "piece_table",
    "tried_table",
]

#: Pieces that are given to a teacher together, and rows that are counted together.
_BATCH = 256
_ROWS = 4096
#: A text that is cut into pieces whatever the vocabulary: what stands around them are controls.
_ANYTHING = "a 1 . the"

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class PieceTable:
    """A row a piece of a student's vocabulary.

    Args:
        vectors: ``[piece, teacher's width]`` what its teacher makes of the piece alone.
        shares: ``[piece]`` its share of all pieces in the training rows, none of them 0.
    """

    vectors: Tensor
    shares: npt.NDArray[np.float64]


def piece_table(
    teacher: Net,
    theirs: ModelInputs,
    spec: InputSpec,
    ids: npt.NDArray[np.int64],
    split: EncodedSplit,
) -> PieceTable:
    """Ask a teacher about each piece, and count the pieces in the training rows.

    Args:
        teacher: in evaluation mode on the CPU.
        theirs: its inputs; of the same tokenizer as the student's, before that was cut.
        spec: of the student's input that is cut into pieces.
        ids: ``[piece]`` the teacher's id of each piece of the student.
        split: the training rows, as the student reads them.

    Raises:
        UsageError: a teacher without word embeddings, or with several inputs that have them.
    """
    name, _ = worded(teacher, "teacher")
    vectors = piece_outputs(teacher, piece_batches(theirs, name, ids))
    return PieceTable(vectors, piece_shares(split, spec, len(ids)))


def tried_table(teacher: Net, theirs: ModelInputs, ids: npt.NDArray[np.int64]) -> PieceTable:
    """A table of the right size, for which the teacher was asked about two pieces only.

    Args:
        teacher: in evaluation mode on the CPU.
        theirs: its inputs.
        ids: ``[piece]`` the teacher's id of each piece of the student.

    Raises:
        UsageError: a teacher without word embeddings, or with several inputs that have them.
    """
    name, _ = worded(teacher, "teacher")
    some = piece_outputs(teacher, piece_batches(theirs, name, ids[:2]))
    at = np.arange(len(ids)) % len(some)
    return PieceTable(some[at], np.full(len(ids), 1.0 / len(ids)))


def piece_ids_of(inputs: ModelInputs, name: str) -> npt.NDArray[np.int64]:
    """``[piece]`` the id that each piece of an input had before its vocabulary was cut."""
    kept = inputs.kept_ids.get(name)
    return np.arange(inputs.vocabulary[name], dtype=np.int64) if kept is None else kept


def piece_batches(
    inputs: ModelInputs, name: str, ids: npt.NDArray[np.int64]
) -> Iterator[dict[str, npt.NDArray[Any]]]:
    """Each piece as a text of its own, between the control tokens that its tokenizer adds.

    Ids are put there as they are: as a text, a piece from the middle of words would be cut anew.

    Args:
        inputs: of a model.
        name: of its input that is cut into pieces.
        ids: of pieces, as that model knows them.
    """
    spec = inputs.specs[name]
    front, back = _controls(inputs, spec)
    length = len(front) + 1 + len(back)
    kinds = _casings(inputs.files[spec.files["tokenizer"]]) if spec.options.get("casing") else {}
    for start in range(0, len(ids), _BATCH):
        some = ids[start : start + _BATCH]
        rows = np.empty((len(some), length), np.int64)
        rows[:, : len(front)], rows[:, len(front)], rows[:, len(front) + 1 :] = front, some, back
        arrays = {"input_ids": rows, "attention_mask": np.ones_like(rows)}
        if spec.options.get("casing"):
            arrays["casing_ids"] = np.zeros_like(rows)
            arrays["casing_ids"][:, len(front)] = [kinds.get(int(one), 0) for one in some]
        yield {spec.prefix + array: values for array, values in arrays.items()}


def piece_shares(split: EncodedSplit, spec: InputSpec, pieces: int) -> npt.NDArray[np.float64]:
    """``[piece]`` the share of each piece in some rows, each counted once more than it occurs.

    Args:
        split: the rows.
        spec: of the input that is cut into pieces.
        pieces: how many the vocabulary has.
    """
    counts = np.ones(pieces, np.int64)
    for start in range(0, len(split), _ROWS):
        rows = np.arange(start, min(start + _ROWS, len(split)), dtype=np.int64)
        arrays = split.batch(rows).inputs
        shown = arrays[spec.prefix + "attention_mask"].numpy() == 1
        ids = arrays[spec.prefix + "input_ids"].numpy()[shown]
        counts += np.bincount(ids, minlength=pieces)
    return counts / counts.sum()


def _controls(
    inputs: ModelInputs, spec: InputSpec
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The control tokens in front of a text's pieces, and those behind them."""
    kind, encoder = input_kind(spec.kind), inputs.encoders[spec.name]
    bare, full = (
        encoder.encode([value]).arrays[spec.prefix + "input_ids"][0]
        for value in (kind.nothing(spec), kind.typed(_ANYTHING))
    )
    shared = bare == full[: len(bare)]
    front = len(bare) if shared.all() else int(np.argmin(shared))
    return bare[:front], bare[front:]


def _casings(tokenizer_json: bytes) -> dict[int, int]:
    """Piece -> how it is written; control tokens are not."""
    content = parsed(tokenizer_json)
    controls = {token["id"] for token in added_tokens(content)}
    ids = piece_ids(content).items()
    return {index: casing(piece) for piece, index in ids if index not in controls}
