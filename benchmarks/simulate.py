"""Do the numbers keep their promises? Simulation in the embedded encoder's own space.

    python benchmarks/simulate.py --data ../shared/data [--trials 1000]

Pair divergences are a planted mean plus noise. The noise is real: differences between two models'
pictures of the same prompts (the half of sdxl_family that nothing is fitted on), less their mean,
drawn with replacement, so that its scale, its heavy tails and its correlations are those of
pictures. The planted mean is a sum of two concept vectors of the vocabulary, one of them negative,
its length a multiple of the noise floor. Everything an explanation reports is then compared with
the truth that is known here.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finexl.concepts.vectors import frame_of, map_concepts
from finexl.concepts.vocabulary import distractors, neutral_prompts, vocabulary
from finexl.core.analysis import Frame, analyse
from finexl.core.decompositions import DECOMPOSITIONS, functionals
from finexl.core.divergence import Paired
from finexl.core.uncertainty import intervals
from finexl.encoders import load_encoder
from finexl.images import load_image

Array = NDArray[np.float64]
METHOD = DECOMPOSITIONS["subspace"]
SIZES = (10, 25, 100)


def noise_rows(data: Path) -> Array:
    """Return centred differences between the measured models, prompt by prompt (n, d)."""
    encoder = load_encoder()
    by_model: dict[str, dict[str, str]] = {}
    for entry in json.loads((data / "sdxl_family/images.json").read_text()):
        measured = int(hashlib.sha256(entry["title"].encode()).hexdigest(), 16) % 2 == 0
        if measured and (data / "sdxl_family/images" / entry["image"]).exists():
            by_model.setdefault(entry["title"], {})[entry["style"]] = entry["image"]
    rows = {
        title: dict(
            zip(
                files,
                encoder.embed_images(
                    [load_image(data / "sdxl_family/images" / file) for file in files.values()]
                ).astype(np.float64),
                strict=True,
            )
        )
        for title, files in by_model.items()
    }
    found = []
    for first, second in itertools.combinations(sorted(rows), 2):
        shared = sorted(set(rows[first]) & set(rows[second]))
        differences = np.array([rows[second][s] - rows[first][s] for s in shared])
        found.append(differences - differences.mean(axis=0))
    return np.concatenate(found)


class World:
    """The encoder's space, its vocabulary and the noise: made once in each process."""

    def __init__(self, noise: Array) -> None:
        encoder = load_encoder()
        self.noise = noise
        self.texts = [concept.text for concept in vocabulary("style")]
        prompts = neutral_prompts()
        self.F = map_concepts(encoder, self.texts, prompts, METHOD.template).vectors
        self.unrelated = map_concepts(encoder, distractors(), prompts, METHOD.template).vectors
        self.frame: Frame = frame_of(encoder, METHOD.space, METHOD.template)

    def planted(self, rng: np.random.Generator, n: int, strength: float) -> tuple[Array, list[int]]:
        """Return a mean (d,), `strength` times the noise floor of n pairs, and its concepts."""
        chosen = [int(i) for i in rng.choice(len(self.F), 2, replace=False)]
        unit = self.F[chosen] / np.linalg.norm(self.F[chosen], axis=1, keepdims=True)
        mean = unit[0] - 0.6 * unit[1]
        floor = np.sqrt((self.noise**2).sum(axis=1).mean() / n)
        return mean * (strength * floor / np.linalg.norm(mean)), chosen

    def sample(self, rng: np.random.Generator, n: int, mean: Array) -> Paired:
        return Paired(self.noise[rng.integers(len(self.noise), size=n)] + mean)

    def trial(self, seed: int, n: int, strength: float) -> dict[str, Any]:
        """Explain one simulated model and compare with the truth."""
        rng = np.random.default_rng([seed, n, int(10 * strength)])
        mean, chosen = self.planted(rng, n, strength) if strength else (0.0 * self.F[0], [0, 1])
        sample = self.sample(rng, n, mean)
        matrix = self.frame.subspace.matrix
        G, truth = self.F @ matrix.T, matrix @ mean
        L = functionals(G, chosen, METHOD.ridge)
        low, high = intervals(sample.through(matrix), L)
        fixed = (low <= L @ truth) & (L @ truth <= high)
        found = analyse(sample, self.F, self.unrelated, self.texts, self.frame, METHOD, seed=seed)
        kept = [k.index for k in found.kept]
        weights = functionals(G, kept, METHOD.ridge) @ truth
        scores = weights * np.linalg.norm(G[kept], axis=1) / self.frame.scale
        covered = [
            k.ci is not None and k.ci[0] - 1e-12 <= score <= k.ci[1] + 1e-12
            for k, score in zip(found.kept, scores, strict=True)
        ]
        return {
            "fixed": fixed.tolist(),
            "covered": covered,
            "detected": bool(found.detected),
            "significant": any(k.significant for k in found.kept),
            "wrong_sign": any(
                k.significant and np.sign(k.score) != np.sign(G[k.index] @ truth)
                for k in found.kept
            ),
            "recalled": len(set(chosen) & set(kept)),
            "kept": len(kept),
        }


_world: World | None = None


def _start(noise: Array) -> None:
    global _world
    _world = World(noise)


def _trial(job: tuple[int, int, float]) -> dict[str, Any]:
    assert _world is not None
    return _world.trial(*job)


def summary(results: list[dict[str, Any]]) -> dict[str, Any]:
    def rate(values: list[bool]) -> float:
        return round(float(np.mean(values)), 4) if values else float("nan")

    return {
        "trials": len(results),
        "fixed support covers": rate([c for r in results for c in r["fixed"]]),
        "covers after selection": rate([c for r in results for c in r["covered"]]),
        "detected": sum(r["detected"] for r in results),
        "with a significant aspect": sum(r["significant"] for r in results),
        "significant with a wrong sign": sum(r["wrong_sign"] for r in results),
        "of two planted, kept on average": round(
            float(np.mean([r["recalled"] for r in results])), 2
        ),
        "kept on average": round(float(np.mean([r["kept"] for r in results])), 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--null-draws", type=int, default=200)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    noise = noise_rows(options.data)
    report: dict[str, Any] = {"noise rows": len(noise)}
    with get_context("spawn").Pool(options.processes, _start, (noise,)) as pool:
        for n in SIZES:
            for strength in (0.0, 2.0, 4.0):
                trials = options.trials if strength else options.null_draws
                jobs = [(seed, n, strength) for seed in range(trials)]
                name = f"n = {n}, " + (f"{strength:g} × noise floor" if strength else "null")
                report[name] = summary(pool.map(_trial, jobs, chunksize=10))
                print(name, json.dumps(report[name]), flush=True)
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
