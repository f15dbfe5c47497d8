"""Start a student's embedding tables from the teacher's by truncated SVD.

A student's table is narrower than its teacher's.  The best approximation of a given rank (Eckart
and Young 1936) keeps each word's coordinates along the top singular directions of the teacher's
table, so distances between words survive as far as that rank allows.  As a start that is then
trained on: Lioutas et al. 2020, "Improving Word Embedding Factorization for Compression Using
Distilled Nonlinear Neural Decomposition"; the two-part table itself: Lan et al. 2020, "ALBERT",
section 3.1.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from kd2edge.errors import UsageError
from kd2edge.nets.net import Branch, Net
from kd2edge.student.mapped import Mapped

#: What a transformer of text has between its tables and its first layer.
_BEHIND = ("embeddings.LayerNorm", "embeddings_project")


@torch.no_grad()
def svd_embeddings(
    student: Net, teacher: Net, kept_ids: npt.NDArray[np.int64] | None = None
) -> Mapped:
    """Start every embedding table of ``student`` from the same table of ``teacher``, in place.

    The directions come from the words that are kept; positions, types and casing are laid out
    along the same ones and nothing is rescaled: a sequence starts as a *sum* of these tables, so
    one linear map of all keeps their proportions, and the LayerNorm that follows takes out the
    common scale.  Mapping the words alone, scaled to the student's own spread, would lose those
    proportions.

    With equal widths the tables are copied as they are, with the norm and the projection that
    follow them where those fit: with ``copy_layers`` that is a slice of the teacher.  Where the
    student projects its embeddings up to the teacher's own width (ELECTRA), that projection starts
    as the way back; for any other width there is nothing in the teacher to start it from, and it
    stays fresh.

    Args:
        student: the net to start.
        teacher: the net to start from; it is not changed.
        kept_ids: ``[student's vocabulary]`` the teacher's row of each word of the student; None
            when both have the same vocabulary.

    Raises:
        UsageError: nets without embeddings, a student that is wider, or rows that do not match.
    """
    _, branch = worded(student, "student")
    theirs, ours = worded(teacher, "teacher")[1].embeddings(), branch.embeddings()
    words = kept_rows(theirs["word"].weight.double(), kept_ids, ours["word"].num_embeddings)
    basis = top_directions(words, ours["word"].embedding_dim)
    ours["word"].weight.copy_(words @ basis)
    parts, partly = ["word"], dict[str, int]()
    for role in sorted(set(ours) & set(theirs) - {"word"}):
        rows = min(ours[role].num_embeddings, theirs[role].num_embeddings)
        ours[role].weight[:rows] = (theirs[role].weight[:rows].double() @ basis).to(
            ours[role].weight
        )
        parts.append(role)
        partly[role] = rows * ours[role].embedding_dim
    if len(basis) == basis.shape[1]:
        parts += _copied_behind(branch.backbone, worded(teacher, "teacher")[1].backbone)
    if "embeddings_project" not in parts and _start_projection(branch.backbone, basis):
        parts.append("embeddings_project")
    whole = float(words.square().sum())
    kept = float((words @ basis).square().sum()) / whole if whole else 1.0
    narrower = basis.shape[1] < len(basis)
    return Mapped(tuple(parts), kept, by_values=narrower, partly=partly)


def worded(net: Net, who: str) -> tuple[str, Branch]:
    """The only input with word embeddings, and what reads it.

    Raises:
        UsageError: there is none, or more than one.
    """
    found = {name: one for name, one in net.branches.items() if "word" in one.embeddings()}
    if len(found) != 1:
        kinds = " and ".join(spec.kind for spec in net.inputs)
        several = f"word embeddings for several inputs ({', '.join(found)})"
        raise UsageError(
            f"init: the {who} ({net.model.family} for {kinds}) has"
            f" {several if found else 'no word embeddings'}; write embeddings: none in its init"
        )
    return next(iter(found.items()))


def kept_rows(words: Tensor, kept_ids: npt.NDArray[np.int64] | None, vocabulary: int) -> Tensor:
    """The teacher's rows in the order of the student's vocabulary, ``[vocabulary, width]``.

    Raises:
        UsageError: another number of rows than the student has, or ids that the teacher lacks.
    """
    ids = np.arange(len(words)) if kept_ids is None else np.asarray(kept_ids)
    if len(ids) != vocabulary:
        raise UsageError(
            f"init: the student's table has {vocabulary} words, but {len(ids)} of the"
            " teacher's are kept; both must come from the same cut of the vocabulary"
        )
    if ids.min(initial=0) < 0 or ids.max(initial=0) >= len(words):
        raise UsageError(f"init: kept ids must lie in 0..{len(words) - 1}, the teacher's table")
    return words[torch.as_tensor(ids, device=words.device)]


def top_directions(words: Tensor, width: int) -> Tensor:
    """Top right singular vectors of ``words`` as columns, ``[teacher's width, width]``.

    Raises:
        UsageError: they have no such width.
    """
    theirs = words.shape[1]
    if width > theirs:
        raise UsageError(
            f"init: the student's embeddings are wider ({width}) than the teacher's"
            f" ({theirs}); make them {theirs} wide at most"
        )
    if width == theirs:
        return torch.eye(width, dtype=words.dtype, device=words.device)
    # Through the Gram matrix: [width, width] instead of a decomposition of the whole table.
    _, vectors = torch.linalg.eigh(words.T @ words)  # ascending
    basis = vectors.flip(1)[:, :width]
    # A singular vector's sign is arbitrary and differs between libraries; fix it.
    largest = basis.gather(0, basis.abs().argmax(0, keepdim=True))
    return basis * largest.sign()


def _copied_behind(ours: nn.Module, theirs: nn.Module) -> list[str]:
    """Copy what follows the tables, as far as both nets have it in one shape; its names."""
    own, given = dict(ours.named_modules()), dict(theirs.named_modules())
    copied: list[str] = []
    for path in _BEHIND:
        if path not in own or path not in given:
            continue
        here, there = own[path].state_dict(), given[path].state_dict()
        if {name: one.shape for name, one in here.items()} == {
            name: one.shape for name, one in there.items()
        }:
            own[path].load_state_dict(there)
            copied.append(path)
    return copied


def _start_projection(backbone: nn.Module, basis: Tensor) -> bool:
    """Let the up-projection undo the down-projection, where it leads to the teacher's width."""
    projection = getattr(backbone, "embeddings_project", None)
    if not isinstance(projection, nn.Linear) or projection.weight.shape != basis.shape:
        return False
    projection.weight.copy_(basis)
    nn.init.zeros_(projection.bias)
    return True
