"""Training steps of kd2edge with a cached teacher, and what other libraries need to take the same.

It writes nets and batches as files: ``student`` and ``teacher`` (``.json``, ``.safetensors``),
``batches.npz``, and ``given.npz``: logits and labels that all sides take the loss of.
"""

from __future__ import annotations

import json
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from serve import serve, setting

sys.path.append(str(Path(__file__).resolve().parents[2]))  # of `step.py` and its neighbours

from step import Some, step, taught_rows

from kd2edge.data import encode_split
from kd2edge.data.batch import Batch
from kd2edge.distill import Knowledge, Time, TrainSettings, knowledge_of
from kd2edge.distill.objective import Objective
from kd2edge.distill.precision import precision_of
from kd2edge.nets import Net
from kd2edge.pipeline.reading.model_inputs import student_inputs, teacher_inputs
from kd2edge.pipeline.reading.prepare import prepare_data
from kd2edge.pipeline.reading.settings import student_settings
from kd2edge.pipeline.steps.work import fresh_net
from kd2edge.recipe import load_recipe
from kd2edge.rows.join import Source, joined

GIVEN = setting()
FOLDER = Path(GIVEN["folder"])
CPU = torch.device("cpu")
torch.set_num_threads(1)

LOADED = load_recipe(GIVEN["recipe"], overrides=GIVEN["overrides"])
DATA = prepare_data(LOADED)
(TASK,) = DATA.tasks.values()
SPLIT, CACHES = taught_rows(LOADED, DATA, GIVEN["rows"], FOLDER)
SETTINGS = student_settings(LOADED.recipe, [TASK.name], DATA.checks["train"])
_HOOKS = ExitStack()
_STEPS: dict[str, Any] = {}


def prepare() -> dict[str, Any]:
    """Write the files; what the steps are."""
    recipe = LOADED.recipe
    (teacher,) = recipe.teachers
    own = teacher_inputs(recipe, teacher.name)
    _write("teacher", fresh_net(teacher.model, own, [TASK], recipe.seed), teacher.model.dropout)
    student = _student()
    _write("student", student, recipe.student.model.dropout)
    rows = joined([Source("some", Some(DATA.rows["train"], GIVEN["rows"]), tuple(DATA.tasks))])
    seen = encode_split(rows, own.pairs, [TASK], FOLDER, file_hashes=own.hashes)
    batches = [SPLIT.batch(rows) for rows in _rows()]
    theirs = [seen.batch(rows) for rows in _rows()]
    arrays = {
        f"{at}/{name}": array
        for at, pair in enumerate(zip(batches, theirs, strict=True))
        for name, array in _arrays(*pair).items()
    }
    np.savez(FOLDER / "batches.npz", **arrays)
    (cache,) = CACHES.values()
    with torch.no_grad():
        logits = student.eval()(batches[0].inputs)[TASK.name].numpy()
    said = np.asarray(cache.logits(TASK.name, batches[0].positions), np.float32)
    labels = batches[0].targets[TASK.name]["labels"].numpy()
    np.savez(FOLDER / "given.npz", student=logits, teacher=said, labels=labels)
    how = SETTINGS.distill
    return {
        "batch": SETTINGS.batch_size, "steps": len(batches), "task": TASK.name,
        "labels": len(TASK.labels), "precision": precision_of(SETTINGS.precision, CPU),
        "lr": SETTINGS.lr, "weight_decay": SETTINGS.weight_decay, "clip_norm": SETTINGS.clip_norm,
        "alpha": how.alpha, "temperature": how.temperature,
    }  # fmt: skip


def loss() -> float:
    """Ours of the given logits and labels, in fp32."""
    given = np.load(FOLDER / "given.npz", allow_pickle=False)
    objective = Objective([TASK], SETTINGS.distill, _knowledge(), SETTINGS.label_smoothing)
    outputs = {TASK.name: torch.from_numpy(given["student"])}
    terms = objective.terms(outputs, {}, SPLIT.batch(_rows()[0]), Time(0, 1, 0)).terms
    return float(sum(one.double() for one in terms.values()))


def steps(count: int, precision: str) -> int:
    """Take some; ``precision`` as in recipes."""
    if precision not in _STEPS:
        settings: TrainSettings = replace(SETTINGS, precision=precision)
        _STEPS[precision] = step(LOADED, DATA, SPLIT, settings, _knowledge(), _HOOKS, CPU)
    for _ in range(count):
        _STEPS[precision]()
    return count


def _student() -> Net:
    inputs = student_inputs(LOADED.recipe, DATA.rows["train"], DATA.learned)
    return fresh_net(LOADED.recipe.student.model, inputs, [TASK], LOADED.recipe.seed)


def _knowledge() -> Knowledge:
    return knowledge_of(CACHES)


def _rows() -> list[np.ndarray]:
    """Rows of every step, as ``step`` has them."""
    batches = torch.arange(len(SPLIT)).split(SETTINGS.batch_size)
    return [one.numpy() for one in batches if len(one) == SETTINGS.batch_size]


def _arrays(batch: Batch, seen: Batch) -> dict[str, np.ndarray]:
    """What the student reads, what the teacher reads (its vocabulary is whole), and the labels."""
    names = ("input_ids", "attention_mask")
    found = {name: batch.inputs[name].numpy() for name in names}
    found |= {f"teacher_{name}": seen.inputs[name].numpy() for name in names}
    return {**found, "labels": batch.targets[TASK.name]["labels"].numpy()}


def _write(name: str, net: Net, dropout: float) -> None:
    """Configuration of the encoder and weights, under the names of :mod:`nets`."""
    config = {
        key: value
        for key, value in net.backbone.config.to_dict().items()
        if not key.startswith("_") and key not in ("attn_implementation", "dtype", "torch_dtype")
    }
    head = f"heads.{TASK.name}."
    found = {}
    for key, value in net.state_dict().items():
        if key.startswith("backbone."):
            found[key] = value.contiguous()
        elif key.startswith(head):
            found[key.removeprefix(head)] = value.contiguous()
        else:
            raise ValueError(f"{name}: {key} is nothing that a plain encoder has")
    save_file(found, FOLDER / f"{name}.safetensors")
    text = json.dumps({"config": config, "labels": len(TASK.labels), "dropout": dropout})
    (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")


serve({"prepare": prepare, "loss": loss, "steps": steps}, ("kd2edge", "torch", "transformers"))
