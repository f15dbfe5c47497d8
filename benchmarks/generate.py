"""Write ``docs/results.md`` from ``benchmarks/results/*.json``: no number in it is typed.

With ``--check`` nothing is written; the exit code says whether the page is what the results give.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from beside.page import balancers, distillers, model2vec, spacy
from paid import scopes, studies
from pareto import pareto, picture
from planted.page import faults
from sections import MISSING, Row, Tables, content, mark, points, table, wanted, written
from speed import lengths, peers, validation

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PAGE = ROOT / "docs" / "results.md"
#: Beside the page: accuracy, bytes and speed of all families.
PICTURE = "images/pareto.svg"

RECIPES = (
    "quickstart", "clinc150", "clinc150_static", "nlupp", "womens_clothing", "census", "uner_ewt",
    "uner_ewt_conv",
)  # fmt: skip

HEAD = """\
# Results

What the project promises in numbers, and what was measured.  This page is written by
`python benchmarks/generate.py` from the raw results in `benchmarks/results/`.  Every ratio of two
times comes from one run in which both sides took turns; the runs whose memory or accuracy is
compared came one after the other.  `python benchmarks/run_all.py` (or `make bench`) measures
again; the accuracy of the recipes comes from `python benchmarks/accuracy.py` (`make recipes`,
hours).
"""


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--results", type=Path, default=RESULTS)
    arguments.add_argument("--page", type=Path, default=PAGE)
    arguments.add_argument("--check", action="store_true", help="write nothing")
    given = arguments.parse_args()
    results = read(given.results)
    made = {given.page: page(results), given.page.parent / PICTURE: picture(results)}
    for path, text in made.items():
        if given.check and text != (path.read_text("utf-8") if path.is_file() else ""):
            sys.exit(f"{path.name} is not what the results give")
        if not given.check and text:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
            print(f"{path.name}: written")


def read(folder: Path) -> Tables:
    """Results by name."""
    paths = sorted(folder.glob("*.json"))
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}


def page(results: Tables) -> str:
    parts = [HEAD, *(section(results) for section in SECTIONS)]
    return "\n".join(filter(None, parts))


#: Key of results whose bounds over seeds are those of Student's t.
_SEEDS = "bounds_over_seeds"


def students(results: Tables) -> str:
    """Students, teachers and baselines of the recipes."""
    header = (
        "recipe", "task", "metric", "teacher", "student", "of the teacher", "at least",
        "without teacher", "gain (at least)", "reached",
    )  # fmt: skip
    rows: list[Row] = []
    for name in RECIPES:
        found = results.get(f"accuracy-{name}")
        if found is None:
            rows.append((name, MISSING, *[""] * 8))
            continue
        for task, one in found["measured"]["tasks"].items():
            rows.append(student_row(name, task, one))
    found = {name: results.get(f"accuracy-{name}") for name in RECIPES}
    # Results of before the baseline had the student's start do not say which one it had.
    chance = [name for name, one in found.items() if one and "baseline_start" not in content(one)]
    said = (
        f"\n\nThe baseline of {', '.join(chance)} started from chance when this was measured: where"
        " the recipe starts the student from its teacher's tables, the gain holds that, too."
    )
    scored = [name for name in RECIPES if content(results.get(f"scopes-{name}")).get("teachers")]
    alike = (
        f"\n\nThe teacher of {', '.join(scored)} rejects by probability where its student does by"
        " distance; scored alike [it reaches more](#what-tells-rows-out-of-scope)."
    )
    drawn = [name for name, one in found.items() if one and _SEEDS not in content(one)]
    narrow = (
        f"\n\nThe bounds of {', '.join(drawn)} are of before: a few seeds drawn again and again"
        " have no tails, so these are narrower than Student's t would have them."
    )
    return written(
        "Students against their teachers",
        "At least 97 % of the teacher's metric on the quick start, 99.5 % on the census (0.005"
        " of AUC) and 95 % on the others (of an error: the teacher's by the student's), and"
        " above the same student trained without a teacher: the lower bound of the gain"
        " (one-sided 95 %, paired bootstrap over test rows, t over seeds) above 0.  Student and"
        " baseline are means over the seeds; gains are in points, or in the metric's unit.",
        table(header, rows) + said * bool(chance) + alike * bool(scored) + narrow * bool(drawn),
        list(found.values()),
    )


def student_row(name: str, task: str, one: Mapping[str, Any]) -> Row:
    student, baseline = (sum(one[key]) / len(one[key]) for key in ("student", "baseline"))
    share, least, low = one["share_of_teacher"], one["least_share"], one["gain"]["low"]
    return (
        name,
        task,
        one["metric"],
        f"{one['teacher']['value']:.4f}",
        f"{student:.4f} ({len(one['student'])} seeds)",
        f"{100 * share:.1f} %",
        f"{100 * least:g} %",
        f"{baseline:.4f}",
        f"{told(one, one['gain']['value'])} ({told(one, low)})",
        mark(share >= least and low > 0),
    )


def told(one: Mapping[str, Any], gain: float) -> str:
    """A gain in points, or in the unit of a metric that has one.

    One that is near 0 keeps the digit that says on which side it lies.
    """
    if one.get("is_share", True):
        said = points(gain)
        return f"{100 * gain:.1g}" if gain and not float(said) else said
    return f"{gain:.3f} {one['unit']}".rstrip()


def whole_rows(results: Tables) -> str:
    """Students on whole rows, every task at once; "" where no recipe was measured so."""
    header = (
        "recipe", "tasks", "teacher", "student", "of the teacher", "without teacher",
        "gain (at least)",
    )  # fmt: skip
    named = {name: results.get(f"accuracy-{name}") for name in RECIPES}
    found = {name: one for name, one in named.items() if content(one).get("whole_rows")}
    if not found:
        return ""
    rows: list[Row] = []
    for name, one in found.items():
        part = content(one)["whole_rows"]
        row = student_row(name, ", ".join(part["tasks"]), part)
        rows.append((*row[:2], *row[3:6], *row[7:9]))
    return written(
        "Whole rows",
        "The share of test rows on which every one of these tasks is right, every word included.",
        table(header, rows),
        list(found.values()),
    )


def lacking(results: Tables) -> str:
    """Students of several inputs without each of them; "" where no recipe has several."""
    header = (
        "recipe", "without", "task", "metric", "teacher", "student", "of the teacher", "at least",
        "without a teacher", "gain (at least)", "reached",
    )  # fmt: skip
    named = {name: results.get(f"accuracy-{name}") for name in RECIPES}
    found = {name: one for name, one in named.items() if content(one).get("without")}
    if not found:
        return ""
    rows: list[Row] = [
        (name, place, *student_row(name, task, part)[1:])
        for name, one in found.items()
        for place, tasks in content(one)["without"].items()
        for task, part in tasks.items()
    ]
    return written(
        "Students without one of their inputs",
        "The same models and rows, every row without the input: those are the rows that the gate"
        " judges, too.  Columns as above.",
        table(header, rows),
        list(found.values()),
    )


def gates(results: Tables) -> str:
    """The int8 artefacts of each recipe."""
    header = (
        "recipe", "artefact", "task", "drop", "at most", "budget", "verdict", "rows needed", "met",
    )  # fmt: skip
    rows: list[Row] = []
    for name in RECIPES:
        found = results.get(f"accuracy-{name}")
        gate = found["measured"]["gate"] if found else {}
        if not gate:
            rows.append((name, MISSING, *[""] * 7))
        for artefact, one in gate.items():
            if "int8" in artefact:
                for task, part in one["tasks"].items():
                    rows.append((*gate_row(name, artefact, task, part), mark(enough(part))))
    return written(
        "Int8 against the fp32 student",
        "A drop of at most 0.5 points for each task by its upper bound (one-sided 95 %) where the"
        " rows suffice; else `undecided` with the rows that it takes, and a point estimate of at"
        " most 0.5.  Drops are in points.  Every artefact is shown, each bound holds by itself."
        "  `load` takes the fastest of those that passed; bounds are not corrected for that choice,"
        " and the smallest of several is no claim.",
        table(header, rows),
        [results.get(f"accuracy-{name}") for name in RECIPES],
    )


def enough(one: Mapping[str, Any]) -> bool:
    """Whether a task's verdict is what is asked for."""
    if one["verdict"] == "undecided":
        return one["drop"] is not None and one["drop"]["value"] <= one["max_drop"]
    return one["verdict"] == "pass"


def gate_row(name: str, artefact: str, task: str, one: Mapping[str, Any]) -> Row:
    drop = one["drop"]
    value, high = (points(drop["value"]), points(drop["high"])) if drop else ("", "")
    needed = f"{one['rows_needed']:,}" if one["rows_needed"] else ""
    return name, artefact, task, value, high, points(one["max_drop"]), one["verdict"], needed


def parity(results: Tables) -> str:
    """The fp32 artefacts against PyTorch."""
    header = ("bundle", "artefact", "head", "decisions", "max abs error", "changed", "ties", "met")
    found = results.get("parity")
    rows: list[Row] = []
    measured = content(found)
    for run in measured.get("runs", ()):
        for artefact, heads in run["artefacts"].items():
            if "not_run" in heads:
                rows.append((run["bundle"], artefact, heads["not_run"], *[""] * 5))
                continue
            for head, one in heads.items():
                ties = ", ".join(f"row {row}" for row in one["ties"])
                error, others = one["max_abs_error"], one["changed_without_tie"]
                met = mark(error <= measured["limit"] and not others)
                counts = (f"{one['decisions']:,}", f"{error:.1e}", str(one["changed"]))
                rows.append((run["bundle"], artefact, head, *counts, ties, met))
    return written(
        "fp32 artefacts against PyTorch fp32",
        "On every row of the test split: a maximal absolute error of a logit of at most 1e-4 on"
        " every head, and the same decisions; ties (the two best logits of PyTorch lie closer than"
        " the error) are named.",
        table(header, rows),
        [found],
    )


def steps(results: Tables) -> str:
    """The cost of a teacher in a training step."""
    header = (
        "student", "batch", "precision", "supervised step", "beside it", "takes", "at most", "met",
    )  # fmt: skip
    found = results.get("step")
    measured = content(found)
    return written(
        "A training step with a cached teacher",
        "The same student and batches, labels alone on the one side: at most 1.05x of that step"
        " with cached logits, at most 1.15x with those and two hidden layers to follow (hints:"
        " mean squared difference behind a projector, cached as well).",
        table(header, [row for one in measured.get("recipes", ()) for row in step_rows(one)]),
        [found],
    )


def step_rows(one: Mapping[str, Any]) -> Iterator[Row]:
    """A line a way to learn from a teacher."""
    named = (
        one["name"],
        str(one["batch"]),
        one["precision"],
        f"{one['times']['supervised']['median_us'] / 1e3:.1f} ms",
    )
    for way, key, limit in _TAUGHT:
        if key not in one:
            yield (*named, way, MISSING, f"{limit:.2f}x", "")
        else:
            yield (*named, way, f"{one[key]:.3f}x", f"{limit:.2f}x", mark(one[key] <= limit))


#: What a step also does, where its ratio stands, and what is asked of it.
_TAUGHT = (("cached logits", "ratio", 1.05), ("cached logits, 2 hints", "hinted_ratio", 1.15))


def balancing(results: Tables) -> str:
    """What a balancer adds to a step, and to what the library takes."""
    found = results.get("balance")
    measured = content(found)
    steps = [row for one in measured.get("steps", ()) for row in balancing_rows(one, measured)]
    calls = [balancing_call(one, measured["limits"]) for one in measured.get("calls", ())]
    return written(
        "Balancers: a step of four tasks, and TorchJD called directly",
        "A step on labels alone, the recipe's first task four times: at most 1.15x of the plain sum"
        " for a balancer of gradients with respect to shared features.  Others are shown without a"
        " limit: `parameters` passes through the trunk for every task, `famo` looks twice at a"
        " batch, the rest weigh losses.",
        table(("student", "batch", "the plain sum", "balancer", "takes", "met"), steps)
        + "\n\nFrom losses to gradients on a perceptron with 2 to 20 heads, with respect to shared"
        " features or all shared parameters: at most 1.1x of the library called as its"
        " documents have it, gradients within 1e-5 (largest difference by largest number).\n\n"
        + table(("method", "tasks", "gradients of", "over TorchJD", "apart", "met"), calls)
        + ("" if measured else wanted("balance.py")),
        [found],
    )


def balancing_rows(one: Mapping[str, Any], measured: Mapping[str, Any]) -> Iterator[Row]:
    """A line a balancer; those that the limit is for come first."""
    limited, most = one["feature_level"], measured["limits"]["step"]
    plain = f"{one['times']['static']['median_us'] / 1e3:.1f} ms"
    for name in sorted(one["ratios"], key=lambda name: name not in limited):
        takes = one["ratios"][name]
        met = mark(takes <= most) if name in limited else ""
        yield (one["name"], str(one["batch"]), plain, name, f"{takes:.3f}x", met)


def balancing_call(one: Mapping[str, Any], limits: Mapping[str, float]) -> Row:
    met = one["ratio"] <= limits["call"] and one["difference"] <= limits["difference"]
    numbers = f"{one['ratio']:.3f}x", f"{one['difference']:.1e}"
    return (one["method"], str(one["tasks"]), one["gradients"], *numbers, mark(met))


def words(results: Tables) -> str:
    """The cost of reading words and how they are written."""
    header = ("rows a call", "a word with its casing", "a word of a sentence", "ratio", "met")
    found = results.get("encoding")
    measured = content(found)
    rows = [
        (
            str(one["batch"]),
            f"{one['words_us']:.2f} us",
            f"{one['sentences_us']:.2f} us",
            f"{one['ratio']:.2f}x",
            mark(one["ratio"] <= measured["limit"]),
        )
        for one in measured.get("calls", ())
    ]
    return written(
        "Encoding of words",
        "Rows of UNER EWT, cut word by word and with their casing, at most 2x those of CLINC150 a"
        " word.",
        table(header, rows),
        [found],
    )


def attention(results: Tables) -> str:
    """Plain products against fused attention where text encoders are trained on a CPU."""
    header = ("encoder", "rows x positions", "fused", "plain products", "as fast")
    found = results.get("attention")
    rows = [
        (
            one["encoder"],
            f"{one['rows']} x {one['positions']}",
            *(f"{one['times'][way]['median_us'] / 1e3:.0f} ms" for way in ("fused", "plain")),
            f"{one['ratio']:.2f}x",
        )
        for one in content(found).get("steps", ())
    ]
    return written(
        "Attention in training on a CPU, in bf16",
        "Forward, backward and an optimiser's step of an encoder alone, on one core"
        " ([decision 30](decisions/0030-plain-attention-in-bf16-on-cpus.md)).",
        table(header, rows),
        [found],
    )


def overhead(results: Tables) -> str:
    """What the runtime adds to a bare call."""
    quickest = "quickest rounds"
    header = ("bundle", "batch", "bare call", "`logits`", "`predict`", quickest, "allowed", "met")
    found = results.get("overhead")
    bundles = content(found).get("bundles", ())
    rows = [overhead_row(bundle, one) for bundle in bundles for one in bundle["calls"]]
    notes = "\n".join(["\n", *map(encoding, bundles)]) if bundles else ""
    return written(
        "The runtime against a bare ONNX Runtime call",
        "On the same arrays: `logits` at most 1.05x; `predict` at most 1.05x for the text student,"
        " at most 25 us and 2 us a row above the call for the small CNN.  Making the arrays"
        " (tokenization) is not part of it.  Medians count; the quickest rounds stand beside them."
        "  How long a student was trained makes no difference here (that of UNER: one epoch).  The"
        " forward pass leaves nothing else in the caches, so an answer costs what memory costs: on"
        " a busy host commit 71a9c733ee49 took +77 us at 16 rows of the small CNN, +447 us at 64.",
        table(header, rows) + notes,
        [found],
    )


def overhead_row(bundle: Mapping[str, Any], one: Mapping[str, Any]) -> Row:
    small = bundle["inputs"] == ["image"]
    met = one["logits_ratio"] <= 1.05
    said, least, allowed = "arrays do not tell words", "", ""
    if "predict_ratio" in one:
        more, limit = one["predict_extra_us"], one["predict_limit_us"]
        said = f"+{more:.1f} us" if small else f"{one['predict_ratio']:.3f}x"
        quickest, bare = (one["times"][call]["least_us"] for call in ("predict", "bare"))
        least = f"{quickest - bare:+.1f} us" if small else f"{quickest / bare:.3f}x"
        allowed = f"+{limit:.0f} us" if small else "1.05x"
        met = met and (more <= limit if small else one["predict_ratio"] <= 1.05)
    call, logits = one["times"]["bare"]["median_us"], one["logits_ratio"]
    numbers = f"{call:.1f} us", f"{logits:.3f}x", said, least, allowed
    return bundle["bundle"], str(one["batch"]), *numbers, mark(met)


def encoding(bundle: Mapping[str, Any]) -> str:
    costs = bundle["encoding"]
    if "not_run" in costs:
        return f"- {bundle['bundle']}: encoding not measured: {costs['not_run']}"
    shown = ", ".join(f"{cost:.1f} us at {size}" for size, cost in costs.items())
    return f"- {bundle['bundle']}: encoding a row takes {shown}"


def imports(results: Tables) -> str:
    """Start-up of whole processes."""
    header = ("process", "against", "ratio", "at most", "heavy modules", "met")
    found = results.get("imports")
    rows: list[Row] = []
    measured = content(found)
    for one in measured.get("pairs", ()):
        heavy = measured["heavy_modules"][one["what"]]
        met = mark(one["ratio"] <= one["limit"] and not heavy)
        numbers = (f"{one['ratio']:.2f}x", f"{one['limit']}x")
        rows.append((one["what"], one["against"], *numbers, ", ".join(heavy) or "none", met))
    return written(
        "Start-up",
        "Whole processes; none of torch, transformers, pydantic and onnx is loaded.",
        table(header, rows),
        [found],
    )


def memory(results: Tables) -> str:
    """Memory as rows grow."""
    header = ("training rows", "peak memory of `kd2edge distill`")
    found = results.get("memory")
    measured = content(found)
    rows = [
        (f"{one['rows']:,}", f"{one['peak_bytes'] / 1e6:,.0f} MB")
        for one in measured.get("runs", ())
    ]
    said = ""
    if measured:
        times, ratio, limit = measured["times"], measured["ratio"], measured["limit"]
        said = f"\n\n{times}x the rows: **{ratio:.2f}x** the memory; met: {mark(ratio <= limit)}."
    return written(
        "Memory of training as rows grow",
        "At most 1.2x as the training rows grow tenfold, encoded rows and cache on disk.",
        table(header, rows) + said,
        [found],
    )


def task_counts(results: Tables) -> str:
    """Time, passes and memory as tasks grow."""
    header = (
        "student", "losses combined by", "tasks", "step with the fewest", "with the most", "ratio",
        "a further task, of few and of many", "growth (95 %)", "passes of the trunk", "met",
    )  # fmt: skip
    found = results.get("task_counts")
    measured = content(found)
    rows = [tasks_row(one, measured["limits"]) for one in measured.get("steps", ())]
    said = ""
    if measured:
        memory, limit = measured["memory"], measured["limits"]["memory"]
        few, many = memory["runs"]
        said = (
            f"\n\n{many['tasks']} tasks in `kd2edge distill`: {many['peak_bytes'] / 1e6:,.0f} MB,"
            f" {few['tasks']} tasks: {few['peak_bytes'] / 1e6:,.0f} MB; **{memory['ratio']:.2f}x**"
            f" the memory (at most {limit}x); met: {mark(memory['ratio'] <= limit)}."
        )
    return written(
        "Ten times the tasks",
        "A step with cached logits of a student with 2 to 20 heads, all of the recipe's first task:"
        " at most ten times as long with ten times the tasks, and a further task costs no more"
        " among many than among few (growth, whose lower bound may not lie above 1).  The trunk is"
        " passed once, forward and back, however many tasks there are, with the plain sum and with"
        " a balancer of the gradients of shared features.",
        table(header, rows) + (said or wanted("task_counts.py")),
        [found],
    )


def tasks_row(one: Mapping[str, Any], limits: Mapping[str, float]) -> Row:
    counts = sorted(one["times"], key=int)
    few, many = (one["times"][counts[at]]["median_us"] / 1e3 for at in (0, -1))
    passes = max(max(each.values()) for each in one["passes"].values())
    low, high = one["growth_interval"]
    met = one["ratio"] <= limits["time"] and passes <= limits["passes"] and low <= 1
    costs = " and ".join(f"{one['task_us'][where] / 1e3:.2f}" for where in ("few", "many"))
    return (
        one["name"],
        one["balance"],
        f"{counts[0]} to {counts[-1]}",
        f"{few:.1f} ms",
        f"{many:.1f} ms",
        f"{one['ratio']:.2f}x",
        f"{costs} ms",
        f"{one['growth']:.2f}x ({low:.2f} to {high:.2f})",
        str(passes),
        mark(met),
    )


def gpu(results: Tables) -> str:
    """What only a CUDA machine can show."""
    found = results.get("gpu")
    measured = content(found)
    rows = [
        (name, one["status"], gpu_said(one), gpu_met(one), f"{one['took']:.0f} s")
        for name, one in measured.get("rows", {}).items()
    ]
    return written(
        "On a CUDA machine",
        "`make gpu`: the quick start distilled on the GPU, stopped and resumed to the bit, through"
        " the gate, ONNX Runtime's CUDA provider and TensorRT; steps a second of each recipe on"
        " text (`train-`); and how many times as long a step takes: with cached logits (at most"
        " 1.05x of a step on labels alone) and two hints beside them (1.15x), under a balancer of"
        " gradients of features with four tasks (1.15x of their plain sum), with each loss on"
        " features (of a step with cached logits), also where `torch.compile` has the student on"
        " both sides.  A row that could not run says why.",
        table(("row", "status", "found", "met", "took"), rows),
        [found],
    )


def gpu_said(row: Mapping[str, Any]) -> str:
    """What a row found, without what stands in its JSON alone."""
    kept = {key: value for key, value in row.items() if key not in _GPU_LONG}
    return row.get("reason") or "; ".join(f"{key} {short(value)}" for key, value in kept.items())


def gpu_met(row: Mapping[str, Any]) -> str:
    """Whether a row that has limits holds them."""
    return mark(row["met"]) if "met" in row else ""


_GPU_LONG = {"status", "took", "weights", "doctor", "times", "built", "met"}


def variants(results: Tables) -> str:
    """Short runs of a recipe with other settings."""
    found = [results[name] for name in sorted(results) if name.startswith("variants-")]
    lines = [one for result in found for one in result["measured"]["variants"]]
    tasks = list(lines[0]["test"]) if lines else []
    header = (
        "variant", "changed", "rows", "steps",
        *(f"{task}: KL train / test" for task in tasks),
        *(f"{task}: of the teacher" for task in tasks),
    )  # fmt: skip
    rows = [variant_row(one, tasks) for one in lines]
    return written(
        "What was tried",
        "Short runs of one recipe, one seed each: a hint for where to look, no result.  KL is the"
        " student's divergence from the teacher (T = 2, times 4) a word, on rows it was trained on"
        " and on test rows; the gap between the two is what it learned by heart.",
        table(header, rows),
        found,
    )


def variant_row(one: Mapping[str, Any], tasks: Sequence[str]) -> Row:
    kl, test = one["divergence"], one["test"]
    changed = [f"{key.rsplit('.', 1)[-1]}: {short(value)}" for key, value in one["changed"].items()]
    return (
        one["name"],
        "; ".join(changed),
        f"{one['rows']:,}",
        f"{one['steps']:,}",
        *(f"{kl['train'][task]:.3f} / {kl['test'][task]:.3f}" for task in tasks),
        *(f"{100 * test[task]['student'] / test[task]['teacher']:.1f} %" for task in tasks),
    )


def short(value: Any) -> str:
    """A setting as a cell of a table."""
    if isinstance(value, list):
        return ", ".join(map(short, value)) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {short(one)}" for key, one in value.items())
    return str(value)


SECTIONS: tuple[Callable[[Tables], str], ...] = (
    students, whole_rows, lacking, gates, parity, faults, validation, peers, pareto, model2vec,
    spacy, lengths, words, steps, balancing, distillers, balancers, attention, overhead, imports,
    memory, task_counts, gpu, studies, scopes, variants,
)  # fmt: skip


if __name__ == "__main__":
    main()
