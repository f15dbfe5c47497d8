"""The manifest's one JSON text, and the strict way back: what is not understood is refused."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import partial

from kd2edge.bundle.manifest import SCHEMA, Artefact, FileEntry, Gate, Manifest
from kd2edge.bundle.paths import MANIFEST, REPORTS, checked_path
from kd2edge.errors import IntegrityError, SchemaTooNewError
from kd2edge.files.fingerprint import as_json
from kd2edge.files.strict_json import (
    Fields,
    as_budget,
    as_integer,
    as_items,
    as_name,
    as_number,
    as_object,
    as_share,
    as_text,
    as_texts,
    parsed,
)
from kd2edge.inputs.spec import ArraySpec, Dim, InputSpec
from kd2edge.tasks.reject import LIMITS, PROTOTYPES
from kd2edge.tasks.spec import TaskName, TaskSpec
from kd2edge.verdict import STATUSES, Status

#: Most bytes that a manifest may have: 10,000 labels a task take about 0.2 MB.
LIMIT = 16 << 20


_WORD = r"[a-z0-9]+(?:[._][a-z0-9]+)*"
_ARTEFACT_ID = re.compile(rf"({_WORD})-({_WORD})(?:-({_WORD}(?:-{_WORD})*))?")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DTYPE = re.compile(r"bool|bfloat16|float(16|32|64)|u?int(8|16|32|64)")


def manifest_to_json(manifest: Manifest) -> bytes:
    """The canonical text: sorted keys, indented by 2, UTF-8, a newline at the end.

    Raises:
        IntegrityError: a manifest that :func:`manifest_from_json` would refuse.
    """
    try:
        text = json.dumps(
            manifest,
            sort_keys=True,
            indent=2,
            ensure_ascii=False,
            allow_nan=False,
            default=as_json,
        )
        content = f"{text}\n".encode()
    except (TypeError, ValueError) as error:
        raise IntegrityError(f"manifest.json: a value that JSON cannot hold: {error}") from error
    manifest_from_json(content)
    return content


def manifest_from_json(content: bytes, place: str = "manifest.json") -> Manifest:
    """Read a manifest strictly.

    Args:
        content: the file's bytes.
        place: what messages call it.

    Raises:
        SchemaTooNewError: written by a newer kd2edge.
        PathEscapeError: a path that is absolute or leaves the bundle.
        IntegrityError: anything else that is not a manifest, down to an unknown key.
    """
    value = as_object(parsed(content, place, LIMIT), place)
    _check_schema(value.get("schema"), place)
    fields = Fields(value, place)
    manifest = Manifest(
        name=fields.one("name", as_name),
        version=fields.one("version", as_text),
        tasks={TaskName(k): v for k, v in fields.table("tasks", _task).items()},
        inputs=fields.table("inputs", _input),
        artefacts=fields.table("artefacts", _artefact),
        preferred=fields.list("preferred", as_text),
        files=fields.list("files", _file),
        references=fields.table("references", _path),
        golden=fields.one("golden", _path_or_none),
        gate=fields.one("gate", _gate),
        licences=fields.table("licences", as_texts),
        provenance=fields.table("provenance", as_text),
        schema=fields.one("schema", as_integer),
    )
    fields.end()
    _check_whole(manifest, place)
    return manifest


def split_artefact_id(artefact: str) -> tuple[str, str, str]:
    """Target, precision and variant ("" when there is none) of an artefact id.

    Raises:
        IntegrityError: it is not ``<target>-<precision>[-<variant>]`` in lower case.
    """
    match = _ARTEFACT_ID.fullmatch(artefact)
    if match is None:
        raise IntegrityError(
            f"artefact id {artefact!r}: expected <target>-<precision>[-<variant>],"
            " e.g. onnx-int8-qdq"
        )
    return match[1], match[2], match[3] or ""


def _check_schema(schema: object, place: str) -> None:
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise IntegrityError(f"{place}: schema: expected a number from 1, found {schema!r}")
    if schema < SCHEMA:
        raise IntegrityError(
            f"{place}: written with schema {schema}, this kd2edge reads {SCHEMA}:"
            " export the run again"
        )
    if schema > SCHEMA:
        raise SchemaTooNewError(
            f"{place}: written with schema {schema}, this kd2edge reads up to {SCHEMA}:"
            " install a newer one"
        )


def _task(value: object, where: str) -> TaskSpec:
    fields = Fields(value, where)
    spec = TaskSpec(
        name=TaskName(fields.one("name", as_name)),
        kind=fields.one("kind", as_name),
        labels=fields.list("labels", as_text),
        metric=fields.one("metric", as_text),
        metrics=fields.list("metrics", as_text),
        column=fields.one("column", as_text),
        input=fields.one("input", as_text),
        decode=fields.one("decode", _decode),
        unit=fields.one("unit", as_text),
    )
    fields.end()
    if len(set(spec.labels)) != len(spec.labels):
        raise IntegrityError(f"{where}.labels: a label stands twice")
    if spec.decode.get("reject", 0) >= max(len(spec.labels), 1):
        raise IntegrityError(f"{where}.decode.reject: there are {len(spec.labels)} labels")
    if "reject" in spec.decode and len(spec.decode.keys() & set(LIMITS.values())) != 1:
        raise IntegrityError(f"{where}.decode: reject needs one of {', '.join(LIMITS.values())}")
    if (LIMITS["distance"] in spec.decode) != (PROTOTYPES in spec.decode):
        raise IntegrityError(f"{where}.decode: {LIMITS['distance']} and {PROTOTYPES} go together")
    if spec.kind == "binary" and len(spec.labels) != 2:
        raise IntegrityError(f"{where}.labels: expected two of a binary task, found {spec.labels}")
    return spec


def _decode(value: object, where: str) -> dict[str, float]:
    settings = as_object(value, where)
    unknown = sorted(settings.keys() - _SETTINGS.keys())
    if unknown:  # who passes over a setting decides otherwise than was judged
        raise IntegrityError(
            f"{where}: no such setting: {', '.join(unknown)}; there are {', '.join(_SETTINGS)} (if"
            " the bundle is of a newer kd2edge, update this one)"
        )
    return {key: _SETTINGS[key](settings[key], f"{where}.{key}") for key in settings}


def _above_zero(value: object, where: str) -> float:
    found = as_number(value, where)
    if found <= 0:  # logits are divided by it, or values are
        raise IntegrityError(f"{where}: expected a number above 0, found {found!r:.40}")
    return found


#: Decode settings that only some numbers can be; see ``tasks.settings``.
_SETTINGS: Mapping[str, Callable[[object, str], float]] = {
    "temperature": _above_zero,
    "scope_temperature": _above_zero,
    "threshold": as_share,
    "quantile": as_share,
    "fitted": partial(as_integer, least=0),
    "spread": _above_zero,
    "top_k": partial(as_integer, least=1),
    "reject": as_integer,
    "least_probability": as_share,
    "most_energy": as_number,
    "least_cosine": as_number,
    "prototypes": partial(as_integer, least=1),
    "mean": as_number,
    "low": as_number,
    "high": as_number,
    "least": as_number,
    "most": as_number,
    "in_scope_recall": as_share,
}


def _gate(value: object, where: str) -> Gate:
    fields = Fields(value, where)
    gate = Gate(
        max_drop=fields.table("max_drop", as_budget),
        max_drop_class=fields.table("max_drop_class", as_share),
        # Which one can decide is for `validate` to say: a bundle with another one still runs.
        confidence=fields.one("confidence", as_share),
    )
    fields.end()
    return gate


def _input(value: object, where: str) -> InputSpec:
    fields = Fields(value, where)
    spec = InputSpec(
        name=fields.one("name", as_name),
        kind=fields.one("kind", as_name),
        columns=fields.list("columns", as_text),
        options=fields.one("options", as_object),
        files=fields.table("files", _path),
    )
    fields.end()
    return spec


def _artefact(value: object, where: str) -> Artefact:
    fields = Fields(value, where)
    artefact = Artefact(
        id=fields.one("id", as_text),
        target=fields.one("target", as_text),
        precision=fields.one("precision", as_text),
        variant=fields.one("variant", as_text),
        status=fields.one("status", _status),
        reason=fields.one("reason", as_text),
        entry=fields.one("entry", _path_or_none),
        files=fields.list("files", _file),
        inputs=fields.list("inputs", _array),
        outputs=fields.list("outputs", _array),
        ranges=fields.table("ranges", _range),
        tools=fields.table("tools", as_text),
        settings=fields.one("settings", as_object),
    )
    fields.end()
    _check_artefact(artefact, where)
    return artefact


def _status(value: object, where: str) -> Status:
    if value not in STATUSES:
        raise IntegrityError(f"{where}: expected one of {', '.join(STATUSES)}, found {value!r:.80}")
    return STATUSES[STATUSES.index(value)]


def _check_artefact(artefact: Artefact, where: str) -> None:
    parts = (artefact.target, artefact.precision, artefact.variant)
    if split_artefact_id(artefact.id) != parts:
        raise IntegrityError(f"{where}.id: {artefact.id!r} does not say {parts}")
    if (artefact.status == "ready") == bool(artefact.reason):
        raise IntegrityError(f"{where}.reason: expected one exactly when it is not ready")
    if artefact.status == "ready" and not artefact.entry:
        raise IntegrityError(f"{where}.entry: missing in an artefact that is ready")
    if artefact.entry and artefact.entry not in {entry.path for entry in artefact.files}:
        raise IntegrityError(f"{where}.entry: {artefact.entry!r} is none of its files")


def _file(value: object, where: str) -> FileEntry:
    fields = Fields(value, where)
    entry = FileEntry(
        path=fields.one("path", _path),
        sha256=fields.one("sha256", as_text),
        bytes=fields.one("bytes", as_integer),
    )
    fields.end()
    if not _SHA256.fullmatch(entry.sha256):
        raise IntegrityError(f"{where}.sha256: expected 64 hexadecimal digits in lower case")
    if entry.path == MANIFEST or entry.path.split("/")[0] == REPORTS:
        raise IntegrityError(f"{where}.path: {entry.path!r} cannot be part of the identity")
    return entry


def _array(value: object, where: str) -> ArraySpec:
    fields = Fields(value, where)
    name, dtype = as_text(fields.take("name"), where), as_text(fields.take("dtype"), where)
    array = ArraySpec(name, dtype, fields.list("shape", _dim))
    fields.end()
    if not name or not _DTYPE.fullmatch(dtype):
        raise IntegrityError(f"{where}: expected a name and a dtype, found {name!r}, {dtype!r}")
    return array


def _dim(value: object, where: str) -> Dim:
    return as_name(value, where) if isinstance(value, str) else as_integer(value, where, 1)


def _range(value: object, where: str) -> tuple[int, int]:
    sizes = as_items(value, where, partial(as_integer, least=1))
    if len(sizes) != 2 or sizes[0] > sizes[1]:
        raise IntegrityError(f"{where}: expected [smallest, largest], found {list(sizes)}")
    return sizes[0], sizes[1]


def _path(value: object, where: str) -> str:
    return checked_path(as_text(value, where), where)


def _path_or_none(value: object, where: str) -> str:
    return "" if value == "" else _path(value, where)


def _check_whole(manifest: Manifest, place: str) -> None:
    """What no part can know alone."""
    tables = (manifest.tasks, manifest.inputs)
    names = [(key, spec.name) for table in tables for key, spec in table.items()]
    names += [(key, artefact.id) for key, artefact in manifest.artefacts.items()]
    for key, name in names:
        if key != name:
            raise IntegrityError(f"{place}: {key!r} names itself {name!r}")
    unknown = [name for name in manifest.preferred if name not in manifest.artefacts]
    if unknown:
        raise IntegrityError(f"{place}: preferred: no artefact {unknown[0]!r}")
    for task, spec in manifest.tasks.items():
        if spec.input and spec.input not in manifest.inputs:
            raise IntegrityError(f"{place}: tasks.{task}.input: no input {spec.input!r}")
    _check_paths(manifest, place)


def _check_paths(manifest: Manifest, place: str) -> None:
    listed: dict[str, FileEntry] = {}
    for entry in entries(manifest):
        # Artefacts may share a file (OpenVINO reads the ONNX one), but then they agree on it.
        known = listed.setdefault(entry.path.casefold(), entry)
        if known != entry:
            raise IntegrityError(f"{place}: {entry.path!r} is listed twice, not the same way")
    used = [*manifest.references.values()]
    used += [path for spec in manifest.inputs.values() for path in spec.files.values()]
    used += [manifest.golden] if manifest.golden else []
    common = {entry.path for entry in manifest.files}
    missing = [path for path in used if path not in common]
    if missing:
        raise IntegrityError(f"{place}: files: {missing[0]!r} is used, but not listed")


def entries(manifest: Manifest) -> list[FileEntry]:
    """Every file that a manifest names, its own and its artefacts'."""
    own = list(manifest.files)
    return own + [entry for artefact in manifest.artefacts.values() for entry in artefact.files]
