from __future__ import annotations

import re
from collections import Counter
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import get_args

import pytest

from finexl.concepts.vocabulary import (
    MAX_LENGTH,
    Concept,
    Form,
    build_pool,
    comparative,
    concept_from,
    distractors,
    neutral_prompts,
    read_concepts,
    vocabulary,
)
from finexl.errors import UsageError

STYLE, SUBJECT, ALL = vocabulary("style"), vocabulary("subject"), vocabulary("all")

STYLE_CATEGORIES = [
    "colour",
    "light",
    "contrast",
    "texture",
    "medium",
    "technique",
    "movement",
    "mood",
    "detail",
    "composition",
    "rendering",
    "photography",
    "era",
]
SUBJECT_CATEGORIES = [
    "facial hair",
    "expression",
    "glasses",
    "age",
    "hair",
    "body",
    "clothing",
    "pose",
    "setting",
    "apparent gender",
    "apparent skin tone",
]

# Read aloud: every noun that takes "an"; all the others take "a".
NOUNS_WITH_AN = {
    "8-bit video game",
    "HDR photo",
    "aerial view",
    "anime drawing",
    "art deco poster",
    "art nouveau poster",
    "embroidered patch",
    "emoji",
    "engraving",
    "etching",
    "infrared photo",
    "ink drawing",
    "isometric view",
    "oil painting",
    "op art pattern",
    "origami figure",
}
WITH_AN = {
    "an adult",
    "an afro",
    "an angry face",
    "an indoor setting",
    "an open mouth",
    "an outdoor setting",
    "an outer space setting",
    "an underwater setting",
    "an urban setting",
}
GLUE = {"a", "an", "and", "at", "in", "of", "on", "out", "the", "to"}


def named(text: str) -> Concept:
    return next(concept for concept in ALL if concept.text == text)


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", text.casefold())) - GLUE


def write(path: Path, data: str | bytes) -> Path:
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


# The lists


def test_sizes() -> None:
    assert 220 <= len(STYLE) <= 280
    assert 90 <= len(SUBJECT) <= 130
    assert ALL == STYLE + SUBJECT
    assert 220 <= len(distractors()) <= 300
    assert len(neutral_prompts()) == 32


def test_categories_are_these_each_well_filled() -> None:
    style = Counter(concept.category for concept in STYLE)
    subject = Counter(concept.category for concept in SUBJECT)
    assert list(style) == STYLE_CATEGORIES  # grouped, in this order
    assert list(subject) == SUBJECT_CATEGORIES
    assert min(style.values()) >= 6
    assert min(subject.values()) >= 4


def test_fields_are_clean_and_forms_valid() -> None:
    for concept in ALL:
        assert concept.form in set(get_args(Form)) - {"free"}, concept
        assert concept.text
        assert concept.text.isascii()
        assert concept.antonym != ""
        assert len(concept.text) <= 40
        assert concept.text == " ".join(concept.text.split())
        if concept.form != "with":
            assert not concept.text.startswith(("a ", "an ", "the ")), concept


def test_no_text_twice_anywhere() -> None:
    texts = [concept.text for concept in ALL] + [*distractors(), *neutral_prompts()]
    assert [text for text, n in Counter(map(str.casefold, texts)).items() if n > 1] == []


def test_antonyms_point_at_each_other_within_one_list() -> None:
    for listed in (STYLE, SUBJECT):
        antonyms = {concept.text: concept.antonym for concept in listed if concept.antonym}
        assert len(antonyms) >= 30
        for text, antonym in antonyms.items():
            assert antonym is not None
            assert antonyms[antonym] == text
            assert antonym != text


def test_antonyms_that_must_be_there() -> None:
    pairs = (
        "vivid/muted, warm colors/cool colors, dark/bright, high contrast/low contrast,"
        " sharp/blurry, detailed/simple, smooth/rough, photorealistic/stylized,"
        " colorful/black and white, young/old, long hair/short hair, masculine/feminine,"
        " a smiling face/a frowning face, an indoor setting/an outdoor setting,"
        " a seated person/a standing person, light skin/dark skin"
    )
    for pair in pairs.split(", "):
        one, other = pair.split("/")
        assert named(one).antonym == other


def test_no_quality_boosters_names_or_brands_in_style() -> None:
    unwanted = words("masterpiece best quality 8k 4k uhd artstation trending stunning beautiful")
    unwanted |= words("ghibli pixar disney pokemon lego marvel unreal octane dragon cat girl by")
    assert [concept.text for concept in STYLE if words(concept.text) & unwanted] == []


def test_distractors_share_no_word_with_a_concept() -> None:
    spoken = set().union(*(words(concept.text) for concept in ALL))
    assert [phrase for phrase in distractors() if words(phrase) & spoken] == []
    assert {len(phrase.split()) for phrase in distractors()} == {1, 2, 3}


def test_prompts_name_no_style() -> None:
    looks = ("colour", "light", "contrast", "texture", "technique", "movement", "mood", "era")
    styled = set().union(*(words(c.text) for c in STYLE if c.category in looks))
    styled |= words("photo photograph picture painting drawing sketch portrait style render view")
    assert [prompt for prompt in neutral_prompts() if words(prompt) & styled] == []
    assert all(2 <= len(prompt.split()) <= 9 for prompt in neutral_prompts())


def test_lists_are_cached_and_cannot_be_changed() -> None:
    assert vocabulary("style") is STYLE
    assert distractors() is distractors()
    with pytest.raises(FrozenInstanceError):
        STYLE[0].text = "other"  # type: ignore[misc]


def test_unknown_vocabulary() -> None:
    with pytest.raises(UsageError, match="'Style'; choose style, subject, all or none"):
        vocabulary("Style")


# Sentences


@pytest.mark.parametrize(
    ("text", "more", "less"),
    [
        ("vivid", "Much more vivid", "Much less vivid"),
        ("dark", "Much darker", "Much less dark"),
        ("simple", "Much simpler", "Much less simple"),
        ("pencil sketch", "Much more like a pencil sketch", "Much less like a pencil sketch"),
        ("oil painting", "Much more like an oil painting", "Much less like an oil painting"),
        ("3d render", "Much more like a 3d render", "Much less like a 3d render"),
        (
            "8-bit video game",
            "Much more like an 8-bit video game",
            "Much less like an 8-bit video game",
        ),
        ("isometric view", "Much more like an isometric view", "Much less like an isometric view"),
        ("ukiyo-e print", "Much more like a ukiyo-e print", "Much less like a ukiyo-e print"),
        ("film grain", "Much more film grain", "Much less film grain"),
        ("a mustache", "Much more often with a mustache", "Much less often with a mustache"),
    ],
)
def test_comparative(text: str, more: str, less: str) -> None:
    assert comparative(named(text), "Much", more=True) == more
    assert comparative(named(text), "Much", more=False) == less


def test_comparative_without_a_degree_and_of_given_concepts() -> None:
    assert comparative(named("vivid"), "", more=True) == "More vivid"
    assert comparative(named("bright"), "", more=True) == "Brighter"
    assert comparative(named("oil painting"), "slightly", more=False).startswith("Slightly less ")
    assert comparative(concept_from("foo, bar"), "Much", more=True) == "Much more “foo, bar”"
    assert comparative(concept_from("Oil Painting"), "", more=True) == "More like an Oil Painting"
    assert comparative(Concept("dark", "given", "free", None), "", more=True) == "More “dark”"


def test_every_article_is_as_reviewed() -> None:
    nouns = [concept for concept in ALL if concept.form == "noun"]
    said_an = {c.text for c in nouns if " like an " in comparative(c, "", more=True)}
    assert said_an == NOUNS_WITH_AN
    assert sum(" like a " in comparative(c, "", more=True) for c in nouns) == len(nouns) - 16
    parts = [concept.text for concept in ALL if concept.form == "with"]
    assert {text for text in parts if text.startswith("an ")} == WITH_AN
    vowels = {text for text in parts if re.match(r"a [aeiou0-9]", text)}
    assert vowels == {"a uniform"}


def test_every_sentence_is_built_like_its_form() -> None:
    patterns = {
        "adjective": r"More {0}|[A-Z][a-z]+er",
        "noun": r"More like an? {0}",
        "with": r"More often with {0}",
        "mass": r"More {0}",
    }
    for concept in ALL:
        pattern = patterns[concept.form].format(re.escape(concept.text))
        assert re.fullmatch(pattern, comparative(concept, "", more=True)), concept


def test_one_syllable_adjectives_are_compared_with_er() -> None:
    sentences = {comparative(c, "", more=True) for c in ALL if c.form == "adjective"}
    assert {sentence for sentence in sentences if not sentence.startswith("More ")} == {
        "Brighter",
        "Cuter",
        "Darker",
        "Older",
        "Plainer",
        "Rougher",
        "Sharper",
        "Shorter",
        "Simpler",
        "Slimmer",
        "Smoother",
        "Taller",
        "Younger",
    }


# What the user gives


def test_concept_from_knows_the_lists_and_keeps_the_spelling() -> None:
    assert concept_from("  VIVID ") == Concept("VIVID", "colour", "adjective", "muted")
    assert concept_from("A\tMustache") == Concept("A Mustache", "facial hair", "with", None)
    assert concept_from("#1, best") == Concept("#1, best", "given", "free", None)
    assert concept_from("🐉").text == "🐉"


def test_concept_length_counts_after_collapsing() -> None:
    assert concept_from("a" * MAX_LENGTH + "  \n ").text == "a" * 200
    assert concept_from("b" + " " * 500 + "c").text == "b c"
    with pytest.raises(UsageError, match="has 201 characters; shorten it to at most 200"):
        concept_from("a" * 201)


@pytest.mark.parametrize("text", ["", "  \t\n", "\u200b", "\ufeff \u200d"])
def test_empty_concept(text: str) -> None:
    with pytest.raises(UsageError, match="A concept is empty"):
        concept_from(text)


@pytest.mark.parametrize("text", ["\x00", "viv\x1bid", "a\x7f", "b\x80"])
def test_control_characters(text: str) -> None:
    with pytest.raises(UsageError, match="has control characters"):
        concept_from(text)


def test_read_concepts(tmp_path: Path) -> None:
    data = "\ufeffvivid\r\n\r\n  red,  green,\tand blue \r# not a comment\nVIVID\n   \nétrange"
    assert [concept.text for concept in read_concepts(write(tmp_path / "c.txt", data))] == [
        "vivid",
        "red, green, and blue",
        "# not a comment",
        "étrange",
    ]


def test_read_concepts_keeps_what_looks_odd(tmp_path: Path) -> None:
    data = "masterpiece\n8k\nchess openings\nby someone\n<script>\n"
    assert len(read_concepts(str(write(tmp_path / "c.txt", data)))) == 5


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "has no concepts"),
        (b"\xef\xbb\xbf", "has no concepts"),
        (b"\n \r\n\t\n", "has no concepts"),
        (b"vivid\n\xff\xfe", "is not UTF-8"),
        ("vivid".encode("utf-16"), "is not UTF-8"),
        (b"vivid\n\n" + b"x" * 201, r"Line 3 of .*c\.txt: .* has 201 characters"),
        (b"vivid\nmu\x00ted", r"Line 2 of .*c\.txt: .* has control characters"),
        ("vivid\n\u200b".encode(), r"Line 2 of .*c\.txt: A concept is empty"),
    ],
)
def test_read_concepts_refuses(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_concepts(write(tmp_path / "c.txt", data))


def test_read_concepts_of_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.txt cannot be read: No such file"):
        read_concepts(tmp_path / "none.txt")
    with pytest.raises(UsageError, match="cannot be read: Is a directory"):
        read_concepts(tmp_path)


# Pools


def given(*texts: str) -> list[Concept]:
    return [concept_from(text) for text in texts]


def test_pool_is_the_vocabulary() -> None:
    assert build_pool("style", (), None, ()) == STYLE
    assert build_pool("all") == ALL


def test_pool_puts_the_given_first_and_its_spelling_wins() -> None:
    pool = build_pool("style", given("Muted", "tax law", "TAX LAW"), None, ())
    assert [concept.text for concept in pool[:3]] == ["Muted", "tax law", "vivid"]
    assert len(pool) == len(STYLE) + 1
    assert "muted" not in [concept.text for concept in pool]
    assert pool[0].antonym == "vivid"


def test_only_replaces_the_vocabulary_but_added_still_adds() -> None:
    pool = build_pool("subject", given("b", "X"), given("a", "x", "vivid"), ())
    assert [concept.text for concept in pool] == ["b", "X", "a", "vivid"]


def test_excluded_takes_from_the_vocabulary_alone() -> None:
    pool = build_pool("style", given("Muted"), None, [" VIVID", "muted", "pencil  sketch", "none"])
    texts = [concept.text for concept in pool]
    assert texts[0] == "Muted"
    assert len(texts) == len(STYLE) - 2
    assert not {"vivid", "muted", "pencil sketch"} & set(texts)
    assert [c.text for c in build_pool("style", (), given("vivid"), ["vivid"])] == ["vivid"]


def test_empty_pool_and_unknown_vocabulary() -> None:
    with pytest.raises(UsageError, match="No concepts are left"):
        build_pool("style", (), (), ())
    with pytest.raises(UsageError, match="No concepts are left"):
        build_pool("subject", (), None, [concept.text for concept in SUBJECT])
    with pytest.raises(UsageError, match="There is no vocabulary 'both'"):
        build_pool("both", given("a"), given("b"), ())
