"""Files of the shape of CoNLL-2003, whose own may not be passed on."""

from __future__ import annotations

import random
from pathlib import Path

_SENTENCES = (
    "EU/NNP/I-NP/I-ORG rejects/VBZ/I-VP/O German/JJ/I-NP/I-MISC call/NN/I-NP/O ././O/O",
    "Peter/NNP/I-NP/I-PER Blackburn/NNP/I-NP/I-PER leaves/VBZ/I-VP/O BRUSSELS/NNP/I-NP/I-LOC",
    "Boston/NNP/I-NP/I-LOC Dallas/NNP/B-NP/B-LOC play/VBP/I-VP/O Fischler/NNP/I-NP/I-PER ././O/O",
    "Commission/NNP/I-NP/I-ORG proposed/VBD/I-VP/O in/IN/I-PP/O Bonn/NNP/I-NP/I-LOC",
)


def write_conll2003(folder: Path, *, iob2: bool) -> None:
    """``eng.train``, ``eng.testa`` and ``eng.testb`` in a folder ``conll2003`` of a folder.

    Args:
        folder: where; made where it is not there.
        iob2: whether entities are written as in most copies, not as IOB1 like the original.
    """
    (folder / "conll2003").mkdir(parents=True)
    for name, count in (("eng.train", 40), ("eng.testa", 12), ("eng.testb", 12)):
        draw = random.Random(name)
        lines = ["-DOCSTART- -X- -X- O", ""]
        for at in range(count):
            lines.append(f"{name[-1]}{at} CD I-NP O")  # no sentence stands in two files
            before = ""
            for word in draw.choice(_SENTENCES).split():
                token, pos, chunk, ner = word.rsplit("/", 3)
                if iob2 and ner != "O":  # in the columns of entities alone: copies differ so
                    ner = f"{'I' if before == ner[2:] and ner[0] == 'I' else 'B'}{ner[1:]}"
                before = ner[2:]
                lines.append(f"{token} {pos} {chunk} {ner}")
            lines.append("")
        (folder / "conll2003" / name).write_text("\n".join(lines), encoding="utf-8")
