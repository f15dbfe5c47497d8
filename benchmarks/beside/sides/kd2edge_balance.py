"""kd2edge's balancers, and TorchJD called directly, on the perceptron of ``balance.py``."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from serve import serve, setting

sys.path.append(str(Path(__file__).resolve().parents[2]))  # of `balance.py` and its neighbours

from balance import AGGREGATORS, Perceptron, aggregator_of, at_parameters, options, ours

from kd2edge.distill.balance import BALANCERS
from kd2edge.distill.balance.scalarized import SCALARIZERS
from kd2edge.tasks.spec import TaskName

GIVEN = setting()
FOLDER = Path(GIVEN["folder"])
CPU = torch.device("cpu")
torch.set_num_threads(1)
_NETS: dict[int, Perceptron] = {}
_CALLS: dict[tuple[str, str, int], Callable[[], None]] = {}


def prepare(count: int) -> None:
    """Write the net of so many tasks, and its data."""
    net = _NETS[count] = Perceptron(count, CPU)
    found = {name: one.contiguous() for name, one in net.state_dict().items()}
    save_file(found, FOLDER / f"net{count}.safetensors")
    np.savez(FOLDER / f"data{count}.npz", x=net.x.numpy(), labels=net.labels.numpy())


def _call(who: str, method: str, count: int) -> Callable[[], None]:
    key = (who, method, count)
    if key not in _CALLS:
        net = _NETS[count]
        if who == "torchjd":
            made = aggregator_of(method, count)
            _CALLS[key] = lambda: at_parameters(net, made)
        else:
            tasks = [TaskName(f"task{at}") for at in range(count)]
            given = {} if method in SCALARIZERS else {**options(method), "gradients": "parameters"}
            balancer = BALANCERS[method](tasks, **given)
            _CALLS[key] = lambda: ours(net, balancer, tasks)
    return _CALLS[key]


def steps(who: str, method: str, count: int, times: int) -> int:
    call = _call(who, method, count)
    for _ in range(times):
        call()
    return times


def gradient(who: str, method: str, count: int, out: str) -> None:
    _call(who, method, count)()
    grads = [one.grad.flatten() for one in _NETS[count].trunk.parameters() if one.grad is not None]
    save_file({"gradient": torch.cat(grads)}, out)


serve(
    {
        "prepare": prepare,
        "steps": steps,
        "gradient": gradient,
        "has": lambda method: method in AGGREGATORS,
    },
    ("kd2edge", "torch", "torchjd"),
)
