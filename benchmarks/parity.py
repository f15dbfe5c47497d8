"""The fp32 artefacts of a bundle against PyTorch, on every row of the test split of its run.

For each artefact and head: the largest absolute error of a logit, and the decisions that differ.
Where the two best logits of PyTorch lie closer than that error, rounding decides: such a tie is
named by its row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from recording import parser, record, shown

from kd2edge.errors import BackendError
from kd2edge.inputs import input_kind
from kd2edge.inputs.spec import Encoded
from kd2edge.nets import load_net
from kd2edge.pipeline.reading.sources import open_split, read_rows_plan
from kd2edge.pipeline.steps.folders import opened_run
from kd2edge.ragged import Ragged
from kd2edge.rows.rows import Rows
from kd2edge.runtime import Model, load
from kd2edge.runtime.batches import merged
from kd2edge.tasks import gather_words
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.reject import prototypes_of
from kd2edge.tasks.spec import Decoded, TaskSpec

LIMIT = 1e-4
BATCH = 64

Floats = npt.NDArray[np.floating[Any]]


@dataclass(slots=True)
class Head:
    """What was found about one head so far."""

    items: int = 0
    error: float = 0.0
    #: (row, gap of the two best logits of PyTorch) of every decision that differs.
    changed: list[tuple[int, float]] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        ties = [row for row, gap in self.changed if gap <= 2 * self.error]
        return {
            "decisions": self.items,
            "max_abs_error": self.error,
            "changed": len(self.changed),
            "ties": sorted(set(ties)),
            "changed_without_tie": len(self.changed) - len(ties),
        }


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("runs", nargs="+", metavar="RUN:BUNDLE", help="a run and its bundle")
    arguments.add_argument("--rows", type=int, default=None, help="only the first ones")
    given = arguments.parse_args()
    pairs = [tuple(map(Path, pair.split(":"))) for pair in given.runs]
    found = [measured(run, bundle, given.rows) for run, bundle in pairs]
    record(
        "parity", {"limit": LIMIT, "runs": found}, given.out, ["torch", "onnxruntime", "openvino"]
    )


def measured(run: Path, bundle: Path, most: int | None) -> dict[str, Any]:
    """Every fp32 artefact that can run here."""
    opened = opened_run(run)
    rows = open_split(read_rows_plan(opened.rows), "test")
    count = len(rows) if most is None else min(most, len(rows))
    net = load_net(opened.student).eval()
    artefacts: dict[str, Any] = {}
    for name in fp32_artefacts(bundle):
        try:
            with load(bundle, artefact=name) as model:
                heads = compared(model, net, rows, count)
        except BackendError as error:
            artefacts[name] = {"not_run": str(error)}
            continue
        artefacts[name] = {task: head.to_json() for task, head in heads.items()}
        for task, head in heads.items():
            found = head.to_json()
            print(
                f"{shown(bundle)} {name} {task}: {head.items:,} decisions, max abs error"
                f" {head.error:.1e} (at most {LIMIT:.0e}), {found['changed']} changed,"
                f" of these {len(head.changed) - found['changed_without_tie']} ties"
            )
    return {"run": shown(run), "bundle": shown(bundle), "rows": count, "artefacts": artefacts}


def fp32_artefacts(bundle: Path) -> list[str]:
    from kd2edge.bundle import open_bundle

    artefacts = open_bundle(bundle).manifest.artefacts.values()
    return [one.id for one in artefacts if one.precision == "fp32" and one.status == "ready"]


def compared(model: Model, net: Any, rows: Rows, count: int) -> dict[str, Head]:
    """Both on the same arrays, a batch at a time."""
    heads = {name: Head() for name in model.tasks}
    for start, encoded in batches(model, rows, count):
        arrays = merged(encoded)
        with torch.inference_mode():
            tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
            exact = {name: value.numpy() for name, value in net(tensors).items()}
        said = model.logits(arrays)
        for name, spec in model.tasks.items():
            # A task that rejects by distance decides by two arrays: its logits are compared alone.
            one = replace(spec, decode={}) if prototypes_of(spec) else spec
            compare(one, encoded, (exact[name], said[name]), start, heads[name])
    return heads


def batches(model: Model, rows: Rows, count: int) -> Iterator[tuple[int, Mapping[str, Encoded]]]:
    for start in range(0, count, BATCH):
        chosen = range(start, min(start + BATCH, count))
        values: dict[str, Sequence[Any]] = {
            name: [input_kind(s.kind).value(s, rows[at], rows.root_of(at)) for at in chosen]
            for name, s in model.inputs.items()
        }
        yield start, model.encode(values)


def compare(
    spec: TaskSpec,
    encoded: Mapping[str, Encoded],
    logits: tuple[Floats, Floats],
    start: int,
    head: Head,
) -> None:
    """Add a batch to what is known of a head: PyTorch's logits and the artefact's."""
    rows = np.arange(start, start + len(logits[0]))
    one: Any
    other: Any
    one, other = logits
    if task_kind(spec.kind).per_word:
        starts = encoded[spec.input].word_starts
        assert starts is not None
        one, other = (gather_words(part, starts) for part in logits)
        rows = np.repeat(rows, np.diff(one.offsets))
    decisions = [labels(task_kind(spec.kind).decode(spec, part)) for part in (one, other)]
    values, others = plain(one), plain(other)
    seen = ~np.isnan(values).any(1)  # words that the length limit cut off have no logits
    head.items += int(seen.sum())
    head.error = max(head.error, float(np.abs(values - others)[seen].max(initial=0.0)))
    for at in np.flatnonzero(decisions[0] != decisions[1]):
        head.changed.append((int(rows[at]), gap(values[at])))


def labels(decoded: Decoded) -> npt.NDArray[Any]:
    return plain(decoded.labels)


def plain(values: Any) -> npt.NDArray[Any]:
    return values.values if isinstance(values, Ragged) else values


def gap(logits: Floats) -> float:
    """How far apart the two best logits are; a binary head is decided against 0."""
    if len(logits) == 1:
        return abs(float(logits[0]))
    second, first = np.sort(logits)[-2:]
    return float(first - second)


if __name__ == "__main__":
    main()
