"""M without training: closed forms, symmetries, calibration on planted people, ugly examples."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from fake_encoder import FakeEncoder
from finexl.errors import UsageError
from finexl.viper.proxy import Prior, Proxy, Rating, calibration
from finexl.viper.proxy import reference as module
from finexl.viper.proxy.posterior import fit, moderated, quantile
from finexl.viper.proxy.proxy import MOST
from finexl.viper.proxy.reference import Reference, built_in
from finexl.viper.proxy.sight import HALF_WAY, centre_of, rows_of, wanted_of
from finexl.viper.taste import Taste

Array = NDArray[np.float64]
D = FakeEncoder.dim
NOWHERE = np.zeros(D)
PLAIN = Reference(np.concatenate([np.eye(D), -np.eye(D)]))
"""Its mean is 0, and all directions weigh alike."""
TASTE = Taste((("vivid", 1.0), ("grainy", 0.4)), (("gloomy", 0.7),))
EMPTY: Array = np.zeros((0, D))


def rows(n: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=(n, D))


def chances(proxy: Proxy, asked: Array) -> Array:
    return np.array([one.probability for one in proxy.rate(asked)])


def proxy_of(liked: Array, disliked: Array, taste: Taste | None = None, **more: Prior) -> Proxy:
    return Proxy.fit(liked, disliked, taste, FakeEncoder(), reference=PLAIN, **more)


# the posterior


def by_weights(
    features: Array, liked: NDArray[np.bool_], mean: Array, variances: Array
) -> tuple[Array, Array]:
    """Mode and Laplace covariance of the coefficients themselves, by a general optimizer."""
    sign = np.where(liked, 1.0, -1.0)

    def height(w: Array) -> float:
        return float(
            -log_expit(sign * (features @ w)).sum() + ((w - mean) ** 2 / variances).sum() / 2
        )

    def slope(w: Array) -> Array:
        found: Array = -features.T @ (sign * expit(-sign * (features @ w))) + (w - mean) / variances
        return found

    mode = minimize(height, mean, jac=slope, method="BFGS", options={"gtol": 1e-9}).x
    p = expit(features @ mode)
    hessian = (features.T * (p * (1 - p))) @ features + np.diag(1 / variances)
    return mode, np.linalg.inv(hessian)


@pytest.mark.parametrize("n", [1, 6, 40])
def test_the_posterior_is_that_of_the_coefficients_found_by_a_general_optimizer(n: int) -> None:
    rng = np.random.default_rng(n)
    features, asked = rng.normal(size=(n, 4)), rng.normal(size=(5, 4))
    liked = rng.random(n) < 0.6
    sign = np.where(liked, 1.0, -1.0)
    mean, variances = rng.normal(size=4), np.array([0.3, 2.0, 9.0, 25.0])
    mode, covariance = by_weights(features, liked, mean, variances)
    scaled = features * variances
    posterior = fit(features @ mean, scaled @ features.T, liked)
    found, variance = posterior.at(
        asked @ mean, asked @ scaled.T, np.einsum("ij,j,ij->i", asked, variances, asked)
    )
    assert found == pytest.approx(asked @ mode, abs=1e-5)
    assert variance == pytest.approx(np.einsum("ij,jk,ik->i", asked, covariance, asked), rel=1e-4)
    evidence = (
        log_expit(sign * (features @ mode)).sum()
        - ((mode - mean) ** 2 / variances).sum() / 2
        + np.log(np.linalg.det(covariance) / variances.prod()) / 2
    )
    assert posterior.evidence == pytest.approx(evidence, rel=1e-6)


def test_a_strong_prior_and_separated_examples_are_still_fitted() -> None:
    features = np.array([[1.0], [-1.0]])
    posterior = fit(np.array([-30.0, 30.0]), 1e4 * features @ features.T, np.array([True, False]))
    (found, _), (mode, _) = (
        posterior.at(np.array([-30.0]), 1e4 * features.T, np.array([1e4])),
        by_weights(features, np.array([True, False]), np.array([-30.0]), np.array([1e4])),
    )
    assert found == pytest.approx(mode, abs=1e-4)


def test_moderation_is_the_mean_of_the_probability_over_what_f_may_be() -> None:
    for mean, variance in ((0.0, 4.0), (1.0, 0.0), (2.0, 1.0), (-3.0, 9.0)):
        spread = max(np.sqrt(variance), 1e-6)
        exact, _ = quad(
            lambda z, m=mean, s=spread: expit(m + s * z) * np.exp(-z * z / 2) / np.sqrt(2 * np.pi),
            -8,
            8,
        )
        assert moderated(np.array([mean]), np.array([variance]))[0] == pytest.approx(
            exact, abs=0.02
        )


# symmetries


def test_the_order_of_examples_is_of_no_account() -> None:
    liked, disliked, asked = rows(7), rows(5, 1), rows(9, 2)
    found = chances(proxy_of(liked[::-1], np.roll(disliked, 2, 0), TASTE), asked)
    assert found == pytest.approx(chances(proxy_of(liked, disliked, TASTE), asked), abs=1e-7)


def test_swapped_sides_swap_the_answer() -> None:
    liked, disliked, asked = rows(7), rows(5, 1), rows(9, 2)
    against = Taste(TASTE.disliked, TASTE.liked)
    one = proxy_of(liked, disliked, TASTE).rate(asked)
    other = proxy_of(disliked, liked, against).rate(asked)
    for a, b in zip(one, other, strict=True):
        assert a.low is not None
        assert b.high is not None
        assert (a.probability, a.low) == pytest.approx((1 - b.probability, 1 - b.high), abs=1e-7)


def test_an_encoder_of_another_scale_says_the_same() -> None:
    liked, disliked, asked = rows(7), rows(5, 1), rows(9, 2)
    large = chances(proxy_of(1000 * liked, 1000 * disliked, TASTE), 1000 * asked)
    assert large == pytest.approx(chances(proxy_of(liked, disliked, TASTE), asked), abs=1e-7)


def test_a_picture_given_twice_counts_for_more_than_once() -> None:
    liked, disliked = rows(3), rows(3, 1)
    once = chances(proxy_of(liked, disliked), liked[:1])
    twice = chances(proxy_of(np.concatenate([liked, liked[:1]]), disliked), liked[:1])
    assert twice > once


# what is known


def test_without_examples_and_preferences_it_is_one_half_and_not_known() -> None:
    for rating in proxy_of(EMPTY, EMPTY).rate(rows(5)):
        assert rating.probability == 0.5
        assert not rating.known
        assert rating.says == "not known"
        assert rating.low is not None
        assert rating.high is not None
        assert rating.low < 0.05
        assert rating.high > 0.95
    assert not proxy_of(EMPTY, EMPTY, Taste((("vivid", 0.0),))).known


def test_before_any_example_f_is_what_the_prior_says() -> None:
    prior = Prior((2.0, 5.0), offset=0.5, trust=3.0, doubt=1.5, believed=0.1)
    proxy = proxy_of(EMPTY, EMPTY, TASTE, prior=prior)
    features = proxy.sight.features(rows(4))
    means, variances = proxy.taste(features)
    along = features[:, 0]
    assert np.abs(along).max() > 0.1
    assert means == pytest.approx(np.tile(3.0 * along, (2, 1)))
    for spread, found in zip((2.0, 5.0), variances, strict=True):
        assert found == pytest.approx(0.1 * (0.5**2 + 1.5**2 * along**2 + spread**2))
    assert proxy.weights == pytest.approx([0.5, 0.5])


def test_preferences_alone_order_pictures_by_how_well_they_point_their_way() -> None:
    encoder = FakeEncoder()
    wanted = wanted_of(TASTE, encoder)
    assert wanted is not None
    along = np.linalg.pinv(wanted.matrix) @ wanted.direction
    across = rows(1)[0]
    asked = np.array([along + t * across for t in (0.0, 0.1, 0.4)])
    cosines = wanted.along(asked)
    found = chances(proxy_of(EMPTY, EMPTY, TASTE), asked)
    assert list(np.argsort(found)) == list(np.argsort(cosines))
    opposite = chances(proxy_of(EMPTY, EMPTY, TASTE), -asked)
    assert found[0] > 0.7
    assert opposite == pytest.approx(1 - found, abs=1e-12)


def test_what_is_wanted_is_the_confident_sum_of_unit_concept_vectors() -> None:
    from finexl.viper.attributes import measure_of, vectors_of

    encoder = FakeEncoder()
    measure = measure_of(encoder)
    texts = ["vivid", "grainy", "gloomy"]
    vectors = measure.inside(vectors_of(encoder, texts).vectors)
    units = [vector / np.linalg.norm(vector) for vector in vectors]
    total = units[0] + 0.4 * units[1] - 0.7 * units[2]
    wanted = wanted_of(TASTE, encoder)
    assert wanted is not None
    assert wanted.direction == pytest.approx(total / np.linalg.norm(total))
    assert wanted_of(Taste((("vivid", 1.0),), (("vivid", 1.0),)), encoder) is None


def test_examples_outweigh_preferences_that_they_contradict() -> None:
    wanted = wanted_of(TASTE, FakeEncoder())
    assert wanted is not None
    along = np.linalg.pinv(wanted.matrix) @ wanted.direction
    against = along + 0.05 * rows(30)
    words = chances(proxy_of(EMPTY, EMPTY, TASTE), along[None])
    few = chances(proxy_of(EMPTY, against[:1], TASTE), along[None])
    many = chances(proxy_of(-against[:15], against[15:], TASTE), along[None])
    assert words[0] > few[0] > many[0]
    assert many[0] < 0.2


def test_more_examples_leave_less_open() -> None:
    taste = rows(1, 9)[0]
    pictures = rows(400, 3)
    liked = pictures @ taste > 0
    widths, log_losses = [], []
    for n in (4, 20, 100):
        seen, asked = slice(0, n), slice(200, 400)
        proxy = proxy_of(
            pictures[seen][liked[seen]], pictures[seen][~liked[seen]], prior=Prior(spreads=(4.0,))
        )
        widths.append(proxy.taste(proxy.sight.features(pictures[asked]))[1].mean())
        log_losses.append(calibration(chances(proxy, pictures[asked]), liked[asked]).log_loss)
    assert widths[0] > widths[1] > widths[2]
    assert log_losses[0] > log_losses[1] > log_losses[2]


# calibration


def test_people_drawn_from_the_prior_are_rated_as_they_are() -> None:
    """What is said comes true as often as said, and intervals hold it as often as they say."""
    prior = Prior((3.0,), offset=0.5, trust=0.0, doubt=1.0, believed=1.0)
    rng = np.random.default_rng(0)
    said, true, held = [], [], []
    for _ in range(300):
        pictures = rng.normal(size=(40, D))
        units = pictures / np.linalg.norm(pictures, axis=1, keepdims=True)
        f = prior.offset * rng.normal() + units @ (3.0 * rng.normal(size=D))
        liked = rng.random(40) < expit(f)
        seen, asked = slice(0, 16), slice(16, 40)
        proxy = proxy_of(pictures[seen][liked[seen]], pictures[seen][~liked[seen]], prior=prior)
        for rating, chance, was in zip(proxy.rate(pictures[asked]), expit(f[asked]), liked[asked],
                                       strict=True):  # fmt: skip
            assert rating.low is not None
            assert rating.high is not None
            said.append(rating.probability)
            true.append(was)
            held.append(rating.low <= chance <= rating.high)
    found = calibration(np.array(said), np.array(true))
    assert found.error < 0.05
    assert found.log_loss < 0.63
    assert 0.9 < np.mean(held) < 0.99


def test_somebody_whom_nothing_predicts_is_given_no_certain_answers() -> None:
    """Both like half of the pictures; only one of them by a direction."""
    pictures = rows(240, 3)
    by_direction = pictures @ rows(1, 9)[0] > 0
    by_chance = np.random.default_rng(4).random(240) < 0.5
    losses, spreads = [], []
    for liked in (by_direction, by_chance):
        proxy = proxy_of(pictures[:40][liked[:40]], pictures[:40][~liked[:40]])
        losses.append(calibration(chances(proxy, pictures[40:]), liked[40:]).log_loss)
        spreads.append(proxy.weights @ np.log(proxy.prior.spreads))
    assert losses[0] < 0.4
    assert losses[1] < 0.75
    assert spreads[0] > spreads[1] + 1


def test_quantiles_of_a_mixture() -> None:
    from scipy.stats import norm

    weights, means, sds = np.array([0.3, 0.7]), np.array([[0.0, 1.0], [4.0, 1.0]]), 2.0
    found = quantile(weights, means, np.full((2, 2), sds**2), 0.1)
    assert weights @ norm.cdf((found - means) / sds) == pytest.approx([0.1, 0.1])
    assert found[1] == pytest.approx(1 + sds * norm.ppf(0.1))
    assert quantile(np.ones(1), np.array([[2.5]]), np.zeros((1, 1)), 0.9) == pytest.approx([2.5])


def test_calibration_in_closed_form() -> None:
    half = calibration(np.full(4, 0.5), np.array([True, False, True, False]))
    assert (half.brier, half.log_loss, half.error) == pytest.approx((0.25, np.log(2), 0.0))
    sure = calibration(np.array([1.0, 0.0]), np.array([True, False]))
    assert (sure.brier, sure.log_loss, sure.error) == (0.0, 0.0, 0.0)
    # of those told 0.9 half came true, of those told 0.25 one in four
    told = np.repeat([0.9, 0.25], [2, 4])
    was = np.array([True, False, True, False, False, False])
    found = calibration(told, was)
    assert found.error == pytest.approx((2 * 0.4 + 4 * 0.0) / 6)
    assert found.brier == pytest.approx((0.01 + 0.81 + 0.5625 + 3 * 0.0625) / 6)
    low, high = (one for one in found.bins if one.n)
    assert (low.n, low.said, low.was) == pytest.approx((4, 0.25, 0.25))
    assert (high.n, high.said, high.was) == pytest.approx((2, 0.9, 0.5))
    assert found.bins[0].said is None


@pytest.mark.parametrize(
    ("said", "true"), [([], []), ([0.5], [True, False]), ([1.5], [True]), ([np.nan], [True])]
)
def test_what_are_no_probabilities_are_not_compared(said: list[float], true: list[bool]) -> None:
    with pytest.raises(ValueError, match=r"probabilit"):
        calibration(np.array(said), np.array(true, bool))


# ugly examples


@pytest.mark.parametrize("side", [0, 1])
def test_examples_of_one_side_alone_say_something_of_pictures_like_them(side: int) -> None:
    given = rows(1)[0] + 0.3 * rows(8, 1)
    sides = (given, EMPTY) if side == 0 else (EMPTY, given)
    proxy = proxy_of(*sides)
    alike, opposite = chances(proxy, np.array([given.mean(0), -given.mean(0)]))
    if side == 1:
        alike, opposite = 1 - alike, 1 - opposite
    assert alike > 0.7
    assert opposite < 0.6
    (note,) = proxy.notes
    assert note.startswith(f"Only {('liked', 'disliked')[side]} pictures")
    # who shows one side alone may like nearly everything, or nothing
    assert all("may" in one.says for one in proxy.rate(np.array([given.mean(0), -given.mean(0)])))
    assert proxy_of(EMPTY, EMPTY).notes == ()


def test_identical_pictures_on_both_sides_say_nothing() -> None:
    same = np.tile(rows(1), (6, 1))
    found = proxy_of(same, same).rate(np.concatenate([same[:1], rows(3, 1)]))
    assert [one.probability for one in found] == pytest.approx([0.5] * 4)
    assert {one.says for one in found} == {"undecided"}
    assert proxy_of(same, rows(3, 1)).notes == ()
    (note,) = proxy_of(np.concatenate([same, rows(2, 5)]), same).notes
    assert note.startswith("Of the pictures 1 stand on both sides")


def test_a_picture_in_the_very_centre_has_no_direction() -> None:
    liked, disliked = rows(3), rows(3, 1)
    proxy = Proxy.fit(liked, disliked, TASTE, FakeEncoder(), reference=PLAIN)
    (rating,) = proxy.rate(proxy.sight.centre[None])
    assert 0.3 < rating.probability < 0.7


def test_a_thousand_examples_are_learned_from() -> None:
    taste, pictures = rows(1, 9)[0], rows(1200, 3)
    liked = pictures @ taste > 0
    proxy = proxy_of(pictures[:1000][liked[:1000]], pictures[:1000][~liked[:1000]])
    right = (chances(proxy, pictures[1000:]) > 0.5) == liked[1000:]
    assert right.mean() > 0.95


def test_more_examples_than_memory_holds_are_refused() -> None:
    with pytest.raises(UsageError, match=r"4,001 examples"):
        proxy_of(rows(MOST), rows(1))


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_rows_that_are_no_numbers_are_refused(wrong: float) -> None:
    bad = rows(2)
    bad[1, 3] = wrong
    for sides in ((bad, EMPTY), (EMPTY, bad)):
        with pytest.raises(UsageError, match=r"NaN"):
            proxy_of(*sides)
    with pytest.raises(UsageError, match=r"NaN"):
        proxy_of(rows(2), EMPTY).rate(bad)


def test_rows_of_another_encoder_are_refused() -> None:
    with pytest.raises(UsageError, match=r"8 numbers"):
        proxy_of(np.zeros((2, D + 1)), EMPTY)
    with pytest.raises(UsageError, match=r"8 numbers"):
        proxy_of(np.zeros(D), EMPTY)


def test_pictures_are_rated_as_their_rows_are() -> None:
    encoder = FakeEncoder()
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8)) for _ in range(6)]
    made = rows_of(encoder, images)
    reference = Reference(made)
    by_images = Proxy.fit(images[:2], images[2:4], None, encoder, reference=reference).rate(images)
    by_rows = Proxy.fit(made[:2], made[2:4], None, encoder, reference=reference).rate(made)
    assert by_images == by_rows
    assert Proxy.fit([], [], None, encoder, reference=reference).rate([]) == ()


def test_the_centre_moves_between_both_sides_as_they_grow() -> None:
    liked, disliked = np.ones((HALF_WAY // 2, D)), 3 * np.ones((9, D))
    assert centre_of([liked, disliked], NOWHERE) == pytest.approx(np.ones(D))
    assert centre_of([liked, EMPTY], NOWHERE) == pytest.approx(NOWHERE)


def test_how_pictures_differ_counts_for_less() -> None:
    """By their covariance, which is diag(9, 1, 0), and the mean of it."""
    corners = np.array([[3, 1], [3, -1], [-3, 1], [-3, -1]]) * np.sqrt(3 / 4)
    reference = Reference(np.column_stack([corners, np.zeros(4)]) + 7.0)
    assert reference.mean == pytest.approx([7.0, 7.0, 7.0])
    assert reference.whitening == pytest.approx(
        np.diag((np.array([9.0, 1.0, 0.0]) + 10 / 3) ** -0.5)
    )
    few = Reference(np.random.default_rng(0).normal(size=(3, 40)))
    assert np.linalg.eigvalsh(few.whitening)[-1] == pytest.approx(
        (np.trace(np.cov(few.rows.T)) / 2) ** -0.5
    )
    assert np.isfinite(Reference(np.ones((3, 4))).whitening).all()


def test_the_built_in_set_is_looked_at_once_until_it_is_drawn_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoder, mean = FakeEncoder("of one test"), np.zeros(D)
    made = [Image.new("RGB", (4, 4), (40 * number, 9, 9)) for number in range(5)]
    monkeypatch.setattr(module, "recipes", lambda: made)
    monkeypatch.setattr(module, "draw", lambda number, _: made[number])
    monkeypatch.setattr(module, "built_in_mean", lambda *_: mean)
    first = built_in(encoder)
    assert first.rows == pytest.approx(FakeEncoder().embed_images(made))
    assert built_in(encoder).rows == pytest.approx(first.rows)
    assert encoder.pictures == 5
    mean += 1
    built_in(encoder)
    assert encoder.pictures == 10


def test_a_rating_says_how_sure_it_is() -> None:
    assert Rating(0.9, 0.6, 0.99).says == "likes"
    assert Rating(0.9, 0.4, 0.99).says == "may like"
    assert Rating(0.1, 0.01, 0.4).says == "dislikes"
    assert Rating(0.3).says == "dislikes"
    assert Rating(0.502, 0.1, 0.9).says == "undecided"
    assert Rating(0.9, 0.6, 0.99).to_dict()["ci"] == [0.6, 0.99]
    assert Rating(0.9).to_dict()["ci"] is None
    for wrong in ((1.2, None, None), (0.5, 0.6, 0.7), (float("nan"), None, None)):
        with pytest.raises(UsageError, match=r"rating"):
            Rating(*wrong)
