"""Entity F1: micro F1 over whole spans of BIO(ES) labels, as seqeval's default mode counts them."""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
import numpy.typing as npt

from kd2edge.errors import UsageError
from kd2edge.metrics.items import Ints, items_of
from kd2edge.metrics.metric import Floats, Metric
from kd2edge.metrics.ratio import ratio
from kd2edge.tasks.spans import OUTSIDE, Tag, read_tag
from kd2edge.tasks.spec import MISSING, Decoded, TaskSpec, Truth

_PREFIXES = "OBIES"
_O, _B, _I, _E, _S = range(len(_PREFIXES))


class _Spans(NamedTuple):
    """Spans of a whole split; words count through all rows."""

    first: Ints  # [span]
    end: Ints  # [span], one past the last word
    kind: Ints  # [span]


@final
class EntityF1(Metric):
    """F1 over entities; one is right when its first word, last word and type are.

    The rules are those of seqeval's default mode: ``I-`` without ``B-`` begins an entity, and so
    does a change of type.  A word that the length limit cut off is decided "O"; a word without a
    label is "O" on both sides.
    """

    name = "entity_f1"
    kinds = ("token_classification",)

    def rows(self, spec: TaskSpec, truth: Truth, decoded: Decoded) -> Floats:
        """``[row, 3]``: right, wrongly claimed and missed entities."""
        items = items_of(truth, decoded)
        tags = _tags(spec)
        outside = len(spec.labels)
        unlabelled = items.truth == MISSING
        true = _spans(np.where(unlabelled, outside, items.truth), items.row, tags)
        cut = unlabelled | (items.decided < 0)
        claimed = _spans(np.where(cut, outside, items.decided), items.row, tags)
        right = _matched(true, claimed)

        def by_row(first: Ints) -> Floats:
            return np.bincount(items.row[first], minlength=items.rows).astype(np.float64)

        hits = by_row(true.first[right])
        return np.stack([hits, by_row(claimed.first) - hits, by_row(true.first) - hits], axis=1)

    def value(self, sums: Floats) -> Floats:
        right = 2 * sums[..., 0]
        return ratio(right, right + sums[..., 1] + sums[..., 2])


def _tags(spec: TaskSpec) -> npt.NDArray[np.int64]:
    """Prefix and type of each label, and of "O" behind the last: ``[2, C + 1]``."""
    tags = [*(_tag(spec, label) for label in spec.labels), OUTSIDE]
    kinds = {kind: at for at, kind in enumerate(dict.fromkeys(tag.kind for tag in tags))}
    prefixes = [_PREFIXES.index(tag.prefix) for tag in tags]
    return np.array([prefixes, [kinds[tag.kind] for tag in tags]], dtype=np.int64)


def _tag(spec: TaskSpec, label: str) -> Tag:
    tag = read_tag(label)
    if tag is None:
        raise UsageError(
            f"task {spec.name!r}: entity_f1 needs labels O, B-x, I-x (or E-x and S-x too: BIOES), "
            f"found {label!r}; use accuracy"
        )
    return tag


def _spans(labels: Ints, row: Ints, tags: npt.NDArray[np.int64]) -> _Spans:
    """The entities in the words of all rows ``[word]``; none reaches over the end of a row."""
    prefix, kind = tags[:, labels]
    opens = np.diff(row, prepend=-1) != 0  # the first word of a row
    before = np.where(opens, _O, np.roll(prefix, 1))
    other = np.roll(kind, 1) != kind
    begins = (prefix != _O) & (np.isin(prefix, (_B, _S)) | np.isin(before, (_O, _E, _S)) | other)
    edges = np.append(np.flatnonzero(begins | opens | (prefix == _O)), len(labels))
    first = np.flatnonzero(begins)
    end = edges[np.searchsorted(edges, first, side="right")]
    return _Spans(first, end, kind[first])


def _matched(true: _Spans, claimed: _Spans) -> npt.NDArray[np.bool_]:
    """Which true spans are also claimed, whole and with their type ``[true span]``."""
    if not len(claimed.first):
        return np.zeros(len(true.first), dtype=np.bool_)
    # Both are sorted, and no two spans of one labelling begin at the same word.
    at = np.minimum(np.searchsorted(claimed.first, true.first), len(claimed.first) - 1)
    same = (claimed.first[at] == true.first) & (claimed.end[at] == true.end)
    return same & (claimed.kind[at] == true.kind)
