"""A bundle's artefacts as candidates: loaded through the runtime, with what is known of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import final

from kd2edge.bundle.manifest import Artefact
from kd2edge.bundle.store import Bundle
from kd2edge.errors import BackendError, IntegrityError
from kd2edge.inputs.kinds import input_kind
from kd2edge.runtime import Model, load
from kd2edge.validate.candidate import Loaded
from kd2edge.validate.edges import twin_checks
from kd2edge.validate.gate import failed_checks
from kd2edge.validate.golden import OUTPUTS, golden_checks, raw_found
from kd2edge.validate.graph import graph_checks
from kd2edge.validate.sample import golden_samples
from kd2edge.validate.standing import FALLBACK
from kd2edge.validate.validation import ArtefactResult, Check
from kd2edge.validate.ways import FREE

__all__ = ["Artefacts"]


@final
class Artefacts:
    """Opens artefacts of one bundle; they share encoders, and are closed with ``stack``.

    Args:
        stack: closes what was loaded.
        bundle: the bundle.
        home: where its evidence and engines are.
        threads: numbers of threads that each is loaded with, where it runs on threads.
        known: checks that hold for every artefact (of the bundle as a whole).
    """

    def __init__(
        self,
        stack: ExitStack,
        bundle: Bundle,
        home: Path,
        threads: Sequence[int],
        known: tuple[Check, ...] = (),
    ) -> None:
        self._stack, self._bundle, self._home = stack, bundle, home
        self._threads, self._known = threads, known
        inputs = bundle.manifest.inputs
        files = {
            name: {role: bundle.read(file) for role, file in spec.files.items()}
            for name, spec in inputs.items()
        }
        self._encoders = {
            name: input_kind(spec.kind).open(spec, files[name]) for name, spec in inputs.items()
        }
        self._raw = raw_found(bundle, self._encoders)
        self._twins = twin_checks(inputs, self._encoders, files)
        #: Rows and raw values that PyTorch's outputs are kept of in the bundle.
        self.golden = golden_samples(bundle, self._encoders)
        #: Artefact -> engine, provider and settings that its sessions run with.
        self.options: dict[str, Mapping[str, object]] = {}

    def graph(self, name: str) -> tuple[Check, ...]:
        """What can be said of an artefact's files before it is loaded.

        Raises:
            IntegrityError: a file is not the one that the manifest names.
        """
        return (*graph_checks(self._bundle, self._artefact(name)), *self._known)

    def loaded(self, name: str, graph: tuple[Check, ...]) -> Loaded | ArtefactResult:
        """The candidate, or the result of what does not load."""
        try:
            models = self._models(name)
        except BackendError as error:
            faults = failed_checks(graph)
            word, reason = ("fail", "; ".join(faults)) if faults else ("not_run", str(error))
            return ArtefactResult(word, reason, 0, graph, faults=tuple(faults))
        except IntegrityError as error:
            # The bytes are the manifest's (graph_checks read them), the graph is another one.
            faults = [*failed_checks(graph), str(error)]
            return ArtefactResult("fail", "; ".join(faults), 0, graph, faults=tuple(faults))
        return self._candidate(name, models, graph)

    def stand_in(self) -> Loaded | None:
        """The fp32 ONNX artefact, for rows without a stored reference; None: it cannot run here."""
        if FALLBACK not in self._bundle.manifest.artefacts:
            return None
        try:
            return self._candidate(FALLBACK, self._models(FALLBACK), self.graph(FALLBACK))
        except BackendError:
            return None

    def size(self, name: str) -> int:
        """Bytes of its files."""
        return sum(entry.bytes for entry in self._artefact(name).files)

    def _artefact(self, name: str) -> Artefact:
        return self._bundle.manifest.artefacts[name]

    def _models(self, name: str) -> dict[int, Model]:
        models: dict[int, Model] = {}
        for count in self._threads:
            models[count] = self._stack.enter_context(
                load(self._bundle.path, artefact=name, threads=count, evidence=self._home)
            )
            if not models[count].session.uses_threads:
                break
        return models

    def _candidate(
        self, name: str, models: Mapping[int, Model], graph: tuple[Check, ...]
    ) -> Loaded:
        artefact, model = self._artefact(name), next(iter(models.values()))
        self.options[name] = model.session.options
        golden = golden_checks(self._bundle, model, self._raw)
        # A head that golden lacks is a doubt, like a graph that was not looked at.
        notes = [check for check in golden if check.status == "not_run" and check.name != OUTPUTS]
        return Loaded(
            models,
            artefact.precision,
            self._encoders,
            artefact.inputs,
            artefact.ranges,
            model.session.spec.limits("batch")[1] or FREE,
            (*graph, *(check for check in golden if check not in notes)),
            (*self._twins, *notes),
        )
