"""What a vision-language model is asked, about which pairs, and that nothing is asked twice."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from PIL import Image

from finexl.concepts.instructions import INSTRUCTIONS, question
from finexl.concepts.proposals import MOST_FAILURES, Ask, Heard, ask_all, plan
from finexl.errors import NoReplyError, UsageError
from finexl.vlm import Question, Reply, Scripted

RED, BLUE = (255, 0, 0), (0, 0, 255)


@dataclass
class Shown:
    """A red picture of the base and a blue one of the personalized model."""

    name: str

    def open(self) -> tuple[Image.Image, Image.Image]:
        return Image.new("RGB", (1600, 40), RED), Image.new("RGB", (30, 20), BLUE)

    def digest(self) -> str:
        return self.name


class Kept(dict[str, Mapping[str, Any]]):
    """Replies in memory, and errors."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[str] = []

    def find(self, key: str) -> Mapping[str, Any] | None:
        return self.get(key)

    def add(self, key: str, record: Mapping[str, Any]) -> None:
        if "reply" in record:
            self[key] = record
        else:
            self.errors.append(str(record["error"]))


@dataclass
class Model:
    """Answers by a function of how often it was asked before; several at once."""

    answer: Any
    concurrency: int = 3
    name: str = "model"
    revision: str = "1"
    notice: None = None
    questions: list[Question] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, question: Question) -> Reply:
        with self.lock:
            number = len(self.questions)
            self.questions.append(question)
        return Reply(self.answer(number, question), 7, 3)


PAIRS = [Shown(f"pair {i}") for i in range(5)]


def test_pairs_are_dealt_like_cards_and_half_of_the_questions_are_swapped() -> None:
    asks = plan(range(10), 8, 4, np.random.default_rng(0))
    assert [ask.number for ask in asks] == list(range(8))
    assert all(len(set(ask.pairs)) == 4 for ask in asks)
    assert sum(ask.swapped for ask in asks) == 4
    seen = Counter(i for ask in asks for i in ask.pairs)
    assert max(seen.values()) - min(seen.values()) <= 1
    assert asks == plan(range(10), 8, 4, np.random.default_rng(0))
    assert asks != plan(range(10), 8, 4, np.random.default_rng(1))


def test_fewer_pairs_than_a_question_holds() -> None:
    asked: set[tuple[frozenset[int], bool]] = set()
    asks = plan([7, 9], 3, 4, np.random.default_rng(0), 5, asked)
    # two pictures in either order: there is no third question about them
    assert [sorted(ask.pairs) for ask in asks] == [[7, 9]] * 2
    assert [ask.number for ask in asks] == [5, 6]
    assert {ask.swapped for ask in asks} == {True, False}
    assert plan([7, 9], 3, 4, np.random.default_rng(1), 7, asked) == []


def test_the_question_names_each_picture_and_asks_for_one_form() -> None:
    pictures = Image.new("RGB", (4, 4), RED), Image.new("RGB", (4, 4), BLUE)
    for template, words in INSTRUCTIONS.items():
        asked = question(template, [pictures, pictures])
        texts = [part for part in asked.parts if isinstance(part, str)]
        assert texts[:4] == [
            *("Pair 1, picture A:", "Pair 1, picture B:"),
            *("Pair 2, picture A:", "Pair 2, picture B:"),
        ]
        assert texts[4] == words
        assert '{"more": ["...", "..."], "less": ["...", "..."]}' in words
        assert asked.schema is not None
        assert asked.schema["required"] == ["more", "less"]
    assert len(set(INSTRUCTIONS.values())) == len(INSTRUCTIONS) == 4


def test_swapped_questions_show_the_sets_the_other_way_and_are_turned_round() -> None:
    def said(_: int, asked: Question) -> str:
        first = next(part for part in asked.parts if not isinstance(part, str))
        blue = first.getpixel((0, 0)) == BLUE
        return '{"more": ["warm"], "less": ["blue"]}' if blue else '{"more": ["blue"]}'

    heard = Heard()
    asks = [Ask(0, (0, 1), False), Ask(1, (2,), True)]
    ask_all(Model(said), PAIRS, asks, "original", Kept(), heard)
    found = [(v.text, v.direction, v.reply, v.pairs) for v in heard.votes]
    # red became blue: what B has less of when B is the base, the personalized has more of
    assert found == [
        ("blue", "more", 0, (0, 1)),
        ("warm", "less", 1, (2,)),
        ("blue", "more", 1, (2,)),
    ]
    assert heard.pairs == {0, 1, 2}
    assert (heard.asked, heard.replies) == (2, 2)


def test_an_answered_question_is_never_asked_again() -> None:
    asks = plan(range(5), 6, 2, np.random.default_rng(0))
    kept, first, model = Kept(), Heard(), Model(lambda n, _: f"- word{'abcdef'[n]}")
    model.concurrency = 1
    ask_all(model, PAIRS, asks[:4], "original", kept, first)
    again = Heard()
    done: list[int] = []
    ask_all(model, PAIRS, asks, "original", kept, again, done.append)
    assert len(model.questions) == 6
    assert done == [4, 5, 6]
    assert [vote.text for vote in again.votes] == [f"word{c}" for c in "abcdef"]
    assert [record["pairs"] for record in kept.values()] == [list(ask.pairs) for ask in asks]
    assert {record["tokens_in"] for record in kept.values()} == {7}


@pytest.mark.parametrize("changed", ["template", "revision", "pictures"])
def test_what_a_reply_depends_on_is_asked_anew(changed: str) -> None:
    kept, model = Kept(), Model(lambda *_: "- vivid")
    asks = [Ask(0, (0,), False)]
    ask_all(model, PAIRS, asks, "original", kept, Heard())
    model.revision = "2" if changed == "revision" else "1"
    shown = PAIRS[1:] if changed == "pictures" else PAIRS
    template = "condensed" if changed == "template" else "original"
    ask_all(model, shown, asks, template, kept, Heard())
    assert len(model.questions) == 2


def test_an_unanswered_question_is_passed_over_and_asked_next_time() -> None:
    def said(number: int, _: Question) -> str:
        if number == 1:
            raise NoReplyError("The server was busy.")
        return "- vivid"

    asks = plan(range(5), 4, 2, np.random.default_rng(0))
    kept, heard, model = Kept(), Heard(), Model(said, concurrency=1)
    ask_all(model, PAIRS, asks, "original", kept, heard)
    assert (heard.asked, heard.replies) == (4, 3)
    assert heard.failures == kept.errors == ["The server was busy."]
    ask_all(model, PAIRS, asks, "original", kept, Heard())
    assert len(model.questions) == 5


def test_a_dead_server_is_not_asked_to_the_end() -> None:
    def said(*_: object) -> str:
        raise NoReplyError("The server was busy.")

    model, heard = Model(said, concurrency=1), Heard()
    ask_all(
        model, PAIRS, plan(range(5), 50, 2, np.random.default_rng(0)), "original", Kept(), heard
    )
    assert len(model.questions) == MOST_FAILURES
    assert heard.replies == 0


def test_a_refused_key_ends_it_at_once_and_is_on_record() -> None:
    def said(*_: object) -> str:
        raise UsageError("The key is refused.")

    kept = Kept()
    with pytest.raises(UsageError, match="The key is refused"):
        ask_all(
            Model(said, concurrency=1), PAIRS, [Ask(0, (0,), False)] * 3, "original", kept, Heard()
        )
    assert kept.errors == ["The key is refused."]


def test_several_at_once_say_the_same_as_one_by_one() -> None:
    asks = plan(range(5), 9, 2, np.random.default_rng(0))
    said = ["- " + word for word in ("vivid", "grainy", "blurry")]

    def answer(_: int, asked: Question) -> str:
        return said[len(asked.parts) % 3]

    heard = [Heard(), Heard()]
    for concurrency, one in zip((1, 4), heard, strict=True):
        ask_all(Model(answer, concurrency), PAIRS, asks, "original", Kept(), one)
    assert heard[0] == heard[1]


def test_what_is_no_concept_is_told_apart() -> None:
    heard = Heard()
    ask_all(
        Scripted(
            ["I'm sorry, I can't help with that.", "- The image is very bright and shows a dog"]
        ),
        PAIRS,
        [Ask(0, (0,), False), Ask(1, (1,), False)],
        "original",
        Kept(),
        heard,
    )
    assert heard.votes == []
    assert heard.replies == 2
    assert heard.remarks
    assert any("image is very bright" in text for text, _ in heard.refused)


def test_unpaired_pictures_are_not_said_to_belong_together() -> None:
    pictures = Image.new("RGB", (4, 4), RED), Image.new("RGB", (4, 4), BLUE)
    for template in INSTRUCTIONS:
        together = str(question(template, [pictures]).parts[-1])
        apart = str(question(template, [pictures], paired=False).parts[-1])
        assert "made from the same words" in together or template == "condensed"
        assert "same words" not in apart
        assert apart.startswith("The pictures of a pair were put together at random")


def test_replies_under_way_are_kept_when_the_work_is_broken_off() -> None:
    ready = threading.Event()

    def said(number: int, _: Question) -> str:
        if number == 0:
            return "- vivid"
        ready.wait(5)
        return "- grainy"

    def broken(done: int) -> None:
        if done == 1:
            threading.Timer(0.2, ready.set).start()
            raise KeyboardInterrupt

    kept = Kept()
    asks = plan(range(5), 3, 2, np.random.default_rng(0))
    with pytest.raises(KeyboardInterrupt):
        ask_all(Model(said, concurrency=2), PAIRS, asks, "original", kept, Heard(), broken)
    assert sorted(str(record["reply"]) for record in kept.values())[:2] == ["- grainy", "- vivid"]


def test_an_unknown_template_is_refused() -> None:
    with pytest.raises(UsageError, match="no instruction 'poem'"):
        ask_all(Scripted(["x"]), PAIRS, [], "poem", Kept(), Heard())
