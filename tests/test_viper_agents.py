"""Simulated people: who likes what, what they are shown, what they say of it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from finexl.errors import FinexlError, NoReplyError, UsageError
from finexl.generators import Job, Made
from finexl.images import Picture
from finexl.operators import OPERATORS
from finexl.viper.agents import (
    Agent,
    Drawn,
    Likings,
    Lookup,
    draw_likings,
    drawable,
    jaccard_distance,
    make_agents,
    read_agents,
    recovery,
    tastes,
)
from finexl.viper.agents.agent import FILE, SCHEMA, View
from finexl.viper.agents.asking import cleaned
from finexl.viper.agents.figures import GROUNDS, PLACES
from finexl.viper.agents.grammar import Voice, forms, phrases, voice_of, write
from finexl.viper.agents.ingredients import (
    SLOTS,
    Recipe,
    hidden,
    ingredients,
    of_slot,
    read_recipe,
    visible,
    written,
)
from finexl.viper.agents.picturing import BLAND, drawn
from finexl.viper.agents.slips import slipped
from finexl.viper.agents.views import Impression, cared_for, impression
from finexl.viper.attributes import attributes, by_text, categories
from finexl.vlm import LimitReachedError, Question, Scripted

SMALL = Drawn(24)
CLEAN = Voice(sloppy=0.0, hedging=0.1, sarcastic=0.1, chatty=0.5, british=False)


def rng(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def with_parts(**parts: str) -> Recipe:
    """Return the plainest recipe but for some parts, by slot."""
    plain = {slot: of_slot(slot)[0] for slot in SLOTS}
    return {**plain, **{slot: ingredients()[name] for slot, name in parts.items()}}


def pixels(*seeds: int, **parts: str) -> NDArray[np.int16]:
    job = Job(written(with_parts(**parts)), sum(seeds))
    made = Drawn(64).make([job])[0].image
    assert made is not None
    return np.asarray(made, np.int16)


# who likes what


def test_agents_have_fifty_attributes_on_average_by_the_categories_weights() -> None:
    many = draw_likings(900, 3)
    sizes = [len(one.liked) + len(one.disliked) for one in many]
    assert min(sizes) >= 40
    assert max(sizes) <= 60
    assert np.mean(sizes) == pytest.approx(50, abs=0.5)
    assert np.mean([len(one.liked) for one in many]) == pytest.approx(25, abs=0.4)
    named = [by_text()[text.casefold()] for one in many for text in one.liked + one.disliked]
    shares = Counter(one.category for one in named)
    for name, category in categories().items():
        assert shares[name] / len(named) == pytest.approx(category.weight, abs=0.007), name
    assert all(not set(one.liked) & set(one.disliked) for one in many)


@pytest.mark.parametrize("apart", [0.85, 0.9])
def test_any_two_agents_are_as_far_apart_as_asked_by_brute_force(apart: float) -> None:
    some = draw_likings(120, 5, apart=apart)
    nearest = min(jaccard_distance(a, b) for a, b in combinations(some, 2))
    assert nearest >= apart
    if apart == 0.9:  # which chance alone does not give
        unasked = draw_likings(150, 5, apart=0)
        assert min(jaccard_distance(a, b) for a, b in combinations(unasked, 2)) < apart


def test_the_distance_is_that_of_signed_attributes() -> None:
    one = Likings(("cubism", "realism"), ("warm colors",))
    assert jaccard_distance(one, one) == 0
    assert jaccard_distance(one, Likings(("warm colors",), ("cubism", "realism"))) == 1
    assert jaccard_distance(one, Likings(("cubism",), ("realism", "warm colors"))) == 0.5


def test_the_first_agents_are_the_same_however_many_are_drawn() -> None:
    assert draw_likings(40, 9) == draw_likings(90, 9)[:40]
    assert draw_likings(40, 9) != draw_likings(40, 10)


@pytest.mark.parametrize(
    ("count", "seed", "apart", "says"),
    [(0, 0, 0.85, "1 to"), (10**6, 0, 0.85, "1 to"), (5, -1, 0.85, "seed"), (5, 0, 1.5, "between")],
)
def test_numbers_that_cannot_be_are_refused(count: int, seed: int, apart: float, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        draw_likings(count, seed, apart=apart)


def test_more_agents_than_fit_so_far_apart_end_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tastes, "TRIES", 30)
    with pytest.raises(FinexlError, match="ask for fewer"):
        draw_likings(60, 0, apart=1.0)


# what drawn pictures show


def test_ingredients_name_listed_attributes_known_operators_and_slots() -> None:
    listed = {one.text for one in attributes()}
    for one in ingredients().values():
        assert {one.slot} <= set(SLOTS), one.name
        assert set(one.hides) <= set(SLOTS) - {one.slot}, one.name
        assert set(one.shows) <= listed, one.name
        operator, at, level = one.how.partition("@")
        if at:
            assert operator in OPERATORS
            assert 0 < float(level) <= 1
    assert {one.name for one in of_slot("ground")} == set(GROUNDS)
    assert {one.name for one in of_slot("layout")} == set(PLACES)
    assert len(drawable()) > 200


def test_a_recipe_is_read_as_it_was_written_and_nothing_else_is() -> None:
    recipe = with_parts(medium="mosaic", light="night")
    assert read_recipe(written(recipe)) == recipe
    for wrong in ("", "a cat", written(recipe) + ", night", written(recipe).replace("mosaic", "x")):
        with pytest.raises(UsageError, match="recipe"):
            read_recipe(wrong)


def test_what_a_part_hides_is_not_visible() -> None:
    assert "blue tones" in visible(with_parts(colours="blue"))
    under = visible(with_parts(colours="blue", medium="charcoal"))
    assert "blue tones" not in under
    assert "charcoal drawing" in under


def test_pictures_have_what_they_are_said_to_have() -> None:
    plain = pixels(colours="blue", layout="alone", shape="disc")
    red, green, blue = plain.reshape(-1, 3).mean(axis=0)
    assert blue > green + 15
    assert blue > red + 15
    gray = pixels(colours="blue", tone="black and white")
    assert np.ptp(gray, axis=2).max() <= 2
    assert pixels(colours="blue", light="darkened").mean() < 0.7 * plain.mean()
    mirrored = pixels(layout="mirrored", shape="blob", colours="rainbow", ground="wavy ground")
    assert (mirrored == mirrored[:, ::-1]).all()
    edge = np.concatenate([plain[0], plain[-1], plain[:, 0], plain[:, -1]])
    assert np.ptp(edge, axis=0).max() == 0  # a plain background
    stripes = pixels(ground="striped ground", layout="tiny")
    assert np.ptp(stripes[:, 0], axis=0).max() > 20
    assert np.ptp(stripes[0], axis=0).max() == 0
    colours = {tuple(one) for one in pixels(colours="rainbow", layout="aside").reshape(-1, 3)}
    assert len(colours) > 6  # all of them, also in one shape
    still, moved = pixels(layout="rows"), pixels(layout="rows", surface="blurred")
    assert np.abs(np.diff(moved, axis=1)).max() < 0.5 * np.abs(np.diff(still, axis=1)).max()


def test_the_same_recipe_and_seed_give_the_same_picture() -> None:
    parts = {"layout": "heap", "shape": "blob", "surface": "grainy", "colours": "sweets"}
    assert (pixels(4, **parts) == pixels(4, **parts)).all()
    assert (pixels(4, **parts) != pixels(5, **parts)).any()


def test_drawn_pictures_of_an_impossible_size_are_refused() -> None:
    for size in (0, 15, 10**7):
        with pytest.raises(UsageError, match="pixels a side"):
            Drawn(size)


def test_pictures_are_made_from_what_the_agent_likes_and_dislikes() -> None:
    likings = draw_likings(60, 2)
    kinds: Counter[tuple[bool, bool]] = Counter()
    for number, one in enumerate(likings):
        for place in range(5):
            planned = drawn(one, place, rng(number, place))
            recipe = read_recipe(planned.job.prompt)
            assert planned.visible == visible(recipe)
            cared = {opinion for _, opinion in cared_for(one, planned.visible)}
            kinds["liked" in cared, "disliked" in cared] += 1
            # what nobody can see is plain
            assert all(recipe[slot] is of_slot(slot)[0] for slot in hidden(recipe) if slot in BLAND)
    total = kinds.total()
    assert kinds[False, False] / total < 0.05
    assert all(
        0.15 < kinds[pair] / total < 0.6 for pair in [(True, False), (False, True), (True,) * 2]
    )


# what they think and say


def test_the_five_opinions_come_in_known_proportions() -> None:
    views: Counter[View] = Counter()
    for number, one in enumerate(draw_likings(90, 4)):
        for place in range(10):
            draws = rng(number, place)
            views[impression(one, drawn(one, place, draws).visible, draws).opinion] += 1
    assert set(views) == set(get_args(View))
    bands = {
        "positive": (0.28, 0.40), "negative": (0.15, 0.27), "conflicted": (0.17, 0.30),
        "neutral": (0.10, 0.20), "extremely negative": (0.06, 0.14),
    }  # fmt: skip
    for view, (low, high) in bands.items():
        assert low < views[view] / views.total() < high, view  # type: ignore[index]


def test_an_opinion_follows_from_what_is_seen() -> None:
    likes = Likings(("cubism", "warm colors"), ("blurry", "oil painting"))
    seen: dict[tuple[str, ...], set[View]] = {}
    for shown in (("cubism",), ("blurry",), ("cubism", "blurry"), ("realism",), ()):
        seen[shown] = {impression(likes, shown, rng(seed)).opinion for seed in range(200)}
    assert seen["cubism",] == {"positive", "neutral"}
    assert seen["blurry",] == {"negative", "extremely negative", "neutral"}
    assert seen["cubism", "blurry"] == {"conflicted", "neutral"}
    assert seen["realism",] == seen[()] == {"neutral"}


def test_comments_speak_of_what_is_visible_in_a_planted_picture_and_of_nothing_else() -> None:
    """No phrase of any other attribute that the agent has stands in any of 400 comments."""
    likings = draw_likings(1, 12)[0]
    shown = (*likings.liked[::5], *likings.disliked[::5])
    hers = set(shown)
    said_at_all: set[str] = set()
    of_shown = " ".join(
        " ".join((known.own, *known.described, known.liked, known.disliked)).lower()
        for known in (phrases()[text] for text in shown)
    ) + " ".join(form.text.lower() for listed in forms().values() for form in listed)
    others = {
        phrase.lower()
        for text in (*likings.liked, *likings.disliked)
        if text not in hers
        for phrase in (phrases()[text].own, *phrases()[text].described)
    }
    strange = {phrase for phrase in others if phrase not in of_shown}
    assert len(strange) > 80
    for seed in range(400):
        thought = impression(likings, shown, rng(seed))
        text, about = write(thought, CLEAN, rng(seed, 1))
        assert {one.attribute for one in about} <= hers
        assert all(
            one.attribute in (likings.liked if one.opinion == "liked" else likings.disliked)
            for one in about
        )
        assert not [phrase for phrase in strange if phrase in text.lower()], text
        said_at_all |= {one.attribute for one in about}
    assert len(said_at_all) > 0.8 * len(hers)


def test_a_comment_that_names_an_attribute_holds_its_name() -> None:
    for seed in range(60):
        thought = Impression("negative", (("pixel art", "disliked"),))
        text, (about,) = write(thought, CLEAN, rng(seed))
        if about.manner == "named":
            assert "pixel art" in text.lower()
        if about.manner == "described":
            told = phrases()["pixel art"].described
            assert any(phrase.lower() in text.lower() for phrase in told), text


def test_every_attribute_can_be_spoken_of_either_way_and_reads_as_sentences() -> None:
    assert list(phrases()) == [one.text for one in attributes()]
    for number, one in enumerate(attributes()):
        assert len(phrases()[one.text].described) >= 2
        assert "" not in phrases()[one.text].described
        for opinion, side in (("positive", "liked"), ("extremely negative", "disliked")):
            text, _ = write(Impression(opinion, ((one.text, side),)), CLEAN, rng(number))  # type: ignore[arg-type]
            assert "{" not in text
            assert "  " not in text
            assert text[0] == text[0].upper(), text
            assert text[-1] in ".!?", text


def test_comments_do_not_list_attributes() -> None:
    """Two of an agent's attributes are never strung together by commas or "and" alone."""
    thought = Impression("positive", (("red tones", "liked"), ("mosaic", "liked")))
    for seed in range(200):
        text, _ = write(thought, CLEAN, rng(seed))
        assert not any(
            f"red tones{between}the mosaic" in text.lower() for between in (", ", " and ", ", and ")
        ), text


def test_neutral_comments_of_nothing_mention_nothing() -> None:
    for seed in range(50):
        text, about = write(Impression("neutral", ()), CLEAN, rng(seed))
        assert about == ()
        assert text


def test_what_comments_mean_cannot_be_looked_up() -> None:
    """Words alone find under half of what is said, and are wrong about much of it."""
    people = []
    for number, one in enumerate(draw_likings(40, 6)):
        people.append(spoken(number, one))
    found = recovery(people, Lookup())
    assert 15 < found.recall.value < 50
    assert found.by_manner["named"].value > 40 > found.by_manner["described"].value
    assert found.polarity.value < 80


def spoken(number: int, likings: Likings) -> Agent:
    """Return an agent with six comments, none of its pictures drawn."""
    from finexl.viper.agents import Remark, Shown

    shown, remarks, voice = [], [], voice_of(rng(number))
    for place in range(6):
        draws = rng(number, place)
        planned = drawn(likings, place, draws)
        thought = impression(likings, planned.visible, draws)
        text, about = write(thought, voice, draws)
        shown.append(Shown(f"{place}.png", planned.job.prompt, place, planned.visible))
        remarks.append(Remark(text, f"{place}.png", thought.opinion, about))
    return Agent(
        f"agent-{number}", likings.liked, likings.disliked, tuple(shown), tuple(remarks), "grammar"
    )


# slips


def test_a_careful_typist_makes_no_slips_and_a_sloppy_one_does() -> None:
    text = "I really love the gray colors, honestly. They're my favorite."
    assert slipped(text, 0.0, False, rng(0)) == text
    british = "I really love the grey colours, honestly. They're my favourite."
    assert slipped(text, 0.0, True, rng(0)) == british
    typed = {slipped(text, 0.2, False, rng(seed)) for seed in range(20)}
    assert len(typed) > 15
    assert text not in typed
    assert slipped(text, 0.2, False, rng(3)) == slipped(text, 0.2, False, rng(3))


# in a folder


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("agents") / "people"
    make_agents(folder, 4, 1, pictures=3, generator=SMALL)
    return folder


def test_the_same_seed_gives_the_same_bytes_whole_or_continued(
    people: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "people"
    make_agents(folder, 2, 1, pictures=3, generator=SMALL)
    lines = (folder / FILE).read_bytes().splitlines(keepends=True)
    (folder / FILE).write_bytes(lines[0] + lines[1][:300])  # as a kill leaves it
    next((folder / "pictures").glob("*.png")).unlink()
    made = make_agents(folder, 4, 1, pictures=3, generator=SMALL)
    assert contents(folder) == contents(people)
    assert made.agents == tuple(read_agents(people))
    assert made.notes == ()


def test_every_agent_is_shown_pictures_and_comments_on_each(people: Path) -> None:
    agents = read_agents(people)
    assert [one.name for one in agents] == [f"agent-{n:05}" for n in range(4)]
    assert [Likings(one.liked, one.disliked) for one in agents] == draw_likings(4, 1)
    for one in agents:
        assert 1 <= len(one.pictures) <= 5
        assert [remark.picture for remark in one.comments] == [p.file for p in one.pictures]
        for shown, remark in zip(one.pictures, one.comments, strict=True):
            with Image.open(people / shown.file) as picture:
                assert picture.size == (24, 24)
            assert {about.attribute for about in remark.about or ()} <= set(shown.visible)
        assert [said.text for said in one.said()] == [remark.text for remark in one.comments]
        assert one.taste.liked == tuple((text, 1.0) for text in one.liked)


def test_an_agent_is_a_line_of_json_that_is_read_back(people: Path) -> None:
    lines = (people / FILE).read_text(encoding="utf-8").splitlines()
    for line in lines:
        assert json.loads(line)["schema"] == SCHEMA == "finexl.agent/1"
        assert Agent.from_json(line).to_json() == line


def test_a_folder_of_other_agents_is_refused(people: Path) -> None:
    before = contents(people)
    for seed, pictures, maker in ((2, 3, SMALL), (1, 4, SMALL), (1, 3, Drawn(17))):
        with pytest.raises(UsageError, match="made otherwise"):
            make_agents(people, 4, seed, pictures=pictures, generator=maker)
    assert contents(people) == before


def test_bad_folders_and_numbers_end_in_sentences(people: Path, tmp_path: Path) -> None:
    for pictures in (0, 1000):
        with pytest.raises(UsageError, match="pictures"):
            make_agents(tmp_path / "x", 1, 0, pictures=pictures)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot hold agents"):
        make_agents(tmp_path / "file", 1, 0)
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "recipe.json").write_text("{")
    with pytest.raises(UsageError, match="damaged"):
        make_agents(tmp_path / "damaged", 1, 0)
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / FILE).write_bytes((people / FILE).read_bytes())
    with pytest.raises(UsageError, match=r"no recipe\.json"):
        make_agents(tmp_path / "odd", 1, 0)


def changed(line: str, **fields: Any) -> str:
    return json.dumps({**json.loads(line), **fields})


def test_lines_that_are_no_agents_are_named(people: Path, tmp_path: Path) -> None:
    line = (people / FILE).read_text(encoding="utf-8").splitlines()[0]
    path = tmp_path / "a.jsonl"
    liked = json.loads(line)["liked"]
    outside = {"file": "../x.png", "prompt": "", "seed": 0, "visible": []}
    for wrong, says in (
        ("{", "no JSON"),
        ("[]", "no JSON"),
        (changed(line, schema="finexl.agent/9"), "finexl.agent/9"),
        (changed(line, extra=1), "extra"),
        (changed(line, liked=[1]), "liked"),
        (changed(line, disliked=liked), "both likes and dislikes"),
        (changed(line, pictures=[]), "never saw"),
        (changed(line, pictures=[outside], comments=[]), "outside of its folder"),
    ):
        path.write_text(f"{line}\n{wrong}\n", encoding="utf-8")
        with pytest.raises(UsageError, match=r"line 2") as caught:
            read_agents(path)
        assert says in str(caught.value)
    path.write_text(f"{line}\n{line}\n", encoding="utf-8")
    with pytest.raises(UsageError, match="same name"):
        read_agents(path)
    path.write_text("\n")
    with pytest.raises(UsageError, match="no agents"):
        read_agents(path)
    path.write_bytes(b"\xff\n")
    with pytest.raises(UsageError, match="UTF-8"):
        read_agents(path)
    with pytest.raises(UsageError, match="finexl viper agents"):
        read_agents(tmp_path / "missing")


# models instead of the drawing and the grammar


@dataclass(frozen=True)
class Painter:
    """A model that makes images; blank ones of prompts with `blank` in them."""

    blank: str = "?"
    name: str = "painter"
    kind: str = "diffusers"
    digest: str = "1"
    batch: int = 4
    seeded: bool = True
    prompted: bool = True
    notice: str | None = None

    def record(self) -> Mapping[str, Any]:
        return {}

    def make(self, jobs: Sequence[Job]) -> list[Made]:
        return [
            Made(None, "withheld")
            if self.blank in job.prompt
            else Made(Image.fromarray(rng(job.seed).integers(0, 255, (8, 8, 3), np.uint8)))
            for job in jobs
        ]


def test_any_generator_is_prompted_with_attributes(tmp_path: Path) -> None:
    made = make_agents(tmp_path, 3, 1, pictures=4, generator=Painter())
    for one in made.agents:
        for shown in one.pictures:
            subject, *asked = shown.prompt.split(", ")
            assert 3 <= len(asked) <= 8
            assert subject not in one.liked + one.disliked
            assert set(asked) == set(shown.visible) <= set(one.liked + one.disliked)


def test_pictures_that_could_not_be_made_are_neither_shown_nor_spoken_of(tmp_path: Path) -> None:
    full = make_agents(tmp_path / "full", 2, 1, pictures=4, generator=Painter())
    word = full.agents[0].pictures[0].visible[0]
    part = make_agents(tmp_path / "part", 2, 1, pictures=4, generator=Painter(word))
    assert len(part.agents[0].pictures) < len(full.agents[0].pictures)
    assert len(part.agents[0].comments) == len(part.agents[0].pictures)
    assert "left out: withheld" in part.notes[0]
    assert {one.picture for one in part.agents[0].comments} < {
        one.picture for one in full.agents[0].comments
    }


def test_a_model_that_looks_is_given_the_papers_task(tmp_path: Path) -> None:
    questions: list[Question] = []

    def reply(question: Question) -> str:
        questions.append(question)
        return 'Comment: "Too loud for me."\n'

    made = make_agents(tmp_path, 2, 1, pictures=3, generator=SMALL, vlm=Scripted(reply))
    assert len(questions) == sum(len(one.pictures) for one in made.agents)
    picture, task = questions[0].parts
    first = made.agents[0]
    assert isinstance(picture, Image.Image)
    assert isinstance(task, str)
    assert f"Liked visual attributes: {', '.join(first.liked)}\n" in task
    assert f"Disliked visual attributes: {', '.join(first.disliked)}\n" in task
    assert f"Express an opinion ({first.comments[0].opinion}) about the artwork." in task
    assert {one.text for agent in made.agents for one in agent.comments} == {"Too loud for me."}
    assert all(one.about is None for one in first.comments)
    assert first.written_by == "scripted"
    assert read_agents(tmp_path) == list(made.agents)


def test_comments_that_never_come_are_left_out_and_counted(tmp_path: Path) -> None:
    def reply(question: Question) -> str:
        if "conflicted" in str(question.parts[1]):
            return " \n"
        if "positive" in str(question.parts[1]):
            raise NoReplyError("busy")
        return "Nope."

    made = make_agents(tmp_path, 3, 1, pictures=4, generator=SMALL, vlm=Scripted(reply))
    missing = sum(len(one.pictures) - len(one.comments) for one in made.agents)
    assert missing > 0
    assert made.notes == (f"{missing:,} pictures have no comment: the model wrote none.",)
    assert {r.opinion for one in made.agents for r in one.comments} <= {
        "neutral", "negative", "extremely negative",
    }  # fmt: skip


def test_a_limit_ends_the_work_and_keeps_what_is_done(tmp_path: Path) -> None:
    asked: list[Question] = []

    def reply(question: Question) -> str:
        if len(asked) == 8:
            raise LimitReachedError("The limit is reached.")
        asked.append(question)
        return "Fine."

    vlm = Scripted(reply)
    with pytest.raises(LimitReachedError):
        make_agents(tmp_path, 4, 1, pictures=4, generator=SMALL, vlm=vlm)
    there = len(read_agents(tmp_path))
    assert 1 <= there < 4
    asked.clear()
    with pytest.raises(LimitReachedError):
        make_agents(tmp_path, 4, 1, pictures=4, generator=SMALL, vlm=vlm)
    assert len(read_agents(tmp_path)) > there


def test_replies_are_freed_of_what_models_put_around_them() -> None:
    assert cleaned(' **Comment:** "I like it."') == "I like it."
    assert cleaned("“So\n\ncalm”") == "So calm"
    assert cleaned(" \n ") == cleaned('""') == ""
    assert len(cleaned("a" * 10**6)) == 20_000
    assert cleaned("so \ud83d odd") == "so ? odd"


def test_a_picture_that_is_gone_is_named() -> None:
    from finexl.viper.agents.asking import question_of

    with pytest.raises(UsageError, match="nowhere"):
        question_of(Picture("x", Path("/nowhere.png")), Likings((), ()), "neutral", rng(0))
