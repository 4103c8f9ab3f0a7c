"""How fast: python benchmarks/speed.py [--threads 1]

Prints the embedded encoder's bare rate on 512-px JPEG files (decoding included), the time of a
whole `finexl explain` on 100 + 100 of them against the bare time of encoding them, its memory at
two sizes, the cold cost of mapping the vocabulary under a user's prompts, the command's start-up,
and the resampling of the core. The pictures are made from the examples, so that nothing else is
needed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from finexl.core.decompositions import DECOMPOSITIONS, functionals
from finexl.core.divergence import Paired
from finexl.encoders import load_encoder
from finexl.images import load_image
from finexl.operators import apply

EXAMPLES = Path(__file__).parents[1] / "examples"
SIDE = 512


def make_sets(folder: Path, n: int) -> tuple[Path, Path]:
    """Write n + n different 512-px pictures and return their folders."""
    scenes = sorted((EXAMPLES / "base").glob("*.jpg"))
    for side in ("base", "personalized"):
        (folder / side).mkdir(parents=True)
    for i in range(n):
        rng = np.random.default_rng(i)
        picture = load_image(scenes[i % len(scenes)])
        left, top = rng.integers(0, 60, size=2)
        picture = picture.crop((left, top, left + 260, top + 260))
        picture = picture.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        picture.save(folder / "base" / f"{i:03}.jpg", quality=90)
        changed = apply(picture, "sepia", 0.7, rng)
        changed.save(folder / "personalized" / f"{i:03}.jpg", quality=90)
    return folder / "base", folder / "personalized"


def bare_seconds(files: list[Path], threads: int) -> float:
    """Return the time to decode and embed the files, a few at a time, models open already."""
    encoder = load_encoder(threads=threads)
    encoder.embed_images([load_image(files[0])])
    started = time.perf_counter()
    for start in range(0, len(files), 16):
        encoder.embed_images([load_image(file) for file in files[start : start + 16]])
    return time.perf_counter() - started


def command_seconds(arguments: list[str], cache: Path, threads: int) -> tuple[float, float]:
    """Return wall time and peak memory (MB) of the command."""
    environment = {
        **os.environ,
        "FINEXL_CACHE": str(cache),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
    command = [sys.executable, "-m", "finexl", *arguments]
    if threads == 1 and hasattr(os, "sched_setaffinity"):
        command = ["taskset", "-c", "0", *command]
    started = time.perf_counter()
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - started
    return wall, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def resampling() -> dict[str, float]:
    """Return seconds for 1,000 refits and reselections, 200 pairs × 150 concepts, K = 18."""
    rng = np.random.default_rng(0)
    F = rng.normal(size=(150, 18))
    sample = Paired(rng.normal(size=(200, 18)) + 0.5 * F[3] - 0.3 * F[10])
    found = {}
    for name, method in DECOMPOSITIONS.items():
        kept = [3, 10, 17, 40, 99]
        started = time.perf_counter()
        resampled = sample.resample(rng, 1000)
        weights = resampled @ functionals(F, kept, method.ridge).T
        refits = time.perf_counter() - started
        assert weights.shape == (1000, len(kept))
        started = time.perf_counter()
        method.reselect(resampled, F, len(kept))
        found[f"{name}: 1,000 resamples and refits"] = round(refits, 4)
        found[f"{name}: 1,000 reselections"] = round(time.perf_counter() - started, 4)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--n", type=int, default=100)
    options = parser.parse_args()
    if options.threads == 1 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {0})
    report: dict[str, Any] = {"threads": options.threads}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        base, personalized = make_sets(folder / "sets", options.n)
        small = make_sets(folder / "small", 10)
        files = [*sorted(base.iterdir()), *sorted(personalized.iterdir())]
        sets = ["explain", str(base), str(personalized), "--quiet"]

        start_up, _ = command_seconds(["--help"], folder / "c", options.threads)
        few = ["explain", *map(str, small), "--quiet"]
        _, memory_small = command_seconds(few, folder / "c0", options.threads)
        bare = bare_seconds(files, options.threads)
        whole, memory = command_seconds(sets, folder / "c1", options.threads)
        again, _ = command_seconds(sets, folder / "c1", options.threads)
        prompts = folder / "prompts.txt"
        prompts.write_text("\n".join(f"a photo of scene number {i}" for i in range(options.n)))
        own = [*sets, "--prompts", str(prompts)]
        cold, _ = command_seconds(own, folder / "c1", options.threads)
        warm, _ = command_seconds(own, folder / "c1", options.threads)
        report |= {
            "start-up (--help), s": round(start_up, 2),
            "images encoded, 512 px, per s": round(len(files) / bare, 1),
            f"bare encoding of {len(files)} images, s": round(bare, 2),
            "explain, s": round(whole, 2),
            "explain / bare": round(whole / bare, 2),
            "explain again (embeddings in the run folder), s": round(again, 2),
            "cold cost of the vocabulary under own prompts, s": round(cold - warm, 2),
            "peak memory, 10 + 10 images, MB": round(memory_small),
            f"peak memory, {options.n} + {options.n} images, MB": round(memory),
        }
    report |= resampling()
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
