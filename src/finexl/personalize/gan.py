"""A GAN in training: all of its generator, against its discriminator (§5, Appendix C).

Both networks go on from where the folder left them; without a discriminator in it, a fresh one has
to learn the pictures first. ControlGAN's text encoder stays as it is, as in its own training; its
perceptual and word-level losses, which need networks that are no part of the model (VGG-16,
Inception), are left out. Batch normalization's running statistics are part of the state.

Where a model's settings give an `anchor` λ, the personalized pictures G' keep, coarsely, what the
base's G shows for the same noise and caption, as in few-shot adaptation (Ojha et al. 2021):

    λ · (1 − corr(pool G'(z, c), pool G(z, c))),    pool: means over an 8 x 8 grid
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finexl.errors import UsageError
from finexl.generators import Settings
from finexl.generators.gan import Gan, load
from finexl.generators.gans import folder as folders
from finexl.generators.gans.networks import OnTorch
from finexl.personalize.adversarial import Game, rivals_of
from finexl.personalize.examples import Example
from finexl.personalize.recipe import Recipe

BETAS = (0.5, 0.999)
"""Of Adam: those of ControlGAN and of most GANs; with 0.9 both networks overshoot each other."""
FASTER = 4.0
"""The discriminator's learning rate, of the generator's (Heusel et al. 2017): it has to know what
captions say of the new pictures before the generator forgets what they said of the old ones."""
STRONGEST = 1e6
"""The largest γ and λ."""
GRID = 8


def trainee(
    base: str, examples: Sequence[Example], recipe: Recipe, settings: Settings
) -> tuple[Gan, Player]:
    """Return a GAN as it makes images, and as it is trained.

    Args:
        base: a folder or hub id, as after `gan:`.
        examples: images with captions.
        recipe: what is trained and how.
        settings: device and precision.

    Raises:
        UsageError: no such model, or one that cannot be trained so.
        PrerequisiteError: an extra or the model is missing.
    """
    if recipe.method != "full":
        raise UsageError(
            f"{base} is a GAN, which is trained as a whole (method full), not by {recipe.method}."
        )
    if recipe.batch < 2:
        raise UsageError(
            "A GAN is trained on several images a step, to tell captions that match from others; "
            "give a batch of 8 or 16."
        )
    source = load(f"gan:{base}", settings)
    if not isinstance(source.network, OnTorch) or source.edits:
        raise UsageError(f"{base} cannot be trained; give a GAN's folder, without any edit.")
    if source.network.dtype != "float32":
        raise UsageError(f"{base} is trained in float32, not in {source.network.dtype}.")
    return source, Player(source.network, examples, recipe)


class Player:
    """Both networks of a GAN. See `training.Trainee`."""

    def __init__(self, network: OnTorch, examples: Sequence[Example], recipe: Recipe) -> None:
        from torch.optim import Adam

        self.config, self.examples, self.recipe = network.config, examples, recipe
        self.device = network.device
        self.generator = network.opened.train()
        self.discriminator = folders.discriminator(self.config, recipe.seed).to(self.device).train()
        sizes: tuple[int, ...] = self.generator.sizes
        if recipe.size not in (None, sizes[-1]):
            raise UsageError(
                f"{self.config.folder} makes images of {sizes[-1]} pixels, and is trained on no "
                "others; leave the size out."
            )
        self.sizes = sizes
        self.optimizers = tuple(
            Adam(list(one.parameters()), lr=recipe.learning_rate * faster, betas=BETAS)
            for one, faster in ((self.generator, 1.0), (self.discriminator, FASTER))
        )
        self.game = Game(
            self.generator,
            self.discriminator,
            (self.optimizers[0], self.optimizers[1]),
            self.config.amount("r1", most=STRONGEST),
        )
        self.anchor = self.config.amount("anchor", most=STRONGEST)
        self.base = deepcopy(self.generator).eval() if self.anchor > 0 else None
        networks = {"generator": self.generator, "discriminator": self.discriminator}
        self.trained = {
            f"{name}.{key}": tensor
            for name, one in networks.items()
            for key, tensor in one.state_dict(keep_vars=True).items()
        }
        self._pictures: dict[int, list[Any]] = {}

    def step(self, step: int) -> float:
        """Take a step of both networks; return the generator's loss and the discriminator's."""
        import torch

        rng = np.random.default_rng([self.recipe.seed, step])
        weights = np.array([example.weight for example in self.examples])
        chosen = rng.choice(len(weights), self.recipe.batch, p=weights / weights.sum())
        captions = [self.examples[int(i)].caption for i in chosen]
        noise = rng.standard_normal((len(chosen), self.generator.noise), dtype=np.float32)
        stages = zip(*(self._picture(int(i)) for i in chosen), strict=True)
        condition = self.generator.condition(captions)
        drawn = torch.from_numpy(noise).to(self.device)
        kept = None
        if self.base is not None:
            with torch.no_grad():
                kept = self.base(drawn, condition)[0][-1]
        losses = self.game.play(
            step,
            [torch.stack(one).to(self.device) for one in stages],
            condition,
            drawn,
            torch.from_numpy(rivals_of(captions, self.config.read_by(captions))).to(self.device),
            None if kept is None else lambda made: self.anchor * unlike(made[-1], kept),
        )
        return sum(losses)

    def keep(self, folder: Path) -> None:
        """Write both networks, as `gan:FOLDER` and a further training open them."""
        folders.write(folder, self.config, self.generator, self.discriminator)

    def reference(self, folder: Path) -> str:
        """Return `gan:FOLDER`."""
        return f"gan:{folder}"

    def _picture(self, index: int) -> list[Any]:
        """Return an image in each of the model's sizes, (3, s, s) in [-1, 1]."""
        import torch
        from PIL import ImageOps

        if index not in self._pictures:
            picture = self.examples[index].picture.open()
            found = []
            for size in self.sizes:
                fitted = ImageOps.fit(picture.convert("RGB"), (size, size))
                pixels: NDArray[np.float32] = np.asarray(fitted, np.float32) / 127.5 - 1
                found.append(torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1))))
            self._pictures[index] = found
        return self._pictures[index]


def unlike(pictures: Any, others: Any) -> Any:
    """Return one minus the correlation of pictures' coarse colours, the mean over (n, 3, s, s)."""
    from torch.nn import functional

    def coarse(shown: Any) -> Any:
        flat = functional.adaptive_avg_pool2d(shown, GRID).flatten(1)
        return flat - flat.mean(1, keepdim=True)

    return 1 - functional.cosine_similarity(coarse(pictures), coarse(others)).mean()
