"""``inputs``: what a model is given, and how it is prepared."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, Strict
from pydantic_core import PydanticCustomError

from kd2edge.inputs.subwords import DEFAULT_MAX_LENGTH
from kd2edge.recipe.schema.base import (
    Count,
    Flag,
    Inner,
    LocalPath,
    Name,
    Part,
    Positive,
    Share,
    Some,
    Text,
    Texts,
    Whole,
)
from kd2edge.recipe.schema.choices import ByKey, ByKind, OneOrMany


class TokenizerPart(Part):
    """What every tokenizer has."""

    vocab: Literal["keep", "cut"] = "keep"
    """`cut` keeps only the pieces of the vocabulary that the training texts use."""


class TokenizerOfTeacher(TokenizerPart):
    """The tokenizer of a teacher's pretrained weights."""

    teacher: Annotated[Name, Field(alias="from")]
    """Name of the teacher."""


class TokenizerInPackage(TokenizerPart):
    """A `tokenizer.json` inside an installed Python package."""

    package: Text
    """Module name of the package."""
    path: Text = "tokenizer.json"
    """The file, relative to the package."""


class TokenizerFile(TokenizerPart):
    """A `tokenizer.json` on this machine."""

    path: LocalPath
    """The file; a relative path starts at the recipe's folder."""


class LearnedPart(Part):
    """What every tokenizer that is learned has."""

    size: Annotated[Count, Field(ge=300, le=200_000)] = 8000
    """Most pieces, control tokens included; few texts give fewer."""
    lowercase: Flag = False
    """Fold capitals; `casing` can then tell the net how words were written."""
    strip_accents: Flag = False
    """Leave out accents, and all other marks that stand over letters: vowels in some scripts."""


class Unigram(LearnedPart):
    """Likely pieces over whole words; the one for scripts without blanks."""

    kind: Literal["unigram"] = "unigram"


class MergedPart(LearnedPart):
    """What is learned by putting together what stands together most often."""

    min_frequency: Count = 2
    """How often two pieces must stand together to become one."""


class Bpe(MergedPart):
    """Pairs put together, over bytes: nothing is unknown."""

    kind: Literal["bpe"] = "bpe"


class WordPiece(MergedPart):
    """Longest pieces first; pieces inside a word are marked."""

    kind: Literal["wordpiece"] = "wordpiece"


class TokenizerLearned(Part):
    """A tokenizer that is learned from the recipe's training rows, unlabelled ones included."""

    train: Annotated[Unigram | Bpe | WordPiece, ByKind()]
    """What is learned; the same rows give the same tokenizer."""


Tokenizer = Annotated[
    TokenizerOfTeacher | TokenizerInPackage | TokenizerFile | TokenizerLearned,
    ByKey(("from", "package", "path", "train")),
]

#: Whether an input may be absent, and how often it is in training.
Absent = Annotated[Flag | Inner, OneOrMany(flag=True)]

Column = Annotated[Texts, Field(min_length=1, max_length=1)]


class InputPart(Part):
    """What all inputs have in common."""

    training_only: ClassVar[frozenset[str]] = frozenset()
    absent: Absent = False
    """Whether a row may lack it, beside another input: true, or the share of training rows that
    are shown without it, e.g. `0.1`, so that the net learns to do without."""

    def constants(self) -> dict[str, Any]:
        """The constants of the preprocessing, JSON values; what only training needs stays out."""
        apart = {"kind", "columns", "absent", *self.training_only}
        found = self.model_dump(mode="json", exclude=apart)
        return found | {"absent": True} if self.absent else found

    @property
    def dropped(self) -> float:
        """Share of training rows that are shown without it."""
        return 0.0 if isinstance(self.absent, bool) else self.absent


class ColumnPart(InputPart):
    """What inputs of one column have in common."""

    columns: Column
    """The column with the raw value; by default the one with the input's name."""


class WordsPart(ColumnPart):
    """What inputs of words have in common."""

    training_only: ClassVar[frozenset[str]] = frozenset({"tokenizer"})
    tokenizer: Tokenizer
    """What cuts words into pieces."""
    max_length: Annotated[Count, Field(le=8192)] = DEFAULT_MAX_LENGTH
    """Most pieces of a row, special ones included; what is longer is cut off."""
    casing: Flag = False
    """Also tell the net how each word was written (lower, upper, title, mixed, digits, other)."""


class TextInput(WordsPart):
    """A raw text."""

    kind: Literal["text"] = "text"


class TokensInput(WordsPart):
    """A text that is already a list of words; what token tasks need."""

    kind: Literal["tokens"] = "tokens"


def _in_order(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        message = "expected the least first, found {low} before {high}"
        context = {"low": f"{limits[0]:g}", "high": f"{limits[1]:g}"}
        raise PydanticCustomError("limits", message, context)
    return limits


#: A shorter side over the longer one.
Aspect = Annotated[float, Strict(), Field(ge=0.01, le=1)]
#: The least and the largest share of a picture's area.
Area = Annotated[tuple[Some, Some], AfterValidator(_in_order)]


class Shift(Part):
    """Moves images by chance; what comes in from outside is black."""

    kind: Literal["shift"] = "shift"
    pixels: Annotated[Count, Field(le=1024)] = 2
    """Largest distance in each direction."""


class Crop(Part):
    """A random part of the image, at the image's size (Szegedy et al. 2015)."""

    kind: Literal["crop"] = "crop"
    area: Area = (0.08, 1.0)
    """The least and the largest share of the image that stays, above 0."""
    aspect: Aspect = 0.75
    """The most slender part: its width over its height lies between this and 1 over this."""


class Flip(Part):
    """Changes left and right; not where a label tells one from the other."""

    kind: Literal["flip"] = "flip"
    probability: Some = 0.5
    """How often, above 0."""


class Erase(Part):
    """A random rectangle of the image becomes noise or its mean colour (Zhong et al. 2020)."""

    kind: Literal["erase"] = "erase"
    probability: Some = 0.5
    """How often, above 0."""
    area: Area = (0.02, 0.4)
    """The least and the largest share of the image that goes, above 0."""
    aspect: Aspect = 0.3
    """The most slender rectangle: its width over its height lies between this and 1 over this."""
    fill: Literal["noise", "mean"] = "noise"
    """What stands in its place: a random value each pixel and channel, or the image's own mean
    colour."""


Augment = Annotated[Shift | Crop | Flip | Erase, ByKind()]
#: One, or several, one after the other.
Augments = Annotated[
    Augment | Annotated[tuple[Augment, ...], Field(min_length=1)],
    OneOrMany(),
]


class ImageInput(ColumnPart):
    """An image: an array, PNG or JPEG bytes, or a path."""

    training_only: ClassVar[frozenset[str]] = frozenset({"augment", "views"})
    kind: Literal["image"] = "image"
    size: tuple[Count, Count]
    """Height and width in pixels."""
    channels: Annotated[Literal[1, 3], Whole] = 1
    """1 for grey, 3 for colour."""
    mean: Annotated[Share | tuple[Share, ...], OneOrMany()] = 0.0
    """Subtracted from the pixels (scaled to 0..1): one number, or one a channel."""
    std: Annotated[Positive | tuple[Positive, ...], OneOrMany()] = 1.0
    """Divides the pixels after that: one number, or one a channel."""
    resize: Flag = False
    """Resize other images to `size`; otherwise they are refused."""
    augment: Augments | None = None
    """What changes the training rows' images in other views of them, for student and teachers: one
    kind, or a list in the order of what is done; not under a teacher's own inputs."""
    views: Annotated[Count, Field(ge=2, le=64)] = 4
    """With `augment`: versions of every training row, the unchanged one included; each is shown to
    the teacher, and an epoch trains on one of them."""

    @property
    def changes(self) -> tuple[Shift | Crop | Flip | Erase, ...]:
        """What changes its views, in order."""
        if self.augment is None:
            return ()
        return self.augment if isinstance(self.augment, tuple) else (self.augment,)


class TabularInput(InputPart):
    """Columns of numbers and of categories.

    A cell without anything in it (null, an empty text, a data frame's NaN) is missing, which the
    net is told; a category that training never saw is unknown.
    """

    kind: Literal["tabular"] = "tabular"
    numeric: Texts = ()
    """Columns of numbers."""
    categorical: Texts = ()
    """Columns of categories: texts, whole numbers, true and false."""
    scaling: Literal["standard", "quantile"] = "standard"
    """`standard`: less the mean of the training rows, by their standard deviation.  `quantile`: by
    the place among their quantiles, from -1 to 1; what lies outside counts as the end."""
    rare: Count = 1
    """Categories of fewer training rows count as unknown, so that the net learns of unknown ones.
    """

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a raw value."""
        return (*self.numeric, *self.categorical)


Input = Annotated[TextInput | TokensInput | ImageInput | TabularInput, ByKind()]
