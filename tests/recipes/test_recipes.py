"""Every recipe of the gallery loads, its data is sound, its student passes TensorRT's checks."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import kd2edge
from kd2edge.data import EncodedSplit, encode_split
from kd2edge.export.student import onnx_from_student
from kd2edge.export.targets.kinds import target
from kd2edge.export.targets.target import Source
from kd2edge.export.targets.tensorrt_builder import BuildSettings, Network
from kd2edge.inputs.spec import dynamic_dimensions
from kd2edge.nets import build_net
from kd2edge.pipeline.reading.model_inputs import student_inputs
from kd2edge.pipeline.reading.prepare import prepare_data
from kd2edge.pipeline.reading.settings import model_spec
from kd2edge.pipeline.steps.samples import calibration_of, write_calibration
from kd2edge.quantize import QUANTIZERS
from kd2edge.recipe import load_recipe
from kd2edge.recipe.schema.ship import Export
from recipes.column_files import write_conll2003

RECIPES = Path(kd2edge.__file__).parent.parent / "recipes"
NAMES = sorted(
    path.relative_to(RECIPES).with_suffix("").as_posix() for path in RECIPES.rglob("*.yaml")
)


def needs(name: str) -> set[str]:
    """The data sets that a recipe reads: folders of ``data.root`` (none: it makes its own rows)."""
    data = load_recipe(RECIPES / f"{name}.yaml").recipe.data
    files = [
        file
        for source in (*data.sources, *data.unlabelled)
        for paths in source.splits().values()
        for file in paths
    ]
    return {Path(file).parts[0] for file in files}


def test_what_a_recipe_needs_are_the_folders_of_its_sources() -> None:
    assert NAMES == [
        "customer_service/clinc150",
        "customer_service/clinc150_static",
        "customer_service/nlupp",
        "multimodal/womens_clothing",
        "quickstart",
        "recommendation/census",
        "token/conll2003",
        "token/uner_ewt",
        "token/uner_ewt_conv",
    ]
    assert needs("quickstart") == set()
    # Unlabelled texts count too: without them the recipe does not open.
    assert {"tok_uner_ewt", "fin_sentfin", "fin_twitter_news"} <= needs("token/uner_ewt")


@dataclass(frozen=True)
class Student:
    """The untrained student of a recipe as TensorRT's target takes it."""

    name: str
    source: Source


@pytest.fixture(scope="module", params=NAMES)
def student(
    request: pytest.FixtureRequest,
    data_set: Callable[[str], Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Student:
    name: str = request.param
    if name == "token/conll2003":  # which nobody may pass on
        roots = {tmp_path_factory.mktemp("data")}
        write_conll2003(*roots, iob2=False)
    else:
        roots = {data_set(needed).parent for needed in sorted(needs(name))}
    overrides = [f"data.root={root}" for root in roots]
    if not roots:  # fewer canvases: the graph does not depend on their number
        overrides = ["data.sources.multimnist.options={train: 64, validation: 64, test: 64}"]
    # Fewer rows, where they are many: the graph does not depend on them.
    if name == "recommendation/census":
        few = "rec_census_income/test.csv.gz"
        overrides += [f"data.sources.census.{split}={few}" for split in ("train", "validation")]
    if name in ("customer_service/nlupp", "multimodal/womens_clothing"):
        overrides.append("data.unlabelled.remixed.make.copies=1")
    loaded = load_recipe(RECIPES / f"{name}.yaml", overrides=overrides, check_files=True)
    recipe = loaded.recipe
    folder = tmp_path_factory.mktemp("recipe")
    data = prepare_data(loaded)
    assert not list(itertools.chain(*(check.problems for check in data.checks.values())))
    inputs = student_inputs(recipe, data.rows["train"], data.learned)
    net = build_net(
        model_spec(recipe.student.model),
        list(inputs.specs.values()),
        list(data.tasks.values()),
        vocabulary=inputs.vocabulary,
    )
    split = _encoded(data.rows["validation"], inputs, list(data.tasks.values()), folder)
    write_calibration(folder, split, 32, seed=0)
    arrays, outputs = net.array_specs(), net.output_specs()
    calibration = calibration_of(folder / "calibration.npz", arrays)
    exported = onnx_from_student(
        net, arrays, outputs, sample=next(iter(calibration())), opset=Export().opset
    )
    return Student(
        name,
        Source(
            exported,
            arrays,
            outputs,
            {"batch": (1, 8), **dict.fromkeys(dynamic_dimensions(arrays), (2, 32))},
            calibration,
            QUANTIZERS,
        ),
    )


def _encoded(rows, inputs, tasks, folder: Path) -> EncodedSplit:  # noqa: ANN001
    class First:
        """The first rows of a split."""

        fingerprint = rows.fingerprint + "-first"

        def __len__(self) -> int:
            return min(len(rows), 64)

        def __getattr__(self, name: str):  # noqa: ANN204
            return getattr(rows, name)

        def __getitem__(self, position: int):  # noqa: ANN204
            return rows[position]

    first: Any = First()
    return encode_split(first, inputs.pairs, tasks, folder, file_hashes=inputs.hashes)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_tensorrt_parses_checks_and_builds_the_students_graph(
    student: Student, precision: str
) -> None:
    pytest.importorskip("tensorrt_rtx")
    tensorrt = target("tensorrt")
    (variant,) = tensorrt.variants(precision)
    made = tensorrt.make(student.source, variant)
    assert made.status == "needs_device", made.reason
    settings = next(data for path, data in made.files.items() if path.endswith(".build.json"))
    network = Network(made.files[made.entry], BuildSettings.from_json(settings))
    layers = network.layers()
    assert (layers["QUANTIZE"] > 0) == (precision == "int8")
    assert len(network.build().engine) > 10_000
