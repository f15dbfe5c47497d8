"""The self-test notices a changed preprocessing, tokenizer, option, table or head."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import bundles
from kd2edge.bundle import open_bundle
from kd2edge.errors import BackendError, IntegrityError, SchemaTooNewError
from kd2edge.runtime import load
from kd2edge.runtime.probes import PROBES, open_probes, probe_bytes
from kd2edge.runtime.self_test import self_test
from probing import rewritten, with_probes

TOKENIZER = "tokenizer/text.json"
FORMS = ("onnx-fp32", "onnx-int8-qdq")


@pytest.fixture
def text(tmp_path: Path) -> Path:
    return with_probes(bundles.text_bundle(tmp_path / "text"), bundles.text_graph())


def image_with(folder: Path, **options: Any) -> Path:
    spec = dataclasses.replace(bundles.IMAGE_INPUT, options=bundles.IMAGE_INPUT.options | options)
    bundles.image_bundle(folder, inputs={"image": spec})
    return with_probes(folder, bundles.image_graph())


def refused(folder: Path, artefact: str = "onnx-fp32") -> str:
    with pytest.raises(IntegrityError) as caught:
        load(folder, artefact=artefact, threads=1, self_test=True)
    return str(caught.value)


def retokenized(folder: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    content = json.loads(bundles.tokenizer_json())
    change(content)
    return rewritten(folder, {TOKENIZER: json.dumps(content).encode()})


def test_clean_bundles_pass_in_every_form(text: Path, tmp_path: Path):
    for folder in (text, image_with(tmp_path / "plain"), image_with(tmp_path / "any", resize=True)):
        for artefact in FORMS:
            load(folder, artefact=artefact, threads=1, self_test=True).close()


def test_int8_is_not_held_to_the_outputs_for_painted_pictures(tmp_path: Path):
    """Its ranges are those of calibration rows: far outside of them it saturates, rightly."""
    folder = bundles.image_bundle(tmp_path / "image")
    with_probes(folder, bundles.image_graph(seed=3))
    assert "PyTorch's outputs for golden raw values" in refused(folder)
    load(folder, artefact="onnx-int8-qdq", threads=1, self_test=True).close()


def test_raw_values_ask_for_every_piece_and_row(text: Path):
    probed = open_probes(open_bundle(text).read(PROBES))
    asked = {int(one) for group in probed.groups for one in group.arrays["input_ids"].ravel()}
    assert asked == set(range(len(bundles.SPECIALS) + len(bundles.WORDS)))
    assert len(probed.ids["text"].sums["intent"]) == len(asked)
    names = {name for group in probed.groups for name in group.names}
    assert {"accents, decomposed", "title case", "joined emoji", "arabic", "empty"} <= names


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c["normalizer"].update(lowercase=False), "'own words, capitals'"),
        (lambda c: c["normalizer"].update(strip_accents=False), "accents"),
        (lambda c: c["normalizer"].update(handle_chinese_chars=False), "chinese"),
        (lambda c: c["normalizer"].update(clean_text=False), "control characters"),
        (lambda c: c.update(pre_tokenizer={"type": "WhitespaceSplit"}), "punctuation"),
        (lambda c: c["model"]["vocab"].pop("##known"), "pieces"),
        (lambda c: c["model"]["vocab"].update(music=9, play=10), "pieces"),
        (lambda c: c["model"].update(max_input_chars_per_word=5), "pieces"),
        (lambda c: c["post_processor"]["single"].pop(), "one letter"),
    ],
)  # fmt: skip
def test_a_tokenizer_that_lost_a_step_or_a_piece(text: Path, change: Any, said: str):
    assert " gives other input_ids from piece " in refused(retokenized(text, change))
    bundle = open_bundle(text)
    model = load(text, artefact="onnx-fp32", threads=1)
    raw = self_test(bundle, bundle.manifest.artefacts["onnx-fp32"], model.logits, model.encode).raw
    assert any(said in fault for fault in raw), raw


def test_the_message_names_value_and_ids(text: Path):
    found = refused(retokenized(text, lambda c: c["normalizer"].update(lowercase=False)))
    assert "text 'own words, capitals' ('BOOK FLIGHT" in found
    assert "expected" in found
    assert "found" in found
    assert "more raw values" in found


def test_another_length_limit_in_the_manifest(text: Path):
    spec = dataclasses.replace(bundles.TEXT_INPUT, options={"max_length": 8})
    assert "gives other input_ids" in refused(rewritten(text, {}, inputs={"text": spec}))


@pytest.mark.parametrize("side", ["padding", "truncation", "words"])
def test_code_that_pads_or_cuts_at_the_other_side(
    text: Path, monkeypatch: pytest.MonkeyPatch, side: str
):
    from kd2edge.inputs import subwords

    padded = subwords.padded

    def left(rows: Any, fill: int) -> Any:
        array = padded(rows, fill)
        return np.stack(
            [np.roll(row, len(row) - len(own)) for row, own in zip(array, rows, strict=True)]
        )

    encoded = subwords.Subwords.encoded

    def last(self: Any, encodings: Any, *others: Any) -> Any:
        ends = [(one, *one.overflowing)[-1] if one.overflowing else one for one in encodings]
        return encoded(self, ends, *others)

    def shifted(self: Any, *others: Any) -> Any:
        found = encoded(self, *others)
        starts = found.word_starts._replace(values=np.maximum(found.word_starts.values - 1, -1))
        return dataclasses.replace(found, word_starts=starts)

    if side == "padding":
        monkeypatch.setattr(subwords, "padded", left)
    else:
        monkeypatch.setattr(subwords.Subwords, "encoded", last if side == "truncation" else shifted)
    assert ("begin at other pieces" if side == "words" else "input_ids") in refused(text)


def retabled(folder: Path, change: Callable[[np.ndarray], None]) -> Path:
    """The bundle whose graphs have another embedding table."""
    model = onnx.load_from_string(bundles.text_graph())
    for tensor in model.graph.initializer:
        if tensor.name == "table":
            table = np.array(onnx.numpy_helper.to_array(tensor))
            change(table)
            tensor.CopyFrom(onnx.numpy_helper.from_array(table, "table"))
    graph = model.SerializeToString(deterministic=True)
    return rewritten(folder, dict.fromkeys(("onnx/fp32.onnx", "onnx/int8-qdq.onnx"), graph))


def permute(table: np.ndarray) -> None:
    table[[7, 12]] = table[[12, 7]]


def zero(table: np.ndarray) -> None:
    table[13] = 0


def blur(table: np.ndarray) -> None:
    table[14] += bundles.weights(8, seed=5)


@pytest.mark.parametrize("artefact", FORMS)
@pytest.mark.parametrize("change", [permute, zero, blur])
def test_a_row_of_the_table_that_is_another_one(text: Path, change: Any, artefact: str):
    """In a net that only sums its words up: two rows within one text would cancel out."""
    folder = retabled(rewritten(text, {}, golden=""), change)  # no row asks for these ids
    found = refused(folder, artefact)
    assert "give other logits than PyTorch's" in found
    assert ("changed places" in found) == (change is permute)


def test_a_table_that_was_cut_short(text: Path):
    model = onnx.load_from_string(bundles.text_graph())
    for tensor in model.graph.initializer:
        if tensor.name == "table":
            table = onnx.numpy_helper.to_array(tensor)[:-2]
            tensor.CopyFrom(onnx.numpy_helper.from_array(table, "table"))
    folder = rewritten(text, {"onnx/fp32.onnx": model.SerializeToString()}, golden="")
    with pytest.raises((IntegrityError, BackendError)):
        load(folder, artefact="onnx-fp32", threads=1, self_test=True)


def test_heads_that_give_each_other_s_outputs_are_said_to_be_swapped(tmp_path: Path):
    task = dataclasses.replace(bundles.IMAGE_TASKS[0], name="other")
    pixels = bundles.images(4)[:, None]
    right = bundles.run_onnx(bundles.image_graph(), {"pixel_values": pixels})["digit"]
    wanted = {"digit": right[:, ::-1], "other": right}
    heads = {"digit": right, "other": right[:, ::-1]}
    golden = bundles.golden({"pixel_values": pixels}, wanted)
    folder = bundles.image_bundle(tmp_path / "bundle")
    rewritten(
        folder,
        {"golden/golden.npz": golden},
        tasks={"digit": bundles.IMAGE_TASKS[0], "other": task},
    )
    bundle = open_bundle(folder)
    found = self_test(bundle, bundle.manifest.artefacts["onnx-fp32"], lambda _: heads, dict)
    assert "the head 'other' gives it: heads are swapped" in found.rows["digit"]
    assert "the head 'digit' gives it" in found.rows["other"]


@pytest.mark.parametrize("fault", ["channels", "resize", "exif", "transposed", "levels"])
def test_pictures_that_become_other_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
):
    from PIL import Image

    from kd2edge.inputs import image, picture

    folder = image_with(tmp_path / "bundle", resize=True)
    if fault == "channels":
        grey = Image.Image.convert

        def red(self: Any, mode: str) -> Any:
            return self.split()[0] if mode == "L" and self.mode == "RGB" else grey(self, mode)

        monkeypatch.setattr(Image.Image, "convert", red)
    elif fault == "resize":
        resize = Image.Image.resize
        monkeypatch.setattr(Image.Image, "resize", lambda self, size, how: resize(self, size, 0))
    elif fault == "exif":
        monkeypatch.setattr(Image.Image, "transpose", lambda self, how: self.copy())
    elif fault == "transposed":
        fitted = image.ImageEncoder._fitted

        def turned(self: Any, pixels: Any) -> Any:
            picture, size = fitted(self, pixels)
            return np.swapaxes(picture, 1, 2), size

        monkeypatch.setattr(image.ImageEncoder, "_fitted", turned)
    else:
        array = picture._array
        monkeypatch.setattr(picture, "_array", lambda one: array(one) // 2)
    assert "pixel_values" in refused(folder)


def test_without_a_library_for_pictures_the_others_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import sys

    folder = image_with(tmp_path / "bundle")
    monkeypatch.delitem(sys.modules, "kd2edge.inputs.picture", raising=False)
    monkeypatch.setitem(sys.modules, "PIL", None)
    bundle = open_bundle(folder)
    with load(folder, artefact="onnx-fp32", threads=1, self_test=True) as model:
        artefact = bundle.manifest.artefacts["onnx-fp32"]
        found = self_test(bundle, artefact, model.logits, model.encode)
    assert found.faults == ()
    assert any("Pillow" in one or "pillow" in one or "PIL" in one for one in found.skipped)


def test_bundles_of_before_pass_and_say_what_was_not_looked_at(tmp_path: Path):
    folder = bundles.text_bundle(tmp_path / "bundle")
    bundle = open_bundle(folder)
    with load(folder, artefact="onnx-fp32", threads=1, self_test=True) as model:
        artefact = bundle.manifest.artefacts["onnx-fp32"]
        found = self_test(bundle, artefact, model.logits, model.encode)
    assert found.faults == ()
    assert "no golden raw values in this bundle" in found.skipped[0]


def test_the_file_says_the_same_when_it_is_written_again(text: Path):
    content = open_bundle(text).read(PROBES)
    assert probe_bytes(open_probes(content)) == content


@pytest.mark.parametrize("content", [b"", b"no zip"])
def test_a_file_that_is_none_is_refused(text: Path, content: bytes):
    assert "cannot be read" in refused(rewritten(text, {PROBES: content}))


def test_a_newer_file_is_refused(text: Path):
    from kd2edge.files.npz import npz_arrays, npz_bytes

    members = npz_arrays(open_bundle(text).read(PROBES))
    about = json.loads(members["about"].tobytes()) | {"schema": 99}
    members["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    with pytest.raises(SchemaTooNewError):
        load(rewritten(text, {PROBES: npz_bytes(members)}), threads=1, self_test=True)


def changed(folder: Path, change: Callable[[dict[str, Any], dict[str, Any]], object]) -> Path:
    """The bundle whose golden raw values were changed as their members and what they say."""
    from kd2edge.files.npz import npz_arrays, npz_bytes

    members: dict[str, Any] = npz_arrays(open_bundle(folder).read(PROBES))
    about = json.loads(members["about"].tobytes())
    change(members, about)
    members["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
    return rewritten(folder, {PROBES: npz_bytes(members)})


@pytest.mark.parametrize(
    "change",
    [
        lambda m, a: a.pop("groups"),
        lambda m, a: a["groups"].append(a["groups"][0]),
        lambda m, a: a["groups"][0]["names"].append("one more"),
        lambda m, a: a["groups"][0]["values"].update(text=[3] * len(a["groups"][0]["names"])),
        lambda m, a: a["groups"][0].update(values={"other": a["groups"][0]["values"]["text"]}),
        lambda m, a: a["ids"]["text"].update(slot=99),
        lambda m, a: a["ids"]["text"].update(size=3),
        lambda m, a: a["ids"]["text"].update(name="nothing"),
        lambda m, a: a["ids"]["text"].update(size="many"),
        lambda m, a: m.update({"ids/text/mix/intent": np.eye(2, dtype=np.float32)}),
        lambda m, a: m.update({"start/0000/text": m["start/0000/text"] + 10_000}),
        lambda m, a: m.update({"row/0000/text": m["row/0000/text"][:-1]}),
        lambda m, a: m.update({"out/0000/intent": m["out/0000/intent"][:, :2]}),
        lambda m, a: m.update({"out/0000/ner": m["out/0000/ner"][:-1]}),
        lambda m, a: [m.pop(name) for name in list(m) if name.startswith("start/")],
        lambda m, a: m.pop("array/0000/input_ids"),
    ],
)  # fmt: skip
def test_a_file_that_does_not_fit_together_is_refused_with_words(text: Path, change: Any):
    with pytest.raises(IntegrityError):
        load(changed(text, change), artefact="onnx-fp32", threads=1, self_test=True)


def test_a_task_that_the_graph_lacks_is_missed(text: Path):
    artefact = open_bundle(text).manifest.artefacts["onnx-fp32"]
    with load(text, artefact="onnx-fp32", threads=1) as model:
        run = lambda arrays: {"intent": model.logits(arrays)["intent"]}  # noqa: E731
        found = self_test(open_bundle(text), artefact, run, model.encode)
    assert "no output of 3 logits" in (found.ids or {})["text ner"]


def test_raw_values_of_another_student_than_the_manifest_s(text: Path):
    provenance = dict(open_bundle(text).manifest.provenance) | {"student": "f" * 64}
    found = refused(rewritten(text, {}, provenance=provenance))
    assert "golden/probes.npz is of another student: made with the weights 000000000000" in found


def test_heads_of_which_nothing_is_golden_are_named(text: Path):
    from kd2edge.files.npz import npz_arrays, npz_bytes

    arrays = npz_arrays(open_bundle(text).read("golden/golden.npz"))
    del arrays["out.ner"]
    rewritten(text, {"golden/golden.npz": npz_bytes(arrays)})

    def without(members: dict[str, Any], _about: Any) -> None:
        for name in [one for one in members if one.endswith("/intent")]:
            del members[name]

    bundle = open_bundle(changed(text, without))
    with load(text, artefact="onnx-fp32", threads=1, self_test=True) as model:
        artefact = bundle.manifest.artefacts["onnx-fp32"]
        found = self_test(bundle, artefact, model.logits, model.encode)
    assert [note.split(":")[0] for note in found.missing] == [
        "golden rows say nothing of ner",
        "golden raw values say nothing of intent",
        "golden ids say nothing of intent",
    ]
