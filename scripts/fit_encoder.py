"""Fit the embedded encoder: python scripts/fit_encoder.py --data ../shared/data

Needs the `fit` extra (torch first: pip install torch==2.13.0). About 15 minutes on two cores; every
stage keeps what it made under --work and is not repeated. Writes the weights into the package and
scripts/encoder/manifest.json with the digests and the figures.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from encoder import export, features, levels, measure, pictures
from encoder.fetch import WHEELS, fetch
from encoder.fit import Reduction, Settings
from encoder.supervision import WEIGHTS, Supervision
from numpy.typing import NDArray
from safetensors.numpy import save_file

from finexl.cache import ArrayCache
from finexl.concepts.vectors import SHIPPED, frame_of, map_concepts
from finexl.concepts.vocabulary import distractors, neutral_prompts, vocabulary
from finexl.core.decompositions import DECOMPOSITIONS
from finexl.encoders.appearance import SIZE
from finexl.encoders.embedded import WEIGHTS as PACKAGE
from finexl.encoders.embedded import Embedded
from finexl.operators import OPERATORS

ROOT = Path(__file__).parents[1]
Array = NDArray[np.float64]
STRONG = 0.8
"""Levels from here on count as full strength, less the proportion that is missing."""
MANIFEST = Path(__file__).parent / "encoder" / "manifest.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--work", type=Path, default=ROOT / "work" / "fit")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument(
        "--figures-only",
        action="store_true",
        help="cross-validate and measure levels, write no weights",
    )
    parser.add_argument("--vectors-only", action="store_true", help="map changed word lists anew")
    options = parser.parse_args()
    if options.vectors_only:
        _write_vectors()
        return
    options.work.mkdir(parents=True, exist_ok=True)
    started = time.time()

    networks = _networks(options.work)
    known, image_mean = _known(options.data, options.work, networks, options.processes)
    settings = Settings()
    fit = partial(measure.fitted, known, settings)
    found = _figures(known, fit)
    if options.figures_only:
        found |= _level_figures(known, fit, networks, options.data, options.work)
    print(json.dumps(found, indent=1))
    known.sentences.save()
    if options.figures_only:
        return
    scale = _write_weights(known, settings, networks, options.work, image_mean)
    _write_vectors()
    names = pictures.everything(options.data)
    manifest = {
        "parts": {part: [w.requirement, w.sha256] for part, w in WHEELS.items()},
        "pictures": len(names),
        "pictures_digest": features.digest_of_files(options.data, names),
        "labels_digest": features.digest_of_files(
            pictures.LABELS, sorted(p.name for p in pictures.LABELS.glob("*.csv"))
        ),
        "operators": len(OPERATORS),
        "settings": vars(settings),
        "weights": WEIGHTS,
        "image_scale": scale,
        "figures": found,
        "revision": Embedded().revision,
        "code": _commit(),
        "minutes": round((time.time() - started) / 60, 1),
    }
    MANIFEST.write_text(json.dumps(manifest, indent=1) + "\n")


def _networks(work: Path) -> Path:
    """Export the networks; return the folder with them."""
    weights = work / "networks"
    if not (weights / "tokenizer.json").exists():
        weights.mkdir(exist_ok=True)
        export.export_image_model(fetch("backbone", work / "parts"), weights / "image.onnx", SIZE)
        text = fetch("text", work / "parts")
        export.export_text_model(text / "model.safetensors", weights / "text.onnx")
        shutil.copy(text / "tokenizer.json", weights / "tokenizer.json")
    return weights


def _known(data: Path, work: Path, weights: Path, processes: int) -> tuple[Supervision, Array]:
    looked_at, changed = work / "pictures.npz", work / "operators.npz"
    if not looked_at.exists():
        found = features.picture_features(weights, data, pictures.everything(data))
        np.savez(looked_at, names=np.array(list(found)), rows=np.array(list(found.values())))
    if not changed.exists():
        bases = pictures.operator_bases(data)
        np.savez(changed, **features.operator_features(weights, data, bases, processes))
    with np.load(looked_at) as kept:
        rows = dict(zip(kept["names"].tolist(), kept["rows"].astype(np.float64), strict=True))
    with np.load(changed) as kept:
        operators = {name: kept[name] for name in kept.files}
    plain = np.array([rows[name] for name in pictures.photographs(data)])
    references = {slug for s in pictures.styles(data) for slug in (s.slug, s.reference)}
    styled = np.array(
        [
            rows[pictures.style_picture(slug, scene)]
            for slug in sorted(references)
            for scene in pictures.STYLE_SCENES
        ]
    )
    spread = np.concatenate([operators["difference"], styled - styled.mean(axis=0)])
    reduction = Reduction.of(spread, plain)
    sentences = features.Sentences(weights, work / "sentences.npz", neutral_prompts())
    known = Supervision(
        data,
        reduction,
        {name: reduction(row) for name, row in rows.items()},
        {**operators, "difference": reduction(operators["difference"].astype(np.float64))},
        sentences,
    )
    return known, plain.mean(axis=0)


def _figures(known: Supervision, fit: measure.Fit) -> dict[str, Any]:
    parts, splits = measure.STYLE_PARTS, measure.SPLITS
    return {
        "styles, all held out at once": measure.rank_styles(known, fit, 1),
        "styles, 2-fold": measure.rank_styles(known, fit, 2),
        "styles, 10-fold": measure.rank_styles(known, fit, parts),
        "styles, 10-fold, mean of three divisions": measure.rank_styles(known, fit, parts, splits),
        "a viewer's words, 10-fold, mean of three divisions": measure.rank_words(known, fit),
        "operators, 8-fold": measure.rank_operators(known, fit),
        "operators against their opposites": measure.opposites(known, fit),
        "text side": measure.text_side(known, fit),
    }


def _level_figures(
    known: Supervision, fit: measure.Fit, networks: Path, data: Path, work: Path
) -> dict[str, Any]:
    """Rank ascending levels on photographs that are for measuring only: 5 minutes, once."""

    def reduced(changes: NDArray[np.float32]) -> Array:
        return known.reduction(changes.astype(np.float64))

    operators = levels.operator_levels(networks, data, work / "levels.npz")
    found = {"levels of operators": measure.operator_levels(known, fit, reduced(operators))}
    store = work / "stylised_levels.npz"
    stylised = levels.stylised_levels(networks, data, store, work / "parts")
    if stylised is not None:
        words = [f"{movement} painting" for movement in stylised.movements]
        changes = reduced(stylised.changes)
        found["levels of stylisations"] = measure.stylised_levels(known, fit, changes, words)
    return found


def _write_weights(
    known: Supervision, settings: Settings, networks: Path, work: Path, image_mean: Array
) -> float:
    """Fit on everything and write the package's weights; return the image map's scale.

    Image differences and text differences come out on scales of their own. The image map is scaled
    so that the median operator at full strength moves the images along its own words by r, the
    vocabulary's median length: a score of 1 is then an effect of that size.
    """
    image_map, text_map = measure.fitted(known, settings)
    PACKAGE.mkdir(exist_ok=True)
    for file in ("image.onnx", "text.onnx", "tokenizer.json"):
        shutil.copy(networks / file, PACKAGE / file)
    maps = {
        "image": known.reduction.matrix @ image_map,
        "image_mean": image_mean,
        "text": text_map,
        "text_mean": known.sentences(list(neutral_prompts())).mean(axis=0),
    }
    _save_maps(maps)
    template = DECOMPOSITIONS["subspace"].template
    frame = frame_of(Embedded(), "subspace", template, cache=ArrayCache(work / "concepts"))
    matrix = frame.subspace.matrix
    reached = []
    for name in OPERATORS:
        strong = (known.operators["operator"] == name) & (known.operators["level"] >= STRONG)
        level = known.operators["level"][strong].mean()
        moved = known.operators["difference"][strong].mean(axis=0) @ image_map @ matrix.T / level
        words = known.sentences.mean_difference(OPERATORS[name].phrases) @ text_map @ matrix.T
        reached.append(moved @ words / np.linalg.norm(words))
    scale = frame.scale / float(np.median(reached))
    _save_maps({**maps, "image": maps["image"] * scale})
    return scale


def _save_maps(maps: dict[str, Array]) -> None:
    stored = {name: np.ascontiguousarray(value, np.float32) for name, value in maps.items()}
    save_file(stored, PACKAGE / "maps.safetensors")


def _write_vectors() -> None:
    """Map the built-in lists under the neutral prompts, in both ways of writing t ∪ C."""
    texts = [concept.text for concept in vocabulary("all")] + list(distractors())
    for file in SHIPPED.folder.glob("*.safetensors"):
        file.unlink()
    for template in sorted({method.template for method in DECOMPOSITIONS.values()}):
        map_concepts(Embedded(), texts, neutral_prompts(), template, cache=SHIPPED)


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    main()
