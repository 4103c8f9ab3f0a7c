"""Wishes in words: the grammar, and a language model's reading of free ones."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pytest

from finexl.catalog import Wish, ask_wishes, parse_wishes
from finexl.errors import FinexlError, UsageError
from finexl.vlm import Question, Reply


@pytest.mark.parametrize(
    ("text", "concept", "direction", "enough", "weight"),
    [
        ("vivid", "vivid", 1, 1.0, 1.0),
        ("more vivid", "vivid", 1, 1.0, 1.0),
        ("+vivid", "vivid", 1, 1.0, 1.0),
        ("not abstract", "abstract", -1, 1.0, 1.0),
        ("less abstract", "abstract", -1, 1.0, 1.0),
        ("without film grain", "film grain", -1, 1.0, 1.0),
        ("-grainy", "grainy", -1, 1.0, 1.0),
        ("a bit grainy", "grainy", 1, 0.3, 1.0),
        ("slightly less grainy", "grainy", -1, 0.3, 1.0),
        ("a little more grainy", "grainy", 1, 0.3, 1.0),
        ("very vivid", "vivid", 1, 1.5, 1.0),
        ("much less vivid", "vivid", -1, 1.5, 1.0),
        ("not very vivid", "vivid", -1, 1.5, 1.0),
        ("extremely vivid", "vivid", 1, 2.5, 1.0),
        ("vivid * 2", "vivid", 1, 1.0, 2.0),
        ("VERY  Vivid", "Vivid", 1, 1.5, 1.0),
        ("not not abstract", "abstract", 1, 1.0, 1.0),
        # words that only begin like a sign, and a sign that is all there is
        ("notable", "notable", 1, 1.0, 1.0),
        ("nocturnal", "nocturnal", 1, 1.0, 1.0),
        ("lessons", "lessons", 1, 1.0, 1.0),
        ("very", "very", 1, 1.0, 1.0),
        ("noir", "noir", 1, 1.0, 1.0),
        ("black-and-white", "black-and-white", 1, 1.0, 1.0),
        ("black and white", "black and white", 1, 1.0, 1.0),
    ],
)
def test_a_wish_is_read(
    text: str, concept: str, direction: int, enough: float, weight: float
) -> None:
    (wish,) = parse_wishes(text)
    assert (wish.concept, wish.direction, wish.enough, wish.weight) == (
        concept,
        direction,
        enough,
        weight,
    )


def test_wishes_stand_between_commas_and_conjunctions() -> None:
    found = parse_wishes("vivid, not abstract; a bit grainy and dark but less blurry")
    assert [(wish.concept, wish.direction) for wish in found] == [
        ("vivid", 1),
        ("abstract", -1),
        ("grainy", 1),
        ("dark", 1),
        ("blurry", -1),
    ]


def test_what_a_wish_says_reads_as_the_same_wish() -> None:
    for text in ("vivid", "less abstract", "a bit grainy", "less very dark", "vivid * 2.5"):
        (wish,) = parse_wishes(text)
        assert parse_wishes(wish.text) == (wish,)


def test_of_two_wishes_with_one_concept_the_later_counts() -> None:
    assert parse_wishes("vivid, less Vivid") == (Wish("Vivid", -1),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no wish"),
        (" , ;", "no wish"),
        ("x" * 2001, "at most 2,000"),
        ("x" * 201, "longer than 200"),
        (", ".join(f"a{i}" for i in range(51)), "51 wishes"),
        ("vivid * 0", "weight"),
        ("vivid * 101", "weight"),
    ],
)
def test_what_is_no_wish_is_said(text: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        parse_wishes(text)


@dataclass
class Says:
    text: str
    name = "says"
    revision = "1"
    concurrency = 1
    notice = None
    asked = ""

    def ask(self, question: Question) -> Reply:
        self.asked = str(question.parts[0])
        return Reply(self.text)


def test_a_language_model_reads_free_wishes() -> None:
    answer = {
        "wishes": [
            {"concept": "neon lights", "want": "more", "amount": "a lot"},
            {"concept": "film grain, dust", "want": "less", "amount": "a little"},
        ]
    }
    model = Says("Sure! " + json.dumps(answer))
    found = ask_wishes('I love "neon"\nbut hate grain', model)
    assert found == (Wish("neon lights", 1, 1.5), Wish("film grain dust", -1, 0.3))
    assert '"I love \\"neon\\"\\nbut hate grain"' in model.asked


@pytest.mark.parametrize("reply", ["", "no", "{}", '{"wishes": 3}', '{"wishes": [1]}', "{" * 9999])
def test_a_reply_of_another_form_is_an_error(reply: str) -> None:
    with pytest.raises(FinexlError, match="grammar"):
        ask_wishes("vivid", Says(reply))
