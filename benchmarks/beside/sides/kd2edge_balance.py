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

from kd2edge.distill.balance import BALANCERS, Balancer
from kd2edge.tasks.spec import TaskName

GIVEN = setting()
FOLDER = Path(GIVEN["folder"])
CPU = torch.device("cpu")
torch.set_num_threads(1)
#: Methods of losses -> the library's class in ``torchjd.scalarization``.
FORMULAS = {
    "dwa": "DWA", "famo": "FAMO", "geometric": "GeometricMean", "random": "Random",
    "uncertainty": "UW",
}  # fmt: skip
_NETS: dict[int, Perceptron] = {}
_CALLS: dict[tuple[str, str, int], Callable[[], None]] = {}


def prepare(count: int) -> None:
    """Write the net of so many tasks, and its data."""
    net = _NETS[count] = Perceptron(count, CPU)
    found = {name: one.contiguous() for name, one in net.state_dict().items()}
    save_file(found, FOLDER / f"net{count}.safetensors")
    np.savez(
        FOLDER / f"data{count}.npz",
        x=net.x.numpy(),
        labels=net.labels.numpy(),
        remembered=_remembered(count).numpy(),
    )


def _remembered(count: int) -> torch.Tensor:
    """What methods with a memory have in it: at their start they would all be the plain sum."""
    return torch.linspace(0.5, 1.5, count)


def _call(who: str, method: str, count: int) -> Callable[[], None]:
    key = (who, method, count)
    if key not in _CALLS:
        net = _NETS[count]
        if who != "torchjd":
            tasks = [TaskName(f"task{at}") for at in range(count)]
            balancer = _balancer(method, tasks)
            _CALLS[key] = lambda: ours(net, balancer, tasks)
        elif method in FORMULAS:
            formula = _formula(method, count)
            _CALLS[key] = lambda: _at_losses(net, formula)
        else:
            made = aggregator_of(method, count)
            _CALLS[key] = lambda: at_parameters(net, made)
    return _CALLS[key]


def _balancer(method: str, tasks: list[TaskName]) -> Balancer:
    given = options(method)
    if "gradients" in given:
        given["gradients"] = "parameters"
    made, memory = BALANCERS[method](tasks, **given), _remembered(len(tasks))
    with torch.no_grad():
        if method == "dwa":
            made.get_buffer("means").copy_(torch.stack([torch.ones_like(memory), memory]))
        elif method == "famo":
            made.get_buffer("logits").copy_(memory)
        elif method == "gradnorm":
            made.get_buffer("weights").copy_(memory)
        elif method == "uncertainty":
            made.get_parameter("log_variance").copy_(memory)
    return made


def _formula(method: str, count: int) -> Callable[[torch.Tensor], torch.Tensor]:
    import torchjd.scalarization

    make, memory = getattr(torchjd.scalarization, FORMULAS[method]), _remembered(count)
    if method == "dwa":
        made = make()
        for losses in (torch.ones_like(memory), memory):  # two epochs of a batch each
            made(losses)
            made.step()
        return made
    if method not in {"famo", "uncertainty"}:
        return make()
    made = make(count)
    with torch.no_grad():
        next(made.parameters()).copy_(memory)
    # Kendall et al. have a half in front of the loss in regression and none in classification;
    # the library always has it, ours never.
    return (lambda losses: 2 * made(losses)) if method == "uncertainty" else made


def _at_losses(net: Perceptron, formula: Callable[[torch.Tensor], torch.Tensor]) -> None:
    net.zero_grad()
    _, losses = net.losses()
    formula(torch.stack(losses)).backward()


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
        "has": lambda method: method in {*AGGREGATORS, *FORMULAS},
    },
    ("kd2edge", "torch", "torchjd"),
)
