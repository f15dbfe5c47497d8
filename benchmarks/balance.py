"""What balancing costs: steps of a student with several tasks, and our way to call TorchJD.

First a step of a recipe's student on labels alone with the plain sum of four tasks' losses (the
recipe's first task, four times under other names) against the same step under every balancer.
Then our gradients against TorchJD called directly on a perceptron with 2 to 20 heads: time, and the
largest difference of the trunk's gradients as a share of the largest number in them.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import torch
from recording import ROOT, parser, record, shown
from step import Some, taking
from timing import interleaved, ratio
from torch import Tensor, nn

from kd2edge.data import EncodedSplit, encode_split
from kd2edge.distill import Method, TrainSettings
from kd2edge.distill.balance import BALANCERS, Balancer, LossKey, Shared
from kd2edge.distill.balance.weighting import WEIGHTINGS
from kd2edge.distill.objective import Objective
from kd2edge.distill.precision import precision_of
from kd2edge.pipeline.reading.model_inputs import ModelInputs, student_inputs
from kd2edge.pipeline.reading.prepare import prepare_data
from kd2edge.pipeline.reading.settings import baseline_settings
from kd2edge.pipeline.steps.work import fresh_net
from kd2edge.recipe import LoadedRecipe, load_recipe
from kd2edge.recipe.schema import distill as methods
from kd2edge.recipe.schema.choices import kind_of, members
from kd2edge.rows.join import Source, joined
from kd2edge.tasks.spec import TaskName, TaskSpec

RECIPES = ("recipes/quickstart.yaml", "recipes/customer_service/clinc150.yaml")
STEP_LIMIT = 1.15
CALL_LIMIT = 1.1
SAME = 1e-5
TASKS = 4
COUNTS = (2, 4, 8, 20)
#: Methods of the library with their aggregators and the options that recipes default to.
AGGREGATORS: dict[str, tuple[str, dict[str, Any]]] = {
    "aligned_mtl": ("AlignedMTL", {}),
    "cagrad": ("CAGrad", {"c": 0.4}),
    "imtl_g": ("IMTLG", {}),
    "mgda": ("MGDA", {}),
    "nash_mtl": ("NashMTL", {}),
    "pcgrad": ("PCGrad", {}),
    "upgrad": ("UPGrad", {}),
}
_CPU = torch.device("cpu")


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("recipes", nargs="*", type=Path, help=f"default: {', '.join(RECIPES)}")
    arguments.add_argument("--rows", type=int, default=1024)
    arguments.add_argument("--rounds", type=int, default=40)
    arguments.add_argument(
        "--counts", type=int, nargs="*", default=COUNTS, help="heads of the second part"
    )
    arguments.add_argument("--threads", type=int, default=None)
    arguments.add_argument("--device", default="cpu")
    arguments.add_argument(
        "--only", nargs="*", default=None, choices=sorted(BALANCERS), help="of the first part"
    )
    arguments.add_argument("--compile", action="store_true", help="with torch.compile, there")
    arguments.add_argument("--name", default="balance", help="of the result")
    given = arguments.parse_args()
    # Of cvxpy, on how the library states its problem.
    warnings.filterwarnings("ignore", "You are solving a parameterized problem")
    if given.threads:
        torch.set_num_threads(given.threads)
    device = torch.device(given.device)
    recipes = given.recipes or [ROOT / name for name in RECIPES]
    compiler = "inductor" if given.compile else None
    steps = [
        steps_of(path, given.rows, given.rounds, device, given.only, compiler) for path in recipes
    ]
    calls = [
        calls_of(name, count, form, given.rounds, device)
        for count in given.counts
        for form in ("features", "parameters")
        for name in AGGREGATORS
    ]
    limits = {"step": STEP_LIMIT, "call": CALL_LIMIT, "difference": SAME}
    found = {"limits": limits, "tasks": TASKS, "steps": steps, "calls": calls}
    packages = ["torch", "torchjd", "transformers", "cvxpy", "quadprog", "ecos"]
    record(given.name, found, given.out, packages)


def options(kind: str) -> dict[str, Any]:
    """A balancer's options as a recipe has them that states none."""
    parts = {kind_of(part, "kind"): part for part in members(get_args(methods.Balance)[0])}
    return parts[kind]().model_dump(exclude={"kind", "weights"})


def variants(only: Sequence[str] | None = None) -> dict[str, Method]:
    """Every balancer as recipes default to it, those of gradients also over all parameters.

    Args:
        only: of these kinds; None: of all.  The plain sum is always there.
    """
    kinds = sorted(BALANCERS if only is None else {"static", *only})
    found = {name: Method(name, options(name)) for name in kinds}
    for name in (one for one in kinds if one in WEIGHTINGS):
        given = {**options(name), "gradients": "parameters"}
        found[f"{name}, parameters"] = Method(name, given)
    return found


def feature_level(name: str) -> bool:
    """Whether a variant weighs gradients of features that all heads read.

    That is what the limit of a step is for: others weigh losses alone, look twice at a batch, or
    pass through the trunk for every task.
    """
    return name in WEIGHTINGS or name == "gradnorm"


def steps_of(
    path: Path,
    rows: int,
    rounds: int,
    device: torch.device,
    only: Sequence[str] | None = None,
    compiler: str | None = None,
) -> dict[str, Any]:
    """A step under every balancer over the plain one.

    Args:
        path: of the recipe.
        rows: that batches are made of.
        rounds: steps of each.
        device: that they are taken on.
        only: kinds of balancers; None: all.
        compiler: what ``torch.compile`` calls its backend; None: it is left out.
    """
    loaded = load_recipe(path)
    data = prepare_data(loaded)
    first = next(iter(data.tasks.values()))
    tasks = [replace(first, name=TaskName(f"{first.name}{at}")) for at in range(TASKS)]
    inputs = student_inputs(loaded.recipe, data.rows["train"], data.learned)
    names = tuple(task.name for task in tasks)
    some = joined([Source("some", Some(data.rows["train"], rows), names)])
    plain = baseline_settings(loaded.recipe, list(data.tasks), data.checks["train"], 1)
    # What the recipe states by task, for tasks of other names.
    same = dict.fromkeys(("temperature", "sample_weight", "weight"), 1.0)
    one_for_all = {**same, "logits": {}, "long_tail": {}}
    plain = replace(plain, distill=replace(plain.distill, **one_for_all))
    with TemporaryDirectory() as folder, ExitStack() as hooks:
        split = encode_split(some, inputs.pairs, tasks, Path(folder), file_hashes=inputs.hashes)
        times = interleaved(
            {
                name: step(
                    loaded, tasks, inputs, split, balanced(plain, how), hooks, device, compiler
                )
                for name, how in variants(only).items()
            },
            rounds=rounds,
        )
    ratios = {name: ratio(one, times["static"]) for name, one in times.items() if name != "static"}
    batch = plain.batch_size
    print(f"{loaded.recipe.name}: step of {batch} rows {times['static'].median * 1e3:.1f} ms")
    for name, found in ratios.items():
        print(f"  {name}: {found:.3f}x")
    return {
        "recipe": shown(path),
        "name": loaded.recipe.name,
        "batch": batch,
        "device": device.type,
        "precision": precision_of(plain.precision, device),
        "threads": torch.get_num_threads(),
        "times": {name: one.to_json() for name, one in times.items()},
        "compiler": compiler,
        "ratios": ratios,
        "feature_level": [name for name in ratios if feature_level(name)],
    }


def balanced(settings: TrainSettings, method: Method) -> TrainSettings:
    return replace(settings, distill=replace(settings.distill, balance=method))


def step(
    loaded: LoadedRecipe,
    tasks: Sequence[TaskSpec],
    inputs: ModelInputs,
    split: EncodedSplit,
    settings: TrainSettings,
    open_hooks: ExitStack,
    device: torch.device,
    compiler: str | None = None,
) -> Callable[[], object]:
    """A function that takes the next step, over the same batches each time around."""
    net = fresh_net(loaded.recipe.student.model, inputs, tasks, loaded.recipe.seed)
    net = net.train().to(device)
    objective = Objective(tasks, settings.distill, None, settings.label_smoothing)
    return taking(net, objective, split, settings, open_hooks, device, compiler)


class Perceptron(nn.Module):
    """A trunk of three layers under linear heads of 10 numbers."""

    def __init__(self, heads: int, device: torch.device) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        sizes = (128, 512, 512, 64)
        layers: list[nn.Module] = []
        for given, wanted in zip(sizes, sizes[1:], strict=False):
            layers += [nn.Linear(given, wanted), nn.Tanh()]
        self.trunk = nn.Sequential(*layers)
        self.heads = nn.ModuleList([nn.Linear(sizes[-1], 10) for _ in range(heads)])
        for one in self.parameters():
            one.data = torch.randn(one.shape, generator=generator) / max(1, one.shape[-1]) ** 0.5
        self.to(device)
        self.x = torch.randn(64, sizes[0], generator=generator).to(device)
        self.labels = torch.randint(10, (heads, 64), generator=generator).to(device)

    def losses(self) -> tuple[Tensor, list[Tensor]]:
        """What the trunk gives, and a cross entropy a head."""
        feature = self.trunk(self.x)
        pairs = zip(self.heads, self.labels, strict=True)
        return feature, [nn.functional.cross_entropy(head(feature), one) for head, one in pairs]


def calls_of(name: str, count: int, form: str, rounds: int, device: torch.device) -> dict[str, Any]:
    """Our step from losses to gradients over the library's, and how far both are apart."""
    net = Perceptron(count, device)
    tasks = [TaskName(f"task{at}") for at in range(count)]
    balancer = BALANCERS[name](tasks, **{**options(name), "gradients": form})
    aggregator = aggregator_of(name, count)
    direct = at_features if form == "features" else at_parameters
    calls: Mapping[str, Callable[[], object]] = {
        "ours": lambda: ours(net, balancer, tasks),
        "library": lambda: direct(net, aggregator),
    }
    gradients: dict[str, Tensor] = {}
    for key, call in calls.items():
        torch.manual_seed(1)  # of PCGrad's order
        call()
        gradients[key] = torch.cat([one.grad.flatten() for one in net.trunk.parameters()])
    difference = (gradients["ours"] - gradients["library"]).abs().max()
    share = (difference / gradients["library"].abs().max()).item()
    gc.collect()
    times = interleaved(calls, rounds=rounds)
    found = ratio(times["ours"], times["library"])
    print(f"{count} tasks, {form}, {name}: {found:.3f}x of TorchJD, {share:.1e} apart")
    return {
        "method": name,
        "tasks": count,
        "gradients": form,
        "device": device.type,
        "ratio": found,
        "difference": float(f"{share:.3g}"),
        "times": {key: one.to_json() for key, one in times.items()},
    }


def ours(net: Perceptron, balancer: Balancer, tasks: Sequence[TaskName]) -> None:
    net.zero_grad()
    feature, losses = net.losses()
    paths = dict.fromkeys(balancer.features, feature)
    trunk, heads = list(net.trunk.parameters()), list(net.heads.parameters())
    terms = {LossKey(task, "task"): loss for task, loss in zip(tasks, losses, strict=True)}
    balancer.backward(terms, Shared(lambda: trunk, paths, lambda: heads))


def aggregator_of(name: str, count: int) -> Any:
    import torchjd.aggregation

    made, given = AGGREGATORS[name]
    given = {**given, "n_tasks": count} if name == "nash_mtl" else given
    return getattr(torchjd.aggregation, made)(**given)


def at_parameters(net: Perceptron, aggregator: Any) -> None:
    """As the library's page on multi-task learning does it."""
    from torchjd.autojac import jac_to_grad, mtl_backward

    net.zero_grad()
    feature, losses = net.losses()
    mtl_backward(losses, features=feature)
    jac_to_grad(net.trunk.parameters(), aggregator)


def at_features(net: Perceptron, aggregator: Any) -> None:
    """The library's Jacobian at the feature, aggregated, and one pass through the trunk."""
    from torchjd.autojac import jac

    net.zero_grad()
    feature, losses = net.losses()
    (rows,) = jac(losses, feature, retain_graph=True)
    torch.stack(losses).sum().backward(inputs=list(net.heads.parameters()), retain_graph=True)
    feature.backward(aggregator(rows.flatten(1)).view_as(feature))


if __name__ == "__main__":
    main()
