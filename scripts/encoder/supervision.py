"""From pictures and words to groups of differences, some held out for cross-validation."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from encoder import pictures
from encoder.features import Sentences
from encoder.fit import Group, Reduction, centred, second_moment, within
from finexl.operators import OPERATORS

Array = NDArray[np.float64]

OPERATOR_GROUPS, OPPOSITE_GROUPS = 5, 4
"""Means over so many parts of the bases stand for an operator: they are what V_div is, a mean."""
WEIGHTS = {
    "operators": 0.8,
    "style keywords": 0.8,
    "style words": 0.4,
    "family words": 1.6,
    "captions": 0.5,
    "artists": 0.5,
    "artists, word by word": 0.6,
    "paintings": 0.2,
    "paintings, word by word": 0.6,
}


@dataclass
class Supervision:
    """Everything known, reduced; `groups` leaves out what is to be tested on."""

    data: Path
    reduction: Reduction
    looks: Mapping[str, Array]
    operators: Mapping[str, Any]
    sentences: Sentences

    def __post_init__(self) -> None:
        self.styles = pictures.styles(self.data)
        prompts = pictures.style_prompts(self.data)
        self.style_images = {s.slug: self._style_difference(s) for s in self.styles}
        self.keyworded = [s for s in self.styles if s.keywords and s.slug != s.reference]
        # only where the data say which model a style was made from
        based = {row["slug"]: row["base"] for row in pictures.rows(self.data / "styles/styles.csv")}
        self.keyworded = [s for s in self.keyworded if based[s.slug]]
        self.keyword_texts = {
            s.slug: np.stack([self.sentences.difference(s.keywords, [p]) for p in prompts.values()])
            for s in self.keyworded
        }
        self.of_operator = {
            name: self.operators["difference"][self.operators["operator"] == name]
            for name in OPERATORS
        }

    def groups(
        self, held_styles: Collection[str] = (), held_operators: Collection[str] = ()
    ) -> list[Group]:
        """Return the groups without the held-out styles and operators."""
        styles = [s for s in self.styles if s.slug not in held_styles]
        keyworded = [s for s in self.keyworded if s.slug not in held_styles]
        named = [name for name in OPERATORS if name not in held_operators]
        made = {
            "operators": self._operators(named),
            "style words": self._style_words(styles),
            "family words": self._family(),
            "captions": self._captions(),
        }
        if keyworded:
            made["style keywords"] = (
                np.concatenate([self.style_images[s.slug] for s in keyworded]),
                np.concatenate([self.keyword_texts[s.slug] for s in keyworded]),
            )
        for which in ("artists", "paintings"):
            for by_word in (False, True):
                name = f"{which}, word by word" if by_word else which
                made[name] = self._described(which, by_word)
        # held-out styles take their part of the weight with them
        left = {
            "style keywords": len(keyworded) / len(self.keyworded),
            "style words": len(styles) / len(self.styles),
        }
        return [
            Group(*made[name], weight * left.get(name, 1.0))
            for name, weight in WEIGHTS.items()
            if name in made
        ]

    def noise(self) -> Array:
        """Return N: what varies within an operator over pictures, in a style over scenes."""
        operators = within(list(self.of_operator.values()))
        return 0.5 * operators + 0.5 * within([self.style_images[s.slug] for s in self.keyworded])

    def text_noise(self) -> Array:
        """Return M: what words for content do to a sentence, which is not what a style does."""
        under = self.sentences.prompts[:2]
        contents = pictures.content_phrases(self.data)
        return second_moment(np.array([self.sentences.difference(c, under) for c in contents]))

    def typical(self, held_styles: Collection[str] = ()) -> Array:
        """Return (n, reduced), the mean differences of the styles."""
        kept = [s.slug for s in self.styles if s.slug not in held_styles]
        return np.array([self.style_images[slug].mean(axis=0) for slug in kept])

    def more_less(self, more: tuple[str, ...], less: tuple[str, ...]) -> Array:
        """Return (384,), what is seen more of less what is seen less of."""
        moved = self.sentences.mean_difference(more) - self.sentences.mean_difference(less)
        return moved.astype(np.float64)

    def _style_difference(self, style: pictures.Style) -> Array:
        return np.array(
            [
                self.looks[pictures.style_picture(style.slug, scene)]
                - self.looks[pictures.style_picture(style.reference, scene)]
                for scene in pictures.STYLE_SCENES
            ]
        )

    def _operators(self, names: list[str]) -> tuple[Array, Array]:
        images, texts = [], []
        for name in names:
            rows, operator = self.of_operator[name], OPERATORS[name]
            for phrases, parts, sign in (
                (operator.phrases, OPERATOR_GROUPS, 1.0),
                (operator.opposite, OPPOSITE_GROUPS, -1.0),
            ):
                for i, part in enumerate(np.array_split(rows, parts) if phrases else ()):
                    images.append(sign * part.mean(axis=0))
                    texts.append(self.sentences.difference(phrases[i % len(phrases)]))
        return np.array(images), np.array(texts)

    def _style_words(self, styles: list[pictures.Style]) -> tuple[Array, Array]:
        images = np.array([self.style_images[s.slug] for s in styles])
        texts = np.array([self.more_less(s.more, s.less) for s in styles])
        # less their mean: most styles lie to the same side of their plain reference
        flat = np.asarray(images.reshape(-1, images.shape[-1]), dtype=np.float64)
        return centred(flat), np.repeat(centred(texts), images.shape[1], axis=0)

    def _family(self) -> tuple[Array, Array]:
        pairs = pictures.family_pairs(self.data)
        images = [self.looks[second] - self.looks[first] for first, second, _, _ in pairs]
        return np.array(images), np.array([self.more_less(more, less) for *_, more, less in pairs])

    def _captions(self) -> tuple[Array, Array]:
        found = pictures.captions(self.data)
        texts = [self.sentences(sentences).mean(axis=0) for sentences in found.values()]
        return centred(np.array([self.looks[p] for p in found])), centred(np.array(texts))

    def _described(self, which: str, by_word: bool) -> tuple[Array, Array]:
        found = pictures.described(which)
        texts = [
            self.sentences.mean_difference([word.strip() for word in words.split(",")])
            if by_word
            else self.sentences.difference(words)
            for words in found.values()
        ]
        return centred(np.array([self.looks[p] for p in found])), centred(np.array(texts))


def related(operator: str) -> set[str]:
    """Return the operators that share a phrase with this one or its opposite, itself included."""
    return {name for name in OPERATORS if _phrases(name) & _phrases(operator)}


def _phrases(operator: str) -> set[str]:
    return {*OPERATORS[operator].phrases, *OPERATORS[operator].opposite}
