"""People of scenes: whose taste is a color and a background (docs/viper-studies.md).

    python benchmarks/studies.py people OUT.jsonl [--half 1] [--tastes 72] [--seed 0]

Each likes a color and a background and dislikes another of each, of those that the tiny model in
examples/models/scenes-diffusion knows. The tastes are divided in halves by digest: settings are
chosen on people of half 1, figures are of people of half 0.
"""

from __future__ import annotations

import argparse
import hashlib
from dataclasses import replace
from itertools import permutations, product
from pathlib import Path

import numpy as np

from finexl.files import write_atomic
from finexl.personalize import scenes
from finexl.personalize.scenes import BACKGROUNDS, COLOURS, SHAPES
from finexl.viper.study.people import Subject, written
from finexl.viper.taste import Taste

LETTERS = "xkqmzv"
"""A letter stands where a prompt leaves a color open: the model reads it, and no word of its."""
OPEN = {
    shape: f"a {a} {shape} on a {a} background" for shape, a in zip(SHAPES, LETTERS, strict=True)
}


KNOWN = 9
"""Drawings of what somebody likes, and of what they dislike."""


def half_of(name: str) -> int:
    return hashlib.sha256(name.encode()).digest()[0] % 2


def people(half: int, count: int, seed: int) -> list[Subject]:
    pairs = product(permutations(COLOURS, 2), permutations(BACKGROUNDS, 2))
    every = [(*colours, *backgrounds) for colours, backgrounds in pairs]
    mine = [one for one in every if half_of(" ".join(one)) == half]
    chosen = np.random.default_rng([seed, half]).permutation(len(mine))[:count]
    return [_subject(*mine[int(place)]) for place in chosen]


def _subject(liked: str, disliked: str, ground: str, other: str) -> Subject:
    words = Taste(
        ((liked, 1.0), (f"{ground} background", 1.0)),
        ((disliked, 1.0), (f"{other} background", 1.0)),
    )
    told = Taste(
        ((f"{_an(liked)} x on a {ground} background", 1.0),),
        ((f"{_an(disliked)} x on a {other} background", 1.0),),
    )
    examples = [
        tuple(Path("known") / f"{colour}-{back}-{number}.png" for number in range(KNOWN))
        for colour, back in ((liked, ground), (disliked, other))
    ]
    rewrites = {
        prompt: f"{_an(liked)} {shape} on a {ground} background" for shape, prompt in OPEN.items()
    }
    return Subject(
        f"{liked} on {ground}, no {disliked} on {other}", words, told, rewrites, *examples
    )


def draw_known(folder: Path) -> None:
    """Draw scenes of every color on every background, by no model."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for colour, ground in product(COLOURS, BACKGROUNDS):
        for number in range(KNOWN):
            scene = replace(scenes.sample(rng), colour=colour, background=ground)
            scenes.draw(scene).save(folder / f"{colour}-{ground}-{number}.png")


def _an(word: str) -> str:
    return f"{'an' if word[0] in 'aeiou' else 'a'} {word}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("people")
    make.add_argument("out", type=Path)
    make.add_argument("--half", type=int, default=0)
    make.add_argument("--tastes", type=int, default=72)
    make.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    some = people(asked.half, asked.tastes, asked.seed)
    draw_known(asked.out.parent / "known")
    write_atomic(asked.out, "".join(f"{written(one)}\n" for one in some))
    write_atomic(
        asked.out.with_suffix(".prompts.txt"), "".join(f"{one}\n" for one in OPEN.values())
    )


if __name__ == "__main__":
    main()
