from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from finexl.errors import UsageError
from finexl.personalize import scenes
from finexl.personalize.scenes import BACKGROUNDS, COLOURS, SCENES, SHAPES, STYLES, Scene

SOME = SCENES[::31]


def test_there_is_one_scene_for_every_shape_colour_and_background() -> None:
    assert len(SCENES) == len(SHAPES) * len(COLOURS) * len(BACKGROUNDS) == 216
    assert len({scenes.caption(scene) for scene in SCENES}) == len(SCENES)


def test_captions_say_what_is_drawn() -> None:
    assert scenes.caption(Scene("star", "red", "grey")) == "a red star on a grey background"
    assert scenes.caption(Scene("ring", "orange", "pink")) == "an orange ring on a pink background"


def test_every_scene_and_every_variant_is_another_picture() -> None:
    drawn = {scenes.draw(scene).tobytes() for scene in SCENES}
    assert len(drawn) == len(SCENES)
    for scene in SOME:
        variants = list(scenes.variants(scene))
        assert scene in variants
        assert {scenes.caption(variant) for variant in variants} == {scenes.caption(scene)}
        assert len({scenes.draw(variant).tobytes() for variant in variants}) == len(variants) == 27


def test_shapes_of_all_variants_stay_inside_the_picture() -> None:
    for shape in SHAPES:
        for variant in scenes.variants(Scene(shape, "red", "white")):
            cover = scenes.mask(variant)
            rim = np.concatenate([cover[0], cover[-1], cover[:, 0], cover[:, -1]])
            assert rim.max() == 0


def test_colours_are_those_of_the_palette() -> None:
    for scene in SOME:
        pixels = np.asarray(scenes.draw(scene, 64)).reshape(-1, 3)
        colours, counts = np.unique(pixels, axis=0, return_counts=True)
        most = {tuple(map(int, colours[i])) for i in np.argsort(counts)[-2:]}
        assert most == {COLOURS[scene.colour], BACKGROUNDS[scene.background]}


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        ("circle", np.pi * 0.95**2),
        ("square", 1.7**2),
        ("ring", np.pi * (0.97**2 - 0.47**2)),
        ("cross", 2 * 0.68 * 2 - 0.68**2),
    ],
)
def test_areas_are_those_of_geometry(shape: str, area: float) -> None:
    scene = Scene(shape, "red", "white", radius=0.3)
    assert scenes.mask(scene, 64).mean() == pytest.approx(area * 0.3**2, rel=0.01)


def test_a_star_is_the_same_after_a_fifth_of_a_turn_and_has_five_points() -> None:
    angle = np.linspace(0, 2 * np.pi, 1000, endpoint=False)
    at = scenes.star(0.7 * np.sin(angle), -0.7 * np.cos(angle))
    assert np.allclose(at, np.roll(at, 200))
    assert np.sum((at <= 0) & (np.roll(at, 1) > 0)) == 5
    assert at[0] < 0  # one of them points up


def test_the_same_picture_in_another_size_covers_the_same_share() -> None:
    for scene in SOME:
        small = scenes.mask(scene, 32).mean()
        assert scenes.mask(scene, 96).mean() == pytest.approx(small, rel=0.03)


@pytest.mark.parametrize("style", STYLES)
def test_styles_grow_with_their_level_in_proportion(style: str) -> None:
    levels = (0.0, 0.25, 0.5, 0.75, 1.0)
    for scene in SOME:
        plain = scenes.render(scene)
        away = [scenes.render(scene, style=style, level=level) - plain for level in levels]
        assert np.allclose(away[0], 0)
        sizes = [float(np.abs(difference).mean()) for difference in away]
        assert all(more > less + 0.5 for less, more in pairwise(sizes))
        for level, difference in zip(levels, away, strict=True):
            assert np.allclose(difference, level * away[-1])


@pytest.mark.parametrize("style", STYLES)
def test_styled_pictures_hold_valid_colours_and_differ_between_styles(style: str) -> None:
    others = [other for other in STYLES if other != style]
    for scene in SOME:
        styled = scenes.render(scene, style=style)
        assert styled.min() >= 0
        assert styled.max() <= 255
        for other in others:
            assert np.abs(styled - scenes.render(scene, style=other)).mean() > 5


def test_the_same_seed_draws_the_same_bytes_and_another_seed_does_not() -> None:
    def drawn(seed: int) -> list[bytes]:
        generator = np.random.default_rng(seed)
        found = [scenes.sample(generator) for _ in range(5)]
        return [scenes.draw(s, style="noisy", generator=generator).tobytes() for s in found]

    assert drawn(1) == drawn(1)
    assert not set(drawn(1)) & set(drawn(2))


def test_sampled_scenes_lie_within_the_variants() -> None:
    generator = np.random.default_rng(0)
    found = [scenes.sample(generator) for _ in range(2000)]
    assert {(s.shape, s.colour, s.background) for s in found} == {
        (s.shape, s.colour, s.background) for s in SCENES
    }
    assert max(max(abs(s.x), abs(s.y)) for s in found) <= scenes.STEP
    assert all(scenes.RADII[0] <= s.radius <= scenes.RADII[-1] for s in found)


@pytest.mark.parametrize(
    ("scene", "style", "level", "says"),
    [
        (Scene("heart", "red", "white"), None, 1.0, "no shape 'heart'; there are circle"),
        (Scene("star", "mauve", "white"), None, 1.0, "no colour 'mauve'"),
        (Scene("star", "red", "green"), None, 1.0, "no background 'green'"),
        (Scene("star", "red", "white"), "baroque", 1.0, "no style 'baroque'; there are striped"),
        (Scene("star", "red", "white"), "striped", 1.5, "between 0 and 1, not at 1.5"),
        (Scene("star", "red", "white"), "striped", float("nan"), "between 0 and 1"),
    ],
)
def test_what_cannot_be_drawn_is_said(
    scene: Scene, style: str | None, level: float, says: str
) -> None:
    with pytest.raises(UsageError, match=says):
        scenes.draw(scene, style=style, level=level)
