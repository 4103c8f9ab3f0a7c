"""Training an extractor: a tiny Idefics2 and agents whose comments' meaning is known."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from finexl import hub
from finexl.errors import UsageError
from finexl.images import Picture
from finexl.viper import fitting
from finexl.viper.agents import Agent, Reaction, Remark, Shown, make_agents
from finexl.viper.agents.drawn import Drawn
from finexl.viper.agents.identity import pictures_of
from finexl.viper.extraction.adapted import Adapted, load_adapted
from finexl.viper.extraction.asking import AT_ONCE, Asked
from finexl.viper.extraction.base import Extracted, Finding, merged
from finexl.viper.extraction.forms import LISTS, Item, written
from finexl.viper.fitting import Learner, Recipe, course
from finexl.viper.profile import Comment
from finexl.viper.teaching import score, train, training
from finexl.viper.teaching.lessons import drawn, lesson, meant
from finexl.viper.teaching.tokens import Told, answer_loss, told
from tiny_vlms import FAMILIES, save_idefics2, save_text_only

SMALL = Recipe(test=0.34, steps=4, together=1, rank=2, dropout=0.1, learning_rate=0.01)


def agent(name: str, liked: str = "vivid colors", disliked: str = "grain") -> Agent:
    """Somebody who was shown a picture and speaks of two attributes."""
    picture = f"pictures/{name}.png"
    about = (Reaction(liked, "liked", "named"), Reaction(disliked, "disliked", "named"))
    remark = Remark(f"Love the {liked}, hate the {disliked}", picture, "conflicted", about)
    shown = Shown(picture, "a red", 0, tuple(sorted((liked, disliked))))
    return Agent(name, (liked, "calm"), (disliked, "noisy"), (shown,), (remark,), "grammar")


def save_pictures(folder: Path, agents: Sequence[Agent]) -> Path:
    for one in agents:
        for shown in one.pictures:
            path = folder / shown.file
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (16, 16), (200, 30, len(one.name))).save(path)
    return folder


ALIKE = tuple(agent(f"agent {number}") for number in range(3))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("idefics2")
    save_idefics2(folder)
    return folder


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_pictures(tmp_path_factory.mktemp("people"), ALIKE)


def opened(base: Path) -> Adapted:
    return Adapted(str(base), hub.locate(str(base), hub.VLM), device="cpu")


# lessons


def test_an_answer_is_what_comments_speak_of_and_nothing_else(people: Path) -> None:
    made = lesson(ALIKE[0], people, [0])
    assert made.answer == "Liked Art Features: vivid colors\nDisliked Art Features: grain"
    assert "calm" not in made.answer


def test_of_comments_that_a_model_wrote_it_is_what_matters_of_what_is_visible() -> None:
    (remark,) = ALIKE[0].comments
    written_by_a_model = replace(ALIKE[0], comments=(replace(remark, about=None),))
    assert meant(written_by_a_model, [0]) == [("vivid colors", "liked"), ("grain", "disliked")]
    hidden = replace(ALIKE[0].pictures[0], visible=("grain", "mosaic"))
    unseen = replace(written_by_a_model, pictures=(hidden,))
    assert meant(unseen, [0]) == [("grain", "disliked")]


def test_who_says_nothing_visual_is_answered_with_nothing(people: Path) -> None:
    (remark,) = ALIKE[0].comments
    silent = replace(ALIKE[0], comments=(replace(remark, about=()),))
    answer = lesson(silent, people, [0]).answer
    assert answer == "Liked Art Features: none\nDisliked Art Features: none"
    assert LISTS.read(answer) == []


def test_lists_are_read_as_they_are_written() -> None:
    liked, disliked = ["art nouveau", "soft light"], ["film-grain"]
    assert LISTS.read(written(liked, disliked)) == [
        *(Item(text, "liked", None, "") for text in liked),
        *(Item(text, "disliked", None, "") for text in disliked),
    ]


def test_lessons_are_asked_as_comments_are_read(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The question of a lesson is, token by token and pixel by pixel, that of `extract`."""
    agents = make_agents(tmp_path, 2, 0, pictures=4, generator=Drawn(24)).agents
    one = agents[0]
    asked = []

    def ask(_: Adapted, question: object) -> object:
        asked.append(question)
        raise KeyboardInterrupt

    monkeypatch.setattr(Adapted, "ask", ask)
    vlm = opened(base)
    pictures = {shown.file: Picture("a", tmp_path / shown.file) for shown in one.pictures}
    with pytest.raises(KeyboardInterrupt):
        Asked(vlm, LISTS).extract(one.said(), pictures)
    numbers = range(min(AT_ONCE, len(one.comments)))
    read = vlm.prepared(asked[0])  # type: ignore[arg-type]
    made = told(vlm, lesson(one, tmp_path, numbers))
    assert made.inputs["input_ids"][0, : made.first].equal(read["input_ids"][0])
    assert made.inputs["pixel_values"].equal(read["pixel_values"])
    assert read["pixel_values"].shape[1] == len(numbers)


def test_comments_come_in_any_order_and_keep_their_pictures(tmp_path: Path) -> None:
    agents = make_agents(tmp_path, 1, 0, pictures=12, generator=Drawn(24)).agents
    texts = [one.text for one in agents[0].comments]
    orders = set()
    for seed in range(5):
        parts = drawn(agents[0], tmp_path, np.random.default_rng(seed)).question.parts
        said = [str(part) for part in parts[1:] if isinstance(part, str)]
        numbers = [int(words.split(":")[0].split()[1]) - 1 for words in said]
        assert len(set(numbers)) == len(numbers) == AT_ONCE
        assert [words.split(": ", 1)[1].strip() for words in said] == [texts[n] for n in numbers]
        for number, picture in zip(numbers, parts[1::2], strict=True):
            assert isinstance(picture, Image.Image)
            with Image.open(tmp_path / agents[0].comments[number].picture) as image:
                assert np.array_equal(np.asarray(image.convert("RGB")), np.asarray(picture))
        orders.add(tuple(numbers))
    assert len(orders) == 5


# the loss's tokens


@pytest.mark.parametrize("family", FAMILIES)
def test_the_tokens_of_the_loss_are_the_answer_and_its_end(
    family: str, people: Path, tmp_path: Path
) -> None:
    FAMILIES[family](tmp_path)
    vlm = opened(tmp_path)
    made = lesson(ALIKE[0], people, [0])
    one = told(vlm, made)
    _, processor = vlm.opened()
    tokens = one.inputs["input_ids"][0, one.first : one.end]
    text = processor.tokenizer.decode(tokens)
    assert text.rstrip() in (f"{made.answer}\n</s>", f"{made.answer}</s>")
    before = processor.tokenizer.decode(one.inputs["input_ids"][0, : one.first])
    assert before.endswith("assistant: ")
    assert made.answer not in before


def test_the_loss_is_of_the_answer_alone_by_a_second_way(base: Path, people: Path) -> None:
    """By transformers' own loss, whose labels are -100 wherever it shall not look."""
    vlm = opened(base)
    one = told(vlm, lesson(ALIKE[0], people, [0]))
    model, _ = vlm.opened()
    labels = torch.full_like(one.inputs["input_ids"], -100)
    labels[0, one.first : one.end] = one.inputs["input_ids"][0, one.first : one.end]
    assert int((labels != -100).sum()) == one.count
    with torch.inference_mode():
        theirs = model(**one.inputs, labels=labels).loss
        ours = answer_loss(model, one)
        behind = Told(one.inputs, one.first + 1, one.end)
        assert float(ours) == pytest.approx(float(theirs), rel=1e-5)
        assert float(answer_loss(model, behind)) != pytest.approx(float(theirs), rel=1e-3)


@pytest.mark.parametrize("template", ["{{ messages[0]['content'][0]['text'] }}", "{{ '' }}x"])
def test_a_template_that_has_no_place_for_answers_is_refused(
    template: str, base: Path, people: Path
) -> None:
    vlm = opened(base)
    vlm.opened()[1].chat_template = template
    with pytest.raises(UsageError, match=r"cannot be taught|cannot be asked"):
        told(vlm, lesson(ALIKE[0], people, [0]))


# training


def test_a_few_steps_lower_the_loss_and_the_adapter_reads_comments(
    base: Path, people: Path, tmp_path: Path
) -> None:
    recipe = replace(SMALL, steps=70, rank=8, learning_rate=0.03, dropout=0.0)
    taught = train(str(base), ALIKE, people, recipe, tmp_path / "out", device="cpu")
    assert np.mean(taught.losses[-5:]) < 0.1 * np.mean(taught.losses[:5])
    tested = taught.tested
    assert tested.people == 1
    assert tested.loss is not None
    assert tested.base_loss is not None
    assert tested.score is not None
    assert tested.base_score is not None
    assert tested.loss < 0.1 * tested.base_loss
    assert (tested.score.f1, tested.base_score.f1) == (1.0, 0.0)
    written_down = json.loads((tmp_path / "out" / "result.json").read_text())
    assert written_down["score"]["f1"] == 1.0
    assert not list((tmp_path / "out").rglob("*.bin"))
    extractor = load_adapted(str(taught.adapter), device="cpu")
    found = extractor.extract(ALIKE[0].said(), pictures_of(ALIKE[0], people))
    assert [one.attribute for one in found.liked] == ["vivid colors"]
    assert [one.attribute for one in found.disliked] == ["grain"]


def test_a_training_that_broke_off_ends_bit_for_bit_as_an_unbroken_one(
    base: Path, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "score", lambda *_: None)  # the losses of the tests say it all
    whole = train(str(base), ALIKE, people, SMALL, tmp_path / "whole", device="cpu")
    monkeypatch.setattr(course, "SAVE_EVERY_SECONDS", 0.0)
    step = Learner.step

    def broken(self: Learner, number: int, lessons: fitting.Lessons) -> float:
        if number == 2:
            raise KeyboardInterrupt
        return step(self, number, lessons)

    monkeypatch.setattr(Learner, "step", broken)
    with pytest.raises(KeyboardInterrupt):
        train(str(base), ALIKE, people, SMALL, tmp_path / "cut", device="cpu")
    monkeypatch.setattr(Learner, "step", step)
    rest = train(str(base), ALIKE, people, SMALL, tmp_path / "cut", device="cpu")
    assert rest.losses == whole.losses[2:]
    assert rest.tested == whole.tested
    assert rest.tested.loss is not None
    one, other = (
        load_file(folder / "adapter_model.safetensors") for folder in (whole.adapter, rest.adapter)
    )
    assert one.keys() == other.keys()
    assert all(one[key].equal(other[key]) for key in one)


def test_nobody_is_both_learned_from_and_tested_on(
    base: Path, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[str] = []
    tested: list[str] = []

    def learn(_: Learner, lessons: training.Lessons, *__: object) -> tuple[float, ...]:
        learned.extend(lessons._turn(place).name for place in range(8))
        return ()

    def test(_: Learner, agents: Sequence[Agent], *__: object) -> training.Tested:
        tested.extend(one.name for one in agents)
        return training.Tested(0, None, None, None, None, None)

    monkeypatch.setattr(training, "learn", learn)
    monkeypatch.setattr(training, "_tested", test)
    train(str(base), ALIKE, people, SMALL, tmp_path / "out", device="cpu")
    assert sorted({*learned, *tested}) == [one.name for one in ALIKE]
    assert not set(learned) & set(tested)
    assert len(learned) == 8
    assert learned.count(learned[0]) == 4


# scores


class Says:
    """An extractor that finds the same in everything."""

    name = "says"

    def extract(self, comments: Sequence[Comment], pictures: Mapping[str, Picture]) -> Extracted:
        del comments, pictures
        return merged(
            [
                Finding("Vivid Colors", None, "liked", 0.5, 0, ""),
                Finding("grain", None, "liked", 0.5, 0, ""),
                Finding("mosaic", None, "disliked", 0.5, 0, ""),
            ]
        )


def test_a_score_counts_words_with_their_polarity(people: Path) -> None:
    """Of three found one is right, of two that were meant; so for each of two people."""
    found = score(ALIKE[:2], Says(), people)
    assert (found.precision, found.recall) == pytest.approx((1 / 3, 1 / 2))
    assert found.f1 == pytest.approx(2 / 5)
    assert found.unread == 0


# what cannot be


def test_what_cannot_be_learned_from_is_refused(base: Path, people: Path, tmp_path: Path) -> None:
    silent = [replace(one, comments=()) for one in ALIKE]
    with pytest.raises(UsageError, match=r"Nobody says anything"):
        train(str(base), silent, people, SMALL, tmp_path / "out", device="cpu")
    with pytest.raises(UsageError, match=r"none would be left"):
        train(str(base), ALIKE[:1], people, SMALL, tmp_path / "out", device="cpu")
    with pytest.raises(UsageError, match=r"learning rate"):
        train(
            str(base), ALIKE, people, replace(SMALL, learning_rate=0.0), tmp_path / "out",
            device="cpu",
        )  # fmt: skip
    save_text_only(tmp_path / "llama")
    with pytest.raises(UsageError, match=r"answer questions about pictures"):
        train(str(tmp_path / "llama"), ALIKE, people, SMALL, tmp_path / "out", device="cpu")


def test_other_people_make_another_training_and_missing_pictures_are_counted(
    base: Path, tmp_path: Path
) -> None:
    folder = save_pictures(tmp_path / "people", ALIKE)
    (folder / ALIKE[0].pictures[0].file).write_bytes(b"no picture")
    (folder / ALIKE[1].pictures[0].file).unlink()
    once = replace(SMALL, steps=1, test=0.0)
    silent = replace(ALIKE[2], name="silent", comments=())
    taught = train(str(base), [*ALIKE, silent], folder, once, tmp_path / "out", device="cpu")
    assert taught.notes == (
        "1 people say nothing and are left out.",
        "1 pictures cannot be read: what is said of them is read blind.",
    )
    assert taught.tested.loss is None
    save_pictures(tmp_path / "people", ALIKE)
    with pytest.raises(UsageError, match=r"another training \(its digest"):
        train(str(base), ALIKE, folder, once, tmp_path / "out", device="cpu")
