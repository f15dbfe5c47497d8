"""Models that were trained elsewhere: where they lie, and the files that their inputs stand on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from kd2edge.bundle.paths import checked_path, read_inside
from kd2edge.errors import IntegrityError, UsageError
from kd2edge.files import fingerprint, fingerprint_bytes
from kd2edge.inputs.fitted_table import LONGEST
from kd2edge.inputs.spec import InputSpec
from kd2edge.inputs.tokenizer_json import id_rules
from kd2edge.nets import describe_net, net_files
from kd2edge.recipe.schema import BoostingModel, Input, Teacher
from kd2edge.teacher.boosted import boosted_files, describe_boosted

__all__ = [
    "NOTHING",
    "Brought",
    "brought_by",
    "brought_with",
    "fitted_fingerprint",
    "tokenizer_fingerprint",
    "trained_stem",
    "trees_stem",
]

_TOKENIZER = "tokenizer"
#: Whether the files of an input, by their role, are those that a model was trained with.
_Known = Callable[[str, Mapping[str, bytes]], bool]


@final
@dataclass(frozen=True, slots=True)
class Brought:
    """What a trained model brings of its own run: what its tables were fitted to, its tokenizers.

    Args:
        specs: input name -> spec, as the model says what it reads.
        files: input name -> role -> bytes of the file.
    """

    specs: Mapping[str, InputSpec] = field(default_factory=dict[str, InputSpec])
    files: Mapping[str, Mapping[str, bytes]] = field(
        default_factory=dict["str", "Mapping[str, bytes]"]
    )

    def tokenizers(self) -> dict[str, bytes]:
        """Input -> the ``tokenizer.json`` that it was trained with."""
        return {name: own[_TOKENIZER] for name, own in self.files.items() if _TOKENIZER in own}

    def fitted(self, name: str, one: Input) -> dict[str, bytes]:
        """Role -> what an input was fitted to.

        Nothing where the recipe's input is another one: of other columns, it would not be scaled
        by these files, and who compares the two says what differs.
        """
        spec = self.specs.get(name)
        if spec is None or (spec.kind, _constants(spec)) != (one.kind, one.constants()):
            return {}
        return {role: file for role, file in self.files[name].items() if role != _TOKENIZER}


NOTHING = Brought()


def trained_stem(path: Path, whose: str = "init") -> Path:
    """The stem of a trained net, whose two files must be there.

    Args:
        path: of a run, for its student; of a net's safetensors, or its stem.
        whose: what messages call it.

    Raises:
        UsageError: it is not there.
    """
    stem = _net_stem(path)
    place = "into a run and under its teachers/ and phases/"
    _require_there(net_files(stem), f"{whose} {path}", place)
    return stem


def trees_stem(path: Path) -> Path:
    """The stem of trained trees, whose two files must be there.

    Args:
        path: of their ``.npz``, or their stem.

    Raises:
        UsageError: they are not there.
    """
    stem = _trees_stem(path)
    _require_there(boosted_files(stem), f"checkpoint {path}", "under teachers/")
    return stem


def brought_by(teacher: Teacher) -> Brought:
    """What a loaded teacher brings; nothing of one that is trained here, or that is not there.

    Raises:
        IntegrityError: its JSON is damaged.
    """
    if teacher.checkpoint is None:
        return NOTHING
    if not isinstance(teacher.model, BoostingModel):
        return brought_with(teacher.checkpoint)
    stem = _trees_stem(teacher.checkpoint)
    if not _are_there(boosted_files(stem)):
        return NOTHING
    found = describe_boosted(stem)
    return _brought(
        stem,
        [found.input],
        lambda _, own: set(map(fingerprint_bytes, own.values())) == {found.table},
    )


def brought_with(path: Path) -> Brought:
    """What a trained net brings; nothing where there is none.

    Its run has the files in its folder.  They count where their fingerprints are those that the net
    states: a run's teacher may have read other files than the student, whose ones lie there.

    Args:
        path: as :func:`trained_stem` takes it.

    Raises:
        IntegrityError: its JSON is damaged.
    """
    stem = _net_stem(path)
    if not _are_there(net_files(stem)):
        return NOTHING
    found = describe_net(stem)

    def known(name: str, own: Mapping[str, bytes]) -> bool:
        rest = dict(own)
        tokenizer = rest.pop(_TOKENIZER, None)
        if tokenizer is not None and tokenizer_fingerprint(tokenizer) != found.tokenizers.get(name):
            return False
        return not rest or fitted_fingerprint(rest) == found.fitted.get(name)

    return _brought(stem, found.inputs, known)


def tokenizer_fingerprint(content: bytes) -> str:
    """What tells tokenizers apart: the rules by which texts get their ids.

    Raises:
        IntegrityError: bytes that are no tokenizer.
    """
    return fingerprint(id_rules(content))


def fitted_fingerprint(files: Mapping[str, bytes]) -> str:
    """What tells apart what an input kind has learned of the rows; by role."""
    return fingerprint({role: fingerprint_bytes(content) for role, content in files.items()})


def _brought(stem: Path, specs: Sequence[InputSpec], known: _Known) -> Brought:
    found: dict[str, Mapping[str, bytes]] = {}
    # A run's student lies in its folder, what stands under teachers/ and phases/ one below.
    for folder in (stem.parent.parent, stem.parent):
        for spec in specs:
            own = _files(folder, spec)
            if own and _is_known(known, spec.name, own):
                found[spec.name] = own
    return Brought({spec.name: spec for spec in specs if spec.name in found}, found)


def _files(folder: Path, spec: InputSpec) -> dict[str, bytes]:
    """Role -> file; none where one is missing, or is no file of this folder."""
    try:
        return {
            role: read_inside(folder, checked_path(path, spec.name), limit=LONGEST)
            for role, path in spec.files.items()
        }
    except IntegrityError:
        return {}


def _is_known(known: _Known, name: str, files: Mapping[str, bytes]) -> bool:
    try:
        return known(name, files)
    except IntegrityError:  # what should be a tokenizer is none
        return False


def _constants(spec: InputSpec) -> dict[str, object]:
    """As :meth:`Input.constants` has them: whether arrays bear the input's name is apart."""
    return {key: value for key, value in spec.options.items() if key != "prefix"}


def _net_stem(path: Path) -> Path:
    stem = path.with_suffix("") if path.suffix == ".safetensors" else path
    return stem / "student" if path.is_dir() else stem


def _trees_stem(path: Path) -> Path:
    return path.with_suffix("") if path.suffix == ".npz" else path


def _require_there(files: Sequence[Path], what: str, place: str) -> None:
    if not _are_there(files):
        weights, described = (file.name for file in files)
        raise UsageError(
            f"{what}: expected {weights} with {described} beside it, as `kd2edge distill` writes"
            f" them {place}"
        )


def _are_there(files: Sequence[Path]) -> bool:
    return all(file.is_file() for file in files)
