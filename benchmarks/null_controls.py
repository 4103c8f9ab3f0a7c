"""Base against base, and a LoRA against its base: python benchmarks/null_controls.py BASE [LORA]

100 runs of eight prompts each, ten steps an image. Base against base with other seeds, paired by
prompt: a difference may be detected in 5 % of the runs, and in at most 11 of 100 with 99 %
probability. With LORA (a reference as `finexl explain` takes it) the same prompts and seeds as the
base's: a difference is to be detected in all of them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from finexl.core.divergence import Paired
from finexl.core.significance import detect
from finexl.encoders import load_encoder
from finexl.generators import Generator, Settings, jobs_of, load_generator, make_all
from finexl.personalize.scenes import SCENES, caption

RUNS = 100
PROMPTS = 8
STEPS = 10
ALLOWED = 11


def rows(
    model: Generator, prompts: Sequence[str], seeds: Sequence[int], folder: Path
) -> dict[tuple[str, int], NDArray[np.float32]]:
    """Return the embedding of every prompt's and seed's image."""
    pictures = make_all(model, jobs_of(prompts, seeds), folder).pictures
    found = load_encoder().embed_images([picture.open() for picture in pictures])
    keys = [(str(p.prompt), int(p.seed or 0)) for p in pictures]
    return dict(zip(keys, found, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("base")
    parser.add_argument("lora", nargs="?")
    parser.add_argument("--work", type=Path, default=Path("work/null"), help="keeps the images")
    arguments = parser.parse_args()
    settings = Settings(device="cpu", dtype="float32", steps=STEPS)
    chosen = np.random.default_rng(0).choice(len(SCENES), PROMPTS, replace=False)
    prompts = [caption(SCENES[i]) for i in chosen]
    base = rows(
        load_generator(arguments.base, settings), prompts, range(2 * RUNS), arguments.work / "base"
    )
    detected = sum(
        detect(
            Paired(np.array([base[p, 2 * run + 1] - base[p, 2 * run] for p in prompts], float)),
            np.random.default_rng(run),
        ).detected
        for run in range(RUNS)
    )
    found = {"base against base": f"{detected} of {RUNS} detected", "allowed": ALLOWED}
    if arguments.lora is not None:
        lora = rows(
            load_generator(arguments.lora, settings), prompts, range(RUNS), arguments.work / "lora"
        )
        hits = sum(
            detect(
                Paired(np.array([lora[p, run] - base[p, run] for p in prompts], float)),
                np.random.default_rng(run),
            ).detected
            for run in range(RUNS)
        )
        found["LoRA against base"] = f"{hits} of {RUNS} detected"
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
