"""Files that are no tokenizer, or one that would stop a service; run as a program, see the end."""

from __future__ import annotations

import base64
import json
import resource
import struct
import sys
from collections.abc import Iterator
from typing import Any

from inputs.tokenizers_of import every
from kd2edge.errors import IntegrityError
from kd2edge.inputs import InputSpec, input_kind

WHOLE: dict[str, Any] = {
    "version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None,
    "pre_tokenizer": None, "post_processor": None, "decoder": None,
    "model": {
        "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100, "vocab": {"[UNK]": 0, "a": 1, "##a": 2, "b": 3},
    },
}  # fmt: skip
ADDED = {
    "id": 4, "content": "[X]", "single_word": False, "lstrip": False, "rstrip": False,
    "normalized": False, "special": False,
}  # fmt: skip
A, CLS = {"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "[CLS]", "type_id": 0}}
CONTROL = {"id": "[CLS]", "ids": [1], "tokens": ["[CLS]"]}
BERT = {"type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1]}
CHINESE = {
    "type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
    "strip_accents": None, "lowercase": True,
}  # fmt: skip
UNIGRAM = {"type": "Unigram", "unk_id": 0, "vocab": [["<unk>", 0.0], ["a", -1.0]]}
BPE = {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]]}


def part(**changes: Any) -> bytes:
    """The whole file with other parts."""
    return json.dumps(WHOLE | changes).encode()


def model(base: dict[str, Any], **changes: Any) -> bytes:
    """The whole file with another model."""
    return part(model=base | changes)


def table(texts: bytes, trie: bytes = b"\0\0\0\0") -> dict[str, Any]:
    """A Precompiled normaliser."""
    content = struct.pack("<I", len(trie)) + trie + texts
    return {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(content).decode()}


def template(single: Any, tokens: Any) -> dict[str, Any]:
    return {"type": "TemplateProcessing", "single": single, "pair": [], "special_tokens": tokens}


def replace(pattern: dict[str, str], content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": pattern, "content": content}


def split(pattern: dict[str, str]) -> dict[str, Any]:
    return {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}


def nested(kind: str, key: str, depth: int) -> bytes:
    """Sequences in sequences, written by hand: Python's own writer gives up before."""
    outer = b'{"type":"Sequence","%s":[' % key.encode()
    return outer * depth + b'{"type":"%s"}' % kind.encode() + b"]}" * depth


def with_raw(name: str, raw: bytes) -> bytes:
    """The whole file with a part that is written already."""
    return part(**{name: "HERE"}).replace(b'"HERE"', raw)


def longer_and_longer() -> Iterator[tuple[str, bytes]]:
    """Steps that are harmless once: each lengthens what the one before has lengthened."""
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    marks = [{"type": "Metaspace", "replacement": one, "prepend_scheme": "always"} for one in "ab"]
    for count in (4, 16, 200):
        for step in ({"type": "ByteLevel"}, CHINESE, {"type": "Prepend", "prepend": "ab"}):
            several = {"type": "Sequence", "normalizers": [step] * count}
            yield f"normalizers {count} {step['type']}", part(normalizer=several)
        for steps in ([level] * count, marks * count):
            several = {"type": "Sequence", "pretokenizers": steps[:250]}
            yield f"pre-tokenizers {count} {steps[0]['type']}", part(pre_tokenizer=several)
    tables = {"type": "Sequence", "normalizers": [table(b"ab\0")] * 2}
    yield "two tables", part(normalizer=tables)


def without_a_type() -> Iterator[tuple[str, bytes]]:
    """Steps whose type the library guesses: nothing that goes by the type would look at them."""
    steps: dict[str, tuple[str, list[dict[str, Any]]]] = {
        "normalizer": ("normalizers", [replace({"String": "a"}, "a"), {"prepend": "a"}]),
        "post_processor": ("processors", [template([CLS, A], {"[CLS]": CONTROL}), BERT]),
        "decoder": ("decoders", [{"prefix": "#", "cleanup": True}]),
    }
    for name, (several, known) in steps.items():
        for step in known:
            for kind in ({}, {"type": None}, {"type": "Lower"}, {"type": "Mask"}, {"type": []}):
                bare = {key: value for key, value in step.items() if key != "type"} | kind
                yield f"{name} {kind} {bare}", part(**{name: bare})
                inner = {"type": "Sequence", several: [bare]}
                yield f"{name} in a sequence {kind} {bare}", part(**{name: inner})


def nested_too_deep() -> Iterator[tuple[str, bytes]]:
    """Brackets and sequences in one another, or too many of them."""
    yield "brackets", b"[" * 200_000
    yield "brackets in the model", b'{"model": ' + b'{"a":' * 100_000
    for depth in (17, 60, 500, 5_000, 100_000):
        yield (
            f"normalizers {depth}",
            with_raw("normalizer", nested("Lowercase", "normalizers", depth)),
        )
    yield "pre-tokenizers", with_raw("pre_tokenizer", nested("Whitespace", "pretokenizers", 900))
    yield (
        "many normalizers",
        part(normalizer={"type": "Sequence", "normalizers": [{"type": "Lowercase"}] * 5_000}),
    )


def patterns() -> Iterator[tuple[str, bytes]]:
    """Patterns that take for ever, or match nothing."""
    for pattern in (r"(\s+)+x", r"(a|a)*b", r"(x+x+)+y", "("):
        for key in ("normalizer", "decoder"):
            yield f"{key} {pattern}", part(**{key: replace({"Regex": pattern}, "y")})
        yield f"split {pattern}", part(pre_tokenizer=split({"Regex": pattern}))
    yield "split at nothing", part(pre_tokenizer=split({"String": ""}))
    yield "length 0", part(pre_tokenizer={"type": "FixedLength", "length": 0})


def growth() -> Iterator[tuple[str, bytes]]:
    """Steps that make a text longer and longer."""
    yield "growth", part(normalizer=replace({"String": "a"}, "a" * 200))
    doubled = [replace({"String": "a"}, "aa")] * 40
    yield "doubled", part(normalizer={"type": "Sequence", "normalizers": doubled})
    yield "a long text", part(normalizer=replace({"String": "a"}, "a" * 1_000_000))
    yield "prepended", part(normalizer={"type": "Prepend", "prepend": "x" * 200})


def odd_steps() -> Iterator[tuple[str, bytes]]:
    """Steps that are none, and tables that are damaged."""
    yield "another type", part(normalizer={"type": "Bogus"})
    yield "no object", part(normalizer=3)
    yield "a table of nothing", part(normalizer={"type": "Precompiled", "precompiled_charsmap": ""})
    yield "no table", part(normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAA"})
    yield "a long table", part(normalizer=table(b"x" * 100_000 + b"\0"))
    yield "half a table", part(normalizer=table(b"", b"\0"))
    yield "no text in a table", part(normalizer=table(b"\xff\xff\0"))
    yield "out of the trie", part(normalizer=table(b"\0", b"\xff\xff\xff\xff"))


def odd_ends() -> Iterator[tuple[str, bytes]]:
    """What stands around a row, and what fills it up."""
    yield "unknown token", part(post_processor=template([CLS, A], {}))
    yield "no row", part(post_processor=template([], {}))
    yield (
        "another row",
        part(post_processor=template([{"Sequence": {"id": "B", "type_id": 0}}], {})),
    )
    token = {"id": "[CLS]", "ids": [99], "tokens": ["[CLS]"]}
    yield "a large token", part(post_processor=template([CLS, A], {"[CLS]": token}))
    many = {"id": "[CLS]", "ids": [0] * 100_000, "tokens": ["[CLS]"] * 100_000}
    yield "many tokens", part(post_processor=template([CLS, A], {"[CLS]": many}))
    yield (
        "bert",
        part(post_processor={"type": "BertProcessing", "sep": ["x", 1 << 31], "cls": ["a", 1]}),
    )
    for sep in ("x", [], [2], ["[SEP]"], 3, None):
        processor = {"type": "BertProcessing", "sep": sep, "cls": ["[CLS]", 1]}
        yield f"bert {sep}", part(post_processor=processor)
    twice = {"type": "Sequence", "processors": [template([CLS, A], {"[CLS]": CONTROL}), BERT]}
    yield "control tokens twice", part(post_processor=twice)
    yield "padding", part(padding={"strategy": {"Fixed": 10**15}, "pad_id": 77, "pad_token": "x"})
    yield "padding of another type", part(padding={"pad_id": "0"})


def odd_ids() -> Iterator[tuple[str, bytes]]:
    """Ids of pieces and of added tokens."""
    for at in (1 << 31, 10**6, -1, 2**70, 1.5, "1", None, True):
        yield f"id {at}", model(WHOLE["model"], vocab={"[UNK]": 0, "a": at})
        yield f"added {at}", part(added_tokens=[ADDED | {"id": at}])
    yield "added id taken", part(added_tokens=[ADDED | {"id": 1}])
    yield "a long added token", part(added_tokens=[ADDED | {"content": "x" * 5_000}])
    yield (
        "many added tokens",
        part(added_tokens=[ADDED | {"id": at, "content": f"[{at}]"} for at in range(4, 70_000)]),
    )
    strip = {"type": "Strip", "strip_left": True, "strip_right": True}
    accents = {"type": "Sequence", "normalizers": [{"type": "NFD"}, {"type": "StripAccents"}]}
    for content, normalizer in (("\u200b", CHINESE), (" \n", strip), ("\u0301", accents)):
        added = [
            ADDED | {"content": "X"},
            ADDED | {"content": content, "id": 5, "normalized": True},
        ]
        yield f"nothing is left of {content!r}", part(added_tokens=added, normalizer=normalizer)
    yield "added number", part(added_tokens=[ADDED | {"content": 3}])
    yield "added list", part(added_tokens={"a": 1})


def odd_models() -> Iterator[tuple[str, bytes]]:
    """Models that are damaged."""
    yield "no unknown", model(WHOLE["model"], unk_token="[NO]")
    yield "long words", model(WHOLE["model"], max_input_chars_per_word=10**9)
    yield "no long words", model(WHOLE["model"], max_input_chars_per_word=True)
    yield "a long mark", model(WHOLE["model"], continuing_subword_prefix="#" * 10_000)
    yield "vocabulary of another type", model(WHOLE["model"], vocab="abc")
    yield "no vocabulary", model(WHOLE["model"], vocab={})
    yield "unigram unknown", model(UNIGRAM, unk_id=7)
    yield "unigram unknown text", model(UNIGRAM, unk_id="0")
    yield "unigram empty", model(UNIGRAM, vocab=[])
    for entry in (["a"], ["a", "b"], [3, 0.0], "ab", 3, ["a", 1.0, 2], ["a", None]):
        yield f"unigram {entry}", model(UNIGRAM, vocab=[["<unk>", 0.0], entry])
    yield "unigram infinite", model(UNIGRAM).replace(b"-1.0", b"-1e999")
    yield "unigram nan", model(UNIGRAM).replace(b"-1.0", b"NaN")
    for merges in ([["b", "a"]], [["a", "x"]], ["ab"], ["a b c"], [3], [["a"]], 3):
        yield f"merges {merges}", model(BPE, merges=merges)
    yield "merge marks", model(BPE, continuing_subword_prefix="####")
    yield "bpe unknown", model(BPE, unk_token="[UNK]")
    yield "by chance", model(BPE, dropout=0.5)
    yield "half a character", part(model=WHOLE["model"] | {"unk_token": "\ud800"})
    digits = model(WHOLE["model"], max_input_chars_per_word="HERE")
    yield "digits", digits.replace(b'"HERE"', b"9" * 5_000)


def refused_files() -> Iterator[tuple[str, bytes]]:
    """Name and content of files that must be refused when they are opened."""
    yield from nested_too_deep()
    yield from patterns()
    yield from growth()
    yield from longer_and_longer()
    yield from without_a_type()
    yield from odd_steps()
    yield from odd_ends()
    yield from odd_ids()
    yield from odd_models()


#: One of each family: they cost seconds.
FAMILIES = (
    "bert",
    "byte-level trim=False prefix=False regex=True",
    "metaspace first split=True",
    "no pre-tokenizer",
)


def long_rows() -> Iterator[tuple[str, str]]:
    """Rows of four million characters."""
    for one in ("a", "Ab ", " ", "漢"):
        yield repr(one), one * (4_000_000 // len(one))


def open_files() -> None:
    """Open each of the files; say which were not refused, or without a word."""
    spec = InputSpec("said", "text", ("said",), {}, {"tokenizer": "t.json"})
    input_kind("text").open(spec, {"tokenizer": part()}).encode(["a b"])
    for name, content in refused_files():
        say("opening", name)
        try:
            input_kind("text").open(spec, {"tokenizer": content})
        except IntegrityError as error:
            if not str(error).startswith("tokenizer.json") or len(str(error)) > 700:
                say("BAD MESSAGE", name, str(error)[:900])
        else:
            say("TAKEN", name)


def encode_rows() -> None:
    """Encode rows that are far too long with every tokenizer."""
    for name in FAMILIES:
        specs = {kind: InputSpec("said", kind, ("said",)) for kind in ("text", "tokens")}
        files = {"tokenizer": every()[name]}
        text, tokens = (input_kind(kind).open(spec, files) for kind, spec in specs.items())
        for row, value in long_rows():
            say("encoding", name, row)
            assert text.encode([value]).arrays["input_ids"].shape[1] <= 128
        starts = tokens.encode([["ab"] * 2_000_000]).word_starts
        assert starts is not None
        assert len(starts.values) == 2_000_000
        assert text.truncated("a" * 4_000_000)


def say(*words: str) -> None:
    sys.stdout.write(" ".join(words) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    # An abort, and a table of gigabytes, show in the exit status: no test around would live on.
    resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))
    resource.setrlimit(resource.RLIMIT_CPU, (240, 240))
    {"files": open_files, "rows": encode_rows}[sys.argv[1]]()
    say("to the end")
