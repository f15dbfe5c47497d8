"""MODEL_CARD.md: what the bundle is, how good, under which licences and where its limits are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kd2edge.bundle.gains import size_text
from kd2edge.bundle.manifest import Artefact, Manifest
from kd2edge.inputs.kinds import input_kind
from kd2edge.reporting import formats
from kd2edge.reporting.reading import (
    FORMS,
    check_report,
    estimate,
    forms,
    leading_split,
    rows_text,
    task_block,
)
from kd2edge.tasks.cut import cut_text
from kd2edge.tasks.reject import rejection_of
from kd2edge.tasks.spec import TaskSpec
from kd2edge.wording import PATH, shown
from kd2edge.wording import value as short

__all__ = ["model_card"]

Json = Mapping[str, Any]

#: What model hubs call our task kinds and inputs.
_PIPELINE_TAGS = {
    ("classification", "text"): "text-classification",
    ("binary", "text"): "text-classification",
    ("multi_label", "text"): "text-classification",
    ("multi_label", "tokens"): "text-classification",
    ("multi_label", "image"): "image-classification",
    ("regression", "text"): "text-classification",
    ("regression", "tokens"): "text-classification",
    ("regression", "image"): "image-classification",
    ("ordinal", "text"): "text-classification",
    ("ordinal", "tokens"): "text-classification",
    ("ordinal", "image"): "image-classification",
    ("token_classification", "tokens"): "token-classification",
    ("token_classification", "text"): "token-classification",
    ("classification", "image"): "image-classification",
    ("binary", "image"): "image-classification",
}
#: How many of the weakest classes are named.
_WEAKEST = 5


def model_card(manifest: Manifest, report: Json | None = None) -> str:
    """The card as Markdown with YAML front matter; the same arguments give the same text.

    Raises:
        UsageError: ``report`` is no report.
    """
    if report is not None:
        check_report(report)
    parts = [
        _front_matter(manifest, report),
        f"# {_line(manifest.name)}",
        _summary(manifest),
        "## Tasks",
        _task_table(manifest),
        *_results(report),
        "## Use",
        _usage(manifest),
        "## Artefacts",
        _artefact_table(manifest),
        *_calibrations(manifest),
        "## Limits",
        "\n".join(f"- {line}" for line in _limits(manifest, report)),
        "## Licences",
        _licences(manifest),
        "## Provenance",
        _provenance(manifest),
    ]
    return "\n\n".join(parts) + "\n"


def _front_matter(manifest: Manifest, report: Json | None) -> str:
    """YAML; every value is written as JSON, which is YAML too and cannot be misread."""
    weights = tuple(manifest.licences.get("weights", ()))
    data: dict[str, Any] = {
        "library_name": "kd2edge",
        "license": weights[0].lower() if len(weights) == 1 else "other",
        "tags": ["kd2edge", "knowledge-distillation", "multi-task", *_targets(manifest)],
    }
    tags = {
        _PIPELINE_TAGS.get((task.kind, _input_kind(manifest, task)))
        for task in manifest.tasks.values()
    }
    if len(tags) == 1 and None not in tags:
        data["pipeline_tag"] = tags.pop()
    if len(weights) > 1:
        data["license_name"] = " AND ".join(weights)
    data["metrics"] = sorted({task.metric for task in manifest.tasks.values()})
    if report is not None:
        data["model-index"] = [{"name": manifest.name, "results": _index(report, tags)}]
    # What a terminal would obey is escaped as YAML has it; JSON did so with the lowest characters.
    texts = {key: json.dumps(value, ensure_ascii=False) for key, value in data.items()}
    lines = [f"{key}: {shown(text, len(text) + 1)}" for key, text in texts.items()]
    return "\n".join(["---", *lines, "---"])


def _index(report: Json, tags: set[str | None]) -> list[Json]:
    split = leading_split(report)
    kind = next(iter(tags)) if len(tags) == 1 else None
    return [
        {
            "task": {"type": kind or "other", "name": task},
            "dataset": {"name": report["name"], "type": report["name"], "split": split},
            "metrics": [
                {"type": spec["metric"], "value": round(part["value"], 4), "name": spec["metric"]}
            ],
        }
        for task, spec in report["tasks"].items()
        if (part := estimate(report, split, task, "student")).get("value") is not None
    ]


def _input_kind(manifest: Manifest, task: TaskSpec) -> str:
    spec = manifest.inputs.get(task.input) or next(iter(manifest.inputs.values()), None)
    return spec.kind if spec is not None else ""


def _targets(manifest: Manifest) -> list[str]:
    return sorted({artefact.target for artefact in manifest.artefacts.values()})


def _line(value: str) -> str:
    """A name inside Markdown: one line, all of it visible, nothing in it is markup."""
    flat = shown(" ".join(value.split()), PATH)
    return "".join("\\" + sign if sign in "\\`*_{}[]<>#|&~$" else sign for sign in flat)


def _code(value: object) -> str:
    """The same as code, where no sign in it could end that."""
    text = str(value)
    return f"`{text}`" if re.fullmatch(r"[\w.-]{1,128}", text) else _line(text)


def _summary(manifest: Manifest) -> str:
    names = ", ".join(_line(task) for task in manifest.tasks)
    inputs = ", ".join(
        f"{_line(name)} ({_line(spec.kind)})" for name, spec in manifest.inputs.items()
    )
    return (
        f"One small network for {len(manifest.tasks)} task(s) ({names}) on {inputs}, taught by a "
        "larger teacher and exported by kd2edge. It needs neither torch nor a network to run."
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _task_table(manifest: Manifest) -> str:
    rows = [
        [_line(name), spec.kind, str(len(spec.labels)), _some(spec.labels), _line(spec.metric)]
        for name, spec in manifest.tasks.items()
    ]
    return _table(["task", "kind", "labels", "for example", "metric"], rows)


def _some(labels: Sequence[str], most: int = 6) -> str:
    named = ", ".join(_line(short(label)) for label in labels[:most])
    return f"{named}, ..." if len(labels) > most else named


def _results(report: Json | None) -> list[str]:
    if report is None:
        return []
    split = leading_split(report)
    present = forms(report)
    rows = [
        [
            _line(task),
            _line(str(spec["metric"])),
            *(_estimate(report, split, task, form) for form in present),
        ]
        for task, spec in report["tasks"].items()
    ]
    table = _table(["task", "metric", *(FORMS[form] for form in present)], rows)
    lead = (
        f"PyTorch, {_line(rows_text(report, split))}; brackets are bootstrap intervals. "
        "The artefacts' own numbers are evidence in `reports/`, not part of this card."
    )
    return ["## Results", lead, table]


def _estimate(report: Json, split: str, task: str, form: str) -> str:
    part = estimate(report, split, task, form)
    return f"{formats.score(part.get('value'))} {formats.interval(part)}".rstrip()


def _usage(manifest: Manifest) -> str:
    call = json.dumps(
        {name: [input_kind(one.kind).sample(one)] for name, one in manifest.inputs.items()}
    )
    return "\n".join(
        [
            "```python",
            "from kd2edge.runtime import load",
            "",
            f"model = load({json.dumps('models/' + manifest.name)})",
            f"model.predict({call})",
            "```",
        ]
    )


def _artefact_table(manifest: Manifest) -> str:
    sizes = {
        name: sum(entry.bytes for entry in artefact.files)
        for name, artefact in manifest.artefacts.items()
    }
    ready = {name: sizes[name] for name, one in manifest.artefacts.items() if not one.reason}
    rows = [
        [f"`{name}`", _status(artefact), formats.size(sizes[name]), size_text(name, ready)]
        for name, artefact in manifest.artefacts.items()
    ]
    return _table(["artefact", "status", "size", "beside float"], rows)


def _status(artefact: Artefact) -> str:
    return f"{artefact.status}: {_line(artefact.reason)}" if artefact.reason else artefact.status


def _calibrations(manifest: Manifest) -> list[str]:
    """On which rows the ranges of int8 artefacts were measured; one line a sample."""
    users: dict[str, list[str]] = {}
    for artefact in manifest.artefacts.values():
        if "calibration" in artefact.settings:
            line = _sample_of(artefact.settings["calibration"])
            users.setdefault(line, []).append(f"`{artefact.id}`")
    lines = [f"- {', '.join(names)}: calibrated on {line}" for line, names in users.items()]
    return ["\n".join(lines)] if lines else []


def _sample_of(calibration: Json) -> str:
    return (
        f"{calibration['rows']:,} rows of the {_line(calibration['split'])} split, drawn by seed "
        f"{calibration['seed']} (SHA-256 of the arrays' file: {_code(calibration['sha256'])})."
    )


def _limits(manifest: Manifest, report: Json | None) -> Iterator[str]:
    for name, spec in manifest.inputs.items():
        if "max_length" in spec.options:
            limit = spec.options["max_length"]
            yield f"{_line(name)}: what lies beyond {limit} sub-words is cut off and not read."
        if "size" in spec.options:
            height, width = spec.options["size"]
            yield f"{_line(name)}: pictures of {height} x {width} pixels (height x width)."
    yield "It knows the labels above and no others: any other input still gets one of them."
    for name, task in manifest.tasks.items():
        if (rejection := rejection_of(task)) is not None:
            yield (
                f"{_line(name)}: {_line(rejection.text(task))}; the score of that answer is the"
                " label's own probability, which may be small."
            )
        if cut := cut_text(task):
            yield f"{_line(name)}: {cut}."
    yield "Scores are not probabilities that can be relied on outside the data it was measured on."
    if any(artefact.precision == "int8" for artefact in manifest.artefacts.values()):
        yield (
            "int8 artefacts can give other answers on another CPU (its kernels round in another "
            "order): run `kd2edge validate` on the machine that will serve."
        )
    if any(artefact.status == "needs_device" for artefact in manifest.artefacts.values()):
        yield (
            "Artefacts marked needs_device were never run: `kd2edge build`, then "
            "`kd2edge validate`, on the device."
        )
    if report is not None:
        yield from _weak_classes(report)


def _weak_classes(report: Json) -> Iterator[str]:
    split = leading_split(report)
    for task in report["tasks"]:
        entries = task_block(report, split, task, "student").get("per_class", ())
        scored = [
            entry for entry in entries if entry.get("f1") is not None and entry.get("support")
        ]
        weakest = sorted(scored, key=lambda entry: (entry["f1"], str(entry["label"])))[:_WEAKEST]
        if len(scored) > _WEAKEST:
            names = ", ".join(
                f"{_line(short(entry['label']))} ({entry['f1']:.2f})" for entry in weakest
            )
            yield f"{_line(task)}: weakest classes by F1: {names}."


def _licences(manifest: Manifest) -> str:
    named = {what: manifest.licences.get(what, ()) for what in ("weights", "data")}
    return "\n".join(
        f"- {_line(what)}: {', '.join(map(_line, licences)) or 'not stated'}"
        for what, licences in named.items()
    )


def _provenance(manifest: Manifest) -> str:
    prints = [
        f"- {_line(name)}: {_code(value)}" for name, value in sorted(manifest.provenance.items())
    ]
    return "\n".join(["SHA-256 fingerprints:", "", *prints]) if prints else "Not stated."
