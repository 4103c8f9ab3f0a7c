"""How much may be asked and spent: counted, and stopped before it is passed."""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
from PIL import Image

from finexl.errors import NoReplyError, UsageError
from finexl.vlm import VLM, Limited, LimitReachedError, Limits, Question, Reply, Spent
from finexl.vlm.limits import PICTURE_TOKENS

ASKED = Question(("What changed?",), max_tokens=100)


@dataclass
class Counting:
    """A model whose replies cost what a test says."""

    reply: Reply | Exception = field(default_factory=lambda: Reply("vivid", 90, 10))
    name: str = "counting"
    revision: str = "1"
    concurrency: int = 4
    notice: str | None = "Pictures go nowhere."
    repeats: int = 0
    asked: int = 0

    def ask(self, question: Question) -> Reply:
        assert question is not None
        self.asked += 1
        if isinstance(self.reply, Exception):
            raise self.reply
        return self.reply


def ask_until_the_end(limited: Limited, question: Question = ASKED) -> str:
    with pytest.raises(LimitReachedError) as reached:
        deque((limited.ask(question) for _ in range(1000)), maxlen=0)
    return str(reached.value)


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("requests=40", Limits(requests=40)),
        (
            "requests=40, tokens=200_000,usd=1.5,price=2.5/10",
            Limits(requests=40, tokens=200_000, usd=1.5, price_in=2.5, price_out=10.0),
        ),
        ("price = 0/.5,", Limits(price_in=0.0, price_out=0.5)),
    ],
)
def test_limits_are_read_from_a_text(text: str, limits: Limits) -> None:
    found = Limits.parse(text)
    assert found == limits
    assert all(isinstance(n, int | None) for n in (found.requests, found.tokens))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("requests", "'requests' has no number .*write a whole number above 0"),
        ("requests=", "has no number"),
        ("requests=0", "write a whole number above 0"),
        ("requests=2.5", "write a whole number above 0"),
        ("tokens=-1", "has no number"),
        ("tokens=1e5", "has no number"),
        ("usd=inf,price=1/1", "'usd=inf' has no number .*write a number like 1.5"),
        ("usd=0,price=1/1", "has no number"),
        ("usd=1,price=2", "write two numbers like 2.5/10"),
        ("usd=1", r"needs the prices .*write usd=1\.5,price=2\.5/10"),
        ("euros=1", "'euros=1' is no limit; there are requests=, tokens="),
        ("requests=1,requests=2", "requests= is given twice"),
        ("price=1/2,price=1/2", "price= is given twice"),
    ],
)
def test_limits_that_cannot_be_read(text: str, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        Limits.parse(text)


def test_everything_else_is_the_models_own() -> None:
    limited: VLM = Limited(Counting(), Limits())
    assert (limited.name, limited.revision, limited.concurrency) == ("counting", "1", 4)
    assert limited.notice == "Pictures go nowhere."
    assert limited.ask(ASKED) == Reply("vivid", 90, 10)


def test_requests_end_at_their_limit() -> None:
    vlm = Counting()
    limited = Limited(vlm, Limits(requests=3))
    assert ask_until_the_end(limited) == "The limit of 3 requests to counting is reached."
    assert vlm.asked == limited.spent.requests == 3


def test_requests_that_failed_count_and_so_do_those_that_were_repeated() -> None:
    vlm = Counting(NoReplyError("no"), repeats=7)  # of before, which are not this one's
    limited = Limited(vlm, Limits(requests=5))
    for _ in range(2):
        with pytest.raises(NoReplyError, match=r"^no$"):
            limited.ask(ASKED)
    vlm.repeats += 2
    assert limited.spent == Spent(4, 0, 0)
    vlm.reply = Reply("vivid")
    limited.ask(ASKED)
    with pytest.raises(LimitReachedError):
        limited.ask(ASKED)


def test_what_earlier_attempts_used_counts() -> None:
    vlm = Counting()
    limited = Limited(vlm, Limits(requests=5), Spent(4, 10, 20))
    ask_until_the_end(limited)
    assert vlm.asked == 1
    assert limited.spent == Spent(5, 100, 30)


def test_tokens_stop_before_the_limit_is_passed() -> None:
    vlm = Counting()
    limited = Limited(vlm, Limits(tokens=550))
    said = ask_until_the_end(limited)
    assert said == "Another question to counting could pass the limit of 550 tokens (500 used)."
    assert vlm.asked == 5


def test_the_most_expensive_question_so_far_is_what_the_next_may_need() -> None:
    vlm = Counting(Reply("a", 290, 10))
    limited = Limited(vlm, Limits(tokens=700))
    limited.ask(ASKED)
    vlm.reply = Reply("a", 90, 10)
    limited.ask(ASKED)
    limited.ask(ASKED)
    with pytest.raises(LimitReachedError, match=r"500 used"):  # 500 + 300 > 700
        limited.ask(ASKED)


def test_before_the_first_reply_length_and_pictures_say_what_a_question_needs() -> None:
    picture = Image.new("RGB", (8, 8))
    question = Question((picture, picture, "x" * 30), max_tokens=50)
    needed = 2 * PICTURE_TOKENS + 10 + 50
    Limited(Counting(), Limits(tokens=needed)).ask(question)
    vlm = Counting()
    with pytest.raises(LimitReachedError, match=r"0 used"):
        Limited(vlm, Limits(tokens=needed - 1)).ask(question)
    assert vlm.asked == 0


def test_replies_that_are_not_counted_are_estimated() -> None:
    limited = Limited(Counting(Reply("x" * 6)), Limits())
    limited.ask(Question(("x" * 30,), max_tokens=50))
    assert limited.spent == Spent(1, 10, 2)


def test_cost_is_what_the_prices_say() -> None:
    vlm = Counting(Reply("a", 200_000, 10_000))  # 0.5 + 0.1 US dollars
    limited = Limited(vlm, Limits.parse("usd=2,price=2.5/10"))
    said = ask_until_the_end(limited)
    assert said == (
        "Another question to counting could pass the limit of 2.00 US dollars (1.80 used)."
    )
    assert limited.cost == pytest.approx(1.8, abs=1e-12)
    assert Limited(vlm, Limits()).cost is None


def test_a_reached_limit_is_an_unanswered_question() -> None:
    assert issubclass(LimitReachedError, NoReplyError)
    assert LimitReachedError("x").exit_code == 1


def test_questions_that_are_under_way_count_too() -> None:
    gate = threading.Barrier(3)

    class Slow(Counting):
        def ask(self, question: Question) -> Reply:
            gate.wait(10)  # until both are under way and the third was refused
            return super().ask(question)

    limited = Limited(Slow(), Limits(requests=2))
    with ThreadPoolExecutor(2) as pool:
        pending = [pool.submit(limited.ask, ASKED) for _ in range(2)]
        while len(limited._waiting) < 2:
            time.sleep(0.001)
        with pytest.raises(LimitReachedError):
            limited.ask(ASKED)
        gate.wait(10)
        assert [reply.result().text for reply in pending] == ["vivid"] * 2
    assert limited.spent == Spent(2, 180, 20)


@pytest.mark.parametrize("text", ["", " ", ","])
def test_a_text_that_sets_no_limit_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="sets no limit"):
        Limits.parse(text)
