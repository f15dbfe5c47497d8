"""The one door to ``tokenizers``: what goes wrong behind it comes out as an error of ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast, final

from kd2edge.errors import BackendError, UsageError
from kd2edge.inputs.longest import AtMost
from kd2edge.inputs.tokenizer_json import added_tokens, fault, parsed, size_of

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

Value = TypeVar("Value")

#: Encoded once when a tokenizer is opened: faults of its tables come out there, not in a service.
_PROBE = (
    "Ab \u00e9\u0130\ufb01\u00bd\u3000\u6f22\u0301 \U0001f642\u200d\t\n9,9  \u2581<s>[UNK]\u0000"
)


class TokenizerFaultError(ValueError):
    """``tokenizers`` raised or panicked; callers say in which file or row."""


@final
class GuardedTokenizer:
    """An opened tokenizer.  Thread-safe: nothing of it changes once it is open."""

    def __init__(self, tokenizer: Tokenizer, at_most: AtMost) -> None:
        self._tokenizer = tokenizer
        self.at_most = at_most

    def encode_batch(self, rows: Sequence[Any], *, are_words: bool) -> list[Encoding]:
        """Pieces of texts, or of lists of words; what is too long to be meant is left out.

        Raises:
            TokenizerFaultError: a row that cannot be encoded; which one is not known.
        """
        cut = [self.at_most.of(row) for row in rows]
        return guarded(lambda: self._tokenizer.encode_batch(cut, is_pretokenized=are_words))

    def ids(self, rows: Sequence[Any], *, are_words: bool) -> list[list[int]]:
        """The ids of rows alone, without control tokens; as :meth:`encode_batch` otherwise."""
        cut = [self.at_most.of(row) for row in rows]
        encodings = guarded(
            lambda: self._tokenizer.encode_batch_fast(
                cut, is_pretokenized=are_words, add_special_tokens=False
            )
        )
        return [encoding.ids for encoding in encodings]


def open_tokenizer(tokenizer_json: bytes, max_length: int | None) -> GuardedTokenizer:
    """The tokenizer of a ``tokenizer.json``; its own truncation and padding settings are put aside.

    Text is data: a "[SEP]" in it is cut into its characters like any other word, so that nobody can
    write the model's control tokens into a row.

    Args:
        tokenizer_json: the file's bytes.
        max_length: longest row in pieces, control tokens included; the rest of a longer one is kept
            in ``Encoding.overflowing``.  None: no limit.

    Raises:
        IntegrityError: bytes that are no tokenizer, or that could stop the process.
        UsageError: a ``max_length`` that leaves no room beside the control tokens.
        BackendError: a release of ``tokenizers`` that forgets what the limit cuts off.
    """
    from tokenizers import Tokenizer

    if max_length is not None and not keeps_what_is_cut():
        raise BackendError(
            "this release of tokenizers forgets most of what max_length cuts off a text, so that"
            ' its words cannot be counted; run: pip install "tokenizers!=0.23.1,!=0.23.2"'
        )
    content = parsed(tokenizer_json)
    try:
        tokenizer = guarded(lambda: Tokenizer.from_buffer(tokenizer_json))
        tokenizer.encode_special_tokens = True
        tokenizer.no_padding()
        tokenizer.no_truncation()
        guarded(lambda: _require_own_ids(tokenizer, content))
        opened = GuardedTokenizer(tokenizer, AtMost(max_length))
        opened.encode_batch([_PROBE], are_words=False)
        opened.encode_batch([_PROBE.split(" ")], are_words=True)
    except TokenizerFaultError as error:
        raise fault(f"it cannot be used ({error})") from error
    if max_length is not None:
        controls = tokenizer.num_special_tokens_to_add(is_pair=False)
        if max_length <= controls:
            raise UsageError(
                f"max_length must be more than the {controls} control tokens of the tokenizer,"
                f" found {max_length}"
            )
        # Its stub leaves the keywords untyped.  What is left out: from the right, longest first.
        tokenizer.enable_truncation(max_length)  # pyright: ignore[reportUnknownMemberType]
    return opened


@cache
def keeps_what_is_cut() -> bool:
    """Whether all parts of a text that is cut stand in ``Encoding.overflowing``.

    In tokenizers 0.23.1 and 0.23.2 only the first of them does, and not whole.
    """
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit

    probe = Tokenizer(WordLevel({"a": 0}, unk_token="a"))
    probe.pre_tokenizer = WhitespaceSplit()
    probe.enable_truncation(1)  # pyright: ignore[reportUnknownMemberType]
    return len(probe.encode("a a a a").overflowing) == 3


def guarded(call: Callable[[], Value]) -> Value:
    """What a call of ``tokenizers`` gives.

    Raises:
        TokenizerFaultError: it raised anything, or panicked.
    """
    try:
        return call()
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001  (tokenizers raises bare Exception)
        raise TokenizerFaultError(str(error)[:300]) from error
    except BaseException as error:
        if is_panic(error):
            raise TokenizerFaultError(str(error)[:300]) from error
        raise


def is_panic(error: BaseException) -> bool:
    """Whether Rust panicked: such an error is no ``Exception``, and ends a service unseen."""
    return (type(error).__module__, type(error).__name__) == ("pyo3_runtime", "PanicException")


def _require_own_ids(tokenizer: Tokenizer, content: dict[str, Any]) -> None:
    """Refuse added tokens that get ids of the library's own, as the file's do not suit it.

    So are those that the normaliser leaves nothing of: the library looks for them without an end.
    """
    size, normalizer = size_of(content), tokenizer.normalizer
    for token in added_tokens(content):
        name = cast("str", token["content"])
        if token.get("normalized") and normalizer and not normalizer.normalize_str(name):
            raise TokenizerFaultError(f"the normalizer leaves nothing of the token {name!r:.40}")
        found = tokenizer.token_to_id(name) if name else 0
        if found is None or found >= size:
            raise TokenizerFaultError(f"the added token {name!r:.40} has no id of its own")
