"""What it costs to encode a word: words with their casing beside plain sentences.

Test rows of two recipes, as their students read them: ``uner_ewt`` cuts each word by itself and
says how it was written, ``clinc150`` cuts whole sentences.  Both take turns, batch by batch; the
ratio is of the microseconds a word.
"""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from recording import ROOT, parser, record, shown
from timing import interleaved

from kd2edge.inputs import Encoder, input_kind
from kd2edge.pipeline.reading.model_inputs import student_inputs
from kd2edge.pipeline.reading.prepare import prepare_data
from kd2edge.recipe import load_recipe

WORDS = "recipes/token/uner_ewt.yaml"
SENTENCES = "recipes/customer_service/clinc150.yaml"
LIMIT = 2.0
BATCHES = (1, 32)


class Texts(NamedTuple):
    """Rows of a recipe as its student is given them."""

    encoder: Encoder
    values: list[Any]

    def words(self, count: int) -> int:
        """Words of the first rows."""
        first = self.values[:count]
        return sum(len(one.split() if isinstance(one, str) else one) for one in first)


def main() -> None:
    arguments = parser(__doc__)
    arguments.add_argument("--rows", type=int, default=960)
    arguments.add_argument("--rounds", type=int, default=30)
    given = arguments.parse_args()
    texts = {name: opened(ROOT / name, given.rows) for name in (WORDS, SENTENCES)}
    calls = [encoded(texts, batch, given.rounds) for batch in BATCHES]
    recipes = [shown(ROOT / name) for name in texts]
    measured = {"recipes": recipes, "rows": given.rows, "limit": LIMIT, "calls": calls}
    record("encoding", measured, given.out, ["tokenizers"])


def opened(path: Path, count: int) -> Texts:
    """The first test rows of a recipe with one input."""
    loaded = load_recipe(path)
    data = prepare_data(loaded)
    inputs = student_inputs(loaded.recipe, data.rows["train"], data.learned)
    ((name, spec),) = inputs.specs.items()
    rows, kind = data.rows["test"], input_kind(spec.kind)
    values = [kind.value(spec, rows[at], rows.root_of(at)) for at in range(min(count, len(rows)))]
    return Texts(inputs.encoders[name], values)


def encoded(texts: dict[str, Texts], batch: int, rounds: int) -> dict[str, Any]:
    """Microseconds a word of each, and their ratio: the median of the ratios within a round."""
    count = min(len(one.values) for one in texts.values())
    calls = {name: lambda one=one: all_of(one, count, batch) for name, one in texts.items()}
    times = interleaved(calls, rounds=rounds, warm=1)
    each = {
        name: np.array(times[name].seconds) * 1e6 / one.words(count) for name, one in texts.items()
    }
    found = round(float(np.median(each[WORDS] / each[SENTENCES])), 3)
    words, sentences = (float(np.median(each[name])) for name in (WORDS, SENTENCES))
    print(f"batch {batch}: {words:.2f} us a word, {sentences:.2f} of sentences: {found}x")
    return {
        "batch": batch,
        "words_us": round(words, 3),
        "sentences_us": round(sentences, 3),
        "ratio": found,
    }


def all_of(texts: Texts, count: int, batch: int) -> None:
    rows = iter(texts.values[:count])
    while part := list(islice(rows, batch)):
        texts.encoder.encode(part)


if __name__ == "__main__":
    main()
