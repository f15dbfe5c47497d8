"""Linear models over weighted words, by scikit-learn: what a text task is worth without a net.

Spärck Jones 1972, "A statistical interpretation of term specificity", for the weights (term
frequencies are damped by their logarithm); the linear half is Fan et al. 2008, LIBLINEAR, one
class against the others.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import numpy as np
import numpy.typing as npt

from kd2edge.errors import DataError
from kd2edge.metrics.estimate import measure
from kd2edge.metrics.fitting import fitted_task
from kd2edge.metrics.kinds import goodness
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.spec import TaskSpec, Truth
from kd2edge.teacher.estimators import (
    FORMS,
    among_all,
    labels_of,
    nothing_to_learn,
    odds_of_all,
)

__all__ = ["Linear", "LinearSettings", "TextRows", "linear_over_words"]

Array = npt.NDArray[Any]

#: A word: letters, digits and underscores; one letter is one, too ("a 5 % fee").
_WORD = r"(?u)\b\w+\b"
#: Least chance of a class, for its logarithm.
_LEAST = 1e-12


@dataclass(frozen=True, slots=True)
class LinearSettings:
    """How words are weighed and the linear models fitted.

    Args:
        words: most words that count together.
        strengths: inverse strengths of regularisation (scikit-learn's ``C``) to choose from.
        seed: of LIBLINEAR's order of rows.
    """

    words: int
    strengths: tuple[float, ...]
    seed: int


class TextRows(NamedTuple):
    """Texts, and what the data says of each task in the same rows."""

    texts: Sequence[str]
    truths: Mapping[str, Truth]


@final
@dataclass(frozen=True, slots=True)
class Linear:
    """Fitted linear models, one or several a task.

    Args:
        vectorizer: from texts to weighted words.
        answers: task -> from weighted words to its logits ``[row, channel]``.
        strengths: task -> the strength that was best on the validation rows.
        parameters: how many numbers were learned.
    """

    vectorizer: Any
    answers: Mapping[str, Callable[[Any], Array]]
    strengths: Mapping[str, float]
    parameters: int

    def logits(self, texts: Sequence[str]) -> dict[str, Array]:
        """``[row, channel]`` float32 of every task, as a net with the same opinion gives them."""
        weighed = self.vectorizer.transform(texts)
        return {
            task: answer(weighed).astype(np.float32, copy=False)
            for task, answer in self.answers.items()
        }


def linear_over_words(
    tasks: Sequence[TaskSpec], train: TextRows, validation: TextRows, settings: LinearSettings
) -> Linear:
    """Fit a linear model for every task.

    Args:
        tasks: of whole rows.
        train: the training rows.
        validation: rows that choose the strength, by the task's leading metric; where none has a
            label it is the first one.
        settings: how.

    Raises:
        DataError: labels that leave nothing to learn, or texts without a word.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectorizer = TfidfVectorizer(
        ngram_range=(1, settings.words), sublinear_tf=True, token_pattern=_WORD, dtype=np.float64
    )
    try:
        shown = vectorizer.fit_transform(train.texts)
    except ValueError as error:  # "empty vocabulary"
        raise DataError("no text of the labelled training rows has a word") from error
    judged = vectorizer.transform(validation.texts)
    answers: dict[str, Callable[[Any], Array]] = {}
    strengths: dict[str, float] = {}
    parameters = 0
    for task in tasks:
        name = str(task.name)
        labels, known = labels_of(task, train.truths[name])
        if not known.any():
            raise DataError(f"task {task.name}: no training row has a label")
        best: tuple[float, float, _Fitted] | None = None
        for strength in settings.strengths:
            fitted = _fitted(task, shown[known], labels[known], strength, settings.seed)
            found = _goodness(task, validation.truths[name], fitted.answer(judged))
            if best is None or found > best[0]:
                best = (found, strength, fitted)
        assert best is not None
        answers[name], strengths[name] = best[2].answer, best[1]
        parameters += best[2].parameters
    return Linear(vectorizer, answers, strengths, parameters)


class _Fitted(NamedTuple):
    answer: Callable[[Any], Array]
    parameters: int


def _fitted(task: TaskSpec, shown: Any, labels: Array, strength: float, seed: int) -> _Fitted:
    form, (output,) = FORMS[task.kind], task_kind(task.kind).outputs(task)
    if form == "value":
        from sklearn.linear_model import Ridge

        ridge = Ridge(alpha=1.0 / strength).fit(shown, labels)
        return _Fitted(lambda rows: ridge.predict(rows).reshape(-1, 1), shown.shape[1] + 1)
    if form == "chance":
        models = [_logistic(task, shown, own, strength, seed) for own in labels.T]
        return _Fitted(
            lambda rows: np.stack([one.answer(rows) for one in models], axis=1),
            sum(one.parameters for one in models),
        )
    return _distribution(task, shown, labels[:, 0], strength, output.channels, seed)


def _logistic(task: TaskSpec, shown: Any, labels: Array, strength: float, seed: int) -> _Fitted:
    """Log-odds ``[row]`` of one label."""
    if len(np.unique(labels)) < 2:
        if task.kind != "multi_label":
            raise nothing_to_learn(task, int(labels[0]))
        odds = odds_of_all(len(labels)) * (1.0 if labels[0] else -1.0)
        return _Fitted(lambda rows: np.full(rows.shape[0], odds), 1)
    model = _fit(_estimator(strength, seed), shown, labels)
    return _Fitted(model.decision_function, shown.shape[1] + 1)


def _distribution(
    task: TaskSpec, shown: Any, labels: Array, strength: float, channels: int, seed: int
) -> _Fitted:
    """Logarithms of the chances ``[row, channel]`` of one label among several."""
    from sklearn.multiclass import OneVsRestClassifier

    classes = np.unique(labels).astype(np.int64)
    if len(classes) < 2:
        raise nothing_to_learn(task, int(labels[0]))
    model = _fit(OneVsRestClassifier(_estimator(strength, seed)), shown, labels)
    count, rows = len(classes) if len(classes) > 2 else 1, len(labels)

    def answer(weighed: Any) -> Array:
        chances = np.log(np.maximum(model.predict_proba(weighed), _LEAST))
        return among_all(chances, classes, channels, rows)

    return _Fitted(answer, count * (shown.shape[1] + 1))


def _estimator(strength: float, seed: int) -> Any:
    from sklearn.linear_model import LogisticRegression

    # In the dual: as many unknowns as rows, which are fewer than words.
    return LogisticRegression(
        C=strength, solver="liblinear", dual=True, max_iter=300, random_state=seed % 2**32
    )


def _fit(model: Any, shown: Any, labels: Array) -> Any:
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        # With little regularisation it is not quite done: how good it is, validation rows say.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(shown, labels)


def _goodness(task: TaskSpec, truth: Truth, logits: Array) -> float:
    """The leading metric on some rows, higher where better; -inf where it cannot be measured."""
    kind, said = task_kind(task.kind), logits.astype(np.float32)
    spec = fitted_task(task, truth, said)
    decoded = kind.decode(spec, said)
    try:
        return goodness(spec, spec.metric, measure(spec, truth, decoded, spec.metric))
    except DataError:
        return -np.inf
