from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import finexl
from finexl.cache import ArrayCache
from finexl.concepts.vectors import SHIPPED, frame_of, map_concepts
from finexl.concepts.vocabulary import distractors, neutral_prompts, vocabulary
from finexl.core.decompositions import DECOMPOSITIONS
from finexl.encoders.embedded import COMPUTED, WEIGHTS, Embedded

TEMPLATES = sorted({method.template for method in DECOMPOSITIONS.values()})
SPACES = [(name, method.space, method.template) for name, method in DECOMPOSITIONS.items()]

UGLY = {
    "1×1": Image.new("RGB", (1, 1), (12, 200, 77)),
    "black": Image.new("RGB", (64, 64), "black"),
    "white": Image.new("RGB", (64, 64), "white"),
    "grey levels": Image.linear_gradient("L").convert("RGB"),
    "2000×10": Image.linear_gradient("L").resize((2000, 10)).convert("RGB"),
    "3×4000": Image.new("RGB", (3, 4000), "red"),
}


class NoTexts(Embedded):
    """The embedded encoder on a machine where texts cannot be embedded."""

    def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        raise AssertionError(f"{len(texts)} texts were embedded: {texts[0]!r}")


# pictures


def test_rows_are_single_precision_of_its_dimensions(
    encoder: Embedded, base_rows: NDArray[np.float32]
) -> None:
    assert base_rows.dtype == np.float32
    assert base_rows.shape == (12, encoder.dim)
    assert np.isfinite(base_rows).all()
    assert encoder.name == "embedded"
    assert encoder.normalized is False


def test_ugly_pictures_have_finite_rows_of_usual_length(
    encoder: Embedded, base_rows: NDArray[np.float32]
) -> None:
    rows = encoder.embed_images(list(UGLY.values()))
    assert rows.shape == (len(UGLY), encoder.dim)
    assert np.isfinite(rows).all()
    lengths = np.linalg.norm(rows, axis=1)
    assert lengths.max() < 20 * np.median(np.linalg.norm(base_rows, axis=1))
    assert len({row.tobytes() for row in rows}) == len(UGLY)


def test_nothing_gives_no_rows(encoder: Embedded) -> None:
    assert encoder.embed_images([]).shape == (0, encoder.dim)
    assert encoder.embed_texts([]).shape == (0, encoder.dim)


def test_a_picture_has_one_row_whatever_else_is_in_the_batch(
    encoder: Embedded, base_pictures: list[Image.Image], base_rows: NDArray[np.float32]
) -> None:
    some = [*base_pictures[7:10], UGLY["black"], base_pictures[0]]
    rows = encoder.embed_images(some)
    alone = encoder.embed_images(base_pictures[9:10])
    np.testing.assert_allclose(rows[[0, 1, 2, 4]], base_rows[[7, 8, 9, 0]], atol=1e-5)
    np.testing.assert_allclose(alone[0], base_rows[9], atol=1e-5)


def test_the_same_pictures_have_the_same_bytes(
    encoder: Embedded, base_pictures: list[Image.Image]
) -> None:
    first, again = (encoder.embed_images(base_pictures[:3]) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    another = Embedded(threads=2).embed_images(base_pictures[:3])
    np.testing.assert_allclose(another, first, atol=1e-5)


def test_pictures_are_left_as_they_were(encoder: Embedded) -> None:
    picture = Image.linear_gradient("L").convert("RGB")
    before = picture.tobytes()
    encoder.embed_images([picture])
    assert picture.tobytes() == before
    assert picture.size == (256, 256)


# texts


def test_texts_have_rows_in_the_same_space_whatever_the_batch(encoder: Embedded) -> None:
    texts = ["a dog", "a much longer text about a house by the sea in the evening", "", "émigré 🎨"]
    rows = encoder.embed_texts(texts)
    assert rows.dtype == np.float32
    assert rows.shape == (4, encoder.dim)
    assert np.isfinite(rows).all()
    for index, text in enumerate(texts):
        np.testing.assert_allclose(encoder.embed_texts([text])[0], rows[index], atol=1e-5)
    np.testing.assert_array_equal(encoder.embed_texts(texts), rows)


def test_a_text_beyond_the_limit_is_cut_and_not_refused(encoder: Embedded) -> None:
    rows = encoder.embed_texts(["dog " * 127, "dog " * 500, "dog"])
    np.testing.assert_allclose(rows[0], rows[1], atol=1e-5)
    assert np.abs(rows[0] - rows[2]).max() > 1e-3


# what it is


def test_revision_is_the_digest_of_the_weight_files(encoder: Embedded) -> None:
    names = ("image.onnx", "text.onnx", "tokenizer.json", "maps.safetensors")
    content = b"".join((WEIGHTS / name).read_bytes() for name in names)
    assert encoder.revision == hashlib.sha256(COMPUTED.encode() + content).hexdigest()


def test_revision_changes_with_any_of_the_files(tmp_path: Path) -> None:
    names = ("image.onnx", "text.onnx", "tokenizer.json", "maps.safetensors")
    revisions = set()
    for changed in (None, *names):
        folder = tmp_path / str(changed)
        folder.mkdir()
        for name in names:
            (folder / name).write_text("changed" if name == changed else name)
        revisions.add(Embedded(weights=folder).revision)
    assert len(revisions) == 5


PLACES = [0, 4, 9, 24, 30, 33, 37, 40, 50, 57, 60, 62, 63, 64, 100, 500, 1000, 2000]
AT_PLACES = [
    0.4981, 0.2897, 0.4966, 0.4946, 0.0485, 2.0269, 5.8659, -0.2104, -3.4633, 1.2932, -0.1546,
    0.0246, 0.0245, 0.1216, -0.3916, 6.0934, 0.8333, 0.0036,
]  # fmt: skip
IN_A_SENTENCE = [-0.0531, -0.0442, 0.0783, 0.0902, 0.0538, 0.0061]


def test_what_is_computed_around_the_maps_changes_only_with_its_version(encoder: Embedded) -> None:
    """Where this fails and the change is meant, `COMPUTED` has to change with these numbers."""
    y, x = np.mgrid[0:300, 0:400]
    levels = np.stack([x * 255 // 399, y * 255 // 299, (x * y) % 256], axis=-1)
    picture = Image.fromarray(levels.astype(np.uint8))
    assert COMPUTED == "1"
    np.testing.assert_allclose(encoder.features([picture])[0, PLACES], AT_PLACES, atol=2e-3)
    assert np.linalg.norm(encoder.sentences(["a red door"])) == pytest.approx(1, abs=1e-5)
    places = [0, 50, 100, 200, 300, 383]
    sentence = encoder.sentences(["a red door, pencil sketch"])[0, places]
    np.testing.assert_allclose(sentence, IN_A_SENTENCE, atol=1e-3)


# the vectors that ship with it


@pytest.mark.parametrize("template", TEMPLATES)
def test_shipped_vectors_cover_every_word_of_the_lists(tmp_path: Path, template: str) -> None:
    texts = [*(concept.text for concept in vocabulary("all")), *distractors()]
    mapped = map_concepts(NoTexts(), texts, neutral_prompts(), template, cache=ArrayCache(tmp_path))
    assert mapped.vectors.shape == (len(texts), NoTexts().dim)
    assert np.isfinite(mapped.vectors).all()
    assert (np.linalg.norm(mapped.vectors, axis=1) > 0).all()
    assert mapped.agreement == 1.0


def test_no_other_vectors_are_shipped() -> None:
    assert len(list(SHIPPED.folder.iterdir())) == len(TEMPLATES) == 2


@pytest.mark.parametrize("template", TEMPLATES)
def test_shipped_vectors_are_what_the_encoder_gives(encoder: Embedded, template: str) -> None:
    texts = ["vivid", "pencil sketch", distractors()[17], vocabulary("subject")[-1].text]
    prompts = neutral_prompts()
    shipped = map_concepts(encoder, texts, prompts, template).vectors
    plain = encoder.embed_texts(prompts).mean(axis=0, dtype=float)
    for text, vector in zip(texts, shipped, strict=True):
        written = [template.format(prompt=prompt, concept=text) for prompt in prompts]
        expected = encoder.embed_texts(written).mean(axis=0, dtype=float) - plain
        np.testing.assert_allclose(vector, expected, atol=1e-5)


@pytest.mark.parametrize(("name", "space", "template"), SPACES)
def test_the_frame_needs_no_text_and_has_a_scale(
    name: str, space: str, template: str, tmp_path: Path
) -> None:
    frame = frame_of(NoTexts(), space, template, cache=ArrayCache(tmp_path))
    assert np.isfinite(frame.scale)
    assert frame.scale > 0
    assert frame.subspace.matrix.shape[1] == NoTexts().dim, name


@pytest.mark.parametrize("decomposition", DECOMPOSITIONS)
def test_explaining_under_the_neutral_prompts_embeds_no_text(
    base_rows: NDArray[np.float32],
    decomposition: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FINEXL_CACHE", str(tmp_path))
    moved = base_rows + 0.1 * base_rows[::-1]
    found = finexl.explain(
        base_rows, moved, encoder=NoTexts(), decomposition=decomposition, vocabulary="all", top=2
    )
    assert found.prompts.n == len(neutral_prompts())
    assert found.prompts.texts == neutral_prompts()
    assert found.pool.size == len(vocabulary("all"))
    assert not list(tmp_path.rglob("*.safetensors"))


def test_what_the_user_adds_is_all_that_is_embedded(
    base_rows: NDArray[np.float32], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Listens(Embedded):
        heard: tuple[str, ...] = ()

        def embed_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
            self.heard += tuple(texts)
            return super().embed_texts(texts)

    monkeypatch.setenv("FINEXL_CACHE", str(tmp_path))
    encoder = Listens(threads=1)
    finexl.explain(base_rows, base_rows[::-1], encoder=encoder, concepts=["a red door"], top=1)
    expected = {*neutral_prompts(), *(f"{prompt}, a red door" for prompt in neutral_prompts())}
    assert set(encoder.heard) == expected
    assert len(encoder.heard) == len(expected)
