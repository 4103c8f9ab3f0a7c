"""An autoencoder of diffusers' own class that changes nothing, so that the U-Net sees pixels.

A pipeline for latents needs an autoencoder, and a trained one would blur what is only 32 pixels
wide. Here every block passes on what it gets. The last normalization cannot be left out; it is
made harmless: each channel goes along with its negative, so that the mean is zero, and two
constant ones, far larger than any pixel, fix the spread that it divides by. SiLU is the identity
far from zero, where the pixels are moved to and taken back from. What remains is an error of a
fiftieth of a grey level.
"""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from torch import nn

FACTOR = 1.6
"""What scales pixels in [-1, 1] to a spread of about one, as the denoiser wants them."""
CHANNELS = 8
LARGE = 400.0
OFFSET = 12.0
CERTAIN = -30.0
"""The logarithm of the latents' variance: none."""


def pass_on(convolution: nn.Conv2d, channels: int) -> None:
    """Let the first channels through a convolution, and nothing else."""
    convolution.weight.zero_()
    convolution.bias.zero_()
    middle = convolution.kernel_size[0] // 2
    for channel in range(channels):
        convolution.weight[channel, channel, middle, middle] = 1.0


def constant_spread(first: nn.Conv2d, norm: nn.GroupNorm, last: nn.Conv2d) -> None:
    """Let three channels through a normalization and a SiLU as they are."""
    pass_on(first, 3)
    first.weight[3:6] = -first.weight[:3]
    first.bias[-2], first.bias[-1] = LARGE, -LARGE
    norm.weight.fill_(LARGE * (2 / CHANNELS) ** 0.5)
    norm.bias.fill_(OFFSET)
    pass_on(last, 3)
    last.bias[:3] = -OFFSET


def identity() -> AutoencoderKL:
    """Return the autoencoder: latents are pixels in [-1, 1], three channels, as many as there."""
    vae = AutoencoderKL(
        block_out_channels=(CHANNELS,),
        down_block_types=("DownEncoderBlock2D",),
        up_block_types=("UpDecoderBlock2D",),
        latent_channels=3,
        layers_per_block=1,
        norm_num_groups=1,
        mid_block_add_attention=False,
        sample_size=32,
        scaling_factor=FACTOR,
    )
    with torch.no_grad():
        for name, weight in vae.named_parameters():
            if ".resnets." in name:
                weight.zero_()
        encoder, decoder = vae.encoder, vae.decoder
        constant_spread(encoder.conv_in, encoder.conv_norm_out, encoder.conv_out)
        constant_spread(decoder.conv_in, decoder.conv_norm_out, decoder.conv_out)
        encoder.conv_out.bias[3:] = CERTAIN
        pass_on(vae.quant_conv, 6)
        pass_on(vae.post_quant_conv, 3)
    return vae.eval()
