"""The two networks in plain torch, so that what is exported depends on nobody's library code.

EfficientNet-Lite0 (Tan and Le 2019; the "lite" variant has no squeeze-and-excitation and uses
ReLU6), reduced to what the encoder reads: the mean and standard deviation of each channel after
each of its seven stages, and the pooled output. all-MiniLM-L6-v2: a six-layer BERT whose token
vectors are averaged and normalised.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

# expansion, output channels, repeats, first stride, kernel
STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
EPS = 1e-3  # of batch normalisation, as in the TensorFlow original


class SameConv(nn.Conv2d):
    """TensorFlow's "same" padding, worked out from a fixed input side."""

    def __init__(self, side: int, n_in: int, n_out: int, kernel: int, stride: int, groups: int = 1):
        super().__init__(n_in, n_out, kernel, stride, groups=groups, bias=False)
        needed = max((math.ceil(side / stride) - 1) * stride + kernel - side, 0)
        self.around = (needed // 2, needed - needed // 2) * 2

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(functional.pad(x, self.around))


class Block(nn.Module):
    def __init__(self, side: int, n_in: int, n_out: int, expand: int, stride: int, kernel: int):
        super().__init__()
        wide = n_in * expand
        self.skip = stride == 1 and n_in == n_out
        if expand != 1:
            self._expand_conv: nn.Module = SameConv(side, n_in, wide, 1, 1)
            self._bn0: nn.Module = nn.BatchNorm2d(wide, eps=EPS)
        self.expands = expand != 1
        self._depthwise_conv = SameConv(side, wide, wide, kernel, stride, groups=wide)
        self._bn1 = nn.BatchNorm2d(wide, eps=EPS)
        self._project_conv = SameConv(math.ceil(side / stride), wide, n_out, 1, 1)
        self._bn2 = nn.BatchNorm2d(n_out, eps=EPS)

    def forward(self, x: Tensor) -> Tensor:
        y = functional.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = functional.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        found: Tensor = x + y if self.skip else y
        return found


class StageStatistics(nn.Module):
    """Pixels (n, 3, side, side) in [0, 1] -> (n, 2·Σ channels + 1280)."""

    def __init__(self, side: int):
        super().__init__()
        self._conv_stem = SameConv(side, 3, 32, 3, 2)
        self._bn0 = nn.BatchNorm2d(32, eps=EPS)
        side, n_in = side // 2, 32
        blocks: list[Block] = []
        self.ends: set[int] = set()
        for expand, n_out, repeats, first, kernel in STAGES:
            for index in range(repeats):
                stride = first if index == 0 else 1
                blocks.append(Block(side, n_in, n_out, expand, stride, kernel))
                side, n_in = math.ceil(side / stride), n_out
            self.ends.add(len(blocks) - 1)
        self._blocks = nn.ModuleList(blocks)
        self._conv_head = SameConv(side, n_in, 1280, 1, 1)
        self._bn1 = nn.BatchNorm2d(1280, eps=EPS)

    def forward(self, pixels: Tensor) -> Tensor:
        x = functional.relu6(self._bn0(self._conv_stem((pixels * 255 - 127) / 128)))
        found = []
        for index, block in enumerate(self._blocks):
            x = block(x)
            if index in self.ends:
                mean = x.mean((2, 3))
                centred = x - mean[:, :, None, None]
                found += [mean, (centred * centred).mean((2, 3)).sqrt()]
        x = functional.relu6(self._bn1(self._conv_head(x)))
        return torch.cat([*found, x.mean((2, 3))], dim=1)


def stage_statistics(checkpoint: Path, side: int) -> StageStatistics:
    """Return the backbone with its ImageNet weights."""
    weights = torch.load(checkpoint, weights_only=True, map_location="cpu")
    model = StageStatistics(side)
    wanted = model.state_dict()
    model.load_state_dict({name: weights[name] for name in wanted})
    return model.eval()


class Layer(nn.Module):
    """One transformer layer of BERT (post-norm)."""

    def __init__(self, width: int = 384, heads: int = 12, inner: int = 1536):
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))
        self.norm1 = nn.LayerNorm(width, eps=1e-12)
        self.up, self.down = nn.Linear(width, inner), nn.Linear(inner, width)
        self.norm2 = nn.LayerNorm(width, eps=1e-12)

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        n, tokens, width = x.shape
        depth = width // self.heads

        def split(y: Tensor) -> Tensor:
            return y.view(n, tokens, self.heads, depth).transpose(1, 2)

        scores = split(self.query(x)) @ split(self.key(x)).transpose(2, 3) / math.sqrt(depth)
        mixed = torch.softmax(scores + bias, dim=-1) @ split(self.value(x))
        x = self.norm1(x + self.out(mixed.transpose(1, 2).reshape(n, tokens, width)))
        normed: Tensor = self.norm2(x + self.down(functional.gelu(self.up(x))))
        return normed


class Sentence(nn.Module):
    """Token ids and mask (n, t) -> unit sentence vectors (n, 384)."""

    def __init__(self) -> None:
        super().__init__()
        self.word, self.position = nn.Embedding(30522, 384), nn.Embedding(512, 384)
        self.segment = nn.Parameter(torch.zeros(384))
        self.norm = nn.LayerNorm(384, eps=1e-12)
        self.layers = nn.ModuleList(Layer() for _ in range(6))

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        places = self.position.weight[: input_ids.shape[1]]
        x = self.norm(self.word(input_ids) + places + self.segment)
        mask = attention_mask.to(x.dtype)
        bias = (1 - mask)[:, None, None, :] * -1e4
        for layer in self.layers:
            x = layer(x, bias)
        total = (x * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1e-9)
        return functional.normalize(total, dim=1)


_BERT_NAMES = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "out": "attention.output.dense",
    "norm1": "attention.output.LayerNorm",
    "up": "intermediate.dense",
    "down": "output.dense",
    "norm2": "output.LayerNorm",
}


def sentence(weights: Path) -> Sentence:
    """Return the sentence encoder with the weights of all-MiniLM-L6-v2 (safetensors)."""
    from safetensors.torch import load_file

    stored = load_file(weights)
    state = {
        "word.weight": stored["embeddings.word_embeddings.weight"],
        "position.weight": stored["embeddings.position_embeddings.weight"],
        "segment": stored["embeddings.token_type_embeddings.weight"][0],
    }
    for kind in ("weight", "bias"):
        state[f"norm.{kind}"] = stored[f"embeddings.LayerNorm.{kind}"]
        for layer in range(6):
            for ours, theirs in _BERT_NAMES.items():
                name = f"encoder.layer.{layer}.{theirs}.{kind}"
                state[f"layers.{layer}.{ours}.{kind}"] = stored[name]
    model = Sentence()
    model.load_state_dict(state)
    return model.eval()
