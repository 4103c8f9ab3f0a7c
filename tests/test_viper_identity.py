"""Whose comment, whose preferences: the two identifiability tests, recovery, and their commands."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from fake_encoder import FakeEncoder
from finexl.cli import viper_agents
from finexl.encoders.embedded import Embedded
from finexl.errors import NoReplyError, UsageError
from finexl.images import Picture
from finexl.viper.agents import (
    Agent,
    Drawn,
    Likings,
    Lookup,
    Ranked,
    Reaction,
    Remark,
    Shown,
    Similar,
    Truth,
    author_test,
    draw_likings,
    make_agents,
    read_agents,
    readers,
    recovery,
    vp_test,
)
from finexl.viper.agents.identity import PAPER, wilson
from finexl.viper.agents.lookup import listed_in
from finexl.viper.agents.matching import ranking, similarity
from finexl.viper.agents.meaning import Meaning
from finexl.viper.agents.readers import extractor_of, matcher_of, mean_row
from finexl.viper.attributes import attributes
from finexl.viper.extraction import Extracted, Finding, Offline, merged
from finexl.viper.profile import Comment, Opinion
from finexl.viper.taste import Taste
from finexl.vlm import Question, Scripted

ABOUT = (
    Reaction("cubism", "liked", "named"),
    Reaction("warm colors", "disliked", "described"),
    Reaction("mosaic", "disliked", "judged"),
    Reaction("repetition", "liked", "unspecific"),
)


def agent(number: int, likings: Likings, about: Sequence[Reaction] = ABOUT) -> Agent:
    """Return an agent with three comments whose texts say nothing."""
    shown = tuple(Shown(f"{place}.png", "x", place, ()) for place in range(3))
    remarks = tuple(
        Remark(f"{number} {place}", one.file, "neutral", tuple(about[place::3]))
        for place, one in enumerate(shown)
    )
    return Agent(f"a{number}", likings.liked, likings.disliked, shown, remarks, "grammar")


PEOPLE = [agent(number, likings) for number, likings in enumerate(draw_likings(30, 8))]


@dataclass(frozen=True)
class Knowing:
    """Reads an agent's number off its comments; finds what it holds, or a constant."""

    found: Sequence[tuple[str, Opinion]] | None = None
    name: str = "knowing"

    def extract(self, comments: Sequence[Comment], pictures: Mapping[str, Picture]) -> Extracted:
        del pictures
        if self.found is not None:
            return merged(Finding(text, None, side, 0.5, 0, text) for text, side in self.found)
        one = PEOPLE[int(comments[0].text.split()[0])]
        held: list[tuple[str, Opinion]] = [(text, "liked") for text in one.liked]
        held += [(text, "disliked") for text in one.disliked]
        return merged(Finding(text, None, side, 0.5, 0, text) for text, side in held)


# similarity


def taste(liked: Sequence[str] = (), disliked: Sequence[str] = ()) -> Taste:
    return Taste(tuple((one, 1.0) for one in liked), tuple((one, 1.0) for one in disliked))


def test_similarity_counts_the_same_side_for_and_the_other_against() -> None:
    found = Taste((("cubism", 0.5), ("mosaic", 0.25)), (("Warm Colors", 1.0),))
    assert similarity(found, taste(["cubism", "mosaic"], ["warm colors"])) == 1.75
    assert similarity(found, taste(["warm colors"], ["cubism"])) == -1.5
    assert similarity(found, taste(["no such thing"])) == 0
    assert similarity(taste(["amaranthine"]), taste(["amaranthine"])) == 1
    assert similarity(taste(), taste(["cubism"])) == 0


def test_a_reply_is_a_ranking_only_if_it_names_everybody_once() -> None:
    assert ranking("3, 1, 2", 3) == [2, 0, 1]
    assert ranking("Of the 12 words, these:\n2 > 1 > 3", 3) == [1, 0, 2]
    for wrong in ("", "1, 2", "1, 1, 2", "1, 2, 3, 4", "none of them", "9" * 10**5):
        assert ranking(wrong, 3) is None


def test_a_comments_meaning_finds_who_has_the_attribute_and_on_which_side(
    encoder: Embedded,
) -> None:
    matcher = Meaning(Offline(), encoder)
    meant = matcher.meant(["the watercolor washes", "harsh shadows"])
    listed = [one.text for one in attributes()]
    np.testing.assert_allclose(meant.sum(axis=1), 1.0)
    assert [listed[place] for place in meant.argmax(axis=1)] == [
        "watercolor painting",
        "hard shadows",
    ]
    wet, dry = ("watercolor painting", 1.0), ("pixel art", 1.0)
    likes, hates, other = (
        Taste((wet,), (dry,)),
        Taste((dry,), (wet,)),
        Taste((("neon colors", 1.0),)),
    )

    def scores(text: str) -> tuple[float, ...]:
        return matcher.author(Remark(text, "x.png", "neutral", None), {}, [likes, hates, other])

    loved, loathed = scores("I love the watercolor washes"), scores("I hate the watercolor washes")
    assert loved[0] > loved[1] > loved[2]
    assert loathed[1] > loathed[0] > loathed[2]
    (clause,) = meant[:1] @ np.eye(len(listed))
    told = clause[[listed.index(wet[0]), listed.index(dry[0])]]
    neutral = scores("the watercolor washes")
    assert neutral[0] == pytest.approx(neutral[1], rel=1e-6)
    assert neutral[0] == pytest.approx(0.5 * told.sum(), rel=1e-6)
    assert scores("…") == (0.0, 0.0, 0.0)
    assert matcher.same(likes, [likes, hates]) == Similar(Offline()).same(likes, [likes, hates])


def test_a_language_model_is_shown_the_comment_and_every_candidate() -> None:
    asked: list[Question] = []

    def reply(question: Question) -> str:
        asked.append(question)
        return "2, 1"

    remark = Remark("So warm.", "x.png", "positive", None)
    candidates = [taste(["cubism"], ["mosaic"]), taste((), ["realism"])]
    scores = Ranked(Scripted(reply)).author(remark, {}, candidates)
    assert scores[1] > scores[0]
    (text,) = asked[0].parts
    assert isinstance(text, str)
    assert '"So warm."' in text
    assert "Person 1\nLikes: cubism\nDislikes: mosaic\n" in text
    assert "Person 2\nLikes: nothing known\nDislikes: realism\n" in text


def test_a_model_that_does_not_rank_is_asked_once_more_and_then_leaves_it_to_chance() -> None:
    busy = [True]

    def reply(_: Question) -> str:
        if busy.pop() if busy else False:
            raise NoReplyError("busy")
        return "1, 2"

    ranked = Ranked(Scripted(reply))
    assert ranked.same(taste(), [taste(), taste()]) == (0, -1)
    assert ranked.unanswered == 0
    silent = Ranked(Scripted(["I cannot say.", "Sorry."]))
    assert silent.same(taste(), [taste(), taste()]) == (0, 0)
    assert silent.unanswered == 1


# the two tests


def test_who_knows_finds_everybody() -> None:
    rows = author_test(PEOPLE, Similar(Knowing()), authors=20)
    assert [row.share for row in rows] == [100, 100, 100]
    assert [row.k for row in rows] == [1, 2, 3]
    assert {row.questions for row in rows} == {40}  # two comments each
    rows = vp_test(PEOPLE, Knowing(), Similar(Knowing()), tested=20)
    assert [(row.sides, row.share) for row in rows] == [
        (sides, 100) for sides in ("all", "liked", "disliked") for _ in range(3)
    ]


def test_who_knows_nothing_is_exactly_at_chance() -> None:
    nothing = Knowing(found=())
    for rows in (
        author_test(PEOPLE, Similar(nothing), authors=7),
        vp_test(PEOPLE, nothing, Similar(nothing), tested=7)[:3],
    ):
        assert [row.share for row in rows] == pytest.approx([20, 40, 60])
        assert [row.chance for row in rows] == [20, 40, 60]


def test_one_side_alone_is_judged_by_that_side_alone() -> None:
    """Whoever reads liked attributes alone is right about these and blind about the others."""

    @dataclass(frozen=True)
    class Half:
        name: str = "half"

        def extract(
            self, comments: Sequence[Comment], pictures: Mapping[str, Picture]
        ) -> Extracted:
            found = Knowing().extract(comments, pictures)
            return replace(found, disliked=())

    rows = vp_test(PEOPLE, Half(), Similar(Half()), tested=20)
    top = {row.sides: row.share for row in rows if row.k == 1}
    assert top["liked"] == 100
    assert top["disliked"] == pytest.approx(20)


def test_the_papers_figures_stand_beside_ours() -> None:
    rows = author_test(PEOPLE, Similar(Knowing()), authors=2)
    assert [row.paper for row in rows] == [83.4, 89.1, 91.2]
    assert {key: row[0] for key, row in PAPER.items()} == {
        ("author", "all"): 83.4,
        ("vp", "all"): 89.9,
        ("vp", "liked"): 92.4,
        ("vp", "disliked"): 45.8,
    }


def test_the_same_seed_asks_the_same_and_another_asks_otherwise() -> None:
    reader = Knowing(found=[("cubism", "liked"), ("warm colors", "liked")])
    first, again, other = (
        author_test(PEOPLE, Similar(reader), authors=10, seed=seed) for seed in (1, 1, 2)
    )
    assert first == again != other


def test_wilsons_interval_is_the_known_one() -> None:
    assert wilson(0.0, 10) == pytest.approx((0.0, 0.27753), abs=1e-5)
    assert wilson(0.5, 100) == pytest.approx((0.40383, 0.59617), abs=1e-5)
    assert wilson(1.0, 10) == pytest.approx((0.72247, 1.0), abs=1e-5)


def test_tests_of_too_few_agents_are_refused() -> None:
    with pytest.raises(UsageError, match="5 agents or more"):
        author_test(PEOPLE[:4], Similar(Lookup()), authors=2)
    with pytest.raises(UsageError, match="30 have comments enough"):
        author_test(PEOPLE, Similar(Lookup()), authors=31)
    silent = [replace(one, comments=()) for one in PEOPLE]
    with pytest.raises(UsageError, match="0 have comments enough"):
        vp_test(silent, Lookup(), Similar(Lookup()), tested=1)


# what is found of what is said


def test_recovery_counts_what_is_found_by_hand() -> None:
    people = [agent(0, Likings(("cubism", "repetition"), ("mosaic", "realism")))]
    found: list[tuple[str, Opinion]] = [
        ("cubism", "liked"),  # right
        ("warm colors", "liked"),  # said, but the other way
        ("realism", "disliked"),  # held, and not spoken of
        ("cool colors", "disliked"),  # of the kind of what was said
    ]
    result = recovery(people, Knowing(found=found))
    assert (result.precision.part, result.precision.whole) == (1, 4)
    assert (result.recall.part, result.recall.whole) == (1, 4)
    assert (result.held_precision.part, result.held_precision.whole) == (2, 4)
    assert (result.held_recall.part, result.held_recall.whole) == (2, 4)
    assert (result.polarity.part, result.polarity.whole) == (1, 2)
    assert (result.kind_precision.part, result.kind_recall.part) == (2, 2)
    assert {manner: share.part for manner, share in result.by_manner.items()} == {
        "named": 1, "described": 0, "judged": 0, "unspecific": 0,
    }  # fmt: skip
    assert result.precision.value == 25
    assert result.extractor == "knowing"


def test_intervals_of_recovery_come_from_drawing_agents_again() -> None:
    likings = Likings((), ())
    half = [agent(0, likings, [Reaction("cubism", "liked", "named")])] * 20
    half += [agent(1, likings, [Reaction("mosaic", "liked", "named")])] * 20
    share = recovery(half, Knowing(found=[("cubism", "liked")])).recall
    assert share.value == 50
    # 40 agents, each all or nothing: about 1.96 · √(0.25 / 40) either way
    assert share.ci == pytest.approx((35, 65), abs=2.6)


def test_recovery_needs_comments_whose_meaning_is_known() -> None:
    written = replace(PEOPLE[0], comments=(replace(PEOPLE[0].comments[0], about=None),))
    for people in ([], [written]):
        with pytest.raises(UsageError, match="without --vlm"):
            recovery(people, Lookup())


def test_looking_words_up_finds_names_and_aliases_and_a_blaming_word() -> None:
    assert [one.text for one in listed_in("Such WARM COLOURS, and cubism!")] == [
        "warm colors",
        "cubism",
    ]
    assert listed_in("precubism") == ()
    comments = [Comment("Love the cubism. But not the mosaic!"), Comment("nothing at all")]
    found = Lookup().extract(comments, {})
    assert [one.attribute for one in found.liked] == ["cubism"]
    assert [one.attribute for one in found.disliked] == ["mosaic"]


def test_the_truth_is_all_that_comments_speak_of() -> None:
    result = recovery(PEOPLE, Truth(PEOPLE))
    assert result.recall.value == result.precision.value == result.polarity.value == 100
    strange = [Comment("who said that?")]
    with pytest.raises(UsageError, match="without --vlm"):
        Truth(PEOPLE).extract(strange, {})


# what reads and ranks, by name; the commands


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("agents") / "people"
    make_agents(path, 6, 1, pictures=3, generator=Drawn(16))
    return path


def test_readers_are_chosen_by_name(folder: Path, tmp_path: Path) -> None:
    assert extractor_of("lookup", "none", [], None, print) == Lookup()
    assert extractor_of("truth", "none", PEOPLE, None, print) == Truth(PEOPLE)
    assert extractor_of("offline", "none", [], folder, print) == Offline()
    assert extractor_of("offline", "fake", [], None, print) == Offline()
    similar = matcher_of("similarity", Lookup(), print)
    assert similar == Similar(Lookup())
    assert isinstance(matcher_of("meaning", Lookup(), print), Meaning)
    replies = tmp_path / "replies.json"
    replies.write_text('["1, 2, 3, 4, 5"]')
    assert isinstance(matcher_of(f"scripted:{replies}", Lookup(), print), Ranked)
    with pytest.raises(UsageError):
        extractor_of("no such model:", "none", [], None, print)


def test_the_mean_row_is_that_of_the_agents_pictures(folder: Path) -> None:
    people = read_agents(folder)
    encoder = FakeEncoder()
    row = mean_row(encoder, people, folder)
    images = [Picture("x", folder / shown.file).open() for one in people for shown in one.pictures]
    assert row == pytest.approx(encoder.embed_images(images).mean(axis=0), abs=1e-6)
    with pytest.raises(UsageError, match="no pictures"):
        mean_row(encoder, [], folder)


def test_the_mean_row_is_computed_once_and_when_it_is_needed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    eyes = FakeEncoder()
    monkeypatch.setattr(readers, "load_encoder", lambda name: {"eyes": eyes}[name])
    offline = extractor_of("offline", "eyes", read_agents(folder), folder, print)
    assert isinstance(offline, Offline)
    assert offline.mean is not None
    assert eyes.pictures == 0
    row, looked_at = offline.mean(), eyes.pictures
    assert offline.mean() is row
    assert eyes.pictures == looked_at > 6


def run(command: Any, *arguments: Any) -> Any:
    """Run a command as it is registered under `finexl viper`; return what --json - prints."""
    app = typer.Typer()
    app.command()(command)
    done = CliRunner().invoke(app, [*(str(one) for one in arguments), "--json", "-"])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def test_the_commands_make_people_and_measure_them(tmp_path: Path) -> None:
    out = tmp_path / "people"
    made = run(viper_agents.agents, out, "--count", 6, "--pictures", 3, "--size", 16)
    assert made["agents"] == 6
    assert made["comments"] == made["pictures"] > 6
    assert made["drawable"] > 200
    words = ("--extractor", "lookup")
    found = run(viper_agents.author_test, out, "--authors", 4, *words)
    assert found["matcher"] == "similarity, lookup"
    assert [row["k"] for row in found["accuracies"]] == [1, 2, 3]
    found = run(viper_agents.vp_test, out, "--tested", 4, *words)
    assert [row["paper"] for row in found["accuracies"]][::3] == [89.9, 92.4, 45.8]
    found = run(viper_agents.recovery, out, *words, "--most", 3)
    assert found["agents"] == 3
    assert set(found["by_manner"]) == {"named", "described", "judged", "unspecific"}
    found = run(viper_agents.recovery, out / "agents.jsonl", "--encoder", "none")
    assert found["extractor"] == "offline"


def test_the_commands_print_tables_for_people(folder: Path) -> None:
    app = typer.Typer()
    app.command("author-test")(viper_agents.author_test)
    app.command("recovery")(viper_agents.recovery)
    done = CliRunner().invoke(
        app, ["author-test", str(folder), "--authors", "3", "--extractor", "lookup"]
    )
    assert done.exit_code == 0, done.output
    assert "6 questions, similarity, lookup" in done.stdout
    assert "83.4" in done.stdout
    done = CliRunner().invoke(app, ["recovery", str(folder), "--extractor", "lookup"])
    assert "6 agents, read by lookup" in done.stdout


def test_a_model_that_always_names_the_same_place_is_near_chance() -> None:
    """The true one stands anywhere in the line-up."""
    same = Ranked(Scripted(["1, 2, 3, 4, 5"]))
    shares = [
        author_test(PEOPLE, same, authors=30, seed=seed)[0].share for seed in range(8)
    ]  # 480 questions: 20 ± 5.5 at three standard errors
    assert sum(shares) / len(shares) == pytest.approx(20, abs=5.5)


def test_a_model_may_rank(folder: Path, tmp_path: Path) -> None:
    replies = tmp_path / "replies.json"
    replies.write_text('["1, 2, 3, 4, 5"]')
    found = run(
        viper_agents.vp_test, folder, "--tested", 3, "--extractor", "lookup",
        "--matcher", f"scripted:{replies}",
    )  # fmt: skip
    assert found["matcher"] == f"lookup; ranked by scripted:{replies}"
