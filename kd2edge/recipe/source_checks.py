"""What sources of rows must be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kd2edge.recipe.mutual_checks import listens
from kd2edge.recipe.places import Fault, Steps
from kd2edge.recipe.schema import Builtin, Recipe, TokenClassification
from kd2edge.recipe.schema.data import FilePart, SourcePart
from kd2edge.recipe.schema.inputs import TabularInput, WordsPart
from kd2edge.rows.made import MAKERS
from kd2edge.rows.made.maker import Changes

SPLITS = ("train", "validation", "test")
_CHANGED: Mapping[Changes, str] = {
    "words": "words, and no input is of kind text or tokens",
    "cells": "numbers and categories, and no input is of kind tabular",
}


def sources_have_splits(recipe: Recipe) -> Iterator[Fault]:
    """Every split has rows, and every source is of some split."""
    have = {split for source in recipe.data.sources for split in source.splits()}
    for split in SPLITS:
        if split not in have:
            message = f"no source has a {split} split: name files, or hold rows out of training"
            yield ("data", "sources"), f"{message}: hold_out: {{{split}: 0.1}}"
    for index, source in enumerate(recipe.data.sources):
        if not source.splits():
            yield ("data", "sources", index), "it names no file: expected train, validation or test"


def held_out_is_of_training(recipe: Recipe) -> Iterator[Fault]:
    """Rows are held out of training files, and something is left of these."""
    for index, source in enumerate(recipe.data.sources):
        if not isinstance(source, FilePart) or source.hold_out is None:
            continue
        steps: Steps = ("data", "sources", index, "hold_out")
        shares = source.hold_out.shares()
        if not shares:
            yield steps, "expected a share of the rows for validation or test, found neither"
        if sum(shares.values()) >= 1:
            yield steps, "the shares leave no row to train on: expected a sum below 1"
        if not source.train:
            yield steps, "rows are held out of training files, and the source has none"
        for split in shares:
            if getattr(source, split):
                yield (*steps, split), f"the source has files for {split}: name those or hold out"
    for index, source in enumerate(recipe.data.unlabelled):
        if isinstance(source, FilePart) and source.hold_out is not None:
            steps = ("data", "unlabelled", index, "hold_out")
            yield steps, "unlabelled rows are for training only"


def unlabelled_is_for_training(recipe: Recipe) -> Iterator[Fault]:
    """Rows that only teachers label have no tasks, no other splits, and a teacher, or peers."""
    for index, source in enumerate(recipe.data.unlabelled):
        steps: Steps = ("data", "unlabelled", index)
        if source.tasks is not None:
            yield (*steps, "tasks"), "unlabelled rows carry no tasks: only teachers label them"
        if not isinstance(source, Builtin):
            yield from _only_train(source, steps)
    if recipe.data.unlabelled and not recipe.teachers and not listens(recipe):
        message = "unlabelled rows need a teacher, or peers (distill.mutual): there are none"
        yield ("data", "unlabelled"), message


def _only_train(source: SourcePart, steps: Steps) -> Iterator[Fault]:
    splits = source.splits()
    if "train" not in splits:
        yield steps, "the key 'train' is missing"
    for split in ("validation", "test"):
        if getattr(source, split, ()):
            yield (*steps, split), "unlabelled rows are for training only"


def made_rows_are_unlabelled(recipe: Recipe) -> Iterator[Fault]:
    """What is made of labelled rows has other labels, which only a teacher can tell."""
    inputs = recipe.inputs.values()
    there = {
        "words": any(isinstance(one, WordsPart) for one in inputs),
        "cells": any(isinstance(one, TabularInput) for one in inputs),
    }
    for key, sources in (("sources", recipe.data.sources), ("unlabelled", recipe.data.unlabelled)):
        for index, source in enumerate(sources):
            make = source.make if isinstance(source, FilePart) else None
            if make is None:
                continue
            steps: Steps = ("data", key, index, "make")
            changes = MAKERS[make.kind].changes
            if key == "sources":
                message = "labels do not hold for made rows: name the files under `unlabelled`"
                yield steps, f"{message}, where teachers label them"
            elif not there[changes]:
                yield steps, f"{make.kind} changes {_CHANGED[changes]}"


def cut_words_have_no_labels(recipe: Recipe) -> Iterator[Fault]:
    """Labels a word count the words that an annotator saw."""
    by_word = {name for name, one in recipe.tasks.items() if isinstance(one, TokenClassification)}
    for index, source in enumerate(recipe.data.sources):
        carried = by_word if source.tasks is None else by_word & set(source.tasks)
        if getattr(source, "words", None) and carried:
            message = (
                f"{min(carried)!r} has a label a word, and words that are cut here are not those "
                "it labels: name the column of words that came with the labels"
            )
            yield ("data", "sources", index, "words"), message


def schemes_are_of_tags(recipe: Recipe) -> Iterator[Fault]:
    """A scheme says how the labels of words are written, of tasks that the source carries."""
    by_word = {name for name, one in recipe.tasks.items() if isinstance(one, TokenClassification)}
    for index, source in enumerate(recipe.data.sources):
        scheme = getattr(source, "scheme", None)
        carried = by_word if source.tasks is None else by_word & set(source.tasks)
        steps: Steps = ("data", "sources", index, "scheme")
        if scheme is not None and not carried:
            yield steps, "no task of this source has a label a word: take it away"
        elif isinstance(scheme, dict):
            known = ", ".join(sorted(carried))
            for name in scheme.keys() - carried:
                message = (
                    f"expected a task of this source with a label a word ({known}), found {name!r}"
                )
                yield (*steps, name), message


def builders_choose_their_split(recipe: Recipe) -> Iterator[Fault]:
    """A builder is asked for one split after the other."""
    for key, sources in (("sources", recipe.data.sources), ("unlabelled", recipe.data.unlabelled)):
        for index, source in enumerate(sources):
            for option in {"builder", "split"} & set(source.row_options()):
                steps = ("data", key, index, "options", option)
                yield steps, f"{option!r} is no option: every split of the source is read"
