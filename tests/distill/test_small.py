"""The small parts: tables, schedules, meter, random state, interruption, precision."""

from __future__ import annotations

import random
import signal
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

import kd2edge.distill
from kd2edge.data import Batch
from kd2edge.distill import Constant, Method, Moment, Schedule, Time
from kd2edge.distill.balance import LossKey
from kd2edge.distill.balance.kinds import BALANCERS
from kd2edge.distill.explosion import Growth
from kd2edge.distill.features import FEATURE_LOSSES, PROJECTORS
from kd2edge.distill.interruption import Interruption
from kd2edge.distill.logits import LOGIT_LOSSES
from kd2edge.distill.meter import Meter
from kd2edge.distill.method import made
from kd2edge.distill.precision import autocast, cpu_has_bf16, precision_of
from kd2edge.distill.random_state import own_randomness, random_state, restore_random_state
from kd2edge.distill.schedule import schedules
from kd2edge.distill.tasks import HARD_LOSSES
from kd2edge.distill.tasks.items import Items
from kd2edge.errors import UsageError
from kd2edge.tasks import TASK_KINDS
from kd2edge.tasks.spec import Output, TaskName, TaskSpec

ONE, TWO = TaskName("one"), TaskName("two")
CPU = torch.device("cpu")


def test_each_loss_and_balancer_has_a_test_of_its_name() -> None:
    here, package = Path(__file__).parent, Path(kd2edge.distill.__file__).parent
    for folder in ("balance", "features", "logits", "schedules", "tasks"):
        methods = {one.stem for one in (package / folder).glob("*.py")} - {"__init__", "kinds"}
        tests = {one.stem.removeprefix("test_") for one in (here / folder).glob("test_*.py")}
        assert methods, folder
        # Items are tested here, with a net's outputs.
        assert methods - {"items"} == tests, folder


def test_every_task_kind_has_a_hard_loss() -> None:
    assert set(HARD_LOSSES) == set(TASK_KINDS)


def test_tables_name_what_recipes_may_name() -> None:
    assert set(LOGIT_LOSSES) == {
        "bounded", "cross_entropy", "dist", "dkd", "kl", "mse", "ranked_probability"
    }  # fmt: skip
    assert set(FEATURE_LOSSES) == {
        "attention_relations", "attention_transfer", "cka", "cosine", "crd", "fsp", "mse",
        "normalised", "queue_similarity", "relational", "similarity",
    }  # fmt: skip
    assert set(PROJECTORS) == {"conv", "linear", "mlp", "none"}
    assert set(BALANCERS) == {
        "aligned_mtl", "cagrad", "dwa", "famo", "geometric", "gradnorm", "imtl_g", "mgda",
        "nash_mtl", "pcgrad", "random", "static", "uncertainty", "upgrad",
    }  # fmt: skip


def test_unknown_methods_and_options_are_named() -> None:
    known = ", ".join(sorted(LOGIT_LOSSES))
    with pytest.raises(UsageError, match=rf"logits of one: 'l2' is not known; .* one of {known}"):
        made("logits of one", LOGIT_LOSSES, Method("l2"))
    with pytest.raises(UsageError, match="beta"):
        made("logits of one", LOGIT_LOSSES, Method("kl", {"beta": 8}), None)


@dataclass(frozen=True)
class Rising(Schedule):
    kind: str = "rising"

    def at(self, moment: Moment) -> float:
        return moment.time.step / moment.time.steps


def moment(task: TaskName) -> Moment:
    batch = Batch(np.arange(2), 0, {}, {}, {}, {})
    spec = TaskSpec(task, "classification", ("a", "b", "c"), "accuracy")
    items = Items(spec, batch, task, Output(3, "softmax"), torch.ones(2, 3), None)
    return Moment(Time(5, 10, 0), items)


def test_schedules_are_asked_by_task() -> None:
    by_task = schedules({ONE: Rising(), TWO: 0.25}, (ONE, TWO))
    assert by_task[ONE].at(moment(ONE)) == 0.5
    assert by_task[TWO].at(moment(TWO)) == 0.25
    assert set(schedules(0.3, (ONE, TWO)).values()) == {Constant(0.3)}


def test_a_task_without_a_value_is_named() -> None:
    with pytest.raises(UsageError, match="found none for two"):
        schedules({ONE: 0.1}, (ONE, TWO))


def test_a_moment_of_a_task_that_nobody_teaches_has_no_teacher_and_no_losses_yet() -> None:
    now = moment(ONE)
    assert now.teacher() is None
    assert now.metric() is None
    assert now.losses() == {}
    assert torch.equal(now.student(), torch.ones(2, 3))


def test_meter_means_over_the_batches_that_have_a_loss() -> None:
    meter = Meter(Growth(None))
    meter.add({LossKey(ONE, "task"): torch.tensor(1.0), LossKey(ONE, "kd"): torch.tensor(5.0)})
    meter.add({LossKey(ONE, "task"): torch.tensor(2.0)})
    again = Meter(Growth(None), meter.sums())
    again.add({LossKey(ONE, "task"): torch.tensor(6.0)})
    assert meter.means() == {ONE: {"task": 1.5, "kd": 5.0}}
    assert again.means() == {ONE: {"task": 3.0, "kd": 5.0}}


def test_meter_keeps_what_schedules_gave_apart_from_losses() -> None:
    meter = Meter(Growth(None))
    meter.add({LossKey(ONE, "kd"): torch.tensor(5.0), LossKey(ONE, "alpha"): torch.tensor(0.25)})
    meter.add({LossKey(ONE, "temperature"): 3.0, LossKey(ONE, "alpha"): 0.75})
    for one in (meter, Meter(Growth(None), meter.sums())):
        assert one.means() == {ONE: {"kd": 5.0}}
        assert one.values() == {ONE: {"alpha": 0.5, "temperature": 3.0}}


def drawn() -> list[float]:
    return [
        torch.rand(1).item(),
        np.random.normal(),  # noqa: NPY002
        random.gauss(0, 1),
    ]


def test_generators_go_on_from_a_saved_state() -> None:
    with own_randomness(5):
        drawn()  # leaves the second of a pair in numpy's and Python's generators
        state = random_state()
        first = [drawn(), drawn()]
        restore_random_state(state)
        assert [drawn(), drawn()] == first


def test_own_randomness_leaves_no_trace() -> None:
    before = random_state()
    with own_randomness(5):
        one = drawn()
    with own_randomness(5):
        assert drawn() == one
    after = random_state()
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_the_first_ctrl_c_waits_and_the_second_acts() -> None:
    with Interruption() as interruption:
        assert not interruption.requested
        signal.raise_signal(signal.SIGINT)
        assert interruption.requested
        assert interruption.exit_code == 130
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_sigterm_ends_with_143_and_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with Interruption() as interruption:
        signal.raise_signal(signal.SIGTERM)
        assert interruption.exit_code == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_other_threads_only_ask_stop() -> None:
    found: list[bool] = []

    def run() -> None:
        with Interruption(lambda: True) as interruption:
            found.append(interruption.requested)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [True]


def test_auto_precision_is_bf16_only_where_the_cpu_has_it() -> None:
    assert precision_of("auto", CPU) == ("bf16" if cpu_has_bf16() else "fp32")
    assert precision_of("bf16", CPU) == "bf16"


def test_unknown_precisions_are_named() -> None:
    with pytest.raises(UsageError, match=r"fp16.*auto, fp32, bf16"):
        precision_of("fp16", CPU)


def test_fp32_leaves_autocast_off() -> None:
    with autocast("fp32", CPU):
        assert not torch.is_autocast_enabled("cpu")
    with autocast("bf16", CPU):
        assert torch.is_autocast_enabled("cpu")
