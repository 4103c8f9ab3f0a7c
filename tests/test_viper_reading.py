"""What comments say, read by rules: every kind of sentence that these are for."""

from __future__ import annotations

import csv
import time
from collections import Counter
from importlib.resources import files

import pytest

from finexl.viper.extraction.reading import Reading, read
from finexl.viper.extraction.words import phrase, quotation, readable

VALUED = {"opinion", "content", "stronger", "weaker", "excess", "wish", "spare", "elsewhere"}


def opinions(comment: str) -> tuple[set[str], set[str]]:
    """Return what is liked and what is disliked; a category alone is "*name"."""
    liked, disliked = set(), set()
    for one in read(comment).said:
        name = one.attribute or f"*{one.category}"
        if one.value > 0 or one.both:
            liked.add(name)
        if one.value < 0 or one.both:
            disliked.add(name)
    return liked, disliked


@pytest.mark.parametrize(
    ("comment", "liked", "disliked"),
    [
        # plain praise and blame
        ("I love the flowing lines", "flowing lines", ""),
        ("The watercolor is gorgeous", "watercolor painting", ""),
        ("I hate harsh shadows and pixel art.", "", "hard shadows; pixel art"),
        ("Love how loose the brushwork is.", "loose brushwork", ""),
        ("The lines are jagged and chaotic, awful", "", "jagged lines; chaotic lines"),
        # another spelling, number or form of the same
        ("COLOURFUL and Grey tones, lovely", "multicolored; gray tones", ""),
        ("I like warmer tones and softer light", "warm colors; soft lighting", ""),
        ("Beutiful watercolur, sooo misterious!!", "watercolor painting; mysterious mood", ""),
        # negation
        ("I'm not a fan of naive art or vivid colors", "", "naive art; vibrant colors"),
        ("I don't like the gloomy mood", "", "gloomy mood"),
        ("Nothing wrong with the soft lighting", "soft lighting", ""),
        ("I don't hate the muted colors", "muted colors", ""),
        ("It is not boring", "", "monotonous mood"),
        ("I can't stand symmetry", "", "symmetrical composition"),
        ("I don't think the watercolor is bad", "watercolor painting", ""),
        # too much, too little, wishes
        ("I don't think it's too busy", "busy composition", ""),
        ("I'd buy it if it were half as cluttered", "", "cluttered composition"),
        ("The colors are too loud", "", "vibrant colors"),
        ("Too many details for me", "", "detail"),
        ("It is not too busy, which I appreciate", "", "busy composition"),
        ("I wish it wasn't so abstract", "", "abstract art"),
        ("It would be better with more contrast", "contrast", ""),
        ("This lacks texture", "texture", ""),
        ("It could use some warm colors", "warm colors", ""),
        ("If only it had more colors", "multicolored", ""),
        ("The tones are not warm enough", "warm colors", ""),
        ("It would be nicer without the bold outlines", "", "bold outlines"),
        # contrast
        (
            "Love the bold lines, but the colors are too loud",
            "thick lines",
            "vibrant colors",
        ),
        ("The soft light is lovely; however, the clutter ruins it", "soft lighting",
         "cluttered composition"),
        ("Although the texture is rough, I love the muted colors", "muted colors", "rough texture"),
        ("I prefer muted tones over neon colors", "muted colors", "neon colors"),
        ("Everything is ugly except the soft shadows", "soft shadows", ""),
        # an opinion that holds on, or turns
        ("Gorgeous! So cozy and nostalgic.", "cozy mood; nostalgic mood", ""),
        ("It has a gloomy vibe. I hate it.", "", "gloomy mood"),
        ("It is both unsettling and nice", "unsettling mood", "unsettling mood"),
        # sarcasm that says so
        ("Oh great, another anime style. Just what I needed.", "", "anime style"),
        # not in the list: colors, styles, whatever a noun is called
        ("Chartreuse and dark plum, lovely", "chartreuse; dark plum", ""),
        ("I adore cottagecore", "cottagecore", ""),
        ("I enjoy the smudgy texture", "smudgy texture", ""),
        ("The composition is boring", "", "boring composition"),
        ("I like peach tones but the peach is off", "peach", ""),
        # nothing but a category, or nothing seen at all
        ("I love these colors", "*colour palette", ""),
        ("The style is ugly", "", "*style"),
        ("It makes me happy", "", ""),
        ("A portrait in pastel colors.", "", ""),
        ("It looks like a dream, like a horse", "", ""),
    ],
)  # fmt: skip
def test_a_comment_says(comment: str, liked: str, disliked: str) -> None:
    wanted = tuple({part for part in parts.split("; ") if part} for parts in (liked, disliked))
    assert opinions(comment) == wanted


def test_what_is_liked_strongly_counts_more_than_what_is_liked_a_bit() -> None:
    values = [
        read(comment).said[0].value
        for comment in (
            "I love the soft light",
            "I really like the soft light",
            "I like the soft light",
            "I kind of like the soft light",
            "I kind of dislike the soft light",
            "I dislike the soft light",
            "I hate the soft light",
        )
    ]
    assert values == sorted(values, reverse=True)
    assert len(set(values)) == len(values)


@pytest.mark.parametrize(
    ("comment", "liked", "disliked"),
    [
        ("The red is great, the blue less so", "red tones", "blue tones"),
        ("The watercolor is lovely, the pixel art not so much", "watercolor painting", "pixel art"),
        ("I prefer the one with soft lighting, this has neon colors", "soft lighting",
         "neon colors"),
        ("I liked the other for its colors", "", "*colour palette"),
        ("Pretty colors. Pretty boring otherwise.", "*colour palette", "monotonous mood"),
        ("I hate how much I love this watercolor", "watercolor painting", ""),
        ("Who thought pixel art was a good idea", "", "pixel art"),
        ("I like it chaotic", "chaotic composition", ""),
    ],
)  # fmt: skip
def test_what_is_compared_or_said_by_the_way_goes_where_it_is_meant(
    comment: str, liked: str, disliked: str
) -> None:
    assert opinions(comment) == (
        set(filter(None, liked.split("; "))),
        set(filter(None, disliked.split("; "))),
    )


def test_a_bit_softens_what_only_the_attribute_itself_says() -> None:
    (plain,), (softened,) = read("The colors are dull").said, read("The colors are a bit dull").said
    assert plain.attribute == softened.attribute == "dull colors"
    assert plain.value < softened.value < 0


def test_a_wish_is_for_what_is_missing() -> None:
    wished, praised = read("I wish it had more warm colors"), read("I like the warm colors")
    assert [one.missing for one in wished.said] == [True]
    assert [one.missing for one in praised.said] == [False]
    assert wished.total < 0 < praised.total


@pytest.mark.parametrize(
    "comment",
    [
        "Me encantan los colores vivos y la composición, pero es demasiado oscuro",
        "Ich liebe die Farben, aber die Linien sind zu grob",
        "J'adore les couleurs, c'est très beau, vraiment",
        "私はこの絵がとても好きです。とても美しい色。",
        "Мне очень нравятся эти цвета и линии",
    ],
)
def test_other_languages_are_told_from_english(comment: str) -> None:
    assert read(comment) == Reading((), 0.0, readable(comment), False, False)


@pytest.mark.parametrize(
    "comment",
    [
        "Pointillism rocks",
        "Lush verdant hues, exquisitely rendered",
        "Nice",
        "This one isn't for me at all",
    ],
)
def test_english_is_not_taken_for_another_language(comment: str) -> None:
    assert read(comment).english


def test_markup_is_not_read_and_does_not_keep_words_apart() -> None:
    comment = (
        "<p>I <b>love</b> the soft&nbsp;light &amp; hate <script>love('neon colors')</script>"
        "the <i title='ugly'>harsh shadows</i> <3</p>"
    )
    assert readable(comment) == "I love the soft light & hate the harsh shadows <3"
    liked, disliked = opinions(comment)
    assert "soft lighting" in liked
    assert disliked == {"hard shadows"}
    assert readable("x < 3 and y > 2, a<b") == "x < 3 and y > 2, a<b"
    assert readable("a <!-- no --> b <STYLE>p{}</style > c <script> d") == "a b c d"


def test_markup_without_an_end_takes_no_longer_than_other_text() -> None:
    start = time.monotonic()
    for opening in ("<script>", "<!--", "<a ", "&lt;", "<", "(" * 8):
        read(opening * (20_000 // len(opening)))
    assert time.monotonic() - start < 5  # a tenth of a second on an idle core


def test_what_is_quoted_stands_in_the_comment() -> None:
    comment = "Well…\nI <i>love</i> the soft light;  but “the colors” are   too loud!! Meh."
    for one in read(comment).said:
        assert one.words
        assert quotation(one.words, comment) == " ".join(one.words.split())
    assert quotation("the COLORS” are too", comment) == "the colors” are too"
    assert quotation("love the light", comment) is None
    assert quotation("", comment) is None


def test_a_long_comment_is_read_to_a_bound_and_says_so() -> None:
    long = "I love the soft light. " * 1000
    found = read(long)
    assert found.cut
    assert {one.attribute for one in found.said} == {"soft lighting"}
    assert not read("I love the soft light. " * 100).cut


@pytest.mark.parametrize("comment", ["", "   ", "…", "!!!", "<b></b>", "🙂", "\u200b", ",", "not"])
def test_a_comment_that_says_nothing_says_nothing(comment: str) -> None:
    assert read(comment).said == ()


def test_no_cue_is_listed_twice_and_every_kind_is_known() -> None:
    path = files("finexl.viper") / "data" / "cues.csv"
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    times = Counter(phrase(row["phrase"]) for row in rows)
    assert [words for words, n in times.items() if n > 1] == []
    assert {row["kind"] for row in rows} == VALUED | {"not", "plain", "but", "torn", "sarcasm"}
    for row in rows:
        assert (float(row["value"]) != 0) == (row["kind"] in VALUED), row


def test_words_are_compared_without_case_plural_accents_or_hyphens() -> None:
    assert phrase("Multi-Layered Colours") == phrase("multi layered color")
    assert phrase("naïve") == phrase("NAIVE")
    assert phrase("brushes") == phrase("brush")
    assert phrase("glass") != phrase("glas")
