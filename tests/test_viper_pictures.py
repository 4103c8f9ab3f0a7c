"""Pictures to comment on: the drawn set, and sets that a model makes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fake_encoder import FakeEncoder
from finexl.errors import FinexlError, UsageError
from finexl.generators import Job, Made
from finexl.images import ImageError, load_image
from finexl.imageset import read_images
from finexl.operators import OPERATORS
from finexl.viper.attributes import by_text, categories
from finexl.viper.diverse import (
    FEWEST,
    MOST,
    combinations,
    farthest,
    make_set,
    subjects,
)  # fmt: skip
from finexl.viper.drawing.recipes import recipes
from finexl.viper.pictures import (
    Shown,
    built_in_mean,
    coverage,
    draw,
    draw_set,
    mean_of,
    named_pictures,
    rows_of,
)  # fmt: skip

SIDE = 64
"""Small enough to draw all of them here."""


@pytest.fixture(scope="module")
def drawn() -> list[Image.Image]:
    return [draw(number, SIDE) for number in range(len(recipes()))]


def test_there_are_about_fifty_and_their_attributes_and_effects_are_listed_ones() -> None:
    assert 45 <= len(recipes()) <= 60
    assert len({recipe.name for recipe in recipes()}) == len(recipes())
    for recipe in recipes():
        assert len(recipe.attributes) >= 5
        assert all(text.casefold() in by_text() for text in recipe.attributes), recipe.name
        assert all(name in OPERATORS and 0 < level <= 1 for name, level in recipe.effects)


def test_every_category_can_be_seen_in_two_pictures_at_least() -> None:
    counts = coverage([Shown(recipe.name, recipe.attributes) for recipe in recipes()])
    assert set(counts) == set(categories())
    assert min(counts.values()) >= 2


def test_each_is_a_picture_of_its_own(drawn: list[Image.Image]) -> None:
    for image in drawn:
        assert image.size == (SIDE, SIDE)
        assert image.mode == "RGB"
        assert np.asarray(image).std() > 5  # not one color throughout
    small = np.stack([np.asarray(image.resize((8, 8)), float).ravel() for image in drawn])
    apart = np.abs(small[:, None] - small[None]).mean(axis=-1) + 99 * np.eye(len(small))
    assert apart.min() > 4


def test_the_same_number_size_and_seed_give_the_same_pixels(drawn: list[Image.Image]) -> None:
    for number in range(0, len(drawn), 7):
        assert draw(number, SIDE).tobytes() == drawn[number].tobytes()
    wild = next(i for i, recipe in enumerate(recipes()) if recipe.name == "flung-paint")
    assert draw(wild, SIDE, seed=1).tobytes() != drawn[wild].tobytes()


def test_a_set_is_written_with_what_can_be_seen_and_again_with_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = recipes()[:3]
    monkeypatch.setattr("finexl.viper.drawing.recipes.recipes", lambda: few)
    told: list[tuple[str, int, int]] = []
    shown = draw_set(tmp_path / "a", size=SIDE, progress=lambda *step: told.append(step))
    draw_set(tmp_path / "b", size=SIDE)
    assert [one.file for one in shown] == [f"{recipe.name}.png" for recipe in few]
    assert told == [("Drawing", done, 3) for done in (1, 2, 3)]
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
    pictures = read_images(tmp_path / "a").pictures
    assert {picture.prompt for picture in pictures} == {", ".join(r.attributes) for r in few}
    (tmp_path / "file").write_text("")
    with pytest.raises(FinexlError, match="cannot be made"):
        draw_set(tmp_path / "file" / "c", size=SIDE)


def test_pictures_are_found_by_all_that_a_comment_may_call_them(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    Image.new("RGB", (4, 4), "red").save(tmp_path / "sub" / "a.png")
    (tmp_path / "b.png").write_bytes(b"")
    found = named_pictures(tmp_path)
    one = found["sub/a.png"]
    assert all(found[name] is one for name in ("sub/a", "a.png", "a", one.digest()))
    assert "b.png" in found
    with pytest.raises(ImageError):
        found["b"].open()


def test_ones_own_picture_beside_a_set_with_a_manifest_is_found(tmp_path: Path) -> None:
    for name in ("a.png", "own.png"):
        Image.new("RGB", (4, 4), "red").save(tmp_path / name)
    (tmp_path / "broken.png").write_bytes(b"nothing")
    (tmp_path / "manifest.jsonl").write_text('{"file": "a.png", "prompt": "x"}\n')
    found = named_pictures(tmp_path)
    assert {"a.png", "own.png", "own", "broken.png"} <= set(found)
    with pytest.raises(ImageError):
        found["broken.png"].open()


def test_rows_are_computed_once_and_a_picture_that_cannot_be_opened_is_said(
    tmp_path: Path,
) -> None:
    for number in range(9):
        Image.new("RGB", (4, 4), (20 * number, 0, 0)).save(tmp_path / f"{number}.png")
    (tmp_path / "bad.png").write_bytes(b"nothing")
    pictures = {picture.key: picture for picture in read_images(tmp_path).pictures}
    encoder = FakeEncoder("rows")
    rows, failures = rows_of(encoder, pictures)
    assert sorted(rows) == [str(number) for number in range(9)]
    assert [failure.partition("cannot")[0].strip() for failure in failures] == [
        str(tmp_path / "bad.png")
    ]
    assert encoder.pictures == 9
    mean = mean_of(encoder, list(pictures.values()))
    assert encoder.pictures == 9
    assert mean == pytest.approx(np.mean(list(rows.values()), axis=0))


def test_a_small_set_is_compared_with_the_built_in_one_whose_mean_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FINEXL_CACHE", str(tmp_path))
    few = recipes()[:3]
    monkeypatch.setattr("finexl.viper.drawing.recipes.recipes", lambda: few)
    monkeypatch.setattr("finexl.viper.pictures.SMALL", SIDE)
    encoder = FakeEncoder("mean")
    expected = encoder.embed_images([draw(number, SIDE) for number in range(3)]).mean(axis=0)
    assert mean_of(encoder, []) == pytest.approx(expected, abs=1e-6)
    seen = encoder.pictures
    assert built_in_mean(encoder) == pytest.approx(expected, abs=1e-6)
    assert encoder.pictures == seen


def test_combinations_differ_and_are_of_different_categories_with_each_subject_as_often() -> None:
    found = combinations(500, seed=3)
    assert found == combinations(500, seed=3) != combinations(500, seed=4)
    assert len({frozenset(one.attributes) for one in found}) == 500
    assert len(subjects()) == 50
    assert [sum(one.subject == subject for one in found) for subject in subjects()] == [10] * 50
    drawn = dict.fromkeys(categories(), 0)
    for one in found:
        kinds = [by_text()[text.casefold()].category for text in one.attributes]
        assert FEWEST <= len(kinds) <= MOST
        assert len(set(kinds)) == len(kinds)
        assert one.prompt == ", ".join((one.subject, *one.attributes))
        for kind in kinds:
            drawn[kind] += 1
    assert drawn["style"] > 3 * drawn["depth"]


def test_the_farthest_are_taken_one_after_the_other() -> None:
    """Against the definition: each next is the row whose nearest chosen one is farthest."""
    rows = np.random.default_rng(0).normal(size=(40, 5))
    apart = np.linalg.norm(rows[:, None] - rows[None], axis=-1)
    chosen = farthest(rows, 12)
    assert chosen[0] == np.linalg.norm(rows - rows.mean(axis=0), axis=1).argmax()
    for k in range(1, 12):
        nearest = apart[:, chosen[:k]].min(axis=1)
        assert chosen[k] == nearest.argmax()
    assert sorted(farthest(rows, 40)) == list(range(40))
    assert farthest(rows, 5, given=2)[:2] == [0, 1]
    assert len(farthest(np.zeros((6, 2)), 4)) == 4


@dataclass
class Painter:
    """Flat pictures with a speck: of one of five colors, by the prompt's length."""

    batch: int = 16
    digest: str = "1"
    name: str = "painter"
    kind: str = "diffusers"
    seeded: bool = True
    prompted: bool = True
    notice: str | None = None

    def record(self) -> Mapping[str, Any]:
        return {}

    def make(self, jobs: Sequence[Job]) -> list[Made]:
        made = []
        for job in jobs:
            shade = 51 * (len(job.prompt) % 5)
            image = Image.new("RGB", (8, 8), (shade, 255 - shade, shade))
            image.putpixel((0, 0), (job.seed % 200, 7, 9))
            made.append(Made(image))
        return made


def test_a_model_s_set_keeps_the_most_different_and_what_was_added_by_hand(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), "purple").save(tmp_path / "mine.png")
    encoder = FakeEncoder("set")
    shown = make_set(
        Painter(), encoder, tmp_path / "set", combined=60, kept=6, added=[tmp_path / "mine.png"]
    )
    assert [one.file for one in shown] == [f"{number:03d}.png" for number in range(1, 7)]
    assert shown[0].attributes == ()
    asked = {one.attributes for one in combinations(60, 0)}
    assert all(one.attributes in asked for one in shown[1:])
    images = [load_image(tmp_path / "set" / one.file) for one in shown]
    assert images[0].getpixel((4, 4)) == (128, 0, 128)
    assert len({image.getpixel((4, 4)) for image in images}) == 6  # five colors, and the one added
    rows = [json.loads(line) for line in (tmp_path / "set/manifest.jsonl").read_text().splitlines()]
    assert [tuple(row["attributes"]) for row in rows] == [one.attributes for one in shown]
    prompts = {one.prompt for one in combinations(60, 0)}
    assert {row["prompt"] for row in rows[1:]} <= prompts
    again = make_set(
        Painter(), encoder, tmp_path / "set", combined=60, kept=6, added=[tmp_path / "mine.png"]
    )
    assert again == shown


def test_what_cannot_be_a_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="7 pictures cannot be kept of 5"):
        make_set(Painter(), FakeEncoder(), tmp_path, combined=5, kept=7)
    (tmp_path / "bad.png").write_bytes(b"nothing")
    with pytest.raises(UsageError, match=r"bad\.png"):
        make_set(
            Painter(), FakeEncoder(), tmp_path / "s", combined=20, kept=3,
            added=[tmp_path / "bad.png"],
        )  # fmt: skip
