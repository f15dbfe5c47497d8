"""A step of nets that learn from the same rows, each from all the others too.

Deep mutual learning (Zhang et al. 2018, 1706.00384): net ``k`` of ``K`` learns by

    L_k = L_own_k + mutual / (K - 1) * sum over l != k of KL(p_l || p_k),

where what the others say is a constant to it.  Here all nets answer first, then each learns: what
they hear is what was said before any of them changed.  The paper updates one net after the other,
and asks those that changed again: one more forward pass a net and step, and what comes of it hangs
on their order.  A net alone is a cohort of one, and its step is the plain one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from torch import Tensor

from kd2edge.distill.balance import LossKey
from kd2edge.distill.objective import Terms, Told
from kd2edge.distill.step import Answer, Stepper, Turn

#: Name of a net -> something of it; "" is the student, all others are its peers.
Steppers = Mapping[str, Stepper]
Turns = Mapping[str, Turn]


class Exchange(NamedTuple):
    """What nets say of the same rows, and their losses, by name.

    Args:
        answers: of each.
        heard: what each is told by all others.
        terms: its losses.
    """

    answers: Mapping[str, Answer]
    heard: Mapping[str, Sequence[Told]]
    terms: Mapping[str, Terms]

    def raw(self) -> dict[LossKey, Tensor | float]:
        """All losses, neither weighted nor balanced, and what schedules gave.

        Each net's own come first: where what one says is not finite, nor is what others make of it.
        """
        found = {
            key._replace(peer=name): loss
            for name, terms in self.terms.items()
            for key, loss in terms.raw.items()
        }
        return dict(sorted(found.items(), key=lambda one: one[0].kind == "mutual"))


def losses_together(steppers: Steppers, turns: Turns) -> Exchange:
    """The losses of nets that learn from the same rows; nothing is changed.

    Args:
        steppers: the nets.
        turns: the same rows, as each of them reads them.

    Raises:
        DataError: nets that do not see the same items.
    """
    answers = {name: one.answer(turns[name]) for name, one in steppers.items()}
    told: dict[str, Told] = {}
    if len(steppers) > 1:
        told = {name: one.told(answers[name], turns[name]) for name, one in steppers.items()}
    heard = {name: [said for other, said in told.items() if other != name] for name in steppers}
    terms = {
        name: one.terms(answers[name], turns[name], heard[name]) for name, one in steppers.items()
    }
    return Exchange(answers, heard, terms)


def take_together(
    steppers: Steppers,
    turns: Turns,
    look: Callable[[Mapping[LossKey, Tensor | float]], None] | None = None,
) -> Mapping[LossKey, Tensor | float]:
    """Let nets learn from the same rows; their losses, neither weighted nor balanced.

    Beside them stands what schedules gave (``Terms.raw``).

    Args:
        steppers: the nets.
        turns: the same rows, as each of them reads them.
        look: called with the losses once all gradients are there, neither clipped nor used.

    Raises:
        DataError: nets that do not see the same items.
    """
    found = losses_together(steppers, turns)
    taught = {
        name: one.backward(found.terms[name].terms, turns[name]) for name, one in steppers.items()
    }
    losses = found.raw()
    if look is not None:
        look(losses)
    for name, one in steppers.items():
        if not taught[name]:
            continue
        one.update(turns[name])
        drawn = found.answers[name].drawn
        if drawn is not None:
            one.look_again(drawn, turns[name], found.heard[name], taught[name])
    return losses
