"""Make faces at known levels of an edit: GAN latent edits, standing in for diffusion edits.

    python scripts/fetch_faces.py work/faces
    python scripts/make_faces.py work/faces OUT [--seeds 24] [--aspects smile,age] [--size 256]

The paper's Table 4 edits faces in a diffusion model's latent space (§6.3), which cannot be had
offline; here a direction is added to w of a StyleGAN2-family generator instead, at level / 10 of
twice its length for levels 0 to 10. OUT gets a folder a level, with a manifest (prompt, seed), and
truth.csv: name, aspect, level, folder. Level 0 is the base itself, one folder for all aspects.
Started again, it goes on where it broke off. The faces are nobody's.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

from finexl.generators import Settings, jobs_of, make_all
from finexl.generators.gan import load

DIRECTIONS = Path(__file__).parents[1] / "examples" / "models" / "faces"
PROMPT = "a portrait photo of a person"
LEVELS = range(11)
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
    rows = []
    for aspect in asked.aspects.split(","):
        for level in LEVELS:
            folder = f"{aspect}-{level:02d}" if level else "base"
            scale = FULL * level / max(LEVELS)
            edit = f"+{DIRECTIONS / aspect}.safetensors@{scale:g}" if level else ""
            generator = load(f"gan:{asked.model}{edit}", settings)
            make_all(generator, jobs, asked.out / folder, progress=tell)
            rows.append((f"{aspect} at level {level}", aspect, level, folder))
    with (asked.out / "truth.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("name", "aspect", "level", "folder"))
        writer.writerows(rows)


def tell(what: str, done: int, total: int) -> None:
    """Say how far it is, on one line."""
    print(f"\r{what}: {done} of {total}", end="\n" if done == total else "", file=sys.stderr)


if __name__ == "__main__":
    main()
