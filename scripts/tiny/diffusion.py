"""The denoiser: diffusers' conditional U-Net on the pixels, trained by flow matching."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from diffusers import (
    DPMSolverMultistepScheduler,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from PIL import Image
from torch import Tensor, nn
from transformers import CLIPTokenizer

from finexl.personalize import scenes
from tiny import data, pixels, words
from tiny.training import train

PICTURES = 12288
STEPS = 3600
BATCH = 16
SHIFT = 4.0
"""Flat shapes are seen through much noise: more of the steps go where there is much."""
EARLY = 800, 2.0
"""So many steps are trained with a smaller shift: details first."""
EMPTY = 0.1
"""The share of captions left out, so that guidance knows both."""


def untrained() -> UNet2DConditionModel:
    torch.manual_seed(2)
    return UNet2DConditionModel(
        sample_size=scenes.SIZE,
        in_channels=3,
        out_channels=3,
        block_out_channels=(16, 32, 80, 96),
        down_block_types=("DownBlock2D",) * 2 + ("CrossAttnDownBlock2D",) * 2,
        mid_block_type=None,
        up_block_types=("CrossAttnUpBlock2D",) * 2 + ("UpBlock2D",) * 2,
        layers_per_block=1,
        cross_attention_dim=words.WIDTH,
        attention_head_dim=4,
        norm_num_groups=8,
    )


def scheduler() -> DPMSolverMultistepScheduler:
    """Return the sampler: flow matching in a scheduler that this pipeline can use."""
    return DPMSolverMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=SHIFT
    )


def flow_loss(
    unet: nn.Module,
    images: Tensor,
    context: Tensor,
    random: torch.Generator,
    shift: float = SHIFT,
) -> Tensor:
    """Return how wrong the U-Net is about the way from pictures to noise."""
    latents = images * pixels.FACTOR
    noise = torch.randn(latents.shape, generator=random)
    sigma = torch.randn(len(latents), generator=random).mul(1.4).add(math.log(shift)).sigmoid()
    share = sigma[:, None, None, None]
    mixed = (1 - share) * latents + share * noise
    predicted = unet(mixed, sigma * 1000, context).sample
    return (predicted - (noise - latents)).square().mean()


def pipeline(
    unet: UNet2DConditionModel, text: nn.Module, tokenizer: CLIPTokenizer
) -> StableDiffusionPipeline:
    return StableDiffusionPipeline(
        vae=pixels.identity(),
        text_encoder=text,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def sampled(
    pipe: StableDiffusionPipeline,
    prompts: Sequence[str],
    *,
    steps: int = 20,
    guidance: float = 3.0,
    seed: int = 0,
) -> list[Image.Image]:
    """Make one picture for every prompt, each from a seed of its own."""
    pipe.set_progress_bar_config(disable=True)
    made: list[Image.Image] = []
    for start in range(0, len(prompts), 36):
        part = list(prompts[start : start + 36])
        numbers = range(seed + start, seed + start + len(part))
        made += pipe(
            part,
            num_inference_steps=steps,
            guidance_scale=guidance,
            generator=[torch.Generator().manual_seed(number) for number in numbers],
        ).images
    return made


def make(folder: Path, seconds: float) -> bool:
    """Train U-Net and text encoder together and write the pipeline; say whether it is done."""
    tokenizer = words.make_tokenizer(folder / "tokenizer")
    text, unet = words.untrained(tokenizer), untrained()
    images, captions = data.drawn(PICTURES, seed=3)
    known = [*sorted({scenes.caption(scene) for scene in scenes.SCENES}), ""]
    table = words.ids(tokenizer, known)
    numbers = torch.tensor([known.index(caption) for caption in captions])

    def loss(step: int, random: torch.Generator) -> Tensor:
        shift = EARLY[1] if step < EARLY[0] else SHIFT
        rows = torch.randint(PICTURES, (BATCH,), generator=random)
        dropped = torch.rand(BATCH, generator=random) < EMPTY
        wanted = torch.where(dropped, len(known) - 1, numbers[rows])
        context = text(table[wanted]).last_hidden_state
        return flow_loss(unet, images[rows], context, random, shift)

    modules = {"unet": unet, "text": text}
    if not train("diffusion", modules, loss, steps=STEPS, rate=1e-3, decay=0.995, seconds=seconds):
        return False
    pipeline(unet.eval(), text.eval(), tokenizer).save_pretrained(folder)
    words.name_as_published(folder / "text_encoder" / "model.safetensors")
    for path in folder.rglob("*.safetensors"):
        path.chmod(0o644)  # they are written for the owner alone
    return True
