"""ZO-RankSGD: the estimate, its convergence, and the search of an image's noise by rankings."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import tiny_pipelines
from fake_encoder import FakeEncoder
from finexl.errors import FinexlError, UsageError
from finexl.generators import Job, Made, Settings
from finexl.generators.diffusers import Pipeline
from finexl.viper.baselines.oracles import Person, Scorer, answer_in
from finexl.viper.baselines.ranksgd import Manner, RankSGD, estimate
from finexl.viper.baselines.searching import RankSearched, search
from finexl.viper.baselines.similarity import similarity_to
from finexl.viper.taste import Taste

Array = NDArray[np.float64]
JOB = Job("a cat", 3)
FEW = Manner(points=3, smoothing=0.3, steps=2)


# the estimate


def written_out(directions: Array, ranking: Sequence[int]) -> Array:
    """The mean over the edges, one by one."""
    edges = [
        (better, worse)
        for place, better in enumerate(ranking)
        for worse in range(len(directions))
        if worse not in ranking[: place + 1]
    ]
    m, k = len(directions), len(ranking)
    assert len(edges) == k * m - (k * k + k) // 2
    found: Array = np.mean([directions[j] - directions[i] for i, j in edges], axis=0)
    return found


@pytest.mark.parametrize(("m", "k"), [(2, 1), (7, 1), (7, 3), (7, 6), (7, 7), (2, 2)])
def test_the_estimate_is_the_mean_over_the_edges_of_the_graph(m: int, k: int) -> None:
    rng = np.random.default_rng(m * 10 + k)
    directions = rng.standard_normal((m, 5))
    ranking = [int(i) for i in rng.permutation(m)[:k]]
    np.testing.assert_allclose(
        estimate(directions, ranking), written_out(directions, ranking), atol=1e-12
    )


def test_of_two_points_it_points_along_the_gradient_as_long_as_order_statistics_say() -> None:
    """E[max − min] of two standard normals is 2/√π along the gradient, and 0 across."""
    rng, n = np.random.default_rng(0), 5_000
    found = np.zeros(3)
    for _ in range(n):
        directions = rng.standard_normal((2, 3))
        worse = int(directions[:, 0].argmax())  # f(x) = x_1
        found += estimate(directions, [1 - worse, worse]) / n
    np.testing.assert_allclose(found, [2 / np.pi**0.5, 0, 0], atol=0.06)


def run(
    f: Callable[[Array], Array], start: Array, manner: Manner, rounds: int, seed: int = 0
) -> tuple[RankSGD, list[Array]]:
    optimizer = RankSGD(start, manner, seed)
    points = []
    for _ in range(rounds):
        optimizer.tell(np.argsort(f(optimizer.candidates), kind="stable").tolist())
        points.append(optimizer.point)
    return optimizer, points


AIM = np.linspace(-1, 1, 10)
SCALES = np.linspace(0.5, 2, 10)


def quadratic(x: Array) -> Array:
    found: Array = ((x - AIM) ** 2 * SCALES).sum(axis=-1) / 2
    return found


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_converges_on_a_quadratic(seed: int) -> None:
    start = np.full(10, 3.0)
    manner = Manner(points=8, smoothing=0.01, step=1.0, steps=8)
    optimizer, points = run(quadratic, start, manner, 150, seed)
    values = [float(quadratic(point)) for point in points]
    assert values[-1] < 1e-3 * float(quadratic(start))
    assert all(a >= b for a, b in pairwise(values))  # x is a candidate
    assert 10 < optimizer.moves < 75
    # its smoothing bounds it: a hundredth in each of ten directions
    assert np.abs(points[-1] - AIM).max() < 0.1


def test_it_converges_where_only_the_best_three_are_named() -> None:
    optimizer = RankSGD(np.full(10, 3.0), Manner(smoothing=0.01, step=1.0, steps=8), 0)
    for _ in range(200):
        order = np.argsort(quadratic(optimizer.candidates), kind="stable").tolist()
        optimizer.tell(order[: 1 if optimizer.searching else 3])
    assert quadratic(optimizer.point) < 1e-2 * quadratic(np.full(10, 3.0))


def test_whatever_rises_with_the_score_gives_the_same_points() -> None:
    start, manner = np.full(10, 3.0), Manner(points=5)
    wanted = run(quadratic, start, manner, 20)[1]
    rising: list[Callable[[Array], Array]] = [np.cbrt, np.arctan, lambda f: 1e9 * f - 7, np.log]
    for one in rising:
        found = run(lambda x, one=one: one(quadratic(x)), start, manner, 20)[1]  # type: ignore[misc]
        np.testing.assert_array_equal(found, wanted)
    falling = run(lambda x: -quadratic(x), start, manner, 20)[1]
    assert quadratic(falling[-1]) > quadratic(start) > quadratic(wanted[-1])


def test_estimates_are_averaged_until_x_moves() -> None:
    manner = Manner(points=4, steps=2, step=0.5, shrink=0.5)
    optimizer = RankSGD(np.zeros(3), manner, 0)
    first = optimizer.candidates
    optimizer.tell([2, 0, 1, 3])
    one = written_out(first / manner.smoothing, [2, 0, 1, 3])
    np.testing.assert_allclose(optimizer.candidates[0], 0)
    np.testing.assert_array_equal(optimizer.candidates[1], first[2])  # the best of them
    np.testing.assert_allclose(optimizer.candidates[2:], [-0.5 * one, -0.25 * one])
    optimizer.tell([0])  # x stays
    second = optimizer.candidates
    assert np.abs(second - first).min() > 0  # others are drawn
    optimizer.tell([1])
    two = written_out(second / manner.smoothing, [1])
    np.testing.assert_allclose(optimizer.candidates[2], -0.5 * (one + two) / 2)
    optimizer.tell([3, 0])  # it moves, by the shorter step
    np.testing.assert_allclose(optimizer.point, -0.25 * (one + two) / 2)
    assert optimizer.moves == 1
    third = optimizer.candidates - optimizer.point
    optimizer.tell([0, 1])
    three = written_out(third / manner.smoothing, [0, 1])
    np.testing.assert_allclose(optimizer.candidates[2] - optimizer.point, -0.5 * three)


def test_what_is_no_ranking_and_no_manner_is_refused() -> None:
    optimizer = RankSGD(np.zeros(2), Manner(points=3), 0)
    for ranking in ([], [0, 0], [3], [-1], [0, 1, 2, 0]):
        with pytest.raises(UsageError, match="A ranking of 3 candidates"):
            optimizer.tell(ranking)
    assert optimizer.rounds == 0
    for manner in (
        Manner(points=1),
        Manner(steps=0),
        Manner(smoothing=0),
        Manner(step=float("nan")),
        Manner(shrink=1.0),
    ):
        with pytest.raises(UsageError, match=r"A ranking takes|have to be above 0"):
            RankSGD(np.zeros(2), manner, 0)


# the search


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    folder = tmp_path_factory.mktemp("models") / "sd"
    tiny_pipelines.save_sd(folder)
    settings = Settings(steps=2, size=tiny_pipelines.SIDE, device="cpu", guidance=3.0, batch=2)
    return Pipeline(str(folder), settings)


def redness(pictures: Sequence[Image.Image]) -> Array:
    means = np.array([np.asarray(one, float).mean(axis=(0, 1)) for one in pictures])
    found: Array = means[:, 0] - means[:, 2]
    return found


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_start_is_the_plain_image_and_the_score_rises(base: Pipeline, tmp_path: Path) -> None:
    plain = base.make([JOB])[0].image
    found = search(base, JOB, Scorer(redness), tmp_path / "a", FEW, 8)
    start, best = (Image.open(tmp_path / "a" / name) for name in ("start.png", "best.png"))
    np.testing.assert_array_equal(np.asarray(start), np.asarray(plain))
    before, after = redness([start, best])
    assert after > before + 3
    assert (found.rounds, found.waiting) == (8, None)
    assert 1 <= found.moves <= 4
    assert 0.9 < found.spread < 1.5
    # in a line search the first picture is the best so far
    first = np.asarray(Image.open(tmp_path / "a" / "round-002" / "1.png"), int)
    assert np.abs(first - np.asarray(plain, int)).max() <= 1  # of another batch
    assert len(list((tmp_path / "a" / "round-002").glob("*.png"))) == 4
    assert len(list((tmp_path / "a" / "round-001").glob("*.png"))) == 3


def test_it_goes_on_where_it_was_broken_off_and_more_rounds_may_be_asked(
    base: Pipeline, tmp_path: Path
) -> None:
    whole = search(base, JOB, Scorer(redness), tmp_path / "whole", FEW, 6)

    def dies(_: Sequence[Image.Image]) -> Array:
        raise KeyboardInterrupt

    search(base, JOB, Scorer(redness), tmp_path / "broken", FEW, 3)
    with pytest.raises(KeyboardInterrupt):
        search(base, JOB, Scorer(dies), tmp_path / "broken", FEW, 6)
    (tmp_path / "broken" / "round-004" / "2.png").unlink()
    again = search(base, JOB, Scorer(redness), tmp_path / "broken", FEW, 6)
    assert replace(again, best=whole.best) == whole
    assert files(tmp_path / "broken") == files(tmp_path / "whole")
    search(base, JOB, Scorer(redness), tmp_path / "other", FEW, 6, seed=1)
    assert (
        files(tmp_path / "other")["noise.safetensors"]
        != (files(tmp_path / "whole")["noise.safetensors"])
    )
    with pytest.raises(UsageError, match=r"another search \(its prompt differ\)"):
        search(base, Job("a dog", 3), Scorer(redness), tmp_path / "whole", FEW, 6)


def test_a_person_answers_in_files_and_comes_to_what_a_scorer_comes_to(
    base: Pipeline, tmp_path: Path
) -> None:
    """Somebody who looks at the redness, and writes down the best two."""
    out = tmp_path / "person"
    for number in range(1, 5):
        found = search(base, JOB, Person(), out, FEW, 4)
        assert found.waiting == out / f"round-{number:03d}"
        assert found.rounds == number - 1
        paths = sorted(found.waiting.glob("*.png"))
        order = np.argsort(-redness([Image.open(path) for path in paths]), kind="stable")
        text = ", ".join(paths[i].stem for i in order[:2])
        (found.waiting / "ranks.txt").write_text(f" {text}\n")
    done = search(base, JOB, Person(), out, FEW, 4)
    assert done.waiting is None

    class BestTwo(Scorer):
        def rank(self, pictures: Sequence[Image.Image]) -> Sequence[int]:
            return super().rank(pictures)[:2]

    # an answer changed afterwards would give its successors' pictures another meaning
    first = out / "round-001" / "ranks.txt"
    before = first.read_text()
    first.write_text("3 2 1" if before.strip() != "3, 2, 1" else "1 2 3")
    with pytest.raises(UsageError, match="round-002 follow from other answers than there are now"):
        search(base, JOB, Person(), out, FEW, 4)
    first.write_text(before.replace(",", "\n"))  # the same, written otherwise
    assert search(base, JOB, Person(), out, FEW, 4) == done
    search(base, JOB, BestTwo(redness), tmp_path / "scorer", FEW, 4)
    assert files(out)["noise.safetensors"] == files(tmp_path / "scorer")["noise.safetensors"]
    assert json.loads((out / "search.json").read_text())["oracle"] == {"judge": "person"}


def test_answers_that_are_none_are_refused_and_an_empty_one_is_waited_for(tmp_path: Path) -> None:
    assert answer_in(tmp_path, 3) is None
    for text in ("1 1", "0", "4", "one", "1.5", "\x00", "9" * 6000):
        (tmp_path / "ranks.txt").write_text(text)
        with pytest.raises(UsageError, match=r"ranks\.txt .*numbers from 1 to 3, best first"):
            answer_in(tmp_path, 3)
    (tmp_path / "ranks.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="holds no numbers"):
        answer_in(tmp_path, 3)
    (tmp_path / "ranks.txt").write_text(" \n")
    assert answer_in(tmp_path, 3) is None
    (tmp_path / "ranks.txt").write_text("3;1")
    assert answer_in(tmp_path, 3) == [2, 0]


def test_as_a_generator_it_searches_every_image(base: Pipeline) -> None:
    model = RankSearched(base, Scorer(redness, {"judge": "red"}), FEW, 4)
    jobs = [JOB, Job("a dog", 4)]
    made, plain = ([one.image for one in m.make(jobs)] for m in (model, base))
    assert all(image is not None for image in made)
    rise = redness([i for i in made if i]) - redness([i for i in plain if i])
    assert (rise >= -0.5).all()  # of another batch
    assert rise.max() > 1
    again = [np.asarray(one.image) for one in model.make(jobs)]
    np.testing.assert_array_equal(again, [np.asarray(image) for image in made])
    assert model.record()["ranksgd"]["oracle"] == {"judge": "red"}
    assert len({replace(model, rounds=n).digest for n in (4, 5)} | {base.digest}) == 3


def test_what_cannot_be_searched_is_refused(
    base: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_pipelines.save_flux(tmp_path / "flux")
    flux = Pipeline(str(tmp_path / "flux"), Settings(device="cpu"))
    with pytest.raises(UsageError, match="flux is a FluxPipeline, whose noise cannot be searched"):
        RankSearched(flux, Person())
    with pytest.raises(UsageError, match="asks 1 question or more"):
        search(base, JOB, Person(), tmp_path / "a", FEW, 0)
    with pytest.raises(UsageError, match="answers at once"):
        RankSearched(base, Person(), FEW, 1).make([JOB])
    with pytest.raises(UsageError, match="scores that are no numbers"):
        RankSearched(base, Scorer(lambda x: np.full(len(x), np.nan)), FEW, 1).make([JOB])

    def black(_: Pipeline, jobs: Sequence[Job], __: Any = None) -> list[Made]:
        return [Made(None, "withheld by the safety checker")] * len(jobs)

    monkeypatch.setattr(Pipeline, "make", black)
    with pytest.raises(FinexlError, match="cannot be ranked: withheld by the safety checker"):
        search(base, JOB, Person(), tmp_path / "b", FEW, 1)


@pytest.mark.parametrize("family", ["sdxl", "sd3"])
def test_other_families_start_from_the_seeds_own_noise(tmp_path: Path, family: str) -> None:
    tiny_pipelines.FAMILIES[family](tmp_path / family)
    settings = Settings(steps=1, size=tiny_pipelines.SIDE, device="cpu")
    model = Pipeline(str(tmp_path / family), settings)
    plain = model.make([JOB])[0].image
    own = model.make([JOB], model.noise(JOB.seed))[0].image
    np.testing.assert_array_equal(np.asarray(own), np.asarray(plain))
    other = model.make([JOB], model.noise(JOB.seed + 1))[0].image
    assert np.abs(np.asarray(other, float) - np.asarray(plain, float)).mean() > 1


# the scorer


def test_similarity_is_the_mean_cosine_with_what_is_liked_less_disliked() -> None:
    encoder = FakeEncoder()
    rng = np.random.default_rng(0)
    pictures = [Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)) for _ in range(3)]
    taste = Taste((("soft", 1.0), ("ink", 3.0), ("unheard", 0.0)), (("loud", 0.5),))
    x = encoder.embed_images(pictures).astype(float)

    def cosines(text: str) -> Array:
        t = encoder.embed_texts([text]).astype(float)[0]
        found: Array = x @ t / np.linalg.norm(x, axis=1) / np.linalg.norm(t)
        return found

    wanted = (cosines("soft") + 3 * cosines("ink")) / 4 - cosines("loud")
    np.testing.assert_allclose(similarity_to(taste, encoder).scores(pictures), wanted, atol=1e-6)
    only = similarity_to(Taste((("soft", 2.0),)), encoder).scores(pictures)
    np.testing.assert_allclose(only, cosines("soft"), atol=1e-6)
    with pytest.raises(UsageError, match="names nothing liked or disliked"):
        similarity_to(Taste((("soft", 0.0),)), encoder)
