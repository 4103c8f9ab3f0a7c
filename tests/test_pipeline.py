"""`finexl.explain`, from pictures or their embeddings to the explanation."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from conftest import EXAMPLES, pictures_in
from fake_encoder import FakeEncoder
from finexl import Explanation, UsageError, explain
from finexl.concepts.retrieval import RETRIEVED
from finexl.concepts.vectors import MAX_PROMPTS, choose_prompts, shortened
from finexl.concepts.vocabulary import distractors, neutral_prompts, vocabulary
from finexl.core.decompositions import DECOMPOSITIONS
from finexl.core.divergence import Paired
from finexl.encoders.embedded import Embedded
from finexl.imageset import images_from
from finexl.operators import apply
from finexl.options import Options
from finexl.pipeline import explain_sets
from finexl.runs import Run

Rows = NDArray[np.float32]
FEW = ["colorful", "blurry", "pencil sketch"]


@pytest.fixture(scope="module")
def vivid(encoder: Embedded) -> dict[int, Rows]:
    """Embeddings of the examples saturated at 25, 50 and 100 %."""
    return {level: encoder.embed_images(pictures_in(f"vivid-{level}")) for level in (25, 50, 100)}


@pytest.fixture(scope="module")
def changed(encoder: Embedded, base_pictures: list[Image.Image]) -> Callable[[str], Rows]:
    """Return embeddings of the base pictures changed by an operator at full strength."""
    known: dict[str, Rows] = {}

    def rows(operator: str) -> Rows:
        if operator not in known:
            rng = np.random.default_rng(0)
            known[operator] = encoder.embed_images(
                [apply(picture, operator, 1.0, rng) for picture in base_pictures]
            )
        return known[operator]

    return rows


@pytest.fixture(autouse=True)
def one_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")


def drawn(shift: int = 0, n: int = 8) -> list[Image.Image]:
    """Draw noise; `shift` makes it redder, by a little more each time."""
    pictures = []
    for i in range(n):
        noise = np.random.default_rng(i).integers(0, 100, (8, 8, 3))
        noise[..., 0] += shift + 3 * i * (shift > 0)
        pictures.append(Image.fromarray(noise.astype(np.uint8)))
    return pictures


# what can be given


def test_folders_paths_pictures_and_embeddings_say_the_same(
    encoder: Embedded, base_rows: Rows, vivid: dict[int, Rows], base_pictures: list[Image.Image]
) -> None:
    folders = [EXAMPLES / name for name in ("base", "vivid-100")]
    paths: list[list[Image.Image | str | Path]] = [
        [str(path) if i % 2 else path for i, path in enumerate(sorted(folder.iterdir()))]
        for folder in folders
    ]
    known = explain(base_rows, vivid[100], encoder=encoder, only_concepts=FEW)
    by_folder = explain(folders[0], str(folders[1]), encoder=encoder, only_concepts=FEW)
    by_list = explain(paths[0], base_pictures, encoder=encoder, only_concepts=FEW, pairing="none")
    for found in (known, by_folder):
        assert found.n_pairs == 12
        assert found.pairing == "file"
        np.testing.assert_allclose(
            found.divergence.vector, (vivid[100] - base_rows).mean(axis=0), atol=1e-5
        )
        assert found.divergence.pairs is not None
        np.testing.assert_allclose(found.divergence.pairs, vivid[100] - base_rows, atol=1e-2)
    assert [a.concept for a in known.aspects] == [a.concept for a in by_folder.aspects]
    assert (known.base.kind, by_folder.base.kind, by_list.base.kind) == (
        "embeddings", "folder", "images",
    )  # fmt: skip
    assert by_folder.base.name.endswith("/base")
    assert by_folder.name == by_folder.personalized.name == "vivid-100"
    assert by_list.divergence.norm == pytest.approx(0, abs=1e-5)


def test_mixed_sources_of_the_two_sets(encoder: Embedded, base_rows: Rows) -> None:
    found = explain(EXAMPLES / "base", base_rows, encoder=encoder, only_concepts=FEW)
    assert found.divergence.norm == pytest.approx(0, abs=1e-5)
    assert found.pairing == "none"


UNUSABLE: dict[str, tuple[dict[str, object], str]] = {
    "encoder": ({"encoder": "clip9"}, "clip9"),
    "decomposition": ({"decomposition": "magic"}, "no decomposition 'magic'"),
    "vocabulary": ({"vocabulary": "x"}, "no vocabulary 'x'"),
    "pairing": ({"pairing": "twins"}, "no pairing 'twins'"),
    "top": ({"top": 0}, "At least one concept"),
    "seed": ({"seed": -1}, "The seed is -1"),
    "no candidate": ({"only_concepts": []}, "No concepts are left"),
    "empty concept": ({"concepts": [" "]}, "A concept is empty"),
    "long concept": ({"only_concepts": ["x" * 201]}, "has 201 characters"),
    "prompts": ({"prompts": ["a", "b"]}, "The number of prompts, 2"),
    "no pictures": ({"base": []}, "No images were given"),
    "one row": ({"base": np.zeros(8, np.float32)}, "shape (8,)"),
    "NaN": ({"base": np.full((8, 8), np.nan)}, "NaN or infinite"),
    "another width": ({"base": np.zeros((8, 5))}, "have 5 numbers each"),
    "no pictures at all": ({"base": [b"x"]}, "is a bytes"),
}


@pytest.mark.parametrize(("given", "said"), UNUSABLE.values(), ids=UNUSABLE)
def test_what_cannot_be_used_is_said_in_one_sentence(given: dict[str, object], said: str) -> None:
    arguments: dict[str, object] = {"base": drawn(), "encoder": FakeEncoder(), **given}
    with pytest.raises(UsageError) as caught:
        explain(personalized=drawn(50), **arguments)  # type: ignore[arg-type]
    message = str(caught.value)
    assert said in message
    assert message.endswith(".")
    assert "\n" not in message


def test_one_string_for_the_concepts_is_refused_or_one_concept() -> None:
    try:
        found = explain(drawn(), drawn(50), encoder=FakeEncoder(), only_concepts="abc", pool=True)
    except UsageError:
        return
    assert found.pool.size == 1


# prompts


def test_without_prompts_all_neutral_ones_are_used_and_a_warning_says_so() -> None:
    found = explain(drawn(), drawn(50), encoder=FakeEncoder(), only_concepts=FEW)
    assert found.prompts.texts == neutral_prompts()
    assert found.prompts.n == len(neutral_prompts())
    assert found.prompts.source == "built-in neutral prompts"
    assert any("built-in neutral" in warning for warning in found.warnings)


def test_with_prompts_concepts_are_mapped_under_them(tmp_path: Path) -> None:
    texts = [f"scene {i}" for i in range(8)]
    (tmp_path / "p.txt").write_text("\n".join(texts))
    for prompts in (texts, tmp_path / "p.txt", str(tmp_path / "p.txt")):
        found = explain(
            drawn(), drawn(50), encoder=FakeEncoder(), only_concepts=FEW, prompts=prompts
        )
        assert found.prompts.texts == tuple(texts)
        assert found.prompts.source == "the images' own prompts"
        assert found.pairing == "prompt"
        assert not any("neutral" in warning for warning in found.warnings)


def test_pairs_of_one_prompt_are_one_unit() -> None:
    prompts = [f"scene {i // 2}" for i in range(12)]
    found = explain(
        drawn(n=12), drawn(50, 12), encoder=FakeEncoder(), only_concepts=FEW, prompts=prompts,
        pairing="file",
    )  # fmt: skip
    assert found.n_pairs == 12
    assert found.prompts.n == 6
    # six units: 2 of 64 sign patterns are as extreme as the data, at the least
    assert found.divergence.p_value == 2 / 64
    # and the JSON says which pairs these are
    named = [found.prompts.texts[i] for i in found.divergence.pair_prompts or () if i is not None]
    assert sorted(named) == sorted(prompts)
    assert found.divergence.pairs is not None
    by_prompt = Paired.of(found.divergence.pairs.astype(float), named).mean
    np.testing.assert_allclose(by_prompt, found.divergence.vector, atol=1e-3)
    one_each = explain(
        drawn(n=12), drawn(50, 12), encoder=FakeEncoder(), only_concepts=FEW,
        prompts=[f"scene {i}" for i in range(12)], pairing="file",
    )  # fmt: skip
    assert one_each.divergence.pair_prompts is None


def test_beyond_8_prompts_8_are_drawn_and_the_cosine_is_estimated(
    encoder: Embedded,
    base_rows: Rows,
    vivid: dict[int, Rows],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # under the user's own prompts each of 275 unrelated phrases costs 8 texts
    monkeypatch.setattr("finexl.measure.distractors", lambda: distractors()[:5])
    texts = [f"a photo of scene {i}" for i in range(24)]
    base, tuned = np.vstack([base_rows] * 2), np.vstack([vivid[50], vivid[100]])
    found = [
        explain(base, tuned, encoder=encoder, only_concepts=FEW, prompts=texts, seed=seed)
        for seed in (0, 0, 1)
    ]
    assert [f.prompts.n for f in found] == [24, 24, 24]
    assert found[0].prompts.texts == tuple(texts)
    assert found[0].to_json() == found[1].to_json()
    (said,) = [w for w in found[0].warnings if "8 of the 24 prompts" in w]
    assert 0.9 < float(said.rstrip(".").rpartition(" ")[2]) <= 1
    exactly = explain(base[:8], tuned[:8], encoder=encoder, only_concepts=FEW, prompts=texts[:8])
    assert exactly.prompts.n == 8
    assert not any("estimated cosine" in warning for warning in exactly.warnings)


def test_the_prompts_are_drawn_by_the_seed_and_keep_their_order() -> None:
    texts = [f"scene {i}" for i in range(40)]
    drawn_prompts = [choose_prompts([*texts, *texts], seed) for seed in (0, 0, 1)]
    assert drawn_prompts[0] == drawn_prompts[1] != drawn_prompts[2]
    assert len(drawn_prompts[0]) == MAX_PROMPTS == 8
    assert sorted(drawn_prompts[0], key=texts.index) == list(drawn_prompts[0])
    assert choose_prompts([*texts[:8], *texts[:8]], 3) == tuple(texts[:8])


def test_long_prompts_are_cut_for_the_concepts_and_kept_whole_in_the_record() -> None:
    long = [" ".join(f"w{i}-{j}" for j in range(50)) for i in range(8)]
    found = explain(drawn(), drawn(50), encoder=FakeEncoder(), only_concepts=FEW, prompts=long)
    assert found.prompts.texts == tuple(long)
    assert any("8 of the 8 prompts are long" in warning for warning in found.warnings)
    assert shortened(long[0]).split() == long[0].split()[:32]
    assert len(shortened("x" * 999)) == 200
    assert shortened("as  it is") == "as  it is"


# candidates


@pytest.mark.parametrize("which", ["style", "subject", "all"])
def test_the_vocabulary_is_the_pool(which: str) -> None:
    found = explain(drawn(), drawn(50), encoder=FakeEncoder(), vocabulary=which, top=1)
    assert found.pool.size == len(vocabulary(which))
    assert found.pool.sources == (f"{which} vocabulary",)


def pool_of(**options: object) -> set[str]:
    found = explain(
        drawn(),
        drawn(50),
        encoder=FakeEncoder(),
        top=1,
        pool=True,
        **options,  # type: ignore[arg-type]
    )
    assert found.pool.alignment is not None
    assert len(found.pool.alignment) == found.pool.size
    return {entry.concept for entry in found.pool.alignment}


def test_concepts_are_added_given_alone_or_left_out() -> None:
    style = {concept.text for concept in vocabulary("style")}
    assert pool_of() == style
    assert pool_of(concepts=["a red door"]) == style | {"a red door"}
    assert pool_of(exclude=["Colorful", "no such"]) == style - {"colorful"}
    assert pool_of(concepts=["Colorful"], exclude=["colorful"]) == (
        style - {"colorful"} | {"Colorful"}
    )
    assert pool_of(only_concepts=["x", "y"], exclude=["x"]) == {"x", "y"}
    assert pool_of(only_concepts=["x"], concepts=["y", "X"]) == {"X", "y"}


def test_alignment_is_listed_only_when_asked_for_best_first(
    encoder: Embedded, base_rows: Rows, changed: Callable[[str], Rows]
) -> None:
    moved = changed("gaussian_blur")
    silent = explain(base_rows, moved, encoder=encoder)
    found = explain(base_rows, moved, encoder=encoder, pool=True)
    assert silent.pool.alignment is None
    assert replace(found, pool=replace(found.pool, alignment=None)).to_json() == silent.to_json()
    listed = found.pool.alignment
    assert listed is not None
    cosines = [entry.cosine for entry in listed if entry.cosine is not None]
    assert len(cosines) == found.pool.size
    assert cosines == sorted(cosines, reverse=True)
    assert -1 <= cosines[-1] < 0 < cosines[0] <= 1
    by_concept = {entry.concept: entry.cosine for entry in listed}
    for aspect in (*found.aspects, *found.less):
        assert by_concept[aspect.concept] == aspect.alignment


def test_top_is_the_most_that_is_kept(
    encoder: Embedded, base_rows: Rows, changed: Callable[[str], Rows]
) -> None:
    kept = [
        len([*found.aspects, *found.less])
        for top in (1, 2, None)
        for found in [explain(base_rows, changed("gaussian_blur"), encoder=encoder, top=top)]
    ]
    assert kept[0] == 1
    assert kept[1] == 2
    assert kept[2] >= 3


# known changes


@pytest.mark.parametrize(
    ("operator", "concept"),
    [
        ("greyscale", "black and white"),
        ("gaussian_blur", "blurry"),
        ("pencil_sketch", "pencil sketch"),
    ],
)
def test_a_planted_change_comes_out_first(
    encoder: Embedded,
    base_rows: Rows,
    changed: Callable[[str], Rows],
    operator: str,
    concept: str,
) -> None:
    found = explain(base_rows, changed(operator), encoder=encoder)
    first = found.aspects[0]
    assert first.concept == concept
    assert first.score > 0
    assert first.effect > 0
    assert first.significant
    assert first.ci is not None
    assert first.ci[0] > 0
    assert found.divergence.detected
    # all 12 pairs move alike: 2 of 4096 sign patterns
    assert found.divergence.p_value == 2 / 4096
    assert concept in found.sentences[0]


def test_the_opposite_change_is_less_of_it(
    encoder: Embedded, base_rows: Rows, changed: Callable[[str], Rows]
) -> None:
    there = explain(base_rows, changed("gaussian_blur"), encoder=encoder, only_concepts=FEW)
    back = explain(changed("gaussian_blur"), base_rows, encoder=encoder, only_concepts=FEW)
    assert back.less[0].concept == there.aspects[0].concept == "blurry"
    assert back.less[0].score == pytest.approx(-there.aspects[0].score)
    assert back.divergence.norm == pytest.approx(there.divergence.norm)
    assert back.divergence.p_value == there.divergence.p_value


@pytest.mark.parametrize("decomposition", DECOMPOSITIONS)
def test_every_decomposition_finds_it_and_keeps_its_promises(
    encoder: Embedded, base_rows: Rows, changed: Callable[[str], Rows], decomposition: str
) -> None:
    found = explain(
        base_rows, changed("greyscale"), encoder=encoder, decomposition=decomposition, top=4
    )
    assert found.decomposition == decomposition
    assert found.aspects[0].concept == "black and white"
    assert 1 <= len(found.aspects) + len(found.less) <= 4
    scores = [a.score for a in found.aspects]
    lacks = [a.score for a in found.less]
    assert scores == sorted(scores, reverse=True)
    assert lacks == sorted(lacks)
    assert all(score > 0 for score in scores)
    assert all(score < 0 for score in lacks)
    assert not {a.concept for a in found.aspects} & {a.concept for a in found.less}
    if decomposition == "nnls":
        assert not found.less
    for aspect in (*found.aspects, *found.less):
        assert aspect.ci is not None
        assert aspect.ci[0] <= aspect.score <= aspect.ci[1]
        assert aspect.q_value is not None
        assert 0 < aspect.q_value <= 1
        assert aspect.selected is not None
        assert 0 <= aspect.selected <= 1
        assert all(0 <= index < 12 for index in aspect.examples)
    for part in (found.residual, found.residual_in_sample):
        assert part is not None
        assert 0 <= part <= 1
    assert found.outside is None or 0 <= found.outside <= 1


def test_effect_and_norm_grow_with_the_level(
    encoder: Embedded, base_rows: Rows, vivid: dict[int, Rows]
) -> None:
    found = [
        explain(base_rows, vivid[n], encoder=encoder, only_concepts=FEW) for n in (25, 50, 100)
    ]
    assert [f.aspects[0].concept for f in found] == ["colorful"] * 3
    effects = [f.aspects[0].effect for f in found]
    norms = [f.divergence.norm for f in found]
    assert 0 < effects[0] < effects[1] < effects[2]
    assert 0 < norms[0] < norms[1] < norms[2]
    assert all(f.aspects[0].significant for f in found)


def test_examples_are_the_pairs_that_moved_most(
    encoder: Embedded, base_rows: Rows, vivid: dict[int, Rows]
) -> None:
    rows = base_rows.copy()
    rows[[2, 5]] = vivid[100][[2, 5]]
    rows[9] -= 3 * (vivid[100] - base_rows).mean(axis=0)
    found = explain(base_rows, rows, encoder=encoder, only_concepts=["colorful"])
    (aspect,) = (*found.aspects, *found.less)
    assert set(aspect.examples) == ({2, 5} if aspect.score > 0 else {9})


# nothing to find


def test_the_same_embeddings_differ_in_nothing(encoder: Embedded, base_rows: Rows) -> None:
    found = explain(base_rows, base_rows, encoder=encoder)
    assert (found.divergence.norm, found.divergence.detected) == (0.0, False)
    assert found.divergence.p_value == 1.0
    assert not (*found.aspects, *found.less, *found.dropped)
    assert found.residual is found.residual_in_sample is found.outside is None
    assert found.sentences == ("No difference: the encoder sees the two sets as identical.",)


def test_a_difference_in_the_last_bit_is_none(encoder: Embedded, base_rows: Rows) -> None:
    """A picture's row depends on its batch by as much (1e-7); equal pixels in two files show it."""
    rounded = np.nextafter(base_rows, np.float32(np.inf))
    found = explain(base_rows, rounded, encoder=encoder, only_concepts=FEW)
    assert found.divergence.norm < 1e-6
    assert found.divergence.detected is False
    assert not (*found.aspects, *found.less)


def test_random_halves_of_the_same_pictures_are_rarely_told_apart(
    encoder: Embedded, base_rows: Rows
) -> None:
    """At α = 0.05 more than 3 of 12 would happen once in 400 times; the splits are fixed."""
    p_values = []
    for seed in range(12):
        order = np.random.default_rng(seed).permutation(12)
        found = explain(
            base_rows[order[:6]], base_rows[order[6:]], encoder=encoder, only_concepts=FEW,
            pairing="none",
        )  # fmt: skip
        assert found.divergence.detected is (found.divergence.p_value <= 0.05)  # type: ignore[operator]
        assert not any(a.significant for a in (*found.aspects, *found.less)) or (
            found.divergence.detected
        )
        p_values.append(found.divergence.p_value)
    assert sum(p <= 0.05 for p in p_values if p is not None) <= 3
    assert max(p for p in p_values if p is not None) > 0.5


def test_unpaired_halves_say_what_they_cannot_know(encoder: Embedded, base_rows: Rows) -> None:
    found = explain(base_rows[::2], base_rows[1::2], encoder=encoder, pairing="none")
    assert found.divergence.detected is False
    assert found.n_pairs == 0
    assert found.divergence.pairs is None
    assert found.residual is None
    assert not any(a.significant or a.examples for a in (*found.aspects, *found.less))
    assert found.sentences[0].startswith("No difference detected beyond chance")
    assert any("content may explain" in warning for warning in found.warnings)


def test_few_pairs_are_described_and_not_tested() -> None:
    for n in (1, 5):
        found = explain(drawn(n=n), drawn(50, n), encoder=FakeEncoder())
        assert found.divergence.detected is None
        assert found.divergence.p_value is None
        assert found.residual is None
        assert 1 <= len(found.aspects) + len(found.less) <= 3
        for aspect in (*found.aspects, *found.less):
            assert (aspect.ci, aspect.share, aspect.q_value, aspect.significant) == (None,) * 4
    assert explain(drawn(n=6), drawn(50, 6), encoder=FakeEncoder()).divergence.detected is not None


# the same again


def test_same_input_and_seed_give_the_same_bytes(
    encoder: Embedded, base_rows: Rows, vivid: dict[int, Rows]
) -> None:
    base, tuned = np.vstack([base_rows, base_rows * 0.9]), np.vstack([vivid[50], vivid[100]])
    first, again, other = (
        explain(base, tuned, encoder=encoder, only_concepts=FEW, seed=seed) for seed in (0, 0, 1)
    )
    assert first.to_json() == again.to_json()
    # 24 prompts: splits, bootstrap and signs are drawn
    assert other.seed == 1
    assert [a.ci for a in other.aspects] != [a.ci for a in first.aspects]
    np.testing.assert_array_equal(other.divergence.vector, first.divergence.vector)


def test_only_the_date_differs_between_two_days(monkeypatch: pytest.MonkeyPatch) -> None:
    def on(day: str) -> dict[str, object]:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", day)
        found = explain(drawn(), drawn(50), encoder=FakeEncoder(), only_concepts=FEW)
        data: dict[str, object] = json.loads(found.to_json())
        return data

    first, later = on("0"), on("86400")
    assert first.pop("created") == "1970-01-01T00:00:00Z"
    assert later.pop("created") == "1970-01-02T00:00:00Z"
    assert first == later


def test_digests_follow_the_content_and_nothing_else(tmp_path: Path) -> None:
    def digests(sets: tuple[list[Image.Image], list[Image.Image]], *concepts: str) -> list[str]:
        found = explain(
            *(images for images in sets), encoder=FakeEncoder(), only_concepts=concepts or FEW
        )
        return [part.digest for part in (found.base, found.personalized, found.prompts, found.pool)]

    first = digests((drawn(), drawn(50)))
    assert digests((drawn(), drawn(50))) == first
    assert digests((drawn(), drawn(51)))[0] == first[0]
    assert digests((drawn(), drawn(51)))[1] != first[1]
    assert digests((drawn()[::-1], drawn(50)))[0] != first[0]
    assert digests((drawn(), drawn(50)), *FEW[::-1])[2] == first[2]
    assert digests((drawn(), drawn(50)), *FEW[::-1])[3] != first[3]
    assert all(len(digest) == 64 for digest in first)
    names = [tmp_path / f"{i}.png" for i in range(8)]
    for name, picture in zip(names, drawn(), strict=True):
        picture.save(name)
    before = explain(names, drawn(50), encoder=FakeEncoder(), only_concepts=FEW).base.digest
    moved = [name.rename(name.with_name(f"moved-{name.name}")) for name in names]
    after = explain(moved, drawn(50), encoder=FakeEncoder(), only_concepts=FEW).base.digest
    assert before == after


def test_what_is_written_is_read_back() -> None:
    found = explain(drawn(), drawn(50), encoder=FakeEncoder(), pool=True)
    assert Explanation.from_json(found.to_json()).to_json() == found.to_json()


def test_the_pictures_of_a_pair_are_found_again() -> None:
    prompts = tuple(f"scene {i}" for i in range(8))
    done = explain_sets(
        images_from(drawn(), "base"),
        images_from(drawn(50)[::-1], "tuned"),
        Options(only_concepts=FEW, prompts=prompts, pairing="file"),
        FakeEncoder(),
        Run(),
    )
    base, tuned, caption = done.pictures(3)
    assert base.tobytes() == drawn()[3].tobytes()
    assert tuned.tobytes() == drawn(50)[4].tobytes()
    assert caption == "scene 3"
    assert done.explanation.n_pairs == len(done.pairs) == 8


# encoders that are wrong


class Wrong(FakeEncoder):
    """Spoils what it would have answered."""

    def __init__(
        self, revision: str, images: Callable[[Rows], Rows] | None, texts: Callable[[Rows], Rows]
    ) -> None:
        super().__init__(f"wrong {revision}")
        self.spoil_images = images
        self.spoil_texts = texts

    def embed_images(self, images):  # type: ignore[no-untyped-def]
        rows = super().embed_images(images)
        return self.spoil_images(rows) if self.spoil_images else rows

    def embed_texts(self, texts):  # type: ignore[no-untyped-def]
        return self.spoil_texts(super().embed_texts(texts))


def same(rows: Rows) -> Rows:
    return rows


def with_nan(rows: Rows) -> Rows:
    rows = rows.copy()
    rows[0, 0] = np.nan
    return rows


def narrow(rows: Rows) -> Rows:
    return rows[:, :5]


def short(rows: Rows) -> Rows:
    return rows[:-1]


def test_an_embedding_that_is_not_finite_is_an_error_and_never_an_answer() -> None:
    with pytest.raises(UsageError, match="not finite"):
        explain(drawn(), drawn(50), encoder=Wrong("a", with_nan, same), only_concepts=FEW)


WRONG = {
    "pictures of another width": ("b", narrow, same),
    "too few pictures": ("c", short, same),
    "texts that are not finite": ("d", None, with_nan),
    "texts of another width": ("e", None, narrow),
    "too few texts": ("f", None, short),
}


@pytest.mark.parametrize(("revision", "images", "texts"), WRONG.values(), ids=WRONG)
def test_a_wrong_encoder_never_gives_an_answer(
    revision: str, images: Callable[[Rows], Rows] | None, texts: Callable[[Rows], Rows]
) -> None:
    with pytest.raises((ValueError, UsageError)):
        explain(drawn(), drawn(50), encoder=Wrong(revision, images, texts), only_concepts=FEW)


@pytest.mark.parametrize(("revision", "images", "texts"), WRONG.values(), ids=WRONG)
def test_a_wrong_encoder_is_named(
    revision: str, images: Callable[[Rows], Rows] | None, texts: Callable[[Rows], Rows]
) -> None:
    with pytest.raises(UsageError, match="The encoder fake gave embeddings"):
        explain(drawn(), drawn(50), encoder=Wrong(revision, images, texts), only_concepts=FEW)


def test_a_wrong_answer_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FINEXL_CACHE", str(tmp_path))
    with pytest.raises(UsageError, match="not finite"):
        explain(drawn(), drawn(50), encoder=Wrong("g", None, with_nan), only_concepts=FEW)
    found = explain(drawn(), drawn(50), encoder=Wrong("g", None, same), only_concepts=FEW)
    assert found.divergence.norm > 0


def test_pairs_beyond_half_precision_are_left_out() -> None:
    def large(rows: Rows) -> Rows:
        return rows * np.float32(1e6)

    found = explain(drawn(), drawn(50), encoder=Wrong("h", large, same), only_concepts=FEW)
    assert found.divergence.pairs is None
    assert found.n_pairs == 8
    assert np.isfinite(found.divergence.vector).all()
    assert Explanation.from_json(found.to_json()).to_json() == found.to_json()


# what a newcomer needs to be told


def test_pairs_without_prompts_are_said_to_count_as_prompts() -> None:
    found = explain(drawn(), drawn(50), encoder=FakeEncoder(), only_concepts=FEW)
    assert any("each pair" in warning and "--prompts" in warning for warning in found.warnings)


def test_sets_of_different_formats_are_warned_of(tmp_path: Path) -> None:
    for side, suffix in (("base", "jpg"), ("tuned", "png")):
        (tmp_path / side).mkdir()
        for i, picture in enumerate(drawn()):
            picture.save(tmp_path / side / f"{i}.{suffix}")
    base, tuned = tmp_path / "base", tmp_path / "tuned"
    found = explain(base, tuned, encoder=FakeEncoder(), only_concepts=FEW)
    assert any("jpeg" in w and "png" in w and "compression" in w for w in found.warnings)
    same = explain(base, base, encoder=FakeEncoder(), only_concepts=FEW)
    assert not any("compression" in warning for warning in same.warnings)


def test_an_exclusion_that_matches_nothing_is_said() -> None:
    found = explain(drawn(), drawn(50), encoder=FakeEncoder(), exclude=["colorfull", "vivid"])
    assert any("does nothing: colorfull." in warning for warning in found.warnings)


def test_what_is_no_set_of_images_is_refused() -> None:
    with pytest.raises(UsageError, match="base is a int"):
        explain(1, drawn(), encoder=FakeEncoder())  # type: ignore[arg-type]


@pytest.mark.parametrize("which", ["concepts", "only_concepts"])
def test_of_a_long_list_what_may_fit_is_retrieved_on_one_half(which: str) -> None:
    many = [f"word {i}" for i in range(2001)]
    given = {which: many, "vocabulary": "none"}
    found = explain(drawn(n=24), drawn(50, n=24), encoder=FakeEncoder(), **given)  # type: ignore[arg-type]
    assert found.pool.size == RETRIEVED
    assert found.pool.sources == ("retrieved from 2,001 given",)
    assert found.n_pairs == 12
    assert any("looking at 12 of the 24 pairs" in warning for warning in found.warnings)
    assert all(a.q_value is not None for a in (*found.aspects, *found.less))


def test_with_few_pairs_what_a_long_list_holds_is_not_tested() -> None:
    many = [f"word {i}" for i in range(2001)]
    found = explain(drawn(), drawn(50), encoder=FakeEncoder(), concepts=many, vocabulary="none")
    assert found.divergence.detected
    listed = (*found.aspects, *found.less)
    assert listed
    assert all((a.q_value, a.significant) == (None, None) for a in listed)
    assert any("they get no q" in warning for warning in found.warnings)
