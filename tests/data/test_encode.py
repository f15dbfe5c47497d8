from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from distill.tiny import IMAGES, TAG, TOKENS, TOPIC, MemoryRows, image_rows, token_rows
from kd2edge.data import Progress, encode_split
from kd2edge.data.encode import _CHUNK
from kd2edge.errors import DataError, IntegrityError
from kd2edge.inputs import input_kind
from kd2edge.ragged import Ragged
from kd2edge.rows.join import JoinedRows, Source, joined
from kd2edge.tasks.spec import MISSING


def sentences(*rows: dict[str, Any], tasks: tuple[str, ...] = ("tag", "topic")) -> JoinedRows:
    return joined([Source("s", MemoryRows(rows), tasks)])


ONE = {"words": ["ab", "c"], "tag": ["X", "Y"], "topic": "p"}


def test_arrays_are_what_the_encoder_gives(tmp_path: Path) -> None:
    rows = token_rows()
    split = TOKENS.split(tmp_path, rows)
    encoder = input_kind("tokens").open(TOKENS.spec, TOKENS.files)
    at = np.array([3, 0, 30, 7])
    direct = encoder.encode([rows[int(position)]["words"] for position in at])
    batch = split.batch(at)
    assert set(batch.inputs) == set(direct.arrays)
    for name, array in direct.arrays.items():
        assert batch.inputs[name].numpy().dtype == array.dtype
        assert np.array_equal(batch.inputs[name].numpy(), array)
    assert np.array_equal(split.lengths[at], encoder.length(direct))


def test_words_point_at_their_first_piece(tmp_path: Path) -> None:
    split = TOKENS.split(tmp_path, sentences(ONE, {**ONE, "words": ["c", "dd"]}))
    batch = split.batch(np.array([1, 0]))
    ids = batch.inputs["input_ids"].flatten()
    first = {letter: 4 + index for index, letter in enumerate("abcdefgh")}
    found = ids[batch.words["words"].index].tolist()
    assert found == [first["c"], first["d"], first["a"], first["c"]]
    assert batch.words["words"].offsets.tolist() == [0, 2, 4]


def test_words_beyond_the_limit_are_cut_off_but_counted(tmp_path: Path) -> None:
    long = {"words": ["abc", "abc", "abc", "a"], "tag": ["X"] * 4, "topic": "p"}
    split = TOKENS.split(tmp_path, sentences(long))
    words = split.batch(np.array([0])).words["words"]
    assert words.cut
    assert words.counts.tolist() == [4]
    assert words.index.tolist()[-1] == -1


def test_rows_without_a_label_have_missing_targets(tmp_path: Path) -> None:
    split = TOKENS.split(tmp_path, token_rows(labelled=3, unlabelled=2))
    batch = split.batch(np.arange(5))
    assert (batch.targets[TOPIC.name]["labels"][3:] == MISSING).all()
    assert (batch.targets[TOPIC.name]["labels"][:3] != MISSING).all()
    assert batch.has_label(TOPIC.name).tolist() == [True, True, True, False, False]
    offsets = batch.words["words"].offsets
    assert (batch.targets[TAG.name]["labels"][offsets[3] :] == MISSING).all()
    assert len(batch.targets[TAG.name]["labels"]) == offsets[-1]
    assert split.labelled([TAG.name]).tolist() == [True, True, True, False, False]


def test_partial_labels_stay_partial(tmp_path: Path) -> None:
    split = IMAGES.split(tmp_path, image_rows(labelled=6, unlabelled=1))
    shape, dark = (split.labelled([task.name]) for task in IMAGES.tasks)
    assert shape.tolist() == [True] * 6 + [False]
    assert dark.tolist() == [True, True, False, True, True, False, False]
    assert split.labelled([task.name for task in IMAGES.tasks]).sum() == 6


def test_truth_is_what_the_rows_say(tmp_path: Path) -> None:
    split = TOKENS.split(tmp_path, sentences(ONE, {**ONE, "tag": ["Y", "Y"], "topic": "q"}))
    tags = split.truth(TAG.name).labels
    assert isinstance(tags, Ragged)
    assert [tags.row(at).tolist() for at in range(2)] == [[0, 1], [1, 1]]
    assert split.truth(TOPIC.name).labels.tolist() == [0, 1]


def test_a_second_call_reads_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = token_rows()
    first = TOKENS.split(tmp_path, rows)

    def refuse(self: JoinedRows, position: int) -> None:
        raise AssertionError

    monkeypatch.setattr(JoinedRows, "__getitem__", refuse)
    assert TOKENS.split(tmp_path, rows).fingerprint == first.fingerprint


def test_a_changed_byte_is_noticed(tmp_path: Path) -> None:
    TOKENS.split(tmp_path, token_rows())
    (shard,) = tmp_path.glob("*/*.bin")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 4
    shard.write_bytes(content)
    with pytest.raises(IntegrityError, match="recache"):
        TOKENS.split(tmp_path, token_rows())


def test_a_folder_without_its_manifest_is_joined_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _made(tmp_path)
    (manifest,) = tmp_path.glob("*/manifest.json")
    before = manifest.read_bytes()
    manifest.unlink()
    monkeypatch.setattr("kd2edge.data.writer.write_atomic", _only_manifests)
    _made(tmp_path)  # the padding that batches need stands with the shards
    assert manifest.read_bytes() == before


def _only_manifests(path: Path, content: bytes) -> None:
    assert path.name == "manifest.json"
    path.write_bytes(content)


def test_what_is_complete_is_read_where_nothing_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _made(tmp_path)
    for name in ("claimed", "write_atomic"):
        monkeypatch.setattr(f"kd2edge.data.writer.{name}", None)
    _made(tmp_path)


def _made(directory: Path) -> Path:
    TOKENS.split(directory, token_rows())
    return directory


def test_the_key_follows_rows_files_and_tasks(tmp_path: Path) -> None:
    rows = token_rows()
    encoder = input_kind("tokens").open(TOKENS.spec, TOKENS.files)
    pair = {"words": (TOKENS.spec, encoder)}

    def key(hashed: str, tasks: Any = TOKENS.tasks, which: JoinedRows = rows) -> str:
        hashes = {"tokenizer/words.json": hashed}
        return encode_split(which, pair, tasks, tmp_path, file_hashes=hashes).fingerprint

    keys = {key("1"), key("2"), key("1", (TOPIC,)), key("1", which=token_rows(seed=9))}
    assert len(keys) == 4
    assert key("1") in keys


def test_the_key_follows_the_pictures_that_rows_name(tmp_path: Path) -> None:
    rows = MemoryRows([{"image": "1.png", "shape": "a"}])
    rows.root = str(tmp_path)

    def pixels(dark: int) -> int:
        Image.new("L", (6, 6), dark).save(tmp_path / "1.png")
        split = IMAGES.split(tmp_path / "cache", joined([Source("s", rows, ("shape",))]))
        return int(next(iter(split.batch(np.array([0])).inputs.values())).max())

    assert [pixels(3), pixels(200), pixels(3)] == [3, 200, 3]


def test_every_file_that_rows_name_is_read_once_for_the_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether beside unlabelled rows or not; the labelled ones have a fingerprint of their own."""
    sources: list[Source] = []
    for name, tasks in (("labelled", ("shape",)), ("more", ())):
        Image.new("L", (6, 6), 7).save(tmp_path / f"{name}.png")
        rows = MemoryRows([{"image": f"{name}.png", "shape": "a"}])
        rows.root, rows.fingerprint = str(tmp_path), name
        sources.append(Source(name, rows, tasks))
    read: list[str] = []
    own = Path.read_bytes

    def counted(path: Path) -> bytes:
        read.extend([path.name] if path.suffix == ".png" else [])
        return own(path)

    first = IMAGES.split(tmp_path / "cache", joined(sources))
    monkeypatch.setattr(Path, "read_bytes", counted)
    again = IMAGES.split(tmp_path / "cache", joined(sources))
    assert sorted(read) == ["labelled.png", "more.png"]
    assert again.fingerprint == first.fingerprint
    alone = IMAGES.split(tmp_path / "cache", joined(sources[:1]))
    assert alone.fingerprint == alone.labelled_fingerprint == first.labelled_fingerprint
    assert alone.fingerprint != first.fingerprint


def test_the_hash_of_every_file_is_asked_for(tmp_path: Path) -> None:
    encoder = input_kind("tokens").open(TOKENS.spec, TOKENS.files)
    pair = {"words": (TOKENS.spec, encoder)}
    with pytest.raises(ValueError, match=r"tokenizer/words\.json"):
        encode_split(token_rows(), pair, TOKENS.tasks, tmp_path)


def test_a_stopped_encoding_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kd2edge.data.layout.SHARD_BYTES", 1)
    rows = image_rows(labelled=2 * _CHUNK + 10, unlabelled=0)
    whole = IMAGES.split(tmp_path / "whole", rows)
    pair = {"image": (IMAGES.spec, input_kind("image").open(IMAGES.spec, {}))}

    def stop(event: Progress) -> None:
        if event.done > _CHUNK:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        encode_split(rows, pair, IMAGES.tasks, tmp_path / "part", on_event=stop)
    seen: list[Progress] = []
    part = encode_split(rows, pair, IMAGES.tasks, tmp_path / "part", on_event=seen.append)
    assert [event.done for event in seen] == [2 * _CHUNK, 2 * _CHUNK + 10]
    at = np.arange(len(rows))
    assert np.array_equal(
        part.batch(at).inputs["pixel_values"], whole.batch(at).inputs["pixel_values"]
    )


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({**ONE, "tag": ["X"]}, "1 labels for 2 words"),
        ({**ONE, "tag": ["X", "Z"]}, "Z"),
        ({**ONE, "topic": "r"}, "topic.*r"),
        ({**ONE, "words": "ab c"}, "words"),
        ({"tag": ["X"], "topic": "p"}, "words"),
    ],
)
def test_a_bad_row_is_named_with_its_place(tmp_path: Path, row: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=rf"memory:3.*{says}"):
        TOKENS.split(tmp_path, sentences(ONE, ONE, row))


def test_an_empty_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no rows"):
        TOKENS.split(tmp_path, sentences())
