"""How much of a student was started from what: each of its parameters is counted once."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from kd2edge.nets.net import Net, encoder_specs
from kd2edge.student.mapped import Mapped

#: An item of a list of layers, somewhere in a path.
_ITEM = re.compile(r"(?:^|\.)(layer|layers|stages)\.(\d+)(?:\.|$)")

#: What kind of part a parameter stands in (``layer``, ``embeddings``, or none), and which.
_Group = tuple[str, str]
#: Owner of numbers that start from chance, and of those that a model's own folder gives.
_CHANCE, _SOURCE = "", "source"


@dataclass(frozen=True, slots=True)
class StartedPart:
    """What one mapping started.

    Args:
        what: parts of the student, as a person says them: ``layers 0-2``.
        parameters: that were started.
        origin: what they were started from.
        how: the mapping's name; ``source`` for weights that a model names itself.
        explained: see :class:`Mapped`; None: known once the teacher is.
    """

    what: str
    parameters: int
    origin: str
    how: str
    explained: float | None


@dataclass(frozen=True, slots=True)
class Start:
    """What a student starts as.

    Args:
        parameters: that it has.
        parts: those that were started from something, by mapping.
        fresh: part -> how many parameters start from chance.
    """

    parameters: int
    parts: tuple[StartedPart, ...]
    fresh: Mapping[str, int]

    @property
    def started(self) -> int:
        """How many parameters do not start from chance."""
        return sum(part.parameters for part in self.parts)

    def to_json(self) -> dict[str, Any]:
        """JSON values."""
        return {**asdict(self), "started": self.started}

    def lines(self) -> list[str]:
        """For a terminal: what was started, a line a mapping, and what was not."""
        if not self.parts:
            return [f"all {self.parameters:,} parameters from chance"]
        fresh = [f"{name} {self._share(count)}" for name, count in self.fresh.items()]
        return [
            f"{self._share(self.started)} of {self.parameters:,} parameters",
            *(f"{self._share(one.parameters)} {_said(one)}" for one in self.parts),
            *([f"from chance: {', '.join(fresh)}"] if fresh else []),
        ]

    def _share(self, count: int) -> str:
        return percent(count / self.parameters)


def percent(share: float) -> str:
    """``91.3 %``; what is not all, or nothing, is never said to be."""
    if 0 < share < 0.001:
        return "< 0.1 %"
    return f"{100 * (min(share, 0.999) if share < 1 else 1.0):.1f} %"


def start_of(
    net: Net, done: Mapping[str, Mapped], origin: str, unknown: Collection[str] = ()
) -> Start:
    """Count what mappings have started; what a later one overwrites is its own.

    Args:
        net: the student, as it was built.
        done: mapping -> what it did, in their order.
        origin: what all of them took from, as a person says it.
        unknown: mappings whose ``explained`` is no more than a trial's.
    """
    shares = _shares(net, done)
    groups = _groups(net)
    parts: list[StartedPart] = []
    for how in (_SOURCE, *done):
        own = {name: share[how] for name, share in shares.items() if share.get(how)}
        if own:
            what = _joined(groups[name] for name in own)
            origins = _origin(origin, done[how]) if how in done else "its own pretrained weights"
            kept = done[how].explained if how in done else 1.0
            parts.append(
                StartedPart(what, sum(own.values()), origins, how, None if how in unknown else kept)
            )
    left = {name: share[_CHANCE] for name, share in shares.items() if share.get(_CHANCE)}
    return Start(net.parameter_count(), tuple(parts), _fresh(left, groups))


def _shares(net: Net, done: Mapping[str, Mapped]) -> dict[str, dict[str, int]]:
    """Parameter -> who owns how many of its numbers."""
    names = {id(one): name for name, one in net.named_parameters()}
    specs = encoder_specs(net.model, net.inputs)
    pretrained = {
        id(one)
        for name, branch in net.branches.items()
        if specs[name].pretrained
        for one in branch.backbone.parameters()
    }
    before = {
        name: _SOURCE if id(one) in pretrained else _CHANCE for name, one in net.named_parameters()
    }
    shares = {name: {before[name]: one.numel()} for name, one in net.named_parameters()}
    for how, mapped in done.items():
        for part in mapped.parts:
            for one in _parameters(net, part):
                name, count = names[id(one)], mapped.partly.get(part, one.numel())
                shares[name] = {before[name]: one.numel() - count, how: count}
    return shares


def _parameters(net: Net, part: str) -> list[nn.Parameter]:
    """The parameters of a part as a mapping names it."""
    if part == "trunk":
        heads = {id(one) for one in net.heads.parameters()}
        return [one for one in net.parameters() if id(one) not in heads]
    for branch in net.branches.values():
        if part in branch.embeddings():
            return list(branch.embeddings()[part].parameters())
        for within in (branch.backbone, branch):  # what a mapping names, and `adapter`
            if part in dict(within.named_modules()):
                return list(within.get_submodule(part).parameters())
    return list(net.module(part).parameters())


def _groups(net: Net) -> dict[str, _Group]:
    """Parameter -> what a person calls the part that it stands in."""
    tables = {id(table.weight): role for role, table in net.embeddings().items()}
    paths = {
        id(one): path
        for path, module in net.modules_by_path().items()
        for one in module.parameters(recurse=False)
    }
    return {
        name: ("embeddings", tables[id(one)])
        if id(one) in tables
        else _group(paths.get(id(one), name))
        for name, one in net.named_parameters()
    }


def _group(path: str) -> _Group:
    if path.startswith("heads."):
        return "", "heads"
    item = _ITEM.search(path)
    if item is not None:
        return item[1].removesuffix("s"), item[2]
    return "", ".".join(path.split(".")[:2])


def _fresh(left: Mapping[str, int], groups: Mapping[str, _Group]) -> dict[str, int]:
    """What starts from chance: tables together, layers together, others each alone."""
    found: dict[str, list[str]] = {}
    for name in left:
        kind, which = groups[name]
        found.setdefault(kind or which, []).append(name)
    return {
        _joined(groups[name] for name in names): sum(left[name] for name in names)
        for names in found.values()
    }


def _joined(groups: Iterable[_Group]) -> str:
    """``word, position embeddings, layers 0-2``: what is of a kind is told together."""
    kinds: dict[str, list[str]] = {}
    for kind, which in dict.fromkeys(groups):
        kinds.setdefault(kind, []).append(which)
    said = {
        "": ", ".join,
        "embeddings": lambda names: f"{', '.join(names)} embeddings",
        "layer": lambda names: f"layer{_plural(names)} {_ranges(names)}",
        "stage": lambda names: f"stage{_plural(names)} {_ranges(names)}",
    }
    return ", ".join(said[kind](names) for kind, names in kinds.items())


def _plural(names: Sequence[str]) -> str:
    return "s" if len(names) > 1 else ""


def _ranges(numbers: Iterable[str]) -> str:
    """``0-2, 4``."""
    runs: list[list[int]] = []
    for number in sorted(map(int, numbers)):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _origin(origin: str, mapped: Mapped) -> str:
    return f"{mapped.source} of {origin}" if mapped.source else origin


def _said(part: StartedPart) -> str:
    if part.explained is None:
        kept = ", how much that keeps is known in the run"
    else:
        kept = "" if part.explained == 1.0 else f", keeps {percent(part.explained)}"
    return f"{part.what} from {part.origin} ({part.how}{kept})"
