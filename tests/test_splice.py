"""Sparse non-negative codes against coordinate descent, NNLS and the conditions of the least."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import optimize

from fake_encoder import FakeEncoder
from finexl.bench.baselines.splice import Splice, centred
from finexl.bench.methods import Case
from finexl.core import sparse_codes
from finexl.core.orthogonality import unit_rows
from finexl.core.sparse_codes import duality_gaps, nonnegative_codes
from finexl.errors import FinexlError
from finexl.imageset import images_from
from finexl.measure import Measure

Array = NDArray[np.float64]
SHAPES = ((1, 5, 3), (7, 20, 30), (30, 60, 12), (12, 400, 20), (3, 700, 9))
PENALTIES = (0.01, 0.05, 0.2)


def problem(n: int, m: int, d: int, seed: int = 0) -> tuple[Array, Array]:
    """Words that are alike, as those of an encoder are, and pictures made of a few of them."""
    rng = np.random.default_rng([seed, n, m, d])
    C = unit_rows(rng.normal(size=(m, d)) * (1 + np.arange(d)) ** -0.5)
    W = rng.exponential(size=(n, m)) * (rng.random((n, m)) < 3 / m)
    return unit_rows(W @ C + 0.3 * rng.normal(size=(n, d))), C


def objective(w: Array, Z: Array, C: Array, penalty: float) -> Array:
    found: Array = 0.5 * ((Z - w @ C) ** 2).sum(axis=1) + penalty * w.sum(axis=1)
    return found


def by_coordinates(z: Array, C: Array, penalty: float, sweeps: int = 20_000) -> Array:
    """The textbook's cyclic coordinate descent, one row."""
    G, b = C @ C.T, C @ z - penalty
    w = np.zeros(len(C))
    for _ in range(sweeps):
        before = w.copy()
        for j in range(len(C)):
            w[j] = max(0.0, w[j] + (b[j] - G[j] @ w) / G[j, j])
        if np.abs(w - before).max() < 1e-13:
            break
    return w


def by_scipy(z: Array, C: Array, penalty: float) -> Array:
    """The same problem as NNLS: w C against z + c where C c = −λ, for independent words."""
    moved = z + np.linalg.lstsq(C, np.full(len(C), -penalty), rcond=None)[0]
    found: Array = optimize.nnls(C.T, moved)[0]
    return found


@pytest.mark.parametrize("penalty", PENALTIES)
def test_agrees_with_coordinate_descent(penalty: float) -> None:
    Z, C = problem(6, 25, 30)
    expected = np.array([by_coordinates(z, C, penalty) for z in Z])
    np.testing.assert_allclose(nonnegative_codes(Z, C, penalty), expected, atol=1e-7)


@pytest.mark.parametrize("penalty", PENALTIES)
def test_agrees_with_scipy_where_words_are_independent(penalty: float) -> None:
    Z, C = problem(20, 15, 40)
    expected = np.array([by_scipy(z, C, penalty) for z in Z])
    np.testing.assert_allclose(nonnegative_codes(Z, C, penalty), expected, atol=1e-7)


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("shape", SHAPES)
def test_meets_the_conditions_of_the_least(shape: tuple[int, int, int], penalty: float) -> None:
    Z, C = problem(*shape)
    w = nonnegative_codes(Z, C, penalty, gap=1e-10)
    slope = (Z - w @ C) @ C.T - penalty
    assert (w >= 0).all()
    assert w.any()
    assert slope.max() < 1e-6
    assert np.abs(slope[w > 0]).max() < 1e-6


@pytest.mark.parametrize("together", [True, False])
def test_both_ways_to_form_products_agree(together: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    Z, C = problem(25, 90, 15)
    expected = objective(nonnegative_codes(Z, C, 0.05), Z, C, 0.05)
    monkeypatch.setattr(sparse_codes, "TOGETHER", 1e9 if together else 0.0)
    found = objective(nonnegative_codes(Z, C, 0.05), Z, C, 0.05)
    np.testing.assert_allclose(found, expected, rtol=1e-7)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_gap_is_a_certificate(shape: tuple[int, int, int]) -> None:
    Z, C = problem(*shape)
    least = objective(nonnegative_codes(Z, C, 0.05, gap=1e-10), Z, C, 0.05)
    half = 0.5 * (Z**2).sum(axis=1)
    assert duality_gaps(nonnegative_codes(Z, C, 0.05), Z, C, 0.05).max() <= sparse_codes.GAP
    rng = np.random.default_rng(0)
    loose = 0
    for scale in (1e-3, 1e-1, 1.0):
        w = np.maximum(nonnegative_codes(Z, C, 0.05) + scale * rng.normal(size=(len(Z), len(C))), 0)
        above = objective(w, Z, C, 0.05) - least
        gaps = duality_gaps(w, Z, C, 0.05) * half
        assert (above <= gaps + 1e-9).all()
        loose += int((gaps > 1e-4).sum())
    assert loose > 0


def test_a_gap_below_rounding_is_refused() -> None:
    Z, C = problem(12, 40, 20)
    with pytest.raises(FinexlError, match="did not come within a gap"):
        nonnegative_codes(Z, C, 0.05, gap=-1.0)


@pytest.mark.parametrize("penalty", [0.0, -1.0, float("nan")])
def test_without_a_penalty_there_is_no_sparse_code(penalty: float) -> None:
    with pytest.raises(FinexlError, match="above 0"):
        nonnegative_codes(np.ones((1, 2)), np.eye(2), penalty)


def test_closed_forms() -> None:
    Z = np.array([[2.0, 0.3, -1.0], [0.1, 0.1, 0.1], [0.0, 0.0, 0.0]])
    expected = [[1.5, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    np.testing.assert_allclose(nonnegative_codes(Z, np.eye(3), 0.5), expected)
    # a word of length 2 needs half the weight, and pays half the penalty
    np.testing.assert_allclose(nonnegative_codes(Z, 2 * np.eye(3), 0.5)[0, 0], 0.875)
    assert nonnegative_codes(Z, np.zeros((0, 3)), 0.5).shape == (3, 0)
    assert nonnegative_codes(np.zeros((0, 3)), np.eye(3), 0.5).shape == (0, 3)


def test_scaling_pictures_and_penalty_scales_codes() -> None:
    Z, C = problem(9, 50, 80)
    w = nonnegative_codes(Z, C, 0.05)
    np.testing.assert_allclose(nonnegative_codes(1000 * Z, C, 50.0), 1000 * w, atol=1e-5)
    np.testing.assert_allclose(nonnegative_codes(1e-3 * Z, C, 5e-5), 1e-3 * w, atol=1e-11)


def test_a_larger_penalty_leaves_fewer_words() -> None:
    Z, C = problem(30, 200, 20)
    counts = [(nonnegative_codes(Z, C, p) > 0).sum() for p in (0.02, 0.1, 0.4, 2.0)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1] == 0


def test_zero_words_are_never_used_and_equal_words_share_a_weight() -> None:
    Z, C = problem(10, 30, 40)
    w = nonnegative_codes(Z, C, 0.05)
    more = np.concatenate([C, C, np.zeros((5, 40))])
    doubled = nonnegative_codes(Z, more, 0.05)
    np.testing.assert_array_equal(doubled[:, 60:], 0.0)
    np.testing.assert_allclose(doubled[:, :30] + doubled[:, 30:60], w, atol=1e-6)


def test_each_row_is_its_own() -> None:
    Z, C = problem(15, 80, 25)
    alone = np.concatenate([nonnegative_codes(z[None], C, 0.05) for z in Z])
    np.testing.assert_allclose(nonnegative_codes(Z, C, 0.05) @ C, alone @ C, atol=1e-6)


class Axes(FakeEncoder):
    """Words that are axes of the space."""

    name = "axes"  # vectors are cached by the encoder's name
    words = ("red", "green", "blue", "white")

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.eye(self.dim, dtype=np.float32)[[self.words.index(text) for text in texts]]


def case_of(before: Array, after: Array, words: tuple[str, ...] = Axes.words) -> Case:
    blank = [Image.new("RGB", (4, 4))] * len(before)
    sets = images_from(blank, "base"), images_from(blank, "personalized")
    return Case(*sets, before, after, Measure(Axes("axes"), "subspace", (), 0), words, None, 0)


@pytest.fixture
def rows() -> Array:
    return np.abs(np.random.default_rng(1).normal(size=(12, 8))) + 0.1


def test_what_was_added_is_told_first(rows: Array) -> None:
    told = Splice().tell(case_of(rows, rows + 2 * np.eye(8)[2] - 0.1 * np.eye(8)[0]))
    assert max(told.scores, key=lambda word: told.scores[word]) == "blue"
    assert told.text.startswith("More: blue")
    assert told == Splice().tell(case_of(rows, rows + 2 * np.eye(8)[2] - 0.1 * np.eye(8)[0]))


def test_the_other_way_round_every_score_changes_its_sign(rows: Array) -> None:
    there = Splice().tell(case_of(rows, rows[::-1] + np.eye(8)[1])).scores
    back = Splice().tell(case_of(rows[::-1] + np.eye(8)[1], rows)).scores
    assert there.keys() == back.keys()
    for word, score in there.items():
        assert back[word] == pytest.approx(-score)


def test_equal_sets_differ_in_nothing(rows: Array) -> None:
    for before in (rows, np.ones((3, 8)), np.zeros((3, 8))):
        told = Splice().tell(case_of(before, before.copy()))
        assert told.scores == {}
        assert told.text == "No difference found."
    assert Splice().tell(case_of(rows, rows + 1, words=())).scores == {}


def test_rows_are_centred_and_of_unit_length(rows: Array) -> None:
    moved = centred(unit_rows(rows))
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 1.0)
    direct = unit_rows(rows) - unit_rows(rows).mean(axis=0)
    np.testing.assert_allclose(moved * np.linalg.norm(direct, axis=1)[:, None], direct, atol=1e-12)
    np.testing.assert_array_equal(centred(np.ones((4, 3))), 0.0)
