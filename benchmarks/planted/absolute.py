"""Reference, report, golden rows and labels that are not of the student that is shipped."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kd2edge.files import npz_arrays
from planted.draft import Draft
from planted.judge import judged
from planted.kind import Plant, Said, Site, kind
from planted.measure import COSTLY, Cost, Look
from planted.rows import Row, write_rows

Arrays = dict[str, Any]


@kind("A4", "the reference holds what the artefact says", ("texts", "pictures", "reviews"))
def circular(site: Site) -> Plant:
    """Reference and golden rows of a weaker student beside the artefacts of that student."""
    weak = Draft(site.product.weak)
    for name in site.draft.manifest.artefacts:
        site.draft.take_artefact(name, weak)
    for path in (*site.draft.manifest.references.values(), site.draft.manifest.golden):
        site.draft.files[path] = weak.files[path]
    return Plant()


@kind("A4", "outputs of a weaker student in a reference that names the new one")
def renamed(site: Site) -> Plant:
    """As before, and the reference says of itself what that of the new student says."""
    circular(site)
    good = Draft(site.product.bundle)
    for path in site.draft.manifest.references.values():
        own = {"of": npz_arrays(good.files[path])["of"]}
        site.draft.change_arrays(path, lambda arrays, own=own: arrays | own)
    return Plant()


@kind("A4", "an earlier, weaker student, whole, under the name of the new run")
def weaker(site: Site) -> Plant:
    weak = Draft(site.product.weak)
    provenance = site.draft.manifest.provenance
    site.draft.manifest, site.draft.files = weak.manifest, weak.files
    site.draft.change_manifest(provenance=provenance)
    return Plant()


@kind("A4", "an earlier, weaker student exported under the new report")
def weaker_report(site: Site) -> Plant:
    """The run's folder has the report of the good student and the weights of the weak one."""
    from kd2edge.api import export
    from kd2edge.errors import Kd2edgeError

    product = site.product

    def door(bundle: Path) -> Said:
        run = product.folder / "runs" / "mixed"
        shutil.rmtree(run, ignore_errors=True)
        shutil.rmtree(bundle, ignore_errors=True)
        shutil.copytree(product.run.with_name("weak"), run)
        shutil.copy(product.run / "report.json", run / "report.json")
        try:
            export(run, out=bundle)
            return judged(bundle, product.data, site.artefact)
        except Kd2edgeError as error:
            return Said(True, "refused", f"export: {type(error).__name__}: {error}"[:160])
        finally:
            shutil.rmtree(run, ignore_errors=True)

    weak = Draft(product.weak)
    site.draft.manifest, site.draft.files = weak.manifest, weak.files
    return Plant(door=door)


def _labels(site: Site, change: Callable[[list[Row]], list[Row]]) -> Plant:
    """The test rows with wrong labels; what that costs, the clean artefact shows."""
    rows = site.product.placed(change(site.product.rows()))
    data = write_rows(site.scratch / "rows.jsonl", rows)
    return Plant((Look("wrong labels", lambda product: rows, truth=Look()),), data=data)


@kind("A4", "labels are shuffled")
def labels_shuffled(site: Site) -> Plant:
    task = next(task for task in site.product.tasks if task != "ner")
    return _labels(site, lambda rows: _shuffled(rows, task, 1.0))


@kind("A4", "a fifth of the labels is shuffled", ("texts", "pictures", "reviews"))
def some_shuffled(site: Site) -> Plant:
    task = site.product.tasks[0]
    return _labels(site, lambda rows: _shuffled(rows, task, 0.2))


def _shuffled(rows: list[Row], task: str, share: float) -> list[Row]:
    if not isinstance(rows[0][task], list):
        return shuffled(rows, task, share)
    return [{**row, task: [*row[task][1:], *row[task][:1]]} for row in rows]


@kind("A4", "one label for all rows", ("texts", "pictures", "reviews"))
def one_label(site: Site) -> Plant:
    task = site.product.tasks[0]

    def change(rows: list[Row]) -> list[Row]:
        return [{**row, task: rows[0][task]} for row in rows]

    return _labels(site, change)


@kind("A4", "no entities in any label", ("sentences",))
def no_entities(site: Site) -> Plant:
    def change(rows: list[Row]) -> list[Row]:
        return [{**row, "ner": ["O"] * len(row["ner"])} for row in rows]

    return _labels(site, change)


@kind("A4", "a temperature of 4 in the manifest", ("texts",))
def temperature(site: Site) -> Plant:
    task = site.product.tasks[0]
    site.draft.change_task(task, decode={"temperature": 4.0})
    return Plant(cost=Cost(0.0, COSTLY, "no metric: every score says another certainty"))


@kind("A4", "a threshold of 0.9 in the manifest", ("pictures",))
def threshold(site: Site) -> Plant:
    site.draft.change_task("larger", decode={"threshold": 0.9})
    return Plant((Look(),))


@kind("A4", "labels in another order in the manifest")
def label_order(site: Site) -> Plant:
    task = site.product.tasks[0]
    tasks = {str(name): spec for name, spec in site.draft.manifest.tasks.items()}
    labels = tasks[task].labels
    site.draft.change_task(task, labels=(*labels[1:], labels[0]))
    return Plant()


def shuffled(rows: list[Row], column: str, share: float = 1.0) -> list[Row]:
    """The labels of a column on other rows than theirs."""
    chance = random.Random(5)
    chosen = [at for at in range(len(rows)) if chance.random() < share]
    values = [rows[at][column] for at in chosen]
    chance.shuffle(values)
    given = dict(zip(chosen, values, strict=True))
    return [{**row, column: given.get(at, row[column])} for at, row in enumerate(rows)]
