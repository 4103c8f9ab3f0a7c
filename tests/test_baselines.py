"""The methods that the experiments compare, on worlds where the truth is planted."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import ttest_ind

from fake_encoder import FakeEncoder
from finexl.bench.baselines.asking import some_pairs
from finexl.bench.baselines.finexl import FineXL
from finexl.bench.baselines.grading import DEGREES, LexicalGrader, ModelGrader, read_score
from finexl.bench.baselines.gsclip import GSCLIP, PLAIN, RULE, select
from finexl.bench.baselines.naive import ASPECTS, LARGEST, PAIRS, Naive, read_aspects
from finexl.bench.baselines.random import Random
from finexl.bench.baselines.visdiff import TILE, VisDiff, auroc, grid, welch
from finexl.bench.baselines.wording import NOTHING, say
from finexl.bench.baselines.zeroshot import cosines, unit_texts
from finexl.bench.methods import Case, Method
from finexl.encoders import Encoder
from finexl.encoders.embedded import Embedded
from finexl.errors import NoReplyError, UsageError
from finexl.imageset import embeddings_from, images_from
from finexl.measure import Measure
from finexl.pipeline import explain
from finexl.vlm import Question, Reply, Scripted

Array = NDArray[np.float64]
Rows = NDArray[np.floating]

WORDS = ("vivid", "film grain", "sepia", "blurry", "oil painting", "snow", "neon", "soft light")
WIDE = 32


class Wide(FakeEncoder):
    """Texts in so many dimensions that unlike words are nearly orthogonal."""

    name = "wide"  # vectors are cached by the encoder's name
    dim = WIDE


def case_of(
    before: Rows,
    after: Rows,
    encoder: Encoder | None = None,
    words: Sequence[str] = WORDS,
    vlm: Scripted | None = None,
    seed: int = 0,
) -> Case:
    """A case of embeddings alone."""
    return Case(
        embeddings_from(before, "base"),
        embeddings_from(after, "personalized"),
        before.astype(np.float64),
        after.astype(np.float64),
        Measure(encoder or Wide(), "subspace", (), seed),
        tuple(words),
        vlm,
        seed,
    )


def planted(word: str, level: float, n: int = 24, noise: float = 0.2, seed: int = 0) -> Case:
    """Base pictures at random, and the same moved along a word's own embedding."""
    rng = np.random.default_rng(seed)
    before = rng.normal(size=(n, WIDE))
    along = unit(Wide(), [word])[0]
    after = before + level * along + noise * rng.normal(size=before.shape)
    return case_of(before, after)


def pictured(vlm: Scripted, n: int, words: Sequence[str] = WORDS) -> Case:
    """Grey base pictures and coloured personalized ones, no two alike."""
    greys = [Image.new("RGB", (8, 8), (40 + i, 40 + i, 40 + i)) for i in range(n)]
    colours = [Image.new("RGB", (8, 8), (200, 60 + i, 20)) for i in range(n)]
    encoder = FakeEncoder()
    plain = case_of(encoder.embed_images(greys), encoder.embed_images(colours), encoder, words)
    return replace(
        plain, base=images_from(greys, "b"), personalized=images_from(colours, "p"), vlm=vlm
    )


def swapped(case: Case) -> Case:
    return replace(
        case,
        base=case.personalized,
        personalized=case.base,
        before=case.after,
        after=case.before,
    )


def unit(encoder: Encoder, texts: Sequence[str]) -> Array:
    rows = encoder.embed_texts(texts).astype(np.float64)
    divided: Array = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return divided


def scripted(reply: str | Callable[[Question], str]) -> Scripted:
    return Scripted([reply] if isinstance(reply, str) else reply, name="looker")


def words_of(question: Question) -> str:
    return "\n".join(part for part in question.parts if isinstance(part, str))


def pictures_of(question: Question) -> list[Image.Image]:
    return [part for part in question.parts if not isinstance(part, str)]


OFFLINE: tuple[Method, ...] = (Naive(), VisDiff(), GSCLIP(), Random())
OURS: tuple[Method, ...] = (FineXL(), FineXL("nnls"), FineXL("paper"))


# --- the numbers they rest on ---------------------------------------------------------------------


def test_the_area_is_the_share_of_pairs_won_and_half_of_those_tied() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 6, (13, 4)) / 2, rng.integers(1, 7, (9, 4)) / 2
    won = (a[:, None] > b[None]).mean((0, 1)) + (a[:, None] == b[None]).mean((0, 1)) / 2
    assert auroc(a, b) == pytest.approx(won, abs=1e-12)
    assert auroc(b, a) == pytest.approx(1 - won, abs=1e-12)


def test_the_t_test_is_scipys() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(13, 5)), rng.normal(0.4, 2.0, size=(9, 5))
    assert welch(a, b) == pytest.approx(ttest_ind(a, b, equal_var=False).pvalue, rel=1e-10)


def test_the_t_test_of_constants_is_certain_and_of_one_row_undefined() -> None:
    same, other = np.zeros((3, 2)), np.array([[0.0, 1.0]] * 4)
    assert welch(same, other).tolist() == [1.0, 0.0]
    assert np.isnan(welch(same[:1], other)).all()


def test_texts_are_embedded_once_and_cosines_are_cosines() -> None:
    encoder, rows = Wide(), np.random.default_rng(2).normal(size=(5, WIDE))
    found = [cosines(rows, unit_texts(encoder, WORDS)) for _ in range(2)]
    assert encoder.texts == len(WORDS)
    lengths = np.linalg.norm(rows, axis=1)[:, None]
    assert found[1] == pytest.approx(rows @ unit(encoder, WORDS).T / lengths, abs=1e-6)
    assert (found[0] == found[1]).all()


# --- naive ----------------------------------------------------------------------------------------


def test_the_naive_list_names_the_planted_word_first_with_the_score_of_its_formula() -> None:
    case = planted("sepia", 2.0)
    told = Naive().tell(case)
    word, score = next(iter(told.scores.items()))
    assert word == "sepia"
    texts = unit(Wide(), WORDS)
    before, after = (
        r / np.linalg.norm(r, axis=1, keepdims=True) @ texts.T for r in (case.before, case.after)
    )
    spread = np.sqrt(((before.var(0) + after.var(0)) / 2).mean())
    change = (after - before).mean(0)[WORDS.index("sepia")]
    assert score == round(1 + 9 * min(1, change / (LARGEST * spread)))
    assert told.text.startswith(f"more sepia: {score:g}/10")
    assert all(1 <= abs(s) <= 10 and s == round(s) for s in told.scores.values())


def test_a_stronger_change_scores_higher_on_the_naive_scale() -> None:
    scores = [Naive().tell(planted("snow", level)).scores["snow"] for level in (0.3, 1.5, 4.0)]
    assert scores == sorted(set(scores))


GOOD = {"aspects": [{"aspect": "film  grain", "direction": "less", "score": 3.5}]}


def test_a_models_aspects_are_read_with_their_direction() -> None:
    assert read_aspects(json.dumps(GOOD)) == {"film grain": -3.5}
    assert read_aspects(f"```json\n{json.dumps(GOOD)}\n```") == {"film grain": -3.5}
    assert read_aspects('{"aspects": []}') == {}
    twice = [{"aspect": a, "direction": "more", "score": s} for a, s in (("A", 2), ("a", 9))]
    assert read_aspects(json.dumps({"aspects": twice})) == {"A": 2.0}
    many = [{"aspect": f"a{i}", "direction": "more", "score": 1} for i in range(40)]
    assert len(read_aspects(json.dumps({"aspects": many}))) == ASPECTS


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("I'm sorry, I can't help with that.", "no JSON object"),
        (json.dumps(GOOD)[:-3], "no JSON object"),
        (f"Sure! {json.dumps(GOOD)}", "no JSON object"),
        ("[" * 100_000, "no JSON object"),
        ("[1]", 'no list "aspects"'),
        ('{"aspects": "vivid"}', 'no list "aspects"'),
        ('{"aspects": ["vivid"]}', "entry 1 has not just"),
        ('{"aspects": [{"aspect": "vivid", "direction": "more"}]}', "entry 1 has not just"),
        *(
            (json.dumps({"aspects": [GOOD["aspects"][0] | changed]}), why)
            for changed, why in (
                ({"score": 11}, "score of entry 1"),
                ({"score": 0}, "score of entry 1"),
                ({"score": True}, "score of entry 1"),
                ({"score": "7"}, "score of entry 1"),
                ({"score": float("nan")}, "score of entry 1"),
                ({"direction": "up"}, "direction of entry 1"),
                ({"direction": ["more"]}, "direction of entry 1"),
                ({"aspect": " "}, "aspect of entry 1"),
                ({"aspect": "x" * 300}, "aspect of entry 1"),
                ({"aspect": "a\x07b"}, "aspect of entry 1"),
                ({"aspect": 3}, "aspect of entry 1"),
            )
        ),
    ],
)
def test_a_reply_in_any_other_form_is_refused_with_the_reason(reply: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_aspects(reply)


def test_the_model_sees_pairs_and_may_repair_its_answer_once() -> None:
    asked: list[Question] = []

    def reply(question: Question) -> str:
        asked.append(question)
        return "vivid!" if len(asked) == 1 else json.dumps(GOOD)

    case = pictured(scripted(reply), 11)
    told = Naive("looker").tell(case)
    assert Naive("looker").name == "Naive (looker)"
    assert told.scores == {"film grain": -3.5}
    assert told.text == "less film grain: 3.5/10"
    assert len(asked) == 2
    shown = [picture.getpixel((0, 0)) for picture in pictures_of(asked[0])]
    assert len(shown) == 2 * PAIRS
    for a, b in zip(shown[::2], shown[1::2], strict=True):
        assert isinstance(a, tuple)
        assert isinstance(b, tuple)
        assert a[0] - 40 == b[1] - 60  # a pair's own two pictures, the base's first
    assert "vivid!" in words_of(asked[1])
    assert "no JSON object" in words_of(asked[1])
    assert len(pictures_of(asked[1])) == 2 * PAIRS


def test_a_model_that_keeps_refusing_gives_no_reply() -> None:
    case = pictured(scripted("I cannot describe these pictures."), 3)
    with pytest.raises(NoReplyError, match="looker gave no answer in the form asked for, twice"):
        Naive("looker").tell(case)


@pytest.mark.parametrize("method", [Naive("looker"), VisDiff("looker"), GSCLIP("looker")])
def test_a_row_is_never_of_another_model_than_its_name_says(method: Method) -> None:
    with pytest.raises(UsageError, match="the case brings none"):
        method.tell(planted("snow", 1.0))
    other = replace(planted("snow", 1.0), vlm=Scripted(["* x"], name="other"))
    with pytest.raises(UsageError, match="the case brings other"):
        method.tell(other)


@pytest.mark.parametrize("method", OFFLINE)
def test_without_a_model_in_its_name_none_is_asked(method: Method) -> None:
    def reply(_: Question) -> str:
        raise AssertionError

    case = planted("snow", 1.0)
    assert method.tell(replace(case, vlm=scripted(reply))) == method.tell(case)


# --- VisDiff --------------------------------------------------------------------------------------


def test_visdiff_finds_the_planted_word_and_scores_it_by_the_area() -> None:
    case = planted("neon", 2.0)
    told = VisDiff().tell(case)
    texts = unit(Wide(), ["neon"])
    before, after = (
        np.round(r / np.linalg.norm(r, axis=1, keepdims=True) @ texts.T, 6)
        for r in (case.before, case.after)
    )
    assert next(iter(told.scores)) == "neon"
    assert told.scores["neon"] == pytest.approx(2 * (after > before.T).mean() - 1, abs=1e-12)
    assert told.text.startswith("More: neon")
    assert not any(map(str.isdigit, told.text))


def test_visdiff_keeps_five_a_side_that_are_significant_best_first() -> None:
    rng = np.random.default_rng(3)
    words = [f"word {i}" for i in range(60)]
    texts = unit(Wide(), words)
    push = texts[:8].sum(axis=0) - texts[8:16].sum(axis=0)
    before = rng.normal(size=(40, WIDE))
    case = case_of(before, before + 2 * push, words=words)
    more, less = VisDiff().found(case)
    assert [len(more), len(less)] == [5, 5]
    areas = [h.auroc for h in more] + [1 - h.auroc for h in less]
    assert areas[:5] == sorted(areas[:5], reverse=True)
    assert areas[5:] == sorted(areas[5:], reverse=True)
    assert min(areas) > 0.5
    assert max(h.p for h in (*more, *less)) < 0.05
    null = case_of(before, before[::-1].copy(), words=words)  # the same pictures in another order
    assert VisDiff().tell(null).scores == {}
    assert VisDiff().tell(null).text == NOTHING


class Proposing:
    """Describes pictures and proposes phrases; knows which pictures it was shown."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, ...]] = []
        self.asked: list[str] = []

    def __call__(self, question: Question) -> str:
        for picture in pictures_of(question):
            pixel = picture.getpixel((0, 0))
            assert isinstance(pixel, tuple)
            self.seen.append(tuple(int(value) for value in pixel))
        text = words_of(question)
        if "Describe this picture" in text:
            return f"A picture of {self.seen[-1]}."
        self.asked.append(text)
        of_second = "for group B than for group A" in text
        return "Here:\n* “warm”\n* red dress\n- warm" if of_second else "1. grey\n2) fog"


def test_visdiff_judges_on_pictures_that_its_proposer_did_not_see() -> None:
    looker = Proposing()
    case = pictured(scripted(looker), 30)
    rng, texts = np.random.default_rng(6), unit(FakeEncoder(), ["warm", "grey"])
    before, other = rng.normal(size=(2, 30, FakeEncoder.dim))  # sets that overlap
    case = replace(case, before=before, after=other + 1.5 * (texts[0] - texts[1]))
    more, less = VisDiff("looker").found(case)
    assert len(looker.asked) == 2
    assert looker.asked[0].count("Group A: A picture of") == 15
    assert looker.asked[0].count("Group B: A picture of") == 15
    seen = {pixel[0] - 40 for pixel in looker.seen if pixel[0] != 200}
    assert {pixel[1] - 60 for pixel in looker.seen if pixel[0] == 200} == seen
    assert len(seen) == 15
    held = [i for i in range(30) if i not in seen]
    for found, proposed, sign in ((more, {"warm", "red dress"}, 1), (less, {"grey", "fog"}, -1)):
        assert {h.text for h in found} <= proposed
        rows = unit_texts(case.measure.encoder, [h.text for h in found])
        areas = auroc(cosines(case.after[held], rows), cosines(case.before[held], rows))
        assert [h.auroc for h in found] == areas.tolist()
        assert all(sign * (h.auroc - 0.5) > 0 for h in found)
    assert more
    assert less
    assert max(h.auroc for h in more) < 1


def test_visdiff_passes_over_pictures_that_a_model_will_not_describe() -> None:
    class Choosy(Scripted):
        def ask(self, question: Question) -> Reply:
            picture = pictures_of(question)
            if picture and picture[0].getpixel((0, 0)) in self.refused:
                raise NoReplyError("refused")
            return super().ask(question)

        refused: tuple[tuple[int, ...], ...] = ()

    looker = Proposing()
    choosy = Choosy(looker, name="looker")
    case = pictured(choosy, 4)
    choosy.refused = tuple((40 + i, 40 + i, 40 + i) for i in range(4))
    with pytest.raises(NoReplyError, match=r"describes none of 2 pictures"):
        VisDiff("looker").tell(case)
    assert not looker.asked
    seen = some_pairs(case, 2)
    choosy.refused = ((200, 60 + seen[0], 20),)
    VisDiff("looker").tell(case)
    assert looker.asked[0].count("Group A: A picture of") == 2
    assert looker.asked[0].count("Group B: A picture of") == 1


def test_visdiff_can_look_at_a_grid_of_both_groups() -> None:
    grids: list[Image.Image] = []

    def reply(question: Question) -> str:
        grids.extend(pictures_of(question))
        return "* warm"

    case = pictured(scripted(reply), 24)
    VisDiff("looker", "pictures").tell(case)
    assert len(grids) == 2
    sheet = grids[0]
    assert sheet.size == (10 * TILE, 4 * TILE + TILE // 4)
    half = 2 * TILE + TILE // 4
    assert {sheet.getpixel((x * TILE + 5, 5))[0] < 100 for x in range(10)} == {True}  # type: ignore[index]
    assert {sheet.getpixel((x * TILE + 5, half + 5))[0] for x in range(10)} == {200}  # type: ignore[index]
    assert sheet.getpixel((5 * TILE, TILE + 5)) == (255, 255, 255)  # 12 of them: two in row two
    assert grid(case.base.pictures[:3], case.base.pictures[:2]).size == (3 * TILE, 288)
    with pytest.raises(UsageError, match="give two or more"):
        VisDiff("looker").tell(pictured(scripted(reply), 1))


# --- GSCLIP ---------------------------------------------------------------------------------------


def test_gsclip_scores_by_the_cosine_of_the_two_shifts() -> None:
    case = planted("vivid", 1.0)
    told = GSCLIP().tell(case)
    encoder = Wide()
    plain, *with_words = unit(encoder, [PLAIN, *(RULE.format(word) for word in WORDS)])
    before, after = (r / np.linalg.norm(r, axis=1)[:, None] for r in (case.before, case.after))
    moved = after.mean(0) - before.mean(0)
    expected = {
        word: float((t - plain) @ moved / np.linalg.norm(t - plain) / np.linalg.norm(moved))
        for word, t in zip(WORDS, with_words, strict=True)
    }
    strongest = sorted(expected, key=lambda word: -abs(expected[word]))[:5]
    assert list(told.scores) == strongest
    assert told.scores == pytest.approx({word: expected[word] for word in strongest}, abs=1e-12)
    for word, score in told.scores.items():
        more = told.text.partition("Less:")[0]
        assert (word in more) == (score > 0)


def test_gsclip_selects_the_candidate_whose_shift_the_pictures_took() -> None:
    shifts = unit(Wide(), [RULE.format(word) for word in WORDS]) - unit(Wide(), [PLAIN])
    assert select(shifts, 3 * shifts[4])[4] == pytest.approx(1)
    assert select(shifts, -shifts[4])[4] == pytest.approx(-1)
    assert select(np.zeros((1, WIDE)), shifts[0]).tolist() == [0]
    before = np.random.default_rng(4).normal(size=(30, WIDE))
    before /= np.linalg.norm(before, axis=1)[:, None]
    told = GSCLIP().tell(case_of(before, before + 0.5 * shifts[4]))
    assert next(iter(told.scores)) == WORDS[4]


def test_gsclips_second_generator_sees_prompts_and_no_pictures() -> None:
    asked: list[Question] = []

    def reply(question: Question) -> str:
        asked.append(question)
        return "* painted by hand\n* Snow"

    case = replace(planted("painted by hand", 9.0, noise=0.0), vlm=scripted(reply))
    prompts = tuple(replace(p, prompt=f"a cat {i % 2}") for i, p in enumerate(case.base.pictures))
    case = replace(case, base=replace(case.base, pictures=prompts))
    shift = unit(Wide(), [RULE.format("painted by hand")]) - unit(Wide(), [PLAIN])
    told = GSCLIP("looker").tell(replace(case, after=case.before + 2 * shift))
    assert next(iter(told.scores)) == "painted by hand"
    assert GSCLIP("looker").name == "GSCLIP (vocabulary and looker)"
    assert not pictures_of(asked[0])
    assert "(a cat 0; a cat 1)" in words_of(asked[0])


# --- FineXL and chance ----------------------------------------------------------------------------


@pytest.mark.parametrize("decomposition", ["subspace", "nnls", "paper"])
def test_finexl_tells_what_the_pipeline_explains(
    encoder: Embedded, base_rows: NDArray[np.float32], decomposition: str
) -> None:
    measure = Measure(encoder, decomposition, (), 0)
    words = ("film grain", "vivid", "blurry", "sepia", "snowy")
    grain, blur = measure.vectors(("film grain", "blurry")).vectors
    each = np.random.default_rng(5).uniform(0.8, 1.2, (len(base_rows), 1))
    after = (base_rows + each * grain + 0.6 * blur).astype(np.float32)
    case = case_of(base_rows, after, encoder, words)
    told = FineXL(decomposition).tell(case)  # type: ignore[arg-type]
    explained = explain(
        base_rows, after, encoder=encoder, only_concepts=words, decomposition=decomposition
    )
    expected = {a.concept: a.score for a in (*explained.aspects, *explained.less)}
    assert told.scores == pytest.approx(expected, rel=1e-6)
    assert told.text == say(
        [aspect.concept for aspect in explained.aspects],
        [aspect.concept for aspect in explained.less],
    )
    assert told.scores["film grain"] == max(told.scores.values()) > 0
    if decomposition != "paper":  # which takes a neighbour of the weaker one
        assert told.scores["blurry"] > 0


def test_random_draws_by_the_pictures_and_the_seed() -> None:
    cases = [planted("snow", 1.0, seed=seed) for seed in range(40)]
    drawn = [next(iter(Random().tell(case).scores.items())) for case in cases]
    assert len({score for _, score in drawn}) == 40
    assert {word for word, _ in drawn} == {*WORDS}
    assert all(-1 < score < 1 for _, score in drawn)
    assert {score > 0 for _, score in drawn} == {True, False}
    for other in ({"seed": 1}, {"after": cases[1].after}, {"before": cases[1].before}):
        assert Random().tell(replace(cases[0], **other)) != Random().tell(cases[0])


# --- all of them ----------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [*OFFLINE, *OURS], ids=lambda m: m.name)
def test_every_method_says_the_same_of_the_same_case(method: Method) -> None:
    told = method.tell(planted("snow", 2.0))
    assert method.tell(planted("snow", 2.0)) == told
    assert told.scores
    assert told.text


@pytest.mark.parametrize("method", [Naive(), VisDiff(), GSCLIP(), FineXL()], ids=lambda m: m.name)
def test_the_base_and_the_personalized_set_exchanged_flip_every_sign(method: Method) -> None:
    case = planted("snow", 2.0)
    there, back = method.tell(case).scores, method.tell(swapped(case)).scores
    assert there
    assert back == pytest.approx({word: -score for word, score in there.items()}, abs=1e-9)


@pytest.mark.parametrize("method", [*OFFLINE, *OURS], ids=lambda m: m.name)
def test_an_empty_list_of_words_finds_nothing(method: Method) -> None:
    told = method.tell(replace(planted("snow", 2.0), words=()))
    assert (told.text, dict(told.scores)) == (NOTHING, {})


@pytest.mark.parametrize("method", [*OFFLINE, *OURS], ids=lambda m: m.name)
def test_two_pairs_are_enough_to_say_something_finite(method: Method) -> None:
    told = method.tell(planted("snow", 2.0, n=2))
    assert told.text
    assert np.isfinite(list(told.scores.values())).all()


@pytest.mark.parametrize("method", [*OFFLINE[:3], *OURS], ids=lambda m: m.name)
def test_sets_without_a_difference_get_no_score(method: Method) -> None:
    for rows in (np.random.default_rng(0).normal(size=(9, WIDE)), np.ones((9, WIDE))):
        assert method.tell(case_of(rows, rows.copy())).scores == {}


@pytest.mark.parametrize("method", [Naive(), VisDiff(), GSCLIP()], ids=lambda m: m.name)
def test_constant_pictures_moved_alike_have_a_full_score(method: Method) -> None:
    before = np.ones((9, WIDE))
    shift = unit(Wide(), [RULE.format("snow")])[0] - unit(Wide(), [PLAIN])[0]
    along = shift if isinstance(method, GSCLIP) else unit(Wide(), ["snow"])[0]
    score = method.tell(case_of(before, before + 3 * along)).scores["snow"]
    if not isinstance(method, GSCLIP):  # which asks for the direction alone
        assert score == {"Naive": 10.0, "VisDiff": 1.0}[type(method).__name__]
    assert score > 0.5


# --- graders --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "aspect", "grade"),
    [
        # degrees
        ("Barely more vivid.", "vivid", 2),
        ("The images are slightly more vivid.", "vivid", 3),
        ("A little more vivid", "vivid", 3),
        ("somewhat vivid", "vivid", 4),
        ("Moderately more film grain", "film grain", 5),
        ("Noticeably grainier.", "grain", 7),
        ("Much more like an oil painting", "oil painting", 7),
        ("very vivid colors", "vivid", 8),
        ("strong film grain", "film grain", 8),
        ("extremely vivid", "vivid", 10),
        ("very slightly vivid", "vivid", 3),
        ("very much more vivid", "vivid", 8),
        # places
        ("More: vivid; film grain; sepia.", "vivid", 6),
        ("More: vivid; film grain; sepia.", "film grain", 5.75),
        ("More: vivid; film grain; sepia.", "sepia", 5.5),
        ("a1, b1, c1, d1, e1, f1, vivid", "vivid", 5),
        ("Less: sepia; snow. More: vivid.", "vivid", 6),
        ("More:\n* sepia\n* vivid\nLess:\n* snow", "vivid", 5.75),
        ("1. sepia\n2. vivid", "vivid", 5.75),
        # directions
        ("Less vivid.", "vivid", 1),
        ("More: sepia. Less: vivid; snow.", "snow", 1),
        ("More:\n* sepia\nLess:\n* vivid\n* snow", "snow", 1),
        ("much less vivid, grainy", "grain", 1),
        ("less grainy, much more vivid", "vivid", 7),
        ("less grainy and brighter", "bright", 6),
        ("more vivid, without grain", "grain", 1),
        ("very vivid without film grain", "film grain", 1),
        ("Contrast is not stronger", "contrast", 1),
        ("low contrast", "contrast", 1),
        ("high contrast", "contrast", 6),
        ("low key", "low key", 6),
        ("Little grain.", "grain", 1),
        # not mentioned
        ("", "vivid", 1),
        (NOTHING, "vivid", 1),
        ("Extremely sepia.", "vivid", 1),
        ("more film", "film grain", 1),
        ("more muted", "vivid", 1),
        ("less muted", "vivid", 1),
        # spelling
        ("Vibrant, greyish colours", "gray", 5.75),
        ("colours", "colorful", 6),
        ("increased vividness", "vivid", 6),
        ("oil-painted look", "oil painting", 6),
        ("cartoonish", "cartoon style", 6),
        ("cartoons", "cartoon style", 6),
        ("extremely black and white", "black and white", 10),
        ("extremely black and white, vivid", "vivid", 5.75),
        # numbers: only scores that are printed
        ("more vivid: 8/10; less film grain: 3/10", "vivid", 8),
        ("more vivid: 8/10; less film grain: 3/10", "film grain", 1),
        ("slightly vivid (9.5 out of 10)", "vivid", 9.5),
        ("vivid 14/10", "vivid", 10),
        ("Much more vivid (0.12, 95% CI 0.02 to 0.20).", "vivid", 7),
        ("vivid (AUROC 0.93)", "vivid", 6),
        # the strongest of several mentions
        ("slightly vivid skies. Extremely vivid overall. Less vivid shadows.", "vivid", 10),
    ],
)
def test_the_lexical_grade_of_a_sentence(text: str, aspect: str, grade: float) -> None:
    assert LexicalGrader().grade(text, aspect) == grade


def test_every_degree_word_has_one_grade_that_its_docstring_order_keeps() -> None:
    words = [word for said in DEGREES.values() for word in said.split("|")]
    assert len(words) == len({*words})
    for grade, said in DEGREES.items():
        for word in said.split("|"):
            assert LexicalGrader().grade(f"{word} vivid", "vivid") == grade, word


def test_accepted_names_count_as_the_aspect() -> None:
    grader = LexicalGrader({"vivid": ("saturated colors", "vibrant")})
    assert grader.grade("much more vibrant", "vivid") == 7
    assert grader.grade("highly saturated colours", "vivid") == 8
    assert grader.grade("much more vibrant", "sepia") == 1


def test_vectors_let_another_phrase_stand_for_the_aspect_but_never_its_antonym() -> None:
    known = {"vivid": [1.0, 0.0], "lush": [0.95, 0.1], "muted": [1.0, 0.0], "snow": [0.0, 1.0]}

    def vectors(texts: Sequence[str]) -> Array:
        return np.array([known.get(text, [0.0, 0.0]) for text in texts])

    grader = LexicalGrader(vectors=vectors)
    assert grader.grade("much more lush, snow", "vivid") == 7
    assert grader.grade("much less lush, snow", "vivid") == 1
    assert grader.grade("extremely muted", "vivid") == 1
    assert LexicalGrader().grade("much more lush, snow", "vivid") == 1


def test_what_text_methods_print_is_graded_by_place_alone() -> None:
    case = planted("snow", 4.0)
    told = VisDiff().tell(case)
    assert LexicalGrader().grade(told.text, "snow") == 6
    assert (
        LexicalGrader().grade(Naive().tell(case).text, "snow") == Naive().tell(case).scores["snow"]
    )


def test_a_model_grades_and_may_repair_its_number_once() -> None:
    asked: list[Question] = []

    def reply(question: Question) -> str:
        asked.append(question)
        return "I would say 7" if len(asked) == 1 else "7"

    grader = ModelGrader(scripted(reply))
    assert grader.name == "looker"
    assert grader.grade("Much more {vivid}.", "vivid") == 7
    assert "Much more {vivid}." in words_of(asked[0])
    assert "I would say 7" in words_of(asked[1])
    with pytest.raises(NoReplyError, match="no number from 1 to 10"):
        ModelGrader(scripted("eleven")).grade("x", "vivid")


@pytest.mark.parametrize(("reply", "number"), [("7", 7), (" 6.5/10.\n", 6.5), ("10", 10)])
def test_a_number_alone_is_read(reply: str, number: float) -> None:
    assert read_score(reply) == number


@pytest.mark.parametrize("reply", ["", "0", "11", "-3", "7 or 8", "Score: 7", "7/100", "١٢", "nan"])
def test_anything_else_is_no_grade(reply: str) -> None:
    with pytest.raises(ValueError, match="no number from 1 to 10"):
        read_score(reply)
