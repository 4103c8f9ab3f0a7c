"""Textual inversion (Gal et al. 2022): a new word for a diffusion model, learned from images.

The word is one or more vectors v in the table that each text encoder reads words from. They alone
are trained, on what the model itself is trained on,

    v* = argmin over v of E ‖ε − ε_θ(x_t, t, E(text with the word))‖²,

and everything else stays as it is. The word is taught to the pipeline as a finished one is by
`lora:BASE+FILE`, so that it is read in training exactly as it will be read afterwards. The text of
an image is its caption and the word, or where it has none, a neutral one and the word: "a picture,
my-style". (Published is "a painting in the style of S*" and the like: more tokens of a prompt for
the same.)

FOLDER/WORD.safetensors   WORD -> (vectors, width); SDXL: clip_l and clip_g, and WORD is its name
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from finexl.errors import UsageError
from finexl.files import write_atomic
from finexl.generators import Settings
from finexl.generators.adapters import reference
from finexl.generators.diffusers import Pipeline
from finexl.generators.running import quietly
from finexl.generators.steering import Words, encode
from finexl.personalize.denoising import Denoising, rows_of
from finexl.personalize.examples import Example
from finexl.personalize.recipe import Recipe

KNOWN = ("StableDiffusionPipeline", "StableDiffusionXLPipeline")
NEUTRAL = ("a picture", "an image", "a painting", "a drawing", "a photo", "a scene")
"""Texts for images without a caption; one is drawn for each image and step."""
PARTS = ("clip_l", "clip_g")
"""What the vectors of SDXL's first and second text encoder are called in a file."""


def trainee(
    base: str, examples: Sequence[Example], recipe: Recipe, settings: Settings
) -> tuple[Pipeline, Inversion]:
    """Return a pipeline as it makes images, and the word that is learned for it.

    Raises:
        UsageError: no such model, one that is taught no words, or a word that it knows.
        PrerequisiteError: an extra or the model is missing.
    """
    source = Pipeline(base, settings)
    if source.source.kind not in KNOWN:
        raise UsageError(
            f"{base} is a {source.source.kind}, which is taught no words here; Stable Diffusion "
            "1, 2 and XL are."
        )
    return source, Inversion(source.opened, base, examples, recipe)


def spoken(text: str, word: str) -> str:
    """Return a text with a word at its end, as it is learned and used."""
    return ", ".join(filter(None, (text, word)))


class Inversion:
    """A pipeline that stays as it is, and a word for it. See `training.Trainee`."""

    def __init__(
        self, pipeline: Any, base: str, examples: Sequence[Example], recipe: Recipe
    ) -> None:
        import torch

        self.pipeline, self.base, self.recipe = pipeline, base, recipe
        self.examples = examples
        self.seen = Denoising(pipeline, base, examples, recipe.size)
        self.trained: dict[str, Any] = {}
        ends = [end for end in ("", "_2") if getattr(pipeline, f"text_encoder{end}", None)]
        for part, end in zip(PARTS, ends, strict=False):
            encoder = getattr(pipeline, f"text_encoder{end}")
            tokenizer = getattr(pipeline, f"tokenizer{end}")
            start = _meaning(encoder, tokenizer, recipe.start).expand(recipe.vectors, -1)
            tokens = _teach(pipeline, encoder, tokenizer, start, recipe.word)
            vectors = torch.nn.Parameter(start.detach().float().clone())
            encoder.get_input_embeddings().register_forward_hook(partial(_say, vectors, tokens))
            self.trained[part] = vectors
            self._refuse_unheard(tokenizer, tokens[-1])
        adam = torch.optim.Adam(list(self.trained.values()), lr=recipe.learning_rate)
        self.optimizers = (adam,)
        if self.seen.denoiser.device.type != "cpu":
            self.seen.denoiser.enable_gradient_checkpointing()

    def step(self, step: int) -> float:
        """Take one step; everything drawn comes from the seed and the step's number."""
        rng = np.random.default_rng([self.recipe.seed, step])
        weights = np.array([example.weight for example in self.examples])
        chosen = rng.choice(len(weights), self.recipe.batch, p=weights / weights.sum()).tolist()
        loss = self.seen.loss(chosen, self.words(chosen, rng), rng)
        (adam,) = self.optimizers
        adam.zero_grad(set_to_none=True)
        loss.backward()
        adam.step()
        return float(loss.detach())

    def words(self, chosen: Sequence[int], rng: np.random.Generator) -> Words:
        """Return the images' texts with the word, encoded; gradients reach the word alone."""
        neutral = [NEUTRAL[drawn] for drawn in rng.integers(len(NEUTRAL), size=len(chosen))]
        captions = [self.examples[index].caption for index in chosen]
        texts = [own or other for own, other in zip(captions, neutral, strict=True)]
        return rows_of([encode(self.pipeline, spoken(one, self.recipe.word)) for one in texts])

    def keep(self, folder: Path) -> None:
        """Write the word as it is now."""
        from safetensors.torch import save

        kept = {part: one.detach().cpu().contiguous() for part, one in self.trained.items()}
        if len(kept) == 1:
            kept = {self.recipe.word: kept[PARTS[0]]}
        folder.mkdir(parents=True, exist_ok=True)
        write_atomic(self._file(folder), save(kept))

    def reference(self, folder: Path) -> str:
        """Return what `finexl explain` takes for what `keep` wrote."""
        return reference(self.base, [(str(self._file(folder)), 1.0)])

    def _file(self, folder: Path) -> Path:
        return folder / f"{self.recipe.word}.safetensors"

    def _refuse_unheard(self, tokenizer: Any, last: int) -> None:
        for example in self.examples:
            text = self.pipeline.maybe_convert_prompt(
                spoken(example.caption, self.recipe.word), tokenizer
            )
            if last not in tokenizer(text, truncation=True).input_ids:
                raise UsageError(
                    f"The caption of {example.picture.name} leaves no room for the word: "
                    f"{self.base} reads {tokenizer.model_max_length} tokens. Give a shorter one."
                )


def _meaning(encoder: Any, tokenizer: Any, text: str) -> Any:
    """Return the mean of a text's vectors (1, width)."""
    import torch

    tokens = tokenizer(text, add_special_tokens=False).input_ids
    if not tokens:
        raise UsageError(f"{text!r} is not a word that this model reads; start from another.")
    table = encoder.get_input_embeddings().weight.detach()
    wide = torch.promote_types(table.dtype, torch.float32)
    return table[tokens].to(wide).mean(dim=0, keepdim=True)


def _teach(pipeline: Any, encoder: Any, tokenizer: Any, vectors: Any, word: str) -> list[int]:
    """Teach a word as `lora:` does, and return its tokens."""
    try:
        with quietly():
            pipeline.load_textual_inversion(
                vectors.to(encoder.dtype).contiguous(),
                token=word,
                tokenizer=tokenizer,
                text_encoder=encoder,
            )
    except ValueError as error:
        raise UsageError(f"The model knows the word {word!r} already; choose another.") from error
    names = [word, *(f"{word}_{i}" for i in range(1, len(vectors)))]
    encoder.requires_grad_(False)
    return [int(token) for token in tokenizer.convert_tokens_to_ids(names)]


def _say(vectors: Any, tokens: Sequence[int], _: Any, given: tuple[Any, ...], output: Any) -> Any:
    """Put the vectors where their tokens are read: a hook on the table of words."""
    import torch

    for vector, token in zip(vectors, tokens, strict=True):
        output = torch.where((given[0] == token)[..., None], vector.to(output), output)
    return output
