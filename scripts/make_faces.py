"""Make faces at known levels of an edit: GAN latent edits, standing in for diffusion edits.

    python scripts/fetch_faces.py work/faces
    python scripts/make_faces.py work/faces OUT [--seeds 24] [--aspects smile,age] [--size 256]

The paper's Table 4 edits faces in a diffusion model's latent space (§6.3), which cannot be had
offline; here a direction is added to w of a StyleGAN2-family generator instead, at level / 10 of
twice its length for levels 1 to 10. OUT gets the base's folder and one a level, with manifests
(prompt, seed), and truth.csv, as `finexl bench run --sets` takes it. Started again, it goes on
where it broke off. The faces are nobody's.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from finexl.bench.data.graded import Aspect
from finexl.bench.data.layout import BASE, Entry, write_truth
from finexl.generators import Settings, jobs_of, make_all
from finexl.generators.gan import load

DIRECTIONS = Path(__file__).parents[1] / "examples" / "models" / "faces"
PROMPT = "a portrait photo of a person"
WORDS = {
    "smile": "a smiling face",
    "age": "old",
    "glasses": "eyeglasses",
    "beard": "a beard",
    "blond": "blond hair",
    "man": "a man",
}
"""What each direction is called as an aspect."""
LEVELS = range(1, 11)
FULL = 2.0
"""The scale of the highest level."""


def main() -> None:
    """Make every level of every aspect that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=24)
    parser.add_argument("--size", type=int, choices=(256, 512, 1024), default=256)
    known = ",".join(sorted(path.stem for path in DIRECTIONS.glob("*.safetensors")))
    parser.add_argument("--aspects", default=known)
    asked = parser.parse_args()
    jobs = jobs_of([PROMPT], range(asked.seeds))
    settings = Settings(size=asked.size)
    make_all(load(f"gan:{asked.model}", settings), jobs, asked.out / BASE, progress=tell)
    entries = []
    for aspect in asked.aspects.split(","):
        for level in LEVELS:
            scale = FULL * level / max(LEVELS)
            edited = load(
                f"gan:{asked.model}+{DIRECTIONS / aspect}.safetensors@{scale:g}", settings
            )
            folder = f"{aspect}-{level:02d}"
            make_all(edited, jobs, asked.out / folder, progress=tell)
            entries.append(Entry(folder, [Aspect(WORDS[aspect], float(level))], folder, BASE))
    write_truth(asked.out, entries)


def tell(what: str, done: int, total: int) -> None:
    """Say how far it is, on one line."""
    print(f"\r{what}: {done} of {total}", end="\n" if done == total else "", file=sys.stderr)


if __name__ == "__main__":
    main()
