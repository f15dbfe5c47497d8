"""The pieces of a unigram model, learned so that the same words give the same pieces.

The library's own trainer adds floats in the order of a hash map, which differs in every process.
Here the library cuts the words, the best way under the pieces so far (hard EM), and whole numbers
are counted; equal losses are told apart by the pieces' letters.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence

__all__ = ["unigram_pieces"]

#: Letters of a piece; pieces that are begun with, beside each that is asked for.
_LONGEST, _SEEDS = 16, 4
#: Times that words are cut between two prunings, and the share of pieces that one leaves.
_ROUNDS, _LEFT = 2, 0.75
#: Decimals of a score: more would only make the file longer.
_DECIMALS = 6
_UNKNOWN = "\x00"


def unigram_pieces(
    words: Mapping[str, int], size: int, letters: Sequence[str]
) -> list[tuple[str, float]]:
    """Pieces with the logarithms of their probabilities, the likeliest first.

    Args:
        words: how often each occurs.
        size: most pieces.
        letters: those that are pieces whatever comes.
    """
    kept = set(letters)
    counts = _seeds(words, kept, max(_SEEDS * size, len(letters)))
    while True:
        for _ in range(_ROUNDS):
            counts = _recounted(words, _scores(counts), kept)
        if len(counts) <= size:
            break
        counts = _pruned(counts, kept, max(size, int(len(counts) * _LEFT)))
    scores = _scores(counts)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def _seeds(words: Mapping[str, int], letters: set[str], most: int) -> dict[str, int]:
    """Parts of words that occur twice, those that cover most letters; and all single letters."""
    found = dict.fromkeys(sorted(letters), 1)
    before: set[str] | None = None
    candidates: list[tuple[int, str]] = []
    for length in range(1, _LONGEST + 1):
        counts = Counter[str]()
        for word, count in words.items():
            for at in range(len(word) - length + 1):
                part = word[at : at + length]
                # What occurs twice is made of what occurs twice: the others are never counted.
                if before is None or (part[:-1] in before and part[-1] in letters):
                    counts[part] += count
        before = {part for part, count in counts.items() if count > 1 and part[0] in letters}
        if length == 1:
            found |= {part: counts[part] for part in found if counts[part]}
        else:
            candidates += [(-count * length, part) for part, count in counts.items() if count > 1]
        if not before:
            break
    for weight, part in sorted(candidates)[: most - len(found)]:
        if part[0] in letters:
            found[part] = -weight // len(part)
    return found


def _scores(counts: Mapping[str, int]) -> dict[str, float]:
    whole = math.log(sum(counts.values()))
    return {part: round(math.log(count) - whole, _DECIMALS) for part, count in counts.items()}


def _recounted(
    words: Mapping[str, int], scores: Mapping[str, float], letters: set[str]
) -> dict[str, int]:
    """How often each piece occurs when every word is cut the best way; letters at least once."""
    from tokenizers import Tokenizer, models

    names = [_UNKNOWN, *scores]
    cut = Tokenizer(models.Unigram([(_UNKNOWN, -100.0), *scores.items()], unk_id=0))
    counts = [0] * len(names)
    encodings = cut.encode_batch_fast(list(words), add_special_tokens=False)
    for encoding, count in zip(encodings, words.values(), strict=True):
        for piece in encoding.ids:
            counts[piece] += count
    found = dict(zip(names[1:], counts[1:], strict=True))
    return {part: max(count, 1) for part, count in found.items() if count or part in letters}


def _pruned(counts: Mapping[str, int], letters: set[str], size: int) -> dict[str, int]:
    """Without the pieces that cost least: what would stand in their place is nearly as likely."""
    scores = _scores(counts)
    losses = sorted(
        (count * (scores[part] - _otherwise(part, scores)), part)
        for part, count in counts.items()
        if part not in letters
    )
    gone = {part for _, part in losses[: len(counts) - size]}
    return {part: count for part, count in counts.items() if part not in gone}


def _otherwise(part: str, scores: Mapping[str, float]) -> float:
    """The score of a piece's letters when it is cut into others."""
    best = [0.0] + [-math.inf] * len(part)
    for end in range(1, len(part) + 1):
        for start in range(end):
            if end - start < len(part):
                score = scores.get(part[start:end])
                if score is not None and best[start] + score > best[end]:
                    best[end] = best[start] + score
    return best[-1]
