"""What is said of real models whose change is known: python benchmarks/real_pictures.py

Reads the data that nothing is fitted on: LoRAs off and on (lora_scale, by dataset), a subtle SDXL
LoRA (black_myth), and the models of sdxl_family that are for measuring, each split into two halves
that are compared unpaired (no difference should be detected). Prints also the antonyms' mean cosine
and r, for the encoder's card.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

import finexl
from finexl.concepts.vectors import frame_of, map_concepts
from finexl.concepts.vocabulary import neutral_prompts, vocabulary
from finexl.core.decompositions import DECOMPOSITIONS
from finexl.core.orthogonality import unit_rows
from finexl.encoders import load_encoder
from finexl.images import load_image

SPLITS = 25


def said(explanation: finexl.Explanation) -> dict[str, Any]:
    found = (*explanation.aspects, *explanation.less)
    pool = explanation.pool.alignment or ()
    return {
        "p": explanation.divergence.p_value,
        "aspects": [
            f"{a.concept} {a.score:+.2f}{' *' if a.significant else ''}"
            for a in sorted(found, key=lambda a: -abs(a.score))
        ],
        "residual": explanation.residual,
        "best aligned": [f"{a.concept} {a.cosine:+.2f}" for a in pool[:6]],
    }


def halves(data: Path) -> dict[str, Any]:
    """Compare random halves of one model's pictures with each other."""
    by_model: dict[str, list[Path]] = {}
    for entry in json.loads((data / "sdxl_family/images.json").read_text()):
        title, file = entry["title"], data / "sdxl_family/images" / entry["image"]
        if int(hashlib.sha256(title.encode()).hexdigest(), 16) % 2 == 0 and file.exists():
            by_model.setdefault(title, []).append(file)
    detected, tried = 0, 0
    for files in by_model.values():
        rows = load_encoder().embed_images([load_image(f) for f in files])
        for seed in range(SPLITS):
            order = np.random.default_rng(seed).permutation(len(rows))
            first, second = rows[order[: len(rows) // 2]], rows[order[len(rows) // 2 :]]
            explanation = finexl.explain(first, second, pairing="none", seed=seed)
            detected += bool(explanation.divergence.detected)
            tried += 1
    return {"halves of one model, unpaired": tried, "detected": detected}


def antonyms() -> dict[str, float]:
    encoder, template = load_encoder(), DECOMPOSITIONS["subspace"].template
    pairs = [(c.text, c.antonym) for c in vocabulary("style") if c.antonym and c.text < c.antonym]
    left, right = (
        unit_rows(map_concepts(encoder, texts, neutral_prompts(), template).vectors)
        for texts in zip(*pairs, strict=True)
    )
    return {
        "antonym pairs": len(pairs),
        "their mean cosine": round(float((left * right).sum(axis=1).mean()), 3),
        "r": round(frame_of(encoder, "subspace", template).scale, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    data = parser.parse_args().data
    sets = [*sorted((data / "lora_scale").glob("sd*")), data / "black_myth"]
    for folder in sets:
        explanation = finexl.explain(folder / "base", folder / "lora", pool=True)
        print(folder.name, json.dumps(said(explanation), ensure_ascii=False, indent=1))
    print(json.dumps(halves(data)))
    print(json.dumps(antonyms()))


if __name__ == "__main__":
    main()
