"""Model2Vec on sentences: the table of a sentence transformer, a classifier a task behind it.

As its documents have it (README, docs page "Training", version 0.10): ``distill``, then
``StaticModelForClassification.fit`` with its own settings, then ``to_pipeline``, which runs without
torch.  It has one classifier a task, and one table a classifier.  ``shared`` keeps the table as it
was distilled (``freeze``), so that all tasks read the same: its fastest way to several answers.

It sees the validation rows for its early stopping, as a recipe's student does for its best epoch.

Quantised, its table is int8 as ``quantize_model`` makes it (README, "Quantization"), the classifier
in float32: the library has no other way for that.  One scale for the whole table is lost in it, and
does not count where vectors are normalised, as they are here.  Its other ways to shrink a table,
fewer dimensions and clustered tokens, change what the classifier was trained on.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from model2vec import StaticModel, quantize_model
from model2vec.inference import StaticModelPipeline
from serve import serve, setting
from texts import Texts

GIVEN = setting()
TEXTS = Texts(Path(GIVEN["rows"]))
FOLDER, SHARED = Path(GIVEN["folder"]), GIVEN["way"] == "shared"
_PIPELINES: dict[str, StaticModelPipeline] = {}


def fit(epochs: int) -> None:
    """Train and save, if it was not done; later questions are for what was loaded from disk.

    Args:
        epochs: at most; -1: until it stops itself.
    """
    if all((FOLDER / task).is_dir() for task in TEXTS.tasks):
        _load()
        return
    import torch
    from model2vec.distill import distill
    from model2vec.train import StaticModelForClassification

    torch.set_num_threads(1)
    table = _table(distill)
    for task in TEXTS.tasks:
        frozen = {"freeze": True, "freeze_weights": True} if SHARED else {}
        model = StaticModelForClassification.from_static_model(model=table, **frozen)
        model.fit(
            TEXTS.of("train"),
            TEXTS.of("train", task),
            X_val=TEXTS.of("validation"),
            y_val=TEXTS.of("validation", task),
            max_epochs=epochs,
            device="cpu",
        )
        model.to_pipeline().save_pretrained(FOLDER / task)
    _load()


def quantise(trained: str, to: str) -> None:
    """Take over pipelines that were trained, with their tables in another type.

    Args:
        trained: their folder.
        to: a type of the library: ``int8``.
    """
    for task in TEXTS.tasks:
        pipeline = StaticModelPipeline.from_pretrained(Path(trained, task))
        if not pipeline.model.normalize:
            raise ValueError("without normalised vectors a table's scale counts, which is lost")
        pipeline.model = quantize_model(pipeline.model, quantize_to=to)
        pipeline.save_pretrained(FOLDER / task)
    _load()
    types = {str(one.model.embedding.dtype) for one in _PIPELINES.values()}
    if types != {to}:
        raise ValueError(f"expected tables of {to}, found {', '.join(sorted(types))}")


def _load() -> None:
    """As a product does it."""
    for task in TEXTS.tasks:
        _PIPELINES[task] = StaticModelPipeline.from_pretrained(FOLDER / task)
    tables = [one.model.embedding for one in _PIPELINES.values()]
    if SHARED and not all(np.array_equal(tables[0], other) for other in tables[1:]):
        raise ValueError("a frozen table was changed: tasks cannot share it")


def _table(distill: Callable[..., StaticModel]) -> StaticModel:
    """The static model of the sentence transformer; distilled once for both ways."""
    saved = Path(GIVEN["table"])
    if not saved.is_dir():
        package, _, inside = GIVEN["teacher"].partition("/")
        found = importlib.util.find_spec(package)
        assert found is not None
        assert found.submodule_search_locations is not None
        made = distill(model_name=str(Path(found.submodule_search_locations[0], inside)))
        made.save_pretrained(saved)
    return StaticModel.from_pretrained(saved)


def scores(split: str, out: str) -> None:
    """Logarithms of probabilities ``[row, C]`` a task, in the order of the labels."""
    found: dict[str, Any] = {}
    for task, pipeline in _PIPELINES.items():
        own = {str(label): at for at, label in enumerate(pipeline.classes_)}
        chances = pipeline.predict_proba(TEXTS.of(split))
        least = np.finfo(np.float32).tiny
        all_of = np.full((len(chances), len(TEXTS.labels[task])), least, np.float32)
        for at, label in enumerate(TEXTS.labels[task]):
            if label in own:
                all_of[:, at] = np.maximum(chances[:, own[label]], least)
        found[task] = np.log(all_of)
    np.savez(out, **found)


def answer(first: int, count: int, batch: int) -> int:
    texts, pipelines = TEXTS.of("test"), list(_PIPELINES.values())
    for at in range(first, first + count, batch):
        some = texts[at : min(at + batch, first + count)]
        if SHARED:
            vectors = pipelines[0].model.encode(some, batch_size=batch)
            for one in pipelines:
                one.classes_[one.head.predict_index(vectors)]
        else:
            for one in pipelines:
                one.predict(some, batch_size=batch)
    return count


def size() -> int:
    """Bytes of the saved pipelines; of a shared table once."""
    folders = [FOLDER / task for task in TEXTS.tasks]
    whole = folders[:1] if SHARED else folders
    files = [path for folder in whole for path in folder.rglob("*") if path.suffix != ".md"]
    files += [folder / "head.safetensors" for folder in folders if folder not in whole]
    return sum(path.stat().st_size for path in files if path.is_file())


serve(
    {"fit": fit, "quantise": quantise, "scores": scores, "answer": answer, "size": size},
    ("model2vec", "numpy", "tokenizers", "torch", "transformers"),
)
