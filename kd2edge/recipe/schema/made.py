"""``make`` of an unlabelled source: rows that are made of its own, one class a maker."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from kd2edge.recipe.schema.base import Count, Part, Positive, Seed, Share
from kd2edge.recipe.schema.choices import ByKind


class MakePart(Part):
    """What every maker of rows has."""

    copies: Annotated[Count, Field(le=1000)] = 10
    """Rows made of each row; one that comes out as another row is left out."""
    seed: Seed = 17
    """Another one makes other rows. The recipe's own seed does not: runs stay comparable."""


class Remix(MakePart):
    """Texts made of a source's own, for the teachers to label, where labelled ones are few."""

    kind: Literal["remix"] = "remix"
    splice: Share = 0.5
    """Share of the rows that go on as another row does, from some word on."""
    swap: Share = 0.1
    """Share of the words that a word of another row takes the place of."""
    digits: Share = 0.5
    """Share of the words with digits whose digits are drawn anew."""


class Perturb(MakePart):
    """Texts of a source, each by itself, with words changed by chance (Tang et al. 2019)."""

    kind: Literal["perturb"] = "perturb"
    drop: Share = 0.1
    """Share of the words that are left out; one stays."""
    replace: Share = 0.1
    """Share of the words whose place is taken by the word that stands there in another row."""
    swap: Share = 0.0
    """Share of the words that change places with the next."""
    ngram: Share = 0.25
    """Share of the rows of which a span of words alone is kept."""
    longest: Count = 5
    """Most words of such a span."""


class Munge(MakePart):
    """Rows of a table on the way to their nearest neighbours (Bucila et al. 2006)."""

    kind: Literal["munge"] = "munge"
    share: Annotated[Share, Field(gt=0)] = 0.5
    """Share of the cells that are changed, p of the paper: a category becomes the neighbour's, a
    number is drawn around the neighbour's."""
    local_variance: Annotated[Positive, Field(ge=0.01)] = 1.0
    """s of the paper: a number is drawn with a standard deviation of the two rows' difference over
    s, so that larger values stay nearer to the neighbour's."""


Make = Annotated[Remix | Perturb | Munge, ByKind()]
