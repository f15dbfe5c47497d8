"""Rejecting what is out of scope: one label answers where no other one is sure enough.

A row's score says how far it is in scope.  From the logits of the labels that are not the reject
label: the largest of their probabilities (Hendrycks & Gimpel 2017, arXiv:1610.02136), or their
energy (Liu et al. 2020, arXiv:2010.03759), both at a temperature of their own (ODIN, Liang et al.
2018, arXiv:1706.02690).  Or from what the head reads: the cosine to the nearest of some prototypes,
which are fitted to training rows in scope once a net is trained (Lee et al. 2018, arXiv:1807.03888;
Sun et al. 2022, arXiv:2204.06507: normalised features, and the nearest of many rather than one mean
a class).  A row is rejected below a threshold, and where the reject label itself has the largest
logit: it may have been learned as a class, too.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from kd2edge.tasks import settings
from kd2edge.tasks.decisions import Floats, margins_of
from kd2edge.tasks.probabilities import Decisions, Labels
from kd2edge.tasks.spec import Decoded, TaskSpec
from kd2edge.wording import value

__all__ = [
    "IN_SCOPE_RECALL",
    "LABEL",
    "LIMITS",
    "MATRIX",
    "PROTOTYPES",
    "SCOPE",
    "TEMPERATURE",
    "Rejection",
    "ScoreKind",
    "by_prototypes",
    "prototypes_asked",
    "prototypes_of",
    "reject_label",
    "rejected",
    "rejecting_margins",
    "rejection_of",
    "scope_of",
    "unfitted",
    "with_limit",
    "without_prototypes",
]

#: What a row is scored by.
ScoreKind: TypeAlias = Literal["probability", "energy", "distance"]
#: Name of the head's second array of a task that rejects by distance ``[row, 1]``: the cosine.
SCOPE = "scope"
#: How the name of the prototypes' weight ends, in nets and their graphs: ``[width, prototype]``.
MATRIX = f"{SCOPE}.matrix"

#: Decode setting: the index of the reject label among the labels.
LABEL = "reject"
#: Decode setting: share of in-scope rows that the threshold was fitted to keep; without it, to the
#: best accuracy.  No decision follows from it.
IN_SCOPE_RECALL = "in_scope_recall"
#: Decode setting: temperature of the score, where it is not the task's.
TEMPERATURE = "scope_temperature"
#: Decode setting: how many prototypes the head has, of all labels together.
PROTOTYPES = "prototypes"
#: Decode setting of a task whose net is not trained yet: how many a label are to be fitted.  Until
#: then it rejects by probability.
ASKED = "prototypes_asked"
#: Score -> the decode setting that holds its threshold.
LIMITS: Mapping[ScoreKind, str] = MappingProxyType(
    {"probability": "least_probability", "energy": "most_energy", "distance": "least_cosine"}
)
#: Thresholds that reject nothing, as JSON has no infinity: of a task that was fitted to no rows.
#: No cosine is so low, whatever it was rounded to.
_NEVER: Mapping[ScoreKind, float] = MappingProxyType(
    {"probability": 0.0, "energy": sys.float_info.max, "distance": -2.0}
)


@dataclass(frozen=True, slots=True)
class Rejection:
    """When a row is rejected.

    Args:
        label: index of the reject label.
        by: what rows are scored by.
        threshold: a row with a lower score is rejected; of the *negative* energy, so that in scope
            is above for all.
    """

    label: int
    by: ScoreKind
    threshold: float

    def text(self, spec: TaskSpec) -> str:
        """When it answers, for people."""
        limit, heat = spec.decode[LIMITS[self.by]], settings.scope_temperature(spec)
        at = "" if heat == settings.temperature(spec) else f" (temperature {heat:g})"
        when = {
            "probability": f"no other label's probability{at} reaches {limit:.4g}",
            "energy": f"the energy of the other labels{at} is above {limit:.4g}",
            "distance": f"the cosine to the nearest prototype is below {limit:.4g}",
        }
        return f"answers {value(spec.labels[self.label])} where {when[self.by]}"


def unfitted(
    label: int,
    by: ScoreKind,
    in_scope_recall: float | None,
    temperature: float = 1.0,
    prototypes: int | None = None,
) -> dict[str, float]:
    """Decode settings of a task that rejects, with a threshold that rejects nothing yet.

    Args:
        label: index of the reject label.
        by: what rows are scored by; by distance only once prototypes are there, until then by
            probability.
        in_scope_recall: share of in-scope rows that a threshold must keep; None: the best accuracy.
        temperature: of the score.
        prototypes: how many a label are to be fitted; needed by distance.
    """
    aim = {} if in_scope_recall is None else {IN_SCOPE_RECALL: in_scope_recall}
    heat = {} if temperature == 1.0 else {TEMPERATURE: temperature}
    if by == "distance":
        assert prototypes is not None
        return {**unfitted(label, "probability", in_scope_recall, temperature), ASKED: prototypes}
    return {LABEL: label, LIMITS[by]: _NEVER[by], **heat, **aim}


def prototypes_asked(spec: TaskSpec) -> int | None:
    """How many prototypes a label are to be fitted once a net is trained; None: it needs none."""
    found = spec.decode.get(ASKED)
    return None if found is None else int(found)


def prototypes_of(spec: TaskSpec) -> int:
    """How many prototypes the head has; 0: it rejects by its logits, or not at all."""
    return int(spec.decode.get(PROTOTYPES, 0))


def by_prototypes(spec: TaskSpec, count: int) -> TaskSpec:
    """A task that asked for prototypes as it is with them, its threshold not fitted yet.

    Args:
        spec: the task.
        count: of the prototypes, of all labels together.
    """
    left = {LIMITS["probability"], TEMPERATURE, ASKED}
    kept = {key: value for key, value in spec.decode.items() if key not in left}
    own = {LIMITS["distance"]: _NEVER["distance"], PROTOTYPES: count}
    return replace(spec, decode={**kept, **own})


def without_prototypes(spec: TaskSpec) -> TaskSpec:
    """The task of a net that gets none: it rejects by probability."""
    kept = {key: value for key, value in spec.decode.items() if key != ASKED}
    return replace(spec, decode=kept) if ASKED in spec.decode else spec


def with_limit(spec: TaskSpec, threshold: float) -> dict[str, float]:
    """A task's decode settings with another threshold.

    Args:
        spec: a task that rejects.
        threshold: as in :class:`Rejection`.
    """
    by = _scored_by(spec)
    return {**spec.decode, LIMITS[by]: -threshold if by == "energy" else threshold}


def reject_label(spec: TaskSpec) -> int | None:
    """Index of the reject label; None for a task that rejects nothing."""
    found = spec.decode.get(LABEL)
    return None if found is None else int(found)


def rejection_of(spec: TaskSpec) -> Rejection | None:
    """When a task rejects a row; None: never."""
    label = reject_label(spec)
    if label is None:
        return None
    by = _scored_by(spec)
    limit = spec.decode[LIMITS[by]]
    return Rejection(label, by, -limit if by == "energy" else limit)


def _scored_by(spec: TaskSpec) -> ScoreKind:
    return next(by for by, key in LIMITS.items() if key in spec.decode)


def scope_of(
    spec: TaskSpec,
    rejection: Rejection,
    logits: npt.NDArray[np.floating[Any]],
    cosines: npt.NDArray[np.floating[Any]] | None = None,
) -> npt.NDArray[np.float64]:
    """How far each row is in scope ``[row]``; 0 where the logits say nothing.

    Args:
        spec: the task.
        rejection: when it rejects.
        logits: ``[row, C]``.
        cosines: ``[row, 1]`` to the nearest prototype; needed by distance, and the score there.

    With ``f`` the logits ``[row, C]``, ``T`` the score's temperature and ``r`` the reject label:

    * probability: ``max_{i != r} softmax(f / T)_i``, a part of all labels' one, so that what speaks
      for a learned reject class speaks against the row's being in scope;
    * energy: ``-E = T logsumexp_{i != r}(f_i / T)`` (Liu et al. 2020, equation 4).
    """
    if rejection.by == "distance":
        assert cosines is not None
        told = np.asarray(cosines[:, 0], np.float64)
        return np.where(np.isfinite(told) & np.isfinite(logits.max(axis=1)), told, 0.0)
    temperature, most = settings.scope_temperature(spec), float(np.finfo(np.float32).max)
    values = np.asarray(logits, np.float64) / temperature
    others = np.delete(values, rejection.label, axis=1)  # [row, C - 1]
    peaks = values.max(axis=1, keepdims=True)  # [row, 1]; NaN where a row has any
    valid = np.isfinite(peaks[:, 0])
    found = np.zeros(len(values))
    if rejection.by == "probability":
        powers = np.exp(values[valid] - peaks[valid])
        best = np.exp(others[valid].max(axis=1) - peaks[valid, 0])
        found[valid] = best / powers.sum(axis=1)
        return found
    tops = others.max(axis=1, keepdims=True)
    # All others at -inf: nothing speaks for the row, and -inf - -inf would be NaN.
    found[valid] = -most
    valid &= np.isfinite(tops[:, 0])
    sums = np.exp(others[valid] - tops[valid]).sum(axis=1)
    found[valid] = temperature * (tops[valid, 0] + np.log(sums))
    return np.minimum(np.maximum(found, -most), most)


def rejected(decisions: Decisions, rejection: Rejection, scope: npt.NDArray[np.float64]) -> Labels:
    """Decided classes ``[row]``; what the logits say nothing of stays -1.

    Args:
        decisions: the largest logit's class of each row.
        rejection: when a row is rejected.
        scope: see :func:`scope_of`.
    """
    below = (scope < rejection.threshold) & (decisions.labels >= 0)
    return np.where(below, rejection.label, decisions.labels)


def rejecting_margins(spec: TaskSpec, rejection: Rejection, decoded: Decoded) -> Floats:
    """How far each decision was ahead ``[row]``: of the next label, and of the threshold.

    An answer stands while it is ahead of both; a row whose largest logit is the reject label's is
    answered otherwise where that falls behind and its score is above the threshold.

    Distances from the threshold are in nats, of a probability those of its log-odds, over 4: what
    a probability of a half would move by, at most 1.  A sure model's probabilities are all next to
    1, and rounding moves them by less than others.  Cosines are compared as they are.
    """
    ahead = margins_of(spec, decoded)
    above = _above(rejection, np.asarray(decoded["scope"], np.float64))
    scores, labels = np.asarray(decoded.scores), np.asarray(decoded.labels)
    apart = np.minimum(np.abs(above), 1.0)
    won = scores.argmax(axis=1) == rejection.label
    # A threshold that a decision does not agree with is far from it, whichever way.
    of_rejected = np.where(won, np.maximum(ahead, np.minimum(-above, 1.0)), apart)
    return np.where(labels == rejection.label, of_rejected, np.minimum(ahead, apart))


def _above(rejection: Rejection, scope: npt.NDArray[np.float64]) -> Floats:
    """How far scores are above the threshold, in nats over 4; negative below."""
    if rejection.by == "distance":
        return scope - rejection.threshold
    if rejection.by == "energy":
        return (scope - rejection.threshold) / 4
    return (_log_odds(scope) - _log_odds(np.array(rejection.threshold))) / 4


def _log_odds(chances: npt.NDArray[np.float64]) -> Floats:
    """Log-odds of probabilities, finite for 0 and 1, too."""
    inner = np.minimum(np.maximum(chances, np.finfo(np.float64).tiny), 1 - 2.0**-53)
    return np.log(inner) - np.log1p(-inner)
