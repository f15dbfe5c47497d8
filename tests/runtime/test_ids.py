"""What ids tell: rounding is no fault, rows that changed places are."""

from __future__ import annotations

import numpy as np
import pytest

from kd2edge.inputs.kind import IdRows
from kd2edge.runtime.ids import id_faults
from kd2edge.runtime.probes import IdOutputs
from kd2edge.tasks.spec import Output

IDS = 400
NOISE = {"fp32": 1e-6, "fp16": 1e-3, "int8": 0.03}


def probed(offset: float = 1.0, spread: float = 1.0) -> IdOutputs:
    random = np.random.default_rng(5)
    logits = random.normal(size=(IDS, 4)) * spread
    template = {"ids": np.array([[1, 0, 2]])}
    return IdOutputs(
        IdRows(template, "ids", 1, IDS),
        {"task": np.eye(4, dtype=np.float32)},
        {"task": np.full(4, offset)},
        {"task": logits.astype(np.float16)},
    )


def faults(ids: IdOutputs, precision: str, change=lambda table: table, noise: float | None = None):
    random = np.random.default_rng(6)
    table = ids.sums["task"].astype(float) + ids.means["task"]
    scale = NOISE[precision] if noise is None else noise
    table = change(table + random.normal(size=table.shape) * scale * ids.sums["task"].std())
    return id_faults(
        ids,
        precision,
        lambda arrays: {"task": table[arrays["ids"][:, 1]]},
        {"task": Output(4, "softmax")},
    )


@pytest.mark.parametrize("precision", NOISE)
@pytest.mark.parametrize("offset", [0.0, 1.0, 50.0])
def test_rounding_is_no_fault(precision: str, offset: float):
    assert faults(probed(offset), precision) == {}


@pytest.mark.parametrize(("precision", "share"), [("fp32", 4e-4), ("int8", 0.03)])
def test_an_id_far_from_all_others_may_be_rounded_as_much_more(precision: str, share: float):
    ids = probed()
    ids.sums["task"][11] = 40.0

    def rounded(table: np.ndarray) -> np.ndarray:
        table[11] *= 1 + share
        return table

    assert faults(ids, precision, rounded) == {}

    def another(table: np.ndarray) -> np.ndarray:
        table[11] = table[12]
        return table

    assert "1 of 400 ids" in faults(ids, precision, another)["task"]


def test_an_artefact_that_rounds_coarsely_everywhere_is_no_fault_of_the_table():
    assert faults(probed(), "int8", noise=0.25) == {}


@pytest.mark.parametrize("precision", NOISE)
@pytest.mark.parametrize("share", [0.005, 0.05, 0.5, 1.0])
def test_rows_that_changed_places_are(precision: str, share: float):
    count = max(2, int(share * IDS))

    def permuted(table: np.ndarray) -> np.ndarray:
        chosen = np.arange(7, 7 + count) % IDS
        table[chosen] = table[np.roll(chosen, 1)]
        return table

    assert "ids" in faults(probed(), precision, permuted)["task"]


@pytest.mark.parametrize("precision", ["int8", "fp16"])
def test_what_all_ids_are_off_by_alike_is_no_fault_of_the_table(precision: str):
    shift = np.array([3.0, -2.0, 0.0, 1.0])
    assert faults(probed(offset=20.0), precision, lambda table: table + shift) == {}
    assert "ids alike" in faults(probed(offset=2.0), precision, lambda table: table + shift)["task"]
    assert (
        "400 of 400 ids" in faults(probed(offset=20.0), "fp32", lambda table: table + shift)["task"]
    )


def heads_of(tables: dict[str, np.ndarray]) -> IdOutputs:
    return IdOutputs(
        IdRows({"ids": np.array([[1, 0, 2]])}, "ids", 1, IDS),
        dict.fromkeys(tables, np.eye(2, dtype=np.float32)),
        dict.fromkeys(tables, np.ones(2)),
        tables,
    )


def heads_faults(ids: IdOutputs, changes: dict[str, np.ndarray]) -> dict[str, str]:
    tables = {task: ids.sums[task] + ids.means[task] + changes[task] for task in ids.sums}
    outputs = dict.fromkeys(tables, Output(2, "softmax"))
    return id_faults(
        ids,
        "int8",
        lambda arrays: {t: one[arrays["ids"][:, 1]] for t, one in tables.items()},
        outputs,
    )


def test_an_id_is_looked_at_in_all_heads():
    random = np.random.default_rng(7)
    tables = {name: random.normal(size=(IDS, 2)) for name in "abcd"}
    ids, still = heads_of(tables), dict.fromkeys(tables, np.zeros((IDS, 2)))
    rounded = np.zeros((IDS, 2))
    rounded[5] = 0.8  # more than is allowed, in one head of four
    assert heads_faults(ids, {**still, "b": rounded}) == {}
    damaged = {name: np.zeros((IDS, 2)) for name in tables}
    for name, change in damaged.items():
        change[5] = tables[name][6] - tables[name][5]
    (fault,) = heads_faults(ids, damaged).values()
    assert "1 of 400 ids" in fault


def test_a_head_that_mixes_up_all_ids_is_named_whatever_the_others_do():
    random = np.random.default_rng(8)
    tables = {name: random.normal(size=(IDS, 2)) for name in "abcdefgh"}
    changes = dict.fromkeys(tables, np.zeros((IDS, 2)))
    changes["c"] = tables["c"][::-1] - tables["c"]
    assert set(heads_faults(heads_of(tables), changes)) == {"c"}


def test_a_pair_is_named_and_a_row_of_zeros_is_no_pair():
    def swapped(table: np.ndarray) -> np.ndarray:
        table[[17, 230]] = table[[230, 17]]
        return table

    def gone(table: np.ndarray) -> np.ndarray:
        table[17] = table[3]
        return table

    pair, zero = (faults(probed(), "int8", change)["task"] for change in (swapped, gone))
    assert "17 and 230 give" in pair or "230 and 17 give" in pair
    assert "2 of 400 ids" in pair
    assert "1 of 400 ids" in zero
    assert "changed places" not in zero


def test_outputs_that_are_not_finite_are_named():
    def broken(table: np.ndarray) -> np.ndarray:
        table[9] = np.nan
        return table

    assert faults(probed(), "int8", broken)["task"] == "its outputs are not finite for the ids 9"


def test_infinity_in_the_logits_is_a_fault_and_no_warning():
    def change(table):
        return np.where(np.arange(IDS)[:, None] % 50 == 0, [np.inf, -np.inf, 0.0, np.nan], table)

    ids = probed()
    mixed = IdOutputs(ids.rows, {"task": np.full((4, 4), 0.5) - np.eye(4)}, ids.means, ids.sums)
    (fault,) = faults(mixed, "int8", change).values()
    assert "not finite" in fault
