"""Layers of a transformer beside those of another that start them, and where each keeps what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, cast

from torch import nn

from kd2edge.errors import UsageError
from kd2edge.nets.net import Net, encoder_specs
from kd2edge.student.embeddings import worded
from kd2edge.student.layers import matched_layers

__all__ = ["FIRST_NORM", "Form", "Pair", "paired_layers", "require_at_most"]

#: The norm behind the tables.
FIRST_NORM = "embeddings.LayerNorm"


class Form(NamedTuple):
    """Where a layer keeps its attention, its matrices, and the norms behind its two halves."""

    attention: str
    query: str
    key: str
    value: str
    out: str
    middle_norm: str
    up: str
    down: str
    norm: str


_FORMS = (
    Form(  # BERT, ELECTRA
        attention="attention.self",
        query="attention.self.query",
        key="attention.self.key",
        value="attention.self.value",
        out="attention.output.dense",
        middle_norm="attention.output.LayerNorm",
        up="intermediate.dense",
        down="output.dense",
        norm="output.LayerNorm",
    ),
    Form(  # DistilBERT
        attention="attention",
        query="attention.q_lin",
        key="attention.k_lin",
        value="attention.v_lin",
        out="attention.out_lin",
        middle_norm="sa_layer_norm",
        up="ffn.lin1",
        down="ffn.lin2",
        norm="output_layer_norm",
    ),
)


@dataclass(frozen=True, slots=True)
class Pair:
    """A layer of the student and the one of the teacher that starts it.

    Args:
        ours: the student's.
        theirs: the teacher's.
        form: of both.
        path: of the student's layer in its backbone.
        place: of the teacher's in its own.
        before: of the teacher's norm whose output its layer reads.
        head: size of a head, in both.
    """

    ours: nn.Module
    theirs: nn.Module
    form: Form
    path: str
    place: str
    before: str
    head: int

    def at(self, part: str) -> str:
        """Where something of the teacher's layer is in its backbone."""
        return f"{self.place}.{part}"

    @property
    def units(self) -> tuple[int, int]:
        """Hidden units of the student's layer and of the teacher's."""
        ours, theirs = self.linears(self.form.up)
        return ours.out_features, theirs.out_features

    @property
    def cuts_units(self) -> bool:
        """Whether the teacher has more of them."""
        return self.units[0] < self.units[1]

    def linears(self, part: str) -> tuple[nn.Linear, nn.Linear]:
        """The student's matrix and the teacher's."""
        ours, theirs = self.ours.get_submodule(part), self.theirs.get_submodule(part)
        return cast("nn.Linear", ours), cast("nn.Linear", theirs)


def paired_layers(
    student: Net, teacher: Net, layers: Sequence[int] | str
) -> tuple[list[Pair], list[int]]:
    """The student's first layers with those of the teacher, and which these are.

    Raises:
        UsageError: layers that are not there, of different forms or activations, with heads of
            another size, or with more heads or units than the teacher's.
    """
    path, ours, theirs, taken = matched_layers(student, teacher, layers)
    ends = [_activation(net) for net in (student, teacher)]
    if ends[0] != ends[1]:
        raise UsageError(
            f"init by channels: the student's activation is {ends[0]}, the teacher's {ends[1]};"
            " state the teacher's"
        )
    pairs: list[Pair] = []
    for at, source in enumerate(taken):
        form = _form(ours[at], theirs[source], at, source)
        before = f"{path[1]}.{source - 1}.{form.norm}" if source else FIRST_NORM
        head = _head(ours[at], theirs[source], form)
        places = (f"{path[0]}.{at}", f"{path[1]}.{source}", before)
        pairs.append(Pair(ours[at], theirs[source], form, *places, head))
        require_at_most("intermediate_size", *pairs[-1].units)
    return pairs, taken


def require_at_most(what: str, ours: int, theirs: int) -> None:
    """Refuse a student that is larger than what starts it."""
    if ours > theirs:
        raise UsageError(
            f"init by channels: the student's {what} is {ours}, the teacher's {theirs}: expected"
            f" {theirs} at most"
        )


def _form(ours: nn.Module, theirs: nn.Module, at: int, source: int) -> Form:
    names = set(ours.state_dict())
    if names == set(theirs.state_dict()):
        for form in _FORMS:
            if f"{form.query}.weight" in names:
                return form
    raise UsageError(
        f"init by channels: the student's layer {at} and the teacher's layer {source} are of"
        " different forms; let both nets be bert or electra, or both distilbert"
    )


def _head(ours: nn.Module, theirs: nn.Module, form: Form) -> int:
    """Size of a head, the same in both: heads are kept whole."""
    counts = [_heads(layer.get_submodule(form.attention)) for layer in (ours, theirs)]
    widths = [
        cast("nn.Linear", layer.get_submodule(form.query)).out_features for layer in (ours, theirs)
    ]
    sizes = [width // count for width, count in zip(widths, counts, strict=True)]
    if sizes[0] != sizes[1]:
        raise UsageError(
            f"init by channels: the student's heads are {sizes[0]} wide, the teacher's {sizes[1]},"
            f" and are kept whole; let hidden_size / num_attention_heads be {sizes[1]}"
        )
    return sizes[0]


def _heads(attention: nn.Module) -> int:
    return int(getattr(attention, "num_attention_heads", 0) or getattr(attention, "n_heads", 0))


def _activation(net: Net) -> str:
    name, _ = worded(net, "net")
    config = encoder_specs(net.model, net.inputs)[name].config
    return str(config.get("hidden_act", config.get("activation")))
