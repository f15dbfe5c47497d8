from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder
from types import SimpleNamespace

import pytest

from commands import succeed
from kd2edge.engines import ENGINES
from kd2edge.pipeline.verbs.doctor import Ability, examine


class Broken(MetaPathFinder):
    """A torch that stands there and does not import."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def find_spec(self, name: str, path: object, target: object = None) -> None:
        if name == "torch":
            raise self._error


def cuda() -> Ability:
    (found,) = [ability for ability in examine() if ability.name == "train on CUDA"]
    return found


@pytest.mark.parametrize(
    "error", [ImportError("no symbol x"), OSError("libcudart.so.12: cannot open")]
)
def test_a_torch_that_does_not_import_is_said_and_not_raised(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: SimpleNamespace() if name == "torch" else there(name),
    )
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Broken(error), *sys.meta_path])
    found = cuda()
    assert not found.works
    assert str(error) in found.detail
    assert str(error) in succeed("doctor").out


def test_without_torch_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    found = cuda()
    assert (found.works, found.detail) == (False, "missing torch")
    assert found.mend == 'pip install "kd2edge[train]"'


def test_an_engine_that_is_missing_is_named_with_its_install_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("kd2edge.runtime.backends.table.find_spec", lambda name: None)
    found = {ability.name: ability for ability in examine()}
    for engine in ENGINES.values():
        ability = found[f"run {engine.target}"]
        assert ability.detail == f"missing {' or '.join(engine.modules)}"
        assert ability.mend == engine.install
    assert f"-> {ENGINES['openvino'].install}" in succeed("doctor").out
