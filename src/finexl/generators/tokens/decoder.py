"""The decoder of a VQGAN, which turns a grid of code vectors into pixels (taming-transformers).

    codes (n, d, g, g) -> post_quant_conv -> conv_in -> mid: block, attention, block
    -> for every level, from the coarsest: blocks, the next size up -> norm_out -> conv_out

transformers' Chameleon has the encoder of this pair alone; its checkpoints, and Anole's, hold the
decoder under the names that the parts have here. It may be imported where torch is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, scaled_dot_product_attention, silu

from finexl.errors import UsageError

GROUPS = 32
MOST = {
    "embed_dim": 8192,
    "latent_channels": 8192,
    "base_channels": 4096,
    "num_res_blocks": 16,
    "resolution": 8192,
}
"""The largest settings that are believed; real ones are 256, 256, 128, 2 and 512."""
MOST_LEVELS = 10
MOST_CHANNELS = 16384


class Block(nn.Module):  # type: ignore[misc]
    """Two convolutions around which the input is carried."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, inner, eps=1e-6)
        self.conv1 = nn.Conv2d(inner, outer, 3, padding=1)
        self.norm2 = nn.GroupNorm(GROUPS, outer, eps=1e-6)
        self.conv2 = nn.Conv2d(outer, outer, 3, padding=1)
        self.nin_shortcut = nn.Conv2d(inner, outer, 1) if inner != outer else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Return x + the two convolutions of x."""
        found = self.conv1(silu(self.norm1(x)))
        found = self.conv2(silu(self.norm2(found)))
        return self.nin_shortcut(x) + found


class Attention(nn.Module):  # type: ignore[misc]
    """Every place looks at every other: softmax(q k / sqrt(channels)) v."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, channels, eps=1e-6)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(channels, channels, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        """Return x + what x attends to."""
        normed = self.norm(x)
        q, k, v = (part(normed).flatten(2).mT for part in (self.q, self.k, self.v))
        found = scaled_dot_product_attention(q[:, None], k[:, None], v[:, None])[:, 0]
        return x + self.proj_out(found.mT.reshape(x.shape))


class Middle(nn.Module):  # type: ignore[misc]
    """What works on the coarsest grid."""

    def __init__(self, channels: int, attending: bool) -> None:
        super().__init__()
        self.block_1 = Block(channels, channels)
        self.attn_1 = Attention(channels) if attending else nn.Identity()
        self.block_2 = Block(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return the same grid (n, c, g, g)."""
        return self.block_2(self.attn_1(self.block_1(x)))


class Larger(nn.Module):  # type: ignore[misc]
    """Twice as many places a side."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, c, 2g, 2g)."""
        return self.conv(interpolate(x, scale_factor=2.0, mode="nearest"))


class Level(nn.Module):  # type: ignore[misc]
    """What works on one size of grid."""

    def __init__(self, inner: int, outer: int, blocks: int, attending: bool, last: bool) -> None:
        super().__init__()
        widths = [inner] + [outer] * blocks
        self.block = nn.ModuleList(Block(widths[i], outer) for i in range(blocks))
        self.attn = nn.ModuleList(Attention(outer) for _ in range(blocks if attending else 0))
        self.upsample = nn.Identity() if last else Larger(outer)

    def forward(self, x: Tensor) -> Tensor:
        """Return the level's blocks of x, and its upsampling."""
        for i, block in enumerate(self.block):
            x = block(x)
            if len(self.attn):
                x = self.attn[i](x)
        return self.upsample(x)


class Decoder(nn.Module):  # type: ignore[misc]
    """From latent channels on the coarsest grid to pixels, about [-1, 1]."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        settings = checked(config)
        base, widths = settings["base_channels"], settings["channel_multiplier"]
        where = settings["attn_resolutions"]
        attending = settings["attn_type"] == "vanilla"
        width, size = base * widths[-1], settings["resolution"] // 2 ** (len(widths) - 1)
        self.conv_in = nn.Conv2d(settings["latent_channels"], width, 3, padding=1)
        self.mid = Middle(width, attending)
        levels: list[Level] = []
        for level in reversed(range(len(widths))):
            outer, blocks = base * widths[level], settings["num_res_blocks"] + 1
            levels.insert(0, Level(width, outer, blocks, attending and size in where, level == 0))
            width, size = outer, size * 2
        self.up = nn.ModuleList(levels)  # the finest first, as the checkpoints number them
        self.norm_out = nn.GroupNorm(GROUPS, width, eps=1e-6)
        self.conv_out = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return pixels (n, 3, size, size)."""
        x = self.mid(self.conv_in(x))
        for level in reversed(self.up):
            x = level(x)
        return self.conv_out(silu(self.norm_out(x)))


def untrained(config: Mapping[str, Any]) -> nn.ModuleDict:
    """Return `decoder` and `post_quant_conv`, without weights: nothing is allocated.

    Args:
        config: a Chameleon's `vq_config`.

    Raises:
        UsageError: settings that no such decoder has.
    """
    settings = checked(config)
    with torch.device("meta"):
        return nn.ModuleDict(
            {
                "decoder": Decoder(settings),
                "post_quant_conv": nn.Conv2d(settings["embed_dim"], settings["latent_channels"], 1),
            }
        )


def checked(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a decoder's settings, believed only within bounds.

    Raises:
        UsageError: which setting is out of them.
    """
    found = dict(config)
    for name, most in MOST.items():
        value = found.get(name)
        if not isinstance(value, int) or not 1 <= value <= most:
            raise _unbelievable(name, value)
    widths = found.get("channel_multiplier")
    base = found["base_channels"]
    if (
        not isinstance(widths, list | tuple)
        or not 1 <= len(widths) <= MOST_LEVELS
        or not all(isinstance(w, int) and 1 <= w * base <= MOST_CHANNELS for w in widths)
        or any(w * base % GROUPS for w in widths)
    ):
        raise _unbelievable("channel_multiplier", widths)
    where = found.get("attn_resolutions")
    found["attn_resolutions"] = list(where) if isinstance(where, list | tuple) else []
    found.setdefault("attn_type", "vanilla")
    return found


def _unbelievable(name: str, value: object) -> UsageError:
    return UsageError(
        f"The model's vq_config has {name} = {str(value)[:60]}, which no VQ decoder has; its "
        "config.json is damaged."
    )
