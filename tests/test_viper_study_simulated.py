"""Studies on people whose taste is known, by scorers in their place."""

from __future__ import annotations

import itertools
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from numpy.typing import NDArray
from PIL import Image

import tiny_pipelines
from fake_encoder import FakeEncoder
from finexl.encoders import load_encoder
from finexl.errors import UsageError
from finexl.generators import Job, Settings
from finexl.generators.diffusers import Pipeline
from finexl.viper.agents import Truth
from finexl.viper.agents.agent import Agent, Reaction, Remark, Shown
from finexl.viper.agents.tastes import Likings
from finexl.viper.attributes import attributes, by_text
from finexl.viper.proxy.proxy import Proxy
from finexl.viper.proxy.reference import Reference
from finexl.viper.study import gallery as galleries
from finexl.viper.study.ablations import KEPT, by_comments, by_groups, of_groups
from finexl.viper.study.diversity import diversity, spread
from finexl.viper.study.gallery import PROMPTED, REWRITTEN, VIPER, Gallery, rows_of
from finexl.viper.study.painters import DrawnPainter, Kept
from finexl.viper.study.people import Subject, read_subjects, written
from finexl.viper.study.plan import Plan, Seen
from finexl.viper.study.published import GROUPS, published
from finexl.viper.study.questions import distance
from finexl.viper.study.scorers import Array, ByProxy, Rates, Similarity, load_scorer
from finexl.viper.study.simulated import Found, measure
from finexl.viper.taste import Taste
from tiny_models import save_clip

TASTES = 24
PLAN = Plan(("one", "two", "three", "four"), seeds=2, people=120)


def liking(*words: str) -> Taste:
    return Taste(tuple((word, 1.0) for word in words))


def people(count: int = TASTES) -> list[Subject]:
    tastes = [liking(f"word {number}", f"also {number}") for number in range(count)]
    return [Subject(str(number), taste, taste) for number, taste in enumerate(tastes)]


@dataclass
class Nearest:
    """Likes what is nearest to the mean of the liked pictures; remembers what it was shown."""

    name: str = "nearest"
    space: str = "nearest"
    dim: int = TASTES + 4
    examples: bool = True
    known: list[tuple[Array, Array]] = field(default_factory=list)
    asked: list[Array] = field(default_factory=list)

    def look(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        raise NotImplementedError

    def likes(self, taste: Taste, liked: Array, disliked: Array) -> Rates:
        del taste
        self.known.append((liked, disliked))

        def rates(rows: Array) -> Array:
            self.asked.append(rows)
            away = np.abs(rows[:, :TASTES] - liked[:, :TASTES].mean(axis=0))
            return np.asarray(-away.sum(axis=1))

        return rates

    def follows(self, prompt: str) -> Rates:
        place = PLAN.prompts.index(prompt)
        return lambda rows: rows[:, TASTES + place]


class Blind(Nearest):
    """Knows nothing: every number is drawn."""

    def likes(self, taste: Taste, liked: Array, disliked: Array) -> Rates:
        rng = np.random.default_rng(zlib.crc32(repr((taste, liked, disliked)).encode()))
        return lambda rows: rng.random(len(rows))

    def follows(self, prompt: str) -> Rates:
        del prompt
        return lambda rows: np.zeros(len(rows))


def planted(noise: float = 0.01) -> Seen:
    """Rows whose first numbers say whose taste, the last ones of which prompt."""
    rng = np.random.default_rng(0)
    prompts = np.eye(len(PLAN.prompts))

    def rows(whose: NDArray[np.float64], seeds: int) -> Array:
        of_whom = np.broadcast_to(whose, (len(prompts), seeds, TASTES))
        of_what = np.broadcast_to(prompts[:, None], (len(prompts), seeds, len(prompts)))
        both = np.concatenate([of_whom, of_what], axis=2)
        return np.asarray(both + noise * rng.normal(size=both.shape))

    own = np.array([rows(one, PLAN.seeds) for one in np.eye(TASTES)])
    return Seen(rows(np.zeros(TASTES), PLAN.seeds + 7), {VIPER: own})


def shares(found: Sequence[Found]) -> dict[str, float]:
    return {one.study: one.share.value for one in found}


def test_a_scorer_that_knows_people_is_always_right() -> None:
    found = measure(PLAN, people(), planted(), Nearest())
    assert {one.study for one in found} == {
        *(f"{study}, top-{k}" for k in (1, 2, 3, 4)
          for study in ("own vs none", "own vs others", "own vs others, of any distance")),
        "personalized or not", "prompt",
    }  # fmt: skip
    assert set(shares(found).values()) == {1.0}
    first = next(one.share for one in found if one.study == "own vs others, top-1")
    assert (first.units, first.questions, first.chance) == (TASTES, 120 * 4, 0.125)
    assert first.ci[0] < 1


def test_one_that_knows_nothing_is_right_as_often_as_chance() -> None:
    for one in measure(replace(PLAN, people=480), people(), planted(), Blind()):
        assert one.share.value == pytest.approx(one.share.chance, abs=0.05), one.study


def test_no_picture_and_no_prompt_is_both_known_and_asked_about() -> None:
    scorer = Nearest()
    measure(replace(PLAN, people=8), people(), planted(), scorer)
    assert len(scorer.known) == len(scorer.asked) == 24  # three a person
    for (liked, disliked), asked in zip(scorer.known, scorer.asked, strict=True):
        assert len(liked) == len(disliked) == 4
        known = {row.tobytes() for row in np.concatenate([liked, disliked])}
        assert not known & {row.tobytes() for row in asked}
        of_known = set(np.concatenate([liked, disliked])[:, TASTES:].argmax(axis=1))
        assert not of_known & set(asked[:, TASTES:].argmax(axis=1))
    halves = [set(liked[:, TASTES:].argmax(axis=1)) for liked, _ in scorer.known[::3]]
    assert halves[0] != halves[1]  # exchanged for every other taste
    # whom line-ups are made of is not whom others' taste is known from
    for (_, disliked), asked in zip(scorer.known[1::3], scorer.asked[1::3], strict=True):
        met, rest = (set(rows[:, :TASTES].argmax(axis=1)) for rows in (asked, disliked))
        assert not met & rest


def test_tastes_that_share_too_much_do_not_meet_in_the_papers_lineups() -> None:
    some = people()
    # everybody but ten shares a word with the first
    shared = [
        replace(one, taste=liking("word 0", f"also {n}")) if n < TASTES - 9 else one
        for n, one in enumerate(some)
    ]
    assert distance(shared[0].taste, shared[1].taste) == pytest.approx(2 / 3)
    assert distance(shared[0].taste, shared[-1].taste) == 1
    scorer = Nearest()
    measure(replace(PLAN, people=1), shared, planted(), scorer)
    met = [set(asked[:, :TASTES].argmax(axis=1)) for asked in scorer.asked]
    assert met[1] - {0} <= set(range(TASTES - 9, TASTES))
    assert met[2] & set(range(1, TASTES - 9))


def test_people_may_be_known_by_other_pictures_than_those_of_the_method() -> None:
    some = people()
    swapped = planted()
    # whose pictures from elsewhere are the next person's is told from them by those
    sides = [(swapped.own[VIPER][(n + 1) % TASTES, 0], swapped.plain[0, :2]) for n in range(TASTES)]
    seen = replace(swapped, elsewhere=tuple(sides))
    found = shares(measure(PLAN, some, seen, Nearest(), elsewhere=True))
    assert found["own vs others, top-1"] < 0.2
    right = replace(
        swapped,
        elsewhere=tuple((swapped.own[VIPER][n, 0], swapped.plain[0, :2]) for n in range(TASTES)),
    )
    found = shares(measure(PLAN, some, right, Nearest(), elsewhere=True))
    assert found["own vs others, top-1"] == 1
    with pytest.raises(UsageError, match="No pictures are known"):
        measure(PLAN, some, swapped, Nearest(), elsewhere=True)


def test_the_papers_figures_stand_beside_the_cells_they_belong_to() -> None:
    assert published("own vs none", VIPER, "M", 1) == 0.867
    assert published("own vs others", VIPER, "M", 4) == 0.992
    assert published("personalized or not", PROMPTED, "M", 1) == 0.839
    assert published("personalized or not", REWRITTEN, "similarity (x)", 1) == 0.695
    assert published("prompt", VIPER, "preference (x)", 1) == 0.878
    # an M that is told words, or knows people by other pictures, is another one
    assert published("own vs none", VIPER, "M told VP±", 1) is None
    assert published("own vs none", VIPER, "M, by other pictures", 1) is None
    assert published("own vs none", PROMPTED, "M", 1) is None
    assert published("own vs others, of any distance", VIPER, "M", 1) is None


def test_plans_that_cannot_be_are_refused() -> None:
    for how, said in (
        ({"prompts": ("a",)}, "two different prompts"),
        ({"prompts": ("a", "a")}, "two different prompts"),
        ({"seeds": 0}, "one seed and one person"),
        ({"people": 0}, "one seed and one person"),
        ({"methods": ("plain",)}, "one or several of the methods viper, prompted, rewritten"),
        ({"methods": ()}, "one or several of the methods"),
    ):
        with pytest.raises(UsageError, match=said):
            replace(PLAN, **how)
    with pytest.raises(UsageError, match="two tastes at least"):
        measure(PLAN, people(1), planted(), Nearest())


# scorers


def test_the_proxys_eyes_are_its_ratings() -> None:
    rng = np.random.default_rng(0)
    liked, disliked, rows = (rng.normal(size=(n, 8)) for n in (5, 4, 6))
    encoder, reference = FakeEncoder(), Reference(rng.normal(size=(20, 8)))
    scorer = ByProxy(encoder)
    vars(scorer)["_reference"] = reference
    proxy = Proxy.fit(liked, disliked, None, encoder, reference=reference)
    expected = [one.probability for one in proxy.rate(rows)]
    assert scorer.likes(liking("any"), liked, disliked)(rows) == pytest.approx(expected, abs=1e-12)


def test_similarity_is_cosines_with_what_is_liked_less_those_with_what_is_not() -> None:
    encoder = FakeEncoder()
    taste = Taste((("b", 0.5), ("a", 1.0), ("no", 0.0)), (("c", 1.0),))
    rows = np.random.default_rng(0).normal(size=(3, 8))
    liked, disliked, prompt = encoder.embed_texts(["a, b", "c", "p"]).astype(float)

    def cosine(a: Array, b: Array) -> float:
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    found = Similarity(encoder).likes(taste, rows, rows)(rows)
    assert found == pytest.approx([cosine(r, liked) - cosine(r, disliked) for r in rows], abs=1e-6)
    follows = Similarity(encoder).follows("p")(rows)
    assert follows == pytest.approx([cosine(row, prompt) for row in rows], abs=1e-6)
    with pytest.raises(UsageError, match="taste without words"):
        Similarity(encoder).likes(Taste(), rows, rows)


def test_a_model_of_peoples_choices_scores_as_its_own_logits_say(tmp_path: Path) -> None:
    save_clip(tmp_path)
    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (40, 32, 3), np.uint8)) for _ in range(3)]
    scorer = load_scorer(f"preference:{tmp_path}", threads=1)
    rows = scorer.look(images).astype(np.float64)
    texts = ["vivid , cat", "dark", "a photo of a dog"]
    model = transformers.CLIPModel.from_pretrained(tmp_path).eval()
    tokens = transformers.AutoTokenizer.from_pretrained(tmp_path)(
        texts, padding=True, return_tensors="pt"
    )
    pixels = transformers.AutoImageProcessor.from_pretrained(tmp_path, backend="pil")(
        images=images, return_tensors="pt"
    )
    with torch.inference_mode():
        logits = model(**tokens, **pixels).logits_per_image.numpy()
    taste = Taste((("vivid", 1.0), ("cat", 0.5)), (("dark", 1.0),))
    found = scorer.likes(taste, rows[:0], rows[:0])(rows)
    assert found == pytest.approx(logits[:, 0] - logits[:, 1], abs=1e-4)
    follows = scorer.follows(texts[2])
    assert follows is not None
    assert follows(rows) == pytest.approx(logits[:, 2], abs=1e-4)
    assert "preference" in scorer.name


def test_scorers_that_are_none_are_refused(tmp_path: Path) -> None:
    for name in ("magic", "preference", "preference:", ""):
        with pytest.raises(UsageError, match="is no scorer"):
            load_scorer(name)
    with pytest.raises(UsageError, match="no model that transformers opens"):
        load_scorer("preference:embedded")
    from tiny_models import save_align

    save_align(tmp_path)
    without: Any = load_scorer(f"preference:{tmp_path}")
    assert load_encoder(str(tmp_path)).name == str(tmp_path)
    with pytest.raises(UsageError, match="no logit scale"):
        without.follows("a cat")


# people and pictures


def test_people_are_read_as_they_were_written(tmp_path: Path) -> None:
    someone = Subject(
        "Ann", Taste((("red", 1.0),), (("blue", 1.0),)), Taste((("a red x", 1.0),)), {"p": "a p"},
        (Path("k/1.png"),), (Path("k/2.png"),),
    )  # fmt: skip
    bare = Subject("Bo", liking("soft"), liking("soft"))
    path = tmp_path / "people.jsonl"
    path.write_text(f"{written(someone)}\n\n{written(bare)}\n")
    found = read_subjects(path)
    inside = replace(someone, liked=(tmp_path / "k/1.png",), disliked=(tmp_path / "k/2.png",))
    assert found == [inside, bare]
    assert found[0].key != found[1].key
    assert found[1].key == replace(bare, name="Another", taste=liking("x")).key


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has nobody in it"),
        ("{", "line 1: no JSON of a person"),
        ('{"schema": "finexl.agent/1"}', "its schema is 'finexl.agent/1'"),
        ('{"schema": "finexl.subject/1", "name": "a", "liked": [1]}', "line 1: `liked.0` is wrong"),
        ('{"schema": "finexl.subject/1", "name": "a", "likes": []}', "`likes` is wrong"),
        ('{"schema": "finexl.subject/1", "name": "a", "examples": {"liked": ["../x.png"]}}',
         "does not lie in"),
        ('{"schema": "finexl.subject/1", "name": "a"}\n' * 2, "two people of the name 'a'"),
        ('{"schema": "finexl.subject/1", "name": "a", "liked": [" "]}', "attribute is empty"),
    ],
)  # fmt: skip
def test_people_that_are_none_are_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "people.jsonl"
    path.write_text(text)
    with pytest.raises(UsageError, match=said):
        read_subjects(path)


@pytest.fixture(scope="module")
def sd(tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    folder = tmp_path_factory.mktemp("models") / "sd"
    tiny_pipelines.save_sd(folder)
    return Pipeline(str(folder), Settings(steps=2, size=tiny_pipelines.SIDE, device="cpu",
                                          guidance=3.0, batch=2))  # fmt: skip


ANN = Subject(
    "Ann", liking("soft"), Taste((("soft", 1.0),), (("loud", 1.0),)), {"a cat": "a big cat"}
)


def pixels(images: Sequence[Any]) -> NDArray[np.uint8]:
    return np.array([np.asarray(one) for one in images])


def test_a_taste_is_made_once_and_each_method_does_what_it_says(
    sd: Pipeline, tmp_path: Path
) -> None:
    gallery = Gallery(tmp_path, sd, 0.6)
    jobs = [Job("a cat", 0), Job("a cat", 1)]
    found = {method: gallery.pictures(method, ANN, jobs) for method in galleries.METHODS}
    named = {path.name for path in (tmp_path / "pictures").iterdir()}
    assert named == {"plain", *(f"{method}-{ANN.key}" for method in (VIPER, PROMPTED, REWRITTEN))}
    assert gallery.pictures(VIPER, replace(ANN, name="Bo"), jobs) == found[VIPER]
    # the same pictures as of models opened for it alone
    fresh = Pipeline(sd.reference, replace(sd.settings, negative="loud"))
    for method, prompt in ((PROMPTED, "a cat, soft"), (REWRITTEN, "a big cat")):
        alone = [one.image for one in fresh.make([Job(prompt, seed) for seed in (0, 1)])]
        assert (pixels([one.open() for one in found[method]]) == pixels(alone)).all()
    assert fresh.digest == sd.against("loud").digest
    assert sd.against("loud").opened is sd.opened
    assert sd.settings.negative is None
    with pytest.raises(UsageError, match="'a dog' was not rewritten"):
        gallery.pictures(REWRITTEN, ANN, [Job("a dog", 0)])


def test_each_picture_is_looked_at_once(sd: Pipeline, tmp_path: Path) -> None:
    encoder = FakeEncoder("of this test")
    pictures = Gallery(tmp_path, sd).pictures("plain", None, [Job("a cat", n) for n in range(4)])
    first = rows_of([*pictures, pictures[0]], Similarity(encoder))
    assert encoder.pictures == 4
    assert (first[0] == first[4]).all()
    assert (rows_of(pictures, Similarity(encoder)) == first[:4]).all()
    assert encoder.pictures == 4
    direct = encoder.embed_images([one.open() for one in pictures])
    assert first[:4] == pytest.approx(direct)


def test_diversity_is_the_mean_distance_of_all_pairs() -> None:
    rows = np.random.default_rng(0).normal(size=(6, 5))
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    naive = np.mean([1 - unit[i] @ unit[j] for i, j in itertools.combinations(range(6), 2)])
    assert spread(rows) == pytest.approx(naive)
    assert spread(np.ones((4, 3))) == pytest.approx(0)
    assert spread(np.array([[1.0, 0], [-2, 0]])) == pytest.approx(2)


def test_diversity_is_measured_at_every_degree_and_guidance(sd: Pipeline) -> None:
    encoder = FakeEncoder()
    found = diversity(
        f"diffusers:{sd.reference}", sd.settings, [ANN], ["a cat", "a dog"], Similarity(encoder),
        degrees=(0.0, 1.0), guidances=(1.5, 3.0), count=3,
    )  # fmt: skip
    assert [(one.guidance, one.degree) for one in found] == [
        (1.5, 0), (1.5, 1), (3, 0), (3, 1),
    ]  # fmt: skip
    assert {(one.tastes, one.pictures) for one in found} == {(1, 6)}
    plain = replace(sd.settings, guidance=3.0)
    model = Pipeline(sd.reference, plain)
    spreads = []
    for prompt in ("a cat", "a dog"):
        images = [one.image for one in model.make([Job(prompt, seed) for seed in range(3)])]
        rows = encoder.embed_images([image for image in images if image is not None])
        spreads.append(spread(rows.astype(np.float64)))
    assert found[2].value == pytest.approx(np.mean(spreads))
    with pytest.raises(UsageError, match="two pictures of it at least"):
        diversity("diffusers:x", sd.settings, [ANN], ["a"], Similarity(encoder),
                  degrees=(0,), guidances=(1,), count=1)  # fmt: skip


# parts of a taste


@dataclass(frozen=True)
class Blots:
    """Paints a taste as its digest's grey, so that the same words are the same grey."""

    name: str = "blots"

    def paint(self, taste: Taste, count: int, seed: int) -> list[Image.Image]:
        del seed
        words = json.dumps(taste.liked)
        grey = 20 + sum(words.encode()) % 200 if taste.liked else 0
        noise = np.random.default_rng(grey).integers(0, 2, (count, 4, 4, 3))
        return [Image.fromarray((grey + one).astype(np.uint8)) for one in noise]


class Greys(Nearest):
    """Sees the mean grey, and likes what is nearest to the liked pictures'."""

    def look(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        return np.array([[np.asarray(image).mean()] for image in images], np.float32)

    def likes(self, taste: Taste, liked: Array, disliked: Array) -> Rates:
        del taste
        assert len(liked) == len(disliked) == 9
        return lambda rows: -np.abs(rows[:, 0] - liked.mean())


def test_groups_of_attributes_are_left_to_a_taste_or_taken_from_it() -> None:
    taste = Taste(
        (("vivid colors", 1.0), ("cubism", 1.0), ("flowing lines", 1.0), ("unheard", 1.0))
    )
    groups = {words: by_text()[words].group for words, _ in taste.liked[:3] if words in by_text()}
    for part, kept in KEPT.items():
        left = {words for words, _ in of_groups(taste, kept).liked}
        assert left == {w for w, _ in taste.liked if groups.get(w, "other") in kept}, part
    assert {"style", "other"} <= {*groups.values(), "other"}
    assert of_groups(taste, KEPT["both"]) == taste


def test_pictures_of_what_is_left_are_told_as_far_as_it_differs() -> None:
    styles = [one.text for one in attributes() if one.group == "style"][:12]
    # people who differ in style alone: nothing is left to tell them by without it
    tastes = [liking(style, "flowing lines") for style in styles]
    found = {one.part: one.share for one in by_groups(tastes, Blots(), Greys(dim=1))}
    assert list(found) == list(KEPT)
    assert found["no color, no style"].value == 0.5
    assert found["color"].value == 0.5
    assert found["style"].value > 0.9
    assert found["both"].value > 0.9
    assert {part: share.paper for part, share in found.items()} == dict(GROUPS)
    assert found["both"].units == 12
    with pytest.raises(UsageError, match="two people at least"):
        by_groups(tastes[:1], Blots(), Greys(dim=1))


def agent(number: int) -> Agent:
    words = [one.text for one in attributes()][3 * number : 3 * number + 3]
    remarks = tuple(
        Remark(f"I like {word}.", "p.png", "positive", (Reaction(word, "liked", "named"),))
        for word in words
    )
    return Agent(
        f"agent-{number:05}", tuple(words), (), (Shown("p.png", "p", 0, ()),), remarks, "grammar"
    )


@dataclass(frozen=True)
class Counts:
    """Paints how much of a taste is there: the more liked words, the lighter."""

    name: str = "counts"

    def paint(self, taste: Taste, count: int, seed: int) -> list[Image.Image]:
        del seed
        return [Image.new("RGB", (4, 4), (40 * len(taste.liked),) * 3)] * count


class Lightest(Greys):
    """Rates what is lighter than nothing by how near it is to the liked ones, in three steps."""

    def likes(self, taste: Taste, liked: Array, disliked: Array) -> Rates:
        del taste
        assert liked.mean() == 120
        assert disliked.mean() == 0
        return lambda rows: np.where(rows[:, 0] >= 80, rows[:, 0], 0)


def test_more_comments_tell_more_until_all_is_told() -> None:
    agents = [agent(number) for number in range(6)]
    found = by_comments(agents, Truth(agents), Counts(), Lightest(dim=1), counts=(1, 2, 8))
    # a word alone is rated like none; two are told, and eight comments have but three words
    assert [(one.part, one.share.value) for one in found] == [
        ("1 comment", 0.5), ("2 comments", 1), ("8 comments", 1), ("all attributes", 1),
    ]  # fmt: skip
    assert all((one.share.units, one.share.questions) == (6, 18) for one in found)
    silent = replace(agents[0], comments=())
    with pytest.raises(UsageError, match="Nobody has said anything"):
        by_comments([silent], Truth(agents), Counts(), Lightest(dim=1))


def test_drawn_pictures_show_what_is_liked_and_nothing_disliked(tmp_path: Path) -> None:
    from finexl.viper.agents.ingredients import drawable, read_recipe, visible

    words = list(drawable())
    taste = Taste(
        tuple((word, 1.0) for word in words[:40:2]), tuple((word, 1.0) for word in words[1:40:2])
    )
    liked, disliked = ({word for word, _ in side} for side in (taste.liked, taste.disliked))
    likings = Likings(tuple(liked), tuple(disliked))
    painter = DrawnPainter(32)
    jobs = [painter._job(likings, 3, number) for number in range(6)]
    for job in jobs:
        shown = set(visible(read_recipe(job.prompt)))
        assert shown & liked
        assert not shown & disliked
    assert (pixels(painter.paint(taste, 2, 3)) == pixels(painter.paint(taste, 2, 3))).all()
    kept = Kept(painter, tmp_path)
    first = kept.paint(taste, 2, 3)
    assert (pixels(first) == pixels(painter.paint(taste, 2, 3))).all()
    one = next(tmp_path.rglob("1.png"))
    before = one.stat().st_mtime_ns
    kept.paint(taste, 2, 3)
    assert one.stat().st_mtime_ns == before
