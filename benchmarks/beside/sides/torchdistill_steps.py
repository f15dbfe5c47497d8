"""Distillation steps of torchdistill, the teacher run in every one.

As its documents have it (README, ``examples/``): ``get_distillation_box`` with a configuration, its
data loader, ``forward_process``, ``post_forward_process`` for each batch, ``loss.item()`` for the
log.  The loss is its ``KDLoss``, the optimiser AdamW with the recipe's clipping.  The loader gives
batches that are padded already: it has less to do than usual.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import torch
from serve import serve, setting
from torch.utils.data import Dataset, SequentialSampler

from nets import Batch, apart, read_batches, read_given, read_net

GIVEN = setting()
FOLDER = Path(GIVEN["folder"])
torch.set_num_threads(1)
torch.manual_seed(0)


#: Operators of torchvision 0.28 that its import registers something for, whether they are there or
#: not.
_OPERATORS = ("nms", "qnms")


def _import_torchvision() -> str:
    """Have torchvision importable where its compiled half does not fit a CPU build of torch.

    torchdistill imports it for models of pictures; none of its operators is run here.

    Returns:
        What was done about it; "" where it is whole.
    """
    try:
        import torchvision  # noqa: F401
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
    else:
        return ""
    for name in [one for one in sys.modules if one.partition(".")[0] == "torchvision"]:
        del sys.modules[name]  # those that were read before it failed
    library = torch.library.Library("torchvision", "DEF")
    for name in _OPERATORS:
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _DECLARED.append(library)
    return f"torchvision's {', '.join(_OPERATORS)} are declared, not compiled; nothing runs them"


_DECLARED: list[Any] = []
TORCHVISION = _import_torchvision()

from torchdistill.core.distillation import get_distillation_box  # noqa: E402
from torchdistill.losses.mid_level import KDLoss  # noqa: E402


class Batches(Dataset):  # pyright: ignore[reportMissingTypeArgument]
    """Every batch of the recipe as one item: what the nets read, and the labels."""

    def __init__(self, batches: list[Batch]) -> None:
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches)

    def __getitem__(self, at: int) -> tuple[Batch, torch.Tensor]:
        batch = self._batches[at]
        return {k: v for k, v in batch.items() if k != "labels"}, batch["labels"]


BATCHES = read_batches(FOLDER)
KD = {
    "student_module_path": ".", "student_module_io": "output",
    "teacher_module_path": ".", "teacher_module_io": "output",
    "temperature": GIVEN["temperature"], "alpha": 1 - GIVEN["alpha"], "reduction": "batchmean",
}  # fmt: skip


def _box() -> Any:
    process = "forward_batch_only_as_kwargs"
    optimizer = {
        "key": "AdamW",
        "kwargs": {"lr": GIVEN["lr"], "weight_decay": GIVEN["weight_decay"]},
        "max_grad_norm": GIVEN["clip_norm"],
    }
    terms = {"kd": {"criterion": {"key": "KDLoss", "kwargs": KD}, "weight": 1.0}}
    config = {
        "num_epochs": 1,
        "train_data_loader": {
            "dataset_id": "train",
            "sampler": {"class_or_func": SequentialSampler},
            "kwargs": {"batch_size": None, "num_workers": 0},
        },
        "teacher": {"forward_proc": process, "requires_grad": False},
        "student": {"forward_proc": process},
        "optimizer": optimizer,
        "criterion": {"key": "WeightedSumLoss", "kwargs": {"sub_terms": terms}},
    }
    made = get_distillation_box(
        read_net(FOLDER, "teacher"), read_net(FOLDER, "student"), {"train": Batches(BATCHES)},
        config, torch.device("cpu"), None, False, 1,
    )  # fmt: skip
    made.pre_epoch_process(epoch=0)
    return made


BOX = _box()


def _endless() -> Iterator[Any]:
    """The box's loader, epoch after epoch."""
    return chain.from_iterable(repeat(BOX.train_data_loader))


_NEXT = _endless()


def steps(count: int) -> int:
    for _ in range(count):
        sample, targets, more = next(_NEXT)
        loss = BOX.forward_process(sample, targets=targets, supp_dict=more)
        BOX.post_forward_process(loss=loss)
        loss.item()
    return count


def loss() -> float:
    """Its loss of the given logits and labels."""
    given = read_given(FOLDER)
    sides = [{".": {"output": given[name]}} for name in ("student", "teacher")]
    return float(KDLoss(**KD)(*sides, given["labels"]).double())


serve(
    {
        "steps": steps,
        "loss": loss,
        "note": lambda: TORCHVISION,
        "apart": lambda: apart(FOLDER, BOX.student_model, BOX.teacher_model, BATCHES[0]),
    },
    ("torchdistill", "torch", "torchvision", "transformers"),
)
