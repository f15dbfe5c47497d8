"""``pytorch_model.bin``: tensors by name are read, and nothing else that a pickle can be."""

from __future__ import annotations

import os
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch

from kd2edge.errors import IntegrityError, UsageError
from kd2edge.nets import ModelSpec, Net, build_net
from kd2edge.nets.backbones.pickled import tensors_from_pickle
from kd2edge.nets.source import PICKLED, source_fingerprints
from nets.tiny import LARGER, LEFT, TEXT, VOCABULARY, make_net


def pickled(net: Net, folder: Path, prefix: str = "") -> Path:
    """A folder of weights as older versions of ``transformers`` wrote it."""
    backbone: Any = net.backbone
    backbone.config.save_pretrained(folder)
    held = OrderedDict((prefix + name, one) for name, one in backbone.state_dict().items())
    torch.save(held, folder / PICKLED)
    return folder


def pretrained(folder: Path) -> Net:
    model = ModelSpec("transformers", {}, pretrained=True, pooling="mean")
    return build_net(model, [TEXT], [LEFT, LARGER], source_dir=folder, vocabulary=VOCABULARY)


@pytest.mark.parametrize(("model", "prefix"), [("bert", ""), ("bert", "bert."), ("electra", "")])
def test_tensors_fill_the_backbone_as_safetensors_do(
    model: str, prefix: str, tmp_path: Path
) -> None:
    net = make_net(model)
    found = pretrained(pickled(net, tmp_path, prefix)).backbone.state_dict()
    assert all(torch.equal(one, found[name]) for name, one in net.backbone.state_dict().items())


def test_tensors_that_do_not_fill_it_are_refused(tmp_path: Path) -> None:
    folder = pickled(make_net("bert"), tmp_path)
    held = torch.load(folder / PICKLED, weights_only=True)
    del held["embeddings.word_embeddings.weight"]
    torch.save(held, folder / PICKLED)
    with pytest.raises(IntegrityError, match="lack 1 tensors of a bert"):
        pretrained(folder)


class Evil:
    """What runs a command when it is unpickled."""

    def __init__(self, command: str) -> None:
        self._command = command

    def __reduce__(self) -> Any:
        return os.system, (self._command,)


@pytest.mark.parametrize("is_zip", [True, False])
def test_code_in_a_pickle_is_refused_and_does_not_run(tmp_path: Path, is_zip: bool) -> None:
    path, ran = tmp_path / PICKLED, tmp_path / "ran"
    evil = {"weight": Evil(f"touch {ran}")}
    if is_zip:
        torch.save(evil, path)
    else:
        path.write_bytes(pickle.dumps(evil))
    with pytest.raises((UsageError, IntegrityError), match="expected tensors alone|no file of"):
        tensors_from_pickle(path)
    assert not ran.exists()


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ({"state_dict": {"a": torch.ones(1)}}, "found a dict under 'state_dict'"),
        ({"a": torch.ones(1), "epoch": 3}, "found a int under 'epoch'"),
        ({1: torch.ones(1)}, "under 1"),
        ([torch.ones(1)], "found a list"),
        ({}, "found none"),
    ],
)
def test_other_things_than_tensors_by_name_are_refused(
    tmp_path: Path, content: Any, match: str
) -> None:
    torch.save(content, tmp_path / PICKLED)
    with pytest.raises(UsageError, match=match):
        tensors_from_pickle(tmp_path / PICKLED)


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / PICKLED
    torch.save({"a": torch.ones(100)}, path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(IntegrityError, match="no file of weights"):
        tensors_from_pickle(path)


def test_a_pickle_counts_by_its_content_where_it_is_read(tmp_path: Path) -> None:
    folder = pickled(make_net("bert"), tmp_path)
    before = source_fingerprints(folder)
    assert set(before) == {"config.json", PICKLED}
    torch.save({"a": torch.ones(1)}, folder / PICKLED)
    assert source_fingerprints(folder) != before
    (folder / "model.safetensors").write_bytes(b"read in its place")
    assert set(source_fingerprints(folder)) == {"config.json", "model.safetensors"}
