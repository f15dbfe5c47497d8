"""From what failed and what did not to where the fault lies.

Golden arrays pass by the preprocessing, golden raw values go through it, rows come from elsewhere
and are held against another file: no two of them share all their causes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kd2edge.validate.golden import IDS, OUTPUTS, RAW, RAW_OUTPUTS
from kd2edge.validate.validation import Check, TaskResult

__all__ = ["LACKING", "cause"]

#: Where the fault lies when nothing but rows without an input are wrong.
LACKING = (
    "how the graph tells that an input is absent: with every input that rows have it is right; it "
    "reads its `<input>_present` otherwise than PyTorch does, or what stands in the input's place"
)
_SWAPPED = (
    "heads are swapped: the graph's outputs, or the manifest's tasks, bear each other's names"
)
_PREPROCESSING = (
    "preprocessing: the tokenizer file, the manifest's options or this kd2edge make other arrays of"
    " raw values than training did"
)
_STALE = (
    "{} is stale, of another student or changed since: what else is PyTorch's comes out right;"
    " export the run again"
)
_TABLE = (
    "the embedding table: its rows for these ids are not the trained ones (permuted, cut or"
    " damaged); export the run again"
)
_GRAPH = (
    "the graph, its weights, the runtime or this CPU compute something else, whatever the rows are;"
    " does another artefact come out right? Else export the run again"
)
_ROWS = (
    "golden inputs come out right, so graph, weights and runtime are those of training: the rows"
    " are read or encoded otherwise than then, or the stored reference is of another student"
)


def cause(
    checks: Sequence[Check], number_faults: Sequence[str], tasks: Mapping[str, TaskResult]
) -> str:
    """Where the fault lies, as far as the checks tell; "" when nothing failed or nothing tells.

    Args:
        checks: of levels 1 and 5.
        number_faults: heads that miss PyTorch's logits for rows.
        tasks: level 3.
    """
    failed = {check.name for check in checks if check.status == "failed"}
    looked = {check.name for check in checks if check.status in {"ok", "failed"}}
    if any("heads are swapped" in check.detail for check in checks):
        return _SWAPPED
    if any("is of another student" in check.detail for check in checks):
        return _STALE.format("golden/probes.npz")
    if RAW in failed:
        return _PREPROCESSING
    wrong = bool(number_faults)
    golden = failed & {OUTPUTS, RAW_OUTPUTS, IDS}
    if not golden:
        is_right = bool(looked & {OUTPUTS, RAW_OUTPUTS})
        return _ROWS if wrong and is_right else ""
    if golden == {IDS}:
        return _TABLE
    if wrong:
        return _GRAPH
    right = looked & {OUTPUTS, RAW_OUTPUTS} - failed
    if OUTPUTS in golden and (right or _are_right(tasks)):
        return _STALE.format("golden/golden.npz")
    if OUTPUTS in looked and _are_right(tasks):
        return _STALE.format("golden/probes.npz")
    return _GRAPH


def _are_right(tasks: Mapping[str, TaskResult]) -> bool:
    """Whether the rows' decisions were measured, and none was lost."""
    return bool(tasks) and all(part.verdict in {"pass", "undecided"} for part in tasks.values())
