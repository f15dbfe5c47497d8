"""Whether the nets that learn beside the student can."""

from __future__ import annotations

from collections.abc import Iterator

from kd2edge.recipe.places import Fault, Steps
from kd2edge.recipe.schema import Distill, Peer, Recipe, TokenizerLearned
from kd2edge.recipe.schema.inputs import WordsPart
from kd2edge.recipe.schema.models import models_of

__all__ = [
    "listens",
    "peers_begin_apart",
    "peers_have_names",
    "peers_learn_in_one_phase",
    "peers_of",
    "peers_read",
]

_OWN = frozenset({"student", "baseline", "reference"})


def peers_of(recipe: Recipe) -> Iterator[tuple[Steps, Peer]]:
    """Every peer with its place: of the recipe, or of its phases where there are some."""
    if not recipe.phases:
        yield from _of(recipe.distill, ("distill",))
    for index, phase in enumerate(recipe.phases):
        yield from _of(phase.distill, ("phases", index, "distill"))


def listens(recipe: Recipe) -> bool:
    """Whether the student listens to peers in some part of its training."""
    parts = [phase.distill for phase in recipe.phases] or [recipe.distill]
    return any(one.mutual_weight > 0 for one in parts)


def peers_have_names(recipe: Recipe) -> Iterator[Fault]:
    """Each its own among all models of the run: they stand in one list, and in checkpoints."""
    taken = {one.name for one in recipe.teachers}
    names: list[str] = []
    for steps, peer in _of(recipe.distill, ("distill",)):
        if peer.name in names:
            yield (*steps, "name"), f"the name {peer.name!r} stands twice"
        elif peer.name in taken:
            yield (*steps, "name"), f"the name {peer.name!r} is taken by a teacher"
        elif peer.name in _OWN:
            yield (*steps, "name"), f"the name {peer.name!r} is taken by a model of the run"
        names.append(peer.name)


def peers_begin_apart(recipe: Recipe) -> Iterator[Fault]:
    """Two nets of one model and seed are one net twice: they have nothing to tell each other."""
    mutual, student = recipe.distill.mutual, recipe.student
    if mutual is None:
        return
    begun = [] if student.init is not None else [(student.model, recipe.seed)]
    for index, one in enumerate(zip(mutual.peers, mutual.seeds(recipe.seed), strict=True)):
        peer, seed = one
        if (peer.model, seed) in begun:
            message = (
                f"a net of this model begins with the seed {seed} already, and both would stay the"
                " same: state another one"
            )
            yield ("distill", "mutual", "peers", index, "seed"), message
        begun.append((peer.model, seed))


def peers_learn_in_one_phase(recipe: Recipe) -> Iterator[Fault]:
    """Peers begin with a phase and end with it: in a later one they would know nothing yet."""
    several = [at for at, one in enumerate(recipe.phases) if one.distill.mutual is not None]
    if len(several) > 1:
        first, second = (recipe.phases[at].name for at in several[:2])
        message = (
            f"peers begin anew in each phase, and {first} and {second} both have some: state mutual"
            " in one phase alone, and not under the recipe's own distill"
        )
        yield ("phases", several[1], "distill", "mutual"), message


def peers_read(recipe: Recipe) -> Iterator[Fault]:
    """They read what the student reads; a pretrained table has a row for its own pieces alone."""
    for steps, peer in _of(recipe.distill, ("distill",)):
        for name, model in models_of(peer.model, recipe.inputs).items():
            spec = recipe.inputs[name]
            if getattr(model, "source", None) is None or not isinstance(spec, WordsPart):
                continue
            learned = isinstance(spec.tokenizer, TokenizerLearned)
            if learned or getattr(spec.tokenizer, "vocab", "") == "cut":
                message = (
                    "it starts from pretrained weights, whose table has a row for every piece of"
                    f" their own tokenizer, and the student's is {'learned' if learned else 'cut'}:"
                    " leave its source out, or let the student read that tokenizer, vocab: keep"
                )
                yield (*steps, "model"), message


def _of(distill: Distill, steps: Steps) -> Iterator[tuple[Steps, Peer]]:
    """The peers of one ``distill``, with their places in it."""
    for index, peer in enumerate(distill.peers):
        yield (*steps, "mutual", "peers", index), peer
