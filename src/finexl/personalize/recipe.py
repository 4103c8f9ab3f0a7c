"""How a model is personalized: what is trained, how fast, and at which steps it is kept."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any, Literal, get_args

from finexl.errors import UsageError

Method = Literal["lora", "full", "detokenizer", "directions", "inversion"]
METHODS: tuple[str, ...] = get_args(Method)
MOST_VECTORS = 32
_TAKEN_FOR = re.compile("lora|hada|lokr|alpha")
LEVELS = tuple(range(20, 201, 20))
"""The paper's ten levels, in training steps (Appendix C)."""


@dataclass(frozen=True)
class Recipe:
    """The settings of a training run; the same recipe, images and base, the same weights."""

    method: Method = "lora"
    """"lora": adapters on the attention; "full": all weights of what makes the image (U-Net,
    generator, transformer); "detokenizer": an autoregressive model's image decoder alone;
    "directions": what can be added to a diffusion model's noise, learned without captions;
    "inversion": a new word for a diffusion model's text encoders (textual inversion)."""
    rank: int = 8
    """Of the adapters."""
    directions: int = 10
    """How many are learned, with the method of that name."""
    word: str = "learned-word"
    """What a new word is called by in prompts, with textual inversion."""
    vectors: int = 1
    """Of how many tokens it is."""
    start: str = "style"
    """What it means before training: the mean of these words' vectors."""
    learning_rate: float = 1e-4
    """Of Adam; the paper's."""
    levels: tuple[int, ...] = LEVELS
    """The steps after which the model is kept, ascending."""
    batch: int = 1
    """Images in a step."""
    size: int | None = None
    """Pixels; None for the model's own."""
    seed: int = 0
    """Of the adapters' start, of which images come when, and of their noise."""

    def check(self) -> None:
        """Refuse what cannot be trained.

        Raises:
            UsageError: no level, levels that do not rise, or numbers that are none.
        """
        if self.method not in METHODS:
            raise UsageError(
                f"There is no method {self.method!r}; choose one of {', '.join(METHODS)}."
            )
        rising = all(a < b for a, b in zip(self.levels, self.levels[1:], strict=False))
        if not self.levels or self.levels[0] < 1 or not rising:
            raise UsageError(f"The levels {self.levels} are no rising steps; give 20,40,60 say.")
        if self.rank < 1 or self.batch < 1 or not 0 < self.learning_rate < float("inf"):
            raise UsageError("Rank, batch and learning rate have to be above 0.")
        if self.directions < 2:
            raise UsageError("Directions are told apart from each other; learn 2 or more.")

        if not re.fullmatch(r"[a-z0-9<>_-]+", self.word) or _TAKEN_FOR.search(self.word):
            raise UsageError(
                f"{self.word!r} is no new word; give one of small letters, digits, -, _, < and > "
                "alone, without lora, hada, lokr or alpha in it, which name other adapters."
            )
        if not 1 <= self.vectors <= MOST_VECTORS or not self.start.strip():
            raise UsageError(
                f"A new word takes 1 to {MOST_VECTORS} vectors, and something to start from."
            )

    def record(self) -> dict[str, Any]:
        """Return the recipe, JSON-like."""
        return {**asdict(self), "levels": list(self.levels)}


PRESETS: Mapping[str, Recipe] = MappingProxyType(
    {
        "lora": Recipe(),
        # §5: all of SD 2.1's U-Net, Adam at 1e-4
        "paper-diffusion": Recipe(method="full"),
        # §5: all of ControlGAN's parameters; its own batch, since a GAN needs several images
        "paper-gan": Recipe(method="full", batch=10),
        # §5: Anole's image detokenizer alone
        "paper-ar": Recipe(method="detokenizer"),
        # §6.3: NoiseCLR's own settings
        "directions": Recipe(method="directions", batch=6, learning_rate=1e-3),
        # Gal et al. 2022: their base rate, for an image a step; they take 5,000 steps of 8
        "inversion": Recipe(method="inversion", learning_rate=5e-3, levels=(1000, 2000, 3000)),
    }
)
