"""What steering costs: python benchmarks/steering.py [--steps 8] [--rounds 15] [--images 1]

A denoising step of the plain pipeline against one of the steered, on the tiny pipelines: with all
of Eq. 1-3 (four evaluations in one call against two; FLUX: three against one) and with Eq. 1 alone.
Plain and steered runs take turns, and medians are compared, so that a busy machine slows both
alike. A step's time is the difference between runs of many and of few steps, so that reading
prompts and attributes, and decoding, are left out.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from finexl.generators import Job, Settings
from finexl.generators.diffusers import Pipeline
from finexl.viper.steering import Viper
from finexl.viper.taste import Taste

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))
SCENES = ROOT / "examples" / "models" / "scenes-diffusion"
TASTE = Taste((("a red", 1.0), ("soft", 0.8)), (("a blue", 1.0),))
FEW = 2


def pipelines(folder: Path) -> dict[str, Path]:
    """Return the tiny pipelines' folders: trained scenes, and random weights of each family."""
    import tiny_pipelines

    for name, save in tiny_pipelines.FAMILIES.items():
        save(folder / name)
    return {"scenes-diffusion": SCENES, **{name: folder / name for name in tiny_pipelines.FAMILIES}}


def seconds(model: Any, jobs: Sequence[Job]) -> float:
    started = time.perf_counter()
    model.make(jobs)
    return time.perf_counter() - started


def ratios(folder: Path, steps: int, rounds: int, images: int) -> dict[str, float]:
    """Return a plain step's milliseconds, and how many of them a steered one takes."""
    jobs = [Job("a red star on a grey background", seed) for seed in range(images)]
    made: dict[tuple[str, int], Any] = {}
    for count in (FEW, FEW + steps):
        base = Pipeline(str(folder), Settings(steps=count, guidance=3.0, device="cpu"))
        made["plain", count] = base
        made["steered", count] = Viper(base, TASTE, 0.6)
        made["no guidance", count] = Viper(base, TASTE, 0.6, guidance=False)
    for model in made.values():
        model.make(jobs)  # opened, and the attributes read
    taken: dict[tuple[str, int], list[float]] = {key: [] for key in made}
    for _ in range(rounds):
        for key, model in made.items():
            taken[key].append(seconds(model, jobs))
    step = {
        what: median(
            long - short
            for long, short in zip(taken[what, FEW + steps], taken[what, FEW], strict=True)
        )
        / steps
        for what in ("plain", "steered", "no guidance")
    }
    return {
        "plain step, ms": round(1000 * step["plain"], 2),
        "steered": round(step["steered"] / step["plain"], 2),
        "no guidance": round(step["no guidance"] / step["plain"], 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--images", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, where in pipelines(Path(folder)).items():
            found = ratios(where, asked.steps, asked.rounds, asked.images)
            print(json.dumps({"pipeline": name, **found}))


if __name__ == "__main__":
    main()
