"""An autoregressive image model in training (Appendix C).

detokenizer   only what turns codes into pixels: it learns to paint the images from the codes that
              the frozen encoder gives them, by mean squared plus mean absolute error. That is the
              plain reading of the paper's "we fine-tune the image detokenizer of Anole-7B"; it
              gives no loss. What the transformer writes stays the same, so that the personalized
              model differs in how, and never in what, it paints
full          the transformer's weights, by the next code's cross-entropy given the caption and the
              codes before it: -mean log p(code_i | caption, code_1 … code_{i-1})
lora          adapters on the transformer's projections, by the same
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps

from finexl.errors import UsageError
from finexl.files import write_atomic
from finexl.generators.autoregressive import Autoregressive, load
from finexl.generators.base import Settings
from finexl.generators.running import quietly
from finexl.generators.tokens import overlays
from finexl.generators.tokens.model import TokenModel
from finexl.generators.tokens.sampling import padded
from finexl.personalize.examples import Example
from finexl.personalize.recipe import Recipe

METHODS = ("lora", "full", "detokenizer")
FILES = {
    "lora": "adapter_model.safetensors",
    "full": "transformer.safetensors",
    "detokenizer": "decoder.safetensors",
}
EMPTY = 0.1
"""The part of captions left out where a model samples with guidance, so that it knows both."""
LABEL = "default"


def trainee(
    base: str, examples: Sequence[Example], recipe: Recipe, settings: Settings
) -> tuple[Autoregressive, Writer]:
    """Return a model as it makes images, and as it is trained.

    Args:
        base: as after `ar:`, or with it.
        examples: images with captions.
        recipe: what is trained and how.
        settings: device and precision.

    Raises:
        UsageError: no such model, or one that cannot be trained so.
        PrerequisiteError: an extra or the model is missing.
    """
    if recipe.method not in METHODS:
        raise UsageError(
            f"{base} is an autoregressive model, whose methods are {', '.join(METHODS)}, not "
            f"{recipe.method}."
        )
    source = load(base, settings)
    if recipe.size not in (None, source.opened.size):
        raise UsageError(
            f"{base} makes images of {source.opened.size} pixels, and cannot be trained with "
            f"{recipe.size}."
        )
    if recipe.method != "detokenizer" and any(
        overlay.kind == overlays.ADAPTER and overlay.scale for overlay in source.overlays
    ):
        raise UsageError(f"{base} has an adapter on it already; train the model below it.")
    return source, Writer(source, base.removeprefix("ar:"), examples, recipe)


class Writer:
    """An autoregressive model in training. See `training.Trainee`."""

    def __init__(
        self, source: Autoregressive, base: str, examples: Sequence[Example], recipe: Recipe
    ) -> None:
        import torch

        self.model: TokenModel = source.opened
        self.base, self.examples, self.recipe = base, examples, recipe
        self._guided = source.sampling.guidance > 1
        # its dropout, if it has any, would not be drawn from the step's number
        for part in (self.model.language, self.model.vision, self.model.painter):
            part.requires_grad_(False)
            part.eval()
        if recipe.method == "detokenizer":
            # half precision loses small steps; the autoencoder is the small part of such models
            self.model.vision.float()
            part = self.model.painter.float()
            part.requires_grad_(True)
        elif recipe.method == "full":
            part = self.model.trainable
            part.requires_grad_(True)
        else:
            part = self.model.language
            _adapted(self.model, recipe)
        self._part = part
        self.trained = {n: p for n, p in part.named_parameters() if p.requires_grad}
        adam = torch.optim.Adam(list(self.trained.values()), lr=recipe.learning_rate)
        self.optimizers = (adam,)
        self._known: dict[int, tuple[Any, Any]] = {}

    def step(self, step: int) -> float:
        """Take one step; everything drawn comes from the seed and the step's number."""
        rng = np.random.default_rng([self.recipe.seed, step])
        weights = np.array([example.weight for example in self.examples])
        chosen = rng.choice(len(weights), self.recipe.batch, p=weights / weights.sum()).tolist()
        empty = rng.uniform(size=len(chosen)) < (EMPTY if self._guided else 0.0)
        loss = self._painted(chosen) if self._paints else self._written(chosen, empty.tolist())
        (adam,) = self.optimizers
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
        return float(loss.detach())

    @property
    def _paints(self) -> bool:
        return self.recipe.method == "detokenizer"

    def _painted(self, chosen: Sequence[int]) -> Any:
        """Return how far what is painted from the images' own codes is from them."""
        import torch

        pixels, codes = (torch.cat(rows) for rows in zip(*map(self._seen, chosen), strict=True))
        off = self.model.decode(codes) - pixels
        return off.square().mean() + off.abs().mean()

    def _written(self, chosen: Sequence[int], empty: Sequence[bool]) -> Any:
        """Return the cross-entropy of the images' codes, given captions and the codes before."""
        import torch

        model = self.model
        codes = torch.cat([self._seen(i)[1] for i in chosen])
        prompts = [model.prompt(self.examples[i].caption) for i in chosen]
        asked = [
            model.blank(prompt) if left_out else prompt
            for prompt, left_out in zip(prompts, empty, strict=True)
        ]
        ids, mask, positions = padded(asked, model.device)
        embedded = torch.cat([model.words(ids), model.images(codes[:, :-1])], dim=1)
        rest = torch.arange(1, model.count, device=model.device)
        mask = torch.cat([mask, mask.new_ones((len(codes), model.count - 1))], dim=1)
        positions = torch.cat([positions, positions[:, -1:] + rest], dim=1)
        hidden, _ = model.hidden(embedded, mask, positions, None)
        logits = model.logits(hidden[:, ids.shape[1] - 1 :])
        return torch.nn.functional.cross_entropy(logits.float().mT, codes)

    def _seen(self, index: int) -> tuple[Any, Any]:
        """Return an example's pixels (1, 3, size, size) and codes (1, count)."""
        import torch

        if index not in self._known:
            size = (self.model.size, self.model.size)
            fitted = ImageOps.fit(self.examples[index].picture.open().convert("RGB"), size)
            pixels: NDArray[np.float32] = np.asarray(fitted, dtype=np.float32) / 127.5 - 1.0
            row = torch.from_numpy(pixels.transpose(2, 0, 1)[None].copy()).to(self.model.device)
            with torch.no_grad():
                self._known[index] = row, self.model.encode(row)
        return self._known[index]

    def keep(self, folder: Path) -> None:
        """Write what was trained as it is now: a decoder, an adapter, or a transformer."""
        from safetensors.torch import save

        folder.mkdir(parents=True, exist_ok=True)
        if self.recipe.method == "lora":
            from peft.utils import get_peft_model_state_dict

            state = get_peft_model_state_dict(self.model.language, adapter_name=LABEL)
            state = {overlays.PEFT + name: weight for name, weight in state.items()}
            config = self.model.language.peft_config[LABEL].to_dict()
            kept = {
                key: sorted(value) if isinstance(value, set) else value
                for key, value in config.items()
            }
            written = json.dumps({**kept, "inference_mode": True}, indent=1, default=str)
            write_atomic(folder / overlays.SETTINGS, written + "\n")
        else:
            front = overlays.BEHIND if self.recipe.method == "full" else ""
            state = {front + name: weight for name, weight in self._part.state_dict().items()}
        # weights that are one in the model are two in the file
        copies = {name: weight.detach().clone().contiguous() for name, weight in state.items()}
        write_atomic(folder / FILES[self.recipe.method], save(copies, {"format": "pt"}))

    def reference(self, folder: Path) -> str:
        """Return what `finexl explain` takes for what `keep` wrote."""
        return f"ar:{self.base}+{folder / FILES[self.recipe.method]}"


def _adapted(model: TokenModel, recipe: Recipe) -> None:
    """Lay an adapter over the transformer, which changes nothing before its first step."""
    import torch
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.rank,
        init_lora_weights="gaussian",
        target_modules=model.targets,
    )
    with quietly():
        torch.manual_seed(recipe.seed)
        inject_adapter_in_model(config, model.language, LABEL)
    for name, weight in model.language.named_parameters():
        weight.requires_grad_(".lora_" in name)
        if weight.requires_grad:
            weight.data = weight.data.float()  # half precision loses small steps
