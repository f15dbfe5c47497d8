"""``kd2edge report`` and ``compare``: hand a run's or a bundle's findings to ``reporting``."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kd2edge.bundle import Bundle, open_bundle, read_evidence
from kd2edge.errors import IntegrityError, UsageError
from kd2edge.files import write_atomic
from kd2edge.pipeline.steps.folders import MODELS, latest_run
from kd2edge.pipeline.verbs.finished import FinishedRun, finished_run, run_of
from kd2edge.reporting import Table, compare_reports, html_report, report_from_validation

#: What verdicts of one validation have in common.
_BASIS = ("split", "rows", "distinct", "fingerprint", "confidence", "reference")

__all__ = ["comparison", "findings", "newest", "write_html"]


def write_html(path: Path | None, out: Path | None) -> Path:
    """Write the HTML report of a run or bundle (default: the latest run) and say where.

    A run's report also shows the newest evidence of its bundle ``models/NAME``, when there is one.
    """
    place = path or latest_run().path
    with _understood(place):
        report, validation, bench = findings(place)
        page = html_report(report, validation=validation, bench=bench).encode()
    target = out or (place / "report.html" if _is_run(place) else Path(f"{place.name}-report.html"))
    write_atomic(target, page)
    return target


def comparison(a: Path, b: Path) -> Table:
    """Two runs or bundles, side by side."""
    with _understood(a):
        first = findings(a)
    with _understood(b):
        second = findings(b)
    with _understood(f"{a}, {b}"):
        return compare_reports(
            first[0],
            second[0],
            validations=(first[1], second[1]),
            benches=(first[2], second[2]),
        )


@contextmanager
def _understood(place: Path | str) -> Generator[None]:
    """What a report or evidence holds in the wrong place or type is damage, and said as that.

    Raises:
        IntegrityError: it was found.
    """
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise IntegrityError(
            f"{place}: its report or evidence does not say what kd2edge writes"
            f" ({type(error).__name__}: {error}); run `kd2edge distill` or `kd2edge validate` again"
        ) from error


def findings(
    place: Path,
) -> tuple[Mapping[str, Any], Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """Report, validation and bench of a run or a bundle, see :func:`newest`.

    Raises:
        UsageError: neither a run nor a bundle, or a bundle with neither its run nor evidence.
    """
    if _is_run(place):
        run = finished_run(place)
        report, bundle = run.report, _bundle_of(run)
    else:
        bundle = open_bundle(place)
        report = _bundle_report(bundle)
    if bundle is None:
        return report, None, None
    return report, newest(bundle, "validation"), newest(bundle, "bench")


def _bundle_report(bundle: Bundle) -> Mapping[str, Any]:
    """The report of a bundle's run, or what its own validation knows."""
    found = run_of(bundle)
    if found is not None:
        return found.report
    validation = newest(bundle, "validation")
    if validation is None:
        raise UsageError(
            f"{bundle.path}: the run that this bundle was made of is not under runs/, and it has "
            f"no evidence to report: run `kd2edge validate {bundle.path} --data FILE` first"
        )
    return report_from_validation(bundle.manifest, validation)


def newest(bundle: Bundle, kind: str) -> Mapping[str, Any] | None:
    """What is known of exactly this bundle on the machine that measured last; None: nothing.

    A ``validation`` has each artefact's newest verdict; a ``bench`` is the one that timed the most
    artefacts, the newest of these, as times of different hours cannot be compared.
    """
    entries = read_evidence(bundle.path, kind, bundle.identity)
    alike = [one.payload for one in reversed(entries) if one.machine.id == entries[-1].machine.id]
    if not alike:
        return None
    return _verdicts(alike) if kind == "validation" else max(alike, key=_timed)


def _timed(bench: Mapping[str, Any]) -> int:
    return len({one["artefact"] for one in bench["timings"]})


def _verdicts(validations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The first validation that ran something, with each artefact's first verdict of them all.

    ``earlier`` names those that were judged on other rows or with another confidence.
    """
    artefacts: dict[str, Any] = {}
    bases: dict[str, Mapping[str, Any]] = {}
    for validation in validations:
        for name, found in validation["artefacts"].items():
            if found["verdict"] == "not_run":  # says nothing against an earlier verdict: as in load
                artefacts.setdefault(name, found)
            elif name not in bases:
                artefacts[name] = found
                bases[name] = validation
    first = next(iter(bases.values()), validations[0])
    earlier = {
        name: {key: basis.get(key) for key in _BASIS}
        for name, basis in bases.items()
        if any(basis.get(key) != first.get(key) for key in _BASIS)
    }
    return {**first, "artefacts": artefacts, "earlier": earlier}


def _is_run(place: Path) -> bool:
    if not place.is_dir():
        raise UsageError(f"{place}: no such run or bundle")
    return not (place / "manifest.json").is_file()


def _bundle_of(run: FinishedRun) -> Bundle | None:
    for parent in (MODELS, run.folder.path.resolve().parent.parent / "models"):
        path = parent / run.name
        if (path / "manifest.json").is_file():
            bundle = open_bundle(path)
            if bundle.manifest.provenance.get("run") == run.provenance["run"]:
                return bundle
    return None
