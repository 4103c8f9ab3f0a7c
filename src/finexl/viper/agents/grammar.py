"""Comments written offline: by forms and phrases, in a voice, with slips.

`data/phrases.csv` says each attribute in its own words, in other words, and by its effect;
`data/forms.csv` has the sentences. Neither was written with any extractor's word lists in view, so
that how well an extractor reads these comments says something about it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType

from numpy.random import Generator

from finexl.cache import key_of
from finexl.viper.agents.agent import Manner, Reaction, View
from finexl.viper.agents.slips import slipped
from finexl.viper.agents.views import Impression
from finexl.viper.attributes import by_text
from finexl.viper.profile import Opinion

NAME = "grammar"
MANNERS: Mapping[Manner, float] = MappingProxyType(
    {"named": 0.3, "described": 0.42, "judged": 0.18, "unspecific": 0.1}
)
"""How often an attribute is spoken of how; those without a judgement are described instead."""
ENDED = (".", "!", "?")
"""How sentences end that nothing can be joined to."""
_ASKING = re.compile(
    r"(?:did|is|are|would|could|couldn't|where|what's|what are|who|why|how could)\b", re.IGNORECASE
)
_NOUNS = re.compile(r"(?:the (?!fact\b|way\b)|those |these |all (?:that|those|the) |every )")
"""How phrases begin that sentences take which want a thing, and not a circumstance."""


@dataclass(frozen=True)
class Voice:
    """How an agent writes, whatever it writes about: shares of its comments."""

    sloppy: float
    """Of its words, those that go wrong; nothing under 0.01."""
    hedging: float
    sarcastic: float
    chatty: float
    """That say something unspecific before or after."""
    british: bool


@dataclass(frozen=True)
class Phrases:
    """How an attribute can be spoken of."""

    own: str
    described: tuple[str, ...]
    liked: str
    disliked: str


@dataclass(frozen=True)
class Form:
    """A sentence with a place {x}, or for joints {good} and {bad}."""

    text: str
    takes: str
    """"noun" for things alone, "any" also for circumstances ("how quiet it is")."""


def voice_of(rng: Generator) -> Voice:
    """Draw a voice: two in five write cleanly, a few hardly legibly."""
    sloppy = float(max(0.0, rng.normal(0.015, 0.025)))
    return Voice(
        sloppy=sloppy,
        hedging=float(rng.beta(1.2, 6)),
        sarcastic=float(rng.beta(1, 8)),
        chatty=float(rng.beta(2, 2.5)),
        british=bool(rng.random() < 0.3),
    )


def write(impression: Impression, voice: Voice, rng: Generator) -> tuple[str, tuple[Reaction, ...]]:
    """Return a comment and what it speaks of: nothing that the impression does not."""
    opinion = impression.opinion
    sentences, about = [], []
    for attribute, side in impression.spoken:
        text, manner = _sentence(attribute, side, opinion, voice, rng)
        sentences.append(text)
        about.append(Reaction(attribute, side, manner))
    parts = (
        _joined(sentences, about, rng) if sentences else [_pick(forms()["silent", opinion], rng)]
    )
    if sentences and rng.random() < voice.chatty:
        parts.insert(0, _pick(forms()["opening", opinion], rng))
    if sentences and rng.random() < 0.7 * voice.chatty:
        parts.append(_pick(forms()["closing", opinion], rng))
    text = " ".join(_ended(part, opinion, rng) for part in parts)
    return slipped(text, voice.sloppy, voice.british, rng), tuple(about)


def _sentence(
    attribute: str, side: Opinion, opinion: View, voice: Voice, rng: Generator
) -> tuple[str, Manner]:
    """Return what is said of one attribute, and how."""
    manner: Manner = list(MANNERS)[int(rng.choice(len(MANNERS), p=list(MANNERS.values())))]
    known = phrases()[attribute]
    judged = known.liked if side == "liked" else known.disliked
    if manner == "judged":
        if judged and opinion != "neutral":
            return judged + "?" * bool(_ASKING.match(judged)), manner
        manner = "described"
    if manner == "unspecific":
        category = by_text()[attribute.casefold()].category
        thing = _pick(forms()["unspecific", category], rng)
    else:
        thing = known.own if manner == "named" else str(rng.choice(known.described))
    kind = _kind(opinion, voice, rng)
    taken = [form for form in forms()[kind, side] if form.takes == "any" or _NOUNS.match(thing)]
    text = _pick(taken, rng).replace("{x}", thing)
    # nothing is joined to what is not meant
    return (text + "." if kind == "sarcastic" and not text.endswith(ENDED) else text), manner


def _kind(opinion: View, voice: Voice, rng: Generator) -> str:
    """Return the kind of form that somebody of this voice takes."""
    draw = rng.random()
    if opinion == "neutral":
        return "hedged"
    if draw < voice.sarcastic:
        return "sarcastic"
    if opinion == "extremely negative":
        return "strong"
    return "hedged" if draw < voice.sarcastic + voice.hedging else "plain"


def _joined(sentences: Sequence[str], about: Sequence[Reaction], rng: Generator) -> list[str]:
    """Return the sentences, a liked one joined to a disliked one where they can be."""
    sides = [one.opinion for one in about]
    good = next((i for i, side in enumerate(sides) if side == "liked"), None)
    bad = next((i for i, side in enumerate(sides) if side == "disliked"), None)
    if good is None or bad is None:
        return [
            sentence if not number or one.manner == "judged" else _continued(sentence, rng)
            for number, (sentence, one) in enumerate(zip(sentences, about, strict=True))
        ]
    rest = [one for number, one in enumerate(sentences) if number not in (good, bad)]
    pair = (sentences[good], sentences[bad])
    if any(one.endswith(ENDED) for one in pair):
        order = pair if rng.random() < 0.6 else pair[::-1]
        return [*order, *rest]
    joint = _pick(forms()["joint", "both"], rng)
    return [joint.replace("{good}", pair[0]).replace("{bad}", pair[1]), *rest]


def _continued(sentence: str, rng: Generator) -> str:
    """Return a sentence that follows another of the same mind."""
    return str(rng.choice(["", "", "", "And ", "Also ", "Plus "])) + sentence


def _ended(part: str, opinion: View, rng: Generator) -> str:
    """Return a sentence that begins large and has an end."""
    pieces = [piece[:1].upper() + piece[1:] for piece in part.split(". ")]
    text = ". ".join(pieces)
    if text.endswith(ENDED):
        return text
    loud = {"positive": 0.25, "extremely negative": 0.45}.get(opinion, 0.04)
    return text + ("!" if rng.random() < loud else ".")


def _pick(of: Sequence[Form], rng: Generator) -> str:
    return of[int(rng.integers(len(of)))].text


@cache
def phrases() -> Mapping[str, Phrases]:
    """Return how each attribute is spoken of; read-only."""
    return MappingProxyType(
        {
            row["attribute"]: Phrases(
                row["own"] or f"the {row['attribute']}",
                tuple(part.strip() for part in row["described"].split(";") if part.strip()),
                row["praise"],
                row["blame"],
            )
            for row in _rows("phrases.csv")
        }
    )


@cache
def forms() -> Mapping[tuple[str, str], tuple[Form, ...]]:
    """Return the sentences by kind and side; read-only."""
    found: dict[tuple[str, str], list[Form]] = {}
    for row in _rows("forms.csv"):
        found.setdefault((row["kind"], row["side"]), []).append(Form(row["text"], row["takes"]))
    return MappingProxyType({key: tuple(listed) for key, listed in found.items()})


def grammar_digest() -> str:
    """Return the digest of every phrase and form: other ones write other comments."""
    return f"{NAME} {key_of(repr(phrases()), repr(forms()))[:16]}"


def _rows(name: str) -> list[dict[str, str]]:
    text = (files(__package__) / "data" / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
