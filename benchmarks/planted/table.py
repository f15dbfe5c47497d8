"""Plants every kind in every product, measures and judges it, and keeps what was found."""

from __future__ import annotations

import json
import shutil
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kd2edge.files import fingerprint, write_atomic
from kd2edge.pipeline.steps.provenance import code_fingerprint
from planted import (
    absolute,
    answers,
    evidence,
    inputs,
    pictures,
    preprocessing,
    reference,
    serving,
    tables,
    threads,
    values,
    weights,
)
from planted.clean import CONTROL, cases, verdict
from planted.draft import Draft
from planted.judge import judged
from planted.kind import KINDS, Kind, Plant, Said, Site, artefact_of
from planted.measure import COSTLY, Cost, Measurer
from planted.products import Product

__all__ = ["COSTLY", "State", "clean_verdicts", "planted", "summary"]

#: The modules that fill the catalogue.
CATALOGUE = (
    serving, threads, reference, absolute, answers, preprocessing, pictures, evidence, weights,
    inputs, tables, values,
)  # fmt: skip

_ROOT = Path(__file__).resolve().parents[2]  # a result holds no path of the machine

Found = dict[str, Any]
Say = Callable[[str], None]


class State:
    """What was found so far, kept after every step; of other code nothing is taken over."""

    def __init__(self, path: Path) -> None:
        self._path = path
        code = fingerprint([code_fingerprint(), code_fingerprint(Path(__file__).parent)])
        self._value: dict[str, Any] = {"code": code, "faults": {}, "clean": {}}
        if path.is_file():
            value = json.loads(path.read_text(encoding="utf-8"))
            if value["code"] == code:
                self._value = value

    def known(self, part: str) -> dict[str, Found]:
        return self._value[part]

    def add(self, part: str, key: str, found: Found) -> None:
        self._value[part][key] = found
        write_atomic(self._path, json.dumps(self._value, indent=1, ensure_ascii=False).encode())


def planted(product: Product, state: State, kinds: Sequence[Kind], say: Say = print) -> list[Found]:
    """Every kind that is for a product."""
    measurer = Measurer()
    found: list[Found] = []
    for one in kinds:
        if product.name not in one.products:
            continue
        key = f"{one.group}: {one.name}"
        if key not in state.known("faults"):
            begin = time.perf_counter()
            result = plant(one, product, measurer)
            if result is None:
                continue
            result["seconds"] = round(time.perf_counter() - begin, 1)
            state.add("faults", key, result)
            say(line(result))
        found.append(state.known("faults")[key])
    return found


def plant(one: Kind, product: Product, measurer: Measurer) -> Found | None:
    """Plant a kind in a product; None where it has no meaning there."""
    scratch = product.folder / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    target = product.folder / "models" / "planted"
    shutil.rmtree(target, ignore_errors=True)
    site = Site(product, Draft(product.bundle), artefact_of(one, product.name), scratch)
    try:
        made = one.plant(site)
        if made is None:
            return None
        _require_change(site, made)
        bundle = site.draft.write(target)
        # Faults of the process are measured first: the gate could only stop what is there.
        cost = made.cost or measurer.cost(product, bundle, site.artefact, made.looks, made.patch)
        said = _said(site, bundle, made)
    except Exception:  # noqa: BLE001  (a mistake of the harness must not pass for a stop)
        cost, said = (
            Cost(0.0, 0.0, ""),
            Said(False, "harness", traceback.format_exc()[-900:].replace(str(_ROOT), "")),
        )
    return {
        "kind": one.name,
        "group": one.group,
        "product": product.name,
        "artefact": site.artefact,
        "drop": round(cost.drop, 5),
        "budgets": round(cost.ratio, 3),
        "where": cost.where,
        **asdict(said),
        "verdict": _verdict(cost, said),
    }


def _require_change(site: Site, made: Plant) -> None:
    """A kind that changes nothing would pass for a harmless one."""
    clean = Draft(site.product.bundle)
    same = (clean.manifest, clean.files) == (site.draft.manifest, site.draft.files)
    if same and made.data is None and made.patch is nullcontext and made.door is None:
        raise ValueError("nothing was planted")


def _said(site: Site, bundle: Path, made: Plant) -> Said:
    if made.door is not None:
        return made.door(bundle)
    with made.patch():
        return judged(bundle, made.data or site.product.data, site.artefact, threads=made.threads)


def _verdict(cost: Cost, said: Said) -> str:
    if said.outcome == "harness":
        return "broken harness"
    if said.stopped:
        return "stopped"
    return "slipped" if cost.ratio >= COSTLY else "harmless"


def line(found: Mapping[str, Any]) -> str:
    return (
        f"{found['verdict']:9} {found['group']}: {found['kind']} / {found['product']}"
        f" ({found['artefact']}): {100 * found['drop']:.2f} points ({found['where']});"
        f" {found['outcome']}: {found['by']} [{found.get('seconds')} s]"
    )


def clean_verdicts(
    product: Product, state: State, say: Say = print, most: int | None = None
) -> list[Found]:
    """Every case of a product, or the first ``most``."""
    scratch = product.folder / "scratch"
    scratch.mkdir(exist_ok=True)
    found: list[Found] = []
    for case in list(cases(product))[:most]:
        if case.key not in state.known("clean"):
            said = verdict(product, case, scratch)
            state.add("clean", case.key, {**asdict(case), **asdict(said)})
            if said.outcome != "pass":
                say(f"clean: {case.key}: {said.outcome}: {said.by}")
        found.append(state.known("clean")[case.key])
    return found


def summary(faults: Sequence[Found], clean: Sequence[Found]) -> dict[str, Any]:
    """The numbers that count."""
    costly = [one for one in faults if one["budgets"] >= COSTLY]
    judged_on = {(one["product"], one["artefact"]) for one in faults}
    controls = [
        one
        for one in clean
        if one["part"] == CONTROL and (one["product"], one["artefact"]) in judged_on
    ]
    return {
        "kinds": len({one["kind"] for one in faults}),
        "variants": len(faults),
        "costly": len(costly),
        "stopped": sum(one["stopped"] for one in costly),
        "broken": sum(one["verdict"] == "broken harness" for one in faults),
        "controls": len(controls),
        "controls_passed": sum(one["outcome"] == "pass" for one in controls),
        "clean": len(clean),
        "passed": sum(one["outcome"] == "pass" for one in clean),
        "undecided": sum(one["outcome"] == "undecided" for one in clean),
        "alarms": sum(one["outcome"] not in ("pass", "undecided") for one in clean),
    }


def all_kinds() -> list[Kind]:
    """The catalogue, by the parts of the issue."""
    assert all(CATALOGUE)
    return sorted(KINDS, key=lambda one: (one.group[0] != "A", len(one.group), one.group))
