from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bundles
from kd2edge.errors import BackendError, InputError, IntegrityError, UsageError
from kd2edge.runtime import Model, load

TEXTS = ["book a flight to paris", "play music", "unknowns", "", "now"]


@pytest.fixture(scope="module")
def image(image_bundle: Path) -> Iterator[Model]:
    with load(image_bundle, threads=1) as model:
        yield model


@pytest.fixture(scope="module")
def text(text_bundle: Path) -> Iterator[Model]:
    with load(text_bundle, threads=1) as model:
        yield model


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def test_says_what_it_is(image: Model):
    assert image.artefact == "onnx-fp32"
    assert "preferred" in image.why
    assert list(image.tasks) == ["digit", "larger"]
    assert image.tasks["digit"].labels == ("0", "1", "2")
    assert list(image.inputs) == ["image"]


def test_logits_are_those_of_the_graph(image: Model, text: Model):
    pixels = bundles.images(3)
    wanted = bundles.run_onnx(bundles.image_graph(), {"pixel_values": pixels[:, None]})
    for inputs in ({"image": pixels}, {"image": list(pixels)}, {"pixel_values": pixels[:, None]}):
        found = image.logits(inputs)
        assert list(found) == ["digit", "larger"]
        for name, array in wanted.items():
            np.testing.assert_array_equal(found[name], array)
    ids = np.array([[2, 4, 5, 6, 7, 8, 3]])
    arrays = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    wanted = bundles.run_onnx(bundles.text_graph(), arrays)
    for inputs in ({"text": TEXTS[:1]}, arrays):
        found = text.logits(inputs)
        assert found["ner"].shape == (1, 7, 3)
        for name, array in wanted.items():
            np.testing.assert_array_equal(found[name], array)


def test_predict_answers_as_the_design_says(image: Model):
    pixels = bundles.images(5)
    logits = image.logits({"image": pixels})
    answers = image.predict({"image": pixels}, top_k=3)
    assert list(answers) == ["digit", "larger"]
    scores = softmax(logits["digit"])
    for row, found in enumerate(answers["digit"]):
        order = np.argsort(-scores[row])
        assert [one["label"] for one in found] == [str(label) for label in order]
        np.testing.assert_allclose([one["score"] for one in found], scores[row][order], rtol=1e-5)
    positive = 1 / (1 + np.exp(-logits["larger"][:, 0]))
    for row, found in enumerate(answers["larger"]):
        assert found["label"] == ("yes" if positive[row] >= 0.5 else "no")
        assert found["score"] == pytest.approx(positive[row], rel=1e-5)


def test_predict_gives_plain_json_values(image: Model, text: Model):
    import json

    json.dumps(image.predict({"image": bundles.images(2)}))
    json.dumps(text.predict({"text": TEXTS}))


def test_top_k_and_tasks_choose(image: Model):
    pixels = {"image": bundles.images(2)}
    whole = image.predict(pixels)
    assert image.predict(pixels, tasks=["larger"]) == {"larger": whole["larger"]}
    assert image.predict(pixels, tasks="larger") == {"larger": whole["larger"]}
    for top_k in (1, 2, 3):
        assert {len(one) for one in image.predict(pixels, top_k=top_k)["digit"]} == {top_k}


def test_arrays_and_raw_values_answer_alike(image: Model):
    pixels = bundles.images(4)
    assert image.predict({"pixel_values": pixels[:, None]}) == image.predict({"image": pixels})


@pytest.mark.parametrize("batch_size", [1, 2, 3, 64, 1000])
def test_batch_size_changes_no_answer(text: Model, batch_size: int):
    whole = text.predict({"text": TEXTS})
    found = text.predict({"text": TEXTS}, batch_size=batch_size)
    assert [one["label"] for row in found["intent"] for one in row] == [
        one["label"] for row in whole["intent"] for one in row
    ]
    assert found["ner"] == whole["ner"]


def test_more_rows_than_the_artefact_takes_are_split(image: Model, text: Model):
    pixels = bundles.images(150)  # the artefact takes 64
    assert len(image.predict({"image": pixels})["digit"]) == 150
    found = image.logits({"pixel_values": pixels[:, None]})
    assert found["digit"].shape == (150, 3)
    np.testing.assert_array_equal(
        found["digit"][100:], image.logits({"image": pixels[100:]})["digit"]
    )
    many = text.logits({"text": TEXTS * 30})
    assert many["ner"].shape[:2] == (150, 7)


def test_longer_text_than_the_artefact_takes_is_cut(text: Model):
    words = ["book"] * 40
    found = text.predict({"text": [" ".join(words)]})
    assert len(found["intent"]) == 1
    assert text.logits({"text": [" ".join(words)]})["ner"].shape[1] == bundles.MAX_LENGTH


def test_token_answers_name_their_place_in_the_text(text: Model):
    for row, found in zip(TEXTS, text.predict({"text": TEXTS})["ner"], strict=True):
        for span in found:
            assert row[span["start"] : span["end"]] == span["text"]
            assert span["label"] == "city"
            assert 0 < span["score"] <= 1


def test_a_token_task_on_arrays_alone_says_what_it_needs(text: Model):
    ids = np.array([[2, 4, 3]])
    arrays = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
    with pytest.raises(InputError, match="pass the raw 'text'"):
        text.predict(arrays)
    assert len(text.predict(arrays, tasks=["intent"])["intent"]) == 1


def test_encode_logits_and_decode_are_the_parts_of_predict(text: Model):
    encoded = text.encode({"text": TEXTS})
    logits = text.logits(encoded["text"].arrays)
    decoded = text.decode(logits, encoded)
    labels = text.tasks["intent"].labels
    answers = text.predict({"text": TEXTS}, tasks=["intent"], top_k=1)["intent"]
    assert [labels[one] for one in decoded["intent"].labels] == [row[0]["label"] for row in answers]
    assert decoded["ner"].labels.rows == len(TEXTS)
    assert list(text.decode(logits, tasks=["intent"])) == ["intent"]


@pytest.mark.parametrize(
    ("inputs", "options", "words"),
    [
        ({"images": [1]}, {}, "did you mean 'image'"),
        ({}, {}, "input 'image' is missing"),
        ({"image": []}, {}, "at least one row"),
        ({"image": bundles.images(2)}, {"tasks": ["digits"]}, "found \\['digits'\\]"),
        ({"image": bundles.images(2)}, {"tasks": []}, "found none"),
        ({"image": bundles.images(2)}, {"top_k": 0}, "top_k must be at least 1"),
        ({"image": bundles.images(2)}, {"batch_size": 0}, "batch_size must be at least 1"),
        ({"pixel_values": bundles.images(2)}, {}, "pixel_values must be a NumPy array uint8"),
        ({"pixel_values": bundles.images(2)[:, None].astype(float)}, {}, "found float64"),
        ({"pixel_values": None}, {}, "found a NoneType"),
        ({"image": bundles.images(2)[:, :4]}, {}, "image"),
        ({"image": ["a", 3]}, {}, "."),
    ],
)
def test_bad_input_gets_a_clear_error(image: Model, inputs: Any, options: Any, words: str):
    with pytest.raises(InputError, match=words) as caught:
        image.predict(inputs, **options)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"tasks": 3}, "expected tasks among 'digit', 'larger', found 3"),
        ({"tasks": [["digit"]]}, "expected tasks among"),
        ({"top_k": "2"}, r"top_k must be a whole number, found a str \('2'\)"),
        ({"top_k": 2.5}, "top_k must be a whole number"),
        ({"top_k": True}, "top_k must be a whole number, found a bool"),
        ({"batch_size": "8"}, "batch_size must be a whole number"),
        ({"batch_size": 2.5}, "batch_size must be a whole number"),
    ],
)
def test_options_of_a_wrong_type_get_a_clear_error(image: Model, options: Any, words: str):
    pixels = bundles.images(2)
    for inputs in ({"image": pixels}, {"pixel_values": pixels[:, None]}):
        with pytest.raises(InputError, match=words):
            image.predict(inputs, **options)


def test_integers_of_numpy_are_whole_numbers(image: Model):
    pixels = {"image": bundles.images(3)}
    found = image.predict(pixels, top_k=np.int64(2), batch_size=np.int32(2))
    assert found == image.predict(pixels, top_k=2, batch_size=2)


def test_a_watched_model_answers_alike_and_shows_every_row_with_its_outputs(text: Model):
    texts = ["book a flight", "play", "to paris now", "music", "unknown"]
    seen: dict[int, Any] = {}

    def watch(batch: Any, outputs: Any) -> None:
        assert len(outputs["intent"]) == len(batch.rows) == len(batch.arrays["input_ids"])
        seen.update(zip(batch.rows, outputs["intent"], strict=True))

    expected = text.predict({"text": texts}, batch_size=2)
    assert text.watched(watch).predict({"text": texts}, batch_size=2) == expected
    assert sorted(seen) == list(range(5))
    whole = text.logits({"text": texts})["intent"]
    np.testing.assert_allclose(np.stack([seen[row] for row in range(5)]), whole, rtol=1e-5)
    seen.clear()
    text.predict({"text": texts})
    assert not seen


def test_the_batch_of_predict_is_the_largest_that_the_artefact_takes(image: Model):
    sizes: list[int] = []
    pixels = np.zeros((150, 1, 8, 8), np.uint8)
    watched = image.watched(lambda batch, outputs: sizes.append(len(batch.rows)))
    watched.predict({"image": pixels})
    assert image.batch == 64
    assert sizes == [64, 64, 22]


def test_threads_get_their_own_answers(text: Model):
    rows = [[one] * 3 for one in TEXTS]
    wanted = [text.predict({"text": row}) for row in rows]
    wrong: list[int] = []

    def work(index: int) -> None:
        found = [text.predict({"text": rows[index]}) for _ in range(30)]
        wrong.extend(index for one in found if one != wanted[index])

    workers = [threading.Thread(target=work, args=(index,)) for index in range(len(rows))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not wrong


def test_a_closed_model_says_so(image_bundle: Path):
    with load(image_bundle, threads=1) as model:
        model.predict({"image": bundles.images(1)})
    with pytest.raises(BackendError, match="was closed"):
        model.predict({"image": bundles.images(1)})


def test_changed_bytes_are_never_loaded(image_bundle: Path, tmp_path: Path):
    folder = shutil.copytree(image_bundle, tmp_path / "bundle")
    graph = folder / "onnx" / "fp32.onnx"
    data = bytearray(graph.read_bytes())
    data[len(data) // 2] ^= 1
    graph.write_bytes(bytes(data))
    with pytest.raises(IntegrityError):
        load(folder, threads=1)
    load(folder, artefact="onnx-int8-qdq", threads=1).close()  # that one's bytes are whole


def test_an_artefact_that_is_not_there_is_a_usage_error(image_bundle: Path, tmp_path: Path):
    with pytest.raises(UsageError, match="onnx-fp32"):
        load(image_bundle, artefact="onnx-int4")
    with pytest.raises(UsageError):
        load(tmp_path / "nowhere")


def test_providers_and_threads_reach_the_session(image_bundle: Path):
    with pytest.raises(BackendError, match="CUDAExecutionProvider"):
        load(image_bundle, providers=["cuda"])
    with load(image_bundle, providers=["cuda"], allow_fallback=True, threads=2) as model:
        assert model.session.providers == ("CPUExecutionProvider",)
        assert model.session.threads == 2
    for threads in (0, 1.5, "2"):
        with pytest.raises(UsageError, match="threads"):
            load(image_bundle, artefact="onnx-fp32", threads=threads)


def test_one_provider_may_be_named_without_a_list(image_bundle: Path):
    with load(image_bundle, providers="cpu", threads=1) as model:
        assert model.session.providers == ("CPUExecutionProvider",)
    with pytest.raises(BackendError, match="no CUDAExecutionProvider in this"):
        load(image_bundle, providers="cuda")
    for wrong in (3, [3], [("cuda", {})]):
        with pytest.raises(UsageError, match="providers must be a name or a list of names"):
            load(image_bundle, providers=wrong)


def test_openvino_answers_as_onnx_runtime_does(tmp_path: Path):
    folder = bundles.text_bundle(tmp_path / "bundle", openvino=True)
    with (
        load(folder, artefact="onnx-fp32", threads=1) as one,
        load(folder, artefact="openvino-fp32", threads=1, self_test=True) as other,
    ):
        assert other.session.providers == ("CPU",)
        inputs = {"text": TEXTS}
        for name, array in one.logits(inputs).items():
            np.testing.assert_allclose(other.logits(inputs)[name], array, atol=1e-5)


def test_heads_follow_the_manifest_not_the_graph(tmp_path: Path):
    """A manifest that states another order of outputs still gives each head its own logits."""
    graph = {"onnx/fp32.onnx": bundles.image_graph()}
    turned = bundles.artefact(
        "onnx-fp32", "onnx/fp32.onnx", graph, bundles.IMAGE_ARRAYS, bundles.IMAGE_HEADS[::-1]
    )
    folder = bundles.image_bundle(tmp_path / "bundle", artefacts={"onnx-fp32": (turned, graph)})
    with load(folder, artefact="onnx-fp32", threads=1, self_test=True) as model:
        assert model.logits({"image": bundles.images(1)})["digit"].shape == (1, 3)


def test_a_task_without_an_output_is_an_integrity_error(tmp_path: Path):
    graph = {"onnx/fp32.onnx": bundles.image_graph()}
    lame = bundles.artefact(
        "onnx-fp32", "onnx/fp32.onnx", graph, bundles.IMAGE_ARRAYS, bundles.IMAGE_HEADS[:1]
    )
    folder = bundles.image_bundle(tmp_path / "bundle", artefacts={"onnx-fp32": (lame, graph)})
    with pytest.raises(IntegrityError, match="no output for the task 'larger'"):
        load(folder, threads=1)


def test_labels_that_the_graph_has_no_logits_for_are_an_integrity_error(tmp_path: Path):
    digit, larger = bundles.IMAGE_TASKS
    for labels in ((), ("0", "1"), ("0", "1", "2", "3")):
        tasks = {"digit": replace(digit, labels=labels), "larger": larger}
        folder = bundles.image_bundle(tmp_path / "bundle", tasks=tasks)
        with pytest.raises(IntegrityError, match=f"its {len(labels)} labels need"):
            load(folder, threads=1)


def test_evidence_chooses_and_damage_to_it_only_matters_where_it_decides(tmp_path: Path):
    from kd2edge.bundle import append_evidence, open_bundle

    folder = bundles.image_bundle(tmp_path / "bundle")
    payload = bundles.validated(onnx_fp32="fail", onnx_int8_qdq="pass")
    identity = open_bundle(folder).identity
    file = append_evidence(folder, "validation", identity, payload)
    with load(folder, threads=1) as model:
        assert model.artefact == "onnx-int8-qdq"
        assert "passed validation" in model.why
    file.write_bytes(b"{")
    with pytest.raises(IntegrityError):
        load(folder, threads=1)
    with load(folder, artefact="onnx-fp32", threads=1) as model:
        assert model.why == "asked for by its id"


def test_a_pass_of_another_release_of_the_engine_is_named(tmp_path: Path):
    from kd2edge.bundle import append_evidence, open_bundle

    folder = bundles.image_bundle(tmp_path / "bundle")
    with load(folder, artefact="onnx-int8-qdq", threads=1) as model:
        own = dict(model.session.options)
    for options, said in (
        (own, ""),
        (own | {"engine": "onnxruntime 0.9"}, "judged with onnxruntime 0.9: run kd2edge validate"),
        (own | {"providers": ["Other"]}, "judged with ['Other']"),
    ):
        payload = bundles.validated(onnx_int8_qdq="pass")
        payload["artefacts"]["onnx-int8-qdq"]["options"] = options
        append_evidence(folder, "validation", open_bundle(folder).identity, payload)
        with load(folder, threads=1) as model:
            assert model.artefact == "onnx-int8-qdq"
            assert said in model.why
            assert ("; but " in model.why) == bool(said)


def test_evidence_about_another_bundle_counts_for_nothing(tmp_path: Path):
    from kd2edge.bundle import append_evidence

    folder = bundles.image_bundle(tmp_path / "bundle")
    payload = bundles.validated(onnx_fp32="fail", onnx_int8_qdq="pass")
    append_evidence(folder, "validation", "0" * 64, payload)
    with load(folder, threads=1) as model:
        assert model.artefact == "onnx-fp32"


def test_a_pinned_manifest_is_the_only_one_that_loads(image_bundle: Path, tmp_path: Path):
    from kd2edge.bundle import open_bundle

    own = open_bundle(image_bundle).identity
    for identity in (own, own.upper(), f"sha256:{own}"):
        with load(image_bundle, identity=identity) as model:
            assert model.identity == own
    with pytest.raises(IntegrityError, match=f"expected the identity {'0' * 64}, found {own}") as e:
        load(image_bundle, identity="0" * 64)
    assert e.value.exit_code == 5
    for odd in ("", own[:-1], f"md5:{own}", own + "0"):
        with pytest.raises(UsageError, match="identity: expected the SHA-256"):
            load(image_bundle, identity=odd)
    copied = Path(shutil.copytree(image_bundle, tmp_path / "copy"))
    manifest = copied / "manifest.json"
    manifest.write_bytes(manifest.read_bytes() + b"\n")
    with pytest.raises(IntegrityError, match="its manifest was changed"):
        load(copied, identity=own)


def test_threads_and_batch_say_what_it_runs_with(image_bundle: Path):
    with load(image_bundle, threads=np.int64(2), batch=np.int64(3)) as model:
        assert model.threads == model.session.threads == 2
    for odd in ({"threads": 0}, {"threads": True}, {"batch": 0}, {"batch": "1"}, {"batch": 1.5}):
        with pytest.raises(UsageError, match="must be a whole number from 1"):
            load(image_bundle, **odd)


def test_an_engine_built_here_is_checked_before_it_is_used(tmp_path: Path):
    from kd2edge.bundle import append_evidence, open_bundle

    pytest.importorskip("tensorrt_rtx", reason="tensorrt_rtx is not installed")
    heads = (bundles.IMAGE_ARRAYS, bundles.IMAGE_HEADS)
    graph = {"tensorrt/fp32.onnx": bundles.image_graph()}
    waiting = bundles.artefact(
        "tensorrt-fp32", "tensorrt/fp32.onnx", graph, *heads, status="needs_device", reason="GPU"
    )
    folder = bundles.image_bundle(
        tmp_path / "bundle", artefacts={"tensorrt-fp32": (waiting, graph)}
    )
    with pytest.raises(BackendError, match="kd2edge build"):
        load(folder, artefact="tensorrt-fp32")
    (folder / "tensorrt" / "fp32.engine").write_bytes(b"evil")
    built = {
        "artefact": "tensorrt-fp32",
        "engine": "tensorrt/fp32.engine",
        "sha256": "0" * 64,
        "bytes": 4,
    }
    append_evidence(folder, "build", open_bundle(folder).identity, built)
    with pytest.raises(IntegrityError, match="not the one that was built"):
        load(folder, artefact="tensorrt-fp32")
