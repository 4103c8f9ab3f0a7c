"""Sets of known levels: small folders of the published layouts, drawn here, read and written."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
import typer
from PIL import Image
from typer.testing import CliRunner

from finexl.bench.data import stylisation, synthetic
from finexl.bench.data.adain import AdaIN
from finexl.bench.data.graded import Aspect, Graded, read_levels
from finexl.bench.data.layout import LONGEST, slug
from finexl.bench.data.operated import (
    grid,
    ladder,
    name_of,
    operated,
    operated_levels,
    photographs,
    write_operated,
)
from finexl.bench.data.style_transfer import read_sources, read_stylised, write_style_transfer
from finexl.bench.data.stylisation import make_style_transfer, square
from finexl.bench.data.synthetic import make_synthetic, plan, read_captions, styles
from finexl.bench.data.wikiart import read_wikiart, write_wikiart
from finexl.bench.data.words import Words
from finexl.bench.described import read_described
from finexl.cli.bench_data import data_app
from finexl.errors import FinexlError, UsageError
from finexl.generators import Job, Made
from finexl.imageset import read_images
from finexl.operators import OPERATORS, apply
from finexl.pairing import pair
from finexl.prompts import PromptRow


def draw(path: Path, seed: int = 0, size: tuple[int, int] = (40, 30)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (4, 5, 3), dtype=np.uint8))
    coarse.resize(size, Image.Resampling.BICUBIC).save(path)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def pixels(one: Graded, index: int = 0) -> np.ndarray:
    return np.asarray(one.personalized.pictures[index].open()).astype(float)


def prompts(one: Graded) -> list[str | None]:
    return [picture.prompt for picture in one.personalized.pictures]


@dataclass
class Seer:
    """Captions by size and mean colour; counts."""

    revision: str = "seer"
    asked: int = 0

    def caption(self, picture: Image.Image) -> str:
        self.asked += 1
        return f"{picture.width} wide, {np.asarray(picture).mean():.1f} bright"


# reading


def test_a_file_of_levels_is_read_with_its_aspects_names_and_bases(tmp_path: Path) -> None:
    for name in ("base", "a", "b"):
        draw(tmp_path / name / "0.png")
    (tmp_path / "truth.csv").write_text(
        "\ufeffname,description,level,base,personalized\n"
        'ab,"vivid, warm",0.5,base,a\nab,grainy,0,base,a\n\nb,sketch,2,,b\n',
        encoding="utf-8",
    )
    both, alone = read_levels(tmp_path)
    assert both.aspects == (Aspect("vivid, warm", 0.5), Aspect("grainy", 0.0))
    assert (both.name, both.description) == ("ab", "vivid, warm")
    assert both.levels == {"vivid, warm": 0.5, "grainy": 0.0}
    assert both.base is not None
    assert (both.base.name, both.personalized.name) == (f"{tmp_path.name}/base", "a")
    assert (alone.name, alone.base, alone.levels) == ("b", None, {"sketch": 2.0})


def test_without_names_and_levels_each_line_is_a_set_of_level_1(tmp_path: Path) -> None:
    draw(tmp_path / "a" / "0.png")
    (tmp_path / "x.csv").write_text("description,base,personalized\n3,a,a\nred,a,a\n")
    found = read_levels(tmp_path / "x.csv")
    assert [(one.name, dict(one.levels)) for one in found] == [
        ("3", {"3": 1.0}),
        ("red", {"red": 1.0}),
    ]
    described = read_described(tmp_path / "x.csv")
    assert [one.description for one in described] == ["3", "red"]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("description,personalized\nx,a\n", "needs the columns description, base, personalized"),
        ("description,base,personalized\n", "needs the columns"),
        ("description,base,personalized\n,a,a\n", "at line 2 lacks one of description, pers"),
        ("description,base,personalized,level\nx,a,a,much\n", "line 2 has no level from 0 on: 'mu"),
        ("description,base,personalized,level\nx,a,a,-1\n", "has no level from 0 on"),
        ("description,base,personalized,level\nx,a,a,nan\n", "has no level from 0 on"),
        ("name,description,base,personalized\nn,x,a,a\nn,y,,a\n", "line 3 gives 'n' other images"),
        ("name,description,base,personalized\nn,x,a,a\nn,x,a,a\n", "gives 'n' the aspect 'x' aga"),
        ("description,base,personalized\nx,a,nowhere\n", "There is no folder or file"),
    ],
)
def test_a_file_of_levels_that_is_wrong(tmp_path: Path, content: str, says: str) -> None:
    draw(tmp_path / "a" / "0.png")
    (tmp_path / "truth.csv").write_text(content)
    with pytest.raises(UsageError, match=says):
        read_levels(tmp_path)


def test_no_file_of_levels_and_no_text(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"truth\.csv cannot be read: no such file"):
        read_levels(tmp_path)
    (tmp_path / "truth.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"truth\.csv cannot be read"):
        read_levels(tmp_path)


def test_sets_without_a_base_cannot_be_described(tmp_path: Path) -> None:
    draw(tmp_path / "a" / "0.png")
    (tmp_path / "truth.csv").write_text("name,description,base,personalized\nn,x,,a\n")
    with pytest.raises(UsageError, match="gives 'n' no base to compare it with"):
        read_described(tmp_path / "truth.csv")


# photographs under operators


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    for i in range(3):
        draw(tmp_path / "photos" / f"p{i}.png", i, (60, 45))
    return tmp_path / "photos"


def test_ladders_and_grids_of_levels() -> None:
    assert ladder("saturate", 4) == [{"saturate": level} for level in (0.25, 0.5, 0.75, 1.0)]
    combinations = grid(["saturate", "film_grain"], 3)
    assert len(combinations) == 9
    assert combinations[1] == {"saturate": 1 / 3, "film_grain": 2 / 3}
    assert all(list(mixture) == ["saturate", "film_grain"] for mixture in combinations)
    with pytest.raises(UsageError, match="5 operators at 10 levels have more than 10,000"):
        grid(list("abcde"), 10)


def test_operators_change_photographs_by_their_levels_and_nothing_else(photos: Path) -> None:
    base = photographs(read_images(photos), 30)
    assert {picture.open().size for picture in base.pictures} == {(30, 23)}
    found = list(operated_levels(base, [{"desaturate": 0.0}, *ladder("desaturate", 4)]))
    assert [one.levels for one in found] == [
        {OPERATORS["desaturate"].phrases[0]: level} for level in (0, 0.25, 0.5, 0.75, 1)
    ]
    spread = [np.ptp(pixels(one), axis=2).mean() for one in found]
    assert spread == sorted(spread, reverse=True)
    np.testing.assert_array_equal(pixels(found[0]), np.asarray(base.pictures[0].open()))
    paired = pair(base, found[3].personalized)
    assert (len(paired.pairs), paired.warnings) == (3, ())


def test_operators_are_composed_in_their_order_with_the_draws_they_have_alone(
    photos: Path,
) -> None:
    base = photographs(read_images(photos))
    both = operated(base, {"desaturate": 1.0, "purple": 0.5}, seed=3)
    assert [aspect.level for aspect in both.aspects] == [1.0, 0.5]
    rng = np.random.default_rng(0)  # neither draws anything
    by_hand = base.pictures[1].open()
    for name, level in (("desaturate", 1.0), ("purple", 0.5)):
        by_hand = apply(by_hand, name, level, rng)
    np.testing.assert_array_equal(pixels(both, 1), np.asarray(by_hand))
    grainy = [operated(base, mixture, 3) for mixture in ({"film_grain": 1.0},
              {"desaturate": 0.0, "film_grain": 1.0})]  # fmt: skip
    np.testing.assert_array_equal(pixels(grainy[0]), pixels(grainy[1]))
    assert (pixels(operated(base, {"film_grain": 1.0}, 4)) != pixels(grainy[0])).any()


def test_what_is_written_is_what_is_made_in_memory(photos: Path, tmp_path: Path) -> None:
    images, mixtures = read_images(photos), ladder("film_grain", 2)
    truth = write_operated(images, mixtures, tmp_path / "out", seed=5)
    found = read_levels(tmp_path / "out")
    assert truth == tmp_path / "out" / "truth.csv"
    assert [one.name for one in found] == ["film-grain-50", "film-grain-100"]
    base = photographs(images)
    for one, expected in zip(found, operated_levels(base, mixtures, 5), strict=True):
        assert one.aspects == expected.aspects
        for index in range(3):
            np.testing.assert_array_equal(pixels(one, index), pixels(expected, index))
        assert one.base is not None
        paired = pair(one.base, one.personalized)
        assert (len(paired.pairs), paired.warnings) == (3, ())


def test_a_begun_dataset_goes_on_and_another_is_refused(photos: Path, tmp_path: Path) -> None:
    images, out = read_images(photos), tmp_path / "out"
    write_operated(images, ladder("film_grain", 3), out)
    whole = contents(out)
    for name in ("truth.csv", "film-grain-100/manifest.jsonl", "film-grain-100/00001.png"):
        (out / name).unlink()
    write_operated(images, ladder("film_grain", 3), out)
    assert contents(out) == whole
    with pytest.raises(UsageError, match=r"was asked for otherwise \(dataset\.json says how\)"):
        write_operated(images, ladder("film_grain", 2), out)
    with pytest.raises(UsageError, match="photos is not empty; give a new folder"):
        write_operated(images, ladder("film_grain", 2), photos)
    for mixtures, says in (
        ([{"grian": 1.0}], "no operator 'grian'"),
        ([], "at least one operator"),
    ):
        with pytest.raises(UsageError, match=says):
            write_operated(images, mixtures, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_sets_with_long_names_have_folders_of_their_own(photos: Path, tmp_path: Path) -> None:
    chosen = sorted(OPERATORS, key=len)[-6:]
    mixtures = grid(chosen, 2)
    assert len({name_of(mixture) for mixture in mixtures}) == len(mixtures) == 64
    start = " ".join(f"{name} 50" for name in chosen)
    assert len(start) > LONGEST  # or nothing is cut
    assert {len(name_of(mixture)) for mixture in mixtures} <= {LONGEST, LONGEST - 1}
    differ = [mixtures[0], mixtures[1]]  # in the last level alone
    found = read_levels(write_operated(read_images(photos), differ, tmp_path / "out", side=20))
    base = photographs(read_images(photos), 20)
    for one, expected in zip(found, operated_levels(base, differ), strict=True):
        assert one.aspects == expected.aspects
        np.testing.assert_array_equal(pixels(one), pixels(expected))
    for text, name in (("A" * LONGEST, "a" * LONGEST), ("Film_grain: 33.3", "film-grain-33-3")):
        assert slug(text) == name  # what fits stays as it is


# synthetic


@dataclass
class Painter:
    """A picture that depends on the prompt and the seed."""

    digest: str = "1"
    dies_after: int = 9_999
    asked: list[Job] = field(default_factory=list)
    seeded: bool = True
    prompted: bool = True
    name: str = "painter"
    kind: str = "diffusers"
    batch: int = 2
    notice: str | None = None

    def record(self) -> dict[str, Any]:
        return {}

    def make(self, jobs: Sequence[Job]) -> list[Made]:
        found = []
        if len(self.asked) >= self.dies_after:
            raise FinexlError("The power went out.")
        for job in jobs:
            self.asked.append(job)
            rng = np.random.default_rng([job.seed, *job.prompt.encode()])
            found.append(Made(Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))))
        return found


def test_the_papers_sizes_and_the_form_of_its_prompts() -> None:
    parts = plan(read_captions(None))
    assert (len(parts), sum(len(jobs) for _, jobs in parts)) == (15, 400)
    assert Counter(len(jobs) for _, jobs in parts) == {26: 5, 27: 10}
    for _, jobs in parts:
        assert len(set(jobs)) == len(jobs) == len({job.prompt for job in jobs})
    first, second = ({job.prompt for job in jobs} for _, jobs in parts[:2])
    assert first != second  # drawn anew for each style
    every = styles()
    assert len({style.name for style in every}) == len({style.words for style in every}) == 15
    assert every[0].prompt("A man with a red helmet") == (
        "a cartoon style photo: A man with a red helmet"
    )
    assert every[0].words == "cartoon style photo"
    assert all(not style.words.startswith(("a ", "an ")) for style in every)


def test_few_captions_come_again_with_other_seeds() -> None:
    for _, jobs in plan(["A cat.", "A dog."], 60, seed=1):
        assert [job.seed for job in jobs] == [0, 1, 2, 3]
        assert Counter(job.prompt for job in jobs) == {"A cat.": 2, "A dog.": 2}
    with pytest.raises(UsageError, match="14 images cannot show 15 styles"):
        plan(["A cat."], 14)


def test_captions_of_a_file(tmp_path: Path) -> None:
    (tmp_path / "c.txt").write_text("A cat.\nA dog.\n\nA cat.\n")
    assert read_captions(tmp_path / "c.txt") == ["A cat.", "A dog."]
    assert len(set(read_captions(None))) == 60


def test_a_synthetic_dataset_pairs_with_its_base_and_keeps_its_descriptions(
    tmp_path: Path,
) -> None:
    captions = read_captions(None)
    truth = make_synthetic(Painter(), captions, tmp_path / "out", images=32, seed=7)
    found = read_levels(truth)
    assert [one.description for one in found] == [style.words for style in styles()]
    assert [len(one.personalized.pictures) for one in found] == [3, 3, *[2] * 13]
    for one, (style, jobs) in zip(found, plan(captions, 32, 7), strict=True):
        assert one.base is not None
        paired = pair(one.base, one.personalized)
        assert (paired.kind, paired.warnings) == ("seed", ())
        made = {(p.prompt, p.seed) for p in paired.pairs}
        assert made == {(job.prompt, job.seed) for job in jobs}
        for side, asked in ((one.personalized, style.prompt), (one.base, str)):
            for picture in side.pictures:
                assert picture.prompt is not None
                (expected,) = Painter().make([Job(asked(picture.prompt), picture.seed or 0)])
                assert expected.image is not None
                np.testing.assert_array_equal(np.asarray(picture.open()), expected.image)
    rows = (tmp_path / "out" / "cartoon" / "manifest.jsonl").read_text().splitlines()
    assert all(json.loads(row)["asked"].startswith("a cartoon style photo: ") for row in rows)
    described = read_described(truth)
    assert len(described) == 15


def test_broken_off_and_started_again_it_ends_as_if_unbroken(tmp_path: Path) -> None:
    captions = read_captions(None)
    make_synthetic(Painter(), captions, tmp_path / "whole", images=15)
    with pytest.raises(FinexlError, match="power"):
        make_synthetic(Painter(dies_after=9), captions, tmp_path / "broken", images=15)
    with pytest.raises(UsageError, match="truth"):
        read_levels(tmp_path / "broken")
    after = Painter()
    make_synthetic(after, captions, tmp_path / "broken", images=15)
    assert contents(tmp_path / "broken") == contents(tmp_path / "whole")
    assert len(after.asked) == 30 - 9
    with pytest.raises(UsageError, match="was asked for otherwise"):
        make_synthetic(Painter("2"), captions, tmp_path / "broken", images=15)


def test_without_base_and_without_seeds(tmp_path: Path) -> None:
    model = Painter(seeded=False)
    truth = make_synthetic(model, ["A cat."], tmp_path / "out", images=15, base=False)
    assert len(model.asked) == 15
    for one in read_levels(truth):
        assert one.base is None
        assert [(p.prompt, p.seed) for p in one.personalized.pictures] == [("A cat.", None)]


# the Style Transfer dataset


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """Three photographs in two styles at two sizes, as published."""
    folder = tmp_path / "published"
    for c in (1, 2, 10):
        draw(folder / "contents" / f"content_{c}.jpg", c, (50, 40))
        for s in (2, 10):
            for size in (150, 500):
                name = f"content_{c}___style_{s}___{size}.jpg"
                draw(folder / "stylizations" / name, 100 * c + s, (size // 10, 30))
    for s in (2, 10):
        draw(folder / "styles" / f"style_{s}.jpg", s, (32, 64))
    (folder / "user-ratings-all.csv").write_text("name,1_rating\nx,6\n")
    return folder


def test_the_published_dataset_one_size_a_set_each_style(published: Path, tmp_path: Path) -> None:
    seer = Seer()
    words = Words(
        styles=[PromptRow("woodblock print", "styles/style_10.JPG", None)], captioner=seer
    )
    truth = write_style_transfer(published, tmp_path / "out", words=words)
    two, ten = read_levels(truth)
    assert (two.name, ten.name) == ("style-2", "style-10")
    assert ten.description == "woodblock print"
    assert two.description.startswith("32 wide, ")  # what is seen in the painting
    assert seer.asked == 3 + 1  # photographs, and the painting that was not described
    assert all((prompt or "").startswith("50 wide, ") for prompt in prompts(two))
    for one, style in ((two, 2), (ten, 10)):
        assert [picture.open().size[0] for picture in one.personalized.pictures] == [50] * 3
        for picture, c in zip(one.personalized.pictures, (1, 10, 2), strict=True):
            source = published / "stylizations" / f"content_{c}___style_{style}___500.jpg"
            assert isinstance(picture.source, Path)
            assert picture.source.read_bytes() == source.read_bytes()
        assert one.base is not None
        paired = pair(one.base, one.personalized)
        assert (paired.kind, len(paired.pairs), paired.warnings) == ("seed", 3, ())


def test_without_words_a_style_goes_by_its_name(published: Path, tmp_path: Path) -> None:
    truth = write_style_transfer(published, tmp_path / "out", size=150)
    two, _ = read_levels(truth)
    assert two.description == "style 2"
    assert prompts(two) == [None] * 3
    assert two.base is not None
    paired = pair(two.base, two.personalized)
    assert (paired.kind, paired.warnings) == ("file", ())
    assert pixels(two).shape[1] == 15


@pytest.mark.parametrize(
    "changed",
    [
        "stylizations/content_1___style_2___500.jpg",
        "contents/content_10.jpg",
        "styles/style_2.jpg",
    ],
)
def test_a_published_picture_that_has_changed_is_another_dataset(
    published: Path, tmp_path: Path, changed: str
) -> None:
    truth = write_style_transfer(published, tmp_path / "out")
    draw(published / "stylizations" / "content_1___style_2___150.jpg", 77)  # of another size
    assert write_style_transfer(published, tmp_path / "out") == truth
    (published / changed).unlink()  # or it is the same file as in the dataset
    draw(published / changed, 77, (50, 30))
    with pytest.raises(UsageError, match="was asked for otherwise"):
        write_style_transfer(published, tmp_path / "out")


def test_captions_of_ones_own(published: Path, tmp_path: Path) -> None:
    rows = [PromptRow(f"photo {c}", f"content_{c}.jpg", None) for c in (1, 2, 10)]
    truth = write_style_transfer(published, tmp_path / "out", words=Words(rows))
    assert [prompts(one) for one in read_levels(truth)] == [["photo 1", "photo 10", "photo 2"]] * 2


def test_words_say_what_they_are_of() -> None:
    for rows in (
        [PromptRow("x", None, None)],
        [PromptRow("x", "a.jpg", 0), PromptRow("y", None, 0)],
    ):
        with pytest.raises(UsageError, match="need the `file` that each is of"):
            Words(rows)
        with pytest.raises(UsageError, match="need the `file` that each is of"):
            Words(styles=rows)


def test_stylisations_that_are_not_there(published: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no stylisations of size 700 .*, only of 150, 500; put"):
        read_stylised(published, 700)
    (published / "contents" / "content_10.jpg").unlink()
    with pytest.raises(UsageError, match="contents has no content_10, which stylisations are of"):
        write_style_transfer(published, tmp_path / "out")
    draw(published / "more" / "content_1___style_2___500.jpg")
    with pytest.raises(UsageError, match=r"content_1___style_2___500\.jpg twice"):
        read_stylised(published)
    for path in published.glob("*/*___*"):
        path.unlink()
    with pytest.raises(UsageError, match="none at all; put them there, or make some with --net"):
        read_stylised(published)


class Mixing:
    """Stands in for the networks: the strength mixes pixels, and 0 halves the brightness."""

    revision, device = "mixing", "cpu"

    def __init__(self, dies_after: int = 99) -> None:
        self.dies_after, self.encoded = dies_after, 0

    def features(self, picture: Image.Image) -> Any:
        return torch.from_numpy(np.asarray(picture).copy())

    def graded(
        self, content: Image.Image, style: Any, levels: Sequence[float]
    ) -> list[Image.Image]:
        if self.encoded >= self.dies_after:
            raise FinexlError("The power went out.")
        self.encoded += 1
        ours, theirs = np.asarray(content) / 2, style.numpy()
        return [
            Image.fromarray(((1 - a) * ours + a * theirs).round().astype(np.uint8)) for a in levels
        ]


def mixing(dies_after: int = 99) -> AdaIN:
    return cast(AdaIN, Mixing(dies_after))


def test_made_stylisations_differ_from_their_base_in_strength_alone(
    published: Path, tmp_path: Path
) -> None:
    sources = read_sources(published)
    rows = [PromptRow(words, f"style_{s}.jpg", None) for s, words in ((2, "ink"), (10, "oil"))]
    truth = make_style_transfer(
        sources, mixing(), tmp_path / "out", levels=4, side=24, words=Words((), rows)
    )
    found = read_levels(truth)
    assert [(one.name, one.aspects) for one in found] == [
        (f"style-{s}-{round(100 * a):03}", (Aspect(words, a),))
        for s, words in ((2, "ink"), (10, "oil"))
        for a in (0.25, 0.5, 0.75, 1.0)
    ]
    for one in found:
        assert one.base is not None
        style = Image.open(published / "styles" / f"style_{one.name.split('-')[1]}.jpg")
        for index, c in enumerate((1, 10, 2)):
            photo = Image.open(published / "contents" / f"content_{c}.jpg")
            plain = np.asarray(square(photo.convert("RGB"), 24)) / 2
            base = np.asarray(one.base.pictures[index].open())
            assert np.abs(base - plain).max() <= 0.5
            level = one.aspects[0].level
            mixed = (1 - level) * plain + level * np.asarray(square(style.convert("RGB"), 24))
            assert np.abs(pixels(one, index) - mixed).max() <= 0.5
        assert len(pair(one.base, one.personalized).pairs) == 3


def test_made_stylisations_go_on_where_they_broke_off(published: Path, tmp_path: Path) -> None:
    sources, networks = read_sources(published), mixing()
    make_style_transfer(sources, networks, tmp_path / "whole", levels=2, side=16)
    with pytest.raises(FinexlError, match="power"):
        make_style_transfer(sources, mixing(5), tmp_path / "broken", levels=2, side=16)
    after = mixing()
    make_style_transfer(sources, after, tmp_path / "broken", levels=2, side=16)
    assert contents(tmp_path / "broken") == contents(tmp_path / "whole")
    assert cast(Mixing, networks).encoded == 9
    assert cast(Mixing, after).encoded == 4
    with pytest.raises(UsageError, match="was asked for otherwise"):
        make_style_transfer(sources, mixing(), tmp_path / "broken", levels=2, side=20)


def test_folders_of_paintings_are_a_style_each_and_are_taken_in_turn(
    published: Path, tmp_path: Path
) -> None:
    for path in (published / "styles").iterdir():
        path.unlink()
    for i in range(2):
        draw(published / "styles" / "baroque" / f"{i}.jpg", 50 + i)
    sources = read_sources(published)
    assert {name: len(found) for name, found in sources.styles.items()} == {"baroque": 2}
    truth = make_style_transfer(sources, mixing(), tmp_path / "out", side=16)
    (one,) = read_levels(truth)
    assert one.description == "baroque"
    for index, painting in enumerate((0, 1, 0)):
        with Image.open(published / "styles" / "baroque" / f"{painting}.jpg") as opened:
            np.testing.assert_array_equal(pixels(one, index), square(opened.convert("RGB"), 16))


def test_two_styles_that_would_be_one_set(published: Path, tmp_path: Path) -> None:
    draw(published / "styles" / "style-2.jpg")
    with pytest.raises(UsageError, match="'style-2' and 'style_2' would be one set"):
        make_style_transfer(read_sources(published), mixing(), tmp_path / "out", side=16)


def test_square_is_the_middle() -> None:
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 200
    assert (np.asarray(square(Image.fromarray(wide), 10)) == 200).all()


# WikiArt

WORKS = {
    "Baroque": ["caravaggio_bacchus", "caravaggio_medusa-1597", "rembrandt_nightwatch"],
    "Impressionism": ["vincent-van-gogh_a", "claude-monet_haystacks_at_noon", "claude-monet_b"],
    "Post_Impressionism": ["vincent-van-gogh_a", "vincent-van-gogh_c", "vincent-van-gogh_d"],
    "Realism": ["unknown-artist_1", "unknown-artist_2", "unknown-artist_3", "unknown-artist_4"],
}


@pytest.fixture
def wikiart(tmp_path: Path) -> Path:
    for number, (movement, works) in enumerate(WORKS.items()):
        for i, work in enumerate(works):
            draw(tmp_path / "wikiart" / movement / f"{work}.jpg", 10 * number + i)
    return tmp_path / "wikiart"


def test_artists_with_most_works_come_first_and_a_work_counts_once(wikiart: Path) -> None:
    found = read_wikiart(wikiart)
    assert [(artist.name, len(artist.works)) for artist in found] == [
        ("Vincent van Gogh", 3),  # one of them lies in two movements
        ("Caravaggio", 2),
        ("Claude Monet", 2),
        ("Rembrandt", 1),
    ]
    assert found[0].words == "painting by Vincent van Gogh"
    assert [artist.name for artist in read_wikiart(wikiart, most=2)] == [
        "Vincent van Gogh",
        "Caravaggio",
    ]


def test_movements_where_files_name_no_artist_or_as_asked(wikiart: Path, tmp_path: Path) -> None:
    assert [(one.words, len(one.works)) for one in read_wikiart(wikiart, "movement")] == [
        ("realism", 4),
        ("baroque", 3),
        ("impressionism", 3),
        ("post impressionism", 3),
    ]
    for movement in ("art_nouveau_modern", "post-impressionism"):
        for i in range(2):
            draw(tmp_path / "plain" / movement / f"{7 * i}.jpg")
    plain = read_wikiart(tmp_path / "plain")
    assert [one.words for one in plain] == ["art nouveau modern", "post-impressionism"]
    with pytest.raises(UsageError, match="take its movements with --by movement"):
        read_wikiart(tmp_path / "plain", "artist")
    draw(tmp_path / "flat" / "0.jpg")
    with pytest.raises(UsageError, match="has no folders of movements with paintings in them"):
        read_wikiart(tmp_path / "flat")


def test_a_wikiart_dataset(wikiart: Path, tmp_path: Path) -> None:
    seer = Seer()
    truth = write_wikiart(wikiart, tmp_path / "out", most=3, captioner=seer)
    found = read_levels(truth)
    assert [one.name for one in found] == ["vincent-van-gogh", "caravaggio", "claude-monet"]
    assert all(one.base is None and one.aspects[0].level == 1 for one in found)
    assert seer.asked == 7
    assert all((prompt or "").startswith("40 wide, ") for one in found for prompt in prompts(one))
    rows = [
        json.loads(line)
        for line in (tmp_path / "out" / "caravaggio" / "manifest.jsonl").read_text().splitlines()
    ]
    assert [row["work"] for row in rows] == ["Baroque/caravaggio_bacchus",
                                             "Baroque/caravaggio_medusa-1597"]  # fmt: skip
    for row in rows:
        copy = tmp_path / "out" / "caravaggio" / row["file"]
        assert copy.read_bytes() == (wikiart / f"{row['work']}.jpg").read_bytes()
    before = contents(tmp_path / "out")
    (tmp_path / "out" / "truth.csv").unlink()
    write_wikiart(wikiart, tmp_path / "out", most=3, captioner=seer)
    assert contents(tmp_path / "out") == before
    assert seer.asked == 7


def test_a_work_that_has_changed_or_goes_by_another_name_is_another_dataset(
    wikiart: Path, tmp_path: Path
) -> None:
    truth = write_wikiart(wikiart, tmp_path / "out", most=3)
    draw(wikiart / "Baroque" / "rembrandt_nightwatch.jpg", 77)  # the fourth
    assert write_wikiart(wikiart, tmp_path / "out", most=3) == truth
    work = wikiart / "Baroque" / "caravaggio_bacchus.jpg"
    before = work.read_bytes()
    work.unlink()
    draw(work, 77)
    with pytest.raises(UsageError, match="was asked for otherwise"):
        write_wikiart(wikiart, tmp_path / "out", most=3)
    work.unlink()
    work.with_name("caravaggio_young.jpg").write_bytes(before)
    with pytest.raises(UsageError, match="was asked for otherwise"):
        write_wikiart(wikiart, tmp_path / "out", most=3)


def test_some_works_of_each_drawn_by_seed(wikiart: Path, tmp_path: Path) -> None:
    drawn = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1), ("d", 2), ("e", 3)):
        write_wikiart(wikiart, tmp_path / name, by="movement", works=1, seed=seed)
        found = read_levels(tmp_path / name)
        assert [len(one.personalized.pictures) for one in found] == [1] * 4
        drawn.append([one.personalized.pictures[0].digest() for one in found])
    assert drawn[0] == drawn[1]
    assert len({tuple(digests) for digests in drawn}) > 1


def test_works_are_copied_where_the_file_system_cannot_link(
    wikiart: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    write_wikiart(wikiart, tmp_path / "linked")
    monkeypatch.setattr("os.link", refuse)
    write_wikiart(wikiart, tmp_path / "copied")
    assert contents(tmp_path / "linked") == contents(tmp_path / "copied")


# the command


def command(*arguments: str) -> tuple[int, dict[str, Any]]:
    app = typer.Typer()
    app.add_typer(data_app, name="data")
    done = CliRunner().invoke(app, ["data", *arguments, "--json", "-"], catch_exceptions=True)
    if isinstance(done.exception, FinexlError):
        return done.exception.exit_code, {"error": str(done.exception)}
    return done.exit_code, json.loads(done.stdout) if done.stdout.startswith("{") else {}


def test_the_commands(
    photos: Path, published: Path, wikiart: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, found = command(
        "operators", str(photos), "--operator", "saturate", "--operator", "film_grain",
        "--levels", "2", "--together", "--out", str(tmp_path / "1"),
    )  # fmt: skip
    assert (code, len(found["sets"])) == (0, 4)
    assert found["truth"] == str(tmp_path / "1" / "truth.csv")
    assert list(found["sets"][1]["levels"].values()) == [0.5, 1.0]
    code, found = command(
        "wikiart", str(wikiart), "--most", "2", "--no-captions", "--out", str(tmp_path / "2")
    )
    assert [one["images"] for one in found["sets"]] == [3, 2]
    given = tmp_path / "captions.csv"
    given.write_text("file,prompt\n" + "".join(f"content_{c}.jpg,c{c}\n" for c in (1, 2, 10)))
    transfer = ["style-transfer", str(published), "--captions", str(given)]
    code, found = command(*transfer, "--out", str(tmp_path / "3"))
    assert [one["name"] for one in found["sets"]] == ["style-2", "style-10"]
    assert prompts(read_levels(tmp_path / "3")[0]) == ["c1", "c10", "c2"]
    code, found = command(*transfer, "--levels", "3", "--out", str(tmp_path / "4"))
    assert code == 2
    assert "give --networks" in found["error"]
    code, found = command(*transfer, "--networks", str(tmp_path), "--out", str(tmp_path / "4"))
    assert code == 3
    assert "fetch_adain.py" in found["error"]
    monkeypatch.setattr(stylisation, "load_networks", lambda *_: mixing())
    code, found = command(
        *transfer, "--networks", "x", "--levels", "2", "--side", "16", "--out", str(tmp_path / "4")
    )
    assert len(found["sets"]) == 4
    monkeypatch.setattr("finexl.generators.load_generator", lambda *_: Painter(notice="Out."))
    code, found = command(
        "synthetic", "diffusers:x", "--images", "15", "--no-base", "--out", str(tmp_path / "5")
    )
    assert (code, len(found["sets"])) == (0, 15)
    assert synthetic.IMAGES == 400
