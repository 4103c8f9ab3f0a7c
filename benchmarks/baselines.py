"""What ViPer is compared with, where it trains: python benchmarks/baselines.py OUT

On `examples/models/scenes-diffusion`, 16 scenes without red in them, for somebody who likes red and
dislikes blue: textual inversion from twelve drawings of each, ZO-RankSGD ranked by a tiny CLIP, and
a LoRA rewarded by it. The CLIP is trained here, on drawings with words for parts of them. What the
images show is judged by `scripts/tiny/judge.py`, which knows nothing of it. OUT has all pictures;
what is there is not made again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from finexl.encoders import load_encoder
from finexl.generators import Job, Settings, load_generator, make_all
from finexl.generators.diffusers import Pipeline
from finexl.personalize import scenes
from finexl.personalize.examples import read_examples
from finexl.personalize.recipe import Recipe
from finexl.viper.baselines import inversion
from finexl.viper.baselines.oracles import by_similarity
from finexl.viper.baselines.ranksgd import Manner
from finexl.viper.baselines.rewarded import Rewarding, tune
from finexl.viper.baselines.searching import search
from finexl.viper.taste import Taste

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "scripts"))
MODEL = ROOT / "examples" / "models" / "scenes-diffusion"
MAKING = Settings(steps=12, guidance=3.0, device="cpu", dtype="float32", batch=8)
TASTE = Taste((("red", 1.0),), (("blue", 1.0),))
CLIP_STEPS, CLIP_PICTURES = 800, 1500
SEARCHED = 2
"""Prompts whose noise is searched."""


def asked() -> list[scenes.Scene]:
    """Return the scenes that images are made of: others than red, drawn once."""
    rng = np.random.default_rng(7)
    others = [scene for scene in scenes.SCENES if scene.colour != "red"]
    return [others[i] for i in rng.permutation(len(others))[:16]]


def drawings(folder: Path, colour: str) -> Path:
    """Draw twelve pictures of one color."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(sum(map(ord, colour)))
    for number in range(12):
        scene = replace(scenes.sample(rng), colour=colour)
        scenes.draw(scene).save(folder / f"{number}.png")
    return folder


def train_clip(folder: Path) -> float:
    """Train a CLIP on drawings; return how often it tells the color of others, of six."""
    import torch
    import transformers

    wide = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 3,
            "num_attention_heads": 4}  # fmt: skip
    tokenizer = transformers.CLIPTokenizer.from_pretrained(MODEL / "tokenizer")
    if not (folder / "model.safetensors").is_file():
        shutil.copytree(MODEL / "tokenizer", folder, dirs_exist_ok=True)
        torch.manual_seed(0)
        text = {**wide, "vocab_size": len(tokenizer), "max_position_embeddings": 24,
                "bos_token_id": tokenizer.bos_token_id, "pad_token_id": tokenizer.pad_token_id,
                "eos_token_id": tokenizer.eos_token_id, "projection_dim": 32}  # fmt: skip
        vision = {**wide, "image_size": 32, "patch_size": 8, "projection_dim": 32}
        config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=32)
        model = transformers.CLIPModel(config).train()
        adam = torch.optim.AdamW(model.parameters(), lr=1e-3)
        rng = np.random.default_rng(0)
        drawn = [scenes.sample(rng) for _ in range(CLIP_PICTURES)]
        shown = torch.tensor(np.array([np.asarray(scenes.draw(scene)) for scene in drawn]))
        for step in range(CLIP_STEPS):
            rng = np.random.default_rng([0, step])
            chosen = rng.permutation(CLIP_PICTURES)[:48]
            some = [drawn[i] for i in chosen]
            pixels = shown[chosen].permute(0, 3, 1, 2).float() / 127.5 - 1
            words = tokenizer([told(s, rng) for s in some], padding=True, return_tensors="pt")
            loss = model(**words, pixel_values=pixels, return_loss=True).loss
            adam.zero_grad()
            loss.backward()
            adam.step()
        model.save_pretrained(folder)
        preparing = {"image_processor_type": "CLIPImageProcessor", "do_resize": True,
                     "size": {"shortest_edge": 32}, "do_center_crop": False, "resample": 3,
                     "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
                     "image_mean": [0.5] * 3, "image_std": [0.5] * 3,
                     "do_convert_rgb": True}  # fmt: skip
        (folder / "preprocessor_config.json").write_text(json.dumps(preparing))
    encoder, rng = load_encoder(str(folder), threads=1), np.random.default_rng(10**6)
    some, colours = [scenes.sample(rng) for _ in range(200)], list(scenes.COLOURS)
    near = encoder.embed_images([scenes.draw(s) for s in some]) @ encoder.embed_texts(colours).T
    right = [colours[i] == s.colour for i, s in zip(near.argmax(axis=1), some, strict=True)]
    return float(np.mean(right))


def told(scene: scenes.Scene, rng: np.random.Generator) -> str:
    """Return words for a scene, or for a part of it."""
    whole = scenes.caption(scene)
    parts = (whole, whole, scene.colour, f"{scene.colour} {scene.shape}", scene.shape,
             f"{scene.background} background")  # fmt: skip
    return str(parts[rng.integers(len(parts))])


def judged(images: Sequence[Image.Image], wanted: Sequence[scenes.Scene]) -> dict[str, float]:
    """Return shares: red, and of what was asked for; and how far from any drawing."""
    from tiny.judge import judge, mark

    marks = mark(images, wanted)
    red = np.mean([judge(image).scene.colour == "red" for image in images])
    return {
        "red": float(red),
        **{name: getattr(marks, name) for name in ("colour", "shape", "background", "error")},
    }


def made(model: Any, folder: Path) -> dict[str, float]:
    """Make the 16 images and judge them."""
    wanted = asked()
    jobs = [Job(scenes.caption(scene), seed) for seed, scene in enumerate(wanted)]
    images = [picture.open() for picture in make_all(model, jobs, folder).pictures]
    sheet = np.concatenate([np.asarray(image) for image in images], axis=1)
    Image.fromarray(np.concatenate(np.split(sheet, 2, axis=1))).save(f"{folder}.png")
    return judged(images, wanted)


def by_inversion(out: Path) -> dict[str, Any]:
    """Learn the two words, and say them."""
    sides = {
        side: read_examples([str(drawings(out / "drawn" / colour, colour))], "")
        for side, colour in (("liked", "red"), ("disliked", "blue"))
    }
    recipe = Recipe(method="inversion", levels=(100,), batch=4, learning_rate=5e-3, start="shape")
    training = Settings(device="cpu", dtype="float32")
    inversion.learn(str(MODEL), sides, recipe, out / "words", training)
    shutil.rmtree(out / "one", ignore_errors=True)
    shutil.copytree(out / "words" / "liked", out / "one" / "liked")
    found = {}
    for name, words in (("both words", out / "words"), ("the liked word alone", out / "one")):
        model = inversion.load(f"diffusers:{MODEL}", words, MAKING)
        found[name] = made(model, out / f"inversion-{words.name}")
    return found


def by_ranking(out: Path, clip: Path) -> dict[str, Any]:
    """Search the noise of the first few."""
    base, wanted = Pipeline(str(MODEL), MAKING), asked()[:SEARCHED]
    oracle = by_similarity(TASTE, str(clip))
    found: dict[str, Any] = {}
    for name, manner in (
        ("ours", Manner()),
        ("wide", Manner(smoothing=0.3, step=1.0)),
    ):
        done = [
            search(base, Job(scenes.caption(scene), seed), oracle, out / f"search-{name}-{seed}",
                   manner, 12)
            for seed, scene in enumerate(wanted)
        ]  # fmt: skip
        start = [Image.open(one.best.with_name("start.png")) for one in done]
        best = [Image.open(one.best) for one in done]
        sheet = [np.concatenate([np.asarray(i) for i in row], axis=1) for row in (start, best)]
        Image.fromarray(np.concatenate(sheet)).save(out / f"search-{name}.png")
        found[name] = {
            "before": {**judged(start, wanted), "similarity": float(oracle.scores(start).mean())},
            "after": {**judged(best, wanted), "similarity": float(oracle.scores(best).mean())},
            "moves": [one.moves for one in done],
            "spread": [round(one.spread, 3) for one in done],
        }
    return found


def by_reward(out: Path, clip: Path) -> dict[str, Any]:
    """Reward a LoRA, and look at every level."""
    rng = np.random.default_rng(8)
    others = [scene for scene in scenes.SCENES if scene not in asked() and scene.colour != "red"]
    prompts = [scenes.caption(others[i]) for i in rng.permutation(len(others))[:40]]
    measured = [scenes.caption(scene) for scene in asked()[:4]]
    rewarding = Rewarding(prompts, TASTE, 1, measured, 3)
    recipe = Recipe(rank=8, levels=(10, 20, 40), batch=4, learning_rate=1e-3)
    done = tune(str(MODEL), load_encoder(str(clip), threads=1), rewarding, recipe, out / "reward",
                replace(MAKING, batch=None))  # fmt: skip
    found: dict[str, Any] = {"notes": list(done.notes)}
    for level in done.levels:
        model = load_generator(level.model, MAKING)
        marks = made(model, out / f"reward-{level.steps}")
        found[f"{level.steps} steps"] = {**asdict(level), **marks, "model": ""}
    return found


def once(path: Path, find: Callable[[], dict[str, Any]]) -> None:
    """Find, write and print; print what was found before."""
    if not path.is_file():
        started = time.process_time()
        found = find()
        minutes = (time.process_time() - started) / 60
        path.write_text(json.dumps({**found, "core_minutes": round(minutes, 1)}, indent=1))
    print(path.stem, path.read_text(), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    out: Path = parser.parse_args().out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    clip = out / "clip"
    once(out / "clip.json", lambda: {"tells colors": train_clip(clip)})
    once(out / "plain.json", lambda: made(load_generator(f"diffusers:{MODEL}", MAKING), out / "x"))
    once(out / "inversion.json", lambda: by_inversion(out))
    once(out / "reward.json", lambda: by_reward(out, clip))
    once(out / "ranking.json", lambda: by_ranking(out, clip))


if __name__ == "__main__":
    main()
