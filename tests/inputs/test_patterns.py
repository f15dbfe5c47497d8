from __future__ import annotations

import pytest
from tokenizers import Regex, pre_tokenizers

from kd2edge.inputs.patterns import refused

SHORT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
TAIL = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
CASED = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+%s"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*%s"
)
REAL = {
    "gpt-2": r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    "llama 3": rf"{SHORT}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}|{TAIL}",
    "qwen 2": rf"{SHORT}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}|{TAIL}",
    "cl100k": (
        r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}"
        r"| ?[^\s\p{L}\p{N}]++[\r\n]*|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
    ),
    "o200k": CASED % (SHORT + "?", SHORT + "?") + r"|\p{N}{1,3}|" + TAIL,
    "tekken": CASED % ("", "") + r"|\p{N}|" + TAIL,
    "bloom": r" ?[^(\s|[.,!?…。，、।۔،])]+",
    "clip": (
        r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]"
        r"|[^\s\p{L}\p{N}]+"
    ),
    "falcon": r"[\p{P}\$\+<=>\^~\|`]+",
    "deepseek": r"[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s+(?!\S)|\s+",
    "digits": r"[0-9][0-9][0-9]",
    "t5": r" {2,}",
    "blanks": r"\s+",
    "chinese": r"[一-龥぀-ゟ゠-ヿ]+",
}


@pytest.mark.parametrize("name", sorted(REAL))
def test_patterns_of_real_tokenizers_are_taken_and_can_be_compiled(name: str) -> None:
    assert refused(REAL[name]) is None
    pre_tokenizers.Split(Regex(REAL[name]), "isolated").pre_tokenize_str("It's 3.5 of Ab,  c\n")


@pytest.mark.parametrize(
    "pattern",
    [
        r"(a+)+$", r"(\s+)+x", r"\s+x", r"\s+$", r"a*a*a*b", r"(a|a)*b", r".*x", r"(?=a)", r"\1",
        r"(?<=a)b", r"\bfoo", r"(?>a+)b", r"\p{L}+\p{N}", r"a{1,100000}", r"a{0,9}a{0,9}a{0,9}b",
        r"\p{N}{1,3}+", r"a{2}{3}", r"a**", r"a+{2}", r"((a{0,9}){0,9}){0,9}", r"(?i:a+|b)",
        r"(?i:a|(?i:b))", r"(?R)", r"\s*[\r\n]+", "", r"\s*", "a||b", "(", "[a", "a)", "\\",
        "|".join("a" * 65), "x" * 2049,
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|\s+",
    ],
)  # fmt: skip
def test_patterns_that_nothing_bounds_are_refused_with_the_reason(pattern: str) -> None:
    reason = refused(pattern)
    assert reason
    assert len(reason) < 2300


@pytest.mark.parametrize("name", sorted(REAL))
@pytest.mark.parametrize("text", [" ", "a", "A", "'", "\n", " \n", "9", "漢", "!", "a ", "\u0301"])
def test_what_is_taken_needs_a_time_linear_in_the_text(name: str, text: str) -> None:
    """A hundred thousand characters: what were quadratic would not come back within the test."""
    split = pre_tokenizers.Split(Regex(REAL[name]), "isolated")
    assert split.pre_tokenize_str(text * (60_000 // len(text)) + "x")
