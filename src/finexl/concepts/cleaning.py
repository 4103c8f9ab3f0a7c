"""From what many replies said to a pool: one spelling each, near-synonyms merged, the rest dropped.

Nothing is dropped without a reason, and nothing depends on the order in which replies came in
but which of two equally frequent spellings was said first.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import cache

import numpy as np
from numpy.typing import NDArray

from finexl.concepts.replies import Direction, known_phrases, listed
from finexl.concepts.vocabulary import vocabulary

HIDDEN = "[…]"
EXCLUDED = "excluded"
SLUR = "a slur"
NAME = "a person's name"
HEDGE = "not something that can be seen"
CONTENT = "describes the prompts, not the change"

Vectors = Callable[[Sequence[str]], NDArray[np.float64]]


@dataclass(frozen=True)
class Vote:
    """One phrase, said in one reply."""

    text: str
    direction: Direction
    reply: int
    """Which reply, from 0 in the order they were asked."""
    pairs: tuple[int, ...]
    """The pairs that the reply was about."""
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Proposal:
    """A concept that replies propose."""

    concept: str
    """The most voted spelling; of equals the one said first."""
    votes: int
    """Replies that name it, each once."""
    more: int
    """Of them, those that say there is more of it."""
    less: int
    """Those that say less; a reply that says both counts in both."""
    pairs: tuple[int, ...]
    """The pairs of those replies, sorted."""
    merged: tuple[str, ...]
    """Other spellings and near-synonyms that were merged into it, the most voted first."""
    flags: tuple[str, ...] = ()
    """What every vote for this spelling of it was flagged with."""


@dataclass(frozen=True)
class Removed:
    """A phrase that is no candidate, and why."""

    concept: str
    votes: int
    reason: str


def clean(
    votes: Sequence[Vote],
    *,
    prompts: Sequence[str] = (),
    excluded: Collection[str] = (),
    vectors: Vectors | None = None,
    similar: float = 0.9,
) -> tuple[tuple[Proposal, ...], tuple[Removed, ...]]:
    """Return the proposals, and what was removed; each by votes, then by which was said first.

    Args:
        votes: what the replies said.
        prompts: what the pictures were asked for; words of theirs describe no change.
        excluded: texts to leave out, up to case and spelling.
        vectors: the texts' concept vectors (m, d); a zero row is like no other. None: only
            spellings are merged.
        similar: the least cosine of near-synonyms.
    """
    barred = {key_of(text) for text in excluded}
    contents = _Contents(prompts)
    kept: list[_Group] = []
    removed: list[tuple[tuple[int, int, int], Removed]] = []
    for group in _grouped(votes):
        reason = _reason(group, barred, contents)
        if reason is None:
            kept.append(group)
        else:
            concept = HIDDEN if reason == SLUR else group.concept
            removed.append((group.rank, Removed(concept, group.count, reason)))
    if vectors is not None and len(kept) > 1:
        kept = _merged(kept, vectors([group.concept for group in kept]), similar)
    proposals = tuple(group.proposal() for group in sorted(kept, key=lambda group: group.rank))
    return proposals, tuple(entry for _, entry in removed)


# --- spellings ------------------------------------------------------------------------------------

_BRITISH = (
    ("colour", "color"),
    ("grey", "gray"),
    ("moustache", "mustache"),
    ("jeweller", "jewelr"),
    ("jewell", "jewel"),
    ("armour", "armor"),
    ("vapour", "vapor"),
    ("glamour", "glamor"),
    ("humour", "humor"),
    ("sombre", "somber"),
    ("lustre", "luster"),
    ("mould", "mold"),
    ("cosy", "cozy"),
    ("artefact", "artifact"),
    ("modelled", "modeled"),
    ("panelled", "paneled"),
    ("theatre", "theater"),
    ("aeroplane", "airplane"),
    ("sceptical", "skeptical"),
)
_IRREGULAR = {"glasses": "glasses", "lens": "lens", "lenses": "lens", "fibre": "fiber",
              "fibres": "fiber", "centre": "center", "centred": "centered", "children": "child",
              "men": "man", "women": "woman", "canvas": "canvas", "series": "series"}  # fmt: skip
_ARTICLES = ("a", "an", "the")
_WORDS = re.compile(r"[^\W_]+")


def _words(text: str) -> list[str]:
    """Return a text's words, casefolded and in one spelling, hyphens read as spaces."""
    text = re.sub(r"['’‘`´]", "", text.casefold())
    return [_stem(word) for word in _WORDS.findall(text.replace("&", " and "))]


@cache
def _stem(word: str) -> str:
    """Return a word in the singular and in American spelling."""
    for british, american in _BRITISH:
        word = word.replace(british, american)
    word = _IRREGULAR.get(word, word)
    if word in _IRREGULAR.values():
        return word
    word = re.sub(r"^(\w{3,})is(e|ed|es|ing|ation|ations)$", r"\1iz\2", word)
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and re.search(r"(?:s|x|z|ch|sh)es$", word):
        return word[:-2] if not word.endswith("izes") else word[:-1]
    if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def key_of(text: str) -> str:
    """Return what two spellings of one concept share.

    They may differ in case, plural, article, hyphens, spaces, apostrophes and British spelling.
    """
    words = _words(text)
    if len(words) > 1 and words[0] in _ARTICLES:
        words = words[1:]
    return _stem("".join(words)) or text.casefold()


@dataclass
class _Group:
    """The votes for one concept, so far."""

    concept: str
    votes: list[Vote]
    spellings: list[str]
    """The most voted first, the concept itself among them."""
    first: tuple[int, int]
    """The reply that said it first, and where in it."""
    flags: tuple[str, ...]
    taken: list[_Group] = field(default_factory=list)

    @property
    def count(self) -> int:
        return len({vote.reply for vote in self.votes})

    @property
    def rank(self) -> tuple[int, int, int]:
        return (-self.count, *self.first)

    def replies(self, direction: Direction) -> int:
        return len({vote.reply for vote in self.votes if vote.direction == direction})

    def proposal(self) -> Proposal:
        others = [text for group in (self, *self.taken) for text in group.spellings]
        return Proposal(
            self.concept,
            self.count,
            self.replies("more"),
            self.replies("less"),
            tuple(sorted({pair for vote in self.votes for pair in vote.pairs})),
            tuple(text for text in dict.fromkeys(others) if text != self.concept),
            self.flags,
        )


def _grouped(votes: Sequence[Vote]) -> list[_Group]:
    """Return the votes by concept, the most voted first."""
    places: dict[int, int] = defaultdict(int)
    by_key: dict[str, list[tuple[Vote, tuple[int, int]]]] = defaultdict(list)
    for vote in votes:
        place = (vote.reply, places[vote.reply])
        places[vote.reply] += 1
        by_key[key_of(vote.text)].append((vote, place))
    return sorted((_group(said) for said in by_key.values()), key=lambda group: group.rank)


def _group(said: list[tuple[Vote, tuple[int, int]]]) -> _Group:
    replies: dict[str, set[int]] = defaultdict(set)
    first: dict[str, tuple[int, int]] = {}
    for vote, place in said:
        replies[vote.text].add(vote.reply)
        first[vote.text] = min(place, first.get(vote.text, place))
    spellings = sorted(replies, key=lambda text: (-len(replies[text]), first[text]))
    votes = [vote for vote, _ in said]
    flags = [flag for flag in votes[0].flags if all(flag in vote.flags for vote in votes)]
    return _Group(spellings[0], votes, spellings, min(first.values()), tuple(sorted(flags)))


# --- what is dropped ------------------------------------------------------------------------------


def _reason(group: _Group, barred: Collection[str], contents: _Contents) -> str | None:
    """Return why a concept is no candidate; None: it is one."""
    if any(_has_slur(text) for text in group.spellings):
        return SLUR
    key = key_of(group.concept)
    if key in barred:
        return EXCLUDED
    if any(names_a_person(text) for text in group.spellings):
        return NAME
    if key not in _vocabulary_keys() and _is_hedge(group.concept):
        return HEDGE
    if key not in _style_keys() and contents.describe(group.concept):
        return CONTENT
    return None


@cache
def _slurs() -> frozenset[str]:
    return frozenset(listed("slurs.txt")[""])


def _has_slur(text: str) -> bool:
    folded = text.casefold()
    words = {*_WORDS.findall(folded), *_words(text), *re.findall(r"[\w-]+", folded)}
    words |= {word.rstrip("s") for word in words} | {key_of(text)}
    digests = (hashlib.sha256(word.replace("-", "").encode()).hexdigest() for word in words)
    return any(digest in _slurs() for digest in digests)


@cache
def _vocabulary_keys() -> frozenset[str]:
    return frozenset(key_of(concept.text) for concept in vocabulary("all"))


_MADE_THINGS = {"painting", "drawing", "print", "illustration", "poster", "photo", "image", "art"}


@cache
def _style_keys() -> frozenset[str]:
    """Return the style vocabulary's concepts, and what they say of a picture: "watercolor"."""
    texts = [concept.text for concept in vocabulary("style")]
    short = [" ".join(text.split()[:-1]) for text in texts if text.split()[-1] in _MADE_THINGS]
    return frozenset(key_of(text) for text in [*texts, *short] if text)


def _is_hedge(text: str) -> bool:
    words = [word for word in _words(text) if word not in _FUNCTION_WORDS]
    phrases, single = _hedges()
    return key_of(text) in phrases or all(word in single for word in words)


@cache
def _hedges() -> tuple[frozenset[str], frozenset[str]]:
    lists = listed("hedges.txt")
    single = {word for entry in lists["words"] for word in _words(entry)}
    return frozenset(key_of(entry) for entry in lists["phrases"]), frozenset(single)


_FUNCTION_WORDS = frozenset(
    {"a", "an", "the", "of", "in", "on", "at", "by", "to", "for", "from", "with", "and", "or", "as"}
    | {"is", "are", "its", "into", "over", "under", "near", "behind", "more", "most", "very"}
)


class _Contents:
    """The words of the prompts."""

    def __init__(self, prompts: Sequence[str]) -> None:
        self.where: dict[str, set[int]] = defaultdict(set)
        for index, prompt in enumerate(prompts):
            for word in _words(prompt):
                self.where[word].add(index)

    def describe(self, text: str) -> bool:
        """Whether all the words of a phrase that have content stand in one prompt."""
        words = [word for word in _words(text) if word not in _FUNCTION_WORDS]
        if not words or any(word not in self.where for word in words):
            return False
        return bool(set.intersection(*(self.where[word] for word in words)))


# --- people's names -------------------------------------------------------------------------------

_CAPITALISED = r"(?:[A-Z][\w.'’-]*(?:\s+(?:van|von|de|der|da|del|di|la|le|af)\b)*(?:\s+|$))+"
_BY = re.compile(
    r"(?:^|\s)(?:[Bb]y|[Ss]tyle of|[Ii]nspired by|[Ii]n the manner of|[Rr]eminiscent of"
    r"|à la|[Aa]fter)"
    rf"\s+({_CAPITALISED})"
)
_STYLE = re.compile(
    r"((?:[A-Z][\w.'’]*[ -])*[A-Z][\w.’]*)(?:['’]s)?[ -](?:[Ss]tyle|[Ii]nspired|[Ee]sque|[Ll]ike"
    r"|[Aa]esthetic|[Ww]ork|[Pp]aintings?|[Aa]rt)\b"
)


def names_a_person(text: str) -> bool:
    """Whether a phrase names an artist the package knows, or someone by "X style", "by X"."""
    words = _WORDS.findall(text.casefold())
    plain = " ".join(words)
    if plain in listed("names.txt")["not persons' phrases"]:
        return False
    padded = f" {plain} "
    if any(f" {name} " in padded for name in _known_names()):
        return True
    bases = {re.sub(r"(?:esque|ian|ish)$", "", word) for word in words} - {*words}
    if any(base in _known_names() for base in bases):
        return True
    found = [match[1] for pattern in (_BY, _STYLE) for match in pattern.finditer(text)]
    return any(_may_be_a_person(name) for name in found)


@cache
def _known_names() -> frozenset[str]:
    return frozenset(
        " ".join(re.findall(r"[^\W_]+", name.casefold()))
        for entry in listed("names.txt")[""]
        for name in entry.split(";")
    )


def _may_be_a_person(name: str) -> bool:
    words = [word.casefold().strip(".'’") for word in re.split(r"[\s]+", name) if word]
    return bool(words) and not any(word in _not_persons() for word in words)


@cache
def _not_persons() -> frozenset[str]:
    vocabularies = {word for phrase in known_phrases() for word in phrase.split()}
    replies = listed("replies.txt")
    proper = {word.casefold() for word in replies["proper words"]}
    ordinary = {*replies["ordinary words"], *listed("hedges.txt")["words"]}
    return frozenset({*listed("names.txt")["not persons"], *proper, *ordinary, *vocabularies})


# --- near-synonyms --------------------------------------------------------------------------------


def _merged(groups: list[_Group], rows: NDArray[np.float64], similar: float) -> list[_Group]:
    """Merge each group into the nearest that has more votes, where near enough and no opposite.

    A group is compared with the vectors of those that lead, not of those merged into them, so that
    a chain of neighbours does not join its ends.
    """
    rows = np.nan_to_num(np.asarray(rows, dtype=np.float64), posinf=0.0, neginf=0.0)
    if rows.ndim != 2 or len(rows) != len(groups):
        raise ValueError(f"{len(groups)} texts need as many rows, not an array of {rows.shape}")
    # to the largest entry first: squares of very small or large entries are no numbers
    rows = rows / np.maximum(np.abs(rows).max(axis=1, keepdims=True, initial=0), _TINY)
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _TINY)
    leaders: list[int] = []
    for index, group in enumerate(groups):
        cosines = unit[leaders] @ unit[index]
        for place in np.argsort(-cosines, kind="stable"):
            leader = groups[leaders[place]]
            if not cosines[place] >= similar:
                leaders.append(index)
                break
            if not any(opposed(group.concept, other.concept) for other in (leader, *leader.taken)):
                leader.taken.append(group)
                leader.votes.extend(group.votes)
                leader.first = min(leader.first, group.first)
                break
        else:
            leaders.append(index)
    return [groups[index] for index in leaders]


_TINY = np.finfo(np.float64).tiny
_NEGATING = ("un", "non", "de", "dis", "a", "in", "im", "anti")
_OPPOSED_STARTS = (("over", "under"), ("multi", "mono"), ("in", "out"), ("inter", "exter"))
_WITHOUT = {"no", "not", "without", "lacking", "less", "free", "non", "un", "anti"}


def opposed(one: str, other: str) -> bool:
    """Whether two phrases must never be merged: antonyms, negations, other colors or years."""
    a, b = _words(one), _words(other)
    if frozenset((key_of(one), key_of(other))) in _antonyms():
        return True
    only_a, only_b = {*a} - {*b}, {*b} - {*a}
    if only_a & _WITHOUT or only_b & _WITHOUT:
        return True
    return any(_opposite(x, y) for x in only_a for y in only_b)


@cache
def _opposite(one: str, other: str) -> bool:
    colors = listed("replies.txt")["colors"]
    if frozenset((one, other)) in _antonyms():
        return True
    if one in colors and other in colors:
        return True
    if any(map(str.isdigit, one)) and any(map(str.isdigit, other)):
        return True
    return any(
        _negates(x, y) or any(x.startswith(p) and y == q + x[len(p) :] for p, q in _OPPOSED_STARTS)
        for x, y in ((one, other), (other, one))
    )


def _negates(negated: str, word: str) -> bool:
    """Whether one word is the other with un-, non- and the like, or with -less."""
    if any(negated == prefix + word for prefix in _NEGATING):
        return True
    stem = negated.removesuffix("less")
    return (
        stem != negated and len(stem) > 2 and word.startswith(stem[:-1] if len(stem) > 4 else stem)
    )


@cache
def _antonyms() -> frozenset[frozenset[str]]:
    """Return the pairs of keys that mean opposites."""
    pairs = {
        frozenset((key_of(concept.text), key_of(concept.antonym)))
        for concept in vocabulary("all")
        if concept.antonym
    }
    for entry in listed("opposites.txt")[""]:
        word, *others = (_stem(part) for part in entry.split())
        pairs |= {frozenset((word, other)) for other in others}
    return frozenset(pairs)
