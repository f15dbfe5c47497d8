"""``reference``: a cheap model that the report shows beside the student, one class a kind."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, Strict

from kd2edge.recipe.schema.base import Name, Part
from kd2edge.recipe.schema.choices import ByKind


class TfIdf(Part):
    """Words and their neighbours, weighed by how rare they are, and a linear model a task.

    scikit-learn's TfidfVectorizer before logistic regression (one class against the others), or
    ridge regression for values; how strongly it is regularised is chosen on the validation rows.
    """

    kind: Literal["tfidf"] = "tfidf"
    input: Name | None = None
    """The input of `kind: text` or `tokens` that it reads; by default the only one."""
    words: Annotated[int, Strict(), Field(ge=1, le=5)] = 2
    """Most words that count together."""


class BoostedTrees(Part):
    """Gradient-boosted trees, with the settings that a teacher of `family: boosting` has."""

    kind: Literal["boosted"] = "boosted"
    input: Name | None = None
    """The input of `kind: tabular` that they read; by default the only one."""


Reference = Annotated[TfIdf | BoostedTrees, ByKind()]
