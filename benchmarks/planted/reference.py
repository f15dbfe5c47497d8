"""References that are missing, partial, empty or another's; rows that stand there often."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from planted.draft import Draft
from planted.graphs import Editor, always, equals, noisy, perturbed
from planted.judge import judged
from planted.kind import WORDS, Plant, Said, Site, kind
from planted.measure import Look, few, handed
from planted.rows import Row, write_rows

Arrays = dict[str, Any]

_NOISE = 0.6


def _all_wrong(site: Site, change: Callable[[onnx.ModelProto], None] | None = None) -> None:
    """Every ONNX artefact is wrong alike, as after a fault before the export."""
    for name, artefact in site.draft.manifest.artefacts.items():
        if artefact.entry.endswith(".onnx"):
            site.draft.change_graph(name, change or noisy(_NOISE))


def _reference(site: Site, split: str = "test") -> str:
    return site.draft.manifest.references[split]


def _without(site: Site, split: str = "test") -> None:
    """No reference of a split, in the manifest neither."""
    references = dict(site.draft.manifest.references)
    site.draft.drop(references.pop(split))
    site.draft.change_manifest(references=references)


def kept(arrays: Arrays, rows: Sequence[int]) -> Arrays:
    """Some rows of a reference; logits go with them as far as they are among the first."""
    ids = json.loads(arrays["ids"].tobytes())
    made = _kept(arrays, rows, len(ids))
    made["ids"] = np.frombuffer(json.dumps([ids[at] for at in rows]).encode(), np.uint8)
    for name in {name.split("/")[1] for name in arrays if name.startswith("without/")}:
        before = f"without/{name}/"
        own = {key[len(before) :]: arrays[key] for key in arrays if key.startswith(before)}
        places = {row: at for at, row in enumerate(own["rows"].tolist())}
        there = [(at, places[row]) for at, row in enumerate(rows) if row in places]
        part = _kept(own, [place for _, place in there], len(places))
        part["rows"] = np.array([at for at, _ in there], own["rows"].dtype)
        made = {key: one for key, one in made.items() if not key.startswith(before)}
        made |= {before + key: one for key, one in part.items()}
    return made


def _kept(arrays: Arrays, rows: Sequence[int], count: int) -> Arrays:
    """The arrays of some of ``count`` rows."""
    made = dict(arrays)
    for name, value in arrays.items():
        is_by_row = name.startswith(("decoded/", "truth/"))
        if name == "hashes" or (is_by_row and len(value) == count):
            made[name] = value[list(rows)]
        elif is_by_row and name.endswith("/offsets"):
            prefix = name.removesuffix("offsets")
            lengths = np.diff(value)[list(rows)]
            made[name] = np.concatenate([[0], np.cumsum(lengths)]).astype(value.dtype)
            words = [at for row in rows for at in range(value[row], value[row + 1])]
            for other in arrays:
                if other.startswith(prefix) and other != name:
                    made[other] = arrays[other][words]
        elif name.startswith(("logits/", "logit_offsets/")) and list(rows) != list(
            range(len(rows))
        ):
            del made[name]
    return made


# A3


@kind("A3", "no reference, all artefacts wrong alike")
def no_reference(site: Site) -> Plant:
    _all_wrong(site)
    _without(site)
    return Plant()


@kind("A3", "no reference and no golden rows, all artefacts wrong alike", ("texts",), "onnx-fp32")
def nothing(site: Site) -> Plant:
    _all_wrong(site)
    _without(site)
    site.draft.drop(site.draft.manifest.golden)
    site.draft.change_manifest(golden="")
    return Plant()


@kind("A3", "no reference; all wrong where golden rows do not look", WORDS)
def no_reference_rows(site: Site) -> Plant:
    """Wrong on two thirds of the rows by their content; the golden rows are of the other third."""
    from kd2edge.files import npz_arrays

    golden = npz_arrays(site.draft.files[site.draft.manifest.golden])
    name = site.draft.artefact(site.artefact).inputs[0].name
    sums = golden.get(f"in.{name}")
    spared = set((sums.sum(1) % 23).tolist()) if sums is not None else set()

    def condition(edit: Editor) -> str:
        rest = edit.add("Mod", edit.row_sums(), edit.constant(23))
        spared_ = edit.constant(sorted(spared) or [0])
        same = edit.add("Equal", edit.add("Unsqueeze", rest, edit.constant([1])), spared_)
        most = edit.add("ReduceMax", edit.cast(same), edit.constant([1]), keepdims=0)
        return edit.add("Less", most, edit.constant(0.5, np.float32))

    _all_wrong(site, perturbed(condition))
    _without(site)
    return Plant()


@kind("A3", "the reference stays out of the transfer, all artefacts wrong alike", ("texts",))
def left_out(site: Site) -> Plant:
    _all_wrong(site)
    path = _reference(site)

    def door(bundle: Path) -> Said:
        (bundle / path).unlink()
        return judged(bundle, site.product.data, site.artefact)

    return Plant(door=door)


@kind("A3", "the reference misses the rows that are wrong")
def partial(site: Site) -> Plant:
    """All artefacts are wrong on the rows that the reference lacks."""
    count = len(site.product.rows()) // 3
    _all_wrong(site, noisy(0.3))
    site.draft.change_arrays(_reference(site), lambda arrays: kept(arrays, range(64, 64 + count)))
    return Plant()


@kind("A3", "the reference has no rows")
def empty(site: Site) -> Plant:
    _all_wrong(site)
    site.draft.change_arrays(_reference(site), lambda arrays: kept(arrays, range(0)))
    return Plant()


@kind("A3", "the reference is the other split's")
def other_split(site: Site) -> Plant:
    _all_wrong(site)
    site.draft.files[_reference(site)] = site.draft.files[_reference(site, "validation")]
    return Plant()


@kind("A3", "the reference lacks a task")
def lacks_task(site: Site) -> Plant:
    _all_wrong(site)
    task = site.product.tasks[0]

    def change(arrays: Arrays) -> Arrays:
        parts = (f"decoded/{task}/", f"logits/{task}", f"logit_offsets/{task}")
        return {name: value for name, value in arrays.items() if not name.startswith(parts)}

    site.draft.change_arrays(_reference(site), change)
    return Plant()


@kind("A5", "the reference has rows twice, in contradiction", ("texts",))
def contradictory(site: Site) -> Plant:
    """Behind PyTorch's decisions stand those of a faulty artefact, under the same keys."""
    site.draft.change_graph(site.artefact, noisy(_NOISE))
    task = site.product.tasks[0]

    def change(arrays: Arrays) -> Arrays:
        rows = len(json.loads(arrays["ids"].tobytes()))
        made = kept(arrays, [*range(rows), *range(rows)])
        labels = made[f"decoded/{task}/labels"].copy()
        labels[rows:] = np.roll(labels[rows:], 1)
        made[f"decoded/{task}/labels"] = labels
        return made | {name: arrays[name] for name in arrays if name.startswith("logit")}

    site.draft.change_arrays(_reference(site), change)
    return Plant()


# A5


def _repeated(site: Site, rows: list[Row], times: int) -> Path:
    made = [dict(row) for row in rows for _ in range(times)]
    for row in made:
        row.pop("id", None)
    return write_rows(site.scratch / "rows.jsonl", site.product.placed(made))


@kind("A5", "three rows, 40 times each, of a faulty artefact")
def three_rows(site: Site) -> Plant:
    site.draft.change_graph(site.artefact, noisy(0.15))
    rows = _right_rows(site, 3)
    return Plant(data=_repeated(site, rows, 40))


@kind("A5", "ten rows, 100 times each, of a weaker student")
def ten_rows(site: Site) -> Plant:
    site.draft.take_artefact(site.artefact, Draft(site.product.weak))
    return Plant(data=_repeated(site, _right_rows(site, 10), 100))


@kind("A5", "one row, 500 times")
def one_row(site: Site) -> Plant:
    site.draft.change_graph(site.artefact, noisy(0.4))
    return Plant(data=_repeated(site, _right_rows(site, 1), 500))


@kind("A5", "thirty rows, 20 times each, ids kept, of a faulty artefact", ("texts", "sentences"))
def thirty_rows(site: Site) -> Plant:
    site.draft.change_graph(site.artefact, noisy(0.3))
    rows = [dict(row) for row in _right_rows(site, 30) for _ in range(20)]
    return Plant(data=write_rows(site.scratch / "rows.jsonl", rows))


@kind("A5", "four rows in 30 spellings each, of a faulty artefact", ("texts",))
def spellings(site: Site) -> Plant:
    """Other capitals and blanks: other texts to a hash, the same pieces to the model."""
    site.draft.change_graph(site.artefact, noisy(0.3))
    rows: list[Row] = []
    for row in _right_rows(site, 4):
        text = row["text"]
        for at in range(30):
            letters = [one.upper() if at >> k % 5 & 1 else one for k, one in enumerate(text)]
            rows.append({**row, "text": "".join(letters) + " " * (at % 3), "id": f"s{len(rows)}"})
    return Plant(data=write_rows(site.scratch / "rows.jsonl", rows))


@kind("A5", "the rows that a faulty artefact has right", ("texts", "pictures"))
def picked_rows(site: Site) -> Plant:
    """A part of the split, and no fair one."""
    from kd2edge.api import load

    site.draft.change_graph(site.artefact, noisy({"pictures": 0.12}.get(site.product.name, 0.07)))
    rows = site.product.placed(site.product.rows("test"))
    values = handed(site.product, site.product.rows("test"), Look())
    with load(site.draft.write(site.scratch / "bundle"), artefact=site.artefact) as model:
        answers = model.predict(values)
    labels = {task: [_label(one) for one in found] for task, found in answers.items()}
    right = [
        row
        for at, row in enumerate(rows)
        if all(labels[task][at] == row[task] for task in site.product.tasks)
    ]
    return Plant(data=write_rows(site.scratch / "rows.jsonl", right))


@kind("A5", "a class is lost, and its rows are left out", ("pictures",))
def class_left_out(site: Site) -> Plant:
    def lost(edit: Editor, output: str, clean: str) -> str:
        shift = [-4.0 if at == 7 else 0.0 for at in range(edit.channels(output))]
        return edit.add("Add", clean, edit.constant(shift, np.float32))

    change = perturbed(always, lost, heads="left".__eq__)
    rows = [row for row in site.product.placed(site.product.rows("test")) if row["left"] != "7"]
    data = write_rows(site.scratch / "rows.jsonl", rows)
    site.draft.change_graph(site.artefact, change)
    return Plant((Look("classes", classes=True),), data=data)


def _label(answer: Any) -> Any:
    return (answer[0] if isinstance(answer, list) else answer)["label"]


def _right_rows(site: Site, count: int) -> list[Row]:
    """Rows on which the faulty artefact is as good as the clean one: what a cheat would take."""
    from kd2edge.api import load

    path = site.scratch / "bundle"
    site.draft.write(path)
    rows = few(site.product)
    values, tasks = handed(site.product, rows, Look()), site.product.tasks
    found: list[Any] = []
    for bundle in (path, site.product.bundle):
        with load(bundle, artefact=site.artefact, threads=1) as model:
            answers = model.predict(values)
            found.append([[_plain(answers[task][at]) for task in tasks] for at in range(len(rows))])
    shutil.rmtree(path)
    right = [row for row, one, other in zip(rows, *found, strict=True) if one == other]
    return (right or rows)[:count]


def _plain(answer: Any) -> Any:
    """What is decided; values are left out: no two artefacts have the same."""
    parts = answer if isinstance(answer, list) else [answer]
    return [(one.get("label"), one.get("start")) for one in parts]


# A9


@kind("A9", "no logits of a task whose head is wrong at some sizes")
def no_logits(site: Site) -> Plant:
    task = site.product.tasks[0]

    def change(arrays: Arrays) -> Arrays:
        parts = (f"logits/{task}", f"logit_offsets/{task}")
        return {name: value for name, value in arrays.items() if not name.startswith(parts)}

    site.draft.change_arrays(_reference(site), change)
    site.draft.change_graph(site.artefact, perturbed(equals(Editor.batch, 2), heads=task.__eq__))
    return Plant((Look("batch 2", few, batch=2),))


@kind("A9", "no label of a task whose head is wrong", ("texts", "pictures", "reviews"))
def no_labels(site: Site) -> Plant:
    task = site.product.tasks[0]
    site.draft.change_graph(
        site.artefact, perturbed(lambda edit: edit.add("Greater", edit.batch(), edit.constant(0)),
                                 heads=task.__eq__)
    )  # fmt: skip
    rows = [{**row, task: None} for row in site.product.placed(site.product.rows())]
    return Plant(data=write_rows(site.scratch / "rows.jsonl", rows))


@kind("A9", "golden rows lack a head that is wrong at one size", ("texts", "pictures", "reviews"))
def golden_lacks(site: Site) -> Plant:
    task = site.product.tasks[-1]

    def change(arrays: Arrays) -> Arrays:
        return {name: value for name, value in arrays.items() if name != f"out.{task}"}

    site.draft.change_arrays(site.draft.manifest.golden, change)
    _without(site)
    site.draft.change_graph(site.artefact, perturbed(equals(Editor.batch, 3), heads=task.__eq__))
    return Plant((Look("batch 3", few, batch=3),))
