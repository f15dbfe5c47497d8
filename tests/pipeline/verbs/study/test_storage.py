from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from commands import kd2edge
from kd2edge.errors import BackendError, StorageError, UsageError
from kd2edge.pipeline.verbs.study.plan import BASE, Asked, Plan, Variant, plan_study
from kd2edge.pipeline.verbs.study.storage import Storage, open_storage

RATE = "train.lr={low: 1.0e-4, high: 1.0e-2, log: true}"

Open = Callable[..., Storage]


@pytest.fixture
def plan(recipe: Path) -> Plan:
    return plan_study(recipe, (), Asked((RATE, "distill.temperature=[1.0, 4.0]"), trials=9))


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    def open_it(plan: Plan, name: str = "one", url: str | None = None) -> Storage:
        return open_storage(plan, name, tmp_path, url)

    return open_it


def test_what_is_told_is_there_when_it_is_opened_again(plan: Plan, opened: Open) -> None:
    storage = opened(plan)
    first, second, third = (
        storage.begin(Variant(BASE)),
        storage.begin(Variant("b", ("train.lr=0.5",))),
        storage.search(),
    )
    storage.complete(first, 0.75)
    storage.fail(second)
    again = opened(plan).trials()
    assert [one.number for one in again] == [0, 1, 2]
    assert [one.variant for one in again] == [first.variant, second.variant, third.variant]
    assert [one.state for one in again] == ["complete", "failed", "running"]
    assert [one.value for one in again] == [0.75, None, None]


def test_a_search_stays_in_its_space_and_does_not_begin_anew(plan: Plan, opened: Open) -> None:
    seen: list[tuple[str, ...]] = []
    for _ in range(2):  # a study that was stopped goes on with other values
        storage = opened(plan)
        for _ in range(4):
            trial = storage.search()
            storage.complete(trial, 0.5)
            seen.append(trial.variant.overrides)
    assert len(set(seen)) == 8
    for rate, temperature in seen:
        assert 1e-4 <= float(rate.removeprefix("train.lr=")) <= 1e-2
        assert temperature in {"distill.temperature=1.0", "distill.temperature=4.0"}


def test_a_storage_of_another_recipe_is_refused(recipe: Path, plan: Plan, opened: Open) -> None:
    opened(plan)
    other = plan_study(recipe, ("train.epochs=9",), Asked((RATE,)))
    with pytest.raises(UsageError, match="of another recipe"):
        opened(other)
    opened(other, name="other")  # beside it is room


def test_a_storage_of_other_options_is_refused_by_their_names(
    recipe: Path, plan: Plan, opened: Open
) -> None:
    opened(plan)
    with pytest.raises(UsageError, match="other seeds, fields"):
        opened(plan_study(recipe, (), Asked((RATE,), seeds=2)))


def test_a_study_that_kd2edge_did_not_make_is_refused(
    plan: Plan, opened: Open, tmp_path: Path
) -> None:
    import optuna

    address = f"sqlite:///{tmp_path / 'study.db'}"
    made = optuna.create_study(storage=address, study_name="one", direction="maximize")
    made.ask()
    with pytest.raises(UsageError, match="not made by kd2edge"):
        opened(plan)


@pytest.mark.parametrize("when", ["before", "later"])
def test_a_locked_storage_is_refused(plan: Plan, opened: Open, tmp_path: Path, when: str) -> None:
    storage = opened(plan)
    other = sqlite3.connect(tmp_path / "study.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    try:
        with pytest.raises(StorageError, match="another process holds it"):
            opened(plan) if when == "before" else storage.begin(Variant(BASE))
    finally:
        other.close()
    assert opened(plan).begin(Variant(BASE)).variant.name == BASE


def test_what_is_no_storage_is_refused(plan: Plan, opened: Open, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="address of an Optuna storage"):
        opened(plan, url="study.db")
    with pytest.raises(BackendError, match="no database of that kind"):
        opened(plan, url="nosuch://host/x")
    (tmp_path / "text.db").write_text("no database, as anybody can see", encoding="utf-8")
    with pytest.raises(StorageError, match="file is not a database"):
        opened(plan, url=f"sqlite:///{tmp_path / 'text.db'}")
    with pytest.raises(StorageError, match="unable to open"):
        opened(plan, url=f"sqlite:///{tmp_path / 'no' / 'folder.db'}")


def test_a_password_is_never_shown(plan: Plan, opened: Open) -> None:
    with pytest.raises(BackendError) as caught:
        opened(plan, url="nosuch://me:secret@host/x")
    assert "secret" not in str(caught.value)
    assert "***" in str(caught.value)


def test_without_optuna_the_line_that_installs_it_is_told_and_nothing_written(
    recipe: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "optuna", None)
    result = kd2edge("study", recipe, "--ablate", "distill.features")
    assert result.code == 6
    assert 'pip install "kd2edge[study]"' in result.err
    assert not (tmp_path / "runs").exists()
