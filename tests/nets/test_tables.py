from __future__ import annotations

import subprocess
import sys

import kd2edge.nets
from kd2edge.inputs.kinds import INPUT_KINDS
from kd2edge.nets.backbones import BACKBONES
from kd2edge.nets.features import Widths
from kd2edge.nets.heads import HEADS, head_for
from kd2edge.tasks.kinds import TASK_KINDS
from kd2edge.tasks.outputs import outputs_of
from nets.tiny import LARGER, LEFT, NER


def test_there_is_a_head_for_every_task_kind() -> None:
    assert set(HEADS) == set(TASK_KINDS)


def test_there_is_a_backbone_for_every_input_kind() -> None:
    assert {kind for _, kind in BACKBONES} == set(INPUT_KINDS)


def test_heads_give_as_many_logits_as_their_kind_decodes() -> None:
    for spec in (LEFT, LARGER, NER):
        head = head_for(spec, Widths(4, {"text": 4}), 0.0)
        assert [shape[-1] for shape in head.shapes] == [
            one.channels for one in outputs_of(spec).values()
        ]
        assert [("text.length" in shape) for shape in head.shapes] == [
            one.per == "word" for one in outputs_of(spec).values()
        ]


def test_every_public_name_can_be_had() -> None:
    assert all(hasattr(kd2edge.nets, name) for name in kd2edge.nets.__all__)
    assert kd2edge.nets.__all__ == sorted(kd2edge.nets.__all__)
    assert not hasattr(kd2edge.nets, "no_such_name")


def test_specs_and_sources_come_without_torch() -> None:
    code = (
        "import sys; from kd2edge.nets import ModelSpec, resolve_source;"
        " sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
