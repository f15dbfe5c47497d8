"""spaCy on words: a shared HashEmbedCNN under a morphologizer, a parser and an entity recognizer.

As its documents have it: the configuration of ``spacy init config --optimize efficiency``, its
embedding layer in the form ``spacy.HashEmbedCNN.v2`` with that architecture's own defaults (what
the component ``tok2vec`` has), trained by ``spacy train``.  Words are given, so no tokenizer runs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import spacy
from serve import serve, setting
from spacy.tokens import Doc, DocBin
from words import Words

GIVEN = setting()
WORDS = Words(Path(GIVEN["rows"]))
FOLDER = Path(GIVEN["folder"])
#: The parser's own name for what Universal Dependencies call ``root``.
ROOT = "ROOT"
_EMBEDDING = {
    "@architectures": "spacy.HashEmbedCNN.v2", "pretrained_vectors": None, "width": 96, "depth": 4,
    "embed_size": 2000, "window_size": 1, "maxout_pieces": 3, "subword_features": True,
}  # fmt: skip
_LOADED: list[Any] = []


def fit(steps: int) -> int:
    """Train and load what was best on the validation rows.

    Args:
        steps: at most; 0: as the configuration has it.

    Returns:
        ``steps``.
    """
    from spacy.cli.init_config import init_config
    from spacy.cli.train import train

    FOLDER.mkdir(parents=True, exist_ok=True)
    config = init_config(
        lang="en", pipeline=["morphologizer", "parser", "ner"], optimize="efficiency", silent=True
    )
    config["components"]["tok2vec"]["model"] = _EMBEDDING
    for part in config["components"].values():
        listener = part.get("model", {}).get("tok2vec", {})
        if "width" in listener:
            listener["width"] = _EMBEDDING["width"]
    if steps:
        every = min(config["training"]["eval_frequency"], steps)
        config["training"] |= {"max_steps": steps, "eval_frequency": every}
    config.to_disk(FOLDER / "config.cfg", interpolate=False)
    for split, name in (("train", "train"), ("validation", "dev")):
        DocBin(docs=_gold(split)).to_disk(FOLDER / f"{name}.spacy")
    overrides = {f"paths.{name}": str(FOLDER / f"{name}.spacy") for name in ("train", "dev")}
    train(FOLDER / "config.cfg", FOLDER, use_gpu=-1, overrides=overrides)
    _LOADED[:] = [spacy.load(FOLDER / "model-best")]
    return steps


def _gold(split: str) -> list[Doc]:
    vocab = spacy.blank("en").vocab
    columns = [WORDS.of(split, name) for name in ("tokens", "upos", "deprel", "head", "ner")]
    docs: list[Doc] = []
    for words, upos, deprel, head, ner in zip(*columns, strict=True):
        # Heads are words counted from 1 in the data, 0 for the root, which is its own head here.
        heads = [at if one == 0 else one - 1 for at, one in enumerate(head)]
        deps = [ROOT if one == 0 else name for one, name in zip(head, deprel, strict=True)]
        docs.append(Doc(vocab, words=words, pos=upos, deps=deps, heads=heads, ents=ner))
    return docs


def _labels(doc: Doc) -> dict[str, list[str]]:
    return {
        "upos": [word.pos_ for word in doc],
        "deprel": ["root" if word.dep_ == ROOT else word.dep_ for word in doc],
        "ner": [f"{w.ent_iob_}-{w.ent_type_}" if w.ent_type_ else "O" for w in doc],
    }


def said(split: str, out: str) -> None:
    """Task -> a label for every word of every sentence."""
    nlp = _LOADED[0]
    found: dict[str, list[list[str]]] = {"upos": [], "deprel": [], "ner": []}
    for doc in nlp.pipe(Doc(nlp.vocab, words=words) for words in WORDS.of(split)):
        for task, labels in _labels(doc).items():
            found[task].append(labels)
    Path(out).write_text(json.dumps(found), encoding="utf-8")


def answer(first: int, count: int, batch: int) -> int:
    """How many words were answered."""
    nlp = _LOADED[0]
    docs = [Doc(nlp.vocab, words=words) for words in WORDS.of("test")[first : first + count]]
    read = [nlp(doc) for doc in docs] if batch == 1 else nlp.pipe(docs, batch_size=batch)
    return sum(len(_labels(doc)["ner"]) for doc in read)


def size() -> int:
    """Bytes of the saved pipeline."""
    return sum(path.stat().st_size for path in (FOLDER / "model-best").rglob("*") if path.is_file())


serve(
    {"fit": fit, "said": said, "answer": answer, "size": size},
    ("spacy", "thinc", "numpy", "blis"),
)
