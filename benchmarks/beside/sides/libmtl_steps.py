"""LibMTL's weightings on a perceptron: from losses to the gradients of what is shared.

As its ``Trainer`` does it (version 1.1.5): an architecture and a weighting in one class, losses in
one tensor, ``zero_grad``, ``backward``.  Its package imports a function of torchvision that is gone
since 0.13, for models of pictures; so its ``weighting`` and ``architecture`` are imported alone.
It writes into gradients that ``zero_grad`` left there, as torch did before 2.0: it is asked to.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from serve import serve, setting
from torch import nn

GIVEN = setting()
FOLDER = Path(GIVEN["folder"])
torch.set_num_threads(1)


def _package() -> None:
    """The package without what its ``__init__`` imports."""
    found = importlib.util.find_spec("LibMTL")
    assert found is not None
    assert found.submodule_search_locations is not None
    bare = ModuleType("LibMTL")
    bare.__path__ = list(found.submodule_search_locations)
    sys.modules["LibMTL"] = bare


_package()

from LibMTL import weighting  # noqa: E402
from LibMTL.architecture.HPS import HPS  # noqa: E402

#: Ours -> its class and the arguments that its documents have.
METHODS: dict[str, tuple[str, dict[str, Any]]] = {
    "cagrad": ("CAGrad", {"calpha": 0.4, "rescale": 0}),
    "dwa": ("DWA", {"T": 2.0}),
    "geometric": ("GLS", {}),
    "gradnorm": ("GradNorm", {"alpha": 1.5}),
    "imtl_g": ("IMTL", {}),
    "mgda": ("MGDA", {"mgda_gn": "none"}),
    "pcgrad": ("PCGrad", {}),
    "random": ("RLW", {"dist": "Normal"}),
    "uncertainty": ("UW", {}),
}
_MADE: dict[tuple[str, int], Any] = {}


def _model(method: str, count: int) -> Any:
    key = (method, count)
    if key not in _MADE:
        name, _ = METHODS[method]
        parts = load_file(FOLDER / f"net{count}.safetensors")

        def trunk() -> nn.Module:
            """The layers that all heads share."""
            layers: list[nn.Module] = []
            for at in sorted({int(one.split(".")[1]) for one in parts if one.startswith("trunk")}):
                rows, columns = parts[f"trunk.{at}.weight"].shape
                layers += [nn.Linear(columns, rows), nn.Tanh()]
            made = nn.Sequential(*layers)
            made.load_state_dict(
                {k.removeprefix("trunk."): v for k, v in parts.items() if k.startswith("trunk.")}
            )
            return made

        heads = nn.ModuleDict()
        for at in range(count):
            rows, columns = parts[f"heads.{at}.weight"].shape
            heads[str(at)] = nn.Linear(columns, rows)
            heads[str(at)].load_state_dict(
                {one: parts[f"heads.{at}.{one}"] for one in ("weight", "bias")}
            )
        kind = type(
            "Model",
            (HPS, getattr(weighting, name)),
            {"zero_grad_share_params": lambda self: self.encoder.zero_grad(set_to_none=False)},
        )
        model = kind([*heads], trunk, heads, False, False, torch.device("cpu"))
        model.init_param()
        _remember(model, method, count)
        _MADE[key] = model
    return _MADE[key]


def _remember(model: Any, method: str, count: int) -> None:
    """What a method with a memory has in it, as the other sides have; the epoch it is asked in."""
    with np.load(FOLDER / f"data{count}.npz", allow_pickle=False) as arrays:
        memory = arrays["remembered"]
    model.epoch = 2
    # A column an epoch.
    model.train_loss_buffer = np.stack([np.ones_like(memory), memory], 1)
    with torch.no_grad():
        if method == "uncertainty":
            model.loss_scale.copy_(torch.from_numpy(memory))
        elif method == "gradnorm":  # its weights are K times a softmax of these
            model.loss_scale.copy_(torch.from_numpy(memory).log())


def _data(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    with np.load(FOLDER / f"data{count}.npz", allow_pickle=False) as arrays:
        return torch.from_numpy(arrays["x"]), torch.from_numpy(arrays["labels"])


def _step(method: str, count: int, x: torch.Tensor, labels: torch.Tensor) -> Any:
    model = _model(method, count)
    said = model(x)
    losses = torch.zeros(count)
    for at, task in enumerate(model.task_name):
        losses[at] = nn.functional.cross_entropy(said[task], labels[at])
    if method == "uncertainty":  # it halves the losses, which ours does not
        losses = 2 * losses
    model.zero_grad(set_to_none=False)
    model.backward(losses, **METHODS[method][1])
    return model


def steps(method: str, count: int, times: int) -> int:
    x, labels = _data(count)
    for _ in range(times):
        _step(method, count, x, labels)
    return times


def gradient(method: str, count: int, out: str) -> None:
    model = _step(method, count, *_data(count))
    grads = [one.grad.flatten() for one in model.encoder.parameters()]
    save_file({"gradient": torch.cat(grads)}, out)


serve(
    {"steps": steps, "gradient": gradient, "has": lambda method: method in METHODS},
    ("LibMTL", "torch", "scipy"),
)
