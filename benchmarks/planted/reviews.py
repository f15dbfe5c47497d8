"""Rows of reviews: a text beside a table; some rows lack one of them, some cells are empty.

What is asked: stars, whether it is recommended, a department, the seconds that a reader of the
stated age takes, and which topics it speaks of.  The last two are made of the rows themselves.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from planted.rows import Row, Splits, read_rows

#: Words of a review, at least and at most.
SHORT, LONG = 5, 24
#: Topic -> what speaks of it.
TOPICS: Mapping[str, frozenset[str]] = {
    "fit": frozenset({"fit", "fits", "fitting", "flattering", "tight", "loose", "snug", "cut"}),
    "size": frozenset({"size", "sizes", "small", "large", "medium", "petite", "xs", "xl"}),
    "fabric": frozenset({"fabric", "material", "soft", "cotton", "silk", "lace", "thin", "wool"}),
    "colour": frozenset({"color", "colors", "black", "white", "blue", "red", "green", "print"}),
    "praise": frozenset({"beautiful", "perfect", "gorgeous", "cute", "lovely", "amazing"}),
}
#: Share of rows that lack the text, the table, and cells of a column.
_NO_TEXT, _NO_TABLE = 0.03, 0.04
_EMPTY = {"age": 0.08, "feedback": 0.05, "item": 0.03, "item_class": 0.15}


def clothing_rows(root: Path, counts: Mapping[str, int]) -> Splits:
    """The beginnings of reviews of women's clothing, which ``KD2EDGE_DATA`` has."""
    folder = root / "rev_womens_clothing"
    return {
        split: [_of_review(row) for row in read_rows(folder / f"{split}.jsonl")[:count]]
        for split, count in counts.items()
    }


def _of_review(row: Row) -> Row:
    chance = random.Random(f"review {row['id']}")
    words = row["text"].split()[: chance.randint(SHORT, LONG)]
    table = {
        "age": row["age"],
        "feedback": row["positive_feedback"],
        "item": row["item_id"],
        "item_class": row["item_class"],
    }
    asked = {name: row[name] for name in ("recommended", "department")}
    return _row(chance, str(row["id"]), words, table, {"stars": row["rating"], **asked})


def made_review_rows(counts: Mapping[str, int]) -> Splits:
    """Reviews in a few hundred words, of forty items."""
    return {split: list(_made(split, count)) for split, count in counts.items()}


_OPINIONS = {
    1: ("awful", "broken", "returned"),
    2: ("poor", "itchy", "sad"),
    3: ("fair", "plain", "okay"),
    4: ("good", "nice", "pretty"),
    5: ("stunning", "adored", "superb"),
}
_GOODS = {
    "Tops": ("shirt", "blouse", "sweater"),
    "Bottoms": ("jeans", "skirt"),
    "Dresses": ("dress", "gown"),
    "Jackets": ("coat", "vest"),
}
_FILLERS = (
    "i", "it", "was", "the", "a", "this", "and", "but", "with", "so", "very", "my", "really", "for",
)  # fmt: skip


def _made(split: str, count: int) -> Iterator[Row]:
    chance = random.Random(f"reviews {split}")
    classes = [(name, good) for name, goods in _GOODS.items() for good in goods]
    for at in range(count):
        item = chance.randrange(40)
        department, good = classes[item % len(classes)]
        stars = chance.choices(range(1, 6), (2, 3, 4, 6, 8))[0]
        words = [chance.choice(_OPINIONS[stars]) for _ in range(chance.randint(1, 3))]
        words += [good] * chance.randint(0, 2)
        for topic in TOPICS.values():
            if chance.random() < 0.35:
                words.append(chance.choice(sorted(topic)))
        missing = max(0, chance.randint(SHORT, LONG) - len(words))
        words += [chance.choice(_FILLERS) for _ in range(missing)]
        chance.shuffle(words)
        table = {
            "age": chance.randint(18, 80),
            "feedback": int(chance.expovariate(0.15 + 0.1 * stars)),
            "item": item,
            "item_class": good.title(),
        }
        if chance.random() < 0.04:  # some say something else than they mean
            stars = chance.randint(1, 5)
        asked = {
            "stars": stars,
            "recommended": "yes" if stars + chance.random() > 3.7 else "no",
            "department": department,
        }
        yield _row(chance, f"{split}-{at}", words, table, asked)


def _row(
    chance: random.Random,
    id_: str,
    words: list[str],
    table: Mapping[str, Any],
    asked: Mapping[str, Any],
) -> Row:
    """A row with what is made of it, and without what it happens to lack."""
    text = " ".join(words)
    made = {"seconds": len(words) + min(table["age"], 70) / 2, "topics": topics_of(text)}
    given = {name: None if chance.random() < _EMPTY[name] else table[name] for name in table}
    lot = chance.random()
    if lot < _NO_TABLE:
        given = dict.fromkeys(table)
    has_table = any(value is not None for value in given.values())
    is_short_of_text = has_table and lot > 1 - _NO_TEXT
    return {"id": id_, "text": None if is_short_of_text else text, **given, **asked, **made}


def topics_of(text: str) -> list[str]:
    """The topics that a text has a word of."""
    words = set(re.findall(r"[a-z]+", text.lower()))
    return [topic for topic, own in TOPICS.items() if words & own]
