"""What the two networks of a GAN are asked for, with captions that match and captions that do not.

With D(x) the discriminator's verdict on a picture alone and D(x, c) on a picture with a condition,
both as probabilities, and c' the condition of another picture (Li et al. 2019; Reed et al. 2016),
for each of the pictures' sizes:

    L_D = −½ [log D(x) + log D(x, c)]
          −⅓ [log(1 − D(G(z, c))) + log(1 − D(G(z, c), c)) + log(1 − D(x, c'))]
    L_G = −log D(G(z, c)) − log D(G(z, c), c)

The other pictures are any of the batch, and those whose captions are most alike: otherwise a part
of what captions say is drowned by the rest. And, where a model's settings give a γ, R1 (Mescheder
et al. 2018) is added to L_D at every fourth step, four times as strong: γ/2 · ‖∂D(x, c)/∂x‖².
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensor = Any
Condition = tuple[Tensor, ...]
PENALTY_EVERY = 4
RIVALS = 3
"""Other conditions that each picture is shown with."""


@dataclass(frozen=True)
class Game:
    """The two networks, each with its optimizer."""

    generator: Any
    discriminator: Any
    optimizers: tuple[Any, Any]
    """The generator's and the discriminator's."""
    penalty: float
    """γ of R1; 0 leaves it out."""

    def play(
        self,
        step: int,
        real: Sequence[Tensor],
        condition: Condition,
        noise: Tensor,
        rivals: Tensor,
        more: Callable[[Sequence[Tensor]], Tensor] | None = None,
    ) -> tuple[float, float]:
        """Take a step of the discriminator, then one of the generator; return L_G and L_D.

        Args:
            step: its number; it decides whether R1 is taken.
            real: pictures (n, 3, s, s), one tensor a size.
            condition: what they show, tensors of n rows.
            noise: of the generator's pictures, (n, noise).
            rivals: rows (n, k) with other conditions, as of `rivals_of`.
            more: what else of the generator's pictures is lowered.
        """
        fake, divergence = self.generator(noise, condition)
        loss = discriminator_loss(self.discriminator, real, fake, condition, rivals)
        if self.penalty > 0 and step % PENALTY_EVERY == 0:
            slope = gradient_penalty(self.discriminator, real, condition)
            loss = loss + self.penalty * PENALTY_EVERY * slope
        descend(loss, self.optimizers[1])
        mine = generator_loss(self.discriminator, fake, condition) + divergence
        if more is not None:
            mine = mine + more(fake)
        descend(mine, self.optimizers[0])
        return float(mine.detach()), float(loss.detach())


def rivals_of(captions: Sequence[str], asked: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Return for each caption rows of others, (n, RIVALS): the one before, and those most like it.

    As alike as the words that both have are many of the words that either has. Where there are too
    few others, a row's own number takes their place.

    Args:
        captions: of a batch's pictures.
        asked: what the networks read of them, rows of numbers; captions whose rows are the same ask
            for the same, and are no others. Without it, those of the same words are none.
    """
    words = [frozenset(caption.casefold().split()) for caption in captions]
    said: list[object] = list(words) if asked is None else [tuple(row) for row in asked.tolist()]
    rows = np.tile(np.arange(len(words))[:, None], (1, RIVALS))
    for number, mine in enumerate(words):
        others = [i for i, theirs in enumerate(said) if theirs != said[number]]
        alike = {i: len(mine & words[i]) / len(mine | words[i]) for i in others}
        before = [i for i in [(number - 1) % len(words)] if i in alike]
        found = (before + sorted(alike, key=lambda i: -alike[i]))[:RIVALS]
        rows[number, : len(found)] = found
    return rows


def descend(loss: Tensor, optimizer: Any) -> None:
    """Take an optimizer's step down a loss, and leave other weights' gradients alone."""
    import torch

    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    for weight, slope in zip(weights, torch.autograd.grad(loss, weights), strict=True):
        weight.grad = slope
    optimizer.step()


def discriminator_loss(
    discriminator: Any,
    real: Sequence[Tensor],
    fake: Sequence[Tensor],
    condition: Condition,
    rivals: Tensor,
) -> Tensor:
    """Return L_D, a scalar.

    Args:
        discriminator: with `features` and `verdicts`.
        real: pictures (n, 3, s, s), one tensor a size.
        fake: the generator's, for the same conditions; their gradient is not taken.
        condition: the conditions of both.
        rivals: rows (n, k) of `condition` that say something else; a row's own number, where there
            is none, counts for nothing.
    """
    seen = discriminator.features(real)
    made = discriminator.features([one.detach() for one in fake])
    loss = 0.0
    pairs = zip(
        discriminator.verdicts(seen, condition),
        discriminator.verdicts(made, condition),
        strict=True,
    )
    for (alone, right), (alone_fake, right_fake) in pairs:
        if right is None:
            loss = loss + _yes(alone) + _no(alone_fake)
        else:
            loss = loss + (_yes(alone) + _yes(right)) / 2 + (_no(alone_fake) + _no(right_fake)) / 3
    for rows in rivals.unbind(1) if condition else ():
        other = tuple(one[rows] for one in condition)
        differs = (rows != rows.new_tensor(range(len(rows)))).to(seen[0].dtype)
        for _, wrong in discriminator.verdicts(seen, other):
            loss = loss + _no(wrong, differs) / (3 * rivals.shape[1])
    return loss


def generator_loss(discriminator: Any, fake: Sequence[Tensor], condition: Condition) -> Tensor:
    """Return L_G, a scalar, of the generator's pictures and their conditions."""
    loss = 0.0
    for alone, right in discriminator.verdicts(discriminator.features(fake), condition):
        loss = loss + _yes(alone) + (0.0 if right is None else _yes(right))
    return loss


def gradient_penalty(discriminator: Any, real: Sequence[Tensor], condition: Condition) -> Tensor:
    """Return ‖∂D(x, c)/∂x‖² / 2, the mean over real pictures, summed over sizes."""
    import torch

    given = [one.detach().requires_grad_() for one in real]
    verdicts = discriminator.verdicts(discriminator.features(given), condition)
    said = sum((alone if right is None else right).sum() for alone, right in verdicts)
    slopes = torch.autograd.grad(said, given, create_graph=True)
    return sum(one.square().flatten(1).sum(1).mean() for one in slopes) / 2


def _yes(logits: Tensor) -> Tensor:
    from torch.nn import functional

    return functional.softplus(-logits).mean()


def _no(logits: Tensor, weights: Tensor | None = None) -> Tensor:
    from torch.nn import functional

    losses = functional.softplus(logits)
    return losses.mean() if weights is None else (losses * weights).mean()
