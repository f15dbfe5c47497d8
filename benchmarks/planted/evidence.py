"""Evidence that is forged, loose, of the future or of other threads: does `load` believe it?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kd2edge.files import fingerprint
from planted.graphs import is_absent, noisy, perturbed
from planted.judge import judged
from planted.kind import Plant, Said, Site, kind
from planted.measure import rows_without
from planted.rows import write_rows

Arrays = dict[str, Any]


def _bad(site: Site) -> None:
    site.draft.change_graph(site.artefact, noisy(0.6))


def preferred(bundle: Path, artefact: str, threads: int = 1) -> Said:
    """Whether ``load`` takes an artefact for one that passed."""
    from kd2edge.api import load
    from kd2edge.errors import Kd2edgeError

    try:
        with load(bundle, threads=threads) as model:
            chosen, why = model.artefact, model.why
    except Kd2edgeError as error:
        return Said(True, "load refuses", f"{type(error).__name__}: {error}"[:160])
    if chosen != artefact or why.startswith("first of the manifest"):  # not by evidence
        return Said(True, "not preferred", f"load takes {chosen}: {why}"[:160])
    return Said(False, "preferred", why[:160])


def _payload(site: Site, bundle: Path, **options: Any) -> dict[str, Any]:
    """What a real validation of the artefact wrote."""
    from kd2edge.pipeline.verbs.validation import validate

    result = validate(
        bundle, data=site.product.data, artefacts=[site.artefact], threads=1,
        out=site.scratch / "evidence", **options,
    )  # fmt: skip
    return json.loads(json.dumps(result.to_json()))


def _forged(site: Site, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> Plant:
    """Evidence through the public writer that says what ``change(payload, artefact)`` makes."""
    from kd2edge.bundle import open_bundle
    from kd2edge.bundle.evidence import append_evidence

    _bad(site)

    def door(bundle: Path) -> Said:
        payload = _payload(site, bundle)
        change(payload, payload["artefacts"][site.artefact])
        append_evidence(bundle, "validation", open_bundle(bundle).identity, payload)
        return preferred(bundle, site.artefact)

    return Plant(door=door)


def _claim(payload: dict[str, Any], found: dict[str, Any]) -> None:
    payload["outcome"] = found["verdict"] = "pass"
    found["reason"] = ""
    for task in _tasks(found):
        task.update(verdict="pass", reason="")


def _parts(found: dict[str, Any]) -> list[dict[str, Any]]:
    """The results on the rows as they are, and without each input that may be absent."""
    return [found, *found.get("without", {}).values()]


def _tasks(found: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for part in _parts(found):
        yield from part["tasks"].values()


def _forgotten(found: dict[str, Any]) -> None:
    """Nothing but the tasks says anything any more."""
    found.update(graph=[], edges=[])
    for part in _parts(found):
        part.update(answers=[], numbers={})


@kind("A10", "pass beside bounds above the budget")
def believed(site: Site) -> Plant:
    return _forged(site, _claim)


@kind("A10", "pass without tasks", ("texts",))
def without_tasks(site: Site) -> Plant:
    def change(payload: dict[str, Any], found: dict[str, Any]) -> None:
        _claim(payload, found)
        found["tasks"] = {}

    return _forged(site, change)


@kind("A10", "pass that says nothing of rows without an input", ("reviews",))
def without_rows(site: Site) -> Plant:
    """All holds on the rows as they are; without the table nothing does, and nobody says so."""
    from kd2edge.bundle import open_bundle
    from kd2edge.bundle.evidence import append_evidence

    site.draft.change_graph(site.artefact, perturbed(is_absent("table")))

    def door(bundle: Path) -> Said:
        payload = _payload(site, bundle)
        found = payload["artefacts"][site.artefact]
        _claim(payload, found)
        del found["without"]
        append_evidence(bundle, "validation", open_bundle(bundle).identity, payload)
        return preferred(bundle, site.artefact)

    return Plant((rows_without("table"),), door=door)


@kind("A10", "pass with a check that failed", ("texts",))
def failed_check(site: Site) -> Plant:
    """Bounds that hold, beside a check that does not."""

    def change(payload: dict[str, Any], found: dict[str, Any]) -> None:
        _claim(payload, found)
        _hold(found)
        found["graph"].append({"name": "golden outputs", "status": "failed", "detail": "wrong"})

    return _forged(site, change)


def _hold(found: dict[str, Any]) -> None:
    for task in _tasks(found):
        for metric in task["metrics"].values():
            metric["drop"].update(value=0.0, low=0.0, high=0.0)


@kind("A10", "pass with a bound that is no number", ("texts",))
def no_bound(site: Site) -> Plant:
    def change(payload: dict[str, Any], found: dict[str, Any]) -> None:
        _claim(payload, found)
        for task in _tasks(found):
            for metric in task["metrics"].values():
                metric["drop"]["high"] = None

    return _forged(site, change)


@kind("A10", "pass with a drop that is not that of its values", ("texts", "pictures"))
def other_drop(site: Site) -> Plant:
    """Bounds that hold; the values beside them say what was lost."""

    def change(payload: dict[str, Any], found: dict[str, Any]) -> None:
        _claim(payload, found)
        _hold(found)
        _forgotten(found)
        for task in _tasks(found):
            task.update(classes=[], changed=0)

    return _forged(site, change)


@kind("A10", "pass by a metric that is not the manifest's", ("texts", "pictures"))
def other_metric(site: Site) -> Plant:
    def change(payload: dict[str, Any], found: dict[str, Any]) -> None:
        other_values = {"value": 1.0, "low": 1.0, "high": 1.0}
        _claim(payload, found)
        _forgotten(found)
        for task in _tasks(found):
            drop = {**next(iter(task["metrics"].values()))["drop"], "value": 0.0}
            drop.update(low=0.0, high=0.0)
            entry = {"candidate": other_values, "reference": other_values, "drop": drop}
            task["metrics"]["another"] = entry
            task.update(metric="another", held=["another"], classes=[], changed=0)

    return _forged(site, change)


@kind("A10", "pass at a budget that the evidence states for itself", ("texts", "pictures"))
def own_budget(site: Site) -> Plant:
    def change(payload: dict[str, Any], found: dict[str, Any]) -> None:
        _claim(payload, found)
        for task in _tasks(found):
            task["max_drop"] = 1.0

    return _forged(site, change)


@kind("A10", "validated with a budget of 90 points")
def loose(site: Site) -> Plant:
    _bad(site)

    def door(bundle: Path) -> Said:
        drops = dict.fromkeys(site.product.tasks, 0.9)
        judged(bundle, site.product.data, site.artefact, max_drop=drops)
        return preferred(bundle, site.artefact)

    return Plant(door=door)


@kind("A10", "validated with a confidence of 51 %", ("texts", "pictures"))
def unsure(site: Site) -> Plant:
    """An artefact that loses about its budget passes by its point estimate."""
    site.draft.change_graph(site.artefact, noisy(0.1))

    def door(bundle: Path) -> Said:
        said = judged(bundle, site.product.data, site.artefact, confidence=0.501)
        return preferred(bundle, site.artefact) if not said.stopped else said

    return Plant(door=door)


def _retimed(path: Path, time: str) -> None:
    """The last entry of a file says another time; its checksum is made again."""
    value = json.loads(path.read_text(encoding="utf-8"))
    entry = value["entries"][-1]
    entry["time"] = time
    if entry.pop("checksum", ""):
        entry["checksum"] = fingerprint(entry)
    path.write_text(json.dumps(value), encoding="utf-8")


@kind("A10", "evidence of the year 2099 hides a later fail")
def future(site: Site) -> Plant:
    from kd2edge.bundle import open_bundle
    from kd2edge.bundle.evidence import append_evidence

    _bad(site)

    def door(bundle: Path) -> Said:
        clean = site.product.bundle
        payload = _payload(site, clean)  # of the clean artefact: everything in it holds
        identity = open_bundle(bundle).identity
        payload["manifest"] = identity
        path = append_evidence(bundle, "validation", identity, payload)
        _retimed(path, "2099-01-01T00:00:00+00:00")
        judged(bundle, site.product.data, site.artefact)
        return preferred(bundle, site.artefact)

    return Plant(door=door)


@kind("A10", "a clock that was set back hides a later fail", ("texts", "sentences"))
def set_back(site: Site) -> Plant:
    """The fail stands behind the pass in the file, with an earlier time."""
    from kd2edge.bundle import open_bundle
    from kd2edge.bundle.evidence import append_evidence

    _bad(site)

    def door(bundle: Path) -> Said:
        payload = _payload(site, site.product.bundle)
        identity = open_bundle(bundle).identity
        payload["manifest"] = identity
        path = append_evidence(bundle, "validation", identity, payload)
        judged(bundle, site.product.data, site.artefact)
        _retimed(path, "2020-01-01T00:00:00+00:00")
        return preferred(bundle, site.artefact)

    return Plant(door=door)


@kind("A10", "a pass on three rows", ("texts",))
def few_rows(site: Site) -> Plant:
    """The verdict of a real run on rows that say nothing, with a budget that asks for nothing."""
    _bad(site)

    def door(bundle: Path) -> Said:
        data = write_rows(site.scratch / "three.jsonl", site.product.rows()[:3])
        drops = dict.fromkeys(site.product.tasks, 1.0)
        judged(bundle, data, site.artefact, max_drop=drops)
        return preferred(bundle, site.artefact)

    return Plant(door=door)
