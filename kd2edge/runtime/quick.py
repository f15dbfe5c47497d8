"""Answers of kinds that decide a row, straight from the logits: the hot path of a request.

`decode` works out the probability of every class, `answers` picks some of them; and a NumPy call on
ten numbers takes two microseconds once a forward pass has emptied the caches.  So few rows go
through plain Python and more of them through as few NumPy calls as will do.  Each function says the
same as its task kind, or None where that needs more care (NaN, a score on the threshold).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from math import exp, isfinite, log
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from kd2edge.tasks.probabilities import border
from kd2edge.tasks.reject import Rejection, rejection_of
from kd2edge.tasks.settings import (
    bounds,
    centre,
    most,
    quantile,
    scope_temperature,
    spread,
    temperature,
    threshold,
    top_k,
)
from kd2edge.tasks.spec import TaskSpec

#: The arrays of a head, in their order, ``[row, channel]`` each: mostly one, its logits -> what
#: ``predict`` answers, or None: ask the task kind.
Quick = Callable[..., "list[Any] | None"]

# Up to this many logits plain Python is quicker than NumPy.
_FEW = 160
# Up to so many values, where a task kind needs but a few calls for all of them.
_FEW_VALUES = 32
# Task kinds decide or order in another way: where scores are this close theirs has the say.
_CLOSE = 1e-6
# As close is a score to a threshold that was fitted to a sure model's: in double precision.
_CLOSER = 1e-10
#: Powers of a row: the largest one, the reject label's, their sum.
_Powers: TypeAlias = "tuple[float, float, float]"
#: exp() of this, and the sum over thousands of them, is an ordinary number in single precision.
_LARGEST = 60.0


def classification(spec: TaskSpec) -> Quick | None:
    """The likeliest label and its probability; None for tasks that answer with several labels.

    The task kind subtracts the peak before exp(), which matters where exp() would overflow in
    double precision.  A trained net's logits never do: this saves it, and leaves such rows to it.
    """
    if top_k(spec, None) != 1:
        return None
    rejection = rejection_of(spec)
    if rejection is not None:
        by_distance = rejection.by == "distance"
        return _near(spec, rejection) if by_distance else _rejecting(spec, rejection)
    names, scale = spec.labels, 1.0 / temperature(spec)
    largest = _LARGEST / scale
    # Single precision where the logits have it: exp() of doubles takes seven times as long.
    width = np.float32 if scale == 1.0 else np.float64

    def few(logits: npt.NDArray[Any]) -> list[Any] | None:
        if scale != 1.0:
            logits = np.multiply(logits, scale, dtype=np.float64)
        found: list[Any] = []
        for row, label in zip(logits.tolist(), logits.argmax(1).tolist()):  # noqa: B905
            if not -_LARGEST < row[label] < _LARGEST:  # also NaN, which argmax takes for a peak
                return None
            score = exp(row[label]) / sum(map(exp, row))
            found.append([{"label": names[label], "score": score}])
        return found

    def many(logits: npt.NDArray[Any]) -> list[Any] | None:
        peaks = np.maximum.reduce(logits, 1).tolist()
        # A sum tells NaN, which minimum and maximum of Python may pass over.
        if not (isfinite(sum(peaks)) and max(peaks) < largest and min(peaks) > -largest):
            return None
        scaled = logits if scale == 1.0 else np.multiply(logits, scale, dtype=np.float64)
        powers = np.exp(scaled, dtype=width)
        # The peak's power out of those that are summed: another exp() could give more than 1.
        tops, totals = np.maximum.reduce(powers, 1).tolist(), np.add.reduce(powers, 1).tolist()
        labels = logits.argmax(1).tolist()
        return [
            [{"label": names[label], "score": top / total}]
            for label, top, total in zip(labels, tops, totals)  # noqa: B905  (one of each a row)
        ]

    return lambda logits: few(logits) if logits.size <= _FEW else many(logits)


def _rejecting(spec: TaskSpec, rejection: Rejection) -> Quick:
    """The likeliest label, or the reject label, and its probability."""
    names, reject, limit = spec.labels, rejection.label, rejection.threshold
    heat, by_energy = scope_temperature(spec), rejection.by == "energy"
    scale, ratio = 1.0 / temperature(spec), temperature(spec) / heat
    close, largest = _CLOSER * (heat if by_energy else 1.0), _LARGEST / max(ratio, 1.0)

    def decided(label: int, powers: _Powers, scoped: _Powers) -> Any:
        """An answer from powers, and those at the score's own temperature; None: too close."""
        if label != reject:
            top, own, total = scoped
            scope = heat * log(total - own) if by_energy else top / total
            if abs(scope - limit) < close:
                return None
            if scope < limit:
                label = reject
        top, own, total = powers
        return [{"label": names[label], "score": (own if label == reject else top) / total}]

    def few(logits: npt.NDArray[Any]) -> list[Any] | None:
        found: list[Any] = []
        scaled = np.multiply(logits, scale, dtype=np.float64)
        for row, label in zip(scaled.tolist(), logits.argmax(1).tolist()):  # noqa: B905
            if not -largest < row[label] < largest:  # also NaN, which argmax takes for a peak
                return None
            powers = [exp(one) for one in row]
            scores = scoped = powers[label], powers[reject], sum(powers)
            if ratio != 1.0:
                powers = [exp(one * ratio) for one in row]
                scoped = powers[label], powers[reject], sum(powers)
            answer = decided(label, scores, scoped)
            if answer is None:
                return None
            found.append(answer)
        return found

    def many(logits: npt.NDArray[Any]) -> list[Any] | None:
        scaled = np.multiply(logits, scale, dtype=np.float64)
        peaks = np.maximum.reduce(scaled, 1).tolist()
        if not (isfinite(sum(peaks)) and max(peaks) < largest and min(peaks) > -largest):
            return None
        scores = scoped = _sums(np.exp(scaled), reject)
        if ratio != 1.0:
            scoped = _sums(np.exp(scaled * ratio), reject)
        found = list(map(decided, logits.argmax(1).tolist(), scores, scoped))
        return None if None in found else found

    size = _FEW if ratio == 1.0 else _FEW // 2  # twice as many powers
    return lambda logits: few(logits) if logits.size <= size else many(logits)


def _near(spec: TaskSpec, rejection: Rejection) -> Quick:
    """The same of a task that rejects by the cosine to the nearest prototype."""
    names, reject, limit = spec.labels, rejection.label, rejection.threshold
    scale = 1.0 / temperature(spec)

    def answers(logits: npt.NDArray[Any], cosines: npt.NDArray[Any]) -> list[Any] | None:
        scaled = np.multiply(logits, scale, dtype=np.float64)
        peaks, told = np.maximum.reduce(scaled, 1).tolist(), cosines[:, 0].tolist()
        if not (isfinite(sum(peaks) + sum(told)) and min(peaks) > -_LARGEST):
            return None
        if max(peaks) >= _LARGEST:
            return None
        labels = logits.argmax(1).tolist()
        labels = [
            reject if cosine < limit else label
            for label, cosine in zip(labels, told)  # noqa: B905  (one of each a row)
        ]
        if logits.size <= _FEW:
            powers = [[exp(one) for one in row] for row in scaled.tolist()]
            scores = [row[label] / sum(row) for label, row in zip(labels, powers)]  # noqa: B905
        else:
            raised = np.exp(scaled)
            own = raised[np.arange(len(raised)), labels]
            scores = (own / np.add.reduce(raised, 1)).tolist()
        return [
            [{"label": names[label], "score": score}]
            for label, score in zip(labels, scores)  # noqa: B905
        ]

    return answers


def _sums(powers: npt.NDArray[Any], reject: int) -> list[_Powers]:
    """Of each row the largest power, that of the reject label, and their sum."""
    tops, totals = np.maximum.reduce(powers, 1).tolist(), np.add.reduce(powers, 1).tolist()
    return list(zip(tops, powers[:, reject].tolist(), totals, strict=True))


def binary(spec: TaskSpec) -> Quick:
    """The positive label's probability, and the label decided on."""
    names, scale, limit = spec.labels, 1.0 / temperature(spec), threshold(spec)

    def answers(logits: npt.NDArray[Any]) -> list[Any] | None:
        found: list[Any] = []
        for logit in logits[:, 0].tolist():
            power = -logit * scale
            if not power < _LARGEST:  # also NaN; exp() of more is an error in Python
                return None
            score = 1.0 / (1.0 + exp(power))
            if abs(score - limit) < _CLOSE:
                return None
            found.append({"score": score, "label": names[score > limit]})
        return found

    return answers


def ordinal(spec: TaskSpec) -> Quick | None:
    """The decided level and its probability; None for tasks that answer with several levels."""
    if top_k(spec, None) != 1:
        return None
    names, scale = spec.labels, 1.0 / temperature(spec)
    limit = quantile(spec)
    low, high = limit - _CLOSE, limit + _CLOSE

    def few(logits: npt.NDArray[Any]) -> list[Any] | None:
        if scale != 1.0:
            logits = np.multiply(logits, scale, dtype=np.float64)
        found: list[Any] = []
        for row in logits.tolist():
            if not (isfinite(sum(row)) and -_LARGEST < max(row) < _LARGEST):
                return None
            powers = [exp(one) for one in row]
            total = sum(powers)
            below, level = 0.0, 0
            for level, power in enumerate(powers):  # noqa: B007  (read after the loop)
                below += power
                if below > low * total:
                    break
            # The last level is reached whatever the sum was rounded to.
            if below < high * total and level < len(powers) - 1:
                return None
            found.append([{"label": names[level], "score": powers[level] / total}])
        return found

    def many(logits: npt.NDArray[Any]) -> list[Any] | None:
        scaled = np.multiply(logits, scale, dtype=np.float64)
        peaks = np.maximum.reduce(scaled, 1).tolist()
        if not (isfinite(sum(peaks)) and max(peaks) < _LARGEST and min(peaks) > -_LARGEST):
            return None
        powers = np.exp(scaled)
        below = np.add.accumulate(powers, 1)
        shares = below[:, :-1] / below[:, -1:]
        levels = np.add.reduce(shares < limit, 1)
        if (np.abs(shares - limit) < _CLOSE).any():
            return None
        scores = powers[np.arange(len(levels)), levels] / below[:, -1]
        return [
            [{"label": names[level], "score": score}]
            for level, score in zip(levels.tolist(), scores.tolist())  # noqa: B905  (one of each a row)
        ]

    return lambda logits: few(logits) if logits.size <= _FEW else many(logits)


def regression(spec: TaskSpec) -> Quick:
    """The value in the task's unit, in the steps of its kind: the same to the last bit."""
    mean, unit, (low, high) = centre(spec), spread(spec), bounds(spec)

    def answers(logits: npt.NDArray[Any]) -> list[Any] | None:
        if len(logits) > _FEW_VALUES:
            return None
        values = [mean + unit * one for one in logits[:, 0].tolist()]
        if not isfinite(sum(values)):
            return None
        if min(values) < low or max(values) > high:
            values = [max(min(one, high), low) for one in values]
        return [{"value": value} for value in array("f", values)]  # in single precision

    return answers


def multi_label(spec: TaskSpec) -> Quick | None:
    """The decided labels, best first; None for tasks that answer with others, too."""
    if most(spec, None) is not None:
        return None
    names, scale = spec.labels, 1.0 / temperature(spec)
    least = border(temperature(spec), threshold(spec))

    def few(logits: npt.NDArray[Any]) -> list[Any] | None:
        found: list[Any] = []
        for row in logits.tolist():
            if not isfinite(sum(row)):
                return None
            found.append([(one, place) for place, one in enumerate(row) if one >= least])
        return named(found)

    def many(logits: npt.NDArray[Any]) -> list[Any] | None:
        wide = logits.astype(np.float64)
        if not isfinite(float(np.add.reduce(wide, None))):
            return None
        found: list[Any] = [[] for _ in wide]
        rows, places = np.nonzero(wide >= least)
        decided = wide[rows, places].tolist()
        for row, place, one in zip(rows.tolist(), places.tolist(), decided):  # noqa: B905  (one each)
            found[row].append((one, place))
        return named(found)

    def named(decided: list[list[tuple[float, int]]]) -> list[Any] | None:
        """Answers from the logits and places of the labels that each row has."""
        found: list[Any] = []
        for row in decided:
            row.sort(reverse=True)
            before, answer = 2.0, []
            for one, place in row:
                power = -one * scale
                if not power < _LARGEST:
                    return None
                score = 1.0 / (1.0 + exp(power))
                if before - score < _CLOSE:  # the kind ranks by scores in single precision
                    return None
                answer.append({"label": names[place], "score": score})
                before = score
            found.append(answer)
        return found

    return lambda logits: few(logits) if logits.size <= _FEW else many(logits)


#: Task kind -> its quick answers; a kind that is not here always takes the long way.
QUICK: Mapping[str, Callable[[TaskSpec], Quick | None]] = {
    "binary": binary,
    "classification": classification,
    "multi_label": multi_label,
    "ordinal": ordinal,
    "regression": regression,
}
