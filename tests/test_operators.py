from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from finexl.errors import UsageError
from finexl.operators import OPERATORS, apply
from finexl.operators.operator import Operator

Picture = NDArray[np.float32]
EVERY = pytest.mark.parametrize("name", OPERATORS)
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
RANDOM = [
    "film_grain", "colour_noise", "old_film", "grunge", "double_exposure", "glitch", "vhs", "rain",
    "snow", "fog", "light_leak", "motion_blur", "pencil_sketch", "charcoal", "coloured_pencil",
    "woodcut", "stippling", "pointillism", "oil_painting", "impressionism", "watercolour", "chalk",
    "canvas", "parchment", "ornament", "mosaic", "stained_glass", "low_poly", "kaleidoscope",
]  # fmt: skip


def scene(height: int = 96, width: int = 96, seed: int = 5) -> Picture:
    """A sky, a ground, coloured discs and fine texture: all the tones and sizes of a photograph."""
    rng = np.random.default_rng(seed)
    rows, cols = np.mgrid[0:height, 0:width] / min(height, width)
    picture = np.stack([0.35 + 0.3 * rows, 0.55 - 0.1 * rows, 0.85 - 0.7 * rows], axis=-1)
    for row, col, size in rng.uniform([0, 0, 0.06], [1, 1, 0.22], (12, 3)):
        picture[np.hypot(rows - row, cols - col) < size] = rng.uniform(0.05, 0.95, 3)
    picture += 0.12 * np.sin(40 * rows + 8 * np.sin(9 * cols))[..., None]
    picture += rng.normal(0, 0.04, picture.shape)
    clipped: Picture = np.clip(picture, 0, 1).astype(np.float32)
    return clipped


def run(name: str, picture: Picture, level: float = 1.0, seed: int = 0) -> Picture:
    return OPERATORS[name].function(picture, level, np.random.default_rng(seed))


def as_image(picture: Picture) -> Image.Image:
    return Image.fromarray((picture * 255).round().astype(np.uint8))


def chroma(picture: Picture) -> Picture:
    spread: Picture = np.ptp(picture, axis=2)
    return spread


def roughness(picture: Picture) -> float:
    down, right = np.gradient(picture @ LUMA)
    return float(np.mean(down**2 + right**2))


def test_the_catalogue_is_ordered_named_and_read_only() -> None:
    assert len(OPERATORS) >= 60
    assert next(iter(OPERATORS)) == "saturate"
    assert all(name == operator.name for name, operator in OPERATORS.items())
    with pytest.raises(TypeError):
        OPERATORS["saturate"] = OPERATORS["sepia"]  # type: ignore[index]


@EVERY
def test_phrases_are_few_lower_case_and_not_their_own_opposite(name: str) -> None:
    operator: Operator = OPERATORS[name]
    assert 3 <= len(operator.phrases) <= 6
    assert len(operator.opposite) <= 4
    for phrase in operator.phrases + operator.opposite:
        assert phrase == " ".join(phrase.lower().split())
    assert not set(operator.phrases) & set(operator.opposite)


def test_no_phrase_names_two_operators() -> None:
    phrases = [p.casefold() for operator in OPERATORS.values() for p in operator.phrases]
    assert len(phrases) == len(set(phrases))


@EVERY
def test_level_zero_changes_no_byte(name: str) -> None:
    image = as_image(scene(40, 31))
    same = apply(image, name, 0.0, np.random.default_rng(0))
    assert same is not image
    assert same.tobytes() == image.tobytes()


@EVERY
def test_same_seed_same_bytes_and_the_input_is_untouched(name: str) -> None:
    image = as_image(scene(60, 80))
    before = image.tobytes()
    first, second = (apply(image, name, 0.8, np.random.default_rng(7)) for _ in range(2))
    assert first.size == image.size
    assert first.mode == "RGB"
    assert first.tobytes() == second.tobytes() != before
    assert image.tobytes() == before


@pytest.mark.parametrize("name", RANDOM)
def test_another_seed_gives_other_marks(name: str) -> None:
    picture = scene(60, 80)
    assert np.abs(run(name, picture, seed=1) - run(name, picture, seed=2)).max() > 0.02


@EVERY
@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (7, 200), (48, 64)])
def test_every_size_gives_finite_colours(name: str, shape: tuple[int, int]) -> None:
    for picture in (scene(*shape), np.zeros((*shape, 3), np.float32), np.ones((*shape, 3), "f4")):
        before = picture.copy()
        result = run(name, picture, 0.9)
        assert result.shape == picture.shape
        assert result.dtype == np.float32
        assert np.isfinite(result).all()
        assert result.min() >= 0.0
        assert result.max() <= 1.0
        np.testing.assert_array_equal(picture, before)


@EVERY
def test_the_change_grows_with_the_level(name: str) -> None:
    picture = scene(128, 128)
    change = [np.abs(run(name, picture, level) - picture).mean() for level in (0.25, 0.5, 1.0)]
    assert 0.0 < change[0] < change[1] < change[2]
    assert change[2] > 0.015


@EVERY
def test_a_faint_level_is_a_faint_change(name: str) -> None:
    picture = scene(128, 128)
    assert np.abs(run(name, picture, 0.02) - picture).mean() < 0.04


def test_greyscale_has_no_chroma_and_keeps_the_brightness() -> None:
    picture = scene()
    result = run("greyscale", picture)
    assert chroma(result).max() < 1e-6
    np.testing.assert_allclose(result @ LUMA, picture @ LUMA, atol=1e-5)


def test_saturation_scales_the_chroma() -> None:
    grey = np.full((4, 4, 3), 0.5, np.float32)
    coloured = grey + np.array([0.1, 0.0, -0.1], np.float32)
    np.testing.assert_allclose(chroma(run("saturate", coloured, 0.5)), 2.1 * 0.2, rtol=1e-4)
    np.testing.assert_allclose(chroma(run("desaturate", coloured, 1.0)), 0.25 * 0.2, rtol=1e-4)
    np.testing.assert_allclose(run("saturate", grey), grey, atol=1e-6)


def test_negative_is_one_minus_x() -> None:
    picture = scene()
    np.testing.assert_allclose(run("negative", picture), 1 - picture, atol=1e-6)


@pytest.mark.parametrize(("level", "steps"), [(0.5, 10), (1.0, 3)])
def test_posterise_leaves_so_many_steps(level: float, steps: int) -> None:
    ramp = np.repeat(np.linspace(0, 1, 300, dtype=np.float32)[None, :, None], 3, axis=2)
    np.testing.assert_allclose(
        np.unique(run("posterise", ramp, level)), np.linspace(0, 1, steps), atol=1e-6
    )


def test_limited_palette_leaves_four_colours() -> None:
    assert len(np.unique(run("limited_palette", scene()).reshape(-1, 3), axis=0)) == 4


def test_pixelate_makes_square_blocks_of_the_right_size() -> None:
    result = run("pixelate", scene(192, 384))
    blocks = result.reshape(48, 4, 96, 4, 3)
    assert np.ptp(blocks, axis=(1, 3)).max() == 0.0
    assert len(np.unique(result)) <= 7


@pytest.mark.parametrize(
    ("name", "sign"),
    [("brighten", 1), ("overexpose", 1), ("fog", 1), ("snow", 1), ("bloom", 1), ("line_art", 1),
     ("darken", -1), ("night", -1), ("vignette", -1), ("rain", -1), ("neon_edges", -1)],
)  # fmt: skip
def test_light_moves_the_mean_brightness(name: str, sign: int) -> None:
    picture = scene()
    means = [(run(name, picture, level) @ LUMA).mean() for level in (0.25, 0.5, 1.0)]
    steps = sign * np.diff([(picture @ LUMA).mean(), *means])
    assert (steps > 0.005).all()


def test_contrast_spreads_and_gathers_the_tones() -> None:
    picture = scene()
    spread = (picture @ LUMA).std()
    assert (run("high_contrast", picture) @ LUMA).std() > 1.4 * spread
    low = run("low_contrast", picture)
    np.testing.assert_allclose((low @ LUMA).std(), 0.28 * spread, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "rougher"),
    [("sharpen", True), ("detailed", True), ("hdr", True), ("film_grain", True),
     ("gaussian_blur", False), ("soft_focus", False), ("smoothing", False), ("bloom", False),
     ("motion_blur", False), ("low_resolution", False), ("shallow_focus", False)],
)  # fmt: skip
def test_sharpness_moves_the_gradient_energy(name: str, rougher: bool) -> None:
    picture = scene()
    levels = [roughness(picture), *(roughness(run(name, picture, x)) for x in (0.5, 1.0))]
    assert levels == sorted(levels, reverse=not rougher)
    assert (levels[2] > 1.5 * levels[0]) if rougher else (levels[2] < 0.8 * levels[0])


def test_blur_keeps_the_mean_and_widens_an_edge_as_a_gaussian_does() -> None:
    step = np.zeros((384, 384, 3), np.float32)
    step[:, 192:] = 1.0
    profile = run("gaussian_blur", step, 0.375)[200, :, 0]  # sigma 3 pixels
    assert profile.mean() == pytest.approx(0.5, abs=1e-4)
    assert profile[195] == pytest.approx(0.8784, abs=0.01)  # Φ(3.5 / 3)


@pytest.mark.parametrize(
    ("name", "channel"), [("red", 0), ("green", 1), ("blue", 2), ("warm", 0), ("cool", 2)]
)
def test_tints_raise_their_channel_above_the_others(name: str, channel: int) -> None:
    before, after = scene(), run(name, scene())
    share = [x[..., channel].mean() / x.mean() for x in (before, after)]
    assert share[1] > share[0] + 0.15


@pytest.mark.parametrize(
    "name", ["pencil_sketch", "charcoal", "line_art", "stippling", "emboss", "greyscale"]
)
def test_drawings_in_black_have_no_colour(name: str) -> None:
    assert chroma(run(name, scene())).max() < 1e-6


@pytest.mark.parametrize("name", ["sepia", "golden_hour", "parchment"])
def test_browns_run_from_red_to_blue(name: str) -> None:
    red, green, blue = run(name, scene()).reshape(-1, 3).mean(axis=0)
    assert red > green > blue


def test_line_art_draws_edges_and_leaves_flats_white() -> None:
    picture = np.full((96, 96, 3), 0.8, np.float32)
    picture[30:66, 30:66] = 0.2
    ink = 1 - run("line_art", picture)[..., 0]
    assert ink[:26].max() == ink[40:56, 40:56].max() == 0.0
    assert ink[29:31, 48].max() > 0.9
    assert 0.0 < (ink > 0.5).mean() < 0.05


def test_kaleidoscope_is_mirrored_four_ways() -> None:
    result = run("kaleidoscope", scene(97, 97))
    for other in (result[::-1], result[:, ::-1], result.transpose(1, 0, 2)):
        np.testing.assert_allclose(result, other, atol=0.02)


def test_an_effect_looks_alike_at_two_sizes() -> None:
    small = scene(96, 96)
    large = np.repeat(np.repeat(small, 3, axis=0), 3, axis=1)
    for name in ("gaussian_blur", "shallow_focus", "bloom", "smoothing", "vignette", "pixelate"):
        shrunk = run(name, large).reshape(96, 3, 96, 3, 3).mean(axis=(1, 3))
        assert np.abs(shrunk - run(name, small)).mean() < 0.02, name


def test_any_mode_comes_out_as_rgb() -> None:
    for mode in ("L", "RGBA", "CMYK", "1"):
        image = as_image(scene(16, 20)).convert(mode)
        for level in (0.0, 0.5):
            result = apply(image, "sepia", level, np.random.default_rng(0))
            assert (result.mode, result.size) == ("RGB", (20, 16))


def test_unknown_operators_are_named() -> None:
    with pytest.raises(UsageError, match="no operator 'sepa'; choose one of saturate, "):
        apply(as_image(scene(8, 8)), "sepa", 0.5, np.random.default_rng(0))


@pytest.mark.parametrize("level", [-0.01, 1.01, float("nan"), float("inf")])
def test_levels_outside_the_range_are_refused(level: float) -> None:
    with pytest.raises(UsageError, match="from 0 to 1"):
        apply(as_image(scene(8, 8)), "sepia", level, np.random.default_rng(0))
