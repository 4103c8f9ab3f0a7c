"""Do scores rank graded face edits? (§6.3, Table 4): python benchmarks/face_edits.py FACES

FACES is what `scripts/make_faces.py` wrote: GAN latent edits, standing in for the paper's diffusion
edits. For each aspect the levels 1 to 10 are ranked by the effect of the concept that names it; the
error is the mean absolute difference of rank and level (Appendix C). Chance is 3.3 where ranks are
random; but an edit moves all pictures one way, and then any concept ranks the levels, forwards (0)
or backwards (5): read it with the concept's place among all words of the subject vocabulary.

"by pictures" asks what the encoder sees, whatever it is called: the direction is V_div of level 10
on half of the seeds, the levels are ranked on the others; the cosine is that of both halves.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finexl.bench.data.graded import read_levels
from finexl.bench.experiments.trials import plans_of
from finexl.concepts.vocabulary import vocabulary
from finexl.core.orthogonality import unit_rows
from finexl.encoders import load_encoder
from finexl.measure import Measure

OTHERWISE = {
    "a smiling face": ("visible teeth", "smiling"),
    "old": ("wrinkled skin", "elderly"),
    "eyeglasses": ("a person wearing glasses",),
    "a beard": ("a mustache", "facial hair"),
    "blond hair": ("golden hair",),
    "a man": ("masculine",),
}
"""What else an aspect may be called: says how much depends on the word."""
PROMPT = "a portrait photo of a person"
RESAMPLES = 1000

Array = NDArray[np.float64]


def rank_error(scores: Array) -> float:
    """Return the mean absolute difference of each level's rank and its place (Appendix C)."""
    ranks = scores.argsort().argsort()
    return float(np.abs(ranks - np.arange(len(scores))).mean())


def effects(divergences: Array, direction: Array, measure: Measure) -> Array:
    """Return a concept's effect on V_div, for each of (levels, d)."""
    inside = measure.inside(divergences)
    along: Array = inside @ unit_rows(measure.inside(direction[None]))[0] / measure.frame.scale
    return along


def resampled(pairs: Array, direction: Array, measure: Measure) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the rank error, over seeds."""
    each = np.stack([effects(level, direction, measure) for level in pairs])
    rng = np.random.default_rng(0)
    draws = rng.integers(each.shape[1], size=(RESAMPLES, each.shape[1]))
    low, high = np.quantile(
        [rank_error(each[:, draw].mean(axis=1)) for draw in draws], (0.025, 0.975)
    )
    return float(low), float(high)


def by_pictures(pairs: Array, measure: Measure) -> dict[str, float]:
    """Return how an aspect's V_div on half of the seeds ranks and resembles the other half's."""
    seen, told = pairs[:, ::2].mean(axis=1), pairs[:, 1::2].mean(axis=1)
    both = unit_rows(measure.inside(np.stack([seen[-1], told[-1]])))
    return {
        "rank error": round(rank_error(effects(told, seen[-1], measure)), 2),
        "cosine": round(float(both[0] @ both[1]), 2),
    }


def measured(aspect: str, pairs: Array, measure: Measure) -> dict[str, Any]:
    """Return what is found of one aspect's pair divergences (levels, seeds, d)."""
    texts = (aspect, *OTHERWISE[aspect])
    vectors = measure.vectors(texts).vectors
    means = pairs.mean(axis=1)
    words = tuple(dict.fromkeys((*texts, *(c.text for c in vocabulary("subject")))))
    inside = unit_rows(measure.inside(measure.vectors(words).vectors))
    alignment = inside @ unit_rows(measure.inside(means[-1][None]))[0]
    order = [words[place] for place in np.argsort(-alignment)]
    by_word = {
        text: round(rank_error(effects(means, vector, measure)), 2)
        for text, vector in zip(texts, vectors, strict=True)
    }
    scores = effects(means, vectors[0], measure)
    return {
        "concept": texts[0],
        "rank error": by_word[texts[0]],
        "interval": [round(end, 2) for end in resampled(pairs, vectors[0], measure)],
        "of a single seed": round(
            float(
                np.mean(
                    [rank_error(effects(one, vectors[0], measure)) for one in pairs.swapaxes(0, 1)]
                )
            ),
            2,
        ),
        "by other words": by_word,
        "by the length of V_div": round(
            rank_error(np.linalg.norm(measure.inside(means), axis=1)), 2
        ),
        "by pictures": by_pictures(pairs, measure),
        "effects": [round(float(score), 3) for score in scores],
        "cosine at level 10": round(float(alignment[words.index(texts[0])]), 3),
        "place among words": f"{order.index(texts[0]) + 1} of {len(order)}",
        "best words": order[:5],
    }


def main() -> None:
    """Print a line an aspect."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("faces", type=Path)
    parser.add_argument("--encoder", default="embedded")
    asked = parser.parse_args()
    encoder = load_encoder(asked.encoder)
    measure = Measure(encoder, "subspace", (PROMPT,), seed=0)
    for plan in plans_of("faces", read_levels(asked.faces), encoder, 1):
        trial = plan.make()
        pairs = np.stack([model.rows for model in trial.models])
        found = {"seeds": pairs.shape[1], **measured(plan.name, pairs, measure)}
        print(plan.name, json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
