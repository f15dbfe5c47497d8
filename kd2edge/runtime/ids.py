"""Whether every row of the embedding table is still the one that was trained.

Each id is asked for alone among control tokens: whatever the student makes of a row of its table
then shows in its logits, in a net that only counts words too, and far above what int8 rounds away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kd2edge.runtime.probes import IdOutputs
from kd2edge.tasks.spec import Output

__all__ = ["id_faults", "summed"]

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Run = Callable[[dict[str, Array]], Mapping[str, Array]]

#: How far an id's logits may be off, as a share of how far ids' logits lie apart, or of how far it
#: lies from their mean.  Two ids that change places are off by 1.4; clean int8 artefacts by 0.43 at
#: most, by 0.09 at the median id (decision 14).
_APART: Mapping[str, float] = {"fp32": 0.01, "fp16": 0.1, "bf16": 0.3, "int8": 0.45}
#: Or by this many times what the artefact rounds away at its median id.
_TIMES = 6.0
#: All ids together, where they matter, and what all of them are off by alike: by this share.
_ALL = 0.5
#: Ids matter where their logits lie this far apart, as a share of the logits' own size.
_MATTER = 0.1
#: Rows in one run.
_BATCH = 64
#: Ids that a message names.
_NAMED = 6
#: Error of a logit that an fp32 artefact may have.
_ROUNDING = 2e-4


def summed(output: Output, logits: Array, slot: int, mix: Array) -> Floats:
    """Sums of the logits of rows ``[row, k]``; of words those at the ids' own place.

    Args:
        output: what the array is.
        logits: ``[row, ..., C]``; of a map the mean of all places counts.
        slot: the ids' place.
        mix: ``[C, k]``.
    """
    rows = logits[:, slot] if output.per == "word" else logits
    rows = rows if rows.ndim == 2 else rows.reshape(len(rows), -1, rows.shape[-1]).mean(axis=1)
    with np.errstate(invalid="ignore", over="ignore"):  # infinity less infinity is looked for
        return rows.astype(np.float64) @ mix.astype(np.float64)


def id_faults(
    probed: IdOutputs, precision: str, run: Run, outputs: Mapping[str, Output]
) -> dict[str, str]:
    """Array -> what is wrong with it over all ids; nothing of arrays that are right.

    Args:
        probed: PyTorch's, for all ids.
        precision: of the artefact.
        run: from the graph's arrays to its outputs.
        outputs: what each array of the heads is.
    """
    parts: dict[str, list[Floats]] = {task: [] for task in probed.sums}
    faults: dict[str, str] = {}
    for start in range(0, probed.rows.size, _BATCH):
        given = run(probed.rows.rows(start, min(start + _BATCH, probed.rows.size)))
        for task, found in parts.items():
            mix = probed.mixes[task]
            if task in given and task in outputs and given[task].shape[-1] == len(mix):
                found.append(summed(outputs[task], given[task], probed.rows.slot, mix))
            else:
                faults[task] = f"no output of {len(mix)} logits, as PyTorch has"
    heads = {
        task: _Head.of(probed.sums[task], np.concatenate(found) - probed.means[task], mean)
        for task, found in parts.items()
        if task not in faults
        for mean in [probed.means[task]]
    }
    for task, head in heads.items():
        faults[task] = head.not_finite()
    sound = {task: head for task, head in heads.items() if not faults[task]}
    # An fp32 graph claims to be PyTorch's own in each head.  What is rounded away differs from head
    # to head; a row of the table that is wrong is wrong in all of them.
    groups = [[task] for task in sound] if precision == "fp32" else [[*sound]] if sound else []
    for group in groups:
        off = {task: sound[task].off() for task in group}
        fault, worst = _fault([sound[task] for task in group], precision)
        faults[max(group, key=lambda task: off[task][worst])] = fault
    for task, head in sound.items():
        faults[task] = faults[task] or head.together(precision)
    return {task: fault for task, fault in faults.items() if fault}


@dataclass(frozen=True, slots=True)
class _Head:
    """What one head makes of all ids, in units of how far they lie apart, or matter.

    Args:
        wanted: PyTorch's ``[id, k]``, less their mean.
        found: the artefact's, less PyTorch's mean.
        spread: RMS of how far ids lie apart, in logits.
        size: RMS of the mean, in logits.
        unit: what both were divided by.
    """

    wanted: Floats
    found: Floats
    spread: float
    size: float
    unit: float

    @staticmethod
    def of(wanted: Array, found: Floats, mean: Array) -> _Head:
        """From sums in logits."""
        own = wanted.astype(np.float64)
        spread, size = (float(np.sqrt(np.mean(np.square(one)))) for one in (own, mean))
        unit = max(spread, _MATTER * size, 1e-6)
        return _Head(own / unit, found / unit, spread, size, unit)

    def alike(self) -> Floats:
        """What all ids are off by ``[k]``: the other values in their rows are rounded, too."""
        return np.median(self.found - self.wanted, axis=0)

    def off(self) -> Floats:
        """How far each id is off ``[id]``, beside what all are."""
        return _apart(self.found - self.wanted - self.alike())

    def not_finite(self) -> str:
        """Which ids give NaN or infinity; "" when none does."""
        bad = np.flatnonzero(~np.isfinite(self.found).all(-1))
        return f"its outputs are not finite for the ids {_listed(bad)}" if len(bad) else ""

    def together(self, precision: str) -> str:
        """What is wrong over all ids; "" when nothing is."""
        if precision == "fp32":  # no id of which may be off by that much
            return ""
        alike = float(_apart(self.alike())) * self.unit / max(self.spread, self.size, 1e-6)
        if alike > _ALL:
            return f"all ids alike give logits that are off by {alike:.2g} of their size"
        # Of an id far from all others more is rounded away, too.
        shares = self.off() / np.maximum(1.0, _apart(self.wanted))
        all_off = float(np.sqrt(np.mean(np.square(shares))))
        if all_off > _ALL and self.spread > _MATTER * self.size:
            return (
                f"all ids together give logits that are off by {all_off:.2g} of how far ids lie"
                f" apart, {_ALL:g} is allowed"
            )
        return ""


def _fault(heads: Sequence[_Head], precision: str) -> tuple[str, int]:
    """What is wrong with single ids, looked at in all ``heads``; and the id furthest off."""
    wanted = np.concatenate([head.wanted for head in heads], axis=1)
    found = np.concatenate([head.found for head in heads], axis=1)
    allowed = _APART.get(precision, _APART["int8"])
    if precision != "fp32":
        found = found - np.concatenate([head.alike() for head in heads])
    off = _apart(found - wanted) / np.maximum(1.0, _apart(wanted))
    if precision == "fp32":
        allowed = max(allowed, *(_ROUNDING / head.unit for head in heads))
    else:
        allowed = max(allowed, _TIMES * float(np.median(off)))
    worst = int(np.argmax(off))
    bad = np.flatnonzero(off > allowed)
    if not len(bad):
        return "", worst
    bad = bad[np.argsort(-off[bad], kind="stable")]
    return (
        f"{len(bad):,} of {len(off):,} ids give other logits than PyTorch's, by up to"
        f" {off.max():.2g} of how far ids lie apart, {allowed:.2g} is allowed:"
        f" {_listed(bad)}{_swapped(wanted, found, bad)}"
    ), worst


def _listed(ids: Array) -> str:
    more = f" and {len(ids) - _NAMED:,} more" if len(ids) > _NAMED else ""
    return ", ".join(str(one) for one in ids[:_NAMED]) + more


def _swapped(wanted: Floats, found: Floats, ids: Array) -> str:
    """Whether the worst of them and another one give what PyTorch gives for each other."""
    one = int(ids[0])
    other = int(np.argmin(_apart(wanted - found[one])))
    if other == one or not _fits(wanted, found, one, other) or not _fits(wanted, found, other, one):
        return ""
    return f"; the ids {one} and {other} give each other's: rows of the table changed places"


def _fits(wanted: Floats, found: Floats, one: int, other: int) -> bool:
    """Whether what ``one`` gives is PyTorch's for ``other``, and far from PyTorch's for itself."""
    own, others = _apart(np.stack([wanted[one], wanted[other]]) - found[one])
    return bool(others < 0.2 * own)


def _apart(differences: Floats) -> Floats:
    return np.sqrt(np.mean(np.square(differences), axis=-1))
