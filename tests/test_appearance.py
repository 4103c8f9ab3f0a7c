"""The appearance statistics against a naive second implementation and closed forms."""

from __future__ import annotations

import colorsys
import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from conftest import pictures_in
from finexl.encoders.appearance import SIZE, appearance

Picture = NDArray[np.float32]

# where each group of numbers is
MEANS, SPREADS, TONES = slice(0, 3), slice(3, 6), slice(6, 13)
SATURATION, SATURATION_TONES, CHROMA = slice(13, 15), slice(15, 18), slice(18, 20)
OPPONENTS, COLOURFULNESS = slice(20, 24), 24
HUES, HUE_ENTROPY = slice(25, 33), 33
DARK, LIGHT, TONE_ENTROPY, COLOUR_ENTROPY, COMMONEST = 34, 35, 36, 37, 38
BANDS, SLOPES, FLAT, STEEP, ACROSS, DIRECTIONS = slice(39, 49), slice(49, 54), 54, 55, 56, 57
LAYOUT, LINES = slice(58, 62), slice(62, 64)

LEVELS = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)


def noise(seed: int) -> Picture:
    return np.random.default_rng(seed).random((SIZE, SIZE, 3), dtype=np.float32)


def smooth(seed: int) -> Picture:
    """Blobs of colour, stretched to the whole range, in 8 bits as pictures are."""
    blurred = ndimage.gaussian_filter(noise(seed), (6, 6, 0))
    stretched = (blurred - blurred.min()) / np.ptp(blurred)
    levels: Picture = (np.rint(stretched * 255) / 255).astype(np.float32)
    return levels


def photo() -> Picture:
    image = pictures_in("base")[0].resize((SIZE, SIZE), Image.Resampling.BICUBIC)
    return np.asarray(image, np.float32) / np.float32(255)


PICTURES = {"noise": noise(0), "smooth": smooth(1), "photo": photo()}
some_pictures = pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES)


def solid(r: float, g: float, b: float) -> Picture:
    return np.broadcast_to(np.array([r, g, b], np.float32), (SIZE, SIZE, 3)).copy()


def luma_of(picture: Picture) -> NDArray[np.float32]:
    # in single precision as the package does: a quantile's bin must not turn on the last bit
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    luma: NDArray[np.float32] = (picture * weights).sum(axis=2, dtype=np.float32)
    return luma


def sorted_quantile(values: NDArray[np.floating], level: float) -> float:
    ordered = np.sort(values, axis=None)
    return float(ordered[math.ceil(level * ordered.size) - 1])


def entropy(parts: NDArray[np.floating]) -> float:
    return -math.fsum(p * math.log(p) for p in parts.tolist() if p > 0)


# a second implementation


@some_pictures
def test_there_are_64_finite_numbers_in_single_precision(picture: Picture) -> None:
    values = appearance(picture)
    assert values.shape == (64,)
    assert values.dtype == np.float32
    assert np.isfinite(values).all()


@some_pictures
def test_tone_is_mean_spread_and_quantiles_by_sorting(picture: Picture) -> None:
    values = appearance(picture)
    np.testing.assert_allclose(values[MEANS], picture.mean(axis=(0, 1), dtype=float), atol=1e-5)
    np.testing.assert_allclose(values[SPREADS], picture.std(axis=(0, 1), dtype=float), atol=1e-5)
    expected = [sorted_quantile(luma_of(picture), level) for level in LEVELS]
    np.testing.assert_allclose(values[TONES], expected, atol=1.01 / 1023)


@some_pictures
def test_saturation_and_chroma_are_those_of_hsv(picture: Picture) -> None:
    values = appearance(picture)
    pixels = picture[::8, ::8].reshape(-1, 3).astype(float)
    hsv = np.array([colorsys.rgb_to_hsv(*pixel) for pixel in pixels.tolist()])
    high = picture.max(axis=2).astype(float)
    chroma = high - picture.min(axis=2)
    saturation = np.divide(chroma, high, out=np.zeros_like(high), where=high > 1e-3)
    # the vectorised reference is itself checked against the standard library
    np.testing.assert_allclose(saturation[::8, ::8].ravel(), hsv[:, 1], atol=1e-6)
    np.testing.assert_allclose(values[SATURATION], [saturation.mean(), saturation.std()], atol=2e-4)
    expected = [sorted_quantile(saturation, level) for level in (0.1, 0.5, 0.9)]
    np.testing.assert_allclose(values[SATURATION_TONES], expected, atol=1.01 / 1023)
    np.testing.assert_allclose(values[CHROMA], [chroma.mean(), chroma.std()], atol=1e-5)


@some_pictures
def test_colourfulness_is_hasler_and_suesstrunks(picture: Picture) -> None:
    values = appearance(picture)
    r, g, b = picture.astype(float).reshape(-1, 3).T
    rg, yb = r - g, (r + g) / 2 - b
    np.testing.assert_allclose(
        values[OPPONENTS], [rg.mean(), rg.std(), yb.mean(), yb.std()], atol=1e-5
    )
    expected = math.sqrt(rg.var() + yb.var()) + 0.3 * math.sqrt(rg.mean() ** 2 + yb.mean() ** 2)
    assert values[COLOURFULNESS] == pytest.approx(expected, abs=1e-5)


@some_pictures
def test_hues_are_eighths_of_the_circle_weighted_by_chroma(picture: Picture) -> None:
    values = appearance(picture)
    r, g, b = picture.astype(float).reshape(-1, 3).T
    angles = np.arctan2(math.sqrt(3) * (g - b), 2 * r - g - b)
    chroma = np.ptp(picture, axis=2).ravel().astype(float)
    expected, _ = np.histogram(angles, bins=8, range=(-math.pi, math.pi), weights=chroma)
    parts = expected / expected.sum()
    np.testing.assert_allclose(values[HUES], expected / chroma.size, atol=5e-5)
    assert values[HUE_ENTROPY] == pytest.approx(entropy(parts), abs=1e-3)


@some_pictures
def test_palette_counts_tones_and_colours(picture: Picture) -> None:
    values = appearance(picture)
    luma = luma_of(picture)
    assert values[DARK] == pytest.approx((luma < 0.06).mean(), abs=1e-4)
    assert values[LIGHT] == pytest.approx((luma > 0.94).mean(), abs=1e-4)
    tones = np.unique(np.floor(luma * 31.99), return_counts=True)[1] / luma.size
    colours = np.unique(np.floor(picture * 7.99).reshape(-1, 3), axis=0, return_counts=True)[1]
    assert values[TONE_ENTROPY] == pytest.approx(entropy(tones), abs=1e-3)
    assert values[COLOUR_ENTROPY] == pytest.approx(entropy(colours / luma.size), abs=1e-4)
    assert values[COMMONEST] == pytest.approx(np.sort(colours)[-4:].sum() / luma.size, abs=1e-5)


@some_pictures
def test_bands_are_what_halving_the_resolution_loses(picture: Picture) -> None:
    values = appearance(picture)
    expected = []
    for plane, scales, sparse in (
        (luma_of(picture).astype(float), 5, 3),
        (picture[..., 0].astype(float) - picture[..., 1], 2, 0),
    ):
        rest = plane
        for scale in range(scales):
            blocks = rest.reshape(rest.shape[0] // 2, 2, -1, 2)
            half = blocks.mean(axis=(1, 3))
            band = (blocks - half[:, None, :, None]).ravel()
            expected.append(math.log(band.std() + 1e-3))
            if scale < sparse:
                expected.append(math.log(np.abs(band).mean() / (band.std() + 1e-4) + 1e-2))
            rest = half
    np.testing.assert_allclose(values[BANDS], expected, atol=1e-3)


@some_pictures
def test_edges_have_their_slopes_and_directions(picture: Picture) -> None:
    values = appearance(picture)
    luma = luma_of(picture)
    dx, dy = luma[:-1, 1:] - luma[:-1, :-1], luma[1:, :-1] - luma[:-1, :-1]
    slope = np.hypot(dx, dy)
    quantiles = [sorted_quantile(slope.clip(0, 1), q) for q in (0.25, 0.5, 0.75, 0.9, 0.98)]
    np.testing.assert_allclose(np.exp(values[SLOPES]) - 2e-3, quantiles, atol=1.01 / 1023)
    assert values[FLAT] == pytest.approx((slope < 0.008).mean(), abs=1e-3)
    assert values[STEEP] == pytest.approx((slope > 0.2).mean(), abs=1e-3)
    ratio = (np.abs(dx).mean() + 1e-3) / (np.abs(dy).mean() + 1e-3)
    assert values[ACROSS] == pytest.approx(math.log(ratio), abs=1e-4)
    # four bins of the half circle, in which opposite directions are one
    angles = np.where(dy == 0, 0.0, np.arctan2(dy, dx) % math.pi)
    weights, _ = np.histogram(angles, bins=4, range=(0, math.pi), weights=slope)
    assert values[DIRECTIONS] == pytest.approx(entropy(weights / weights.sum()), abs=2e-3)


@some_pictures
def test_layout_compares_the_zones(picture: Picture) -> None:
    values = appearance(picture)
    luma = luma_of(picture)
    chroma = np.ptp(picture, axis=2)
    slope = np.hypot(np.diff(luma, axis=1)[:-1], np.diff(luma, axis=0)[:, :-1])
    place = np.linspace(-1, 1, SIZE)
    radius = np.sqrt(place[:, None] ** 2 + place[None] ** 2)
    inner, outer = radius < 0.6, radius > 1.05
    detail = [slope[zone[:-1, :-1]].mean() + 1e-3 for zone in (inner, outer)]
    expected = [
        luma[inner].mean() - luma[outer].mean(),
        chroma[inner].mean() - chroma[outer].mean(),
        math.log(detail[0] / detail[1]),
        np.abs(luma - np.fliplr(luma)).mean(),
    ]
    np.testing.assert_allclose(values[LAYOUT], expected, atol=1e-4)


@some_pictures
def test_lines_are_what_a_5_by_5_closing_and_opening_take_away(picture: Picture) -> None:
    values = appearance(picture)
    luma = luma_of(picture)
    largest, smallest = ndimage.maximum_filter, ndimage.minimum_filter
    closed = smallest(largest(luma, 5, mode="reflect"), 5, mode="reflect")
    opened = largest(smallest(luma, 5, mode="reflect"), 5, mode="reflect")
    np.testing.assert_allclose(
        values[LINES], [(closed - luma).mean(), (luma - opened).mean()], atol=1e-5
    )


# closed forms


@pytest.mark.parametrize("colour", list(itertools.product((0.0, 0.5, 1.0), repeat=3)))
def test_a_picture_of_one_colour_has_64_finite_numbers(colour: tuple[float, float, float]) -> None:
    values = appearance(solid(*colour))
    assert np.isfinite(values).all()
    np.testing.assert_allclose(values[MEANS], colour, atol=1e-6)
    np.testing.assert_allclose(values[SPREADS], 0, atol=1e-6)
    np.testing.assert_allclose(values[BANDS], np.log([1e-3, 1e-2] * 3 + [1e-3] * 4), atol=1e-3)
    np.testing.assert_allclose(values[SLOPES], math.log(2e-3), atol=1e-6)
    assert values[FLAT] == 1
    assert values[STEEP] == 0
    np.testing.assert_allclose(values[[ACROSS, DIRECTIONS]], 0, atol=1e-6)
    np.testing.assert_allclose(values[LAYOUT], 0, atol=1e-6)
    np.testing.assert_allclose(values[LINES], 0, atol=1e-6)
    assert values[COMMONEST] == 1
    np.testing.assert_allclose(values[[TONE_ENTROPY, COLOUR_ENTROPY]], 0, atol=1e-6)


def test_grey_has_no_colour() -> None:
    values = appearance(solid(0.5, 0.5, 0.5))
    np.testing.assert_allclose(values[TONES], 0.5, atol=1 / 1023)
    for part in (SATURATION, SATURATION_TONES, CHROMA, OPPONENTS, HUES):
        np.testing.assert_allclose(values[part], 0, atol=1e-6)
    np.testing.assert_allclose(values[[COLOURFULNESS, HUE_ENTROPY, DARK, LIGHT]], 0, atol=1e-6)


@pytest.mark.parametrize(
    ("colour", "eighth"),
    [
        ((1, 0, 0), 4),
        ((1, 1, 0), 5),
        ((0, 1, 0), 6),
        ((0, 1, 1), 7),
        ((0, 0, 1), 1),
        ((1, 0, 1), 2),
    ],
)
def test_a_pure_colour_is_all_chroma_of_one_hue(colour: tuple[int, int, int], eighth: int) -> None:
    values = appearance(solid(*colour))
    np.testing.assert_allclose(values[SATURATION], [1, 0], atol=1e-6)
    np.testing.assert_allclose(values[CHROMA], [1, 0], atol=1e-6)
    np.testing.assert_allclose(values[HUES], np.eye(8)[eighth], atol=1e-6)
    assert values[HUE_ENTROPY] == pytest.approx(0, abs=1e-5)
    rg, yb = colour[0] - colour[1], (colour[0] + colour[1]) / 2 - colour[2]
    assert values[COLOURFULNESS] == pytest.approx(0.3 * math.hypot(rg, yb), abs=1e-6)


def test_a_step_from_black_to_white_has_one_edge() -> None:
    picture = solid(0, 0, 0)
    picture[:, SIZE // 2 :] = 1
    values = appearance(picture)
    np.testing.assert_allclose(values[MEANS], 0.5)
    np.testing.assert_allclose(values[SPREADS], 0.5)
    np.testing.assert_allclose(values[TONES], [0, 0, 0, 0, 1, 1, 1], atol=1e-6)
    np.testing.assert_allclose(values[[DARK, LIGHT]], 0.5)
    assert values[TONE_ENTROPY] == pytest.approx(math.log(2), abs=1e-6)
    assert values[STEEP] == pytest.approx(1 / (SIZE - 1))
    assert values[FLAT] == pytest.approx(1 - 1 / (SIZE - 1))
    assert values[ACROSS] == pytest.approx(math.log((1 / (SIZE - 1) + 1e-3) / 1e-3), abs=1e-5)
    assert values[DIRECTIONS] == pytest.approx(0, abs=1e-4)
    np.testing.assert_allclose(values[LAYOUT], [0, 0, values[LAYOUT][2], 1], atol=1e-6)
    np.testing.assert_allclose(values[LINES], 0, atol=1e-7)


def test_turning_a_picture_exchanges_across_and_down() -> None:
    picture = smooth(3)
    values, turned = appearance(picture), appearance(picture.transpose(1, 0, 2))
    assert turned[ACROSS] == pytest.approx(-values[ACROSS], abs=1e-4)
    kept = [index for index in range(64) if index not in (ACROSS, DIRECTIONS, 61)]
    np.testing.assert_allclose(turned[kept], values[kept], atol=1e-3)


def test_a_thin_line_is_a_line_and_a_thick_one_is_not() -> None:
    thin, thick = solid(1, 1, 1), solid(1, 1, 1)
    thin[:, 100:102] = 0
    thick[:, 100:110] = 0
    np.testing.assert_allclose(appearance(thin)[LINES], [2 / SIZE, 0], atol=1e-6)
    np.testing.assert_allclose(appearance(1 - thin)[LINES], [0, 2 / SIZE], atol=1e-6)
    np.testing.assert_allclose(appearance(thick)[LINES], 0, atol=1e-6)


def test_the_picture_is_left_as_it_was() -> None:
    picture = noise(5)
    before = picture.copy()
    appearance(picture)
    np.testing.assert_array_equal(picture, before)
