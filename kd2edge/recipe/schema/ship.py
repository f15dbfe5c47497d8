"""``export``, ``validate``, ``licences``: what leaves the building and must live up to what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, Strict

from kd2edge.engines import ENGINES, PRECISIONS
from kd2edge.recipe.schema.base import Count, NotNegative, Part, Share, Texts
from kd2edge.recipe.schema.choices import ByTask
from kd2edge.verdict import CONFIDENCE

if TYPE_CHECKING:
    Target = str
    Precision = str
else:  # a recipe may name what the table of engines has
    Target = Literal[tuple(ENGINES)]
    Precision = Literal[PRECISIONS]


class Calibration(Part):
    """The training rows that int8 ranges are measured on."""

    rows: Annotated[Count, Field(le=100_000)] = 256
    """How many."""


class Export(Part):
    """Which artefacts are made."""

    targets: Annotated[tuple[Target, ...], Field(min_length=1)] = ("onnx",)
    """Runtimes to make artefacts for."""
    precisions: Annotated[tuple[Precision, ...], Field(min_length=1)] = ("fp32",)
    """Number formats to make artefacts in; each target makes those that it has."""
    calibration: Calibration = Calibration()
    """Rows for int8."""
    samples: Literal["real", "synthetic", "none"] = "real"
    """What the bundle's self-test holds: `synthetic` made-up raw values, `real` also a few rows of
    the data, `none` nothing."""
    # TensorRT 10 (JetPack 6) reads up to opset 20, which is the first with Gelu as one operator.
    opset: Annotated[Count, Field(ge=18, le=25)] = 20
    """Version of the ONNX operators."""
    max_batch: Annotated[Count, Field(le=65_536)] = 64
    """Largest batch that every artefact takes."""


class Gate(Part):
    """What every artefact must prove on the test split."""

    max_drop: ByTask[NotNegative] | None = None
    """Largest loss of a task's metric against the PyTorch student, in the metric's own unit: of a
    share, in [0, 1], 0.005 is half a point; of a mean error it is by how much it may rise. Left
    out: `max_drop_share` of what is large for each task's metric."""
    max_drop_share: Share = 0.005
    """Where `max_drop` is left out: the largest loss as a share of what is large for the metric: 1
    for a share, the way from the lowest to the highest level for `level_mae`, two standard
    deviations of the training rows' labels for `mae` and `rmse`."""
    max_drop_class: ByTask[Share] = 0.05
    """Largest loss of a class's recall against the PyTorch student, in [0, 1], as far as the rows
    prove it; a class that is never decided any more is one too. 1: classes are named alone."""
    # Above 0.5, as the bounds themselves ask for: a coin is half sure.
    confidence: Annotated[float, Strict(), Field(gt=0.5, lt=1)] = CONFIDENCE
    """Confidence of the bounds that decide."""


class Licences(Part):
    """What may be done with the result; written into the bundle."""

    weights: Texts = ()
    """Licences of the weights that it started from."""
    data: Texts = ()
    """Licences of the data that it learned from."""
