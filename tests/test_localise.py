"""Where the change sits: pictures changed in one half only."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from conftest import pictures_in
from fake_encoder import FakeEncoder
from finexl.concepts.vectors import frame_of, map_concepts
from finexl.concepts.vocabulary import neutral_prompts
from finexl.core.orthogonality import unit_rows
from finexl.encoders import Encoder, load_encoder, places_of
from finexl.encoders.embedded import Embedded
from finexl.localise import heat_map
from finexl.operators import OPERATORS, apply
from finexl.report.html import _overlay
from tiny_models import FAMILIES

TEMPLATE = "{prompt}, {concept}"
# changes of colour, of tone and of texture that the encoder knows
CHANGES = ("greyscale", "sepia", "pixelate", "pencil_sketch", "gaussian_blur", "fog")
HALVES = {"left": (0, 0, 0.5, 1), "right": (0.5, 0, 1, 1), "top": (0, 0, 1, 0.5)}


def changed_in(picture: Image.Image, half: tuple[float, ...], name: str) -> Image.Image:
    width, height = picture.size
    left, top, right, bottom = half
    box = (
        round(left * width),
        round(top * height),
        round(right * width),
        round(bottom * height),
    )
    whole = apply(picture, name, 1.0, np.random.default_rng(0))
    found = picture.copy()
    found.paste(whole.crop(box), (box[0], box[1]))
    return found


def inside(values: NDArray[np.floating], half: tuple[float, ...]) -> float:
    """The part of the positive heat that lies in a half."""
    h, w = values.shape
    left, top, right, bottom = (
        round(part * side) for part, side in zip(half, (w, h, w, h), strict=True)
    )
    heat = np.maximum(values, 0.0)
    return float(heat[top:bottom, left:right].sum() / heat.sum())


def direction_of(encoder: Encoder, phrase: str) -> NDArray[np.float64]:
    f = map_concepts(encoder, [phrase], neutral_prompts()[:4], TEMPLATE).vectors
    matrix = frame_of(encoder, "subspace", TEMPLATE).subspace.matrix
    found: NDArray[np.float64] = (unit_rows(f @ matrix.T) @ matrix)[0]
    return found


def test_the_heat_lies_where_the_operator_was(encoder: Embedded) -> None:
    found = {}
    for name in CHANGES:
        direction = direction_of(encoder, OPERATORS[name].phrases[0])
        parts = []
        for picture in pictures_in("base")[1:9:4]:
            for half in HALVES.values():
                values = heat_map(encoder, picture, changed_in(picture, half, name), direction)
                assert values is not None
                parts.append(inside(values, half))
        found[name] = float(np.mean(parts))
    assert min(found.values()) > 0.5, found  # half of the picture, by chance half of the heat
    assert np.mean(list(found.values())) > 0.8, found


def test_places_add_up_to_the_stage_statistics_part_of_a_row(encoder: Embedded) -> None:
    pictures = pictures_in("base")[:2]
    weights = encoder._maps["image"]
    features = encoder.features(pictures)
    start = features.shape[1] - encoder._image_model.get_outputs()[0].shape[1]
    want = features[:, start:] @ weights[start:]
    places = encoder.embed_places(pictures)
    assert places.shape == (2, 16, 16, encoder.dim)
    scale = np.abs(want).max()
    np.testing.assert_allclose(places.mean(axis=(1, 2)), want, atol=2e-4 * scale)


@pytest.mark.parametrize("family", ["clip", "siglip"])
def test_patches_of_a_transformer_change_where_the_picture_does(
    family: str, tmp_path: Path
) -> None:
    FAMILIES[family](tmp_path)
    encoder = load_encoder(str(tmp_path), threads=1)
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8))
    for half in HALVES.values():
        places = places_of(encoder, [picture, changed_in(picture, half, "greyscale")])
        assert places is not None
        assert places.shape == (2, 4, 4, encoder.dim)
        np.testing.assert_allclose(np.linalg.norm(places, axis=-1), 1.0, atol=1e-5)
        moved = np.linalg.norm(places[1] - places[0], axis=-1)
        assert inside(moved, half) > 0.55  # random weights mix the patches


@pytest.mark.parametrize("family", ["align", "siglip2"])
def test_models_without_places_say_none(family: str, tmp_path: Path) -> None:
    FAMILIES[family](tmp_path)
    assert places_of(load_encoder(str(tmp_path), threads=1), [Image.new("RGB", (32, 32))]) is None


def test_an_encoder_that_tells_no_places_apart_has_no_map() -> None:
    picture = Image.new("RGB", (8, 8))
    assert heat_map(FakeEncoder(), picture, picture, np.zeros(8)) is None


def test_an_overlay_is_denser_where_there_is_more() -> None:
    import base64
    import io

    values = np.array([[0.0, 1.0], [-3.0, 2.0]])
    uri = _overlay(values, 2.0)
    data = base64.b64decode(uri.removeprefix("data:image/png;base64,"))
    alpha = np.asarray(Image.open(io.BytesIO(data)))[..., 3]
    np.testing.assert_array_equal(alpha, [[0, 102], [0, 204]])
    assert _overlay(np.zeros((2, 2)), 0.0).startswith("data:image/png")
