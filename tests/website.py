"""A small catalog and a server on it, for tests of the web page."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from catalogued import planted, scattered
from finexl.catalog import Catalog, Entry, Metadata, Thumbnail
from finexl.encoders import Encoder
from finexl.measure import Measure
from finexl.web.app import create_app
from finexl.web.settings import Settings

EXAMPLES = Path(__file__).parents[1] / "examples"
HOSTILE = "<script>alert(1)</script>"
PLANTED: Mapping[str, Mapping[str, float]] = {
    "vivid one": {"vivid": 1.2},
    "grainy one": {"film grain": 1.0, "vivid": 0.2},
    "drawn one": {"pencil sketch": 1.1, "vivid": -0.6},
    HOSTILE: {"blurry": 0.8, HOSTILE: 0.5},
}
"""Models by name, and the effect of each concept in them."""
PROMPTS = (*(f"prompt {i}" for i in range(7)), f"a cat {HOSTILE}")


def picture(color: str = "teal", size: tuple[int, int] = (48, 32), kind: str = "PNG") -> bytes:
    """Return an image file."""
    file = io.BytesIO()
    Image.new("RGB", size, color).save(file, kind)
    return file.getvalue()


def make_catalog(path: Path, encoder: Encoder, cache: Path) -> Path:
    """Write a catalog of models whose divergences hold the planted effects.

    Fixtures of a module come before the one that gives each test its cache; this has to be told.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("FINEXL_CACHE", str(cache))
        _fill(path, encoder)
    return path


def _fill(path: Path, encoder: Encoder) -> None:
    measure = Measure(encoder, "subspace", (), 0)
    with Catalog.open(path, create=True) as catalog:
        for seed, (name, effects) in enumerate(PLANTED.items()):
            F = measure.vectors(list(effects)).vectors
            inside = measure.inside(F)
            lengths = np.linalg.norm(inside, axis=1)
            weights = np.array(list(effects.values())) * measure.frame.scale / lengths
            V = weights @ F
            explanation = planted(
                name,
                V,
                encoder,
                pairs=scattered(V, len(PROMPTS), 0.02, seed),
                aspects=list(effects.items()),
                prompts=PROMPTS,
            )
            said = Metadata(base=f"base {HOSTILE}", licence="MIT", tags=("style",))
            caption = f"a cat {HOSTILE}"
            shown = [
                Thumbnail("base", 0, caption, picture("teal", kind="WEBP")),
                Thumbnail("personalized", 0, caption, picture("plum", kind="WEBP")),
            ]
            catalog.add(Entry(explanation, said), shown)


@contextmanager
def visited(settings: Settings) -> Iterator[TestClient]:
    """Yield a client of a server that is started with these settings."""
    app = create_app(settings)
    with TestClient(app, base_url="http://localhost:8642", follow_redirects=False) as client:
        yield client


def csrf(client: TestClient) -> dict[str, str]:
    """Return the header that every POST needs."""
    return {"X-CSRF-Token": client.get("/api/start").json()["csrf"]}


def example_files(
    base: str = "base", personalized: str = "vivid-50"
) -> list[tuple[str, tuple[str, bytes]]]:
    """Return a form's files: the pictures of two example folders."""
    return [
        (side, (path.name, path.read_bytes()))
        for side, folder in (("base", base), ("personalized", personalized))
        for path in sorted((EXAMPLES / folder).iterdir())
    ]
