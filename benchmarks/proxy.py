"""What the proxy M predicts of simulated people, and of one real person (docs/viper-proxy.md).

    python benchmarks/proxy.py make operators --half 0 --pictures examples/base --out A.npz
    python benchmarks/proxy.py make agents --seed 1 --out B.npz
    python benchmarks/proxy.py make folders --pictures DIR --likings 2 --out C.npz
    python benchmarks/proxy.py tune A.npz ...          the prior, by log loss
    python benchmarks/proxy.py score B.npz [--plot FILE.svg]
    python benchmarks/proxy.py person DIR              DIR/liked, DIR/disliked, DIR/query*

People of `operators` like five image operators and dislike five others; their pictures are
photographs under one to three of either. The operators are divided in halves by digest, so that
whoever the prior is chosen on shares neither a liking nor a picture with whoever it is scored on.
People of `folders` like the pictures of some sub-folders (paintings by style) and dislike those of
as many others: pictures that nobody made for them, of which the encoder saw none.
People of `agents` are those of `finexl viper agents`; their pictures are drawn, and kept where
something in them is liked and nothing disliked, or the reverse.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from proxy_people import (
    ASKED,
    KEPT,
    PHOTOGRAPHS,
    PLAIN,
    SIDE,
    Array,
    People,
    Person,
    agents,
    alike,
    drawn_for_nobody,
    of_folders,
    operated,
    read,
    save,
    under_operators,
)

from finexl.encoders import Encoder, image_rows, load_encoder
from finexl.images import load_image
from finexl.imageset import read_images
from finexl.viper.agents.drawn import Drawn
from finexl.viper.agents.picturing import Planned
from finexl.viper.proxy.calibration import calibration
from finexl.viper.proxy.proxy import PRIOR, Prior, Proxy
from finexl.viper.proxy.reference import Reference, built_in

COUNTS = tuple(range(0, 2 * KEPT + 1, 2))
TUNED = 6
"""Every so many of them are tuned on: 0, 12 and 24."""


def make(asked: argparse.Namespace, encoder: Encoder) -> None:
    people: Iterator[Person]
    plain: Array
    for_nobody: Sequence[Planned] = ()
    if asked.kind == "agents":
        people = agents(encoder, asked.people, asked.seed)
        for_nobody = drawn_for_nobody(asked.seed)
        made = Drawn().make([one.job for one in for_nobody])
        plain = image_rows(encoder, [one.image for one in made if one.image]).astype(float)
    elif asked.kind == "folders":
        people, plain = of_folders(encoder, Path(asked.pictures[0]), asked.people, asked.likings)
    else:
        found_in = [one for folder in asked.pictures for one in read_images(folder).pictures]
        photographs = [one.open() for one in found_in[:PHOTOGRAPHS]]
        people = (
            under_operators(encoder, photographs, asked.half, number)
            for number in itertools.count()
        )
        rng = np.random.default_rng([asked.half, 0, 0])
        plain = image_rows(encoder, [operated(photographs, (), rng) for _ in range(PLAIN)]).astype(
            float
        )
    found = []
    for person in itertools.islice(people, asked.people):
        found.append(person)
        print(f"\r{len(found)}", end="", flush=True)
    print()
    if asked.kind == "agents":
        print(f"{alike(found, for_nobody):.2f} of the plain pictures are as good as liked")
    save(asked.out, found, plain, encoder)


@dataclass(frozen=True)
class Setup:
    """What liked pictures are told from, in the examples and in what is asked, and by what."""

    against: str
    words: bool

    @property
    def label(self) -> str:
        return f"from {self.against}, by {'pictures and words' if self.words else 'pictures'}"


AGAINST = ("disliked ones", "others' liked ones", "plain ones")
SETUPS = tuple(Setup(against, words) for against in AGAINST for words in (False, True))


@dataclass(frozen=True)
class Scored:
    """One person's queries."""

    accuracy: float
    """The share of pairs, one liked, one not, that are put in order; ties count half."""
    said: Array
    sure: NDArray[np.bool_]
    """Where the interval lies on one side of one half."""
    true: NDArray[np.bool_]


TRUE = np.repeat([True, False], ASKED)
"""Which of the pictures that are asked about are liked."""


def acquainted(
    people: People, number: int, count: int, setup: Setup, encoder: Encoder,
    reference: Reference, prior: Prior,
) -> tuple[Proxy, Array]:  # fmt: skip
    """Return a proxy with `count` examples of one person, and their other pictures' rows."""
    rng = np.random.default_rng([number, 7])
    person = people.everyone[number]
    other = person.disliked
    if setup.against == "others' liked ones":
        everyone = [n for n in range(len(people.everyone)) if n != number]
        some = rng.choice(everyone, SIDE, replace=len(everyone) < SIDE)
        other = np.array([people.everyone[n].liked[rng.integers(SIDE)] for n in some])
    if setup.against == "plain ones":
        other = people.plain[rng.choice(len(people.plain), SIDE, replace=False)]
    liked, other = person.liked[rng.permutation(SIDE)], other[rng.permutation(SIDE)]
    half = count // 2
    proxy = Proxy.fit(
        liked[:half], other[:half], person.wanted if setup.words else None, encoder,
        reference=reference, prior=prior,
    )  # fmt: skip
    return proxy, np.concatenate([liked[KEPT:], other[KEPT:]])


def answered(
    people: People, number: int, count: int, setup: Setup, encoder: Encoder,
    reference: Reference, prior: Prior,
) -> Scored:  # fmt: skip
    """Ask a proxy with `count` examples about one person's other pictures."""
    proxy, rows = acquainted(people, number, count, setup, encoder, reference, prior)
    ratings = proxy.rate(rows)
    said = np.array([one.probability for one in ratings])
    above = said[:ASKED, None] - said[None, ASKED:]
    accuracy = float(((above > 1e-12) + 0.5 * (np.abs(above) <= 1e-12)).mean())
    sure = np.array([one.says in ("likes", "dislikes") for one in ratings])
    return Scored(accuracy, said, sure, TRUE)


def loss_of(sets: Sequence[People], encoder: Encoder, reference: Reference, prior: Prior) -> float:
    """Return the mean log loss over people, setups and numbers of examples."""
    losses = []
    for people, setup, count in itertools.product(sets, SETUPS, COUNTS[::TUNED]):
        if count or setup.words:
            for number in range(len(people.everyone)):
                proxy, rows = acquainted(people, number, count, setup, encoder, reference, prior)
                losses.append(calibration(proxy.chances(rows), TRUE).log_loss)
    return float(np.mean(losses))


GRID: Mapping[str, Sequence[float]] = {
    "believed": (0.01, 0.03, 0.06, 0.12, 0.25),
    "trust": (2, 3, 4, 6),
    "offset": (0.5, 1, 2),
    "doubt": (1, 2, 4),
}


def tune(asked: argparse.Namespace, encoder: Encoder) -> None:
    """Change one number of the prior at a time until none helps."""
    sets = [
        replace(people, everyone=people.everyone[: asked.people])
        for people in (read(path, encoder) for path in asked.files)
    ]
    reference = built_in(encoder)
    best, reached = PRIOR, loss_of(sets, encoder, reference, PRIOR)
    changed = True
    while changed:
        changed = False
        for name, values in GRID.items():
            for value in values:
                if value == getattr(best, name):
                    continue
                changes: dict[str, Any] = {name: float(value)}
                tried = replace(best, **changes)
                loss = loss_of(sets, encoder, reference, tried)
                print(f"{name} {value:g}: {loss:.4f}", flush=True)
                if loss < reached - 1e-4:
                    best, reached, changed = tried, loss, True
    print(best, round(reached, 4))


def score(asked: argparse.Namespace, encoder: Encoder) -> None:
    reference, prior = built_in(encoder), replace(PRIOR, believed=asked.believed)
    counts = [18] if asked.at_18 else COUNTS
    sure_of = wrong_of = 0
    drawn_in: dict[str, list[tuple[int, float]]] = {}
    for path in asked.files:
        people = read(path, encoder)
        print(f"\n## {people.name}: {len(people.everyone)} people")
        for setup in SETUPS:
            print(f"\nLiked pictures {setup.label}\n")
            print("| examples | accuracy | log loss | Brier | ECE | sure | right where sure |")
            print("|---|---|---|---|---|---|---|")
            for count in counts:
                some = [
                    answered(people, n, count, setup, encoder, reference, prior)
                    for n in range(len(people.everyone))
                ]
                each = np.array([one.accuracy for one in some])
                said, sure, true = (
                    np.concatenate([getattr(one, name) for one in some])
                    for name in ("said", "sure", "true")
                )
                found = calibration(said, true)
                right = f"{((said > 0.5) == true)[sure].mean():.3f}" if sure.any() else ""
                error = each.std(ddof=1) / np.sqrt(len(each))
                print(
                    f"| {count} | {each.mean():.3f} ± {1.96 * error:.3f} | {found.log_loss:.3f} | "
                    f"{found.brier:.3f} | {found.error:.3f} | {sure.mean():.2f} | {right} |",
                    flush=True,
                )
                if count == 18:
                    sure_of += int(sure.sum())
                    wrong_of += int(((said > 0.5) != true)[sure].sum())
                    bins = [(one.n, one.said, one.was) for one in found.bins if one.n]
                    told = ", ".join(f"{s:.2f}: {w:.2f} ({n})" for n, s, w in bins)
                if not setup.words:
                    label = f"{people.name}, {setup.label}"
                    drawn_in.setdefault(label, []).append((count, float(each.mean())))
            print(f"\nreliability at 18 examples (said: was, n): {told}")
    print(f"\nat 18 examples {wrong_of:,} of {sure_of:,} ratings called sure are wrong")
    if asked.plot:
        asked.plot.write_text(svg(drawn_in), encoding="utf-8")


HUES = ("#3b6fb5", "#c2582c", "#4d8a3d", "#8454a3", "#b5872f", "#2f8f8f", "#b13b63", "#666666")
PAPER = (18, 0.911)
"""Examples and accuracy of the paper's M: agents' personalized pictures and random ones (C.7)."""


def svg(series: Mapping[str, Sequence[tuple[int, float]]]) -> str:
    """Return accuracy against the number of examples as a picture."""
    left, top, width, down, key = 48, 12, 560, 260, 18

    def at(count: float, accuracy: float) -> str:
        x, y = left + width * count / COUNTS[-1], top + down * 2 * (1 - accuracy)
        return f"{x:.1f},{y:.1f}"

    high = top + down + 40 + key * (len(series) + 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {left + width + 20} {high}" '
        'font-family="sans-serif" font-size="12" fill="#444">',
        '<rect width="100%" height="100%" fill="#fff"/>',
    ]
    for accuracy in (0.5, 0.6, 0.7, 0.8, 0.9, 1.0):
        start = at(0, accuracy)
        parts.append(f'<path d="M{start}h{width}" stroke="#ddd"/>')
        y = float(start.split(",")[1]) + 4
        parts.append(f'<text x="{left - 6}" y="{y:.1f}" text-anchor="end">{accuracy:.1f}</text>')
    for count in COUNTS[::2]:
        x = at(count, 0.5).split(",")[0]
        parts.append(f'<text x="{x}" y="{top + down + 16}" text-anchor="middle">{count}</text>')
    parts.append(
        f'<text x="{left + width / 2:g}" y="{top + down + 32}" text-anchor="middle">examples</text>'
    )
    for number, (label, points) in enumerate(series.items()):
        hue, y = HUES[number % len(HUES)], top + down + 48 + key * number
        line = " ".join(at(*point) for point in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{hue}" stroke-width="2"/>')
        parts.append(f'<path d="M{left} {y - 4}h18" stroke="{hue}" stroke-width="3"/>')
        parts.append(f'<text x="{left + 26}" y="{y}">{escape(label)}</text>')
    x, height = at(*PAPER).split(",")
    parts.append(f'<circle cx="{x}" cy="{height}" r="4" fill="#111"/>')
    y = top + down + 48 + key * len(series)
    parts.append(f'<circle cx="{left + 9}" cy="{y - 4}" r="4" fill="#111"/>')
    parts.append(f'<text x="{left + 26}" y="{y}">the paper&#8217;s M</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def person(asked: argparse.Namespace, encoder: Encoder) -> None:
    """Rate a real person's pictures: the queries, and each example by all the others."""
    sides = [
        image_rows(encoder, [one.open() for one in read_images(asked.folder / side).pictures])
        for side in ("liked", "disliked")
    ]
    proxy = Proxy.fit(sides[0], sides[1], None, encoder)
    for path in sorted(asked.folder.glob("query*")):
        (rating,) = proxy.rate([load_image(path)])
        print(path.name, json.dumps(rating.to_dict()))
    said, true = [], []
    for number, side in enumerate(sides):
        for place in range(len(side)):
            rest = [np.delete(one, place, 0) if one is side else one for one in sides]
            (rating,) = Proxy.fit(rest[0], rest[1], None, encoder).rate(side[place : place + 1])
            said.append(rating.probability)
            true.append(number == 0)
    right = sum((p > 0.5) == t for p, t in zip(said, true, strict=True))
    found = calibration(np.array(said), np.array(true))
    print(f"left out one by one: {right} of {len(said)} right, Brier {found.brier:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--encoder", default="embedded")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("make")
    command.add_argument("kind", choices=["operators", "agents", "folders"])
    command.add_argument("--people", type=int, default=100)
    command.add_argument("--half", type=int, default=1, choices=[0, 1])
    command.add_argument(
        "--pictures", nargs="+", default=["examples/base", "src/finexl/bench/pictures"]
    )
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("--likings", type=int, default=2)
    command.add_argument("--out", type=Path, required=True)
    command.set_defaults(run=make)
    command = commands.add_parser("tune")
    command.add_argument("files", type=Path, nargs="+")
    command.add_argument("--people", type=int, default=40, help="of each file")
    command.set_defaults(run=tune)
    command = commands.add_parser("score")
    command.add_argument("files", type=Path, nargs="+")
    command.add_argument("--plot", type=Path)
    command.add_argument("--believed", type=float, default=PRIOR.believed)
    command.add_argument("--at-18", action="store_true", help="examples, and no other number")
    command.set_defaults(run=score)
    command = commands.add_parser("person")
    command.add_argument("folder", type=Path)
    command.set_defaults(run=person)
    asked = parser.parse_args()
    asked.run(asked, load_encoder(asked.encoder))


if __name__ == "__main__":
    main()
