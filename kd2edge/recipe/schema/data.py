"""``data``: which rows there are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, Strict

from kd2edge.recipe.schema.base import (
    LocalPath,
    Name,
    Names,
    Part,
    Seed,
    Text,
    Texts,
)
from kd2edge.recipe.schema.choices import ByKind
from kd2edge.recipe.schema.made import Make
from kd2edge.rows.conll import COLUMNS
from kd2edge.rows.csv import DELIMITER

#: How entities may be written as a label a word.
Scheme = Literal["io", "iob1", "iob2", "bioes", "bilou"]


class SourcePart(Part, ABC):
    """What every source has."""

    name: Name
    """Name of the source in messages and reports."""
    tasks: Names | None = None
    """Tasks whose labels these rows carry; null: all.  A row that lacks the label of one says so
    with the value `null`; without the column it is refused."""
    columns: dict[Text, Text] = {}
    """Renaming: the column that inputs and tasks expect -> the column that the rows have."""

    @abstractmethod
    def splits(self) -> dict[str, tuple[str, ...]]:
        """The files of each split that this source has; empty tuples for a builder's splits."""

    def row_options(self) -> dict[str, Any]:
        """Options for ``rows.open_rows``."""
        return {}


class HoldOut(Part):
    """Rows of the training files that are not trained on, as no other files are there for them."""

    validation: Annotated[float, Strict(), Field(gt=0, lt=1)] | None = None
    """Share of the training rows that become the validation split; null: none."""
    test: Annotated[float, Strict(), Field(gt=0, lt=1)] | None = None
    """Share of the training rows that become the test split; null: none."""
    group: Text | None = None
    """Column of what belongs together (a patient, a document): its rows stay in one split."""
    seed: Seed = 17
    """Another one holds out other rows. The recipe's own seed does not: runs stay comparable."""

    def shares(self) -> dict[str, float]:
        """Split -> its share."""
        both = {"validation": self.validation, "test": self.test}
        return {split: share for split, share in both.items() if share is not None}


class FilePart(SourcePart):
    """A source that reads files."""

    train: Texts = ()
    """File or files of the training split, relative to `data.root`; one named twice counts once."""
    validation: Texts = ()
    """File or files of the validation split, relative to `data.root`."""
    test: Texts = ()
    """File or files of the test split, relative to `data.root`."""
    hold_out: HoldOut | None = None
    """Validation and test rows to hold out of the training files: `{validation: 0.1, test: 0.1}`.
    Every split gets its share of every label, and rows with the same input stay together."""
    words: dict[Text, Text] = {}
    """Texts that nobody cut into words: the new column -> the column of text that is cut, at ASCII
    blanks and around punctuation. Not with tasks that have a label a word."""
    make: Make | None = None
    """Other rows made of these, which take their place, e.g. `{kind: remix, copies: 10}`;
    unlabelled sources alone."""
    scheme: Scheme | dict[Name, Scheme] | None = None
    """How the labels of words write entities, for all tasks with a label a word or by task; they
    are read as `iob2`, where `B-` begins every entity. null: labels are taken as they are."""

    def splits(self) -> dict[str, tuple[str, ...]]:
        files = {"train": self.train, "validation": self.validation, "test": self.test}
        held = self.hold_out.shares() if self.hold_out is not None else {}
        own = {split: paths for split, paths in files.items() if paths}
        return own | dict.fromkeys(held, self.train)


class Jsonl(FilePart):
    """One JSON object a line."""

    kind: Literal["jsonl"] = "jsonl"


class CsvOptions(Part):
    """How a CSV file is written."""

    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = DELIMITER
    """The character between two columns."""


class Csv(FilePart):
    """CSV with a header line, packed (.csv.gz) or not; an empty value is a missing one."""

    kind: Literal["csv"] = "csv"
    options: CsvOptions = CsvOptions()
    """How the files are written."""

    def row_options(self) -> dict[str, Any]:
        return self.options.model_dump()


class Parquet(FilePart):
    """Parquet files."""

    kind: Literal["parquet"] = "parquet"


class ConllOptions(Part):
    """How a column file is written."""

    columns: Annotated[tuple[Text, ...], Field(min_length=1)] = COLUMNS
    """Names of all columns from the left; `_` skips one."""
    separator: Text | None = None
    """What stands between two columns; null: any number of ASCII blanks and tabs."""
    comment: str = ""
    """Lines that begin with this are skipped; empty: none are."""


class Conll(FilePart):
    """Column files: one word a line, sentences apart by blank lines."""

    kind: Literal["conll"] = "conll"
    options: ConllOptions = ConllOptions()
    """How the files are written."""

    def row_options(self) -> dict[str, Any]:
        return self.options.model_dump(exclude_none=True)


class Builtin(SourcePart):
    """Rows that a builder of kd2edge makes; nothing is read but what a Python package carries."""

    kind: Literal["builtin"] = "builtin"
    builder: Text
    """Name of the builder, e.g. `multimnist`."""
    options: dict[Text, Any] = {}
    """Options of the builder: numbers of rows, seed ..."""

    def splits(self) -> dict[str, tuple[str, ...]]:
        return {"train": (), "validation": (), "test": ()}

    def row_options(self) -> dict[str, Any]:
        return dict(self.options)


Source = Annotated[Jsonl | Csv | Parquet | Conll | Builtin, ByKind()]


class Data(Part):
    """The rows to learn from and to be judged by."""

    root: LocalPath = Path()
    """Folder that all files of sources start at; a relative one starts at the recipe's folder."""
    sources: Annotated[tuple[Source, ...], Field(min_length=1)]
    """Labelled rows.  Several sources are joined, in this order."""
    unlabelled: tuple[Source, ...] = ()
    """Training rows that only the teachers label; their own labels are ignored."""
    leaks: Literal["keep", "drop"] = "keep"
    """Labelled training rows that stand in validation or test too: keep and report, or drop them.
    Unlabelled ones are always dropped."""

    def path(self, file: str) -> Path:
        """Where a source's file stands."""
        try:
            return self.root / Path(file).expanduser()
        except RuntimeError:  # "~name" of somebody unknown here: a file that is not there
            return self.root / file
