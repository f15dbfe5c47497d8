"""The metrics by name, and whether one suits a task."""

from __future__ import annotations

from collections.abc import Mapping

from kd2edge.errors import UsageError
from kd2edge.metrics.accuracy import Accuracy
from kd2edge.metrics.auc import Auc
from kd2edge.metrics.binary_f1 import BinaryF1
from kd2edge.metrics.entity_f1 import EntityF1
from kd2edge.metrics.exact_match import ExactMatch
from kd2edge.metrics.in_scope_recall import InScopeRecall
from kd2edge.metrics.level_mae import LevelMae
from kd2edge.metrics.macro_f1 import MacroF1
from kd2edge.metrics.mae import Mae
from kd2edge.metrics.mean_average_precision import MeanAveragePrecision
from kd2edge.metrics.metric import Metric, RankMetric
from kd2edge.metrics.micro_f1 import MicroF1
from kd2edge.metrics.out_of_scope_recall import OutOfScopeRecall
from kd2edge.metrics.quadratic_kappa import QuadraticKappa
from kd2edge.metrics.r2 import R2
from kd2edge.metrics.rmse import Rmse
from kd2edge.metrics.scope import needs_reject
from kd2edge.metrics.spearman import Spearman
from kd2edge.metrics.weighted_f1 import WeightedF1
from kd2edge.scale import Scale
from kd2edge.tasks.reject import reject_label
from kd2edge.tasks.spans import are_tags, read_tag
from kd2edge.tasks.spec import TaskSpec
from kd2edge.wording import meant

METRICS: Mapping[str, Metric | RankMetric] = {
    made.name: made
    for made in (
        Accuracy(),
        MacroF1(),
        WeightedF1(),
        InScopeRecall(),
        OutOfScopeRecall(),
        BinaryF1(),
        Auc(),
        EntityF1(),
        MicroF1(),
        ExactMatch(),
        MeanAveragePrecision(),
        LevelMae(),
        QuadraticKappa(),
        Spearman(),
        Mae(),
        Rmse(),
        R2(),
    )
}

#: Metric -> in what it is told, and which way it gets worse.
SCALES: Mapping[str, Scale] = {name: made.scale for name, made in METRICS.items()}


def metric(name: str) -> Metric | RankMetric:
    """The metric of a name.

    Raises:
        UsageError: there is none.
    """
    if name not in METRICS:
        hint = meant(name, METRICS) or f"there are: {', '.join(METRICS)}"
        raise UsageError(f"no metric {name!r}; {hint}")
    return METRICS[name]


def misfit(spec: TaskSpec, name: str) -> str:
    """Why a metric cannot be computed for a task; "" when it can.

    Label names are looked at once they are known (``spec.labels`` not empty).

    Raises:
        UsageError: there is no metric of that name.
    """
    kinds = metric(name).kinds
    if spec.kind not in kinds:
        suited = ", ".join(known for known, made in METRICS.items() if spec.kind in made.kinds)
        return f"metric {name} is not defined for {spec.kind}; there are: {suited}"
    if name == EntityF1.name and not are_tags(spec.labels):
        odd = next(label for label in spec.labels if read_tag(label) is None)
        bilou = " (`scheme: bilou` of a source reads BILOU)" if odd[:2] in {"L-", "U-"} else ""
        return (
            f"metric {name} needs labels O, B-x, I-x (or E-x and S-x too: BIOES), found {odd!r}"
            f"{bilou}; use accuracy or macro_f1"
        )
    if name in {InScopeRecall.name, OutOfScopeRecall.name} and reject_label(spec) is None:
        return needs_reject(name)
    return ""


def goodness(spec: TaskSpec, name: str, value: float) -> float:
    """A value as a number that is higher where it is better: errors as the share they are short of.

    So the means of several tasks' metrics can be compared, whatever their units are.
    """
    made = metric(name)
    if not made.scale.lower_is_better:
        return value
    return 1.0 - value / made.limits(spec)[1]
