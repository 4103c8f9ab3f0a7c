from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from finexl.encoders.embedded import Embedded

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="session")
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session", autouse=True)
def data_for_tests(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test reads or writes the user's own profiles."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(autouse=True)
def cache_for_tests(session_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the user's own cache, or the embeddings of another test."""
    for file in session_cache.glob("embeddings.sqlite*"):
        file.unlink()
    monkeypatch.setenv("FINEXL_CACHE", str(session_cache))


@pytest.fixture(scope="session")
def encoder() -> Embedded:
    """The embedded encoder, whose models are opened once for all tests."""
    return Embedded(threads=1)


def pictures_in(name: str) -> list[Image.Image]:
    """Return the example pictures of a folder, in the order of their names."""
    opened = []
    for path in sorted((EXAMPLES / name).iterdir()):
        with Image.open(path) as image:
            opened.append(image.convert("RGB"))
    return opened


@pytest.fixture(scope="session")
def base_pictures() -> list[Image.Image]:
    return pictures_in("base")


@pytest.fixture(scope="session")
def base_rows(encoder: Embedded, base_pictures: list[Image.Image]) -> NDArray[np.float32]:
    """Embeddings of examples/base: what most tests of the pipeline start from."""
    return encoder.embed_images(base_pictures)
