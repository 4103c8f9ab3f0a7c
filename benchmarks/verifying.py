"""Does verifying steering claim what is not so? python benchmarks/verifying.py DIR [--null 60]

The tiny scenes model makes twelve prompts with twelve seeds. For each trial a seed is drawn for
every prompt; beside it stand, as if they had been steered,

    null        pictures of another seed: nothing was steered
    unrelated   the same pictures under an image operator, and a taste of attributes drawn at random
    planted     the same, and the taste that the operator meets

and it is counted what `finexl viper verify` would tell of the taste's attributes.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from finexl.asking import USUAL, explain_asked
from finexl.bench.data.layout import Line, write_manifest
from finexl.generators import Settings, jobs_of, load_generator, make_all
from finexl.imageset import read_images
from finexl.operators import apply
from finexl.personalize.scenes import SCENES, caption
from finexl.runs import Run
from finexl.viper.attributes import attributes
from finexl.viper.taste import Taste
from finexl.viper.verifying import Verified, verified

MODEL = Path(__file__).parents[1] / "examples" / "models" / "scenes-diffusion"
PROMPTS, SEEDS, SIDE = 12, 12, 25
STRENGTH = 0.6
UNRELATED = (
    *("desaturate", "brighten", "posterise", "high_contrast", "negative", "golden_hour"),
    *("sepia", "warm"),
)
DULL = ("muted colors", "gray tones", "black and white", "dull colors")
VIVID = ("vibrant colors", "neon colors", "multicolored", "saturated colors")
DARK = ("dark colors", "low-key lighting", "gloomy mood", "night")
LIGHT = ("bright colors", "bright lighting", "light colors", "joyful mood")
PLANTED = (("desaturate", DULL, VIVID), ("neon_colours", VIVID, DULL), ("darken", DARK, LIGHT))

SIDES: tuple[Literal[1, -1], ...] = (1, -1)
Plain = dict[tuple[str, int], Image.Image]


@dataclass(frozen=True)
class Trial:
    """What stands for a steered model, and the taste that it is verified by."""

    name: str
    operator: str | None
    taste: Taste
    seed: int


def plain_pictures(folder: Path) -> Plain:
    model = load_generator(
        f"diffusers:{MODEL}", Settings(steps=8, guidance=3.0, device="cpu", batch=8)
    )
    chosen = np.random.default_rng(0).choice(len(SCENES), PROMPTS, replace=False)
    jobs = jobs_of([caption(SCENES[i]) for i in chosen], range(SEEDS))
    make_all(model, jobs, folder, lambda *_: None)
    pictures = read_images(folder).pictures
    return {(one.prompt or "", one.seed or 0): one.open() for one in pictures}


def taste_of(liked: Sequence[str], disliked: Sequence[str]) -> Taste:
    return Taste(tuple((one, 1.0) for one in liked), tuple((one, 1.0) for one in disliked))


def drawn(seed: int) -> Taste:
    names = [one.text for one in attributes()]
    chosen = np.random.default_rng([7, seed]).choice(names, 2 * SIDE, replace=False).tolist()
    return taste_of(chosen[:SIDE], chosen[SIDE:])


def run(trial: Trial, plain: Plain, folder: Path) -> Verified:
    """Explain the trial's pictures as `verify` does, and tell of the taste."""
    shutil.rmtree(folder, ignore_errors=True)
    rng = np.random.default_rng([11, trial.seed])
    lines = []
    for number, prompt in enumerate(sorted({prompt for prompt, _ in plain})):
        one, other = (int(seed) for seed in rng.choice(SEEDS, 2, replace=False))
        before = plain[prompt, one].convert("RGB")
        after = plain[prompt, other]
        if trial.operator is not None:
            draws = np.random.default_rng(number)
            after = apply(before, trial.operator, STRENGTH, draws)
        for side, image in (("base", before), ("steered", after)):
            (folder / side).mkdir(parents=True, exist_ok=True)
            image.save(folder / side / f"{number}.png")
        lines.append(Line(f"{number}.png", prompt, 0))
    for side in ("base", "steered"):
        write_manifest(folder / side, lines)
    words = [word for word, _ in (*trial.taste.liked, *trial.taste.disliked)]
    (folder / "words.txt").write_text("".join(f"{word}\n" for word in words), encoding="utf-8")
    asked = {
        **USUAL,
        "base": str(folder / "base"),
        "personalized": str(folder / "steered"),
        "pairing": "seed",
        "concepts": str(folder / "words.txt"),
        "name": trial.name,
    }
    explained, _ = explain_asked(Run.create(folder / "run", asked), asked)
    return verified(STRENGTH, explained, trial.taste, 0)


def told(found: Sequence[Verified], verdict: str) -> int:
    return sum(one.counts(side)[verdict] for one in found for side in SIDES)


def summary(name: str, found: Sequence[Verified]) -> None:
    wished = [sum(one.counts(side)["as wished"] for side in SIDES) for one in found]
    tested = [one.agreement for one in found if one.agreement is not None]
    print(
        f"{name}: {len(found)} trials, {sum(bool(one.detected) for one in found)} detected; of "
        f"{sum(len(one.attributes) for one in found)} attributes {sum(wished)} told as wished, "
        f"{told(found, 'against the wish')} against the wish; {sum(n > 0 for n in wished)} trials "
        f"with any as wished; the taste as a whole at p < 0.05 in "
        f"{sum(p < 0.05 for p in tested)} of {len(tested)}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--null", type=int, default=60)
    parser.add_argument("--unrelated", type=int, default=2, help="of each operator")
    asked = parser.parse_args()
    plain, trial_folder = plain_pictures(asked.folder / "plain"), asked.folder / "trial"
    null = [Trial("null", None, drawn(k), k) for k in range(asked.null)]
    unrelated = [
        Trial(operator, operator, drawn(1000 + 10 * place + k), k)
        for place, operator in enumerate(UNRELATED)
        for k in range(asked.unrelated)
    ]
    for name, trials in (("null", null), ("unrelated", unrelated)):
        summary(name, [run(trial, plain, trial_folder) for trial in trials])
    for operator, liked, disliked in PLANTED:
        one = run(Trial(operator, operator, taste_of(liked, disliked), 1), plain, trial_folder)
        print(f"planted, {operator}: p {one.agreement}, {one.counts(1)}, {one.counts(-1)}")


if __name__ == "__main__":
    main()
