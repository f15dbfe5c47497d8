"""The rows of the products: pictures of digits, texts, sentences cut into words, and reviews.

Texts, sentences and reviews come from ``KD2EDGE_DATA`` where it has them; else they are made, so
that every clone can plant its faults.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Row = dict[str, Any]
Splits = Mapping[str, list[Row]]

#: How a digit may be painted.
COLOURS = {"red": (1.0, 0.2, 0.2), "green": (0.2, 1.0, 0.2), "blue": (0.2, 0.2, 1.0)}


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write rows as JSON lines."""
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def read_rows(path: Path) -> list[Row]:
    """The rows of a file of JSON lines."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def picture_rows(folder: Path, counts: Mapping[str, int]) -> Splits:
    """The quick start's canvases as painted PNG files, every third of another size."""
    from PIL import Image

    from kd2edge.rows.multimnist import MultiMnistOptions, MultiMnistRows

    found: dict[str, list[Row]] = {}
    for split, count in counts.items():
        canvases = MultiMnistRows(MultiMnistOptions(**counts), split)
        (folder / split).mkdir(parents=True, exist_ok=True)
        found[split] = []
        for at in range(count):
            row = dict(canvases[at])
            name = f"{split}/{at:05d}.png"
            colour = list(COLOURS)[random.Random(f"{split} {at}").randrange(3)]
            grey = np.asarray(row.pop("image"), np.float32)[:, :, None]
            pixels = (grey * np.array(COLOURS[colour], np.float32)).astype(np.uint8)
            picture = Image.fromarray(pixels)
            if at % 3 == 0:
                picture = picture.resize((66, 38), Image.Resampling.BILINEAR)
            picture.save(folder / name)
            found[split].append({**row, "image": name, "colour": colour})
    return found


def clinc_rows(root: Path, counts: Mapping[str, int]) -> Splits:
    """Texts with an intent and a domain."""
    columns = ("id", "text", "intent", "domain")
    return _of_files(root / "nlu_clinc150", counts, columns)


def uner_rows(root: Path, counts: Mapping[str, int]) -> Splits:
    """Sentences with entities and parts of speech; to learn from, also two sets with one of them.

    UNER's own training rows come from the validation part of UD EWT, so UD EWT's training part may
    be learned from.
    """
    columns = ("id", "tokens", "ner", "upos")
    found = dict(_of_files(root / "tok_uner_ewt", counts, columns))
    tests = {" ".join(row["tokens"]) for row in (*found["test"], *found["validation"])}
    more = read_rows(root / "tok_ud_ewt" / "train.jsonl")[: counts["train"]]
    upos = [{"tokens": row["tokens"], "ner": None, "upos": row["upos"]} for row in more]
    wiki = read_rows(root / "tok_wikigold" / "train.jsonl")
    ner = [
        {"tokens": row["tokens"], "ner": [_known(tag) for tag in row["ner"]], "upos": None}
        for row in wiki
    ]
    rest = [row for row in (*upos, *ner) if " ".join(row["tokens"]) not in tests]
    found["train"] = [*found["train"], *rest]
    return found


def _known(tag: str) -> str:
    return tag if tag[2:] in ("PER", "ORG", "LOC") else "O"


def _of_files(folder: Path, counts: Mapping[str, int], columns: Sequence[str]) -> Splits:
    return {
        split: [
            {name: row[name] for name in columns}
            for row in read_rows(folder / f"{split}.jsonl")[:count]
        ]
        for split, count in counts.items()
    }


_SYLLABLES = (
    "ba",
    "ke",
    "li",
    "mo",
    "nu",
    "ra",
    "se",
    "ti",
    "vo",
    "zu",
    "pla",
    "gre",
    "sto",
    "fri",
)
_ACTIONS = {
    "money": ("pay", "transfer", "withdraw", "save"),
    "travel": ("book", "cancel", "move", "rate"),
    "kitchen": ("cook", "order", "freeze", "taste"),
}
_FILLERS = (
    "please", "now", "for me", "would you", "i want to", "can you", "again", "today", "my", "the",
    "a new", "quickly", "if possible", "tomorrow", "cr\u00eame", "caf\u00e9", "as soon as you can",
)  # fmt: skip


def made_text_rows(counts: Mapping[str, int]) -> Splits:
    """Texts about one of twelve actions (the intent) of three domains, in many words."""
    return {split: list(_texts(split, count)) for split, count in counts.items()}


def _texts(split: str, count: int) -> Iterator[Row]:
    chance = random.Random(f"texts {split}")
    for at in range(count):
        domain = chance.choice(list(_ACTIONS))
        action = chance.choice(_ACTIONS[domain])
        words = [chance.choice(_FILLERS) for _ in range(chance.randrange(6))]
        words.insert(chance.randrange(len(words) + 1), action)
        words += [_name(chance) for _ in range(chance.randrange(1, 4))]
        if chance.random() < 0.05:  # some texts say something else than what they are filed under
            action = chance.choice(_ACTIONS[domain])
        yield {"id": f"{split}-{at}", "text": " ".join(words), "intent": action, "domain": domain}


def _name(chance: random.Random) -> str:
    return "".join(chance.choice(_SYLLABLES) for _ in range(chance.randrange(2, 4)))


_VERBS = ("sees", "likes", "knows", "visits", "calls")
_PLACES = ("ville", "burg", "stadt", "ton")


def made_token_rows(counts: Mapping[str, int]) -> Splits:
    """Sentences with people, places and firms, whose names are new in every sentence."""
    return {split: list(_sentences(split, count)) for split, count in counts.items()}


def _sentences(split: str, count: int) -> Iterator[Row]:
    chance = random.Random(f"sentences {split}")
    for at in range(count):
        words: list[tuple[str, str, str]] = []
        for part in range(chance.randrange(1, 4)):
            words += [("and", "O", "CCONJ")] * (part > 0)
            words += _person(chance)
            words.append((chance.choice(_VERBS), "O", "VERB"))
            words += _thing(chance)
        words.append((chance.choice((".", "!", "?")), "O", "PUNCT"))
        if chance.random() < 0.04:
            words.insert(0, ("wow", "O", "INTJ"))
        tokens, ner, upos = map(list, zip(*words, strict=True))
        yield {"id": f"{split}-{at}", "tokens": tokens, "ner": ner, "upos": upos}


def _person(chance: random.Random) -> list[tuple[str, str, str]]:
    first = (_name(chance).title(), "B-PER", "PROPN")
    return [first, (_name(chance).title(), "I-PER", "PROPN")] if chance.random() < 0.4 else [first]


def _thing(chance: random.Random) -> list[tuple[str, str, str]]:
    kind = chance.randrange(3)
    if kind == 0:
        name = _name(chance).title() + chance.choice(_PLACES)
        return [("in", "O", "ADP"), (name, "B-LOC", "PROPN")]
    if kind == 1:
        return [(_name(chance).upper(), "B-ORG", "PROPN"), ("AG", "I-ORG", "PROPN")]
    return [("the", "O", "DET"), (_name(chance), "O", "NOUN")]
