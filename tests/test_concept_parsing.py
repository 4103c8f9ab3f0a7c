from __future__ import annotations

import json
import random
import time
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finexl.concepts.replies import (
    MAX_CHARACTERS,
    MAX_PHRASES,
    MAX_READ,
    MAX_REFUSED,
    MAX_WORDS,
    NOT_ENGLISH,
    Parsed,
    Phrase,
    parse_reply,
)
from finexl.concepts.replies.reasons import (
    ABOUT_SETS,
    ECHO,
    ERROR,
    LINK,
    MARKUP,
    PLACEHOLDER,
    QUESTION,
    REFUSAL,
    SENTENCE,
    TOO_LONG,
    TOO_MANY,
    UNREAD,
)
from finexl.concepts.vocabulary import concept_from, vocabulary

TABLE = json.loads((Path(__file__).parent / "data" / "replies.json").read_text(encoding="utf-8"))
INSTRUCTION: str = TABLE["instruction"]
REPLIES: list[dict[str, Any]] = TABLE["replies"]


def read(reply: str) -> tuple[list[str], list[str]]:
    """Return what there is more and less of."""
    phrases = parse_reply(reply, INSTRUCTION).phrases
    more = [phrase.text for phrase in phrases if phrase.direction == "more"]
    return more, [phrase.text for phrase in phrases if phrase.direction == "less"]


def reason(item: str) -> str:
    """Return why a reply's only item is refused."""
    parsed = parse_reply(json.dumps({"more": [item], "less": []}), INSTRUCTION)
    assert not parsed.phrases, parsed.phrases
    assert len(parsed.refused) == 1, parsed.refused
    return parsed.refused[0].reason


def check(parsed: Parsed) -> None:
    """Hold a result against what every result must be."""
    assert len(parsed.phrases) <= MAX_PHRASES
    assert len(parsed.refused) <= MAX_REFUSED
    assert bool(parsed.phrases) != bool(parsed.remark)
    assert len({(phrase.text, phrase.direction) for phrase in parsed.phrases}) == len(
        parsed.phrases
    )
    for phrase in parsed.phrases:
        text = phrase.text
        assert 1 <= len(text) <= MAX_CHARACTERS
        assert len(text.split()) <= MAX_WORDS
        assert text == " ".join(text.split()) == unicodedata.normalize("NFC", text)
        assert text.isprintable()
        assert any(map(str.isalpha, text))
        assert not set(text) & set('<>{}[]\\|"“”`*')
        assert text[-1] not in ".,;:!"
        assert phrase.direction in ("more", "less")
        assert set(phrase.flags) <= {NOT_ENGLISH}
        concept_from(text)
    for refused in parsed.refused:
        assert 1 <= len(refused.text) <= 80
        assert refused.text.isprintable()
        assert refused.reason


# --- the table ------------------------------------------------------------------------------------


def test_the_table_is_large_and_names_each_reply_once() -> None:
    names = [row["name"] for row in REPLIES]
    assert len(names) == len(set(names)) >= 60
    assert sum(not row["more"] and not row["less"] for row in REPLIES) >= 25


@pytest.mark.parametrize("row", REPLIES, ids=lambda row: row["name"])
def test_a_reply_of_the_table_names_what_the_table_says(row: dict[str, Any]) -> None:
    parsed = parse_reply(row["reply"], INSTRUCTION)
    check(parsed)
    assert read(row["reply"]) == (row["more"], row["less"])
    assert parsed.remark == row.get("remark")
    if row.get("flagged"):
        assert {phrase.flags for phrase in parsed.phrases} == {(NOT_ENGLISH,)}


JSON = [row for row in REPLIES if row["reply"].startswith(('{"', '["', "{'", "```json"))]


@pytest.mark.parametrize("row", JSON, ids=lambda row: row["name"])
def test_json_cut_off_anywhere_names_nothing_that_the_whole_does_not(row: dict[str, Any]) -> None:
    reply = row["reply"]
    whole = {phrase.text for phrase in parse_reply(reply, INSTRUCTION).phrases}
    for end in range(len(reply)):
        parsed = parse_reply(reply[:end], INSTRUCTION)
        check(parsed)
        assert {phrase.text for phrase in parsed.phrases} <= whole, reply[:end]


# --- single rules ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ("one two three four five six", TOO_LONG),
        ("a" * 41, TOO_LONG),
        ("a" * 4000, TOO_LONG),
        ("颜色更加鲜艳而且更加温暖的水彩画", TOO_LONG),
        ("The picture is warm", SENTENCE),
        ("it has grain", SENTENCE),
        ("colors look washed", SENTENCE),
        ("warm because of dusk", SENTENCE),
        ("from muted to vivid", SENTENCE),
        ("what about grain?", QUESTION),
        ("image B", ABOUT_SETS),
        ("no difference", ABOUT_SETS),
        ("very similar", ABOUT_SETS),
        ("both images", ABOUT_SETS),
        ("lighting in A", ABOUT_SETS),
        ("I'm sorry", REFUSAL),
        ("I can’t help", REFUSAL),
        ("Internal Server Error", ERROR),
        ("KeyError: 'x'", ERROR),
        ("rate limit", ERROR),
        ("concept 3", PLACEHOLDER),
        ("...", PLACEHOLDER),
        ("<phrase>", PLACEHOLDER),
        ("https://example.com", LINK),
        ("grain.png", LINK),
        ("<script>x</script>", MARKUP),
        ("do not describe what is depicted", ECHO),
    ],
)
def test_an_item_that_is_no_phrase_is_refused_with_its_reason(item: str, why: str) -> None:
    assert reason(item) == why


def test_every_word_of_the_vocabularies_comes_through_as_it_is() -> None:
    texts = [concept.text for concept in vocabulary("all")]
    read_back = []
    for start in range(0, len(texts), MAX_PHRASES):
        part = texts[start : start + MAX_PHRASES]
        read_back += read(json.dumps({"less": part}))[1]
    assert read_back == texts


@pytest.mark.parametrize("template", ["- {}", "{}", "**{}**", "1. {}.", '"{}",', "* {}: it is so"])
def test_the_form_of_a_list_does_not_change_its_words(template: str) -> None:
    texts = ["vivid", "film grain", "3d render", "child's drawing", "cel-shaded", "Victorian"]
    assert read("\n".join(template.format(text) for text in texts)) == (texts, [])


def test_a_direction_before_a_phrase_replaces_the_headings_direction() -> None:
    reply = '{"more": ["less sharp", "no grain", "vivid"], "less": ["more vivid", "less flat"]}'
    assert read(reply) == (["vivid"], ["sharp", "grain", "flat"])


def test_what_the_first_set_has_more_of_the_second_has_less_of() -> None:
    assert read("Set A has more: vivid, less: sharp") == ([], ["vivid", "sharp"])
    assert read("Set A:\n- more vivid\n- less sharp") == (["sharp"], ["vivid"])


def test_the_same_phrase_in_both_directions_is_kept_in_both() -> None:
    assert parse_reply('{"more": ["vivid", "Vivid"], "less": ["vivid"]}').phrases == (
        Phrase("vivid", "more"),
        Phrase("vivid", "less"),
    )


def test_more_than_40_concepts_are_refused_and_said_to_be() -> None:
    items = [f"word{chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(60)]
    parsed = parse_reply(json.dumps(items))
    assert [phrase.text for phrase in parsed.phrases] == items[:MAX_PHRASES]
    assert [refused.reason for refused in parsed.refused] == [TOO_MANY] * 20
    assert [refused.text for refused in parsed.refused] == items[MAX_PHRASES:]


def test_composed_and_decomposed_letters_are_one() -> None:
    composed = parse_reply('["caf\u00e9 light"]')
    assert composed == parse_reply('["cafe\u0301 light"]')
    assert composed.phrases[0].text == "caf\u00e9 light"


@pytest.mark.parametrize("phrase", ["vivid", "café", "impasto", "film grain", "Art Nouveau"])
def test_english_is_not_flagged(phrase: str) -> None:
    assert parse_reply(json.dumps([phrase])).phrases[0].flags == ()


@pytest.mark.parametrize(
    "phrase", ["luz de la tarde", "яркий", "鲜艳", "选择", "körnig", "זוהר", "lumière douce"]
)
def test_other_languages_are_kept_and_flagged(phrase: str) -> None:
    assert parse_reply(json.dumps([phrase])).phrases == (Phrase(phrase, "more", (NOT_ENGLISH,)),)


def test_without_the_instruction_its_echo_is_not_known_but_its_placeholders_are() -> None:
    item = "one aspect each"
    assert [phrase.text for phrase in parse_reply(f'["{item}"]').phrases] == [item]
    assert parse_reply(f'["{item}"]', INSTRUCTION).remark == ECHO
    assert parse_reply('{"more": ["...", "..."], "less": ["..."]}').remark == ECHO


# --- hostile replies ------------------------------------------------------------------------------

PARTS = [
    *"[]{}\"',:;\\\n\t-*#|`<>()/&=…“”—é更 \u202e\u200b\ud800\x00",
    *("more ", "less ", "vivid", " and ", " is ", "no ", "[[", "}}", '{"more":[', "1. ", "**"),
    *("<think>", "</think>", "```", "\\u0041", "Set A: ", "Set B: ", "error", "sorry"),
]


@given(st.text(max_size=400))
def test_any_text_is_read_without_raising(text: str) -> None:
    check(parse_reply(text, INSTRUCTION))


@given(st.lists(st.sampled_from(PARTS), max_size=120).map("".join), st.text(max_size=30))
def test_any_heap_of_what_replies_are_made_of_is_read(text: str, instruction: str) -> None:
    check(parse_reply(text, instruction))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(
            st.sampled_from(["more", "less", "concept", "direction", "error", "x"]), inner
        )
    ),
    max_leaves=20,
)


@given(JSON_VALUES)
def test_any_json_is_read(value: object) -> None:
    check(parse_reply(json.dumps(value), INSTRUCTION))


@given(st.text(max_size=80))
def test_what_an_item_becomes_is_read_again_as_itself(item: str) -> None:
    """A phrase, answered back, is that phrase: nothing is taken off in a second reading."""
    for phrase in parse_reply(json.dumps([item])).phrases:
        again = parse_reply(json.dumps([phrase.text])).phrases
        assert [other.text for other in again] == [phrase.text]


WORDS = ["the", "image", "set", "is", "warm", "has", "and", "vivid", "grain", "of", "with", "soft"]


@given(st.lists(st.sampled_from(WORDS), min_size=6, max_size=40))
def test_running_words_without_a_comma_are_never_a_concept(words: list[str]) -> None:
    prose = " ".join(words)
    parsed = parse_reply(prose + " and this is all of it.")
    assert not parsed.phrases


MEGABYTE = {
    "letters": "a" * 10**6,
    "open lists": "[" * 10**6,
    "open objects": '{"a":' * 200_000,
    "named objects": '{"direction":"more","concept":"a",' * 30_000,
    "quotes": '["' + "' " * 500_000,
    "backslashes": '["' + "\\" * 10**6,
    "lines": "vivid\n" * 170_000,
    "bullets": "- film grain\n" * 80_000,
    "commas": "vivid," * 170_000,
    "items": '{"more": [' + '"film grain", ' * 70_000,
    "thinking": "<think>" * 140_000,
    "thinking ended": "</think>" * 120_000,
    "combining marks": "- a" + "\u0301\u0316" * 500_000,
    "brackets": "- a (" * 200_000,
    "white space": "\t" * 10**6 + "x",
    "noise": "".join(random.Random(0).choices("[]{}\"',:\\ \nabмore-*1.<>|()", k=10**6)),
}


@pytest.mark.parametrize("text", MEGABYTE.values(), ids=list(MEGABYTE))
def test_a_megabyte_is_read_within_a_second(text: str) -> None:
    parse_reply("vivid")  # the lists are read once
    start = time.process_time()
    parsed = parse_reply(text, INSTRUCTION)
    assert time.process_time() - start < 1
    check(parsed)


def test_what_is_not_read_of_a_long_reply_is_said() -> None:
    parsed = parse_reply('["vivid"]' + " " * MAX_READ + '["grainy"]')
    assert [phrase.text for phrase in parsed.phrases] == ["vivid"]
    assert [refused.reason for refused in parsed.refused] == [UNREAD]


def test_thinking_may_be_longer_than_what_is_read() -> None:
    reply = "<think>" + "hm, warm light\n" * MAX_READ + '</think>["vivid"]'
    assert parse_reply(reply) == Parsed((Phrase("vivid", "more"),), ())


def test_deep_nesting_is_read_as_any_other() -> None:
    depth = 5000
    reply = "[" * depth + '"vivid"' + "]" * depth
    assert [phrase.text for phrase in parse_reply(reply).phrases] == ["vivid"]
