"""Preferences by a vision-language model: asked as the paper asks, checked, repaired once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from finexl.errors import NoReplyError, PrerequisiteError
from finexl.images import Picture
from finexl.viper.extraction import Asked
from finexl.viper.extraction.asking import AT_ONCE, category_of
from finexl.viper.extraction.forms import JSON, LISTS, TASK, FormError, is_keyword
from finexl.viper.profile import Comment
from finexl.vlm import Limited, Limits, Question, Reply, Scripted

COMMENTS = [Comment("I love the  Flowing <b>lines</b> here!", "a.png"), Comment("Too gloomy.")]


def entry(attribute: str, comment: int, words: str) -> dict[str, object]:
    return {"attribute": attribute, "comment": comment, "words": words}


def reply(liked: Sequence[object] = (), disliked: Sequence[object] = ()) -> str:
    return json.dumps({"liked": list(liked), "disliked": list(disliked)})


GOOD = reply([entry("flowing lines", 1, "flowing lines")], [entry("Gloomy", 2, "too gloomy.")])


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, Picture]:
    Image.new("RGB", (9, 7), "red").save(tmp_path / "a.png")
    return {"a.png": Picture("a", tmp_path / "a.png")}


class Heard:
    """Replies in turn, and the questions that they were given to."""

    def __init__(self, *replies: str) -> None:
        self.replies, self.questions = list(replies), list[Question]()
        self.vlm = Scripted(self._reply)

    def _reply(self, question: Question) -> str:
        self.questions.append(question)
        return self.replies[min(len(self.questions), len(self.replies)) - 1]


def test_a_model_is_asked_the_paper_s_task_about_pictures_and_comments(
    pictures: dict[str, Picture],
) -> None:
    heard = Heard(GOOD)
    found = Asked(heard.vlm).extract(COMMENTS, pictures)
    (question,) = heard.questions
    instruction, image, first, second = question.parts
    assert isinstance(instruction, str)
    assert isinstance(image, Image.Image)
    assert instruction.startswith(TASK)
    assert instruction.endswith("Here are the images and their corresponding comments:\n")
    assert image.size == (9, 7)
    assert (first, second) == (
        "Comment 1: I love the Flowing lines here!\n",
        "Comment 2: Too gloomy.\n",
    )
    assert question.schema == JSON.schema
    (liked,), (disliked,) = found.liked, found.disliked
    assert (liked.attribute, liked.category) == ("flowing lines", "line")
    assert (disliked.attribute, disliked.category) == ("Gloomy", "mood")
    assert liked.evidence[0].words == "Flowing lines"
    assert liked.evidence[0].picture == "a.png"
    assert disliked.evidence[0].words == "Too gloomy"


@pytest.mark.parametrize(
    "wrong",
    [
        "I think the person likes lines.",
        "{",
        "[]",
        reply()[:-1] + ', "mixed": []}',
        '{"liked": {}, "disliked": []}',
        reply(["flowing lines"]),
        reply([{"attribute": "x"}]),
        reply([entry("x", True, "y")]),
        reply([{"attribute": 1, "comment": 1, "words": "x"}]),
        "{" * 100_000,
    ],
)
def test_an_answer_in_another_form_is_asked_for_once_more(wrong: str) -> None:
    heard = Heard(wrong, GOOD)
    found = Asked(heard.vlm).extract(COMMENTS, {})
    assert [one.attribute for one in found.liked] == ["flowing lines"]
    first, second = heard.questions
    assert second.parts[:-1] == first.parts
    assert str(second.parts[-1]).startswith(f"Your answer was:\n{wrong[:50]}")
    with pytest.raises(NoReplyError, match="found no preferences"):
        Asked(Heard(wrong).vlm).extract(COMMENTS, {})


def test_a_fenced_or_talkative_answer_counts_if_its_object_is_right() -> None:
    for text in (f"```json\n{GOOD}\n```", f"Sure! {GOOD}"):
        assert len(Asked(Heard(text).vlm).extract(COMMENTS, {}).liked) == 1


def test_what_its_evidence_does_not_bear_out_is_left_out_and_said() -> None:
    claims = [
        entry("flowing lines", 1, "flowing lines"),
        entry("bold colors", 1, "bold colors"),
        entry("soft light", 7, "flowing lines"),
        entry("calm", 2, "flowing lines"),
        entry("warm", 1, ""),
        entry("a sentence that goes on and on for ever", 1, "flowing lines"),
        entry("<script>\u0007", 1, "flowing lines"),
    ]
    found = Asked(Heard(reply(claims)).vlm).extract(COMMENTS, {})
    assert [one.attribute for one in found.liked] == ["flowing lines"]
    (note, _) = found.notes
    assert note.startswith("Left out of the model's answer: 'bold colors' is not in the words")
    assert note.endswith("and 3 more.")


def test_an_attribute_that_the_quoted_words_do_not_name_was_seen_and_is_less_sure() -> None:
    claims = [entry("teal tones", 1, "love the flowing lines"), entry("lines", 1, "lines")]
    found = Asked(Heard(reply(claims)).vlm).extract(COMMENTS, {})
    by_name = {one.attribute: one for one in found.liked}
    assert by_name["teal tones"].evidence[0].seen
    assert not by_name["lines"].evidence[0].seen
    assert by_name["teal tones"].confidence < by_name["lines"].confidence


def test_what_is_in_both_lists_is_mixed() -> None:
    both = entry("flowing lines", 1, "flowing lines")
    found = Asked(Heard(reply([both], [both])).vlm).extract(COMMENTS, {})
    assert [one.attribute for one in found.mixed] == ["flowing lines"]
    assert not found.liked


def test_many_comments_are_asked_about_in_batches_by_their_own_numbers() -> None:
    comments = [Comment(f"I like mood {number}") for number in range(2 * AT_ONCE + 1)]

    def answer(question: Question) -> str:
        numbers = [
            int(part.split()[1][:-1]) for part in question.parts[1:] if isinstance(part, str)
        ]
        return reply([entry(f"mood {n - 1}", n, f"mood {n - 1}") for n in numbers])

    found = Asked(Scripted(answer)).extract(comments, {})
    assert {e.comment for one in found.liked for e in one.evidence} == set(range(2 * AT_ONCE + 1))
    assert not [note for note in found.notes if "Left out" in note]


def test_what_is_found_before_a_limit_is_kept_and_the_rest_said_to_be_unread() -> None:
    comments = [Comment(f"I like mood {number}") for number in range(AT_ONCE + 1)]
    text = reply([entry("mood 0", 1, "mood 0")])
    limited = Limited(Scripted([text]), Limits(requests=1))
    found = Asked(limited).extract(comments, {})
    assert [one.attribute for one in found.liked] == ["mood 0"]
    assert any(
        note.startswith("Comments 9 to 9 were not read: The limit of 1") for note in found.notes
    )


def test_a_model_that_does_not_answer_at_all_is_an_error_and_says_why() -> None:
    class Silent(Scripted):
        def ask(self, question: Question) -> Reply:
            del question
            raise NoReplyError("The server is asleep.")

    class Missing(Scripted):
        def ask(self, question: Question) -> Reply:
            del question
            raise PrerequisiteError("No key.")

    with pytest.raises(NoReplyError, match="The server is asleep"):
        Asked(Silent(["x"])).extract(COMMENTS, {})
    with pytest.raises(PrerequisiteError, match="No key"):
        Asked(Missing(["x"])).extract(COMMENTS, {})


def test_a_picture_that_cannot_be_opened_is_left_out_of_the_question(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no picture")
    heard = Heard(GOOD)
    found = Asked(heard.vlm).extract(COMMENTS, {"a.png": Picture("a", tmp_path / "a.png")})
    assert all(isinstance(part, str) for part in heard.questions[0].parts)
    assert "read without looking" in found.notes[0]
    assert len(found.liked) == 1


LISTED = """Liked Art Features: Flowing Lines, Teal Tones, Busy
Composition
Disliked Art Features: gloomy, None, this is a sentence that is no keyword at all"""


def test_two_lists_are_read_as_the_authors_weights_write_them() -> None:
    found = Asked(Heard(LISTED).vlm, LISTS).extract(COMMENTS, {})
    assert {one.attribute for one in found.liked} == {
        "Flowing Lines", "Teal Tones", "Busy", "Composition",
    }  # fmt: skip
    assert [one.attribute for one in found.disliked] == ["gloomy"]
    by_name = {one.attribute: one for one in (*found.liked, *found.disliked)}
    assert by_name["Flowing Lines"].evidence[0].words == "I love the Flowing lines here!"
    assert by_name["gloomy"].evidence[0].comment == 1
    assert by_name["Teal Tones"].evidence == ()
    assert by_name["Teal Tones"].confidence < by_name["gloomy"].confidence
    assert LISTS.schema is None


def test_an_answer_without_lists_is_not_in_the_form() -> None:
    for text in ("", "flowing lines, gloomy", "The person has a fine taste."):
        with pytest.raises(FormError):
            LISTS.read(text)
    assert [item.opinion for item in LISTS.read("Likes: a\nDislikes: b")] == ["liked", "disliked"]


@pytest.mark.parametrize(
    ("text", "good"),
    [("warm", True), ("teal and orange", True), ("", False), ("a" * 61, False), ("…", False),
     ("one two three four five six seven", False), ("a\nb", False), ("a\u202eb", False)],
)  # fmt: skip
def test_keywords_are_short_and_printable(text: str, good: bool) -> None:
    assert is_keyword(text) == good


def test_categories_of_anybody_s_words() -> None:
    assert category_of("Muted Earthy Colors") == "colour palette"
    assert category_of("Cottagecore") == "style"
    assert category_of("zzz") is None
