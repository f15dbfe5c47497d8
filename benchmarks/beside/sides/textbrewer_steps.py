"""Distillation steps of TextBrewer, the teacher run in every one, or its logits cached in memory.

As its documents have it (README, "Quickstart"): adaptors, ``TrainingConfig``,
``DistillationConfig``, ``GeneralDistiller`` and ``distiller.train`` with AdamW.  ``cached`` is its
``BasicDistiller`` with ``is_caching_logits``.  No checkpoints are written, the loader gives batches
that are padded already: it has less to do than usual.

Its soft loss is the cross entropy, which is larger than the divergence by the entropy of what the
teacher says, a constant; it has no factor of the squared temperature: the weight has.
"""

from __future__ import annotations

from itertools import cycle, islice
from pathlib import Path
from typing import Any

import torch
from serve import serve, setting
from textbrewer import BasicDistiller, DistillationConfig, GeneralDistiller, TrainingConfig
from torch.utils.data import DataLoader

from nets import Batch, Labelled, apart, read_batches, read_given, read_net

GIVEN = setting()
FOLDER = Path(GIVEN["folder"])
CACHED = GIVEN["way"] == "cached"
torch.set_num_threads(1)
torch.manual_seed(0)

BATCHES = read_batches(FOLDER)
TEACHER, STUDENT = (Labelled(read_net(FOLDER, name)) for name in ("teacher", "student"))


def adaptor(batch: Batch, outputs: tuple[torch.Tensor, torch.Tensor]) -> dict[str, Any]:
    """What a distiller reads of a net's outputs."""
    return {"losses": (outputs[0],), "logits": (outputs[1],)}


def _distiller() -> Any:
    how = TrainingConfig(output_dir=str(FOLDER / "textbrewer"), device="cpu", ckpt_frequency=0)
    what = DistillationConfig(
        temperature=GIVEN["temperature"],
        kd_loss_type="ce",
        kd_loss_weight=GIVEN["alpha"] * GIVEN["temperature"] ** 2,
        hard_label_weight=1 - GIVEN["alpha"],
        is_caching_logits=CACHED,
    )
    kind = BasicDistiller if CACHED else GeneralDistiller
    return kind(
        train_config=how, distill_config=what, model_T=TEACHER, model_S=STUDENT,
        adaptor_T=adaptor, adaptor_S=adaptor,
    )  # fmt: skip


DISTILLER = _distiller()
OPTIMIZER = torch.optim.AdamW(
    STUDENT.parameters(), lr=GIVEN["lr"], weight_decay=GIVEN["weight_decay"]
)
_NEXT = cycle(BATCHES)


def steps(count: int) -> int:
    """A whole ``train`` over the next batches: one epoch, or as many as the recipe has.

    The cache is filled at the start of every ``train``: with more epochs it counts for less.
    """
    epochs = GIVEN["epochs"] if CACHED else 1
    some = list(islice(_NEXT, max(1, count // epochs)))
    DISTILLER.logits_cache.clear()  # it would add to what it has
    norm = -1.0 if GIVEN["clip_norm"] is None else GIVEN["clip_norm"]
    with DISTILLER:
        DISTILLER.train(
            OPTIMIZER, DataLoader(some, batch_size=None), num_epochs=epochs, max_grad_norm=norm
        )  # pyright: ignore[reportArgumentType]
    return epochs * len(some)


def loss() -> float:
    """Its loss of the given logits and labels."""
    given = read_given(FOLDER)
    hard = torch.nn.functional.cross_entropy(given["student"], given["labels"])
    said = {"logits": [given["student"]], "losses": [hard]}
    found, _ = DISTILLER.compute_loss(said, {"logits": [given["teacher"]]})
    return float(found.double())


serve(
    {
        "steps": steps,
        "loss": loss,
        "note": lambda: "",
        "apart": lambda: apart(FOLDER, STUDENT.net, TEACHER.net, BATCHES[0]),
    },
    ("textbrewer", "torch", "transformers"),
)
