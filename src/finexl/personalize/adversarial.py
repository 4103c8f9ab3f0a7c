"""What the two networks of a GAN are asked for, with captions that match and captions that do not.

With D(x) the discriminator's verdict on a picture alone and D(x, c) on a picture with a condition,
both as probabilities, and c' the condition of another picture (Li et al. 2019, Eq. 8–9; Reed et al.
2016), for each of the pictures' sizes:

    L_D = −½ [log D(x) + log D(x, c)]
          −⅓ [log(1 − D(G(z, c))) + log(1 − D(G(z, c), c)) + log(1 − D(x, c'))]
    L_G = −log D(G(z, c)) − log D(G(z, c), c)

and, where an architecture asks for it, R1 (Mescheder et al. 2018): γ/2 · ‖∂D(x, c)/∂x‖².
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Tensor = Any
Condition = tuple[Tensor, ...]


def discriminator_loss(
    discriminator: Any,
    real: Sequence[Tensor],
    fake: Sequence[Tensor],
    condition: Condition,
    other: Condition,
    differs: Tensor,
) -> Tensor:
    """Return L_D, a scalar.

    Args:
        discriminator: with `features` and `verdicts`.
        real: pictures (n, 3, s, s), one tensor a size.
        fake: the generator's, for the same conditions; their gradient is not taken.
        condition: the conditions of both.
        other: conditions of other pictures.
        differs: (n,), 1 where `other` says something else than `condition`, 0 where it does not.
    """
    seen = discriminator.features(real)
    made = discriminator.features([one.detach() for one in fake])
    loss = 0.0
    verdicts = zip(
        discriminator.verdicts(seen, condition),
        discriminator.verdicts(made, condition),
        discriminator.verdicts(seen, other),
        strict=True,
    )
    for (alone, right), (alone_fake, right_fake), (_, wrong) in verdicts:
        if right is None:
            loss = loss + _yes(alone) + _no(alone_fake)
            continue
        loss = loss + (_yes(alone) + _yes(right)) / 2
        loss = loss + (_no(alone_fake) + _no(right_fake) + _no(wrong, differs)) / 3
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
