"""Choosing the wanted model from a pool, in a world whose kinds of models are planted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from finexl.bench.baselines.gsclip import GSCLIP
from finexl.bench.experiments.readers import Reading
from finexl.bench.experiments.selection import (
    LOOKED_AT,
    Effects,
    Pool,
    PoolPlan,
    Scores,
    chances,
    concordance,
    cosine,
    level_errors,
    mixtures,
    same_style,
    selection,
    single_aspect,
    split,
)
from finexl.bench.experiments.trials import Model, Plan, Trial
from finexl.bench.methods import Case, Told
from finexl.bench.perceptual import CHANNELS, WEIGHTS, Lpips, Network
from finexl.bench.results import Results
from finexl.errors import PrerequisiteError, UsageError
from finexl.images import Picture
from finexl.imageset import ImageSet
from finexl.measure import Measure
from planted import PlantedEncoder, pictured

STYLES = ("vivid", "dark", "neon colors", "monochrome")
READING = Reading(Measure(PlantedEncoder(), "subspace", (), 0), STYLES)


def model(levels: Mapping[str, float], n: int = 16, *, noise: float = 0.02, seed: int = 0) -> Model:
    """Its pictures are single pixels: red as the first level, green as the prompt's number."""
    base = pictured("base", {}, n, noise=0)
    made = pictured("made", levels, n, noise=noise, seed=seed)
    before, after = (
        np.array([p.source for p in side.pictures], dtype=np.float64) for side in (base, made)
    )
    shade = int(10 * next(iter(levels.values())))
    shown = tuple(
        Picture(p.key, Image.new("RGB", (1, 1), (shade, i, 0)), p.prompt, 0)
        for i, p in enumerate(made.pictures)
    )
    return Model(levels, base, ImageSet("made", "images", shown), before, after)


def plans(levels: Sequence[float], *, noise: float = 0.02) -> list[Plan]:
    def planned(number: int, style: str) -> Plan:
        models = tuple(
            model({style: level}, noise=noise, seed=97 * number + i)
            for i, level in enumerate(levels)
        )
        return Plan("planted", style, lambda: Trial("planted", (style,), models))

    return [planned(number, style) for number, style in enumerate(STYLES)]


def shade_apart(one: Image.Image, other: Image.Image) -> float:
    ours, theirs = np.asarray(one, float), np.asarray(other, float)
    return float(abs(ours[0, 0, 0] - theirs[0, 0, 0]))


def values(results: Results, row: str) -> dict[str, float]:
    return {r.measure: r.value for r in results.found.values() if r.row == row}


def run(pools: Sequence[PoolPlan], *rows: object, **more: object) -> Results:
    results = Results(None)
    selection(pools, rows, READING, results, settings="s", **more)  # type: ignore[arg-type]
    return results


@dataclass(frozen=True)
class Fixed:
    """Tells the same of all models."""

    name: str = "fixed"

    def tell(self, case: Case) -> Told:  # noqa: ARG002
        return Told("", {"vivid": 1.0})


@dataclass(frozen=True)
class Silent:
    name: str = "silent"

    def tell(self, case: Case) -> Told:  # noqa: ARG002
        return Told("", {})


# --- choosing -------------------------------------------------------------------------------------


def test_concordance_is_one_for_equal_vectors_alone() -> None:
    a = np.array([[1.0, 2.0], [0.0, 0.0]])
    others = np.array([[1.0, 2.0], [2.0, 4.0], [-1.0, -2.0], [0.0, 0.0]])
    assert cosine(a, others) == pytest.approx(np.array([[1, 1, -1, 0], [0, 0, 0, 0]]))
    assert concordance(a, others) == pytest.approx(np.array([[1, 2 * 10 / 25, -1, 0], [0] * 4]))


def test_the_most_like_is_chosen_and_ties_share() -> None:
    likeness = np.array([[0.1, 0.9, 0.3], [0.5, 0.5, -1.0], [0.0, 0.0, 0.0]])
    assert chances(likeness) == pytest.approx(
        np.array([[0, 1, 0], [0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3]])
    )


def test_styles_are_sets_of_aspects_and_levels_differ_in_ranks() -> None:
    models = [
        model(levels, n=2)
        for levels in (
            {"vivid": 0.1, "dark": 0.2},
            {"dark": 0.9, "vivid": 0.5},
            {"vivid": 0.5, "dark": 0.0},
            {"vivid": 2.0},
            {"vivid": 0.1, "dark": 5.0},
        )
    ]
    same = same_style(models)
    assert same[0].tolist() == [True, True, False, False, True]
    assert same[2].tolist() == [False, False, True, True, False]
    errors = level_errors(models)
    assert errors[0, 1] == pytest.approx(1.0)  # a rank each
    assert errors[0, 4] == pytest.approx(1.0)  # none and two
    assert errors[2, 3] == 1.0
    assert np.isnan(errors[0, 2])
    assert np.array_equal(errors, errors.T, equal_nan=True)


def test_the_halves_share_no_prompt_and_keep_every_pair() -> None:
    one = model({"vivid": 1.0}, n=9)
    twice = ImageSet(
        "base", "images", tuple(Picture(f"{i}", p.source, f"scene {i // 3}", i)
                                for i, p in enumerate(one.base.pictures)),
    )  # fmt: skip
    pool = Pool("c", "p", (Model(one.levels, twice, one.personalized, one.before, one.after),) * 2)
    first, second = split(pool, 0)
    sides = [{p.prompt for p in half.models[0].base.pictures} for half in (first, second)]
    assert not sides[0] & sides[1]
    assert sides[0] | sides[1] == {"scene 0", "scene 1", "scene 2"}
    assert len(first.models[0].before) + len(second.models[0].before) == 9
    assert len(split(pool, 0, 2)[1].models[1].after) == 2
    assert {frozenset(p.prompt for p in split(pool, s)[0].models[0].base.pictures)
            for s in range(20)} == {frozenset({f"scene {i}"}) for i in range(3)}  # fmt: skip


def test_a_pool_of_different_prompts_or_of_one_cannot_be_split() -> None:
    with pytest.raises(UsageError, match="not made of the same prompts"):
        split(Pool("c", "p", (model({"vivid": 1.0}, n=4), model({"vivid": 1.0}, n=5))), 0)
    with pytest.raises(UsageError, match="one prompt"):
        split(Pool("c", "p", (model({"vivid": 1.0}, n=1),)), 0)


def test_a_planted_style_is_chosen_and_its_level_where_length_counts() -> None:
    pools = single_aspect(plans([0.2, 0.6, 1.0]), counts=(3,))
    results = run(
        pools,
        Effects(concordance),
        Scores(GSCLIP()),
        Scores(Fixed()),
        Scores(Silent()),
        distance=shade_apart,
    )
    assert values(results, "FineXL") == {
        "same style": 1,
        "level error": 0,
        "perceptual distance": 0,
    }
    assert values(results, "GSCLIP (vocabulary)")["same style"] == 1
    for row in ("fixed", "silent"):  # as chance: 3 of 12 models have the style, 8 / 9 ranks off
        assert values(results, row)["same style"] == pytest.approx(3 / 12)
        assert values(results, row)["level error"] == pytest.approx(8 / 9)
        assert values(results, row)["perceptual distance"] > 0
    assert {r.column for r in results.found.values()} == {"planted, 1 aspect, 3 levels"}
    assert {r.details["models"] for r in results.found.values()} == {12}


def test_a_cosine_knows_the_style_and_not_the_level() -> None:
    """Scaled copies have one direction: which of them is chosen is up to the noise."""
    pools = single_aspect(plans([0.4, 0.7, 1.0]), counts=(3,))
    found = values(run(pools, Effects()), "FineXL")
    assert found["same style"] == 1
    assert 0.2 < found["level error"] < 1.4


def test_without_weights_the_distance_is_left_out_and_added_later() -> None:
    pools = single_aspect(plans([0.5, 1.0]), counts=(2,))
    results = Results(None)
    selection(pools, [Effects()], READING, results, settings="s")
    assert {r.measure for r in results.found.values()} == {"same style", "level error"}
    asked: list[int] = []

    def counted(one: Image.Image, other: Image.Image) -> float:
        asked.append(1)
        return shade_apart(one, other)

    for _ in range(2):
        selection(pools, [Effects()], READING, results, settings="s", distance=counted)
    assert "perceptual distance" in values(results, "FineXL")
    assert len(asked) % LOOKED_AT == 0


def test_a_distance_is_between_the_same_prompts_and_each_two_models_are_looked_at_once() -> None:
    """A row that always chooses the strongest: distances are the shades', 10 a level."""

    @dataclass(frozen=True)
    class Strongest:
        name: str = "strongest"

        def tell(self, case: Case) -> Told:
            return Told("", {"length": float(np.linalg.norm((case.after - case.before).mean(0)))})

    def first_of(_: np.ndarray, others: np.ndarray) -> np.ndarray:
        return np.tile(others.sum(axis=1), (len(others), 1))

    looks: list[int] = []

    def watched(one: Image.Image, other: Image.Image) -> float:
        prompts = [int(np.asarray(image)[0, 0, 1]) for image in (one, other)]
        assert prompts[0] == prompts[1]
        looks.append(prompts[0])
        return shade_apart(one, other)

    pools = [PoolPlan("c", "p", lambda: Pool("c", "p", tuple(
        model({"vivid": level}, noise=0) for level in (0.0 + 1e-9, 1.0, 2.0)
    )))]  # fmt: skip
    rows = [Scores(Strongest(), first_of), Scores(Strongest(), first_of, " again")]
    results = run(pools, *rows, distance=watched)
    assert values(results, "strongest")["perceptual distance"] == pytest.approx((20 + 10 + 0) / 3)
    assert values(results, "strongest again") == values(results, "strongest")
    wanted = split(pools[0].make(), 0)[1].models[0].base.pictures
    assert looks == [int(p.key) for p in wanted[:LOOKED_AT]] * 2


def test_mixtures_are_pools_of_groups_by_their_number_of_aspects() -> None:
    def trial(group: tuple[str, ...]) -> Plan:
        levels = [(a, b) for a in (0.4, 0.8) for b in (0.4, 0.8)]
        models = tuple(
            model(dict(zip(group, at, strict=True)), seed=hash_of(group) + i)
            for i, at in enumerate(levels)
        )
        return Plan("mixed", " + ".join(group), lambda: Trial("mixed", group, models))

    groups = [trial(("vivid", "dark")), trial(("neon colors", "dark"))]
    (pool,) = mixtures({2: groups}, models=3)
    assert pool.column == "mixed, 2 aspects"
    made = pool.make()
    assert len(made.models) == 6
    again = mixtures({2: groups}, models=3)[0].make()
    assert [m.levels for m in again.models] == [m.levels for m in made.models]
    found = values(run(mixtures({2: groups}), Effects(concordance)), "FineXL")
    assert found == {"same style": 1, "level error": 0}


def hash_of(group: tuple[str, ...]) -> int:
    return sum(map(ord, "".join(group)))


def test_what_is_known_is_not_made_again(tmp_path: Path) -> None:
    made: list[int] = []

    def make() -> Pool:
        made.append(1)
        return Pool("c", "p", tuple(model({s: 1.0}, seed=i) for i, s in enumerate(STYLES)))

    for _ in range(2):
        results = Results.open(tmp_path / "r.jsonl")
        selection(
            [PoolPlan("c", "p", make)], [Effects()], READING, results, settings="s", seeds=(0, 1)
        )
    assert len(made) == 1
    assert {r.seed for r in results.found.values()} == {0, 1}


# --- the perceptual distance ----------------------------------------------------------------------


def network(seed: int = 0) -> Network:
    torch.manual_seed(seed)
    made = Network()
    made.eval()
    with torch.no_grad():
        for weight in made.weight:
            weight.copy_(torch.rand_like(weight))
    return made


def picture(seed: int, size: tuple[int, int] = (40, 33)) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (5, 6, 3), dtype=np.uint8))
    return coarse.resize(size, Image.Resampling.BICUBIC)


def naive(made: Network, one: Image.Image, other: Image.Image) -> float:
    """The same distance in NumPy, written from the paper: windows summed one by one."""
    total = 0.0
    sides = [naive_layers(made, image) for image in (one, other)]
    for layer, (x, y) in enumerate(zip(*sides, strict=True)):
        weight = made.weight[layer].detach().double().numpy()
        unit = [z / (np.sqrt((z**2).sum(axis=0)) + 1e-10) for z in (x, y)]
        total += float((weight[:, None, None] * (unit[0] - unit[1]) ** 2).sum(axis=0).mean())
    return total


def naive_layers(made: Network, image: Image.Image) -> list[np.ndarray]:
    pixels = np.asarray(image.convert("RGB"), dtype=np.float64).transpose(2, 0, 1) / 255 * 2 - 1
    shift, scale = np.array([-0.030, -0.088, -0.188]), np.array([0.458, 0.448, 0.450])
    z = (pixels - shift[:, None, None]) / scale[:, None, None]
    z = np.maximum(blurred(convolved(made, 0, z, 2)), 0)
    found = [z]
    for layer, padding in ((1, 2), (2, 1)):
        z = np.maximum(convolved(made, layer, blurred(pooled(z)), padding), 0)
        found.append(z)
    for layer in (3, 4):
        z = np.maximum(convolved(made, layer, z, 1), 0)
        found.append(z)
    return found


def windows(z: np.ndarray, size: int) -> np.ndarray:
    return np.lib.stride_tricks.sliding_window_view(z, (size, size), axis=(1, 2))


def convolved(made: Network, layer: int, z: np.ndarray, padding: int) -> np.ndarray:
    kernel = made.conv[layer].weight.detach().double().numpy()
    bias = made.conv[layer].bias.detach().double().numpy()
    padded = np.pad(z, ((0, 0), (padding, padding), (padding, padding)))
    seen = windows(padded, kernel.shape[-1])
    found: np.ndarray = np.tensordot(kernel, seen, axes=((1, 2, 3), (0, 3, 4)))
    found += bias[:, None, None]
    return found


def pooled(z: np.ndarray) -> np.ndarray:
    found: np.ndarray = windows(z, 3).max(axis=(3, 4))
    return found


def blurred(z: np.ndarray) -> np.ndarray:
    padded = np.pad(z, ((0, 0), (2, 2), (2, 2)), mode="reflect")
    kernel = np.outer([1, 2, 1], [1, 2, 1]) / 16
    found: np.ndarray = (windows(padded, 3) * kernel).sum(axis=(3, 4))[:, ::2, ::2]
    return found


def test_the_distance_is_the_papers() -> None:
    made = network()
    lpips = Lpips(made, "r")
    one, other = picture(0), picture(1)
    assert lpips(one, other) == pytest.approx(naive(made, one, other), rel=1e-4)
    assert lpips(one, one) == 0
    assert lpips(one, other) == pytest.approx(lpips(other, one), rel=1e-6)
    assert lpips(one, Image.blend(one, other, 0.1)) < lpips(one, Image.blend(one, other, 0.5))


def test_pictures_are_brought_to_one_size() -> None:
    lpips = Lpips(network(), "r")
    large = picture(0, (300, 200))
    assert 0 < lpips(large, picture(0, (150, 100))) < lpips(large, picture(1, (150, 100)))
    with pytest.raises(UsageError, match="at least 32 a side"):
        lpips(picture(0, (200, 20)), picture(0, (200, 20)))


def test_weights_are_opened_from_safetensors_alone(tmp_path: Path) -> None:
    with pytest.raises(PrerequisiteError, match=r"scripts/fetch_lpips\.py"):
        Lpips.load(tmp_path)
    made = network()
    save_file({k: v.contiguous() for k, v in made.state_dict().items()}, tmp_path / WEIGHTS)
    opened = Lpips.load(tmp_path)
    one, other = picture(0), picture(1)
    assert opened(one, other) == Lpips(made, "r")(one, other)
    assert len(opened.revision) == 64
    assert [len(weight) for weight in opened.network.weight] == list(CHANNELS)
    save_file({"conv.0.bias": torch.zeros(64)}, tmp_path / WEIGHTS)
    with pytest.raises(UsageError, match="does not hold LPIPS"):
        Lpips.load(tmp_path)
