from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from finexl.errors import UsageError
from finexl.images import Picture
from finexl.imageset import ImageSet, images_from
from finexl.pairing import Compared, Pair, Pairs, pair

Made = tuple[str, str | None, int | None]
"""Key, prompt, seed."""


def a_set(name: str, *made: Made | str, suffix: str = ".png") -> ImageSet:
    known = [(item, None, None) if isinstance(item, str) else item for item in made]
    pictures = (Picture(key, Path(key + suffix), prompt, seed) for key, prompt, seed in known)
    return ImageSet(name, "folder", tuple(pictures))


def indices(pairs: Pairs) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    return [(p.base, p.personalized) for p in pairs.pairs]


# auto


def test_prompt_and_seed_on_both_sides_pair_by_seed() -> None:
    base = a_set("b", ("x", "cat", 0), ("y", "cat", 1), ("z", "dog", 0))
    personalized = a_set("p", ("1", "dog", 0), ("2", "cat", 1), ("3", "cat", 0))
    assert pair(base, personalized) == Pairs(
        "seed",
        (
            Pair((0,), (2,), "cat", 0, "x"),
            Pair((1,), (1,), "cat", 1, "y"),
            Pair((2,), (0,), "dog", 0, "z"),
        ),
    )


def test_duplicates_of_a_prompt_and_seed_are_one_pair() -> None:
    base = a_set("b", ("x", "cat", 0), ("y", "cat", 0))
    personalized = a_set("p", ("1", "cat", 0), ("2", "cat", 0), ("3", "cat", 0))
    assert pair(base, personalized).pairs == (Pair((0, 1), (0, 1, 2), "cat", 0, "x"),)


def test_prompts_alone_pair_by_prompt_in_groups() -> None:
    base = a_set("b", ("x", "cat", 0), ("y", "dog", 0), ("z", "cat", 1))
    personalized = a_set("p", ("x", "dog", None), ("y", "cat", None))
    assert pair(base, personalized) == Pairs(
        "prompt", (Pair((0, 2), (1,), "cat", None, "x"), Pair((1,), (0,), "dog", None, "y"))
    )


def test_equal_stems_pair_by_file_and_the_seed_is_doubted() -> None:
    base = a_set("b", "x", "sub/y")
    personalized = a_set("p", "sub/y", "x", suffix=".jpg")
    assert pair(base, personalized) == Pairs(
        "file",
        (Pair((0,), (1,), None, None, "x"), Pair((1,), (0,), None, None, "sub/y")),
        ("The file name alone makes 2 of the 2 pairs: the seed is unknown and is assumed equal.",),
    )


def test_no_stem_in_common_is_none_and_the_content_is_doubted() -> None:
    assert pair(a_set("b", "x"), a_set("p", "y")) == Pairs(
        "none",
        (),
        (
            "The base (b) and the personalized (p) have no file name in common and are compared "
            "unpaired: a difference in content may explain what is reported.",
        ),
    )


@pytest.mark.parametrize(
    ("personalized", "kind", "gave_up"),
    [
        ([("1", "cat", 8), ("2", "dog", 9)], "prompt", "no prompt with the same seed in common"),
        (
            [("x", "cat, pixel art", 0), ("y", "dog, pixel art", 0)],
            "file",
            "no prompt with the same seed and no prompt in common",
        ),
        (
            [("1", "fox", 0), ("2", "owl", 0)],
            "none",
            "no prompt with the same seed and no prompt and no file name in common",
        ),
    ],
)
def test_auto_falls_back_and_says_so(personalized: list[Made], kind: str, gave_up: str) -> None:
    base = a_set("b", ("x", "cat", 0), ("y", "dog", 0))
    pairs = pair(base, a_set("p", *personalized))
    assert pairs.kind == kind
    assert pairs.warnings[0].startswith(
        f"The base (b) and the personalized (p) have {gave_up} and "
    )
    if kind != "none":
        assert pairs.warnings[0].endswith(f" are paired by {kind}.")
        assert indices(pairs) == [((0,), (0,)), ((1,), (1,))]


def test_seeds_without_prompts_do_not_pair_by_seed_unasked() -> None:
    base = a_set("b", ("x", None, 0), ("y", None, 1))
    personalized = a_set("p", ("y", None, 0), ("x", None, 2))
    pairs = pair(base, personalized)
    assert pairs.kind == "file"
    assert indices(pairs) == [((0,), (1,)), ((1,), (0,))]
    assert pairs.warnings == ("The seeds differ in 2 of the 2 pairs by file name.",)
    asked = pair(base, personalized, "seed")
    assert asked.pairs == (Pair((0,), (0,), None, 0, "x"),)


# what is said


def test_unmatched_files_are_counted_and_named() -> None:
    base = a_set("b", "x", *(f"only {index}" for index in range(7)))
    pairs = pair(base, a_set("p", "x", "other"))
    assert indices(pairs) == [((0,), (0,))]
    assert pairs.warnings[1:] == (
        "No counterpart for 7 of the 8 images of the base (b), left out: "
        "only 0.png, only 1.png, only 2.png, only 3.png, only 4.png and 2 more.",
        "No counterpart for 1 of the 2 images of the personalized (p), left out: other.png.",
    )


def test_two_files_of_a_stem_are_a_group() -> None:
    pairs = pair(a_set("b", "x", "x", "y"), a_set("p", "x", "y"), "file")
    assert indices(pairs) == [((0, 1), (0,)), ((2,), (1,))]
    assert pairs.warnings[1:] == (
        "Several images of one file name are averaged in 1 of the 2 pairs, for the base (b): x.",
    )


def test_file_pairs_carry_prompts_and_agreed_seeds() -> None:
    base = a_set("b", ("v", "cat", 1), ("w", None, 2), ("x", None, None), ("y", "old", 4))
    personalized = a_set("p", ("v", "lion", 1), ("w", "dog", None), ("x", None, 3), ("y", None, 5))
    pairs = pair(base, personalized, "file")
    assert [(p.prompt, p.seed) for p in pairs.pairs] == [
        ("cat", 1),
        ("dog", None),
        (None, None),
        ("old", None),
    ]
    assert pairs.warnings == (
        "The file name alone makes 2 of the 4 pairs: the seed is unknown and is assumed equal.",
        "The seeds differ in 1 of the 4 pairs by file name.",
        "The prompts differ in 1 of the 4 pairs by file name.",
    )


def test_lists_pair_by_position() -> None:
    image = Image.new("L", (1, 1))
    pairs = pair(images_from([image] * 3, "b"), images_from([image] * 2, "p"))
    assert indices(pairs) == [((0,), (0,)), ((1,), (1,))]
    assert pairs.warnings == (
        "The position or name alone makes 2 of the 2 pairs: "
        "the seed is unknown and is assumed equal.",
        "No counterpart for 1 of the 3 images of the base (b), left out: image 2.",
    )


# asked for


@pytest.mark.parametrize(
    ("pairing", "noun"),
    [("seed", "prompt with the same seed"), ("prompt", "prompt"), ("file", "file name")],
)
def test_a_pairing_that_was_asked_for_must_pair(pairing: str, noun: str) -> None:
    base, personalized = a_set("b", ("x", "cat", 0)), a_set("p", ("y", "dog", 0))
    with pytest.raises(
        UsageError, match=f"have no {noun} in common and cannot be paired by {pairing}"
    ):
        pair(base, personalized, pairing)
    with pytest.raises(UsageError, match="in common"):
        pair(a_set("b", "x"), a_set("p", "y"), pairing)


def test_none_asked_for_pairs_nothing_and_doubts_the_content() -> None:
    pairs = pair(a_set("b", "x"), a_set("p", "x"), "none")
    assert (pairs.kind, pairs.pairs) == ("none", ())
    assert pairs.warnings == (
        "The sets are compared unpaired, as asked: "
        "a difference in content may explain what is reported.",
    )


def test_a_pairing_asked_for_wins_over_a_better_one() -> None:
    base, personalized = a_set("b", ("x", "cat", 0)), a_set("p", ("x", "cat", 0))
    for kind in ("seed", "prompt", "file"):
        pairs = pair(base, personalized, kind)
        assert (pairs.kind, pairs.warnings) == (kind, ())
        assert pairs.pairs == (Pair((0,), (0,), "cat", 0, "x"),)


def test_unknown_pairing() -> None:
    with pytest.raises(UsageError, match="choose one of auto, seed, prompt, file, none"):
        pair(a_set("b", "x"), a_set("p", "x"), "name")


# for any two sets

made = st.tuples(
    st.sampled_from("abcd"),
    st.sampled_from([None, "", "cat", "dog"]),
    st.sampled_from([None, 0, 1]),
)
sets = st.lists(made, min_size=1, max_size=8)


@given(sets, sets, st.sampled_from(["auto", "seed", "prompt", "file"]))
def test_pairing_is_symmetric_and_uses_each_image_once(
    ours: list[Made], theirs: list[Made], pairing: str
) -> None:
    base, personalized = a_set("b", *ours), a_set("p", *theirs)
    try:
        pairs = pair(base, personalized, pairing)
    except UsageError:
        with pytest.raises(UsageError):
            pair(personalized, base, pairing)
        return
    swapped = pair(personalized, base, pairing)
    assert swapped.kind == pairs.kind
    assert {(right, left) for left, right in indices(pairs)} == set(indices(swapped))
    for images, groups in (
        (ours, [p.base for p in pairs.pairs]),
        (theirs, [p.personalized for p in pairs.pairs]),
    ):
        used = [index for group in groups for index in group]
        assert len(set(used)) == len(used)
        assert set(used) <= set(range(len(images)))
        assert all(group and list(group) == sorted(group) for group in groups)
    for p in pairs.pairs:
        members = [ours[i] for i in p.base] + [theirs[i] for i in p.personalized]
        shared = {"seed": members[0][1:], "prompt": members[0][1], "file": members[0][0]}
        for key, prompt, seed in members:
            same = {"seed": (prompt, seed), "prompt": prompt, "file": key}
            assert same[pairs.kind] == shared[pairs.kind]


@given(sets, sets)
def test_every_image_is_paired_or_counted_as_left_out(ours: list[Made], theirs: list[Made]) -> None:
    pairs = pair(a_set("b", *ours), a_set("p", *theirs))
    if pairs.kind == "none":
        assert "content may explain" in pairs.warnings[-1]
        return
    for side, n, used in (
        ("base (b)", len(ours), sum(len(p.base) for p in pairs.pairs)),
        ("personalized (p)", len(theirs), sum(len(p.personalized) for p in pairs.pairs)),
    ):
        said = f"No counterpart for {n - used} of the {n} images of the {side}, left out: "
        assert any(said in warning for warning in pairs.warnings) == (used < n)


def test_one_seed_in_common_does_not_outweigh_the_prompts() -> None:
    prompts = [f"prompt {i}" for i in range(10)]
    base = a_set("b", *((str(i), p, 1 if i == 0 else 2) for i, p in enumerate(prompts)))
    other = a_set("p", *((str(i), p, 1 if i == 0 else 3) for i, p in enumerate(prompts)))
    pairs = pair(base, other)
    assert (pairs.kind, len(pairs.pairs)) == ("prompt", 10)
    assert "Too few images (1 pairs)" in pairs.warnings[0]
    assert len(pair(base, other, "seed").pairs) == 1


def test_half_of_the_seeds_in_common_are_paired_by_seed() -> None:
    prompts = [f"prompt {i}" for i in range(10)]
    base = a_set("b", *((str(i), p, 1 if i < 5 else 2) for i, p in enumerate(prompts)))
    other = a_set("p", *((str(i), p, 1 if i < 5 else 3) for i, p in enumerate(prompts)))
    assert (pair(base, other).kind, len(pair(base, other).pairs)) == ("seed", 5)


# halves


def compared(pairing: str, base: ImageSet, personalized: ImageSet) -> Compared:
    return Compared(base, personalized, pair(base, personalized, pairing))


def prompts_of(part: Compared) -> tuple[set[str | None], set[str | None]]:
    if part.matched.kind != "none":
        prompts = {p.prompt for p in part.matched.pairs}
        return prompts, prompts
    sides = (part.base.pictures, part.personalized.pictures)
    return {p.prompt for p in sides[0]}, {p.prompt for p in sides[1]}


@pytest.mark.parametrize("pairing", ["seed", "prompt", "none"])
def test_halves_share_no_prompt_and_leave_nothing_out(pairing: str) -> None:
    made = [
        (f"{prompt}-{seed}", f"prompt {prompt}", seed) for prompt in range(7) for seed in (0, 1)
    ]
    both = compared(pairing, a_set("b", *made), a_set("p", *made))
    assert both.units() == 7
    first, second = both.halves(3)
    for ours, theirs in zip(prompts_of(first), prompts_of(second), strict=True):
        assert not ours & theirs
        assert len(ours | theirs) == 7
        assert sorted((len(ours), len(theirs))) == [3, 4]
    assert both.halves(3) == (first, second)
    assert any(both.halves(seed) != (first, second) for seed in range(4, 8))


def test_pairs_without_prompts_are_split_as_pairs() -> None:
    names = [f"{i}" for i in range(9)]
    first, second = compared("file", a_set("b", *names), a_set("p", *names)).halves(0)
    keys = [{p.key for p in part.matched.pairs} for part in (first, second)]
    assert not keys[0] & keys[1]
    assert keys[0] | keys[1] == set(names)
    assert sorted(map(len, keys)) == [4, 5]


def test_unpaired_sets_of_different_prompts_are_each_split() -> None:
    base = a_set("b", *((f"b{i}", f"mine {i}", None) for i in range(6)), ("bs", "both", None))
    personalized = a_set("p", *((f"p{i}", None, None) for i in range(5)), ("ps", "both", None))
    both = compared("none", base, personalized)
    assert both.units() == 6
    parts = both.halves(1)
    for side in ("base", "personalized"):
        keys = [{p.key for p in getattr(part, side).pictures} for part in parts]
        assert not keys[0] & keys[1]
        assert abs(len(keys[0]) - len(keys[1])) <= 1
    shared = [{"both"} & ours for part in parts for ours in prompts_of(part) if "both" in ours]
    assert len(shared) == 2
    assert all(("both" in prompts_of(p)[0]) == ("both" in prompts_of(p)[1]) for p in parts)
