"""The net: a backbone an input, a head a task.  Teachers and students are the same thing."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, final

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from kd2edge.errors import UsageError
from kd2edge.inputs.absent import presence_array
from kd2edge.inputs.kinds import input_arrays
from kd2edge.inputs.spec import BATCH, ArraySpec, InputSpec
from kd2edge.nets.backbones import Adapter, Built, Request, backbone_for
from kd2edge.nets.changed import changed
from kd2edge.nets.features import Features, Widths
from kd2edge.nets.fusion import Fusion, fusion_for
from kd2edge.nets.heads import Head, head_for
from kd2edge.nets.heads.pooled import PooledHead
from kd2edge.nets.heads.scope import Scope
from kd2edge.nets.spec import ModelSpec
from kd2edge.nets.watched import watched
from kd2edge.tasks.outputs import outputs_of
from kd2edge.tasks.spec import TaskName, TaskSpec

#: Behind a path: not what the module gives, but what it is given.
_INPUT = ":input"
_Value = TypeVar("_Value", int, Path)
#: Names that a module dictionary has already, as attributes.
_TAKEN = frozenset(dir(nn.ModuleDict()))


@final
class Net(nn.Module):
    """Arrays of the inputs in, logits of every task out, in one forward pass.

    Module paths (``capture``) are those of the backbone's own library: ``encoder.layer.2``,
    ``encoder.stages.1``, ``stages.0``; in a net of several inputs with the input in front:
    ``text.encoder.layer.2``.  What no backbone has is looked for in the whole net, heads under
    their tasks' names: ``heads.intent``.  With ``:input`` behind it a path means what the module is
    given: ``heads.intent.dropout:input``.

    Args:
        model: the spec, with the whole configuration of the backbones in it.
        inputs: specs of what it reads.
        tasks: specs of what it answers; each gets a head.
        vocabulary: input with a tokenizer -> its pieces, for which the embedding table has rows (a
            pretrained one may have more).
        built: input -> what reads it.
        fusion: makes one vector of theirs.
    """

    def __init__(
        self,
        model: ModelSpec,
        inputs: Sequence[InputSpec],
        tasks: Sequence[TaskSpec],
        vocabulary: Mapping[str, int],
        built: Mapping[str, Built],
        fusion: Fusion,
    ) -> None:
        super().__init__()
        self.model = model
        self.inputs = tuple(inputs)
        self.tasks = tuple(tasks)
        self.vocabulary = vocabulary
        if len(built) == 1:  # weights of one input have no other names than ever
            (only,) = built.values()
            self.backbone, self.adapter = only.backbone, only.adapter
        else:
            self.encoders = nn.ModuleDict(
                {module_key(name): Branch(one.backbone, one.adapter) for name, one in built.items()}
            )
        self.fusion = fusion
        adapters = {name: one.adapter for name, one in built.items()}
        positions = {name: one.positions for name, one in adapters.items() if one.positions}
        maps = {name: one.maps for name, one in adapters.items() if one.maps}
        widths = Widths(fusion.width, positions, maps)
        self.heads = nn.ModuleDict(
            {module_key(task.name): head_for(task, widths, model.dropout) for task in tasks}
        )
        self._names = _array_names(tasks)

    @property
    def branches(self) -> dict[str, Branch]:
        """Input -> what reads it."""
        if len(self.inputs) == 1:
            return {self.inputs[0].name: Branch(self.backbone, self.adapter)}
        found = {spec.name: self.encoders[module_key(spec.name)] for spec in self.inputs}
        return {name: one for name, one in found.items() if isinstance(one, Branch)}

    def forward(self, arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Arrays by name: [batch, label], binary [batch, 1], token tasks [batch, length, label].

        That of a task whose head gives one bears its name, see ``tasks.outputs``.
        """
        return self.answers(self.features(arrays))

    def answers(self, features: Features) -> dict[str, Tensor]:
        """What the heads make of what they read, see :meth:`forward`."""
        return {
            name: one
            for task in self.tasks
            for name, one in zip(
                self._names[task.name], self.heads[module_key(task.name)](features), strict=True
            )
        }

    def features(self, arrays: Mapping[str, Tensor]) -> Features:
        """What the heads read."""
        if len(self.inputs) == 1:
            return self.adapter(self.backbone, arrays)
        seen = {name: one.adapter(one.backbone, arrays) for name, one in self.branches.items()}
        pooled = {name: one.pooled for name, one in seen.items()}
        present = {
            spec.name: arrays[presence_array(spec).name].to(pooled[spec.name].dtype)[:, None]
            for spec in self.inputs
            if spec.may_be_absent
        }
        return Features(
            self.fusion(pooled, present),
            {name: own for one in seen.values() for name, own in one.sequences.items()},
            {name: own for one in seen.values() for name, own in one.maps.items()},
            present,
        )

    @contextmanager
    def capture(self, paths: Sequence[str]) -> Iterator[dict[str, Tensor]]:
        """Collect the outputs of modules, or what they are given, by path.

        The dictionary fills at each forward pass; of an output of several values the first tensor
        is kept, with its gradient.

        Raises:
            UsageError: a path that the net does not have, with the nearest ones.
        """
        modules = {path: self.module(path.removesuffix(_INPUT)) for path in paths}
        features: dict[str, Tensor] = {}

        def keep(path: str, given: tuple[Any, ...], output: Any) -> None:
            value = given[0] if path.endswith(_INPUT) else output
            found = first_tensor(value)
            if found is None:
                raise UsageError(
                    f"module {path!r} gives a {type(value).__name__}, which holds no tensor to"
                    " keep; `kd2edge check --modules` shows what each one gives"
                )
            features[path] = found

        with watched(modules, keep):
            yield features

    def changed(
        self, path: str, change: Callable[[Tensor], Tensor]
    ) -> AbstractContextManager[None]:
        """Let what follows the module at a path read what ``change`` makes of its output.

        What :meth:`capture` collects there, begun before, is the output as it was.

        Raises:
            UsageError: a path that the net does not have, with the nearest ones.
        """
        return changed(path, self.module(path), change)

    def modules_by_path(self) -> dict[str, nn.Module]:
        """What :meth:`capture` knows, each module by the shortest of its paths."""
        backbones = {path: module for path, module in self._backbone_modules() if path}
        known = {*map(id, backbones.values()), *map(id, self.branches.values())}
        known |= {id(branch.backbone) for branch in self.branches.values()}
        own = {path: one for path, one in self._own_modules() if path and id(one) not in known}
        return backbones | own

    def ones(self, rows: int, length: int) -> dict[str, Tensor]:
        """Arrays of ones that :meth:`forward` takes, for a run in which only shapes matter.

        Args:
            rows: of the batch.
            length: of everything else whose size is not fixed.
        """
        return {
            spec.name: torch.ones(
                [_size(size, rows, length) for size in spec.shape], dtype=getattr(torch, spec.dtype)
            )
            for spec in self.array_specs()
        }

    def module(self, path: str) -> nn.Module:
        """The module at a path.

        Raises:
            UsageError: a path that the net does not have, with the nearest ones.
        """
        backbones = dict(self._backbone_modules())
        modules = dict(self._own_modules()) | backbones
        if path in modules and path:
            return modules[path]
        near = difflib.get_close_matches(path, [name for name in modules if name], 3, cutoff=0.4)
        raise UsageError(
            f"the backbone ({self.model.family}) has no module {path!r};"
            f" the nearest are {', '.join(near or [name for name in backbones if name][:3])}, and"
            " `kd2edge check --modules` prints all"
        )

    def _backbone_modules(self) -> Iterator[tuple[str, nn.Module]]:
        """Modules of the backbones by their path in each, of several with the input in front."""
        for name, branch in self.branches.items():
            before = "" if len(self.inputs) == 1 else f"{name}."
            for path, module in branch.backbone.named_modules():
                yield (before + path).removesuffix("."), module

    def _own_modules(self) -> Iterator[tuple[str, nn.Module]]:
        """Modules by their path in the net, those of heads by the names of their tasks."""
        yield from (one for one in self.named_modules() if not one[0].startswith("heads."))
        for task in self.tasks:
            for name, module in self.heads[module_key(task.name)].named_modules():
                yield f"heads.{task.name}.{name}".removesuffix("."), module

    def decide(self, tasks: Sequence[TaskSpec], scopes: Mapping[TaskName, Scope]) -> None:
        """Take what is fitted once the weights are trained, in place of what was.

        Args:
            tasks: the same ones with the settings of their decisions.
            scopes: task that rejects by distance -> what its head has for it; others have none.

        Raises:
            UsageError: two arrays of one name.
        """
        self._names = _array_names(tasks)
        self.tasks = tuple(tasks)
        for task in tasks:
            head = self.heads[module_key(task.name)]
            if isinstance(head, PooledHead):
                head.set_scope(scopes.get(task.name))

    def array_specs(self) -> tuple[ArraySpec, ...]:
        """What :meth:`forward` takes, over all inputs."""
        return tuple(array for spec in self.inputs for array in input_arrays(spec))

    def output_specs(self) -> tuple[ArraySpec, ...]:
        """What :meth:`forward` gives, in the order of the tasks."""
        heads = [(task, self.heads[module_key(task.name)]) for task in self.tasks]
        return tuple(
            ArraySpec(name, "float32", shape)
            for task, head in heads
            if isinstance(head, Head)
            for name, shape in zip(outputs_of(task), head.shapes, strict=True)
        )

    def embeddings(self) -> Mapping[str, nn.Embedding]:
        """Tables by what they are for, see :class:`Adapter`; of several inputs ``text.word``."""
        return {
            role if len(self.inputs) == 1 else f"{name}.{role}": table
            for name, one in self.branches.items()
            for role, table in one.embeddings().items()
        }

    def shared_parameters(self) -> list[nn.Parameter]:
        """What all tasks share: everything outside the heads that is trained."""
        shared = [one for branch in self.branches.values() for one in branch.parameters()]
        return [one for one in (*shared, *self.fusion.parameters()) if one.requires_grad]

    def parameter_count(self) -> int:
        """How many numbers are learned, embeddings included (buffers are not)."""
        return sum(parameter.numel() for parameter in self.parameters())

    def embedding_parameter_count(self) -> int:
        """How many of them stand in embedding tables, which cost bytes but no multiplications."""
        return sum(table.weight.numel() for table in self.embeddings().values())


@final
class Branch(nn.Module):
    """What reads one input."""

    def __init__(self, backbone: nn.Module, adapter: Adapter) -> None:
        super().__init__()
        self.backbone = backbone
        self.adapter = adapter

    def embeddings(self) -> Mapping[str, nn.Embedding]:
        """Its tables, see :class:`Adapter`."""
        return self.adapter.embeddings(self.backbone)


def module_key(name: str) -> str:
    """Where the head of a task, or what reads an input, stands: under its name, if torch lets it.

    A module dictionary takes no dot, and no name that it has as an attribute (``type``, ``values``,
    ``to``).  Those are written with a dash in front, which no recipe's name begins with.
    """
    if name in _TAKEN or "." in name or name.startswith("-"):
        return "-" + name.replace("-", "--").replace(".", "-d")
    return name


def build_net(
    model: ModelSpec,
    inputs: Sequence[InputSpec],
    tasks: Sequence[TaskSpec],
    *,
    source_dir: Path | Mapping[str, Path] | None = None,
    vocabulary: int | Mapping[str, int] | None = None,
    seed: int = 0,
) -> Net:
    """Make a net: fresh weights from ``seed``, or a pretrained backbone under fresh heads.

    The global random state is left as it was.

    Args:
        model: the backbone, its configuration and what lies before the heads.
        inputs: what it reads; of several, each needs its own in ``model.encoders``.
        tasks: the heads, in the order of the outputs.
        source_dir: folder of pretrained weights, needed exactly when ``model.pretrained``; by input
            where there are several.
        vocabulary: pieces that the tokenizer knows; sizes a fresh embedding table and is checked
            against one whose size is known: a pretrained one, or ``vocab_size`` in the config; by
            input where there are several.
        seed: of the fresh weights.

    Raises:
        UsageError: a spec that does not fit its input, its tasks or its source.
        IntegrityError: pretrained weights that do not fill the backbone.
    """
    _check(model, tasks)
    models = encoder_specs(model, inputs)
    sources = _by_input(source_dir, inputs)
    sizes = _by_input(vocabulary, inputs)
    state = torch.random.get_rng_state()
    try:
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would also reset CUDA's
        built: dict[str, Built] = {}
        for spec in inputs:
            own, source = models[spec.name], sources.get(spec.name)
            _require_source(own, source)
            built[spec.name] = backbone_for(Request(own, spec, sizes.get(spec.name), source))
        fusion = fusion_for(model.fusion, {name: one.adapter.width for name, one in built.items()})
        return Net(_whole(model, models, built), inputs, tasks, sizes, built, fusion)
    finally:
        torch.random.set_rng_state(state)


def encoder_specs(model: ModelSpec, inputs: Sequence[InputSpec]) -> dict[str, ModelSpec]:
    """Input -> what reads it.

    Raises:
        UsageError: an input that nothing reads, or the other way round.
    """
    names = [spec.name for spec in inputs]
    if len(names) == 1 and inputs[0].may_be_absent:
        raise UsageError(f"input {names[0]}: the only input of a net cannot be absent")
    if not model.encoders and len(names) == 1:
        return {names[0]: model}
    if not model.encoders or len(names) < 2 or set(model.encoders) != set(names):
        found = f"encoders for {', '.join(model.encoders)}" if model.encoders else "a single one"
        raise UsageError(
            f"model: it is given the inputs {', '.join(names)}, and has {found}: state"
            " `encoders`, one an input, where there are several, and none where there is one"
        )
    return {name: model.encoders[name] for name in names}


def _whole(
    model: ModelSpec, models: Mapping[str, ModelSpec], built: Mapping[str, Built]
) -> ModelSpec:
    """The spec with the whole configuration of every backbone in it."""
    if not model.encoders:
        (only,) = built.values()
        return replace(model, config=dict(only.config))
    return replace(
        model,
        encoders={
            name: replace(models[name], config=dict(one.config)) for name, one in built.items()
        },
    )


def _by_input(
    value: _Value | Mapping[str, _Value] | None, inputs: Sequence[InputSpec]
) -> Mapping[str, _Value]:
    if value is None:
        return {}
    return value if isinstance(value, Mapping) else {inputs[0].name: value}


def _check(model: ModelSpec, tasks: Sequence[TaskSpec]) -> None:
    if not tasks:
        raise UsageError("a net needs at least one task, found none")
    if not 0.0 <= model.dropout < 1.0:
        raise UsageError(f"model dropout: expected a number in [0, 1), found {model.dropout}")


def _array_names(tasks: Sequence[TaskSpec]) -> dict[TaskName, tuple[str, ...]]:
    """Task -> names of its head's arrays, no two of them the same."""
    names = {task.name: tuple(outputs_of(task)) for task in tasks}
    counts = Counter(name for some in names.values() for name in some)
    twice = [name for name, count in counts.items() if count > 1]
    if twice:
        which = ", ".join(task for task, some in names.items() if twice[0] in some)
        raise UsageError(
            f"tasks {which}: two outputs of the net would be called {twice[0]!r}; rename a task"
        )
    return names


def _require_source(model: ModelSpec, source_dir: Path | None) -> None:
    if model.pretrained != (source_dir is not None):
        found = "none" if source_dir is None else str(source_dir)
        raise UsageError(
            f"model: pretrained is {model.pretrained}, but the folder of weights given is {found}"
        )


def flops(net: Net, arrays: Mapping[str, Tensor]) -> int:
    """Floating-point operations of one forward pass over ``arrays``; a multiply-add is two."""
    was_training = net.training
    # The counter does not know the CPU's fused attention; the plain form is the same arithmetic.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        net.eval()(arrays)
    net.train(was_training)
    return counter.get_total_flops()


def first_tensor(output: Any) -> Tensor | None:
    """Of what a module gives; None where there is no tensor among it."""
    if isinstance(output, Tensor):
        return output
    values = output.values() if isinstance(output, Mapping) else output
    for value in values if isinstance(output, (Mapping, list, tuple)) else ():
        if isinstance(value, Tensor):
            return value
    return None


def _size(size: int | str, rows: int, length: int) -> int:
    if isinstance(size, int):
        return size
    return rows if size == BATCH else length
