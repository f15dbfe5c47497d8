"""Every scheme is read as IOB2, with the same entities."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import BILOU, IOB1, IOB2, IOBES, Entities

from kd2edge.tasks.schemes import SCHEMES, Beginnings, as_iob2, beginnings
from kd2edge.tasks.spans import spans_of

KNOWN = [
    ("iob1", "I-PER I-PER O I-LOC B-LOC I-ORG O", "B-PER I-PER O B-LOC B-LOC B-ORG O"),
    ("iob1", "O B-PER I-PER", "O B-PER I-PER"),
    ("io", "I-PER I-PER I-LOC O", "B-PER I-PER B-LOC O"),
    ("iob2", "B-PER I-PER O B-LOC B-LOC", "B-PER I-PER O B-LOC B-LOC"),
    ("iob2", "O I-PER I-PER B-LOC I-PER", "O B-PER I-PER B-LOC B-PER"),
    ("bioes", "B-PER I-PER E-PER S-LOC S-LOC O", "B-PER I-PER I-PER B-LOC B-LOC O"),
    ("bilou", "B-PER I-PER L-PER U-LOC U-LOC O", "B-PER I-PER I-PER B-LOC B-LOC O"),
    ("bioes", "B E S O", "B I B O"),
]
#: Entities as (start, stop, type), none overlapping.
ENTITIES = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 4), st.sampled_from(["PER", "LOC"])), max_size=6
)


@pytest.mark.parametrize(("scheme", "labels", "wanted"), KNOWN)
def test_known_examples(scheme: str, labels: str, wanted: str) -> None:
    assert as_iob2(labels.split(" "), scheme) == wanted.split(" ")


def written(gaps: list[tuple[int, int, str]], scheme: str) -> list[str]:
    """Entities (words before it, its words, its type) in a scheme."""
    labels: list[str] = []
    before = ""
    for gap, length, kind in gaps:
        labels += ["O"] * gap
        inner = [f"I-{kind}"] * length
        if scheme == "iob1":
            inner[0] = f"{'B' if before == kind and not gap else 'I'}-{kind}"
        else:
            inner[0] = f"B-{kind}"
            first, last = {"bioes": "SE", "bilou": "UL"}.get(scheme, "BI")
            inner[-1] = f"{last}-{kind}" if length > 1 else f"{first}-{kind}"
        labels += inner
        before = kind
    return [*labels, "O"]


@given(ENTITIES)
def test_entities_are_those_that_the_library_reads(gaps: list[tuple[int, int, str]]) -> None:
    library = {"iob1": IOB1, "iob2": IOB2, "bioes": IOBES, "bilou": BILOU}
    for scheme, theirs in library.items():
        labels = written(gaps, scheme)
        found = as_iob2(labels, scheme)
        entities = Entities([labels], theirs).entities[0]
        wanted = [(one.tag, one.start, one.end - 1) for one in entities]
        assert get_entities(found) == wanted
        assert found == written(gaps, "iob2")
        assert as_iob2(found, "iob2") == found


@given(st.lists(st.sampled_from(["O", "B-a", "I-a", "E-a", "S-a", "B-b", "I-b", "E-b", "S-b"])))
def test_reading_changes_no_entity(labels: list[str]) -> None:
    words = [(at, at + 1, "x") for at in range(len(labels))]
    scores = [1.0] * len(labels)
    assert spans_of(as_iob2(labels, "bioes"), scores, words) == spans_of(labels, scores, words)


def test_a_missing_label_stays_and_ends_an_entity() -> None:
    assert as_iob2(["I-a", None, "I-a", ""], "iob1") == ["B-a", None, "B-a", ""]


@pytest.mark.parametrize(
    ("scheme", "label"),
    [("iob1", "E-PER"), ("bilou", "S-PER"), ("io", "B-PER"), ("bioes", "L-PER"), ("iob2", "NN")],
)
def test_a_label_of_another_scheme_is_refused(scheme: str, label: str) -> None:
    expected = f"word 2: expected a tag of {scheme} \\(O, .*\\), found '{label}'"
    with pytest.raises(ValueError, match=expected):
        as_iob2(["O", label], scheme)


def test_iob1_is_known_by_where_entities_begin_with_b() -> None:
    found = beginnings(["I-a", "I-a", "B-a", "O", "I-b"])
    assert found == Beginnings(inside=2, needed=1, free=0)
    assert found.is_iob1
    iob2 = beginnings(["B-a", "I-a", "B-a", "O", "B-b"])
    assert iob2 == Beginnings(inside=0, needed=1, free=2)
    assert not iob2.is_iob1
    assert not found.plus(iob2).is_iob1
    assert not beginnings(["O", None, "O"]).is_iob1
    assert set(SCHEMES) == {"io", "iob1", "iob2", "bioes", "bilou"}
