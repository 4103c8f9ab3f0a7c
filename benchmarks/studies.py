"""People of scenes: whose taste is a color and a background (docs/viper-studies.md).

    python benchmarks/studies.py people OUT.jsonl [--half 1] [--tastes 60] [--seed 0]
    python benchmarks/studies.py agents OUT.jsonl [--count 100] [--seed 50]
    python benchmarks/studies.py judge DIR PEOPLE.jsonl [--first N]

Each likes a color and a background and dislikes another of each, of those that the tiny model in
examples/models/scenes-diffusion knows. The tastes are divided in halves by digest: settings are
chosen on people of half 1, figures are of people of half 0. `judge` says without any scorer what
color, background and shape the pictures of a study show (scripts/tiny/judge.py). `agents` are
those of `finexl viper agents`, without pictures.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations, product
from pathlib import Path

import numpy as np

from finexl.files import write_atomic
from finexl.imageset import read_images
from finexl.personalize import scenes
from finexl.personalize.scenes import BACKGROUNDS, COLOURS, SHAPES, Scene
from finexl.viper.agents.tastes import draw_likings
from finexl.viper.study.gallery import METHODS
from finexl.viper.study.people import Subject, read_subjects, written
from finexl.viper.taste import Taste

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
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


def judge_all(folder: Path, subjects: Sequence[Subject]) -> None:
    """Print how often each method's pictures show what is liked, what is not, and the prompt."""
    from tiny.judge import judge

    seen: dict[str, Scene] = {}
    shape_of = {prompt: shape for shape, prompt in OPEN.items()}
    print("| pictures | liked color | liked background | disliked | shape of the prompt | n |")
    print("|---|---|---|---|---|---|")
    for method, label in METHODS.items():
        tallies = []
        for one in subjects:
            name = method if method == "plain" else f"{method}-{one.key}"
            liked, ground = (words.split()[0] for words, _ in one.taste.liked)
            disliked, other = (words.split()[0] for words, _ in one.taste.disliked)
            for picture in read_images(folder / "pictures" / name).pictures:
                digest = picture.digest()
                if digest not in seen:
                    seen[digest] = judge(picture.open()).scene
                scene = seen[digest]
                tallies.append(
                    (
                        scene.colour == liked,
                        scene.background == ground,
                        scene.colour == disliked or scene.background == other,
                        scene.shape == shape_of[picture.prompt or ""],
                    )
                )
        cells = " | ".join(f"{share:.2f}" for share in np.mean(tallies, axis=0))
        print(f"| {label} | {cells} | {len(tallies)} |", flush=True)


def agents(count: int, seed: int) -> list[Subject]:
    found = []
    for number, likings in enumerate(draw_likings(count, seed)):
        sides = (tuple((word, 1.0) for word in side) for side in (likings.liked, likings.disliked))
        taste = Taste(*sides)
        found.append(Subject(f"agent-{number:05}", taste, taste))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("people")
    make.add_argument("out", type=Path)
    make.add_argument("--half", type=int, default=0)
    make.add_argument("--tastes", type=int, default=60)
    make.add_argument("--seed", type=int, default=0)
    drawn = commands.add_parser("agents")
    drawn.add_argument("out", type=Path)
    drawn.add_argument("--count", type=int, default=100)
    drawn.add_argument("--seed", type=int, default=50)
    judged = commands.add_parser("judge")
    judged.add_argument("folder", type=Path)
    judged.add_argument("people", type=Path)
    judged.add_argument("--first", type=int)
    asked = parser.parse_args()
    if asked.command == "judge":
        judge_all(asked.folder, read_subjects(asked.people)[: asked.first])
        return
    if asked.command == "agents":
        some = agents(asked.count, asked.seed)
        write_atomic(asked.out, "".join(f"{written(one)}\n" for one in some))
        return
    some = people(asked.half, asked.tastes, asked.seed)
    draw_known(asked.out.parent / "known")
    write_atomic(asked.out, "".join(f"{written(one)}\n" for one in some))
    write_atomic(
        asked.out.with_suffix(".prompts.txt"), "".join(f"{one}\n" for one in OPEN.values())
    )


if __name__ == "__main__":
    main()
