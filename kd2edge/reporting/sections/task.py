"""One task in detail: groups by frequency, every class, confusions and calibration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kd2edge.metrics.errors import SHARES
from kd2edge.reporting import formats
from kd2edge.reporting.page import Block, Cell, Column, Figure, Figures, Fold, Grid, Note, Section
from kd2edge.reporting.plots import Bin, heat_map, reliability_diagram
from kd2edge.reporting.reading import FORMS, estimate, forms, leading_split, task_block
from kd2edge.reporting.sections.result import estimate_cell

__all__ = ["section", "top_confusions"]

Json = Mapping[str, Any]

#: Up to so many classes a confusion matrix is drawn; above, its largest cells are listed.
DRAWN_UP_TO = 30
#: Class tables longer than this are folded.
FOLDED_ABOVE = 12
#: How many confusions are listed.
LISTED = 25


def section(report: Json, task: str, index: int) -> Section:
    """Everything known about one task on the leading split."""
    split = leading_split(report)
    blocks: list[Block] = []
    for part in (
        _metrics(report, split, task),
        _errors(report, split, task),
        _groups(report, split, task),
        _figures(report, split, task),
        _confusions(report, split, task),
        _classes(report, split, task),
    ):
        blocks += [part] if part is not None else []
    kind = str(report["tasks"][task].get("kind", "")).replace("_", " ")
    count = len(report["tasks"][task].get("labels", ()))
    unit = report["tasks"][task].get("unit")
    labels = f"{count} labels" if count else f"in {unit}" if unit else "values"
    lead = Note(f"{kind}, {labels}, {split} split", "lead")
    cut = _cut_words(report, split, task)
    cut += _rejection(report, task) + _fitted_cut(report, task)
    return Section(f"task-{index}", f"Task: {task}", [lead, *cut, *blocks], menu=task)


#: What a row is rejected by -> that, for people, and on which side of the threshold.
_SCORES = {
    "probability": "largest probability of another label, below",
    "energy": "energy of the other labels, above",
    "distance": "cosine to the nearest prototype of another label, below",
}


def _rejection(report: Json, task: str) -> list[Block]:
    """Which label answers where no other is sure enough, and each model's threshold."""
    found = report["tasks"][task].get("reject")
    if not found:
        return []
    shown = [form for form in forms(report) if form in found["by"]]
    limits = {form: f"{FORMS[form]} {formats.score(found['thresholds'][form])}" for form in shown}
    each = [  # those that score alike together, the first one's way first
        f"the {what}: {', '.join(limits[form] for form in own)}"
        for by, what in _SCORES.items()
        if (own := [form for form in shown if found["by"][form] == by])
    ]
    text = f"Answered {found['label']} by a threshold, fitted on validation rows, of"
    return [Note(f"{text} {'; of '.join(each)}")]


def _fitted_cut(report: Json, task: str) -> list[Block]:
    """Where each model cuts its scores, as was best on validation rows."""
    found = report["tasks"][task].get("cut")
    if not found:
        return []
    values = ", ".join(
        f"{FORMS[form]} {formats.score(found['values'].get(form))}" for form in forms(report)
    )
    text = f"Decided at the {found['at']} that is best by {found['by']} on validation rows"
    return [Note(f"{text}: {values}")]


def _cut_words(report: Json, split: str, task: str) -> list[Block]:
    """Words that a model does not read, as they lie beyond its length limit."""
    counts = {
        form: task_block(report, split, task, form).get("cut_words") for form in forms(report)
    }
    said = [f"{FORMS[form]} {count:,}" for form, count in counts.items() if count]
    text = "Labelled words beyond the length limit, or without a piece, which count as wrong"
    return [Note(f"{text}: {', '.join(said)}")] if said else []


def _metrics(report: Json, split: str, task: str) -> Grid | None:
    """All metrics of the task, where the headline shows only the leading one."""
    metrics = list(report["tasks"][task].get("metrics", ()))
    present = forms(report)
    if len(metrics) < 2:
        return None
    columns = [Column("Metric", is_text=True), *(Column(FORMS[form]) for form in present)]
    rows = [
        [Cell(name.replace("_", " "))]
        + [estimate_cell(estimate(report, split, task, form, name)) for form in present]
        for name in metrics
    ]
    return Grid(columns, rows)


def _errors(report: Json, split: str, task: str) -> Grid | None:
    """How far the values of each model are off, and to which side."""
    parts = {form: task_block(report, split, task, form).get("errors") for form in forms(report)}
    known = {form: part for form, part in parts.items() if part}
    if not known:
        return None
    columns = [Column("Errors (said less true)", is_text=True), Column("Bias")]
    columns += [Column(f"{share:.0%} below") for share in SHARES]
    rows = [
        [
            Cell(FORMS[form]),
            *(_error_cell(value) for value in (part["bias"], *part["quantiles"])),
            Cell(formats.score(part["largest"]), sort=part["largest"]),
        ]
        for form, part in known.items()
    ]
    unit = report["tasks"][task].get("unit")
    return Grid([*columns, Column("Largest")], rows, f"Errors in {unit}" if unit else "")


def _error_cell(value: float | None) -> Cell:
    return Cell(formats.signed(value), sort=value)


def _groups(report: Json, split: str, task: str) -> Grid | None:
    """Mean F1 of frequent, middling and rare classes of a long tail (by training rows)."""
    by_form = {
        form: task_block(report, split, task, form).get("groups", {}) for form in forms(report)
    }
    names = [
        name
        for name in ("head", "middle", "tail")
        if any(name in part for part in by_form.values())
    ]
    if not names:
        return None
    columns = [Column("Group", is_text=True), Column("Classes"), Column("Rows")]
    columns += [Column(f"{FORMS[form]} F1") for form in by_form]
    return Grid(
        columns,
        [_group_row(name, by_form) for name in names],
        "Classes by how often they stand in the training rows: head above 100, tail below 20",
    )


def _group_row(name: str, by_form: Mapping[str, Json]) -> list[Cell]:
    parts = {form: part.get(name, {}) for form, part in by_form.items()}
    any_part = next((part for part in parts.values() if part), {})
    cells = [
        Cell(name),
        Cell(formats.count(any_part.get("classes"))),
        Cell(formats.count(any_part.get("support"))),
    ]
    return cells + [
        Cell(formats.score(part.get("f1")), formats.interval(part), sort=part.get("f1"))
        for part in parts.values()
    ]


def _f1_cell(value: Any) -> Cell:
    return Cell(formats.score(value), sort=value, bar=value)


def _figures(report: Json, split: str, task: str) -> Figures | None:
    """Confusion matrix of the student and reliability of every model, side by side."""
    figures = [
        figure
        for figure in (_matrix(report, split, task), _reliability(report, split, task))
        if figure is not None
    ]
    legend = [(form, FORMS[form]) for form in forms(report)]
    return Figures(figures, legend) if figures else None


def _matrix(report: Json, split: str, task: str) -> Figure | None:
    matrix = task_block(report, split, task, "student").get("confusion")
    labels = [str(label) for label in report["tasks"][task].get("labels", ())]
    if not matrix or len(matrix) > DRAWN_UP_TO or len(labels) != len(matrix):
        return None
    svg = heat_map(matrix, labels, label=f"{task}: confusion matrix of the student")
    note = "Shade: share of the true class's decisions (square root, so that small shares show)."
    return Figure("Confusion matrix of the student", svg, note)


def _reliability(report: Json, split: str, task: str) -> Figure | None:
    parts = {
        form: task_block(report, split, task, form).get("reliability") for form in forms(report)
    }
    known = {form: part for form, part in parts.items() if part and part.get("bins")}
    if not known:
        return None
    curves = {form: [_bin(entry) for entry in part["bins"]] for form, part in known.items()}
    svg = reliability_diagram(curves, label=f"{task}: accuracy over confidence")
    errors = ", ".join(
        f"{FORMS[form]} {formats.score(part.get('ece'))}" for form, part in known.items()
    )
    return Figure(
        "Reliability", svg, f"Expected calibration error: {errors}. Bars: the student's rows."
    )


def _bin(entry: Json) -> Bin:
    count = int(entry.get("count", 0))
    confidence, accuracy = entry.get("confidence"), entry.get("accuracy")
    if not count or confidence is None or accuracy is None:
        return Bin(0.0, 0.0, 0)
    return Bin(float(confidence), float(accuracy), count)


def top_confusions(
    matrix: Sequence[Sequence[int]], labels: Sequence[str]
) -> list[tuple[str, str, int, float]]:
    """The largest cells off the diagonal: (truth, decision, rows, share of the true class)."""
    found = [
        (count, truth, decided)
        for truth, row in enumerate(matrix)
        for decided, count in enumerate(row)
        if truth != decided and count
    ]
    found.sort(key=lambda item: (-item[0], item[1], item[2]))
    return [
        (labels[truth], labels[decided], count, count / sum(matrix[truth]))
        for count, truth, decided in found[:LISTED]
    ]


def _confusions(report: Json, split: str, task: str) -> Block | None:
    matrix = task_block(report, split, task, "student").get("confusion")
    labels = [str(label) for label in report["tasks"][task].get("labels", ())]
    if not matrix or len(matrix) <= DRAWN_UP_TO or len(labels) != len(matrix):
        return None
    columns = [Column("Truth", is_text=True), Column("Decided", is_text=True), Column("Rows")]
    rows = [
        [Cell(truth), Cell(decided), Cell(str(count), sort=count), _share_cell(share)]
        for truth, decided, count, share in top_confusions(matrix, labels)
    ]
    grid = Grid([*columns, Column("of the class")], rows, sortable=True)
    return Fold(f"The student's {len(rows)} most frequent confusions", [grid])


def _share_cell(share: float) -> Cell:
    return Cell(formats.percent(share, 0), sort=share, bar=share)


def _classes(report: Json, split: str, task: str) -> Block | None:
    by_form = {form: _by_label(report, split, task, form) for form in forms(report)}
    student = by_form.get("student", {})
    if not student:
        return None
    others = [form for form in by_form if form != "student" and by_form[form]]
    columns = [
        Column("Class", is_text=True),
        Column("Group", is_text=True),
        Column("Training rows"),
    ]
    columns += [Column("Rows"), Column("Precision"), Column("Recall"), Column("F1")]
    columns += [Column(f"{FORMS[form]} F1") for form in others]
    rows = [_class_row(entry, [by_form[form] for form in others]) for entry in student.values()]
    grid = Grid(columns, rows, sortable=True)
    summary = f"All {len(rows)} classes of the student (click a heading to sort)"
    return Fold(summary, [grid], is_open=len(rows) <= FOLDED_ABOVE)


def _by_label(report: Json, split: str, task: str, form: str) -> dict[str, Json]:
    entries: Iterable[Json] = task_block(report, split, task, form).get("per_class", ())
    return {str(entry["label"]): entry for entry in entries}


def _class_row(entry: Json, others: Sequence[Mapping[str, Json]]) -> list[Cell]:
    label = str(entry["label"])
    cells = [Cell(label), Cell(str(entry.get("group", "")))]
    cells += [
        Cell(formats.count(entry.get(key)), sort=entry.get(key))
        for key in ("train_support", "support")
    ]
    cells += [
        Cell(formats.score(entry.get(key)), sort=entry.get(key)) for key in ("precision", "recall")
    ]
    cells.append(_f1_cell(entry.get("f1")))
    return cells + [_f1_cell(other.get(label, {}).get("f1")) for other in others]
