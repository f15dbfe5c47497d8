"""What must not reach ``tokenizers``, in a process of its own: an abort is no exception."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from inputs import hostile
from inputs.tokenizers_of import changed, every
from kd2edge.errors import IntegrityError
from kd2edge.inputs import vocabulary_size
from kd2edge.inputs.tokenizer import open_tokenizer
from kd2edge.inputs.tokenizer_json import parsed, unknown_id

TESTS = Path(__file__).parent.parent


def ended(what: str) -> list[str]:
    """What the process said; it came to its end within its limits."""
    done = subprocess.run(
        [sys.executable, "-m", "inputs.hostile", what], cwd=TESTS, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(TESTS.parent), "RUST_BACKTRACE": "0"}, check=False,
    )  # fmt: skip
    lines = done.stdout.splitlines()
    assert done.returncode == 0, (lines[-1:], done.stderr[-2000:])
    assert lines[-1] == "to the end"
    return lines[:-1]


def test_files_that_would_stop_a_service_are_refused_when_they_are_opened() -> None:
    said = ended("files")
    assert [line for line in said if not line.startswith("opening")] == []
    assert len(said) == sum(1 for _ in hostile.refused_files()) > 80


def test_rows_of_millions_of_characters_cost_what_the_longest_row_costs() -> None:
    assert len(ended("rows")) == len(hostile.FAMILIES) * sum(1 for _ in hostile.long_rows())


@pytest.mark.parametrize("name", sorted(every()))
def test_real_forms_are_taken(name: str) -> None:
    content = every()[name]
    assert open_tokenizer(content, 16).encode_batch(["Anna"], are_words=False)
    assert vocabulary_size(content) == 1 + max(token_id for token_id in open_ids(content).values())


def open_ids(content: bytes) -> dict[str, int]:
    from tokenizers import Tokenizer

    return Tokenizer.from_buffer(content).get_vocab(with_added_tokens=True)


def test_the_message_says_what_was_found_and_what_to_do() -> None:
    with pytest.raises(
        IntegrityError, match=r"tokenizer.json: normalizer: the pattern .* may fail"
    ):
        parsed(hostile.part(normalizer=hostile.replace({"Regex": r"\s+x"}, "y")))
    with pytest.raises(IntegrityError, match=r"ids from 0 to 1,000,000; .* save it again"):
        parsed(hostile.model(hostile.WHOLE["model"], vocab={"[UNK]": 0, "a": 10**6}))


def test_gaps_of_a_real_size_are_taken() -> None:
    content = hostile.part(added_tokens=[{**hostile.ADDED, "id": 1000}])
    assert vocabulary_size(content) == 1001


def test_the_unknown_piece_of_each_model() -> None:
    assert unknown_id(hostile.WHOLE) == 0
    assert unknown_id(json.loads(changed(every()["llama"]))) == 0
    assert unknown_id(json.loads(every()["byte-level trim=True prefix=True regex=True"])) is None
