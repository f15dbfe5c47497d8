from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from kd2edge.errors import IntegrityError, SchemaTooNewError, StorageError
from kd2edge.nets import describe_net, load_net, save_net
from nets.tiny import MODELS, make_arrays, make_net


@pytest.fixture
def stem(tmp_path: Path) -> Path:
    return tmp_path / "student.v2"


@pytest.mark.parametrize("model", MODELS)
def test_a_net_comes_back_to_the_last_bit(model: str, stem: Path) -> None:
    net, arrays = make_net(model), make_arrays(model)
    net.train()(arrays)  # moves the running statistics of batch norms
    save_net(net.eval(), stem)
    back = load_net(stem)
    assert not back.training
    assert (back.model, back.inputs, back.tasks) == (net.model, net.inputs, net.tasks)
    assert back.vocabulary == net.vocabulary
    expected, found = net(arrays), back(arrays)
    assert all(torch.equal(value, found[name]) for name, value in expected.items())


def test_a_description_needs_no_weights(stem: Path) -> None:
    net = make_net("bert")
    save_net(net, stem)
    stem.with_name("student.v2.safetensors").unlink()
    found = describe_net(stem)
    assert (found.model, found.inputs, found.tasks) == (net.model, net.inputs, net.tasks)
    assert found.vocabulary == net.vocabulary


def test_a_description_keeps_the_tokenizers_and_older_ones_have_none(stem: Path) -> None:
    save_net(make_net("bert"), stem, tokenizers={"text": "ab" * 32})
    assert describe_net(stem).tokenizers == {"text": "ab" * 32}
    path = stem.with_name("student.v2.json")
    content = json.loads(path.read_text())
    del content["tokenizers"]
    path.write_text(json.dumps(content))
    assert describe_net(stem).tokenizers == {}
    assert load_net(stem).vocabulary == make_net("bert").vocabulary


def test_the_same_net_gives_the_same_bytes(stem: Path, tmp_path: Path) -> None:
    save_net(make_net("bert"), stem)
    save_net(load_net(stem), tmp_path / "again")
    for ending in (".safetensors", ".json"):
        first = stem.with_name(stem.name + ending).read_bytes()
        assert first == (tmp_path / f"again{ending}").read_bytes()


def test_weights_that_were_changed_are_noticed(stem: Path) -> None:
    save_net(make_net("cnn"), stem)
    path = stem.with_name("student.v2.safetensors")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="SHA-256"):
        load_net(stem)


def test_weights_of_another_net_are_noticed(stem: Path, tmp_path: Path) -> None:
    save_net(make_net("cnn"), stem)
    save_net(make_net("cnn-depthwise"), tmp_path / "other")
    described = json.loads((tmp_path / "other.json").read_text())
    mixed = json.loads((tmp_path / "student.v2.json").read_text())
    (tmp_path / "other.json").write_text(json.dumps({**described, "model": mixed["model"]}))
    with pytest.raises(IntegrityError, match="not those of"):
        load_net(tmp_path / "other")


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"schema": 1}', '{"schema": "1"}', '{"schema": 1, "model": {}}']
)
def test_a_damaged_description_is_noticed(content: str, stem: Path) -> None:
    save_net(make_net("cnn"), stem)
    stem.with_name("student.v2.json").write_text(content)
    with pytest.raises(IntegrityError, match=r"student\.v2\.json"):
        load_net(stem)


@pytest.mark.parametrize("key", ["model", "inputs", "tasks"])
def test_a_description_of_wrong_types_is_noticed(key: str, stem: Path) -> None:
    save_net(make_net("cnn"), stem)
    path = stem.with_name("student.v2.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), key: [{"name": 1}]}))
    with pytest.raises(IntegrityError):
        load_net(stem)


def test_a_newer_schema_is_refused(stem: Path) -> None:
    save_net(make_net("cnn"), stem)
    path = stem.with_name("student.v2.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 3}))
    with pytest.raises(SchemaTooNewError, match="schema 3"):
        load_net(stem)


def test_an_older_schema_is_refused(stem: Path) -> None:
    save_net(make_net("cnn"), stem)
    path = stem.with_name("student.v2.json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 1}))
    with pytest.raises(IntegrityError, match="has schema 1, this kd2edge reads 2: train it anew"):
        load_net(stem)


def test_a_missing_file_says_which(stem: Path) -> None:
    with pytest.raises(StorageError, match=r"student\.v2\.json"):
        load_net(stem)
