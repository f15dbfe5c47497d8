"""Start a student's word table from what its teacher makes of each piece alone.

Tulkens and van Dongen 2024, "Model2Vec" (Minishlab): every piece of the vocabulary goes through a
sentence encoder as a text of its own, principal components bring the vectors to the width that is
wanted, and what a piece weighs falls with its frequency.  There outputs gave 5.4 points more on
MTEB than the encoder's input table, and weights by Zipf's law 3.8 more than none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from kd2edge.errors import UsageError
from kd2edge.nets.backbones.static import Static, frequency_weights, weigh_by_frequency
from kd2edge.nets.net import Net
from kd2edge.student.embeddings import top_directions, worded
from kd2edge.student.mapped import Mapped


@torch.no_grad()
def piece_outputs(teacher: Net, batches: Iterable[Mapping[str, npt.NDArray[Any]]]) -> Tensor:
    """What a teacher makes of pieces, as it pools them: ``[piece, width]``, in fp32 on the CPU.

    Args:
        teacher: in evaluation mode on the CPU; it is not changed.
        batches: arrays of its only input with word embeddings, a piece a row.

    Raises:
        UsageError: a teacher without word embeddings, or with several inputs that have them.
    """
    _, branch = worded(teacher, "teacher")
    branch.eval()
    given = ({name: torch.from_numpy(one) for name, one in arrays.items()} for arrays in batches)
    return torch.cat([branch.adapter(branch.backbone, arrays).pooled.float() for arrays in given])


@torch.no_grad()
def output_embeddings(
    student: Net,
    teacher: Net,
    *,
    vectors: Tensor,
    shares: npt.NDArray[np.float64],
    weighing: str | None,
) -> Mapped:
    """Start the word table of ``student`` from the teacher's outputs, in place.

    The vectors are centred and brought to the student's width by their principal components.  The
    whole table is then scaled to the root mean square that the fresh one had: outputs have a size
    of their own, and what is added to the table (positions, types, casing) is still fresh.

    Args:
        student: the net to start.
        teacher: whose outputs they are; it is not looked at again.
        vectors: ``[piece, teacher's width]``, see :func:`piece_outputs`, in the order of the
            student's vocabulary.
        shares: ``[piece]`` each piece's share of all pieces in the training rows, above 0.
        weighing: ``sif``: a / (a + p) (Arora et al. 2017, a = 0.001), of the learned weights where
            the student has them, else of the rows; ``none``: as they are.  None: ``sif`` for
            static nets, whose mean a frequent piece would fill, ``none`` for those that read words
            in their places.

    Raises:
        UsageError: a student without embeddings or with wider ones than the vectors, or a table
            with fewer rows than there are pieces.
    """
    del teacher
    _, branch = worded(student, "student")
    table = branch.embeddings()["word"]
    if table.num_embeddings < len(vectors):
        raise UsageError(
            f"init by outputs: the student's table has {table.num_embeddings} rows for"
            f" {len(vectors)} pieces; leave its size to the tokenizer"
        )
    centred = vectors.double() - vectors.double().mean(0)
    words = centred @ top_directions(centred, table.embedding_dim)
    whole = float(centred.square().sum())
    explained = float(words.square().sum()) / whole if whole else 1.0
    parts = ["word"]
    if weighing == "sif" or (weighing is None and isinstance(branch.backbone, Static)):
        learned = getattr(branch.backbone, "word_weights", None)
        if isinstance(learned, nn.Embedding):
            weigh_by_frequency(learned, torch.as_tensor(shares))
            parts.append("word_weights")
        else:
            words *= frequency_weights(torch.as_tensor(shares))[:, None]
    fresh, found = table.weight.double().square().mean(), words.square().mean()
    scale = (fresh / found).sqrt() if found > 0 else 0.0
    table.weight[: len(words)] = (words * scale).to(table.weight)
    partly = {"word": len(words) * table.embedding_dim, "word_weights": len(shares)}
    return Mapped(tuple(parts), explained, by_values=True, partly=partly)
