from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

from kd2edge.errors import IntegrityError, SchemaTooNewError, UsageError
from kd2edge.files.npz import npz_arrays, npz_bytes
from kd2edge.inputs.spec import InputSpec
from kd2edge.ragged import Ragged, taken
from kd2edge.tasks.kinds import task_kind
from kd2edge.tasks.spec import MISSING, Decoded, TaskName, TaskSpec, Truth
from kd2edge.validate import open_reference, pack_reference
from kd2edge.validate.reference import Lacking

SPECS = {
    "intent": TaskSpec(TaskName("intent"), "classification", tuple("abcdefgh"), "accuracy"),
    "larger": TaskSpec(TaskName("larger"), "binary", ("no", "yes"), "accuracy"),
    "ner": TaskSpec(TaskName("ner"), "token_classification", ("O", "X"), "accuracy", input="text"),
}
INPUTS = {"text": InputSpec("text", "text", ("text",), {"max_length": 16})}
ROWS = 70
IDS = [f"row ü {index}" for index in range(ROWS)]
HASHES = [2**64 - 1 - index for index in range(ROWS)]


def outputs() -> dict[str, np.ndarray | Ragged]:
    random = np.random.default_rng(0)
    lengths = random.integers(0, 6, ROWS)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return {
        "intent": random.normal(size=(ROWS, 8)).astype(np.float32),
        "larger": random.normal(size=(ROWS, 1)).astype(np.float32),
        "ner": Ragged(random.normal(size=(offsets[-1], 2)).astype(np.float32), offsets),
    }


def decoded(logits) -> dict[str, Decoded]:
    return {
        task: task_kind(SPECS[task].kind).decode(SPECS[task], part) for task, part in logits.items()
    }


def truths(logits) -> dict[str, Truth]:
    """Labels that are the decisions, but for every tenth row, which has none."""
    found = {}
    for task, one in decoded(logits).items():
        labels = one.labels
        values = np.asarray(flat(labels)).astype(np.int64)
        values[::10] = MISSING
        found[task] = Truth(
            Ragged(values, labels.offsets) if isinstance(labels, Ragged) else values
        )
    return found


def packed(logits, *, ids=IDS, hashes=HASHES, said=None) -> bytes:
    return pack_reference(
        ids,
        hashes,
        decoded(logits) if said is None else said,
        logits,
        SPECS,
        truths=truths(logits),
        meaning="1" * 64,
        split="test",
    )


def lacking(rows: list[int]) -> Lacking:
    """Other outputs for some of the rows."""
    at = np.array(rows, np.int64)
    some = {task: taken(part, at) for task, part in outputs().items()}
    shifted = {
        task: Ragged(part.values[:, ::-1], part.offsets)
        if isinstance(part, Ragged)
        else part[:, ::-1] + 1
        for task, part in some.items()
    }
    return Lacking(at, [7 + row for row in rows], decoded(shifted), shifted)


def with_lacking(lacked: Lacking) -> bytes:
    logits = outputs()
    return pack_reference(
        IDS, HASHES, decoded(logits), logits, SPECS,
        truths=truths(logits), meaning="1" * 64, split="test", without={"text": lacked},
    )  # fmt: skip


def test_outputs_without_an_input_come_back_for_their_rows():
    wanted = lacking([1, 4, 5, 60, 69])
    found = open_reference(with_lacking(wanted), SPECS)
    part = found.without["text"]
    assert part.ids == tuple(IDS[row] for row in (1, 4, 5, 60, 69))
    assert part.hashes.tolist() == [8, 11, 12, 67, 76]
    assert (part.meaning, part.split, part.full) == (found.meaning, found.split, 5)
    for task, own in wanted.decoded.items():
        np.testing.assert_array_equal(flat(part.decoded[task].labels), flat(own.labels))
        truth = found.truths[task].taken(wanted.rows).labels
        np.testing.assert_array_equal(flat(part.truths[task].labels), flat(truth))
        np.testing.assert_array_equal(flat(part.logits[task]), flat(wanted.logits[task]))
    assert not part.without


@pytest.mark.parametrize("rows", [[4, 1], [1, 1], [1, ROWS]])
def test_rows_that_no_split_has_are_refused(rows):
    logits = lacking([1, 4])
    arrays = npz_arrays(with_lacking(logits))
    arrays["without/text/rows"] = np.array(rows, np.int64)
    with pytest.raises(IntegrityError, match="expected rising rows below 70"):
        open_reference(npz_bytes(arrays), SPECS)


def test_outputs_without_an_input_are_of_as_many_rows():
    arrays = npz_arrays(with_lacking(lacking([1, 4])))
    arrays["without/text/hashes"] = arrays["without/text/hashes"][:1]
    with pytest.raises(IntegrityError, match="2 ids for 1 hashes"):
        open_reference(npz_bytes(arrays), SPECS)


def flat(values):
    return values.values if isinstance(values, Ragged) else values


@pytest.fixture
def content() -> bytes:
    logits = outputs()
    return packed(logits)


def test_what_was_packed_comes_back(content):
    found, logits = open_reference(content, SPECS), outputs()
    assert list(found.ids) == IDS
    assert found.hashes.tolist() == HASHES
    for task, wanted in decoded(logits).items():
        np.testing.assert_array_equal(flat(found.decoded[task].labels), flat(wanted.labels))
    words, wanted = found.decoded["ner"].labels, logits["ner"]
    assert isinstance(words, Ragged)
    assert isinstance(wanted, Ragged)
    np.testing.assert_array_equal(words.offsets, wanted.offsets)
    np.testing.assert_allclose(
        found.decoded["larger"].scores, decoded(logits)["larger"].scores, atol=1e-3
    )


def test_whole_logits_are_kept_of_64_rows(content):
    found, logits = open_reference(content, SPECS), outputs()
    assert found.full == 64
    np.testing.assert_array_equal(found.logits["intent"], logits["intent"][:64])
    part, wanted = found.logits["ner"], logits["ner"]
    assert isinstance(part, Ragged)
    assert isinstance(wanted, Ragged)
    assert part.rows == 64
    np.testing.assert_array_equal(part.row(63), wanted.row(63))


def test_the_same_outputs_give_the_same_bytes(content):
    logits = outputs()
    again = {task: logits[task] for task in reversed(logits)}
    assert packed(again) == content


def test_the_bytes_hold_no_time_and_no_pickle(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    with np.load(io.BytesIO(content), allow_pickle=False) as archive:
        assert all(archive[name].dtype != object for name in archive.files)


def test_signed_hashes_are_the_same_64_bits():
    logits = outputs()
    signed = [value - 2**64 for value in HASHES]
    found = open_reference(packed(logits, hashes=signed), SPECS)
    assert found.hashes.tolist() == HASHES


def test_unequal_numbers_of_rows_are_refused():
    logits = outputs()
    with pytest.raises(ValueError, match="70 and 69"):
        packed(logits, hashes=HASHES[1:])
    with pytest.raises(ValueError, match="69 rows, found 70"):
        packed(logits, ids=IDS[1:], hashes=HASHES[1:])


@pytest.mark.parametrize("spoil", ["empty", "no archive", "cut", "other archive", "lacks a task"])
def test_what_is_no_reference_is_refused(content, spoil):
    other = io.BytesIO()
    np.savez(other, x=np.zeros(3))
    logits = {"intent": outputs()["intent"]}
    spoiled = {
        "empty": b"",
        "no archive": b"PK" * 50,
        "cut": content[: len(content) // 2],
        "other archive": other.getvalue(),
        "lacks a task": packed(logits),
    }[spoil]
    with pytest.raises(IntegrityError):
        open_reference(spoiled, SPECS)


def test_changed_bytes_never_raise_anything_else(content):
    """What checksums let through (they do not) would still be refused, or be readable."""
    random = np.random.default_rng(1)
    refused = 0
    for _ in range(60):
        spoiled = bytearray(content)
        for at in random.integers(0, len(content), 3):
            spoiled[at] ^= int(random.integers(1, 256))
        try:
            open_reference(bytes(spoiled), SPECS)
        except (IntegrityError, SchemaTooNewError):
            refused += 1
    assert refused > 30


@pytest.mark.parametrize("said", ['{"split": "a"}', "[1]", '{"split": "a", "meaning": 1}', "{"])
def test_a_name_of_another_form_is_refused(content, said):
    arrays = npz_arrays(content)
    arrays["of"] = np.frombuffer(said.encode(), np.uint8)
    with pytest.raises(IntegrityError):
        open_reference(npz_bytes(arrays), SPECS)


def test_a_newer_reference_is_refused(content):
    with np.load(io.BytesIO(content)) as archive:
        arrays = {name: archive[name] for name in archive.files}
    newer = io.BytesIO()
    np.savez(newer, **{**arrays, "schema": np.array(5)})
    with pytest.raises(SchemaTooNewError):
        open_reference(newer.getvalue(), SPECS)


def test_labels_and_whose_outputs_they_are_come_back(content):
    found, wanted = open_reference(content, SPECS), truths(outputs())
    for task, truth in wanted.items():
        np.testing.assert_array_equal(flat(found.truths[task].labels), flat(truth.labels))
    assert (found.meaning, found.split) == ("1" * 64, "test")


def test_a_reference_of_before_is_refused_and_says_what_helps(content):
    arrays = npz_arrays(content) | {"schema": np.array(2)}
    with pytest.raises(UsageError, match="export the run again"):
        open_reference(npz_bytes(arrays), SPECS)


@pytest.mark.parametrize(
    "part", ["truth/intent/labels", "truth/ner/offsets", "decoded/larger/labels"]
)
def test_parts_of_other_length_are_refused(content, part):
    arrays = npz_arrays(content)
    arrays[part] = arrays[part][:-1]
    with pytest.raises(IntegrityError):
        open_reference(npz_bytes(arrays), SPECS)


def test_one_input_with_two_decisions_is_refused():
    logits = outputs()
    twice = [*HASHES[:-1], HASHES[3]]  # the last row has the input of the fourth
    with pytest.raises(IntegrityError, match="rows 3 and 69 have one input and two decisions"):
        open_reference(packed(logits, hashes=twice), SPECS)
