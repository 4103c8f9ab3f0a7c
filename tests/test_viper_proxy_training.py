"""Sets to learn M from, and learning from them: a tiny Idefics2, a few steps."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from finexl import hub
from finexl.errors import FinexlError, UsageError
from finexl.images import load_image
from finexl.viper.agents import Drawn, make_agents
from finexl.viper.fitting import Learner, Lessons, course, split
from finexl.viper.proxy import Judge, load_judge, training
from finexl.viper.proxy.judge import ROLE
from finexl.viper.proxy.people import PICK_A_PIC, Person, Shot, read_people
from finexl.viper.proxy.recipe import Recipe
from finexl.viper.proxy.sets import Task, build
from finexl.viper.proxy.training import Sets, train
from tiny_vlms import save_idefics2, save_text_only

SMALL = Recipe(sets=6, context=2, test=0.25, steps=4, together=2, rank=2, learning_rate=0.01)


def shots(name: str, n: int) -> tuple[Shot, ...]:
    return tuple(Shot(Path(f"{name}-{i}.png"), f"{name} {i}") for i in range(n))


def somebody(name: str, routes: Sequence[str] = ("steered", "prompted"), n: int = 12) -> Person:
    sides = ({r: shots(f"{name} {side} {r}", n) for r in routes} for side in ("likes", "hates"))
    return Person(name, *sides)


PEOPLE = tuple(somebody(f"person {i}") for i in range(10))


def digests(task: Task) -> list[str]:
    return [one.digest for p in (task.query, *task.context) for one in (p.liked, p.disliked)]


def draw(path: Path, colour: tuple[int, int, int], seed: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(seed).integers(-25, 25, (16, 16, 3))
    Image.fromarray(np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)).save(path)
    return path


def draw_people(folder: Path, people: int = 4, n: int = 4) -> Path:
    """Everybody likes what is bright and dislikes what is dark."""
    for person in range(people):
        for i in range(n):
            seed = 100 * person + i
            draw(folder / f"p{person}" / "liked" / f"{i}.png", (225, 225, 225), seed)
            draw(folder / f"p{person}" / "disliked" / f"{i}.png", (30, 30, 30), 50 + seed)
    return folder


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("idefics2")
    save_idefics2(folder)
    return folder


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_people(tmp_path_factory.mktemp("people"))


# people


def test_people_are_divided_not_rows() -> None:
    train_on, test_on = split(PEOPLE, 0.3, 5)
    names = [person.name for person in (*train_on, *test_on)]
    assert sorted(names) == sorted(person.name for person in PEOPLE)
    assert len(test_on) == 3
    assert split(PEOPLE[::-1], 0.3, 5) == (train_on, test_on)
    assert split(PEOPLE, 0.3, 6) != (train_on, test_on)
    assert split(PEOPLE, 0, 0)[1] == ()
    assert len(split(PEOPLE, 0.001, 0)[1]) == 1
    for share in (1.0, -0.1, float("nan")):
        with pytest.raises(UsageError, match=r"share"):
            split(PEOPLE, share, 0)
    with pytest.raises(UsageError, match=r"nobody|none would be left"):
        split(PEOPLE[:1], 0.1, 0)


def test_nothing_of_people_that_are_tested_on_is_learned_from() -> None:
    likers = [replace(person, disliked={}) for person in PEOPLE]
    train_on, test_on = split(likers, 0.3, 5)
    seen = {digest for task in build(train_on, 40, 0) for digest in digests(task)}
    asked = {digest for task in build(test_on, 40, 0) for digest in digests(task)}
    assert not seen & asked


# sets


def test_sets_are_half_liked_and_never_hold_their_query() -> None:
    tasks = build(PEOPLE, 50, 0)
    for task in tasks:
        assert len(task.context) == 9
        assert len(set(digests(task))) == 20
        for pair in (task.query, *task.context):
            assert pair.liked.digest.startswith(f"{task.person} likes")
            assert pair.disliked.digest.startswith(f"{task.person} hates")
    assert set(Counter(task.person for task in tasks).values()) == {5}


def test_no_route_tells_which_picture_is_liked_and_routes_take_turns() -> None:
    counts: Counter[tuple[str, str]] = Counter()
    for task in build(PEOPLE, 60, 0):
        for pair in (task.query, *task.context):
            for side, shot in (("liked", pair.liked), ("disliked", pair.disliked)):
                assert pair.route in shot.digest
                counts[side, pair.route] += 1
        of_set = Counter(pair.route for pair in (task.query, *task.context))
        assert of_set == {"steered": 5, "prompted": 5}
    assert len(set(counts.values())) == 1
    queries = Counter(task.query.route for task in build(PEOPLE, 60, 0))
    assert min(queries.values()) > 15


def test_what_others_like_by_the_same_route_takes_the_place_of_what_is_disliked() -> None:
    people = [replace(person, disliked={}) for person in PEOPLE]
    for task in build(people, 20, 0):
        for pair in (task.query, *task.context):
            assert pair.disliked.digest.split(" likes ")[0] != task.person
            assert pair.route in pair.disliked.digest


def test_pictures_that_two_like_are_not_disliked_by_either() -> None:
    shared = shots("shared", 5)
    people = [
        Person(name, {"r": (*shared, *shots(name, 5))}, {}) for name in ("anna", "bob", "carl")
    ]
    for task in build(people, 30, 0):
        assert not any("shared" in pair.disliked.digest for pair in (task.query, *task.context))


def test_the_first_sets_are_the_same_however_many_there_are() -> None:
    assert build(PEOPLE, 30, 3)[:7] == build(PEOPLE, 7, 3)
    assert build(PEOPLE, 7, 4) != build(PEOPLE, 7, 3)


def test_people_with_few_pictures_have_short_contexts_and_those_with_too_few_none() -> None:
    few, one = somebody("few", ("r",), 3), somebody("one", ("r",), 1)
    tasks = build([few, one], 10, 0)
    assert {task.person for task in tasks} == {"few"}
    assert all(len(task.context) == 2 for task in tasks)
    with pytest.raises(UsageError, match=r"nothing to learn"):
        build([one], 3, 0)
    for context in (0, 3, -2):
        with pytest.raises(UsageError, match=r"context"):
            build(PEOPLE, 3, 0, context=context)


# reading


def test_folders_are_read_by_route_and_a_copy_is_the_same_picture(tmp_path: Path) -> None:
    for route in ("a", "b"):
        draw(tmp_path / route / "anna" / "liked" / "1.png", (9, 9, 9), 1 if route == "a" else 2)
    draw(tmp_path / "a" / "anna" / "liked" / "copy.png", (9, 9, 9), 1)
    draw(tmp_path / "a" / "anna" / "liked" / "both.png", (9, 9, 9), 3)
    draw(tmp_path / "a" / "anna" / "disliked" / "both too.png", (9, 9, 9), 3)
    draw(tmp_path / "a" / "anna" / "disliked" / "2.png", (9, 9, 9), 4)
    (anna,), notes = read_people({"a": tmp_path / "a", "b": tmp_path / "b"})
    assert notes == ()
    assert {r: [s.path.name for s in shots] for r, shots in anna.liked.items()} == {
        "a": ["1.png"],
        "b": ["1.png"],
    }
    assert {r: [s.path.name for s in shots] for r, shots in anna.disliked.items()} == {
        "a": ["2.png"]
    }


def test_agents_like_what_shows_nothing_that_they_dislike(tmp_path: Path) -> None:
    agents = make_agents(tmp_path, 3, 0, pictures=6, generator=Drawn(16)).agents
    people, _ = read_people({"drawn": tmp_path})
    assert people
    by_name = {agent.name: agent for agent in agents}
    for person in people:
        agent = by_name[person.name]
        shown = {(tmp_path / one.file).name: set(one.visible) for one in agent.pictures}
        for shot in person.liked.get("drawn", ()):
            assert shown[shot.path.name] & set(agent.liked)
            assert not shown[shot.path.name] & set(agent.disliked)
        for shot in person.disliked.get("drawn", ()):
            assert shown[shot.path.name] & set(agent.disliked)
            assert not shown[shot.path.name] & set(agent.liked)


def choices(folder: Path, rows: list[tuple[str, str, str, str, str]]) -> Path:
    path = folder / "choices.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["caption", "jpg_0", "jpg_1", "label_0", "label_1", "user_id"])
        writer.writerows([["a cat", a, b, x, y, user] for a, b, x, y, user in rows])
    return path


def test_choices_are_read_and_ties_say_nothing(tmp_path: Path) -> None:
    for i in range(6):
        draw(tmp_path / f"{i}.png", (50, 50, 50), i)
    table = choices(
        tmp_path,
        [
            ("0.png", "1.png", "1", "0", "7"),
            ("2.png", "3.png", "0.0", "1.0", "7"),
            ("4.png", "5.png", "0.5", "0.5", "7"),
            ("1.png", "2.png", "1", "0", "8"),
        ],
    )
    (seven, eight), _ = read_people({}, table)
    assert [s.path.name for s in seven.liked[PICK_A_PIC]] == ["0.png", "3.png"]
    assert [s.path.name for s in seven.disliked[PICK_A_PIC]] == ["1.png", "2.png"]
    assert [s.path.name for s in eight.liked[PICK_A_PIC]] == ["1.png"]


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (("../x.png", "1.png", "1", "0", "7"), r"does not lie in"),
        (("0.png", "1.png", "1", "1", "7"), r"line 2: its labels are 1 and 1"),
        (("0.png", "1.png", "yes", "0", "7"), r"line 2: a label is no number"),
        (("0.png", "1.png", "1", "0", ""), r"line 2: it lacks"),
    ],
)
def test_a_malformed_choice_is_named(
    row: tuple[str, str, str, str, str], words: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        read_people({}, choices(tmp_path, [row]))


def test_what_is_no_table_or_folder_of_people_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("user_id,jpg_0\n1,2\n")
    with pytest.raises(UsageError, match=r"no column jpg_1, label_0"):
        read_people({}, tmp_path / "a.csv")
    with pytest.raises(UsageError, match=r"cannot be read"):
        read_people({}, tmp_path / "none.csv")
    with pytest.raises(UsageError, match=r"neither agents nor a folder"):
        read_people({"r": tmp_path})
    with pytest.raises(UsageError, match=r"nobody"):
        read_people({})


def test_files_that_are_gone_are_counted(tmp_path: Path) -> None:
    draw(tmp_path / "1.png", (9, 9, 9), 1)
    table = choices(tmp_path, [("1.png", "2.png", "1", "0", "7")])
    (person,), notes = read_people({}, table)
    assert person.disliked == {}
    assert notes == ("1 pictures cannot be read and are left out.",)


# training


def test_a_few_steps_lower_the_loss_and_the_adapter_judges(
    base: Path, drawn: Path, tmp_path: Path
) -> None:
    people, _ = read_people({"drawn": drawn})
    recipe = replace(SMALL, steps=30, learning_rate=0.02, dropout=0.0)
    trained = train(str(base), people, recipe, tmp_path / "out", device="cpu")
    assert len(trained.losses) == 30
    assert np.mean(trained.losses[-5:]) < 0.5 * np.mean(trained.losses[:5])
    assert trained.tested == 1
    assert trained.accuracy == 1.0
    assert trained.log_loss is not None
    assert trained.log_loss < 0.6
    assert json.loads((tmp_path / "out" / "result.json").read_text())["accuracy"] == 1.0
    assert not list((tmp_path / "out").rglob("*.bin"))
    judge = load_judge(str(trained.adapter), device="cpu")
    assert judge.name == str(base)
    bright, dark = (
        [load_image(one) for one in sorted((drawn / "p0" / side).iterdir())]
        for side in ("liked", "disliked")
    )
    yes, no = judge.rate(bright[:1], dark[:1], [bright[1], dark[1]])
    assert yes.probability > 0.5 > no.probability


def test_a_training_that_broke_off_ends_bit_for_bit_as_an_unbroken_one(
    base: Path, drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people, _ = read_people({"drawn": drawn})
    whole = train(str(base), people, SMALL, tmp_path / "whole", device="cpu")
    monkeypatch.setattr(course, "SAVE_EVERY_SECONDS", 0.0)
    step = Learner.step

    def broken(self: Learner, number: int, lessons: Lessons) -> float:
        if number == 2:
            raise KeyboardInterrupt
        return step(self, number, lessons)

    monkeypatch.setattr(Learner, "step", broken)
    with pytest.raises(KeyboardInterrupt):
        train(str(base), people, SMALL, tmp_path / "cut", device="cpu")
    monkeypatch.setattr(Learner, "step", step)
    rest = train(str(base), people, SMALL, tmp_path / "cut", device="cpu")
    assert rest.losses == whole.losses[2:]
    assert (rest.accuracy, rest.log_loss) == (whole.accuracy, whole.log_loss)
    one, other = (
        load_file(folder / "adapter_model.safetensors") for folder in (whole.adapter, rest.adapter)
    )
    assert one.keys() == other.keys()
    assert all(one[key].equal(other[key]) for key in one)
    again = train(str(base), people, SMALL, tmp_path / "cut", device="cpu")
    assert again.losses == ()
    assert again.log_loss == whole.log_loss


def losses_of_one_set(base: Path, drawn: Path, dropout: float) -> set[float]:
    """The losses of six steps that hardly change the adapter, which is one that matters."""
    people, _ = read_people({"drawn": drawn})
    recipe = replace(SMALL, together=1, learning_rate=1e-9, dropout=dropout)
    judge = Judge(str(base), hub.locate(str(base), hub.VLM), device="cpu")
    learner = Learner(judge, str(base), recipe, ROLE)
    with torch.no_grad():
        for weights in learner.trained.values():
            weights.normal_(std=0.3)
    sets = Sets(build(people, 1, 0, context=2), recipe.together)
    return {round(learner.step(step, sets), 5) for step in range(6)}


def test_every_step_drops_out_other_weights(base: Path, drawn: Path) -> None:
    """One set in its two orders has two losses where nothing else is drawn."""
    assert len(losses_of_one_set(base, drawn, 0.0)) == 2
    assert len(losses_of_one_set(base, drawn, 0.5)) == 6


def test_labels_stay_with_their_pictures_whichever_comes_first(
    drawn: Path,
) -> None:
    people, _ = read_people({"drawn": drawn})
    orders = set()
    for number, task in enumerate(build(people, 8, 0, context=4)):
        opened = training._opened(task, 64, np.random.default_rng(number))
        assert opened is not None
        examples, (no, yes) = opened
        orders.add(tuple(liked for _, liked in examples))
        for image, liked in (*examples, (no, False), (yes, True)):
            assert (np.asarray(image).mean() > 128) == liked
    assert len(orders) > 2


def test_a_pair_that_cannot_be_opened_is_left_out(tmp_path: Path) -> None:
    folder = draw_people(tmp_path, 2, 4)
    people, _ = read_people({"drawn": folder})
    task = build(people, 1, 0, context=4)[0]
    task.context[0].liked.path.write_bytes(b"no picture")
    opened = training._opened(task, 64, np.random.default_rng(0))
    assert opened is not None
    assert len(opened[0]) == 2
    task.query.disliked.path.write_bytes(b"no picture")
    assert training._opened(task, 64, np.random.default_rng(0)) is None


def test_pictures_that_are_all_gone_end_the_training(base: Path, tmp_path: Path) -> None:
    folder = draw_people(tmp_path / "people", 2, 3)
    people, _ = read_people({"drawn": folder})
    for path in folder.rglob("*.png"):
        path.write_bytes(b"no picture")
    with pytest.raises(FinexlError, match=r"none can be opened"):
        train(str(base), people, replace(SMALL, test=0), tmp_path / "out", device="cpu")


def test_a_folder_of_another_training_is_refused(base: Path, drawn: Path, tmp_path: Path) -> None:
    people, _ = read_people({"drawn": drawn})
    short = replace(SMALL, steps=1)
    train(str(base), people, short, tmp_path / "out", device="cpu")
    with pytest.raises(UsageError, match=r"another training"):
        train(str(base), people, replace(short, seed=1), tmp_path / "out", device="cpu")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "note.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"files in it"):
        train(str(base), people, short, tmp_path / "full", device="cpu")


def test_a_model_without_eyes_is_refused(drawn: Path, tmp_path: Path) -> None:
    save_text_only(tmp_path / "llama")
    people, _ = read_people({"drawn": drawn})
    with pytest.raises(UsageError, match=r"answer questions about pictures"):
        train(str(tmp_path / "llama"), people, SMALL, tmp_path / "out", device="cpu")


@pytest.mark.parametrize(
    "wrong", [{"steps": 0}, {"rank": 0}, {"learning_rate": 0.0}, {"dropout": 1.0}, {"seed": -1}]
)
def test_recipes_that_are_none_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        replace(SMALL, **wrong).check()  # type: ignore[arg-type]
