"""Peak memory of ``kd2edge distill`` as its training rows grow tenfold.

The script makes a text data set of random words, with a tiny teacher and student.  Validation and
test rows stay the same.  Whatever grows in memory with the rows shows, whatever stays on disk
(encoded rows, teacher's cache) does not.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from recording import parser, record

LIMIT = 1.2
_CLASSES = 20
_WORDS = 2000
_HELD_OUT = 1000  # rows of validation and of test

RECIPE = """\
version: 1
name: memory
data:
  sources:
    - {name: made, kind: jsonl, train: train.jsonl, validation: held.jsonl, test: held.jsonl}
inputs:
  text: {kind: text, columns: [text], tokenizer: {path: tokenizer.json}, max_length: 16}
tasks:
  topic: {kind: classification, metric: accuracy}
teachers:
  - name: bert
    model:
      family: transformers
      config: {model_type: bert, hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2,
        intermediate_size: 32, max_position_embeddings: 16}
    train: {epochs: 1, batch_size: 256}
student:
  model:
    family: transformers
    config: {model_type: bert, hidden_size: 16, num_hidden_layers: 1, num_attention_heads: 2,
      intermediate_size: 16, max_position_embeddings: 16}
baseline: false
train: {epochs: 1, batch_size: 256, device: cpu, precision: fp32, threads: 1}
"""


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--rows", type=int, default=20_000, help="of the smaller run")
    arguments.add_argument("--times", type=int, default=10)
    given = arguments.parse_args()
    few, many = (peak(count) for count in (given.rows, given.times * given.rows))
    ratio = round(many["peak_bytes"] / few["peak_bytes"], 3)
    for one in (few, many):
        print(f"{one['rows']:>9,} rows: peak {one['peak_bytes'] / 1e6:,.0f} MB")
    print(f"{given.times}x the rows take {ratio:.2f}x the memory (at most {LIMIT}x)")
    measured = {"limit": LIMIT, "runs": [few, many], "ratio": ratio, "times": given.times}
    record("memory", measured, given.out, ["torch", "transformers", "tokenizers"])


def peak(rows: int, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """Distil in a process of its own; its largest resident size.

    Args:
        rows: of the training split.
        overrides: ``KEY=VALUE`` of the recipe.
    """
    with TemporaryDirectory() as name:
        folder = Path(name)
        write_project(folder, rows)
        command = [sys.executable, "-m", "kd2edge", "distill", "recipe.yaml", "--run-dir", "run"]
        command += [word for value in overrides for word in ("--set", value)]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"kd2edge distill left with exit code {process.returncode}")
        disk = sum(file.stat().st_size for file in (folder / "run").rglob("*") if file.is_file())
    # Kilobytes, on Linux.
    return {"rows": rows, "peak_bytes": usage.ru_maxrss * 1024, "run_bytes": disk}


def write_project(folder: Path, rows: int) -> None:
    """Rows of three to ten random words; the class is that of the first word."""
    dice = random.Random(17)
    words = [f"word{index}" for index in range(_WORDS)]
    write_tokenizer(folder / "tokenizer.json", words)
    folder.joinpath("recipe.yaml").write_text(RECIPE, encoding="utf-8")
    for name, count in (("train", rows), ("held", _HELD_OUT)):
        with folder.joinpath(f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for at in range(count):
                chosen = [dice.randrange(_WORDS) for _ in range(dice.randint(3, 10))]
                text = " ".join(words[index] for index in chosen)
                row = {"text": f"{text} {name}{at}", "topic": f"topic {chosen[0] % _CLASSES}"}
                file.write(json.dumps(row) + "\n")


def write_tokenizer(path: Path, words: list[str]) -> None:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [(name, vocabulary[name]) for name in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, ends)
    tokenizer.save(str(path))


if __name__ == "__main__":
    main()
