"""A ranking test with people: who is shown what, what they hand back, and what it says."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
from numpy.typing import NDArray
from PIL import Image

from finexl.errors import UsageError
from finexl.viper.study.analysis import analyse
from finexl.viper.study.answers import read_answers
from finexl.viper.study.building import Built, build, from_folders
from finexl.viper.study.design import NOBODY, Study, read_study
from finexl.viper.study.lineups import TOP, better, share_of, top, top_of_ranks
from finexl.viper.study.matrices import Ranking, agreement, matrix
from finexl.viper.study.report import render_html, rows, sentences
from finexl.viper.study.scorers import Array, Rates
from finexl.viper.taste import Taste

NAMES = [f"person {letter}" for letter in "ABCDEFGHI"]
PROMPTS = [f"prompt {number}" for number in range(4)]


def save(path: Path, code: int) -> None:
    """Save a picture that is known again by its grey: 10 for the first person, then 20."""
    noise = np.random.default_rng(code).integers(0, 3, (16, 16, 3))
    Image.fromarray((code + noise).astype(np.uint8)).save(path)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder a person with two pictures a prompt, and one with seven for nobody."""
    found = {}
    for number, name in enumerate([*NAMES, NOBODY]):
        folder = tmp_path_factory.mktemp("pictures")
        listed = []
        for place in range(2 * len(PROMPTS) if name != NOBODY else 7 * len(PROMPTS)):
            save(folder / f"{place}.png", 10 * (number + 1))
            listed.append({"file": f"{place}.png", "prompt": PROMPTS[place % len(PROMPTS)]})
        lines = "\n".join(json.dumps(one) for one in listed)
        (folder / "manifest.jsonl").write_text(lines)
        found[name] = folder
    return found


def built(folder: Path, folders: dict[str, Path], **how: Any) -> Built:
    names = how.pop("names", NAMES)
    sources = from_folders({name: folders[name] for name in names}, folders[NOBODY])
    tastes = how.pop("tastes", dict.fromkeys(names, ((), ())))
    given: dict[str, Any] = {"count": 3, "seed": 0, **how}
    tests = given.pop("tests", ("none", "others"))
    return build(folder, sources, tastes, PROMPTS, tests, **given)


@pytest.fixture(scope="module")
def made(folders: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Study]:
    folder = tmp_path_factory.mktemp("studies") / "study"
    built(folder, folders)
    return folder, read_study(folder)


def hand_back(
    study: Study, folder: Path, rank: Callable[[int, Any, Any], Sequence[int]]
) -> list[Path]:
    """Save everybody's answers: `rank` says what somebody makes of a line-up."""
    paths = []
    for number, person in enumerate(study.people):
        rankings = [list(rank(number, person, trial)) for trial in person.trials]
        paths.append(folder / f"{number}.json")
        answers = {"schema": "finexl.answers/1", "study": study.id, "page": person.page}
        paths[-1].write_text(json.dumps({**answers, "rankings": rankings}))
    return paths


# counting


def test_ties_are_what_chance_leaves_of_all_orders() -> None:
    scores, own = [0.3, 0.9, 0.3, 0.3, 0.1], 2
    wins = np.zeros(4)
    orders = list(itertools.permutations(range(5)))
    for breaking in orders:
        order = sorted(range(5), key=lambda i: (-scores[i], breaking[i]))
        wins += [order.index(own) < k for k in TOP]
    assert top(scores, own) == pytest.approx(wins / len(orders))


def test_what_a_person_left_out_shares_the_places_behind() -> None:
    assert top_of_ranks([3, 0], 0, 8) == (0, 1, 1, 1)
    # two were ranked, so that the third place is one of six and the fourth another
    assert top_of_ranks([3, 0], 5, 8) == pytest.approx((0, 0, 1 / 6, 2 / 6))
    assert top_of_ranks([], 5, 8) == pytest.approx((1 / 8, 2 / 8, 3 / 8, 4 / 8))


def test_everybody_counts_once_however_often_they_were_asked() -> None:
    share = share_of([[1.0] * 30, [0.0], [], [0.0]], 0.125)
    assert share.value == pytest.approx(1 / 3)
    assert (share.units, share.questions) == (3, 32)
    assert share.ci[0] < 1 / 3 < share.ci[1]
    # Wilson's for 1 of 3, by its roots: (p - x)² = z² x (1 - x) / n
    z = scipy.stats.norm.ppf(0.975)
    for x in share.ci:
        assert (1 / 3 - x) ** 2 == pytest.approx(z**2 * x * (1 - x) / 3)
    alone = share_of([[1.0] * 9 + [0.0]], 0.125)
    assert alone.ci[0] > share_of([[0.9], [0.9]], 0.125).ci[0]  # ten questions, not one person


def test_better_is_one_half_for_equals() -> None:
    assert (better(2, 1), better(1, 2), better(1, 1)) == (1, 0, 0.5)


# matrices


def test_scores_are_one_over_the_rank_averaged_where_shown_and_rows_add_up_to_one() -> None:
    found = matrix(
        ["a", "b", "c"],
        [
            Ranking("a", ("a", "b", "c"), (0, 2)),  # a first, c second
            Ranking("a", ("b", "a"), (1, 0)),  # a first, b second; c was not shown
            Ranking("b", ("a", "b"), (0,)),
        ],
    )
    raw = np.array([1.0, (0 + 1 / 2) / 2, 1 / 2])
    assert found.scores[0] == pytest.approx(raw / raw.sum())
    assert found.scores[1][:2] == pytest.approx([1, 0])
    assert np.isnan(found.scores[1][2])  # never shown: not known, not 0
    assert np.isnan(found.scores[2]).all()
    assert found.own_first == 0.5
    assert found.to_dict()["scores"][2] == [None] * 3


def test_agreement_is_spearmans_of_the_cells_that_both_know() -> None:
    rng = np.random.default_rng(0)
    names = tuple("abcdef")
    one = rng.random((6, 6))
    other = one + 0.3 * rng.random((6, 6))
    one[0, 3] = np.nan
    from finexl.viper.study.matrices import Matrix

    found = agreement(Matrix(names, one), Matrix(names, other))
    known = np.isfinite(one)
    away = known & ~np.eye(6, dtype=bool)
    assert found.all == pytest.approx(scipy.stats.spearmanr(one[known], other[known]).statistic)
    assert found.others == pytest.approx(scipy.stats.spearmanr(one[away], other[away]).statistic)
    assert found.p_value is not None
    assert found.p_value < 0.01
    noise = agreement(Matrix(names, one), Matrix(names, rng.random((6, 6))))
    assert noise.p_value is not None
    assert noise.p_value > 0.05
    flat = agreement(Matrix(names, np.ones((6, 6))), Matrix(names, other))
    assert (flat.all, flat.others, flat.p_value) == (None, None, None)


# design


def test_everybody_sees_one_own_picture_among_eight_of_each_prompt(
    made: tuple[Path, Study],
) -> None:
    _, study = made
    for person in study.people:
        assert Counter(trial.test for trial in person.trials) == {"none": 3, "others": 3}
        for trial in person.trials:
            owners = [study.pictures[place].whose for place in trial.pictures]
            prompts = {study.pictures[place].prompt for place in trial.pictures}
            assert len(owners) == 8
            assert prompts == {trial.prompt}
            assert owners.count(person.name) == 1
            rest = set(owners) - {person.name}
            assert rest == {NOBODY} if trial.test == "none" else len(rest) == 7


def test_no_picture_is_seen_in_both_tests_and_no_example_in_any(made: tuple[Path, Study]) -> None:
    _, study = made
    shown = {p for one in study.people for t in one.trials for p in t.pictures}
    for person in study.people:
        own = [t.pictures[study.own(person, t)] for t in person.trials]
        assert len(set(own)) == len(own)
        assert person.examples
        assert not set(person.examples) & shown
        assert {study.pictures[place].whose for place in person.examples} == {person.name}
    assert study.plain
    assert not set(study.plain) & shown


def test_the_own_picture_is_anywhere(made: tuple[Path, Study]) -> None:
    _, study = made
    at = Counter(study.own(person, trial) for person in study.people for trial in person.trials)
    assert len(at) == 8
    assert max(at.values()) < 18  # of 54


def test_same_study_same_bytes_and_another_seed_another_order(
    folders: dict[str, Path], made: tuple[Path, Study], tmp_path: Path
) -> None:
    folder, study = made
    again = built(tmp_path / "again", folders)
    assert again.study.to_json() == study.to_json()
    for path in again.pages:
        assert path.read_bytes() == (folder / "pages" / path.name).read_bytes()
    other = built(tmp_path / "other", folders, seed=1).study
    assert other.id != study.id
    assert other.people[0].trials != study.people[0].trials


def test_what_cannot_be_made_is_said(folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="two people at least"):
        built(tmp_path / "a", folders, names=NAMES[:1], tests=("others",))
    with pytest.raises(UsageError, match="9 prompts are to be asked, and 4 were given"):
        built(tmp_path / "b", folders, count=9)
    bare = tmp_path / "bare"
    bare.mkdir()
    save(bare / "1.png", 1)
    with pytest.raises(UsageError, match="does not say of which prompt"):
        from_folders({"a": bare}, None)
    sources = from_folders({"a": folders[NAMES[0]], "b": folders[NAMES[1]]}, None)
    nobodys: Any = {"a": ((), ()), "b": ((), ())}
    with pytest.raises(UsageError, match="7 pictures without personalization of a prompt"):
        build(tmp_path / "c", sources, nobodys, PROMPTS, ("none",), count=3, seed=0)
    with pytest.raises(UsageError, match="no picture for a of the prompt 'a fifth'"):
        build(tmp_path / "d", sources, nobodys, ["a fifth"], ("others",), count=1, seed=0)
    assert not any((tmp_path / name / "study.json").exists() for name in "abcd")


def test_a_folder_with_a_study_is_not_overwritten_by_another(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    built(tmp_path / "s", folders)
    built(tmp_path / "s", folders)  # the same one may be written again
    with pytest.raises(UsageError, match="holds another study"):
        built(tmp_path / "s", folders, seed=3)


# answers


def test_rankings_come_back_as_they_were_given(made: tuple[Path, Study], tmp_path: Path) -> None:
    _, study = made
    paths = hand_back(study, tmp_path, lambda n, _, __: [7, n % 7])
    found, notes = read_answers(study, paths[::-1])
    assert [one.person.name for one in found] == NAMES
    assert all(one.rankings == ((7, n % 7),) * 6 for n, one in enumerate(found))
    assert notes == []


def test_partial_answers_and_missing_people_are_noted(
    made: tuple[Path, Study], tmp_path: Path
) -> None:
    _, study = made
    paths = hand_back(study, tmp_path, lambda n, p, t: [[], [1] * (t == p.trials[0]), [2]][n % 3])
    found, notes = read_answers(study, paths[:3])
    assert [one.person.name for one in found] == NAMES[1:3]
    assert len(notes) == 3
    assert "person A ranked nothing" in notes[0]
    assert "person B ranked pictures of 1 of 6 prompts" in notes[1]
    assert notes[2] == f"No answers yet of {', '.join(NAMES[3:])}."
    with pytest.raises(UsageError, match="Nobody ranked anything"):
        read_answers(study, paths[:1])


def change(path: Path, **how: Any) -> Path:
    path.write_text(json.dumps({**json.loads(path.read_text()), **how}))
    return path


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"study": "0123"}, "answers another study"),
        ({"page": "0123"}, "of a page .* that this study does not have"),
        ({"rankings": [[1]]}, "has 1 rankings, and person A was asked 6"),
        ({"rankings": [[1, 1], [], [], [], [], []]}, "ranking 1 names a picture twice"),
        ({"rankings": [[], [8], [], [], [], []]}, "ranking 2 names .* not shown"),
        ({"rankings": [[-1], [], [], [], [], []]}, "ranking 1 names .* not shown"),
        ({"rankings": [["1"], [], [], [], [], []]}, r"no file of answers \(rankings.0.0"),
        ({"rankings": [[True], [], [], [], [], []]}, r"no file of answers"),
        ({"schema": "finexl.answers/2"}, r"no file of answers \(schema"),
        ({"more": 1}, r"no file of answers \(more"),
    ],
)
def test_answers_that_were_changed_are_refused(
    made: tuple[Path, Study], tmp_path: Path, how: dict[str, Any], said: str
) -> None:
    _, study = made
    paths = hand_back(study, tmp_path, lambda *_: [0])
    with pytest.raises(UsageError, match=said):
        read_answers(study, [change(paths[0], **how)])


def test_files_that_are_no_answers_are_refused(made: tuple[Path, Study], tmp_path: Path) -> None:
    _, study = made
    paths = hand_back(study, tmp_path, lambda *_: [0])
    with pytest.raises(UsageError, match="both answers of person A; give one"):
        read_answers(study, [paths[0], paths[1], paths[0]])
    with pytest.raises(UsageError, match="cannot be read: no such file"):
        read_answers(study, [tmp_path / "none.json"])
    (tmp_path / "x").write_bytes(b"\xff\x00 no json")
    with pytest.raises(UsageError, match="no file of answers"):
        read_answers(study, [tmp_path / "x"])
    (tmp_path / "y").write_bytes(b"[" * 900_000)
    with pytest.raises(UsageError, match="no file of answers"):
        read_answers(study, [tmp_path / "y"])


def test_studies_that_are_none_are_refused(tmp_path: Path, made: tuple[Path, Study]) -> None:
    with pytest.raises(UsageError, match=r"has no study\.json"):
        read_study(tmp_path)
    (tmp_path / "study.json").write_text("{}")
    with pytest.raises(UsageError, match="no JSON with a `schema`"):
        read_study(tmp_path)
    text = (made[0] / "study.json").read_text()
    (tmp_path / "study.json").write_text(text.replace("finexl.study/1", "finexl.study/9"))
    with pytest.raises(UsageError, match=r"schema 'finexl\.study/9'"):
        read_study(tmp_path)
    whole = json.loads(text)
    whole["people"][0]["trials"][0]["pictures"][0] = 10_000
    (tmp_path / "study.json").write_text(json.dumps(whole))
    with pytest.raises(UsageError, match="does not have"):
        read_study(tmp_path)


# analysis


class Greys:
    """Knows whose a picture is by its grey, and likes what is near the examples."""

    name, space, dim, examples = "greys", "greys", 1, True

    def look(self, images: Sequence[Image.Image]) -> NDArray[np.float32]:
        return np.array([[np.asarray(image).mean()] for image in images], np.float32)

    def likes(self, taste: Taste, liked: Array, disliked: Array) -> Rates:
        assert taste.heard or len(liked)
        assert len(liked) == len(disliked)
        return lambda found: -np.abs(found[:, 0] - liked.mean())

    def follows(self, prompt: str) -> None:
        del prompt


def test_people_and_a_scorer_that_know_their_own_are_right_always(
    made: tuple[Path, Study], tmp_path: Path
) -> None:
    folder, study = made
    paths = hand_back(study, tmp_path, lambda _, p, t: [study.own(p, t)])
    answers, notes = read_answers(study, paths)
    found = analyse(study, folder, answers, Greys(), notes)
    assert [(tops.test, tops.by) for tops in found.tops] == [
        ("none", "people"), ("none", "greys"), ("others", "people"), ("others", "greys"),
    ]  # fmt: skip
    for tops in found.tops:
        assert [share.value for share in tops.shares] == [1, 1, 1, 1]
        assert [share.chance for share in tops.shares] == [0.125, 0.25, 0.375, 0.5]
        assert tops.shares[0].units == 9
    assert found.of_people is not None
    assert np.nan_to_num(found.of_people.scores) == pytest.approx(np.eye(9))
    assert found.of_proxy is not None
    # M ranks by grey: the neighbours' pictures come next
    assert found.of_proxy.scores[4, 4] == pytest.approx(np.nanmax(found.of_proxy.scores[4]))
    assert found.of_proxy.scores[4, 3] > found.of_proxy.scores[4, 0]
    assert found.notes == ()


def test_people_who_rank_like_m_agree_with_it_beyond_their_own(
    made: tuple[Path, Study], tmp_path: Path
) -> None:
    folder, study = made

    def by_grey(number: int, _: Any, trial: Any) -> list[int]:
        def away(place: int) -> float:
            whose = study.pictures[trial.pictures[place]].whose
            return abs([*NAMES, NOBODY].index(whose) - number)

        return sorted(range(8), key=away)[:4]

    answers, _ = read_answers(study, hand_back(study, tmp_path, by_grey))
    found = analyse(study, folder, answers, Greys()).agreement
    assert found is not None
    assert found.others is not None
    assert found.p_value is not None
    assert found.others > 0.8
    assert found.p_value <= 0.01


def test_without_answers_m_alone_is_asked_about_everything(made: tuple[Path, Study]) -> None:
    folder, study = made
    found = analyse(study, folder, [], Greys())
    assert [tops.by for tops in found.tops] == ["greys", "greys"]
    assert found.tops[0].shares[0].questions == 27
    assert (found.of_people, found.agreement, found.answered) == (None, None, False)


def test_m_says_of_whom_it_knows_nothing(folders: dict[str, Path], tmp_path: Path) -> None:
    words: Any = dict.fromkeys(NAMES, ((), ()))
    words[NAMES[2]] = ((("soft", 1.0),), ())
    study = built(tmp_path / "s", folders, count=4, tastes=words).study  # no prompt left over

    class Told(Greys):
        def likes(self, taste: Taste, liked: Array, disliked: Array) -> Rates:
            del liked, disliked
            assert taste.liked == (("soft", 1.0),)
            return lambda rows: np.zeros(len(rows))

    found = analyse(study, tmp_path / "s", [], Told())
    assert len(found.notes) == 8
    assert "M knows nothing of person A" in found.notes[0]
    assert [share.value for share in found.tops[0].shares] == pytest.approx(
        [1 / 8, 2 / 8, 3 / 8, 0.5]
    )


def test_the_report_escapes_what_it_shows_and_says_what_was_found(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    names = ["<script>alert(1)</script>", "B & \u202eC"]
    renamed = dict(zip(names, NAMES, strict=False))
    sources = from_folders({name: folders[one] for name, one in renamed.items()}, folders[NOBODY])
    nobodys: Any = dict.fromkeys(names, ((), ()))
    study = build(
        tmp_path / "s", sources, nobodys, PROMPTS, ("none", "others"), count=3, seed=0
    ).study
    answers, _ = read_answers(study, hand_back(study, tmp_path, lambda _, p, t: [study.own(p, t)]))
    found = analyse(study, tmp_path / "s", answers, Greys())
    page = render_html(found)
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "\u202e" not in page
    assert "86.1%" in page  # the paper's users, marked
    assert "The paper’s users" in page
    # two people: line-ups of two, so that chance is one half
    others = next(tops for tops in found.tops if tops.test == "others")
    assert [share.chance for share in others.shares] == [0.5, 1, 1, 1]
    assert "chance 50.0%" in sentences(found)[2]
    table = rows(found)
    assert len(table) == 16
    assert table[0][:4] == ("own vs none", "people", "top-1", "100.0%")
    json.dumps(found.to_dict(), allow_nan=False)
