"""The conditional GAN: captions to pictures in one pass.

What a scene's caption leaves open, where the shape is and how large, is given to it as the first
numbers of z. So every drawing is the one right answer to its caption and z, and the generator
learns most of what it knows from drawings, in a tenth of the time that the game alone takes. Then
the discriminator joins, and the two play on, the drawings still holding the generator's hand: the
discriminator is what a personalization needs.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from scipy.special import ndtri
from torch import Tensor

from finexl.generators import Job, Settings
from finexl.generators.gan import Gan, load
from finexl.generators.gans import folder as folders
from finexl.generators.gans.conditional import Discriminator, Generator
from finexl.generators.gans.config import Config
from finexl.images import Picture
from finexl.personalize import scenes
from finexl.personalize.adversarial import Game, descend, rivals_of
from finexl.personalize.examples import Example
from finexl.personalize.recipe import Recipe
from finexl.personalize.scenes import Scene
from finexl.personalize.training import personalize
from tiny import data, training, words
from tiny.training import Averaged

PICTURES = 12288
STEPS = 2400
WARM = 1400
"""So many steps the generator learns by drawings alone."""
BATCH = 32, 16
"""Pictures in a step, before and after that."""
RATES = 2e-3, 1e-3
"""Of the generator's and the discriminator's Adam."""
BETAS = 0.5, 0.99
R1 = 1.0
DRAWN = 50.0
"""How much a grey level's difference to the drawing counts beside what the discriminator says."""
PLACE = 3
"""So many of z's numbers say where the shape is and how large: across, down, radius."""
DECAY = 0.99
STRIPED = Recipe(method="full", learning_rate=2e-4, batch=16)
"""How it is personalized for its card."""
CONFIG = {
    "architecture": "conditional",
    "conditioning": "text",
    "length": 12,
    "z": 32,
    "w": 128,
    "text": 64,
    "channels": [128, 96, 48, 24],
    "discriminator": [48, 96, 192],
    "features": 192,
    "r1": R1,
    "anchor": 40.0,
}


def write_settings(folder: Path) -> Config:
    """Write the model's settings and its words, and return them as they are read."""
    folder.mkdir(parents=True, exist_ok=True)
    table = {word: number for number, word in enumerate(words.vocabulary(), 1)}
    for name, value in (("config.json", CONFIG), ("vocabulary.json", table)):
        (folder / name).write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    return Config.read(folder / "config.json")


def place(scene: Scene) -> list[float]:
    """Return where a scene's shape is and how large, as standard normal numbers."""
    span = scenes.RADII[-1] - scenes.RADII[0]
    shares = (
        (scene.x + scenes.STEP) / (2 * scenes.STEP),
        (scene.y + scenes.STEP) / (2 * scenes.STEP),
        (scene.radius - scenes.RADII[0]) / span,
    )
    return [float(ndtri(min(max(share, 0.001), 0.999))) for share in shares]


def opened(reference: str | Path) -> Gan:
    """Return a folder's model, or that of a reference, on one processor."""
    text = f"gan:{reference}" if isinstance(reference, Path) else reference
    return load(text, Settings(device="cpu"))


def made(model: Gan, prompts: Sequence[str]) -> list[Image.Image]:
    """Make one picture for every prompt, each from a seed of its own."""
    found = model.make([Job(prompt, seed) for seed, prompt in enumerate(prompts)])
    return [one.image for one in found if one.image is not None]


def networks(folder: Path) -> tuple[Any, Any]:
    """Return a folder's generator and discriminator."""
    config = folders.checked(folder)
    return folders.generator(config), folders.discriminator(config, seed=0)


def personalized(folder: Path, out: Path) -> Mapping[int, str]:
    """Personalize a folder's model on striped scenes; return each level's reference."""
    random = np.random.default_rng(8)
    examples = []
    for number in range(1024):
        scene = scenes.sample(random)
        picture = Picture(str(number), scenes.draw(scene, style="striped"))
        examples.append(Example(picture, scenes.caption(scene), 1 / 1024))
    settings = Settings(device="cpu")
    return personalize(f"gan:{folder}", examples, STRIPED, out, settings).levels


class Training:
    """Both networks with their optimizers, and a step of them."""

    def __init__(self, config: Config) -> None:
        torch.manual_seed(6)
        self.generator, self.discriminator = Generator(config), Discriminator(config)
        for network in (self.generator, self.discriminator):
            network.to(memory_format=torch.channels_last)  # faster on a processor
        self.networks: dict[str, Any] = {
            "generator": self.generator,
            "discriminator": self.discriminator,
        }
        self.optimizers = {
            name: torch.optim.Adam(network.parameters(), lr=rate, betas=BETAS)
            for (name, network), rate in zip(self.networks.items(), RATES, strict=True)
        }
        pair = self.optimizers["generator"], self.optimizers["discriminator"]
        self.game = Game(self.generator, self.discriminator, pair, R1)
        self.average = Averaged(DECAY)
        random = np.random.default_rng(7)
        found = [scenes.sample(random) for _ in range(PICTURES)]
        self.images = data.tensor(np.stack([scenes.render(scene) for scene in found]))
        self.places = torch.tensor([place(scene) for scene in found])
        self.captions = [scenes.caption(scene) for scene in found]
        (self.conditions,) = self.generator.condition(self.captions)

    def step(self, step: int) -> float:
        """Take a step; return the generator's loss."""
        for optimizer, rate in zip(self.optimizers.values(), RATES, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate * min(1.0, (STEPS - step) / (0.4 * STEPS))
        random = torch.Generator().manual_seed(step)
        rows = torch.randint(PICTURES, (BATCH[step >= WARM],), generator=random)
        real = self.images[rows].contiguous(memory_format=torch.channels_last)
        condition = (self.conditions[rows],)
        noise = torch.randn(len(rows), self.generator.noise, generator=random)
        noise[:, :PLACE] = self.places[rows]

        def off(fake: Sequence[Tensor]) -> Tensor:
            return DRAWN * (fake[-1] - real).abs().mean()

        if step < WARM:
            loss = off(self.generator(noise, condition)[0])
            descend(loss, self.optimizers["generator"])
            found = float(loss.detach())
        else:
            rivals = torch.from_numpy(rivals_of([self.captions[row] for row in rows.tolist()]))
            found, _ = self.game.play(step, [real], condition, noise, rivals, off)
        self.average.update(list(self.generator.parameters()), step + 1)
        return found

    def state(self, step: int, spent: float) -> dict[str, Any]:
        """Return all that a later attempt needs."""
        return {
            "networks": {name: one.state_dict() for name, one in self.networks.items()},
            "optimizers": {name: one.state_dict() for name, one in self.optimizers.items()},
            "average": self.average.values,
            "step": step,
            "spent": spent,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up where an earlier attempt ended."""
        for name in self.networks:
            self.networks[name].load_state_dict(state["networks"][name])
            self.optimizers[name].load_state_dict(state["optimizers"][name])
        self.average.values = state["average"]


def make(folder: Path, seconds: float) -> bool:
    """Train both networks and write the model; say whether it is done."""
    run = Training(write_settings(folder))
    path = training.STATES / "gan.pt"
    step, before = 0, 0.0
    if path.exists():
        state = torch.load(path, weights_only=True)
        run.restore(state)
        step, before = state["step"], state["spent"]

    def save() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        spent = before + time.monotonic() - started
        torch.save(run.state(step, spent), path.with_suffix(".part"))
        path.with_suffix(".part").replace(path)
        print(f"gan: {step}/{STEPS}, {spent:.0f} s, loss {loss:.3f}", flush=True)

    started = saved = time.monotonic()
    loss = math.nan
    while step < STEPS:
        loss = run.step(step)
        step += 1
        if time.monotonic() - saved > training.EVERY:
            saved = time.monotonic()
            save()
        if time.monotonic() - started >= seconds:
            break
    save()
    if step < STEPS:
        return False
    for weight, mean in zip(run.generator.parameters(), run.average.values, strict=True):
        weight.data.copy_(mean)
    for name, network in (("model", run.generator), ("discriminator", run.discriminator)):
        weights = {key: value.half().contiguous() for key, value in network.state_dict().items()}
        save_file(weights, folder / f"{name}.safetensors", metadata={"format": "pt"})
        (folder / f"{name}.safetensors").chmod(0o644)  # it is written for the owner alone
    return True
