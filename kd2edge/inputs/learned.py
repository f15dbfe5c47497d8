"""A tokenizer that is learned from texts: for languages that no tokenizer at hand was made for.

The same texts give the same bytes, in every process and with any number of threads.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kd2edge.errors import UsageError
from kd2edge.inputs.learned_unigram import unigram_pieces
from kd2edge.inputs.longest import AtMost
from kd2edge.inputs.tokenizer import TokenizerFaultError, guarded
from kd2edge.json_text import json_value

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["TokenizerTraining", "learned_tokenizer"]

CONTROLS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
_INSIDE = "##"
#: Share of the letters in the texts that get pieces of their own; the rarest are unknown.
_COVERED = 0.9995
#: Letters of a word that WordPiece looks at: scripts without blanks have long ones.
_LETTERS = 200


@dataclass(frozen=True, slots=True)
class TokenizerTraining:
    """What is learned.

    Args:
        kind: ``unigram``, ``bpe`` (over bytes: nothing is unknown) or ``wordpiece``.
        size: most pieces, control tokens included.
        lowercase: fold capitals.
        strip_accents: leave out accents, and the other marks that Unicode puts over letters.
        min_frequency: how often two pieces must stand together to become one (not for unigram).
    """

    kind: str
    size: int
    lowercase: bool
    strip_accents: bool
    min_frequency: int


def learned_tokenizer(texts: Iterable[str | Sequence[str]], training: TokenizerTraining) -> bytes:
    """The ``tokenizer.json`` that some texts give.

    Texts are brought to Unicode's form NFKC and cut into words at blanks and around punctuation.

    Args:
        texts: raw texts or lists of words; read once.
        training: what is learned.

    Raises:
        UsageError: texts without a word.
    """
    try:
        return _learned(texts, training)
    except TokenizerFaultError as error:
        raise UsageError(f"no tokenizer can be learned from the texts: {error}") from error


def _learned(texts: Iterable[str | Sequence[str]], training: TokenizerTraining) -> bytes:
    from tokenizers import AddedToken, Tokenizer, models, processors

    made: Tokenizer = Tokenizer(models.WordPiece({"[UNK]": 0}, unk_token="[UNK]"))
    made.normalizer = _normalizer(training)
    made.pre_tokenizer = _cutter(training.kind)
    words = _words(made, texts)
    if not words:
        raise UsageError("no tokenizer can be learned: the texts have no words")
    made.model = guarded(lambda: _MODELS[training.kind](words, training))
    controls = [AddedToken(name, special=True) for name in CONTROLS]
    made.add_special_tokens(controls)  # pyright: ignore[reportUnknownMemberType]
    ends = [(name, CONTROLS.index(name)) for name in ("[CLS]", "[SEP]")]
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair=None, special_tokens=ends
    )
    content = json_value(made.to_str(), strict=False)
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def _normalizer(training: TokenizerTraining) -> Any:
    from tokenizers import normalizers

    steps: list[Any] = [normalizers.NFKC()]
    if training.lowercase:
        steps.append(normalizers.Lowercase())
    if training.strip_accents:
        steps += [normalizers.NFD(), normalizers.StripAccents(), normalizers.NFC()]
    return normalizers.Sequence(steps)


def _cutter(kind: str) -> Any:
    from tokenizers import pre_tokenizers

    words = pre_tokenizers.BertPreTokenizer()
    if kind == "unigram":
        mark = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
        return pre_tokenizers.Sequence([words, mark])
    if kind == "bpe":
        letters = pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=False)
        return pre_tokenizers.Sequence([words, letters])
    return words


def _words(made: Tokenizer, texts: Iterable[str | Sequence[str]]) -> dict[str, int]:
    """How often each word occurs, in the order of the words."""
    at_most, counts = AtMost(None), Counter[str]()
    normalizer, cutter = made.normalizer, made.pre_tokenizer
    for text in texts:
        row = at_most.of(text if isinstance(text, str) else " ".join(text))
        cut = guarded(lambda row=row: cutter.pre_tokenize_str(normalizer.normalize_str(row)))
        counts.update(word for word, _ in cut)
    return dict(sorted(counts.items()))


def _unigram(words: Mapping[str, int], training: TokenizerTraining) -> Any:
    from tokenizers import models

    letters = _letters(words, training.size // 2)
    pieces = unigram_pieces(words, training.size - len(CONTROLS), letters)
    lowest = min((score for _, score in pieces), default=0.0)
    controls = [(name, lowest) for name in CONTROLS]
    return models.Unigram([*controls, *pieces], unk_id=CONTROLS.index("[UNK]"))


def _bpe(words: Mapping[str, int], training: TokenizerTraining) -> Any:
    from tokenizers import models, pre_tokenizers, trainers

    trainer = trainers.BpeTrainer(
        vocab_size=training.size,
        min_frequency=training.min_frequency,
        special_tokens=list(CONTROLS),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    found = _trained(models.BPE(), trainer, words)
    merges = [tuple(merge) for merge in found["merges"]]
    return models.BPE(vocab=found["vocab"], merges=merges)


def _wordpiece(words: Mapping[str, int], training: TokenizerTraining) -> Any:
    from tokenizers import models, trainers

    letters = _letters(words, training.size // 4)
    # The trainer numbers continuing letters in the order of a hash map: here they have numbers.
    inside = [_INSIDE + letter for letter in letters]
    trainer = trainers.WordPieceTrainer(
        vocab_size=training.size,
        min_frequency=training.min_frequency,
        special_tokens=[*CONTROLS, *inside],
        initial_alphabet=letters,
        limit_alphabet=len(letters),
        continuing_subword_prefix=_INSIDE,
        show_progress=False,
    )
    found = _trained(models.WordPiece({}, unk_token="[UNK]"), trainer, words)
    return models.WordPiece(
        vocab=found["vocab"], unk_token="[UNK]", max_input_chars_per_word=_LETTERS
    )


_MODELS: Mapping[str, Callable[[Mapping[str, int], TokenizerTraining], Any]] = {
    "unigram": _unigram,
    "bpe": _bpe,
    "wordpiece": _wordpiece,
}


def _trained(model: Any, trainer: Any, words: Mapping[str, int]) -> dict[str, Any]:
    """The model that the library's trainer makes, as JSON."""
    from tokenizers import Tokenizer, pre_tokenizers

    made: Any = Tokenizer(model)
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made.train_from_iterator((" ".join([word] * count) for word, count in words.items()), trainer)
    return json_value(made.to_str(), strict=False)["model"]


def _letters(words: Mapping[str, int], most: int) -> list[str]:
    """The letters that get pieces, in the order of Unicode."""
    counts = Counter[str]()
    for word, count in words.items():
        for letter in word:
            counts[letter] += count
    left = counts.total() * _COVERED
    kept: list[str] = []
    for letter, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if len(kept) >= most or (left <= 0 and len(counts) > most // 2):
            break
        kept.append(letter)
        left -= count
    return sorted(kept)
