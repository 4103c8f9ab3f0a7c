"""ControlGAN's generator (Li, Qi, Lukasiewicz and Torr 2019): three stages, 64, 128 and 256 pixels.

    c = μ(s) + σ(s) ε                        conditioning augmentation of the sentence s
    h₁ = F₁(z, c)
    hₖ = Fₖ(hₖ₋₁, spatial attention, channel-wise attention),   k = 2, 3
    xₖ = tanh(conv(hₖ))

Both attentions look at the words' features w (D x L), over the hidden picture v (C x HW):

    spatial (as AttnGAN):   ẽ = U_s w,  ã = ẽ · softmax(vᵀ ẽ)ᵀ                      (C x HW)
    channel-wise (Eq. 1–2): ẽ = U_c w (HW x L),  f = softmax(ã ẽ) ẽᵀ                (C x HW)

The published weights load as they are: netG in model.safetensors, the text encoder (a bidirectional
LSTM) in text_encoder.safetensors, its words with their numbers in vocabulary.json. Two things are
done otherwise than in the published code: words that a shorter caption does not have are left out
of both attentions, of its own caption and not of another's in the batch, which is what the code
does with one image at a time; and ε is drawn with z, from the image's own seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from finexl.generators.gans.config import Config
from finexl.generators.gans.words import PADDING

Tensor = Any
UNUSED = (
    r"h_net[23]\.att\.conv_context[23]\.weight"
    r"|h_net(2\.channel_att\.conv_context3|3\.channel_att\.conv_context2)\.weight"
)
"""What the published weights hold and nothing reads."""
FIRST = 64
"""Pixels a side of the first stage."""
STAGES = 3


class GLU(nn.Module):  # type: ignore[misc]
    """The first half of the channels, gated by the second."""

    def forward(self, x: Tensor) -> Tensor:
        """Return half as many channels."""
        return nn.functional.glu(x, dim=1)


def convolution(before: int, after: int, side: int = 3) -> nn.Conv2d:
    """Return a convolution that keeps the size, without a bias."""
    return nn.Conv2d(before, after, side, padding=side // 2, bias=False)


def gated(before: int, after: int) -> list[nn.Module]:
    """Return the layers that most blocks are made of."""
    return [convolution(before, 2 * after), nn.BatchNorm2d(2 * after), GLU()]


def grown(before: int, after: int) -> nn.Sequential:
    """Return a block whose picture is twice as large."""
    return nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), *gated(before, after))


class TextEncoder(nn.Module):  # type: ignore[misc]
    """The words' and the sentence's features, by an LSTM in both directions."""

    def __init__(self, words: int, embedding: int, text: int) -> None:
        super().__init__()
        self.encoder = nn.Embedding(words, embedding)
        self.rnn = nn.LSTM(embedding, text // 2, batch_first=True, bidirectional=True)

    def forward(self, numbers: Tensor) -> tuple[Tensor, Tensor]:
        """Return words (n, text, L) and sentences (n, text) of word numbers (n, L)."""
        lengths = (numbers != PADDING).sum(1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(
            self.encoder(numbers), lengths, batch_first=True, enforce_sorted=False
        )
        found, (last, _) = self.rnn(packed)
        words, _ = nn.utils.rnn.pad_packed_sequence(
            found, batch_first=True, total_length=numbers.shape[1]
        )
        return words.transpose(1, 2), last.transpose(0, 1).flatten(1)


class Augmentation(nn.Module):  # type: ignore[misc]
    """A condition drawn around the sentence: Gaussian, its mean and spread read from it."""

    def __init__(self, text: int, condition: int) -> None:
        super().__init__()
        self.fc = nn.Linear(text, 4 * condition)

    def forward(self, sentence: Tensor, epsilon: Tensor) -> tuple[Tensor, Tensor]:
        """Return the condition, and its divergence from a standard Gaussian (Kullback-Leibler)."""
        mean, log = nn.functional.glu(self.fc(sentence), dim=1).chunk(2, 1)
        divergence = -0.5 * (1 + log - mean.square() - log.exp()).mean()
        return mean + (0.5 * log).exp() * epsilon, divergence


class FirstStage(nn.Module):  # type: ignore[misc]
    """Noise and condition to a hidden picture of 64 pixels."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        flat = channels * 4 * 4
        self.fc = nn.Sequential(
            nn.Linear(inputs, 2 * flat, bias=False), nn.BatchNorm1d(2 * flat), GLU()
        )
        self.upsample1 = grown(channels, channels // 2)
        self.upsample2 = grown(channels // 2, channels // 4)
        self.upsample3 = grown(channels // 4, channels // 8)
        self.upsample4 = grown(channels // 8, channels // 16)

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:
        """Return (n, channels / 16, 64, 64)."""
        h = self.fc(torch.cat([condition, z], 1)).unflatten(1, (-1, 4, 4))
        return self.upsample4(self.upsample3(self.upsample2(self.upsample1(h))))


class SpatialAttention(nn.Module):  # type: ignore[misc]
    """For every place of the picture, the words that it looks at."""

    def __init__(self, channels: int, text: int) -> None:
        super().__init__()
        self.conv_context = convolution(text, channels, 1)

    def forward(self, h: Tensor, words: Tensor, absent: Tensor) -> Tensor:
        """Return (n, C, HW) of the picture (n, C, H, W) and words (n, D, L)."""
        keys = self.conv_context(words[..., None]).squeeze(3)
        seen = torch.bmm(h.flatten(2).transpose(1, 2), keys)
        weights = seen.masked_fill(absent[:, None], -torch.inf).softmax(2)
        return torch.bmm(keys, weights.transpose(1, 2))


class ChannelAttention(nn.Module):  # type: ignore[misc]
    """For every channel, the words that it stands for (§3.2)."""

    def __init__(self, text: int, side: int, stage: int) -> None:
        super().__init__()
        self.name = f"conv_context{stage}"
        self.add_module(self.name, convolution(text, side * side, 1))

    def forward(self, attended: Tensor, words: Tensor, absent: Tensor) -> Tensor:
        """Return (n, C, HW) of what the places look at (n, C, HW) and words (n, D, L)."""
        keys = getattr(self, self.name)(words[..., None]).squeeze(3)
        seen = torch.bmm(attended, keys)
        weights = seen.masked_fill(absent[:, None], -torch.inf).softmax(2)
        return torch.bmm(weights, keys.transpose(1, 2))


class Residual(nn.Module):  # type: ignore[misc]
    """A block that is added to what it is given."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            *gated(channels, channels),
            convolution(channels, channels),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return as many channels."""
        return x + self.block(x)


class NextStage(nn.Module):  # type: ignore[misc]
    """A hidden picture twice as large, after a look at the words."""

    def __init__(self, channels: int, text: int, side: int, stage: int, residuals: int) -> None:
        super().__init__()
        self.att = SpatialAttention(channels, text)
        self.channel_att = ChannelAttention(text, side, stage)
        self.residual = nn.Sequential(*(Residual(3 * channels) for _ in range(residuals)))
        self.upsample = grown(3 * channels, channels)

    def forward(self, h: Tensor, words: Tensor, absent: Tensor) -> Tensor:
        """Return (n, C, 2H, 2W)."""
        places = self.att(h, words, absent)
        channels = self.channel_att(places, words, absent)
        looked = [one.unflatten(2, h.shape[2:]) for one in (places, channels)]
        return self.upsample(self.residual(torch.cat([h, *looked], 1)))


class Picture(nn.Module):  # type: ignore[misc]
    """The three colours of a hidden picture."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.img = nn.Sequential(convolution(channels, 3), nn.Tanh())

    def forward(self, h: Tensor) -> Tensor:
        """Return (n, 3, H, W) in [-1, 1]."""
        return self.img(h)


class Generator(nn.Module):  # type: ignore[misc]
    """The three stages; named as in the published weights."""

    w = None
    unused = UNUSED

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.z = config.number("z", most=8192, default=100)
        self.noise = self.z + config.number("condition", most=4096, default=100)
        text = config.number("text", most=4096, default=256)
        channels = config.number("channels", most=512, default=128)
        residuals = config.number("residuals", most=16, default=2)
        self.stages = config.number("stages", most=STAGES, default=STAGES)
        self.sizes = tuple(FIRST * 2**k for k in range(self.stages))
        self.ca_net = Augmentation(text, self.noise - self.z)
        self.h_net1, self.img_net1 = FirstStage(self.noise, 16 * channels), Picture(channels)
        for stage, side in enumerate(self.sizes[:-1], 2):
            self.add_module(f"h_net{stage}", NextStage(channels, text, side, stage, residuals))
            self.add_module(f"img_net{stage}", Picture(channels))
        known = max(config.vocabulary.numbers.values()) + 1
        encoder = TextEncoder(known, config.number("embedding", most=4096, default=300), text)
        self._read = [encoder.eval().requires_grad_(False)]  # no part of netG's weights

    @property
    def parts(self) -> dict[str, nn.Module]:
        """What is kept in files of its own: it is used, and not trained."""
        return {"text_encoder": self._read[0]}

    def condition(self, prompts: Sequence[str]) -> tuple[Tensor, ...]:
        """Return words, sentences, and which words there are not."""
        device = self.ca_net.fc.weight.device
        numbers = torch.from_numpy(self.config.vocabulary.read(prompts)).to(device)
        encoder = self._read[0].to(device)
        with torch.no_grad():
            words, sentences = encoder(numbers)
        return words, sentences, numbers == PADDING

    def forward(
        self, noise: Tensor, condition: tuple[Tensor, ...], edit: Tensor | None = None
    ) -> tuple[list[Tensor], Tensor]:
        """Return the pictures, one tensor a stage, and the augmentation's divergence.

        Args:
            noise: z and ε, (n, noise).
            condition: as `condition` returns it.
            edit: there is no w, so None.
        """
        assert edit is None
        words, sentences, absent = condition
        given, divergence = self.ca_net(sentences, noise[:, self.z :])
        h = self.h_net1(noise[:, : self.z], given)
        pictures = [self.img_net1(h)]
        for stage in range(2, self.stages + 1):
            h = getattr(self, f"h_net{stage}")(h, words, absent)
            pictures.append(getattr(self, f"img_net{stage}")(h))
        return pictures, divergence
