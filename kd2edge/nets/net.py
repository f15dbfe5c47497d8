"""The net: one backbone, one head a task.  Teachers and students are the same thing."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from kd2edge.errors import UsageError
from kd2edge.inputs.kinds import input_kind
from kd2edge.inputs.spec import ArraySpec, InputSpec
from kd2edge.nets.backbones import Adapter, Request, backbone_for
from kd2edge.nets.heads import Head, head_for
from kd2edge.nets.spec import ModelSpec
from kd2edge.tasks.spec import TaskName, TaskSpec

#: Behind a path: not what the module gives, but what it is given.
_INPUT = ":input"
#: Names that a module dictionary has already, as attributes.
_TAKEN = frozenset(dir(nn.ModuleDict()))


@final
class Net(nn.Module):
    """Arrays of the inputs in, logits of every task out, in one forward pass.

    Module paths (``capture``) are relative to :attr:`backbone`, so they are those of the backbone's
    own library: ``encoder.layer.2``, ``encoder.stages.1``, ``stages.0``.  What the backbone does
    not have is looked for in the whole net, heads under their tasks' names: ``heads.intent``.  With
    ``:input`` behind it a path means what the module is given: ``heads.intent.dropout:input``.

    Args:
        model: the spec, with the whole configuration of the backbone in it.
        vocabulary: pieces of the tokenizer, for which the embedding table has rows (a pretrained
            one may have more); None for nets without one.
    """

    def __init__(
        self,
        model: ModelSpec,
        inputs: Sequence[InputSpec],
        tasks: Sequence[TaskSpec],
        vocabulary: int | None,
        backbone: nn.Module,
        adapter: Adapter,
    ) -> None:
        super().__init__()
        self.model = model
        self.inputs = tuple(inputs)
        self.tasks = tuple(tasks)
        self.vocabulary = vocabulary
        self.backbone = backbone
        self.adapter = adapter
        self.heads = nn.ModuleDict(
            {head_key(task.name): head_for(task, adapter.width, model.dropout) for task in tasks}
        )

    def forward(self, arrays: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Logits by task: [batch, label], binary [batch, 1], token tasks [batch, length, label]."""
        hidden = self.adapter(self.backbone, arrays)
        return {task.name: self.heads[head_key(task.name)](hidden) for task in self.tasks}

    @contextmanager
    def capture(self, paths: Sequence[str]) -> Iterator[dict[str, Tensor]]:
        """Collect the outputs of modules, or what they are given, by path.

        The dictionary fills at each forward pass; of an output of several values the first tensor
        is kept, with its gradient.

        Raises:
            UsageError: a path that the net does not have, with the nearest ones.
        """
        modules = {path: self._module(path.removesuffix(_INPUT)) for path in paths}
        features: dict[str, Tensor] = {}

        def keep(path: str) -> Any:
            def hook(module: nn.Module, given: tuple[Any, ...], output: Any) -> None:
                value = given[0] if path.endswith(_INPUT) else output
                features[path] = _first_tensor(value, path)

            return hook

        handles = [module.register_forward_hook(keep(path)) for path, module in modules.items()]
        try:
            yield features
        finally:
            for handle in handles:
                handle.remove()

    def _module(self, path: str) -> nn.Module:
        modules = dict([*self._own_modules(), *self.backbone.named_modules()])
        if path in modules and path:
            return modules[path]
        known = [name for name, _ in self.backbone.named_modules() if name]
        near = difflib.get_close_matches(path, [name for name in modules if name], 3, cutoff=0.4)
        raise UsageError(
            f"the backbone ({self.model.family}) has no module {path!r};"
            f" the nearest are {near or known[:3]}"
        )

    def _own_modules(self) -> Iterator[tuple[str, nn.Module]]:
        """Modules by their path in the net, those of heads by the names of their tasks."""
        yield from (one for one in self.named_modules() if not one[0].startswith("heads."))
        for task in self.tasks:
            for name, module in self.heads[head_key(task.name)].named_modules():
                yield f"heads.{task.name}.{name}".removesuffix("."), module

    def array_specs(self) -> tuple[ArraySpec, ...]:
        """What :meth:`forward` takes, over all inputs."""
        arrays = (input_kind(one.kind).arrays(one) for one in self.inputs)
        return tuple(spec for own in arrays for spec in own)

    def output_specs(self) -> tuple[ArraySpec, ...]:
        """What :meth:`forward` gives, in the order of the tasks."""
        heads = [(task.name, self.heads[head_key(task.name)]) for task in self.tasks]
        return tuple(
            ArraySpec(name, "float32", head.shape) for name, head in heads if isinstance(head, Head)
        )

    def embeddings(self) -> Mapping[str, nn.Embedding]:
        """The tables whose sum starts a sequence, as far as there are: see :class:`Adapter`."""
        return self.adapter.embeddings(self.backbone)

    def shared_parameters(self) -> list[nn.Parameter]:
        """What all tasks share: everything outside the heads that is trained."""
        shared = [*self.backbone.parameters(), *self.adapter.parameters()]
        return [parameter for parameter in shared if parameter.requires_grad]

    def parameter_count(self) -> int:
        """How many numbers are learned, embeddings included (buffers are not)."""
        return sum(parameter.numel() for parameter in self.parameters())

    def embedding_parameter_count(self) -> int:
        """How many of them stand in embedding tables, which cost bytes but no multiplications."""
        return sum(table.weight.numel() for table in self.embeddings().values())


def head_key(task: TaskName) -> str:
    """Where the head of a task stands in :attr:`Net.heads`: under its name, if torch lets it.

    A module dictionary takes no dot, and no name that it has as an attribute (``type``, ``values``,
    ``to``).  Those are written with a dash in front, which no recipe's task begins with.
    """
    if task in _TAKEN or "." in task or task.startswith("-"):
        return "-" + task.replace("-", "--").replace(".", "-d")
    return task


def build_net(
    model: ModelSpec,
    inputs: Sequence[InputSpec],
    tasks: Sequence[TaskSpec],
    *,
    source_dir: Path | None = None,
    vocabulary: int | None = None,
    seed: int = 0,
) -> Net:
    """Make a net: fresh weights from ``seed``, or a pretrained backbone under fresh heads.

    The global random state is left as it was.

    Args:
        model: the backbone, its configuration and what lies before the heads.
        inputs: one input; several in one net are not there yet.
        tasks: the heads, in the order of the outputs.
        source_dir: folder of pretrained weights, needed exactly when ``model.pretrained``.
        vocabulary: pieces that the tokenizer knows; sizes a fresh embedding table and is checked
            against one whose size is known: a pretrained one, or ``vocab_size`` in the config.
        seed: of the fresh weights.

    Raises:
        UsageError: a spec that does not fit its input, its tasks or its source.
        IntegrityError: pretrained weights that do not fill the backbone.
    """
    _check(model, inputs, tasks, source_dir)
    state = torch.random.get_rng_state()
    try:
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would also reset CUDA's
        built = backbone_for(Request(model, inputs[0], vocabulary, source_dir))
        whole = replace(model, config=dict(built.config))
        return Net(whole, inputs, tasks, vocabulary, built.backbone, built.adapter)
    finally:
        torch.random.set_rng_state(state)


def _check(
    model: ModelSpec,
    inputs: Sequence[InputSpec],
    tasks: Sequence[TaskSpec],
    source_dir: Path | None,
) -> None:
    if len(inputs) != 1:
        raise UsageError(f"a net takes one input, found {[item.name for item in inputs]}")
    if not tasks:
        raise UsageError("a net needs at least one task, found none")
    if not 0.0 <= model.dropout < 1.0:
        raise UsageError(f"model dropout: expected a number in [0, 1), found {model.dropout}")
    if model.pretrained != (source_dir is not None):
        found = "none" if source_dir is None else str(source_dir)
        raise UsageError(
            f"model: pretrained is {model.pretrained}, but the folder of weights given is {found}"
        )
    has_words = input_kind(inputs[0].kind).words
    for task in tasks:
        if task.kind == "token_classification" and not has_words:
            raise UsageError(
                f"task {task.name}: token_classification needs an input of kind text or tokens,"
                f" found {inputs[0].name} of kind {inputs[0].kind}"
            )


def flops(net: Net, arrays: Mapping[str, Tensor]) -> int:
    """Floating-point operations of one forward pass over ``arrays``; a multiply-add is two."""
    was_training = net.training
    # The counter does not know the CPU's fused attention; the plain form is the same arithmetic.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        net.eval()(arrays)
    net.train(was_training)
    return counter.get_total_flops()


def _first_tensor(output: Any, path: str) -> Tensor:
    if isinstance(output, Tensor):
        return output
    values = output.values() if isinstance(output, Mapping) else output
    for value in values if isinstance(output, (Mapping, list, tuple)) else ():
        if isinstance(value, Tensor):
            return value
    raise UsageError(
        f"module {path!r} gives a {type(output).__name__}, which holds no tensor to keep"
    )
