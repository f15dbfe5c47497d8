"""Fixtures that every test may use."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from commands import succeed
from products import QUICKSTART, Product, write_text_project, write_token_project

# One thread a test process: the suite runs on two cores and must not depend on timing.
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

# A shell that puts a run into the background lets it ignore Ctrl-C, and every process of it too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No absolute times: the first example of a test may pay for an import.
settings.register_profile("kd2edge", deadline=None, max_examples=50)
settings.load_profile("kd2edge")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-golden", action="store_true", help="write the golden numbers instead of testing"
    )


@pytest.fixture(scope="session")
def data_set() -> Callable[[str], Path]:
    """Folder of a real data set by name; the test is skipped, naming it, where it is absent."""

    def find(name: str) -> Path:
        root = os.environ.get("KD2EDGE_DATA", "")
        folder = Path(root) / name
        if not root or not folder.is_dir():
            pytest.skip(
                f"data set {name} is not here (set KD2EDGE_DATA to the folder that holds it)"
            )
        return folder

    return find


@pytest.fixture(scope="session")
def image_product(tmp_path_factory: pytest.TempPathFactory) -> Product:
    """The quick start, tiny: distilled and exported once a session.  Do not change its folders."""
    recipe = Path(__file__).parent.parent / "recipes" / "quickstart.yaml"
    return _product(tmp_path_factory.mktemp("image"), recipe, QUICKSTART)


@pytest.fixture(scope="session")
def text_product(tmp_path_factory: pytest.TempPathFactory) -> Product:
    """Two tasks on sentences: features, SVD, cut vocabulary, unlabelled rows, uncertainty."""
    folder = tmp_path_factory.mktemp("text")
    return _product(folder, write_text_project(folder))


@pytest.fixture(scope="session")
def token_product(tmp_path_factory: pytest.TempPathFactory) -> Product:
    """Two tasks on words, with casing."""
    folder = tmp_path_factory.mktemp("token")
    return _product(folder, write_token_project(folder))


def _product(folder: Path, recipe: Path, overrides: tuple[str, ...] = ()) -> Product:
    product = Product(
        folder, recipe, overrides, folder / "runs" / "tiny", folder / "models" / "tiny"
    )
    succeed("distill", recipe, "--run-dir", product.run, *product.settings)
    targets = ("--onnx", "--openvino", "--trt")
    succeed("export", product.run, "--out", product.bundle, *targets)
    return product
