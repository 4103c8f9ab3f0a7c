"""How fast each kind of encoder is: python benchmarks/encoders.py [--images 48] [--threads 1]

Models of the real sizes with random weights, built here: speed depends on no weight.
Prints images and texts per second through FineXL, and how much longer that takes than the bare
model's forward pass on inputs that were prepared before. Needs the `torch` extra.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image

from finexl.encoders import load_encoder

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from tiny_models import CLIP_PREPROCESSING, save_tokenizer

TEXT = "a photo of a cat, vivid"


def save_clip_b32(folder: Path) -> None:
    """CLIP ViT-B/32 as OpenAI built it, but for the small vocabulary."""
    config = transformers.CLIPConfig()
    config.text_config.vocab_size = 1000
    config.text_config.eos_token_id, config.text_config.bos_token_id = 2, 1
    _save(transformers.CLIPModel(config), folder, CLIP_PREPROCESSING, 224)


def save_siglip_b16(folder: Path) -> None:
    """SigLIP base, 16-px patches, but for the small vocabulary."""
    config = transformers.SiglipConfig()
    config.text_config.vocab_size = 1000
    settings = {**CLIP_PREPROCESSING, "image_processor_type": "SiglipImageProcessor"}
    _save(transformers.SiglipModel(config), folder, settings, 224)


def _save(model: Any, folder: Path, settings: dict[str, Any], side: int) -> None:
    square = {"height": side, "width": side}
    size = square if "Siglip" in settings["image_processor_type"] else {"shortest_edge": side}
    model.save_pretrained(folder)
    save_tokenizer(folder)
    found = {**settings, "size": size, "crop_size": square}
    (folder / "preprocessor_config.json").write_text(json.dumps(found))


def seconds(work: Callable[[], object]) -> float:
    """Return the best of three, after a warm-up: the machine only ever adds."""
    work()
    times = []
    for _ in range(3):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def measure(folder: Path, n: int, threads: int) -> dict[str, float]:
    encoder: Any = load_encoder(str(folder), threads=threads)
    rng = np.random.default_rng(0)
    pictures = [
        Image.fromarray(rng.integers(0, 256, (512, 512, 3), dtype=np.uint8)) for _ in range(n)
    ]
    texts = [TEXT] * (4 * n)
    images_s = seconds(lambda: encoder.embed_images(pictures))
    texts_s = seconds(lambda: encoder.embed_texts(texts))
    model = encoder._model
    pixels = encoder._image_processor(images=pictures, return_tensors="pt")["pixel_values"]
    padding = "longest" if encoder._family == "clip" else "max_length"
    tokens = encoder._tokenizer(texts, padding=padding, max_length=16, return_tensors="pt")

    def bare_images() -> None:
        for batch in pixels.split(16):
            model.get_image_features(pixel_values=batch)

    def bare_texts() -> None:
        for start in range(0, len(texts), 128):
            model.get_text_features(**{k: v[start : start + 128] for k, v in tokens.items()})

    with torch.inference_mode():
        bare_images_s, bare_texts_s = seconds(bare_images), seconds(bare_texts)
    return {
        "images per s": round(n / images_s, 1),
        "images, times the bare forward pass": round(images_s / bare_images_s, 2),
        "texts per s": round(len(texts) / texts_s, 1),
        "texts, times the bare forward pass": round(texts_s / bare_texts_s, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(options.threads)
    kinds = {"CLIP ViT-B/32": save_clip_b32, "SigLIP B/16": save_siglip_b16}
    for name, save in kinds.items():
        with tempfile.TemporaryDirectory() as scratch:
            save(Path(scratch))
            print(name, json.dumps(measure(Path(scratch), options.images, options.threads)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of this process: {peak:,.0f} MB")


if __name__ == "__main__":
    main()
