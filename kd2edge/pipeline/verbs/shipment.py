"""What of a finished run goes into its bundle: read at once, before any artefact is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kd2edge.errors import IntegrityError, StorageError
from kd2edge.nets import Net, load_net
from kd2edge.pipeline.reading.source_forms import SOURCES, forms_json
from kd2edge.pipeline.reading.sources import read_rows_plan
from kd2edge.pipeline.steps.probing import PROBES
from kd2edge.pipeline.steps.samples import CALIBRATION, GOLDEN, arrays_of, read_arrays
from kd2edge.pipeline.verbs.agreement import require_one_student
from kd2edge.pipeline.verbs.finished import FinishedRun
from kd2edge.recipe import Recipe
from kd2edge.runtime.probes import PROBES as PROBES_IN_BUNDLE
from kd2edge.runtime.probes import open_probes
from kd2edge.validate.meaning import MEANING
from kd2edge.validate.record import REPORT, pack_record

__all__ = ["SPLITS", "Shipment", "shipment_of"]

#: Splits that artefacts can be judged on.
SPLITS = ("test", "validation")


@dataclass(frozen=True, slots=True)
class Shipment:
    """A run that is being exported: all that is read of it.

    Args:
        files: path in the bundle -> bytes of what stands beside the artefacts: tokenizers, golden
            rows, reference outputs, what the report says of the student.
    """

    recipe: Recipe
    run: FinishedRun
    net: Net
    files: Mapping[str, bytes]


def shipment_of(recipe: Recipe, run: FinishedRun) -> Shipment:
    """Read everything of a run at once: what is missing or damaged is known before any work."""
    folder = run.folder
    net = load_net(folder.student)
    read_arrays(folder.samples / CALIBRATION)
    stored = {split: _sample(folder.samples / f"reference-{split}.npz") for split in SPLITS}
    tasks = {str(task.name): task for task in net.tasks}
    inputs = {spec.name: spec for spec in net.inputs}
    files = {path: _read(folder.path / path) for one in net.inputs for path in one.files.values()}
    require_one_student(run, stored, tasks, inputs, files)
    files |= _samples(recipe, run)
    files |= {f"reference/{split}.npz": content for split, content in stored.items()}
    files |= {MEANING: run.meaning.to_json(), REPORT: pack_record(run.record)}
    return Shipment(recipe, run, net, files)


def _samples(recipe: Recipe, run: FinishedRun) -> dict[str, bytes]:
    """How rows are read, and what is golden."""
    folder = run.folder
    files = {SOURCES: forms_json(read_rows_plan(folder.rows))}
    if recipe.export.samples == "real":
        files["golden/golden.npz"] = _sample(folder.samples / GOLDEN)
    # Old runs have no golden raw values.
    if recipe.export.samples != "none" and (folder.samples / PROBES).is_file():
        files[PROBES_IN_BUNDLE] = _probes(run)
    return files


def _sample(path: Path) -> bytes:
    """A samples file that can be read to its end: a bundle must not carry a damaged one on."""
    content = _read(path)
    arrays_of(path, content)
    return content


def _probes(run: FinishedRun) -> bytes:
    """The golden raw values, whose outputs must be those of this very student.

    Raises:
        IntegrityError: damaged, or written for other weights.
    """
    path = run.folder.samples / PROBES
    content = _sample(path)
    if open_probes(content).weights != run.weights:
        raise IntegrityError(
            f"{path} was made from other weights than {run.folder.student.name}'s: run"
            " `kd2edge distill --resume` again"
        )
    return content


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be read: {error.strerror}; it belongs to the run: put it back or run "
            "`kd2edge distill --resume` again"
        ) from error
