"""Preferences without a language model: merged, with evidence, seen in pictures, and in bounds."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from finexl.encoders.embedded import Embedded
from finexl.errors import UsageError
from finexl.images import Picture
from finexl.viper.attributes import attributes, by_text, measure_of, vectors_of
from finexl.viper.extraction import Extracted, Finding, Offline, merged, read_into
from finexl.viper.extraction.closeness import listed_for
from finexl.viper.extraction.looking import looks
from finexl.viper.extraction.palettes import palette
from finexl.viper.extraction.words import phrase, quotation
from finexl.viper.profile import Comment, Opinion, PictureId, Profile


def finding(attribute: str, opinion: Opinion, sure: float, comment: int = 0, *, seen: bool = False
            ) -> Finding:  # fmt: skip
    return Finding(attribute, "line", opinion, sure, comment, "words", None, seen)


def named(found: Extracted) -> tuple[set[str], set[str], set[str]]:
    liked, disliked, mixed = (
        {one.attribute for one in listed} for listed in (found.liked, found.disliked, found.mixed)
    )
    return liked, disliked, mixed


def extracted(*comments: str) -> Extracted:
    return Offline().extract([Comment(text) for text in comments], {})


def test_repeated_evidence_adds_up_as_independent_chances_do() -> None:
    found = merged([finding("Bold Lines", "liked", 0.5), finding("bold line", "liked", 0.4, 1)])
    (one,) = found.liked
    assert one.attribute == "Bold Lines"
    assert one.confidence == pytest.approx(1 - 0.5 * 0.6)
    assert [evidence.comment for evidence in one.evidence] == [0, 1]


def test_contradictions_are_mixed_and_one_slip_among_many_is_kept_as_evidence() -> None:
    even = merged([finding("x", "liked", 0.9), finding("x", "disliked", 0.6, 1)])
    assert named(even) == (set(), set(), {"x"})
    assert even.mixed[0].confidence == pytest.approx(0.6)
    assert {one.opinion for one in even.mixed[0].evidence} == {"liked", "disliked"}
    most = merged(
        [*(finding("x", "liked", 0.9, i) for i in range(5)), finding("x", "disliked", 0.6)]
    )
    assert named(most) == ({"x"}, set(), set())
    assert [one.opinion for one in most.liked[0].evidence].count("disliked") == 1
    assert most.liked[0].confidence < 0.99


def test_what_is_said_decides_over_what_was_seen() -> None:
    found = merged([finding("x", "liked", 0.35, seen=True), finding("x", "disliked", 0.3, 1)])
    assert named(found) == (set(), {"x"}, set())
    assert len(found.disliked[0].evidence) == 2
    seen = merged([finding("x", "liked", 0.35, seen=True)])
    assert named(seen) == ({"x"}, set(), set())


def test_preferences_are_sorted_and_their_evidence_is_quoted() -> None:
    comments = ["I adore the soft light but hate the harsh shadows.", "Nice soft light, no?",
                "I kind of like the muted colors"]  # fmt: skip
    found = extracted(*comments)
    assert [one.attribute for one in found.liked] == ["soft lighting", "muted colors"]
    assert [one.category for one in found.disliked] == ["shadow"]
    for one in (*found.liked, *found.disliked):
        for evidence in one.evidence:
            assert quotation(evidence.words, comments[evidence.comment]) == evidence.words
    assert {evidence.comment for evidence in found.liked[0].evidence} == {0, 1}


def test_praise_here_and_blame_there_are_mixed() -> None:
    found = extracted(
        "I love neon colors", "I hate neon colors", "I love neon colors but not today"
    )
    assert named(found) == (set(), set(), {"neon colors"})


@pytest.mark.parametrize(
    ("comments", "note"),
    [
        (["I love soft light"], "Nothing disliked was found"),
        (["I hate soft light"], "Nothing liked was found"),
        (["Hm."], "No preference was found"),
        (["Hm.", "I love soft light"], "Comment 1 is without an opinion"),
        (["Ich mag die weichen Farben sehr", "I love it"], "Comment 1 is not read"),
        (["I love soft light. " * 400], "Comment 1 is longer than what is read"),
        (["¡Qué bonito es este cuadro!"] * 9, r"Comments 1, 2, 3, 4, 5 and 4 more are not read"),
    ],
)
def test_what_could_not_be_read_or_found_is_said(comments: list[str], note: str) -> None:
    found = extracted(*comments)
    assert any(one.startswith(note) for one in found.notes), found.notes
    assert all(one.endswith(".") for one in found.notes)


def test_ten_thousand_comments_take_bounded_time() -> None:
    rng = np.random.default_rng(0)
    names = [one.text for one in attributes()]
    said = ["I love the {}, but the {} is too much.", "I'd prefer {} over {}.", "{}? No. {}!"]
    comments = [
        Comment(f"{number}: " + said[number % 3].format(*rng.choice(names, 2)))
        for number in range(10_000)
    ]
    start = time.monotonic()
    found = Offline().extract(comments, {})
    assert time.monotonic() - start < 60  # about 4 seconds on one idle core
    assert sum(len(one.evidence) for one in (*found.liked, *found.disliked, *found.mixed)) > 10_000


def test_another_spelling_of_a_listed_attribute_becomes_it_and_an_opposite_does_not(
    encoder: Embedded,
) -> None:
    asked = [
        *(
            ("curve shapes", "shape"),
            ("fur texture", "texture"),
            ("soft global lighting", "lighting"),
        ),
        *(("harsh contrast", "shadow"), ("warm mood", "mood"), ("easy lighting", "lighting")),
        *(("shadow", "shadow"), ("few shadows", "shadow"), ("city lighting", "lighting")),
        *(("dark gray", "colour palette"), ("fur texture", "mood")),
    ]
    found = {key: one.text for key, one in listed_for(encoder, asked).items()}
    assert found == {
        ("curve shapes", "shape"): "curved shapes",
        ("fur texture", "texture"): "furry texture",
        ("soft global lighting", "lighting"): "soft lighting",
    }
    assert listed_for(encoder, []) == {}
    with_it = Offline(encoder).extract([Comment("I love the fur texture")], {})
    without = Offline().extract([Comment("I love the fur texture")], {})
    assert named(with_it)[0] == {"furry texture"}
    assert named(without)[0] == {"fur texture"}
    assert without.liked[0].confidence < with_it.liked[0].confidence
    where = Offline(encoder).extract([Comment("Where are the shadows?")], {})
    assert named(where)[0] == {"shadow"}  # not: no shadows


def picture(*stripes: tuple[int, int, int]) -> Image.Image:
    rows = np.repeat(np.array(stripes, np.uint8), 60 // len(stripes), axis=0)
    return Image.fromarray(np.repeat(rows[:, None], 60, axis=1))


@pytest.mark.parametrize(
    ("stripes", "expected"),
    [
        ([(200, 20, 20)], ["vibrant colors", "red tones", "warm colors"]),
        ([(20, 40, 90)], ["blue tones", "cool colors", "dark colors"]),
        ([(120, 122, 121)], ["gray tones"]),
        ([(0, 0, 0), (255, 255, 255)], ["black and white"]),
        ([(225, 235, 250)], ["pastel colors", "blue tones", "cool colors"]),
        ([(120, 104, 90)], ["muted colors", "brown tones", "warm colors"]),
        (
            [(220, 40, 40), (40, 200, 60), (40, 60, 220), (230, 220, 40), (200, 60, 200)],
            ["vibrant colors", "multicolored"],
        ),
    ],
)
def test_colors_are_counted(stripes: list[tuple[int, int, int]], expected: list[str]) -> None:
    assert palette(picture(*stripes)) == expected
    assert all(name in by_text() for name in expected)


def test_a_picture_shows_what_it_aligns_with_most(encoder: Embedded) -> None:
    """Against the formula, written out: cosines in the whitened subspace, category by category."""
    rng = np.random.default_rng(1)
    rows, mean = rng.normal(size=(2, encoder.dim)), rng.normal(size=encoder.dim)
    shown = looks(encoder, rows, mean, [("era",), ("depth", "era")], 2)
    W = measure_of(encoder).frame.subspace.matrix
    for row, seen, allowed in zip(rows, shown, ({"era"}, {"depth", "era"}), strict=True):
        best = []
        for one in attributes():
            if one.category in allowed:
                f, x = W @ vectors_of(encoder, [one.text]).vectors[0], W @ (row - mean)
                best.append((float(f @ x / np.linalg.norm(f) / np.linalg.norm(x)), one.text))
        best.sort(reverse=True)
        assert [one.attribute for one in seen] == [text for _, text in best[:2]]
        assert seen[0].alignment == pytest.approx(best[0][0], abs=1e-6)


@pytest.fixture
def folder(tmp_path: Path) -> dict[str, Picture]:
    found = {}
    for name, tint in (("red.png", (200, 20, 20)), ("blue.png", (20, 40, 90))):
        picture(tint).save(tmp_path / name)
        found[name] = Picture(name[:-4], tmp_path / name)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    found["broken.png"] = Picture("broken", tmp_path / "broken.png")
    return found


def looking(encoder: Embedded) -> Offline:
    return Offline(encoder, lambda: np.zeros(encoder.dim))


def test_colors_that_are_praised_without_a_name_are_read_off_the_picture(
    encoder: Embedded, folder: dict[str, Picture]
) -> None:
    comments = [Comment("I love these colours", "red.png"), Comment("Ugly colors!", "blue.png")]
    found = looking(encoder).extract(comments, folder)
    assert named(found) == ({"vibrant colors", "red tones"}, {"blue tones", "cool colors"}, set())
    said = looking(encoder).extract([Comment("I love red tones", "red.png")], folder)
    assert found.liked[0].confidence < said.liked[0].confidence / 2
    assert all(
        one.seen for listed in (found.liked, found.disliked) for p in listed for one in p.evidence
    )
    assert not named(looking(encoder).extract([Comment("I love these colours")], folder))[0]


def test_other_categories_are_read_off_by_the_encoder_surely_of_that_category(
    encoder: Embedded, folder: dict[str, Picture]
) -> None:
    found = looking(encoder).extract([Comment("The mood is wonderful", "red.png")], folder)
    assert {one.category for one in found.liked} == {"mood"}
    (wanted,) = looks(encoder, encoder.embed_images([folder["red.png"].open()]).astype(float),
                      np.zeros(encoder.dim), [("mood",)])  # fmt: skip
    assert named(found)[0] == {wanted[0].attribute}
    assert found.liked[0].confidence == pytest.approx(0.35 * wanted[0].alignment, abs=1e-3)


def test_praise_of_nothing_in_particular_is_believed_least(
    encoder: Embedded, folder: dict[str, Picture]
) -> None:
    general = looking(encoder).extract([Comment("Gorgeous!", "red.png")], folder)
    named_it = looking(encoder).extract([Comment("Gorgeous colors!", "red.png")], folder)
    tone = {one.attribute: one.confidence for one in general.liked}["vibrant colors"]
    assert tone < named_it.liked[0].confidence
    assert not looking(encoder).extract([Comment("Fine.", "red.png")], folder).liked


def test_what_is_missing_is_not_read_off_the_picture(
    encoder: Embedded, folder: dict[str, Picture]
) -> None:
    found = looking(encoder).extract([Comment("It needs more texture", "red.png")], folder)
    assert named(found)[0] == {"texture"}


def test_a_picture_that_cannot_be_opened_costs_nothing_but_the_look(
    encoder: Embedded, folder: dict[str, Picture]
) -> None:
    comments = [Comment("Love the colors", "broken.png"), Comment("I hate neon", "broken.png")]
    found = looking(encoder).extract(comments, folder)
    assert named(found) == (set(), {"neon colors"}, set())
    assert any("broken.png" in note and "without looking" in note for note in found.notes)


def test_a_profile_gets_what_is_found_and_keeps_what_was_said(
    encoder: Embedded, folder: dict[str, Picture]
) -> None:
    red = folder["red.png"]
    before = Profile(
        "p",
        (Comment("I love these colors", "old name.png"), Comment("hate fog", "gone.png")),
        pictures=(PictureId("old name.png", red.digest()),),
    )
    by_name = {"red.png": red, red.digest(): red}
    after = read_into(before, looking(encoder), by_name)
    assert after.comments == before.comments
    assert after.extractor == "offline with embedded"
    assert {one.attribute for one in after.liked} == {"vibrant colors", "red tones"}
    assert after.notes[0] == "Pictures that are not there were not looked at: gone.png."
    again = read_into(after, Offline(), {})
    assert again.liked == ()
    assert "old name.png" in again.notes[0]
    with pytest.raises(UsageError, match="no comments"):
        read_into(Profile("p"), Offline())


def test_attributes_that_read_alike_are_one() -> None:
    found = extracted("I love teal blue", "Teal-Blues are lovely")
    assert [phrase(one.attribute) for one in found.liked] == [phrase("teal blue")]
