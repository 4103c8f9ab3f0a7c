from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from finexl.core.concepts import agreement_with_all, concept_vectors, scatter_over_prompts

Array = NDArray[np.float64]


def texts(m: int, n: int, d: int = 12, noise: float = 1.0, seed: int = 0) -> tuple[Array, Array]:
    """Embeddings of n prompts with each of m concepts, and of the prompts alone."""
    rng = np.random.default_rng([seed, m, n])
    without = rng.normal(size=(n, d))
    effect = rng.normal(size=(m, 1, d))
    return without + effect + noise * rng.normal(size=(m, n, d)), without


def test_a_concept_is_the_mean_change_its_words_make() -> None:
    with_concept, without = texts(3, 5)
    by_hand = [sum(with_concept[c, j] - without[j] for j in range(5)) / 5 for c in range(3)]
    np.testing.assert_allclose(concept_vectors(with_concept, without), by_hand, atol=1e-14)


def test_a_change_that_every_prompt_shares_is_recovered_exactly() -> None:
    with_concept, without = texts(4, 6, noise=0.0)
    F = concept_vectors(with_concept, without)
    np.testing.assert_allclose(with_concept - without, np.tile(F[:, None], (1, 6, 1)), atol=1e-14)
    np.testing.assert_allclose(scatter_over_prompts(with_concept, without), 0.0, atol=1e-28)


def test_words_that_change_nothing_have_no_length() -> None:
    _, without = texts(1, 4)
    F = concept_vectors(without[None], without)
    np.testing.assert_array_equal(F, np.zeros((1, 12)))


def test_scatter_is_the_trace_of_the_covariance_over_prompts() -> None:
    with_concept, without = texts(3, 7)
    expected = [np.trace(np.cov((with_concept[c] - without).T)) for c in range(3)]
    np.testing.assert_allclose(scatter_over_prompts(with_concept, without), expected)


@pytest.mark.parametrize("n", [4, 16])
def test_agreement_predicts_the_cosine_to_using_all_prompts(n: int) -> None:
    with_concept, without = texts(200, 48, d=40)
    everything = concept_vectors(with_concept, without)
    some = concept_vectors(with_concept[:, :n], without[:n])
    lengths = np.linalg.norm(some, axis=1) * np.linalg.norm(everything, axis=1)
    measured = np.median((some * everything).sum(1) / lengths)
    scatter = scatter_over_prompts(with_concept[:, :n], without[:n])
    assert agreement_with_all(some, scatter, n, 48) == pytest.approx(measured, abs=0.01)


def test_agreement_at_its_ends() -> None:
    F, scatter = np.ones((3, 4)), np.full(3, 2.0)
    assert agreement_with_all(F, scatter, 16, 16) == 1.0
    assert agreement_with_all(F, scatter, 1, 16) == 0.0
    assert agreement_with_all(F, np.zeros(3), 2, 16) == 1.0
    assert agreement_with_all(F, np.full(3, 1e9), 2, 16) == 0.0
    assert agreement_with_all(np.zeros((3, 4)), scatter, 2, 16) == 1.0
