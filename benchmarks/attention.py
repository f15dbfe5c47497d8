"""A training step of a text encoder on a CPU in bf16: torch's fused attention, or plain products.

Forward, backward and an optimiser's step of an encoder alone, without any head or data.  Where the
CPU has no bf16 nothing is measured: students and teachers are trained in fp32 there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from recording import parser, record
from timing import interleaved, ratio
from transformers import ElectraConfig, ElectraModel

from kd2edge.distill.precision import autocast, cpu_has_bf16
from kd2edge.nets.backbones import attention

_CPU = torch.device("cpu")
_WAYS = {"fused": "sdpa", "plain": attention.NAME}
STUDENT: Mapping[str, Any] = {
    "embedding_size": 64, "hidden_size": 192, "num_hidden_layers": 3, "num_attention_heads": 6,
    "intermediate_size": 768, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0,
}  # fmt: skip
#: As MiniLM-L6; it drops some weights of the attention, for which torch has no fused way.
TEACHER: Mapping[str, Any] = {
    "embedding_size": 384, "hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12,
    "intermediate_size": 1536,
}  # fmt: skip
#: Encoder, rows and positions of a batch.
SHAPES = (
    ("student", 128, 18),
    ("student", 64, 80),
    ("student", 16, 256),
    ("teacher", 32, 18),
    ("teacher", 64, 80),
)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--rounds", type=int, default=7)
    given = arguments.parse_args()
    if not cpu_has_bf16():
        raise SystemExit("not_run: this CPU has no bf16 instructions")
    torch.set_num_threads(1)
    found: list[dict[str, Any]] = []
    for name, rows, positions in SHAPES:
        calls = {way: step(name, kind, rows, positions) for way, kind in _WAYS.items()}
        times = interleaved(calls, rounds=given.rounds, warm=1)
        found.append(
            {
                "encoder": name,
                "rows": rows,
                "positions": positions,
                "times": {way: one.to_json() for way, one in times.items()},
                "ratio": ratio(times["fused"], times["plain"]),
            }
        )
        print(f"{name}, {rows} x {positions}: plain products {found[-1]['ratio']:.2f}x as fast")
    record("attention", {"threads": 1, "steps": found}, given.out, ["torch", "transformers"])


def step(name: str, kind: str, rows: int, positions: int) -> Callable[[], None]:
    """A training step; a third of every second row is padding."""
    config = ElectraConfig(vocab_size=1000, **(STUDENT if name == "student" else TEACHER))
    config._attn_implementation = kind
    net = ElectraModel(config).train()
    optimizer = torch.optim.AdamW(net.parameters(), fused=True)
    ids = torch.randint(1000, (rows, positions))
    bias = torch.zeros(rows, 1, 1, positions)
    bias[::2, :, :, positions * 2 // 3 :] = -1e4

    def take() -> None:
        with autocast("bf16", _CPU):
            found = net(input_ids=ids, attention_mask=bias).last_hidden_state
        found.float().square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()

    return take


if __name__ == "__main__":
    main()
