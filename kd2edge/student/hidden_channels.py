"""Start a narrower transformer from those of a teacher's hidden channels that vary most.

SliceGPT (Ashkboos et al. 2024, arXiv:2401.15024) turns hidden states to their principal axes before
it cuts them, and lets the matrices around take up the turn.  That needs a residual path without
scales; in BERT's a norm with a scale a channel stands behind every layer, and no turn passes it
unchanged.  So channels are cut as they are, by their variance.  What is cut off is replaced by its
mean, in the biases of what read it: An et al. 2024, "Fluctuation-based Adaptive Structured Pruning
for Large Language Models" (arXiv:2312.11983).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from kd2edge.errors import UsageError
from kd2edge.nets.net import Branch, Net
from kd2edge.student.embeddings import kept_rows, worded
from kd2edge.student.largest import largest
from kd2edge.student.mapped import Mapped
from kd2edge.student.moments import Arrays, Moments, moments_of, walk
from kd2edge.student.paired_layers import FIRST_NORM, Pair, paired_layers, require_at_most


@dataclass(frozen=True, slots=True)
class _Cut:
    """What is kept of the teacher's hidden channels.

    Args:
        channels: ``[student's width]`` which ones, ascending.
        kept: share of the variance that they have.
        moments: path in the teacher -> what passes there.
        spreads: path of a norm -> mean and standard deviation, over the kept channels, of what it
            has normalised and not scaled yet: their means over all pieces.
    """

    channels: Tensor
    kept: float
    moments: Mapping[str, Moments]
    spreads: Mapping[str, tuple[float, float]]


@torch.no_grad()
def hidden_channels(
    student: Net,
    teacher: Net,
    *,
    layers: Sequence[int] | str | None,
    kept_ids: npt.NDArray[np.int64] | None,
    batches: Sequence[Arrays],
) -> Mapped:
    """Start tables, the norm behind them, and layers from a wider teacher of the same form.

    Kept are the channels of the largest variance over all pieces, summed over the norms that start
    the student's; in each layer the heads and the hidden units whose outputs vary most in these
    channels.  A matrix gets the mean of what it no longer reads added to its bias.  A norm over
    fewer channels finds another mean and spread: its scale and shift are corrected by what these
    are on average.

    With equal sizes everything is copied as it is.  Else it is exact where what is cut off is
    constant and has a constant part in the mean and spread of each norm, and where a layer of the
    student reads what the teacher's layer reads; elsewhere it approximates.

    Args:
        student: the net to start.
        teacher: the net to start from, on the CPU; it is not changed.
        layers: of the teacher, see :func:`copy_layers`; None: tables alone.
        kept_ids: see :func:`svd_embeddings`.
        batches: training rows, as the teacher reads them.

    Raises:
        UsageError: nets that are no transformers of one form, a student with more or wider layers,
            heads of another size, or layers that are not there.
    """
    own, given = worded(student, "student")[1], worded(teacher, "teacher")[1]
    width, whole = _width(own, "student"), _width(given, "teacher")
    require_at_most("hidden_size", width, whole)
    pieces = own.embeddings()["word"].num_embeddings
    words = kept_rows(given.embeddings()["word"].weight, kept_ids, pieces)
    pairs, taken = paired_layers(student, teacher, layers) if layers is not None else ([], [])
    cut = _cut(teacher, pairs, width, batches)
    parts, partly = _start_tables(own, given, words, cut)
    for pair in pairs:
        _start_layer(pair, cut)
    parts += [FIRST_NORM, *(pair.path for pair in pairs)]
    source = _source(taken, pairs, width, whole)
    return Mapped(tuple(parts), cut.kept, by_values=width < whole, source=source, partly=partly)


def _source(taken: Sequence[int], pairs: Sequence[Pair], width: int, whole: int) -> str:
    """What was taken from the teacher; units that were cut, beside channels."""
    layers = [f"layer{'s' * (len(taken) != 1)} {', '.join(map(str, taken))}"] if taken else []
    units = {"{} of {} hidden units".format(*pair.units) for pair in pairs if pair.cuts_units}
    return " and ".join([*layers, f"{width} of {whole} channels", *sorted(units)])


def _width(branch: Branch, who: str) -> int:
    """Of the hidden states, which start as the sum of the tables.

    Raises:
        UsageError: there is no such net.
    """
    modules = dict(branch.backbone.named_modules())
    if not isinstance(modules.get(FIRST_NORM), nn.LayerNorm):
        raise UsageError(
            f"init by channels: expected a transformer of text, found a {who} without"
            f" {FIRST_NORM}; write embeddings: svd or output"
        )
    if isinstance(modules.get("embeddings_project"), nn.Linear):
        raise UsageError(
            f"init by channels: the {who}'s tables are projected to its hidden channels, which no"
            " channels of tables are; let embedding_size be hidden_size, or write embeddings: svd"
        )
    return branch.embeddings()["word"].embedding_dim


def _cut(teacher: Net, pairs: Sequence[Pair], width: int, batches: Sequence[Arrays]) -> _Cut:
    """Look at the rows twice: which channels are kept, then what the norms find in them."""
    norms = list(
        dict.fromkeys(
            [
                FIRST_NORM,
                *(
                    pair.at(part)
                    for pair in pairs
                    for part in (pair.form.middle_norm, pair.form.norm)
                ),
            ]
        )
    )
    given = {pair.at(pair.form.out): pair.head for pair in pairs}
    given |= {pair.at(pair.form.down): 1 for pair in pairs}
    read = dict.fromkeys([*norms, *(pair.before for pair in pairs)])
    moments = moments_of(teacher, given, read, batches)
    variance = torch.stack([moments[norm].covariance.flatten() for norm in norms]).sum(0)
    channels = largest(variance, width)
    whole = float(variance.sum())
    kept = float(variance[channels].sum()) / whole if whole and width < len(variance) else 1.0
    if width == len(variance):  # each norm finds what it found
        return _Cut(channels, kept, moments, dict.fromkeys(norms, (0.0, 1.0)))
    return _Cut(channels, kept, moments, _spreads(teacher, norms, channels, batches))


def _spreads(
    teacher: Net, norms: Sequence[str], channels: Tensor, batches: Sequence[Arrays]
) -> dict[str, tuple[float, float]]:
    _, branch = worded(teacher, "teacher")
    found: dict[str, list[Tensor]] = {norm: [] for norm in norms}

    def see(path: str, taken: Tensor, made: Tensor) -> None:
        del made
        eps = float(getattr(branch.backbone.get_submodule(path), "eps", 0.0))
        part = F.layer_norm(taken, taken.shape[1:], eps=eps)[:, channels]
        found[path].append(torch.stack([part.mean(1), part.std(1, correction=0)], 1))

    walk(teacher, norms, batches, see)
    means = {norm: torch.cat(seen).mean(0) for norm, seen in found.items()}
    return {norm: (float(one[0]), float(one[1])) for norm, one in means.items()}


def _start_tables(
    own: Branch, given: Branch, words: Tensor, cut: _Cut
) -> tuple[list[str], dict[str, int]]:
    ours, theirs = own.embeddings(), given.embeddings()
    values = {role: theirs[role].weight for role in ours if role in theirs} | {"word": words}
    partly: dict[str, int] = {}
    for role, value in values.items():
        rows = min(len(value), ours[role].num_embeddings)
        ours[role].weight[:rows] = value[:rows][:, cut.channels].to(ours[role].weight)
        partly[role] = rows * len(cut.channels)
    norms = [branch.backbone.get_submodule(FIRST_NORM) for branch in (own, given)]
    _start_norm(norms[0], norms[1], FIRST_NORM, cut)
    return list(values), partly


def _start_layer(pair: Pair, cut: _Cut) -> None:
    form, channels = pair.form, cut.channels
    heads = _kept_blocks(pair, form.out, form.query, pair.head, cut)
    units = _kept_blocks(pair, form.down, form.up, 1, cut)
    read, middle = cut.moments[pair.before].mean, cut.moments[pair.at(form.middle_norm)].mean
    for part in (form.query, form.key, form.value):
        _start_linear(*pair.linears(part), heads, channels, read)
    out, down = (cut.moments[pair.at(part)].mean for part in (form.out, form.down))
    _start_linear(*pair.linears(form.out), channels, heads, out)
    _start_linear(*pair.linears(form.up), units, channels, middle)
    _start_linear(*pair.linears(form.down), channels, units, down)
    for part in (form.middle_norm, form.norm):
        ours, theirs = pair.ours.get_submodule(part), pair.theirs.get_submodule(part)
        _start_norm(ours, theirs, pair.at(part), cut)


def _kept_blocks(pair: Pair, reader: str, maker: str, size: int, cut: _Cut) -> Tensor:
    """Rows of ``maker`` of the blocks whose outputs vary most behind ``reader``.

    Of a block with covariance C that columns W of the reader bring to the kept channels that is
    the trace of W C W^T.
    """
    _, theirs = pair.linears(reader)
    ours, _ = pair.linears(maker)
    columns = theirs.weight.double()[cut.channels].unflatten(
        1, (-1, size)
    )  # [channel, block, size]
    covariance = cut.moments[pair.at(reader)].covariance
    energy = torch.einsum("cbi,bij,cbj->b", columns, covariance, columns)
    blocks = largest(energy, ours.out_features // size)
    return (blocks[:, None] * size + torch.arange(size)).flatten()


def _start_linear(
    ours: nn.Linear, theirs: nn.Linear, rows: Tensor, columns: Tensor, mean: Tensor
) -> None:
    """Keep some rows and columns; what is read no longer counts by its mean."""
    weight = theirs.weight.double()[rows]
    constant = mean.clone()
    constant[columns] = 0.0
    ours.weight.copy_(weight[:, columns])
    ours.bias.copy_(theirs.bias.double()[rows] + weight @ constant)


def _start_norm(ours: nn.Module, theirs: nn.Module, path: str, cut: _Cut) -> None:
    """Of a piece the teacher's norm has ``m + s * x`` in the kept channels, the student's ``x``."""
    mean, spread = cut.spreads[path]
    scale, shift = (one.double()[cut.channels] for one in theirs.parameters())
    ours.get_parameter("weight").copy_(scale * spread)
    ours.get_parameter("bias").copy_(shift + scale * mean)
