"""What is learned when, where over-training sets in, which strengths are usable: planted truth."""

from __future__ import annotations

import numpy as np
import pytest

from finexl.core.lengths import means
from finexl.core.series import flat_from, half_at, learned_at, onset, usable

AT = np.array([100.0, 200.0, 400.0, 800.0])


def replicates(values: list[float], n: int = 24, noise: float = 0.01, seed: int = 0) -> np.ndarray:
    """Numbers of as many points, known from n prompts each."""
    rng = np.random.default_rng([seed, len(values)])
    scatter = rng.standard_normal((len(values), n)) * noise
    return np.array([means(value + of) for value, of in zip(values, scatter, strict=True)])


def test_an_aspect_is_learned_where_it_is_first_significant_the_way_it_ends() -> None:
    values = np.array([[-0.3, 0.1, 0.0], [0.2, 0.2, 0.1], [0.5, 0.4, 0.0]])
    q = np.array([[0.01, 0.2, 0.5], [0.04, 0.05, 0.9], [0.001, 0.001, 0.5]])
    assert learned_at(values, q) == [1, 1, None]
    assert learned_at(values, None) == [None] * 3


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_half_of_the_end_is_found_between_the_steps(sign: float) -> None:
    rng = np.random.default_rng(0)
    flat_noise = np.zeros((4, 10))
    # 0 at 0, 0.1 at 100, 0.3 at 200, 0.6 at 400, 0.8 at 800: 0.4 is reached at 266.67
    moved = sign * (np.array([0.1, 0.3, 0.6, 0.8])[:, None] + flat_noise)
    assert half_at(AT, moved, rng) == pytest.approx((800 / 3,) * 3)
    at_once = sign * (np.array([0.8, 0.8, 0.8, 0.8])[:, None] + flat_noise)
    assert half_at(AT, at_once, rng)[0] == pytest.approx(50)


def test_the_interval_of_the_half_holds_the_true_place() -> None:
    truth, held = np.array([0.1, 0.3, 0.6, 0.8]), 0
    for seed in range(100):
        rng = np.random.default_rng([1, seed])
        _, low, high = half_at(AT, truth[:, None] + rng.standard_normal((4, 20)) * 0.3, rng)
        held += low <= 800 / 3 <= high
    assert held >= 88


def test_effects_are_flat_only_where_it_is_certain() -> None:
    assert flat_from(replicates([0.2, 0.5, 0.8, 0.8])) == 2
    assert flat_from(replicates([0.2, 0.5, 0.8, 0.8], noise=1.0)) is None
    assert flat_from(replicates([0.9, 0.9, 0.8, 0.8])) == 0  # past their peak
    # a dip later on: they are not flat from the first point on
    assert flat_from(replicates([0.8, 0.8, 0.4, 0.8, 0.8])) == 3


def test_over_training_sets_in_where_aspects_are_flat_and_something_else_goes_on() -> None:
    strength = replicates([0.2, 0.8, 0.8, 0.8])
    growing, steady = replicates([0.3, 0.5, 0.7, 1.0]), replicates([0.3, 0.5, 0.5, 0.5])
    found = onset(strength, growing, None)
    assert found is not None
    assert (found.index, found.grows, found.falls, found.lost) == (1, True, False, None)
    assert found.beside.value == pytest.approx(1.0, abs=0.05)
    assert onset(strength, steady, None) is None
    falling, kept = replicates([1.0, 0.95, 0.9, 0.7]), replicates([1.0, 0.95, 0.95, 0.95])
    found = onset(strength, steady, falling)
    assert found is not None
    assert (found.index, found.grows, found.falls) == (1, False, True)
    assert found.lost is not None
    assert found.lost.value == pytest.approx(-0.25, abs=0.02)
    assert onset(strength, steady, kept) is None
    # what still grows is no over-training, whatever else does
    assert onset(replicates([0.2, 0.4, 0.6, 0.8]), growing, falling) is None


def test_noise_is_seldom_taken_for_over_training() -> None:
    found = 0
    for seed in range(100):
        numbers = [replicates([1.0] * 4, noise=0.3, n=12, seed=3 * seed + i) for i in range(3)]
        found += onset(*numbers) is not None
    assert found <= 10


def test_many_checkpoints_make_no_more_false_alarms() -> None:
    found = 0
    for seed in range(100):
        strength, beside, kept = (
            replicates([1.0] * 20, noise=noise, n=12, seed=3 * seed + i)
            for i, noise in enumerate((0.05, 0.05, 0.3))
        )
        found += onset(strength, beside, kept) is not None
    assert found <= 8  # 2.5 are expected; asking every checkpoint, 22 were found


def test_strengths_are_usable_from_the_first_that_shows_to_the_last_unharmed() -> None:
    shows = [False, True, True, True]
    kept = replicates([1.0, 0.99, 0.95, 0.7])
    assert usable(shows, None, kept).last == 2
    found = usable(shows, None, kept)
    assert (found.first, found.last, found.damaged, found.jumped) == (1, 2, 3, None)
    assert usable(shows, None, kept, tolerance=0.5).last == 3
    assert usable(shows, None, kept, tolerance=0.01).last == 1
    jumps = replicates([0.9, 0.4, 0.45, 0.8])  # the first does not show, and counts for nothing
    found = usable(shows, jumps, kept)
    assert (found.last, found.jumped, found.empty) == (2, 3, False)


def test_what_cannot_be_told_is_none() -> None:
    kept = replicates([1.0, 0.5, 0.4])
    assert usable([None] * 3, kept, kept).first is None
    assert usable([False] * 3, kept, kept).first is None
    steady = replicates([0.5, 0.5, 0.5])
    found = usable([True] * 3, steady, None)
    assert (found.first, found.last, found.empty) == (0, None, False)
    assert usable([True] * 3, replicates([0.3, 0.3, 0.8]), None).last == 1
    # the smallest that shows is damaged already
    found = usable([False, True, True], None, kept)
    assert found.empty
    assert found.damaged == 1


def test_a_loss_within_the_noise_is_no_damage() -> None:
    damaged = 0
    for seed in range(100):
        kept = replicates([0.95, 0.95, 0.95], noise=0.3, n=12, seed=seed)
        damaged += usable([True] * 3, None, kept).damaged is not None
    assert damaged <= 5


def test_many_strengths_make_no_more_false_damage() -> None:
    damaged = jumped = 0
    for seed in range(100):
        kept = replicates([0.9] * 10, noise=0.3, n=12, seed=seed)  # no more lost than may be
        share = replicates([0.4] + [0.5] * 9, noise=0.1, n=12, seed=seed)
        found = usable([True] * 10, share, kept)
        damaged += found.damaged is not None
        jumped += found.jumped is not None
    assert damaged <= 8  # 2.5 are expected; each on its own, 24 and 12 were found
    assert jumped <= 8
