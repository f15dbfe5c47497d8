"""Gradient-boosted trees by scikit-learn, task by task, on the rows of a table.

Source: Ke et al. 2017, "LightGBM: A Highly Efficient Gradient Boosting Decision Tree", which
scikit-learn's histogram estimators follow.  What they learn leaves here as arrays of our own, and
is held against their own answers before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt

from kd2edge.errors import BackendError, DataError, UsageError
from kd2edge.inputs.spec import InputSpec
from kd2edge.inputs.table_cells import KNOWN
from kd2edge.inputs.tabular import categories_of
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.spec import TaskSpec, Truth
from kd2edge.teacher.boosted.columns import fitted_columns
from kd2edge.teacher.boosted.forest import Forest
from kd2edge.teacher.boosted.trees import MOST, NONE, Trees
from kd2edge.teacher.estimators import FORMS, Form, labels_of, nothing_to_learn, odds_of_all

__all__ = ["BoostingSettings", "Labelled", "boosted_forest", "require_boostable"]

Array = npt.NDArray[Any]

#: Rows on which our arrays and the estimator must say the same.
_COMPARED = 512


@dataclass(frozen=True, slots=True)
class BoostingSettings:
    """Settings of scikit-learn's histogram estimators, under its names.

    Args:
        max_iter: trees of a channel, at most.
        learning_rate: what the values of leaves are multiplied by.
        max_leaf_nodes: of a tree; None: as many as ``max_depth`` lets grow.
        max_depth: splits from root to leaf; None: as many as it takes.
        min_samples_leaf: rows that a leaf has at least.
        l2_regularization: what draws the values of leaves to 0.
        max_features: share of the columns that a split is chosen among.
        max_bins: different numbers, or categories, that a column is told apart by.
        early_stopping: whether trees end where validation rows gain nothing any more.
        n_iter_no_change: trees without a gain that end it.
        tol: what counts as a gain, in the loss.
        seed: of what is drawn.
    """

    max_iter: int
    learning_rate: float
    max_leaf_nodes: int | None
    max_depth: int | None
    min_samples_leaf: int
    l2_regularization: float
    max_features: float
    max_bins: int
    early_stopping: bool
    n_iter_no_change: int
    tol: float
    seed: int


@final
@dataclass(frozen=True, slots=True)
class Labelled:
    """The arrays of a table, and what the data says of a task in the same rows.

    Args:
        arrays: ``[row, column]`` each.
        truth: of the same rows.
        hidden: positions of rows that nothing is learned from.
    """

    arrays: Mapping[str, Array]
    truth: Truth
    hidden: npt.NDArray[np.int64] | None = None

    def of(self, task: TaskSpec) -> tuple[dict[str, Array], Array]:
        """The rows that have a label, and what estimators learn of them ``[row, estimator]``."""
        labels, known = labels_of(task, self.truth)
        if self.hidden is not None:
            known[self.hidden] = False
        shown = {name: one[known] for name, one in self.arrays.items()}
        return shown, labels[known]


def require_boostable(
    spec: InputSpec, files: Mapping[str, bytes], tasks: Sequence[TaskSpec], max_bins: int
) -> None:
    """Refuse what trees cannot be grown on, before any is.

    Args:
        spec: the table.
        files: role -> what its kind has fitted.
        tasks: what the trees would answer.
        max_bins: categories that a column may have, those of missing and unknown included.

    Raises:
        UsageError: an input or a task of a kind that trees know nothing of, a column of too many
            categories.
    """
    if spec.kind != "tabular":
        raise UsageError(
            f"family boosting: the input {spec.name} is of kind {spec.kind}, trees read tabular"
            " ones: give this teacher `inputs` of its own"
        )
    for task in tasks:
        if task.kind not in FORMS:
            raise UsageError(
                f"family boosting: task {task.name} is of kind {task.kind}, trees answer whole"
                f" rows ({', '.join(FORMS)}): leave it to another teacher"
            )
    most = min(max_bins, MOST) - KNOWN
    for name, count in categories_of(spec, files).items():
        if count > most:
            raise UsageError(
                f"family boosting: column {name!r} has {count:,} categories, at most {most} beside"
                f" missing and unknown (max_bins: {max_bins}): raise `rare`, for this teacher alone"
                " under `inputs` of its own"
            )


def boosted_forest(
    spec: InputSpec,
    task: TaskSpec,
    train: Labelled,
    validation: Labelled,
    settings: BoostingSettings,
) -> Forest:
    """Grow the trees of one task.

    Args:
        spec: the table.
        task: what they answer.
        train: the training rows.
        validation: rows that say when to stop; where none has a label, all trees are grown.
        settings: how.

    Raises:
        DataError: labels that leave nothing to learn.
        BackendError: trees that this scikit-learn keeps otherwise.
    """
    arrays, labels = train.of(task)
    if not len(labels):
        raise DataError(f"task {task.name}: no training row has a label")
    form, (output,) = FORMS[task.kind], task_kind(task.kind).outputs(task)
    classes = (
        np.unique(labels).astype(np.int64) if form == "distribution" else np.zeros(0, np.int64)
    )
    judged, answers = validation.of(task)
    # Of the rows that have a label: scikit-learn counts the categories that it is shown.
    columns = fitted_columns(spec.prefix, arrays)
    categorical = arrays.get(spec.prefix + "categories", np.zeros((0, 0))).shape[1]
    rows = columns.rows(arrays)
    # scikit-learn has no bins for a column without a number; a constant one is never asked.
    rows[:, np.isnan(rows).all(axis=0)] = 0.0
    growth = _Growth(task, form, rows, columns.rows(judged), categorical, settings)
    grown = [growth.trees(labels[:, at], answers[:, at]) for at in range(labels.shape[1])]
    return Forest(form, columns, _joined(grown), output.channels, classes, len(labels))


@final
@dataclass(frozen=True, slots=True)
class _Growth:
    """What the estimators of a task share."""

    task: TaskSpec
    form: Form
    rows: Array
    judged: Array
    categorical: int
    settings: BoostingSettings

    def trees(self, labels: Array, judged: Array) -> Trees:
        """The trees of one estimator, of as many channels as it has."""
        if self.form != "value" and len(np.unique(labels)) < 2:
            return self._same(labels)
        estimator = self._estimator()
        # A class that training never showed cannot be scored.
        shown = np.isin(judged, np.unique(labels)) if self.form != "value" else judged == judged
        stops = self.settings.early_stopping and bool(shown.any())
        estimator.set_params(early_stopping=stops)
        held_out = {"X_val": self.judged[shown], "y_val": judged[shown]} if stops else {}
        estimator.fit(self.rows, labels, **held_out)
        trees = _trees(estimator)
        some = self.rows[:: max(1, len(self.rows) // _COMPARED)]
        said = (
            estimator.predict(some) if self.form == "value" else estimator.decision_function(some)
        )
        if not np.array_equal(trees.scores(some), said.reshape(len(some), -1)):
            raise BackendError(
                f"task {self.task.name}: the trees do not say what this scikit-learn says of them:"
                " it keeps them otherwise; install one that kd2edge was tried with"
                " (constraints.txt)"
            )
        best = int(np.argmax(estimator.validation_score_)) if stops else estimator.n_iter_
        return _first(trees, max(best, 1) * len(trees.baseline))

    def _estimator(self) -> Any:
        from sklearn.ensemble import (
            HistGradientBoostingClassifier,
            HistGradientBoostingRegressor,
        )

        made = (
            HistGradientBoostingRegressor
            if self.form == "value"
            else HistGradientBoostingClassifier
        )
        options = asdict(self.settings)
        seed = options.pop("seed") % 2**32  # more bits NumPy's generator of old does not take
        categories: Any = list(range(self.categorical)) or None
        return made(**options, categorical_features=categories, scoring="loss", random_state=seed)

    def _same(self, labels: Array) -> Trees:
        """Every row says the same.  Of one label among several that is its chance, and no tree."""
        if self.task.kind != "multi_label":
            raise nothing_to_learn(self.task, int(labels[0]))
        odds = odds_of_all(len(labels))
        return _no_trees(odds if labels[0] else -odds)


def _trees(estimator: Any) -> Trees:
    """The arrays of a fitted estimator; what it has no public name for is compared afterwards."""
    baseline = np.asarray(estimator._baseline_prediction, np.float64).ravel()
    parts: list[dict[str, Array]] = []
    begin = sets = 0
    for iteration in estimator._predictors:
        for channel, tree in enumerate(iteration):
            nodes, leaf = tree.nodes, tree.nodes["is_leaf"].astype(bool)
            named = nodes["is_categorical"].astype(bool) & ~leaf
            parts.append(
                {
                    "root": np.array([begin]),
                    "channel": np.array([channel]),
                    "feature": np.where(leaf, 0, nodes["feature_idx"]),
                    "threshold": nodes["num_threshold"],
                    "left": np.where(leaf, NONE, nodes["left"].astype(np.int64) + begin),
                    "right": np.where(leaf, NONE, nodes["right"].astype(np.int64) + begin),
                    "missing_left": nodes["missing_go_to_left"].astype(bool),
                    "categories": np.where(
                        named, nodes["bitset_idx"].astype(np.int64) + sets, NONE
                    ),
                    "sets": tree.raw_left_cat_bitsets,
                    "value": np.where(leaf, nodes["value"], 0.0),
                }
            )
            begin += len(nodes)
            sets += len(tree.raw_left_cat_bitsets)
    joined = {name: np.concatenate([one[name] for one in parts]) for name in parts[0]}
    return _typed(Trees(baseline, **joined))


def _typed(trees: Trees) -> Trees:
    """The same in the types that are kept."""
    none = _no_trees(0.0).arrays()
    return Trees(**{name: one.astype(none[name].dtype) for name, one in trees.arrays().items()})


def _no_trees(score: float) -> Trees:
    whole, fraction = np.zeros(0, np.int32), np.zeros(0)
    return Trees(
        np.array([score]), whole, whole, whole, fraction, whole, whole, np.zeros(0, np.bool_),
        whole, np.zeros((0, MOST // 32), np.uint32), fraction,
    )  # fmt: skip


def _first(trees: Trees, count: int) -> Trees:
    """The first trees of all, with the nodes and sets that are theirs."""
    end = int(trees.root[count]) if count < len(trees.root) else len(trees.value)
    kept = trees.arrays()
    for name in ("feature", "threshold", "left", "right", "missing_left", "categories", "value"):
        kept[name] = kept[name][:end]
    sets = int(kept["categories"].max(initial=NONE)) + 1
    return Trees(
        **kept
        | {
            "root": trees.root[:count],
            "channel": trees.channel[:count],
            "sets": trees.sets[:sets],
        }
    )


def _joined(parts: Sequence[Trees]) -> Trees:
    """Estimators of one channel side by side."""
    if len(parts) == 1:
        return parts[0]
    found: list[dict[str, Array]] = []
    begin = sets = 0
    for channel, one in enumerate(parts):
        shifted = {
            "root": one.root + begin,
            "channel": np.full_like(one.channel, channel),
            "left": np.where(one.left == NONE, NONE, one.left + begin),
            "right": np.where(one.right == NONE, NONE, one.right + begin),
            "categories": np.where(one.categories == NONE, NONE, one.categories + sets),
        }
        found.append(one.arrays() | shifted)
        begin += len(one.value)
        sets += len(one.sets)
    return _typed(Trees(**{k: np.concatenate([one[k] for one in found]) for k in found[0]}))
