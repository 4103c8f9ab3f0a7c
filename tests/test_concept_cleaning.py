from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from finexl.concepts.cleaning import (
    CONTENT,
    EXCLUDED,
    HEDGE,
    HIDDEN,
    NAME,
    SLUR,
    Proposal,
    Removed,
    Vote,
    clean,
    key_of,
    names_a_person,
    opposed,
)
from finexl.concepts.replies import NOT_ENGLISH, Direction, listed, parse_reply
from finexl.concepts.vocabulary import vocabulary

Array = NDArray[np.float64]


def votes(*replies: str, pairs: Sequence[Sequence[int]] | None = None) -> list[Vote]:
    """Return the votes of replies such as "vivid, -sharp": a minus says less of it."""
    said = []
    for index, reply in enumerate(replies):
        about = tuple(pairs[index]) if pairs else (index,)
        for phrase in filter(None, map(str.strip, reply.split(","))):
            direction: Direction = "less" if phrase.startswith("-") else "more"
            said.append(Vote(phrase.removeprefix("-"), direction, index, about))
    return said


def concepts(*replies: str) -> list[str]:
    return [proposal.concept for proposal in clean(votes(*replies))[0]]


def removed(*texts: str, prompts: Sequence[str] = ()) -> dict[str, str]:
    found = clean([Vote(text, "more", 0, (0,)) for text in texts], prompts=prompts)[1]
    return {entry.concept: entry.reason for entry in found}


class Space:
    """Hand-made vectors: each text its angle in degrees, unlisted ones zero."""

    def __init__(self, **angles: float) -> None:
        self.angles = angles
        self.asked: list[str] = []

    def __call__(self, texts: Sequence[str]) -> Array:
        self.asked += texts
        rows = []
        for text in texts:
            angle = self.angles.get(text.replace(" ", "_"))
            radians = np.radians(angle or 0)
            length = 0.0 if angle is None else 1 + len(text)  # cosines do not know lengths
            rows.append([length * np.cos(radians), length * np.sin(radians)])
        return np.array(rows)


class Scaled(Space):
    """Two texts of cosine 0.995, the second times a number."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def __call__(self, texts: Sequence[str]) -> Array:
        rows: Array = np.array([[1.0, 0.1], [self.scale, 0.2 * self.scale]])
        return rows[: len(texts)]


# --- votes ----------------------------------------------------------------------------------------


def test_votes_are_replies_and_directions_and_pairs_are_theirs() -> None:
    said = votes("vivid, grainy", "-vivid", "vivid, vivid, grainy", pairs=[(4, 1), (2,), (1, 9)])
    assert clean(said)[0] == (
        Proposal("vivid", 3, 2, 1, (1, 2, 4, 9), ()),
        Proposal("grainy", 2, 2, 0, (1, 4, 9), ()),
    )


def test_a_reply_that_says_both_directions_counts_once_and_in_both() -> None:
    proposal = clean(votes("vivid, -vivid"))[0][0]
    assert (proposal.votes, proposal.more, proposal.less) == (1, 1, 1)


def test_the_most_voted_come_first_then_those_said_first() -> None:
    assert concepts("retro, faded", "moody, glossy", "glossy") == [
        "glossy", "retro", "faded", "moody",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "same",
    [
        ("film grain", "Film Grain", "film-grain", "filmgrain", "film grains"),
        ("close-up", "closeup", "close up", "Close-ups"),
        ("colour wash", "color wash", "color washes"),
        ("grey haze", "gray haze"),
        ("stylised fog", "stylized fog"),
        ("centred frame", "centered frames"),
        ("child's drawing", "child’s drawing", "childs drawing"),
        ("a mustache", "mustache", "moustache", "the moustache"),
        ("foggy valleys", "foggy valley"),
        ("soft bodies", "soft body"),
        ("thick brushes", "thick brush"),
    ],
)
def test_spellings_of_one_concept_are_one(same: tuple[str, ...]) -> None:
    assert len({key_of(text) for text in same}) == 1
    (proposal,) = clean(votes(*same))[0]
    assert (proposal.concept, proposal.votes, proposal.merged) == (same[0], len(same), same[1:])


def test_different_concepts_of_the_vocabularies_have_different_keys() -> None:
    keys = [key_of(concept.text) for concept in vocabulary("all")]
    assert len(set(keys)) == len(keys)
    assert key_of("glasses") != key_of("glass")


def test_the_most_voted_spelling_is_the_concept() -> None:
    (proposal,) = clean(votes("Grey haze", "gray haze", "grey-haze", "gray haze"))[0]
    assert proposal == Proposal("gray haze", 4, 4, 0, (0, 1, 2, 3), ("Grey haze", "grey-haze"))


def test_a_flag_stays_where_every_vote_has_it() -> None:
    def vote(text: str, reply: int, *flags: str) -> Vote:
        return Vote(text, "more", reply, (0,), flags)

    said = [vote("impasto", 0, NOT_ENGLISH), vote("impasto", 1), vote("nítido", 0, NOT_ENGLISH)]
    assert [proposal.flags for proposal in clean(said)[0]] == [(), (NOT_ENGLISH,)]


def test_nothing_said_is_nothing_found() -> None:
    assert clean([], vectors=Space()) == ((), ())


# --- what is dropped ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["different", "better quality", "unique style", "interesting", "artistic", "overall mood",
     "beautiful composition", "high quality", "professional look", "style", "visual interest"],
)  # fmt: skip
def test_what_cannot_be_seen_is_dropped(text: str) -> None:
    assert removed(text) == {text: HEDGE}


def test_a_removed_concept_keeps_its_votes_and_proposals_their_order() -> None:
    proposals, gone = clean(votes("unique, vivid", "unique, stunning", "vivid"))
    assert [(proposal.concept, proposal.votes) for proposal in proposals] == [("vivid", 2)]
    assert gone == (Removed("unique", 2, HEDGE), Removed("stunning", 1, HEDGE))


def test_no_word_of_the_vocabularies_is_dropped() -> None:
    texts = [concept.text for concept in vocabulary("all")]
    assert removed(*texts) == {}


def test_words_of_one_prompt_are_its_content() -> None:
    prompts = ["a dog in a park", "a vivid oil painting of two red benches", "Two cats"]
    dropped = ["dogs", "dog in park", "Red bench", "cat"]
    kept = ["park bench", "vivid", "oil painting", "a dog with glowing eyes", "red dog"]
    assert removed(*dropped, *kept, prompts=prompts) == dict.fromkeys(dropped, CONTENT)


def test_a_style_of_the_vocabulary_in_a_prompt_stays_without_the_word_for_its_medium() -> None:
    assert removed("watercolor", "ukiyo-e", prompts=["a watercolor ukiyo-e of a hill"]) == {}
    assert removed("forest", prompts=["a forest at night"]) == {"forest": CONTENT}


def test_excluded_concepts_go_whatever_their_spelling() -> None:
    proposals, gone = clean(votes("Film-Grain, vivid, film grain"), excluded=["FILM GRAINS"])
    assert [proposal.concept for proposal in proposals] == ["vivid"]
    assert gone == (Removed("Film-Grain", 1, EXCLUDED),)


@pytest.mark.parametrize(
    "text",
    ["by Greg Rutkowski", "Picasso style", "in the style of Wes Anderson", "Monet", "vermeer",
     "Van Gogh-like", "Picassoesque", "Warholian", "Jane Doe style", "painted by John Smith",
     "M.C. Escher", "style of Hokusai", "Caravaggesque", "Jane Doe's work", "frida kahlo"],
)  # fmt: skip
def test_a_persons_name_is_no_concept(text: str) -> None:
    assert names_a_person(text)
    assert removed(text) == {text: NAME}


@pytest.mark.parametrize(
    "text",
    ["Art Nouveau", "Art Nouveau style", "Ukiyo-e", "Studio Ghibli", "Studio Ghibli style",
     "Pixar style", "Film Noir", "Victorian style", "Japanese woodblock style", "Pop Art style",
     "in the style of anime", "by hand", "Rembrandt lighting", "Dutch Golden Age style",
     "New York style", "VHS look", "Kodak film style", "Bauhaus style", "close-up"],
)  # fmt: skip
def test_styles_and_places_are_no_persons(text: str) -> None:
    assert not names_a_person(text)
    assert removed(text) == {}


def test_the_list_of_artists_is_of_about_150_names() -> None:
    names = listed("names.txt")[""]
    assert 140 <= len(names) == len(set(names))
    assert all(names_a_person(name.split(";")[0]) for name in names)


def test_names_are_found_behind_the_parser_too() -> None:
    reply = '["Picasso style", "Greg Rutkowski style", "in the style of Monet", "Vintage Style"]'
    said = [Vote(phrase.text, phrase.direction, 0, (0,)) for phrase in parse_reply(reply).phrases]
    proposals, gone = clean(said)
    assert [proposal.concept for proposal in proposals] == ["vintage style"]
    assert {entry.reason for entry in gone} == {NAME}
    assert len(gone) == 3


def test_a_slur_is_dropped_and_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    from finexl.concepts import cleaning

    digest = hashlib.sha256(b"fnordword").hexdigest()
    monkeypatch.setattr(cleaning, "_slurs", lambda: frozenset({digest}))
    said = votes("Fnordword, fnord-word, vivid", "old fnordwords, FNORDWORD style, fnord")
    proposals, gone = clean(said, excluded=["fnordword"])
    assert [proposal.concept for proposal in proposals] == ["vivid", "fnord"]
    assert {entry.concept for entry in gone} == {HIDDEN}
    assert {entry.reason for entry in gone} == {SLUR}
    assert "fnordword" not in repr((proposals, gone)).casefold()


def test_slurs_are_listed_as_digests_only() -> None:
    digests = listed("slurs.txt")[""]
    assert len(digests) == len(set(digests)) > 50
    assert all(len(digest) == 64 and set(digest) <= set("0123456789abcdef") for digest in digests)


def test_no_word_of_the_lists_is_a_slur() -> None:
    listed_words = [w for c in vocabulary("all") for w in c.text.split()]
    assert SLUR not in removed(*listed_words).values()


# --- near-synonyms --------------------------------------------------------------------------------


def test_near_synonyms_merge_into_the_most_voted() -> None:
    said = votes("vibrant, vivid", "vivid, faded", "-vibrant, vivid", "colourful")
    space = Space(vivid=0, vibrant=20, colourful=30, faded=90)
    proposals, gone = clean(said, vectors=space)
    # cos 20° = 0.940 ≥ 0.9 > cos 30° = 0.866: measured from "vivid", though 10° from "vibrant"
    assert proposals == (
        Proposal("vivid", 3, 3, 1, (0, 1, 2), ("vibrant",)),
        Proposal("faded", 1, 1, 0, (1,), ()),
        Proposal("colourful", 1, 1, 0, (3,), ()),
    )
    assert not gone
    assert space.asked == ["vivid", "vibrant", "faded", "colourful"]


@pytest.mark.parametrize(("similar", "left"), [(0.93, 1), (0.95, 2), (0.5, 1), (1.0, 2)])
def test_similar_is_the_least_cosine(similar: float, left: int) -> None:
    said = votes("vivid, vibrant")
    found = clean(said, vectors=Space(vivid=0, vibrant=20), similar=similar)[0]
    assert len(found) == left


def test_a_phrase_joins_the_nearest_of_several() -> None:
    said = votes("vivid, moody, punchy", "vivid, moody")
    space = Space(vivid=0, moody=40, punchy=22)
    assert [proposal.merged for proposal in clean(said, vectors=space)[0]] == [(), ("punchy",)]


def test_votes_of_merged_phrases_reorder_the_proposals() -> None:
    said = votes("grainy, moody", "grainy, noisy", "noisy, moody", "moody", "noisy", "grainy")
    space = Space(grainy=0, noisy=5, moody=90)
    proposals = clean(said, vectors=space)[0]
    assert [(p.concept, p.votes, p.merged) for p in proposals] == [
        ("grainy", 5, ("noisy",)),
        ("moody", 3, ()),
    ]


def test_zero_and_broken_rows_are_like_nothing() -> None:
    said = votes("vivid, vibrant, punchy, moody")
    rows = np.array([[0.0, 0], [0, 0], [np.nan, 1], [np.inf, 0]])
    assert len(clean(said, vectors=lambda texts: rows[: len(texts)])[0]) == 4


def test_lengths_of_rows_do_not_matter() -> None:
    said = votes("vivid, vibrant")
    for scale in (1e-200, 1e-3, 1e200):
        space = Scaled(scale)
        assert len(clean(said, vectors=space)[0]) == 1


def test_rows_for_other_texts_are_refused() -> None:
    with pytest.raises(ValueError, match="2 texts need as many rows"):
        clean(votes("vivid, vibrant"), vectors=lambda _: np.ones((3, 2)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("vivid", "muted"),
        ("saturated colors", "desaturated colors"),
        ("realistic", "unrealistic"),
        ("colorful", "colorless"),
        ("high contrast", "low contrast"),
        ("warm tones", "cool tones"),
        ("dark mood", "bright mood"),
        ("soft edges", "hard edges"),
        ("overexposed", "underexposed"),
        ("with a hat", "without a hat"),
        ("noise", "noise-free"),
        ("linear", "non-linear"),
        ("red hair", "blue hair"),
        ("1920s-style", "1950s-style"),
        ("textured", "textureless"),
    ],
)
def test_opposites_are_never_merged(one: str, other: str) -> None:
    assert opposed(one, other)
    assert opposed(other, one)
    said = [Vote(one, "more", 0, (0,)), Vote(other, "more", 0, (0,))]
    assert len(clean(said, vectors=lambda texts: np.ones((len(texts), 3)))[0]) == 2


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("vivid", "vibrant"),
        ("film grain", "grainy film"),
        ("soft light", "soft lighting"),
        ("painting", "oil painting"),
        ("red hair", "reddish hair"),
        ("warm colors", "warm palette"),
        ("dark", "dark mood"),
    ],
)
def test_synonyms_are_no_opposites(one: str, other: str) -> None:
    assert not opposed(one, other)
    assert not opposed(other, one)


def test_every_antonym_of_the_vocabularies_is_opposed() -> None:
    pairs = [(c.text, c.antonym) for c in vocabulary("all") if c.antonym]
    assert len(pairs) > 50
    assert all(opposed(*pair) for pair in pairs)


def test_a_phrase_does_not_join_a_group_that_holds_its_opposite() -> None:
    """ "bright" is near "luminous" and so is "dark", but they stay apart."""
    said = votes("luminous, bright", "luminous, bright", "luminous, dark")
    proposals = clean(said, vectors=lambda texts: np.ones((len(texts), 2)))[0]
    assert [(p.concept, p.merged) for p in proposals] == [("luminous", ("bright",)), ("dark", ())]


def test_the_result_does_not_depend_on_the_order_of_the_votes() -> None:
    """Only within a reply does the order say what came first."""
    rng = np.random.default_rng(7)
    texts = ["vivid", "Vivid", "vibrant", "punchy", "grainy", "noisy", "moody", "Grainy", "dreamy"]
    rows = {key_of(text): rng.normal(size=3) for text in texts}

    def vectors(asked: Sequence[str]) -> Array:
        return np.array([rows[key_of(text)] for text in asked])

    replies = [
        [Vote(str(text), "more", reply, (reply,)) for text in rng.permutation(texts)[:4]]
        for reply in range(8)
    ]
    expected = clean([*itertools.chain(*replies)], vectors=vectors, similar=0.3)
    assert any(proposal.merged for proposal in expected[0])
    for seed in range(20):
        mixed = random.Random(seed).sample(replies, len(replies))
        assert clean([*itertools.chain(*mixed)], vectors=vectors, similar=0.3) == expected


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["vivid", "Vivid", "moody", "unique", "Monet", "dog", "low key"])
            | st.text(min_size=1, max_size=12),
            st.sampled_from(["more", "less"]),
            st.integers(0, 4),
        ),
        max_size=25,
    )
)
def test_every_vote_is_counted_somewhere(said: list[tuple[str, Direction, int]]) -> None:
    cast = [Vote(text, direction, reply, (reply,)) for text, direction, reply in said]
    proposals, gone = clean(cast, prompts=["a dog"], vectors=lambda texts: np.eye(len(texts)))
    kept = {text for p in proposals for text in (p.concept, *p.merged)}
    keys = {key_of(vote.text) for vote in cast}
    assert len(proposals) + len(gone) == len(keys)
    for proposal in proposals:
        mine = [vote for vote in cast if key_of(vote.text) == key_of(proposal.concept)]
        assert {vote.text for vote in mine} <= kept
        assert proposal.votes == len({vote.reply for vote in mine}) == len(proposal.pairs)
        assert max(proposal.more, proposal.less) <= proposal.votes <= proposal.more + proposal.less
    assert [p.votes for p in proposals] == sorted((p.votes for p in proposals), reverse=True)
