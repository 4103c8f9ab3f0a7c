"""The paper's three properties of encoders, on encoders whose properties are known."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import finexl.bench.properties
from fake_encoder import FakeEncoder
from finexl.bench.properties import Measure, _mean, _mean_cosine, _verdict, properties
from finexl.encoders.embedded import Embedded
from finexl.operators import OPERATORS

FEW = ("greyscale", "gaussian_blur", "sepia", "pixelate", "pencil_sketch", "fog", "neon", "grain")


class BagOfWords(FakeEncoder):
    """A text is the sum of its words, each in its own direction; "and" and the rest are nothing."""

    dim = 400

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.array([sum(map(self.word, text.replace(",", "").split())) for text in texts])

    def word(self, word: str) -> NDArray[np.float32]:
        if word == "and":
            return np.zeros(self.dim, np.float32)
        seed = int.from_bytes(hashlib.blake2b(word.encode(), digest_size=4).digest(), "big")
        return np.random.default_rng(seed).normal(size=self.dim).astype(np.float32)

    def embed_images(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        return np.stack([np.resize(np.asarray(i.resize((8, 8))), self.dim) / 255.0 for i in images])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {name: OPERATORS[name] for name in OPERATORS if name in FEW}
    known |= dict(list(OPERATORS.items())[:4])
    monkeypatch.setattr(finexl.bench.properties, "OPERATORS", known)
    monkeypatch.setattr(finexl.bench.properties, "PAIRS", 12)


@pytest.fixture
def shown() -> list[Image.Image]:
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (48, 48, 3), dtype=np.uint8)) for _ in range(2)]


def test_an_additive_encoder_is_linear_and_one_that_digests_is_not(
    shown: list[Image.Image],
) -> None:
    additive = properties(BagOfWords("bag"), shown)
    assert additive.linearity.value == pytest.approx(1.0, abs=1e-6)
    assert additive.linearity.ci == pytest.approx((1.0, 1.0), abs=1e-6)
    assert properties(FakeEncoder("digests"), shown).linearity.value < 0.95


def test_words_without_a_tie_to_pictures_are_not_to_be_trusted(shown: list[Image.Image]) -> None:
    found = properties(BagOfWords("bag"), shown)
    assert abs(found.alignment.value) < 0.1
    assert found.verdict.startswith("Not to be trusted")
    assert found.note == ""


def test_the_embedded_encoder_aligns_on_what_it_was_fitted_on(encoder: Embedded) -> None:
    found = properties(encoder)
    assert found.alignment.ci[0] > found.alignment_of_others.value
    assert found.verdict.startswith("Can be trusted")
    assert "in-sample" in found.note
    assert found == properties(encoder)


def test_the_mean_cosine_of_known_concepts() -> None:
    rng = np.random.default_rng(0)
    assert _mean_cosine(np.eye(5), rng) == Measure(0.0, (0.0, 0.0))
    shared = np.eye(5) + np.sqrt(0.5) / np.sqrt(5)  # every pair has the same cosine
    unit = shared / np.linalg.norm(shared, axis=1, keepdims=True)
    cosine = float(unit[0] @ unit[1])
    found = _mean_cosine(shared, rng)
    assert found.value == pytest.approx(cosine)
    assert found.ci == pytest.approx((cosine, cosine))


def test_the_interval_of_a_mean_is_that_of_theory() -> None:
    values = np.random.default_rng(1).normal(3.0, 2.0, size=400)
    found = _mean(values, np.random.default_rng(0))
    half = 1.96 * values.std() / 20
    assert found.value == pytest.approx(values.mean())
    assert found.ci == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)


@pytest.mark.parametrize(
    ("linear", "beyond", "said"),
    [
        ((0.9, 0.8, 0.95), (0.3, 0.2, 0.4), "Can be trusted"),
        ((0.4, 0.3, 0.5), (0.3, 0.2, 0.4), "With care"),
        ((0.9, 0.8, 0.95), (0.1, 0.05, 0.15), "With care"),
        ((0.9, 0.8, 0.95), (0.1, -0.01, 0.2), "Not to be trusted"),
    ],
)
def test_verdicts(
    linear: tuple[float, float, float], beyond: tuple[float, float, float], said: str
) -> None:
    measures = (Measure(value, (low, high)) for value, low, high in (linear, beyond))
    assert _verdict(*measures).startswith(said)
