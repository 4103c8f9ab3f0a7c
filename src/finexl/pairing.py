"""Which images of the two sets are compared with which."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence, Set
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from finexl.errors import UsageError
from finexl.images import Picture
from finexl.imageset import ImageSet, listed

Kind = Literal["seed", "prompt", "file", "none"]
CHOICES = ("auto", *get_args(Kind))
_NOUNS: dict[Kind, str] = {
    "seed": "prompt with the same seed",
    "prompt": "prompt",
    "file": "file name",
}
_CONTENT = "a difference in content may explain what is reported"


@dataclass(frozen=True)
class Pair:
    """Images made from the same: the mean of one group is compared with the mean of the other."""

    base: tuple[int, ...]
    """Indices into the base's pictures, ascending, at least one."""
    personalized: tuple[int, ...]
    """Indices into the personalized's pictures, ascending, at least one."""
    prompt: str | None
    seed: int | None
    """None unless it is known and the same throughout."""
    key: str
    """What to call the pair: the key of its first base picture."""


@dataclass(frozen=True)
class Pairs:
    """The pairs in the order of the base, each picture in one at most; of kind "none": no pairs."""

    kind: Kind
    pairs: tuple[Pair, ...]
    warnings: tuple[str, ...] = ()


def pair(base: ImageSet, personalized: ImageSet, pairing: str = "auto") -> Pairs:
    """Match two sets by "seed" (prompt and seed), "prompt", "file" (key), or not at all ("none").

    "auto" takes the first of seed, prompt and file that both sets know and that pairs anything,
    else "none", and says in a warning what it had to give up; seed only if it pairs at least half
    of what the prompts would. Asked for by name, "seed" also pairs pictures without prompts.

    Raises:
        UsageError: an unknown pairing, or one that was asked for and pairs nothing.
    """
    if pairing not in CHOICES:
        raise UsageError(f"There is no pairing {pairing!r}; choose one of {', '.join(CHOICES)}.")
    if pairing == "none":
        return Pairs("none", (), (f"The sets are compared unpaired, as asked: {_CONTENT}.",))
    kinds = [kind for kind in _NOUNS if pairing in (kind, "auto")]
    if pairing == "auto":
        kinds = [kind for kind in kinds if _knows(base, kind) and _knows(personalized, kind)]
    failed: list[Kind] = []
    few: list[str] = []
    for kind in kinds:
        pairs = _matched(base, personalized, kind)
        if pairing == "auto" and kind == "seed" and _few(base, personalized, pairs):
            few = [
                f"Too few images ({len(pairs):,} pairs) share prompt and seed: paired by prompt."
            ]
            continue
        if pairs:
            remarks = [*few, *_remarks(base, personalized, kind, pairs)]
            if failed:
                remarks.insert(0, f"{_apart(base, personalized, failed)} are paired by {kind}.")
            return Pairs(kind, pairs, tuple(remarks))
        failed.append(kind)
    apart = _apart(base, personalized, failed)
    if pairing != "auto":
        raise UsageError(f"{apart} cannot be paired by {pairing}; choose another pairing.")
    return Pairs("none", (), (f"{apart} are compared unpaired: {_CONTENT}.",))


@dataclass(frozen=True)
class Compared:
    """Two sets, and which of their images are compared with which."""

    base: ImageSet
    personalized: ImageSet
    matched: Pairs

    def units(self) -> int:
        """Return how many independent units there are: prompts; unpaired, of the smaller set."""
        if self.matched.kind != "none":
            return len({_unit(p.prompt, i) for i, p in enumerate(self.matched.pairs)})
        return min(len(_by_unit(side.pictures)) for side in (self.base, self.personalized))

    def halves(self, seed: int) -> tuple[Compared, Compared]:
        """Split at random into two halves that share no prompt, of sizes equal up to one.

        Where the sets are unpaired each is split, the same prompts going to the same half.
        """
        rng = np.random.default_rng([seed, self.units()])
        if self.matched.kind != "none":
            units = [_unit(p.prompt, i) for i, p in enumerate(self.matched.pairs)]
            first = _half(units, rng)
            return self._paired(units, first, True), self._paired(units, first, False)
        ours, theirs = _by_unit(self.base.pictures), _by_unit(self.personalized.pictures)
        shared = dict.fromkeys(u for u in ours if u in theirs and isinstance(u, str))
        half = set(shared) - _half(list(shared), rng)  # the larger half, the others get theirs
        sides = []
        for images, units_of in ((self.base, ours), (self.personalized, theirs)):
            first = half | _half([unit for unit in units_of if unit not in shared], rng)
            chosen = {index for unit in first for index in units_of.get(unit, ())}
            sides.append((_only(images, chosen, True), _only(images, chosen, False)))
        (base, other_base), (personalized, other) = sides
        return (
            Compared(base, personalized, self.matched),
            Compared(other_base, other, self.matched),
        )

    def _paired(self, units: Sequence[Hashable], first: Set[Hashable], inside: bool) -> Compared:
        pairs = tuple(
            p
            for unit, p in zip(units, self.matched.pairs, strict=True)
            if (unit in first) == inside
        )
        return replace(self, matched=replace(self.matched, pairs=pairs))


def _unit(prompt: str | None, index: int) -> Hashable:
    """Return what makes a pair or picture independent of others: its prompt, else itself."""
    return index if prompt is None else prompt


def _by_unit(pictures: Sequence[Picture]) -> dict[Hashable, list[int]]:
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for index, picture in enumerate(pictures):
        groups[_unit(picture.prompt, index)].append(index)
    return groups


def _half(units: Sequence[Hashable], rng: np.random.Generator) -> set[Hashable]:
    """Return half of the distinct units, at random."""
    distinct = list(dict.fromkeys(units))
    return {distinct[i] for i in rng.permutation(len(distinct))[: len(distinct) // 2]}


def _only(images: ImageSet, chosen: Set[int], inside: bool) -> ImageSet:
    pictures = (p for i, p in enumerate(images.pictures) if (i in chosen) == inside)
    return replace(images, pictures=tuple(pictures))


def _matched(base: ImageSet, personalized: ImageSet, kind: Kind) -> tuple[Pair, ...]:
    left, right = _groups(base, kind), _groups(personalized, kind)
    return tuple(
        _pair(base, personalized, left[label], right[label]) for label in left if label in right
    )


def _few(base: ImageSet, personalized: ImageSet, pairs: Sequence[Pair]) -> bool:
    """Whether the prompts would pair most of the pictures and the seeds only some of them."""
    by_prompt = _matched(base, personalized, "prompt") if pairs else ()
    return 2 * _pictures(pairs) < _pictures(by_prompt)


def _pictures(pairs: Sequence[Pair]) -> int:
    return sum(len(p.base) + len(p.personalized) for p in pairs)


def _groups(images: ImageSet, kind: Kind) -> dict[Hashable, list[int]]:
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for index, picture in enumerate(images.pictures):
        label = _label(picture, kind)
        if label is not None:
            groups[label].append(index)
    return groups


def _label(picture: Picture, kind: Kind) -> Hashable | None:
    """What two pictures must share to be compared; None matches nothing."""
    if kind == "seed":
        return None if picture.seed is None else (picture.prompt, picture.seed)
    return picture.prompt if kind == "prompt" else picture.key


def _knows(images: ImageSet, kind: Kind) -> bool:
    """Whether any label is complete: a seed without its prompt does not say what was made.

    A GAN's images without prompts are those of one that heeds none.
    """
    return any(
        _label(picture, kind) is not None
        and (kind == "file" or images.kind == "gan" or picture.prompt is not None)
        for picture in images.pictures
    )


def _pair(base: ImageSet, personalized: ImageSet, left: list[int], right: list[int]) -> Pair:
    pictures = [*_at(base, left), *_at(personalized, right)]
    prompt = next((picture.prompt for picture in pictures if picture.prompt is not None), None)
    seeds = {picture.seed for picture in pictures}
    seed = seeds.pop() if len(seeds) == 1 else None
    return Pair(tuple(left), tuple(right), prompt, seed, pictures[0].key)


def _remarks(
    base: ImageSet, personalized: ImageSet, kind: Kind, pairs: Sequence[Pair]
) -> list[str]:
    remarks = _doubts_about_files(base, personalized, pairs) if kind == "file" else []
    for side, images, groups in (
        ("base", base, [p.base for p in pairs]),
        ("personalized", personalized, [p.personalized for p in pairs]),
    ):
        role = _role(side, images)
        shared = [images.pictures[group[0]].key for group in groups if len(group) > 1]
        if kind == "file" and shared:
            remarks.append(
                f"Several images of one file name are averaged in {len(shared):,} of the "
                f"{len(pairs):,} pairs, for {role}: {listed(shared)}."
            )
        paired = {index for group in groups for index in group}
        alone = [p.name for index, p in enumerate(images.pictures) if index not in paired]
        if alone:
            remarks.append(
                f"No counterpart for {len(alone):,} of the {len(images.pictures):,} images of "
                f"{role}, left out: {listed(alone)}."
            )
    return remarks


def _doubts_about_files(base: ImageSet, personalized: ImageSet, pairs: Sequence[Pair]) -> list[str]:
    """What an equal file name does not say, or what the prompts and seeds say against it."""
    how = "position or name" if base.kind in ("images", "embeddings") else "file name"
    unknown, seeds, prompts = 0, 0, 0
    for p in pairs:
        ours, theirs = _at(base, p.base), _at(personalized, p.personalized)
        other_seed = _differ({x.seed for x in ours}, {x.seed for x in theirs})
        unknown += p.seed is None and not other_seed
        seeds += other_seed
        prompts += _differ({x.prompt for x in ours}, {x.prompt for x in theirs})
    doubts = []
    if unknown:
        doubts.append(
            f"The {how} alone makes {unknown:,} of the {len(pairs):,} pairs: "
            "the seed is unknown and is assumed equal."
        )
    for n, what in ((seeds, "seeds"), (prompts, "prompts")):
        if n:
            doubts.append(f"The {what} differ in {n:,} of the {len(pairs):,} pairs by {how}.")
    return doubts


def _differ(ours: Set[object], theirs: Set[object]) -> bool:
    """Whether both sides know and agree in nothing."""
    ours, theirs = ours - {None}, theirs - {None}
    return bool(ours and theirs) and ours.isdisjoint(theirs)


def _at(images: ImageSet, indices: Sequence[int]) -> list[Picture]:
    return [images.pictures[index] for index in indices]


def _apart(base: ImageSet, personalized: ImageSet, kinds: Sequence[Kind]) -> str:
    nouns = " and no ".join(_NOUNS[kind] for kind in kinds)
    sides = f"{_role('base', base)} and {_role('personalized', personalized)}"
    return f"{sides[0].upper()}{sides[1:]} have no {nouns} in common and"


def _role(side: str, images: ImageSet) -> str:
    return f"the {side} ({images.name})"
