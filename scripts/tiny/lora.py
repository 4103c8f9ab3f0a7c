"""A personalization of the tiny diffusion model: a LoRA that makes every scene striped."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from peft import LoraConfig
from peft.utils import get_peft_model_state_dict
from torch import Tensor

from tiny import data, words
from tiny.diffusion import flow_loss
from tiny.training import train

STYLE = "striped"
PICTURES = 1024
STEPS = 400
CHECKPOINTS = (50, 100, 200, 400)
BATCH = 16
RANK = 8
TARGETS = (
    r".*\.(to_q|to_k|to_v|to_out\.0)"
    r"|(down_blocks\.[01]|up_blocks\.[23])\..*\.(conv1|conv2|conv_shortcut|conv)|conv_out"
)
"""The attention, and the convolutions on 16 and 32 pixels a side, where stripes are made."""


def make(folder: Path, seconds: float) -> bool:
    """Train it on striped scenes with their plain captions; say whether it is done."""
    base = folder.parent / "scenes-diffusion"
    pipe = StableDiffusionPipeline.from_pretrained(base, use_safetensors=True)
    for part in (pipe.vae, pipe.text_encoder, pipe.unet):
        part.requires_grad_(False)
    torch.manual_seed(4)
    pipe.unet.add_adapter(LoraConfig(r=RANK, lora_alpha=RANK, target_modules=TARGETS))
    images, captions = data.drawn(PICTURES, seed=5, style=STYLE)
    with torch.no_grad():
        context = pipe.text_encoder(words.ids(pipe.tokenizer, captions)).last_hidden_state

    def loss(step: int, random: torch.Generator) -> Tensor:
        del step
        rows = torch.randint(PICTURES, (BATCH,), generator=random)
        return flow_loss(pipe.unet, images[rows], context[rows], random)

    def save(step: int) -> None:
        if step in CHECKPOINTS:
            # in peft's own names: diffusers' are those of the attention alone, and of a file in
            # which both are mixed, it would load the convolutions only
            trained = get_peft_model_state_dict(pipe.unet)
            weights = {key: value.half() for key, value in trained.items()}
            StableDiffusionPipeline.save_lora_weights(
                folder, unet_lora_layers=weights, weight_name=f"step-{step:03d}.safetensors"
            )
            # written for the owner alone
            (folder / f"step-{step:03d}.safetensors").chmod(0o644)

    return train(
        "lora", {"unet": pipe.unet}, loss, steps=STEPS, rate=2e-3, seconds=seconds, after=save
    )
