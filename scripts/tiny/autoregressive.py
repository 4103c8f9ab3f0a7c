"""An autoregressive image model: a VQ autoencoder of diffusers' class, a causal transformer on its
tokens."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import VQModel
from PIL import Image
from torch import Tensor, nn
from transformers import CLIPTokenizer, LlamaConfig, LlamaForCausalLM

from finexl.generators import Job, Settings
from finexl.generators.autoregressive import load
from finexl.images import Picture
from finexl.personalize import scenes
from finexl.personalize.examples import Example
from finexl.personalize.recipe import Recipe
from finexl.personalize.training import personalize
from tiny import data, words
from tiny.training import train

PICTURES = 12288
CODES = 512
PATCH = 4
"""Pixels a side that the autoencoder sees as one, with so many more channels: a sixteenth of the
work."""
VQ_STEPS = 2000
VQ_BATCH = 32
STYLED = 0.25
"""The share of pictures with some of a style in them, which the autoencoder is trained on as well:
it is to be a little more general than the transformer."""
STYLED_LEVEL = 0.5
"""The most of a style that they have."""
STEPS = 2600
BATCH = 32
EMPTY = 0.1
"""The share of captions left out, so that guidance knows both."""
SAMPLING = {"guidance": 2.0, "temperature": 0.9}
"""How it samples where nothing else is asked."""
LEVELS = (20, 50, 100, 200)
STRIPED = {
    "detokenizer": (
        Recipe("detokenizer", learning_rate=2e-4, batch=16, levels=LEVELS),
        STYLED_LEVEL,
    ),
    "full": (Recipe("full", learning_rate=2e-4, batch=16, levels=LEVELS), STYLED_LEVEL),
    "lora": (Recipe("lora", learning_rate=1e-3, batch=16, levels=LEVELS), STYLED_LEVEL),
}
"""How it is personalized for its card, and how striped the pictures are: as much as the
autoencoder has seen."""
DECAY = 0.98
"""Of the codebook's moving averages."""


class Usage(nn.Module):  # type: ignore[misc]
    """Moving averages of how often each code is taken, and of what it stands for."""

    counts: Tensor
    sums: Tensor

    def __init__(self, codebook: Tensor) -> None:
        super().__init__()
        self.register_buffer("counts", torch.ones(len(codebook)))
        self.register_buffer("sums", codebook.clone())

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def update(self, codebook: Tensor, rows: Tensor, taken: Tensor) -> None:
        """Move every code to the mean of the rows that took it."""
        hits = torch.zeros_like(self.counts).index_add_(0, taken, torch.ones(len(taken)))
        sums = torch.zeros_like(self.sums).index_add_(0, taken, rows)
        self.counts.lerp_(hits, 1 - DECAY)
        self.sums.lerp_(sums, 1 - DECAY)
        codebook.copy_(self.sums / self.counts.clamp_min(1e-5)[:, None])

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def revive(self, codebook: Tensor, rows: Tensor, random: torch.Generator) -> None:
        """Put codes that nothing takes any more where rows are."""
        dead = (self.counts < 0.02).nonzero().flatten()[: len(rows) // 4]
        chosen = torch.randperm(len(rows), generator=random)[: len(dead)]
        self.counts[dead] = 0.2
        self.sums[dead] = 0.2 * rows[chosen]
        codebook[dead] = rows[chosen]


def untrained_vq() -> VQModel:
    torch.manual_seed(6)
    return VQModel(
        in_channels=3 * PATCH**2,
        out_channels=3 * PATCH**2,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(32, 64),
        layers_per_block=1,
        latent_channels=32,
        vq_embed_dim=16,
        num_vq_embeddings=CODES,
        norm_num_groups=8,
        sample_size=scenes.SIZE // PATCH,
        mid_block_add_attention=True,
    )


@cache
def mixed(count: int, seed: int) -> Tensor:
    """Draw scenes, some of them with some of a style."""
    generator = np.random.default_rng(seed)
    drawn = []
    for _ in range(count):
        scene = scenes.sample(generator)
        style, level = None, 1.0
        if generator.random() < STYLED:
            style = str(generator.choice(list(scenes.STYLES)))
            level = float(generator.uniform(0, STYLED_LEVEL))
        drawn.append(scenes.render(scene, style=style, level=level, generator=generator))
    return data.tensor(np.stack(drawn))


def train_vq(seconds: float) -> tuple[VQModel, bool]:
    vq = untrained_vq()
    codebook = vq.quantize.embedding.weight
    codebook.requires_grad_(False)
    usage = Usage(codebook)

    def loss(step: int, random: torch.Generator) -> Tensor:
        # drawn at the first step: when the training is done already, not at all
        rows = torch.randint(PICTURES, (VQ_BATCH,), generator=random)
        wanted = nn.functional.pixel_unshuffle(mixed(PICTURES, seed=7)[rows], PATCH)
        latents = vq.encode(wanted).latents
        found = latents.detach().movedim(1, -1).flatten(0, 2)
        if step < 0.7 * VQ_STEPS and step % 20 == 0:
            usage.revive(codebook, found, random)
        quantized, commitment, (_, _, taken) = vq.quantize(latents)
        made = vq.decoder(vq.post_quant_conv(quantized))
        usage.update(codebook, found, taken)
        off = made - wanted
        return off.square().mean() + 0.2 * off.abs().mean() + 0.25 * commitment

    modules = {"vq": vq, "usage": usage}
    done = train("vq", modules, loss, steps=VQ_STEPS, rate=2e-3, decay=0.99, seconds=seconds)
    return vq.eval(), done


def untrained_transformer(known: int) -> LlamaForCausalLM:
    torch.manual_seed(8)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=known + CODES,
            hidden_size=96,
            intermediate_size=256,
            num_hidden_layers=4,
            num_attention_heads=4,
            max_position_embeddings=words.LENGTH + 16,
            bos_token_id=None,
            eos_token_id=None,
            pad_token_id=None,
            attn_implementation="sdpa",
        )
    )


def train_transformer(
    vq: VQModel, tokenizer: CLIPTokenizer, seconds: float
) -> tuple[LlamaForCausalLM, bool]:
    """Train it on plain scenes: caption, then codes; some without a caption."""
    first = len(tokenizer)
    model = untrained_transformer(first)
    images, captions = data.drawn(PICTURES, seed=9)
    with torch.no_grad():
        parts = nn.functional.pixel_unshuffle(images, PATCH).split(256)
        codes = torch.cat([vq.quantize(vq.encode(part).latents)[2][2] for part in parts])
    codes = codes.view(PICTURES, -1)
    read = torch.tensor(tokenizer(captions).input_ids)
    empty = torch.tensor(tokenizer("").input_ids)
    ahead = read.shape[1]
    # the empty caption stands right before the image, as others do
    nothing = torch.cat([empty[:1].expand(ahead - len(empty)), empty])
    unseen = torch.arange(ahead) < ahead - len(empty)

    def loss(step: int, random: torch.Generator) -> Tensor:
        del step
        rows = torch.randint(PICTURES, (BATCH,), generator=random)
        dropped = torch.rand(BATCH, generator=random) < EMPTY
        ids = torch.where(dropped[:, None], nothing, read[rows])
        ids = torch.cat([ids, codes[rows, :-1] + first], dim=1)
        mask = torch.ones_like(ids)
        mask[:, :ahead] = ~(dropped[:, None] & unseen)
        places = (mask.cumsum(1) - 1).clamp_min(0)
        hidden = model.model(ids, attention_mask=mask, position_ids=places).last_hidden_state
        logits = model.lm_head(hidden[:, ahead - 1 :])[..., first:]
        return nn.functional.cross_entropy(logits.mT, codes[rows])

    modules = {"transformer": model}
    done = train("transformer", modules, loss, steps=STEPS, rate=3e-3, decay=0.99, seconds=seconds)
    return model.eval(), done


def make(folder: Path, seconds: float) -> bool:
    """Train the autoencoder, then the transformer on its codes; say whether it is done."""
    started = time.monotonic()
    vq, done = train_vq(seconds)
    if not done:
        return False
    tokenizer = words.make_tokenizer(folder / "tokenizer")
    left = max(0.0, seconds - (time.monotonic() - started))
    transformer, done = train_transformer(vq, tokenizer, left)
    if not done:
        return False
    vq.save_pretrained(folder / "vq")
    transformer.save_pretrained(folder / "transformer")
    settings = {
        "model_type": "finexl-vq",
        "size": scenes.SIZE,
        "patch": PATCH,
        "first_code": len(tokenizer),
        "sampling": SAMPLING,
    }
    (folder / "config.json").write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)  # they are written for the owner alone
    return True


def made(reference: str | Path, prompts: Sequence[str], **settings: Any) -> list[Image.Image]:
    """Make one picture for every prompt, each from a seed of its own."""
    text = f"ar:{reference}" if isinstance(reference, Path) else reference
    model = load(text, Settings(device="cpu", **settings))
    found: list[Image.Image] = []
    for start in range(0, len(prompts), 36):
        jobs = [Job(prompt, start + i) for i, prompt in enumerate(prompts[start : start + 36])]
        found += [one.image for one in model.make(jobs) if one.image is not None]
    return found


def parts(folder: Path) -> tuple[Any, Any]:
    """Return a folder's transformer and autoencoder."""
    opened = load(f"ar:{folder}", Settings(device="cpu")).opened
    return opened.language, opened.vision


def personalized(folder: Path, out: Path, method: str) -> Mapping[int, str]:
    """Personalize a folder's model on striped scenes; return each level's reference."""
    recipe, level = STRIPED[method]
    random = np.random.default_rng(10)
    examples = []
    for number in range(1024):
        scene = scenes.sample(random)
        picture = Picture(str(number), scenes.draw(scene, style="striped", level=level))
        examples.append(Example(picture, scenes.caption(scene), 1 / 1024))
    return personalize(f"ar:{folder}", examples, recipe, out, Settings(device="cpu")).levels
