"""Find the directions of examples/models/faces: from labelled faces to vectors in W.

    python scripts/fetch_faces.py work/faces
    python scripts/find_face_directions.py work/faces [--faces FOLDER] [--sheets FOLDER]

`scripts/faces/labels.csv` says what is seen in 400 faces, written by looking at them. --faces draws
those faces, --sheets each direction at scales -2 to 2, for looking at (torch, seconds a face).
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from faces.directions import Array, directions, held_out
from faces.mapping import noise, styles
from PIL import Image
from safetensors.numpy import load_file, save_file

ROOT = Path(__file__).parents[1]
LABELS = ROOT / "scripts" / "faces" / "labels.csv"
OUT = ROOT / "examples" / "models" / "faces"
SEED, TRUNCATION = 1, 0.8
"""Of the labelled faces."""
LOOKED_AT = (3, 5, 8)
SCALES = (-2, -1, 0, 1, 2)


def main() -> None:
    """Fit, write, and draw what is asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("--faces", type=Path)
    parser.add_argument("--sheets", type=Path)
    asked = parser.parse_args()
    tensors = load_file(asked.model / "model.safetensors")
    with LABELS.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    labels = {name: np.array([float(row[name]) for row in rows]) for name in list(rows[0])[1:]}
    mean = tensors["mean"]
    w = TRUNCATION * (styles(tensors, noise(len(rows), SEED)) - mean).astype(np.float64)
    found = directions(w, labels)
    OUT.mkdir(parents=True, exist_ok=True)
    for name, direction in found.items():
        save_file({"w": direction.astype(np.float32)}, OUT / f"{name}.safetensors")
        positive = int((labels[name] > labels[name].min()).sum())
        print(f"{name}: {positive} of {len(rows)}, held out {held_out(w, labels[name]):.2f}")
    if asked.faces:
        draw(asked.model, w + mean, asked.faces, "{:03d}.png")
    if asked.sheets:
        sheets(asked.model, found, asked.sheets)


def network(model: Path) -> Any:
    """Return the generator."""
    from safetensors.torch import load_file as load_weights

    from finexl.generators.gans.config import Config
    from finexl.generators.gans.stylegan2 import Generator

    opened = Generator(Config.read(model / "config.json"))
    opened.load_state_dict(load_weights(model / "model.safetensors"))
    return opened.eval()


def pictures(model: Path, w: Array) -> Iterable[Image.Image]:
    """Yield the pictures of styles, 256 pixels wide."""
    import torch

    opened = network(model)
    for row in w.astype(np.float32):
        with torch.inference_mode():
            drawn = opened.draw(torch.from_numpy(row[None]))[0].numpy()
        whole = ((drawn.clip(-1, 1) + 1) * 127.5).round().astype(np.uint8)
        yield Image.fromarray(whole.transpose(1, 2, 0)).resize((256, 256), Image.Resampling.BOX)


def draw(model: Path, w: Array, folder: Path, name: str) -> None:
    """Write each style's picture."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, picture in enumerate(pictures(model, w)):
        picture.save(folder / name.format(number))


def sheets(model: Path, found: dict[str, Array], folder: Path) -> None:
    """Write a sheet for each direction: a row a face, a column a scale."""
    folder.mkdir(parents=True, exist_ok=True)
    opened = load_file(model / "model.safetensors")
    faces = np.concatenate([noise(1, seed) for seed in LOOKED_AT])
    start = opened["mean"] + 0.7 * (styles(opened, faces) - opened["mean"])
    for name, direction in found.items():
        sheet = Image.new("RGB", (256 * len(SCALES), 256 * len(start)))
        edited = np.stack([one + scale * direction for one in start for scale in SCALES])
        for number, picture in enumerate(pictures(model, edited)):
            row, column = divmod(number, len(SCALES))
            sheet.paste(picture, (256 * column, 256 * row))
        sheet.save(folder / f"{name}.png")


if __name__ == "__main__":
    main()
