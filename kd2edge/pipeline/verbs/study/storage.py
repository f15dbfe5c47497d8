"""Which variants were tried and what came out, in any storage of Optuna.

Akiba et al. 2019 (arXiv 1907.10902).  Everything of Optuna stands here: the rest of a study asks
for trials and tells what they reached.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, final

from kd2edge.errors import BackendError, StorageError, UsageError
from kd2edge.pipeline.verbs.study.plan import Plan, Range, Variant

__all__ = ["Storage", "Trial", "open_storage", "require_optuna"]

#: Name of the storage in a study's folder.
DATABASE = "study.db"

#: How a storage says that somebody else writes there.
_LOCKED = "locked"


@final
@dataclass(frozen=True, slots=True)
class Trial:
    """A variant that is or was tried.

    Args:
        number: its place in the study, from 0: its folder's name.
        variant: what is tried.
        state: ``running`` (perhaps stopped half-way), ``complete`` or ``failed``.
        value: what a search looks at, larger is better; None: not complete.
    """

    number: int
    variant: Variant
    state: Literal["running", "complete", "failed"]
    value: float | None = None


@final
class Storage:
    """The trials of one study; used by one thread."""

    def __init__(self, study: Any, plan: Plan, place: str) -> None:
        self._study = study
        self._plan = plan
        self._place = place

    def trials(self) -> list[Trial]:
        """Every trial that was begun, in order."""
        with _understood(self._place):
            return [one for found in self._found() if (one := self._trial(found)) is not None]

    def begin(self, variant: Variant) -> Trial:
        """Begin a trial of a known variant."""
        with _understood(self._place):
            if not any(one.state.name == "WAITING" for one in self._found()):
                self._study.enqueue_trial({}, user_attrs=_attributes(variant))
            # What waits comes first; one that a stopped study left there waits as well.
            return self._begun(self._study.ask())

    def search(self) -> Trial:
        """Begin a trial of a variant that the sampler chooses."""
        with _understood(self._place):
            asked = self._study.ask()
            if "variant" not in asked.user_attrs:
                values = {
                    name: _suggested(asked, name, choice)
                    for name, choice in self._plan.space.items()
                }
                for key, value in _attributes(self._plan.chosen(values)).items():
                    asked.set_user_attr(key, value)
            return self._begun(asked)

    def complete(self, trial: Trial, value: float) -> None:
        """Tell what a trial reached."""
        with _understood(self._place):
            self._study.tell(trial.number, value)

    def fail(self, trial: Trial) -> None:
        """Tell that a trial came to nothing."""
        import optuna

        with _understood(self._place):
            self._study.tell(trial.number, state=optuna.trial.TrialState.FAIL)

    def _found(self) -> Sequence[Any]:
        return self._study.get_trials(deepcopy=False)

    def _begun(self, asked: Any) -> Trial:
        variant = _variant(asked.user_attrs)
        assert variant is not None
        return Trial(asked.number, variant, "running")

    def _trial(self, found: Any) -> Trial | None:
        variant = _variant(found.user_attrs)
        if variant is None or found.state.name == "WAITING":
            return None  # not begun, or stopped before it was known what it tries
        if found.state.name == "COMPLETE":
            return Trial(found.number, variant, "complete", found.value)
        if found.state.name == "FAIL":
            return Trial(found.number, variant, "failed")
        return Trial(found.number, variant, "running")


def require_optuna() -> None:
    """See that Optuna is there, before anything is written.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)


def open_storage(plan: Plan, name: str, folder: Path, url: str | None) -> Storage:
    """The storage of a study, made where there is none.

    Args:
        plan: the study.
        name: what it is called there.
        folder: its folder, for the storage that it has when nobody names one.
        url: an Optuna storage; None: SQLite in the folder.

    Raises:
        StorageError: it cannot be opened, or another process holds it.
        UsageError: no address of a storage, or it holds a study of another recipe of that name.
        BackendError: what speaks to such a storage is not installed.
    """
    import optuna

    address = url or f"sqlite:///{(folder / DATABASE).resolve().as_posix()}"
    place = _shown(address)
    with _understood(place):
        study = optuna.create_study(
            storage=address, study_name=name, direction="maximize", load_if_exists=True
        )
        _require_same(study, plan, name, place)
        # A sampler that begins again with its seed would choose the same again.
        seed = (plan.loaded.recipe.seed + len(study.get_trials(deepcopy=False))) % 2**32
        study.sampler = (
            optuna.samplers.TPESampler(seed=seed, constant_liar=True)  # several at a time
            if plan.sampler == "tpe"
            else optuna.samplers.RandomSampler(seed=seed)
        )
    return Storage(study, plan, place)


def _require_same(study: Any, plan: Plan, name: str, place: str) -> None:
    """Note what the study is of, or refuse what is of another one."""
    kept = study.user_attrs.get("kd2edge")
    if kept is None:
        if study.get_trials(deepcopy=False):
            raise UsageError(
                f"{place}: its study {name!r} was not made by kd2edge: name another one (--name)"
            )
        study.set_user_attr("kd2edge", plan.parts)
        return
    stated: Mapping[str, Any] = kept if isinstance(kept, dict) else {}
    odd = [part for part, value in plan.parts.items() if stated.get(part) != value]
    if "recipe" in odd:
        found = str(stated.get("recipe"))[:12]
        raise UsageError(
            f"{place}: the study {name!r} there is of another recipe ({found}..., this one is"
            f" {plan.parts['recipe'][:12]}...): name another study (--name), or give that recipe"
        )
    if odd:
        raise UsageError(
            f"{place}: the study {name!r} there has other {', '.join(odd)}: give the options that"
            " it was begun with, or name another study (--name)"
        )


def _suggested(asked: Any, name: str, choice: tuple[str, ...] | Range) -> Any:
    if not isinstance(choice, Range):
        return asked.suggest_categorical(name, choice)
    suggest: Callable[..., Any] = asked.suggest_int if choice.is_whole else asked.suggest_float
    return suggest(name, choice.low, choice.high, log=choice.log)


def _attributes(variant: Variant) -> dict[str, Any]:
    return {"variant": variant.name, "overrides": list(variant.overrides)}


def _variant(attributes: Mapping[str, Any]) -> Variant | None:
    name, overrides = attributes.get("variant"), attributes.get("overrides")
    if not isinstance(name, str) or not isinstance(overrides, list):
        return None
    return Variant(name, tuple(map(str, overrides)))


def _shown(address: str) -> str:
    """The address without its password."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(address).render_as_string(hide_password=True)
    except ArgumentError as error:
        raise UsageError(
            "--storage: expected the address of an Optuna storage, such as"
            " sqlite:////folder/study.db or postgresql://host/database"
        ) from error


@contextmanager
def _understood(place: str) -> Generator[None]:
    """Turn what Optuna and its database say into our errors.

    Raises:
        StorageError: it cannot be read or written, or another process holds it.
        UsageError: it is no storage of this Optuna.
        BackendError: the database's own package is not installed.
    """
    from optuna.exceptions import OptunaError
    from sqlalchemy.exc import NoSuchModuleError, SQLAlchemyError

    try:
        yield
    except (OptunaError, SQLAlchemyError) as error:
        if isinstance(error, NoSuchModuleError):
            raise BackendError(f"{place}: no database of that kind is known here") from error
        said = f"{error} {error.__cause__ or ''}"
        if _LOCKED in said:
            raise StorageError(
                f"{place}: another process holds it (the database is locked): wait until it has"
                " ended, then run the same command again"
            ) from error
        first = str(error.__cause__ or error).partition("\n")[0]
        raise StorageError(f"{place}: cannot be used: {first}") from error
    except ImportError as error:
        raise BackendError(
            f"{place}: the Python package that speaks to this database is not installed:"
            f" {error.__cause__ or error}"
        ) from error
    except RuntimeError as error:  # Optuna's word for tables of another version of it
        raise UsageError(f"{place}: {error}") from error
