"""A bundle's student, ready to answer: one forward pass for all tasks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import copy
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, SupportsIndex, final

import numpy as np
import numpy.typing as npt

from kd2edge.bundle.paths import folder_path, is_folder
from kd2edge.bundle.store import Bundle, open_bundle
from kd2edge.engines import ENGINES
from kd2edge.errors import InputError, IntegrityError, UsageError
from kd2edge.inputs.kind import Encoder
from kd2edge.inputs.kinds import input_kind
from kd2edge.inputs.spec import Encoded, InputSpec
from kd2edge.runtime.batches import Batch, Batches, merged, whole
from kd2edge.runtime.built import engine_bytes
from kd2edge.runtime.choice import Choice, Wish, choose
from kd2edge.runtime.graph import Arrays, GraphSpec
from kd2edge.runtime.handed import Columns
from kd2edge.runtime.heads import Head
from kd2edge.runtime.known import NOTHING, Known, known_here
from kd2edge.runtime.padding import Padding
from kd2edge.runtime.session import Session
from kd2edge.runtime.threads import counted
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.spec import Decoded, TaskSpec
from kd2edge.wording import value as shown

if TYPE_CHECKING:
    from typing_extensions import Self

Outputs = dict[str, npt.NDArray[Any]]
#: Sees a batch and what the graph gave for it.
Watch = Callable[[Batch, Outputs], None]


def load(
    path: str | bytes | PathLike[str],
    *,
    artefact: str | None = None,
    threads: SupportsIndex | None = None,
    batch: SupportsIndex = 1,
    providers: str | Sequence[str] | None = None,
    allow_fallback: bool = False,
    self_test: bool = False,
    evidence: str | bytes | PathLike[str] | None = None,
    identity: str | None = None,
) -> Model:
    """Load one artefact of a bundle, from bytes that were verified against the manifest.

    Args:
        path: the bundle's folder.
        artefact: an artefact's id; None: the fastest, with its threads, whose evidence says that it
            passed so on a machine like this one, else the first of the preferred order that can
            run here.
        threads: threads for one forward pass; a pass counts that was judged with as many.  None:
            chosen with the artefact, else the physical cores this process may use.
        batch: rows of a forward pass that the choice is made for; any number may be run.
        providers: execution providers or devices, best first, or one by its name; None: the CPU
            (TensorRT: the GPU).  They belong to one runtime: name the artefact too.
        allow_fallback: accept another provider when one is missing.
        self_test: ask for all that is golden in the bundle before returning: rows, raw values and
            every id of the vocabulary.
        evidence: the folder that ``build``, ``validate`` and ``bench`` had as ``--out``: its
            evidence and engines count beside the bundle's own.
        identity: SHA-256 that the bundle's manifest must have (``kd2edge verify`` prints it); None:
            any.  All its files follow from that, evidence does not.

    Raises:
        UsageError: no such artefact in this bundle, ``threads`` or ``batch`` below 1, no list of
            names, no such folder of evidence, or an identity that is none.
        StorageError: a folder or file that cannot be read.
        IntegrityError: another manifest than ``identity`` says, a checksum that does not hold, or
            golden outputs that do not come out.
        BackendError: the artefact cannot run here; the message says what would help.
    """
    if artefact is not None and not isinstance(artefact, str):
        raise UsageError(f"artefact must be the id of one, found a {type(artefact).__name__}")
    wish = Wish(
        artefact,
        None if threads is None else counted("threads", threads),
        counted("batch", batch),
    )
    bundle = open_bundle(path, identity=identity)
    folder = bundle.path if evidence is None else folder_path(evidence)
    known = _known(bundle, artefact, folder)
    choice = choose(bundle.manifest, known, wish, place=str(bundle.path))
    session = _session(bundle, choice, providers, allow_fallback)
    try:
        session.open()
        model = Model(bundle, choice, session)
        if self_test:
            # Most loads ask for none of it, and it would add to the start of every process.
            from kd2edge.runtime.self_test import assert_golden

            assert_golden(bundle, choice.artefact, model.logits, model.encode)
    except BaseException:
        session.close()
        raise
    return model


@final
class Model:
    """A loaded student.  Thread-safe; a context manager; made by :func:`load`."""

    def __init__(self, bundle: Bundle, choice: Choice, session: Session) -> None:
        manifest = bundle.manifest
        #: Id of the artefact that runs.
        self.artefact: str = choice.artefact.id
        #: Why this artefact, and this number of threads.
        self.why: str = choice.why + _otherwise(choice.judged_with, session.options)
        #: Threads of a forward pass.
        self.threads: int = choice.threads
        #: SHA-256 of the bundle's manifest.
        self.identity: str = bundle.identity
        self.tasks: Mapping[str, TaskSpec] = {str(n): s for n, s in manifest.tasks.items()}
        self.inputs: Mapping[str, InputSpec] = dict(manifest.inputs)
        self.session = session
        self._run = session.run
        self._watch: Watch | None = None
        self._padding = Padding(session.spec)
        self._batches = Batches(
            session.spec,
            {n: _encoder(bundle, s) for n, s in self.inputs.items()},
            self._columns(),
        )
        self._heads = {name: Head(spec, task_kind(spec.kind)) for name, spec in self.tasks.items()}
        outputs = {output.name: output for output in session.spec.outputs}
        for task, head in self._heads.items():
            for name in head.outputs:
                if name not in outputs:
                    part = "" if name == task else f" called {name!r}"
                    raise IntegrityError(
                        f"{bundle.path}: {self.artefact} has no output{part} for the task {task!r};"
                        " export the bundle again"
                    )
                head.assert_fits(name, outputs[name])

    def predict(
        self,
        inputs: Any,
        *,
        tasks: Iterable[str] | None = None,
        top_k: int | None = None,
        batch_size: int | None = None,
    ) -> dict[str, list[Any]]:
        """Answers of every task (or of ``tasks``), one a row, in the order of the rows.

        Args:
            inputs: ``{"text": ["...", ...]}``, input name -> raw values; or a data frame with the
                inputs' columns; or the graph's arrays.  ``how-to/serve.md`` has all the forms.
            tasks: names of the tasks to answer; None: all.
            top_k: labels a row, best first; None: what the task's settings say.
            batch_size: rows in one forward pass; None: all where they are few or much of a length,
                parts by length where that saves padding, at most as many as the artefact takes.

        Returns:
            Task -> answers (design section 7): classification ``[{label, score}]``, binary
            ``{score, label}``, tokens ``[{start, end, label, score, text}]``.

        Raises:
            InputError: an unknown name, a missing input, no rows, a wrong type or shape.
            BackendError: the engine failed.
        """
        heads = self._wanted(tasks)
        if top_k is not None:
            top_k = whole("top_k", top_k)
        answers: dict[str, list[Any]] = {name: [] for name in heads}
        order: list[int] = []
        watch = self._watch
        for batch in self._batches.of(inputs, batch_size):
            outputs = self._outputs(batch.arrays)
            if watch is not None:
                watch(batch, outputs)
            encoded = batch.encoded
            for name, head in heads.items():
                answers[name] += head.answers(outputs, encoded, top_k)
            if not isinstance(batch.rows, range):
                order += batch.rows
        return {name: _in_order(found, order) for name, found in answers.items()}

    def watched(self, watch: Watch, encoders: Mapping[str, Encoder] | None = None) -> Model:
        """This model on the same session, whose ``predict`` shows what its answers come from.

        So what was answered can be held against the graph's outputs of the very same forward pass.

        Args:
            watch: called with every batch and its outputs, before they become answers.
            encoders: encode in place of the model's own, as several models may share the work.
        """
        other = copy(self)
        other._watch = watch  # noqa: SLF001  (of its own class)
        if encoders is not None:
            other._batches = Batches(self.session.spec, encoders, self._columns())  # noqa: SLF001
        return other

    @property
    def batch(self) -> int | None:
        """Rows of a forward pass of ``predict`` when nobody says; None: all that it is handed."""
        return self._batches.most

    def logits(self, inputs: Any) -> Outputs:
        """Raw outputs of every head.

        Args:
            inputs: as for :meth:`predict`.

        Returns:
            Task -> ``[batch, C]``, for token tasks ``[batch, length, C]`` over sub-words; of a task
            whose head gives several arrays each by its name.
        """
        batches = self._batches
        arrays = inputs if batches.are_arrays(inputs) else merged(batches.encode(inputs))
        if not batches.too_many(arrays):
            return self._outputs(arrays)
        parts = [self._outputs(batch.arrays) for batch in batches.of(arrays, None)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def encode(self, inputs: Any) -> dict[str, Encoded]:
        """Arrays and words of raw ``inputs``, by input name, padded to the longest row."""
        return self._batches.encode(inputs)

    def decode(
        self,
        logits: Arrays,
        encoded: Mapping[str, Encoded] | None = None,
        *,
        tasks: Iterable[str] | None = None,
    ) -> dict[str, Decoded]:
        """Decisions and scores of :meth:`logits`; token tasks need ``encoded`` of the same rows."""
        return {name: head.decode(logits, encoded) for name, head in self._wanted(tasks).items()}

    def close(self) -> None:
        """Give memory and threads back; wait for running calls to end before."""
        self.session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _columns(self) -> dict[str, Columns]:
        return {
            name: spec.columns if len(spec.columns) > 1 else "".join(spec.columns)
            for name, spec in self.inputs.items()
            if spec.columns
        }

    def _outputs(self, arrays: Arrays) -> Outputs:
        if not self._padding.is_needed(arrays):
            return self._run(arrays)
        rows = len(next(iter(arrays.values())))
        outputs = self._run(self._padding.padded(arrays))
        return {name: array[:rows] for name, array in outputs.items()}

    def _wanted(self, tasks: Iterable[str] | None) -> dict[str, Head]:
        if tasks is None:
            return self._heads
        heads = self._heads
        try:
            names = [tasks] if isinstance(tasks, str) else list(tasks)
            unknown = [name for name in names if name not in heads]
        except TypeError:  # no list, or an item that is no name
            names, unknown = [], repr(tasks)
        if unknown or not names:
            raise InputError(
                f"expected tasks among {', '.join(map(repr, heads))}, found {unknown or 'none'}"
            )
        return {str(name): heads[name] for name in names}  # NumPy's text is one too


def _in_order(answers: list[Any], rows: list[int]) -> list[Any]:
    """Answers in the order of the caller's rows; ``rows`` is empty when they are in it."""
    if not rows:
        return answers
    placed = answers.copy()
    for row, answer in zip(rows, answers, strict=True):
        placed[row] = answer
    return placed


def _otherwise(judged: Mapping[str, Any], own: Mapping[str, Any]) -> str:
    """That the engine, its provider or its settings are not those of the pass; "" when they are."""
    if not judged:
        return ""
    # Evidence is JSON, where a tuple is a list.
    here = {key: list(one) if isinstance(one, tuple) else one for key, one in own.items()}
    odd = [
        f"{shown(key)} {shown(here.get(key))}, judged with {shown(judged.get(key))}"
        for key in sorted(judged.keys() | here.keys())
        if here.get(key) != judged.get(key)
    ]
    return f"; but {'; '.join(odd)}: run kd2edge validate" if odd else ""


def _known(bundle: Bundle, asked: str | None, folder: Path) -> Known:
    """What evidence says; not read where it decides nothing, so that damage then does no harm."""
    if not is_folder(folder):
        raise UsageError(
            f"{folder}: no such folder of evidence; it is the --out of kd2edge validate"
        )
    artefact = bundle.manifest.artefacts.get(asked or "")
    if artefact is not None and artefact.status == "ready":
        return NOTHING
    return known_here(bundle, folder)


def _encoder(bundle: Bundle, spec: InputSpec) -> Any:
    files = {role: bundle.read(file) for role, file in spec.files.items()}
    return input_kind(spec.kind).open(spec, files)


def _session(
    bundle: Bundle,
    choice: Choice,
    providers: str | Sequence[str] | None,
    allow_fallback: bool,
) -> Session:
    artefact = choice.artefact
    spec = GraphSpec(artefact.inputs, artefact.outputs, artefact.ranges)
    if choice.engine is not None:
        graph, sha256, companions = engine_bytes(choice.engine), choice.engine.sha256, {}
    else:
        suffixes = ENGINES[artefact.target].companions
        files = [file.path for file in artefact.files if file.path.endswith(suffixes)]
        graph, sha256 = bundle.read(artefact.entry), ""
        companions = {file: bundle.read(file) for file in files}
    return Session.from_bytes(
        graph,
        spec,
        backend=ENGINES[artefact.target].backend,
        companions=companions,
        threads=choice.threads,
        providers=providers,
        allow_fallback=allow_fallback,
        precision=artefact.precision,
        sha256=sha256,
        label=artefact.id,
    )
