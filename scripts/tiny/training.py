"""A loop that can be stopped at any step and goes on from its last checkpoint."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

STATES = Path(__file__).parents[2] / "work" / "tiny"
"""Where unfinished trainings lie; not part of the repository."""
EVERY = 50.0
"""Seconds between checkpoints."""


@dataclass
class Averaged:
    """A slow average of weights: what a diffusion model is used with."""

    decay: float
    values: list[Tensor] = field(default_factory=list)

    def update(self, weights: Sequence[Tensor], step: int) -> None:
        if not self.values:
            self.values = [weight.detach().clone() for weight in weights]
        # early on, the average of few steps: the first weights are no model yet
        keep = min(self.decay, (1 + step) / (10 + step))
        for mean, weight in zip(self.values, weights, strict=True):
            mean.lerp_(weight.detach(), 1 - keep)


def train(
    name: str,
    modules: Mapping[str, nn.Module],
    loss: Callable[[int, torch.Generator], Tensor],
    *,
    steps: int,
    rate: float,
    decay: float = 0.99,
    seconds: float = math.inf,
    after: Callable[[int], None] | None = None,
) -> bool:
    """Train until `steps` or `seconds` are over; say whether it is done.

    Every step's random numbers follow from its own number, so a training that was stopped ends
    like one that was not. When it is done, the modules hold their averaged weights.

    Args:
        name: of the checkpoint.
        modules: what is trained; only weights that want a gradient are.
        loss: of a step's number and its random numbers.
        steps: how many there are in all.
        rate: AdamW's learning rate after the warm-up; it falls over the last two fifths.
        decay: of the averaged weights.
        seconds: how long this call may take; it takes one step at least.
        after: called with the number of steps taken, after each of them.
    """
    weights = [w for module in modules.values() for w in module.parameters() if w.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=rate, weight_decay=0.01, betas=(0.9, 0.99))
    average = Averaged(decay)
    path = STATES / f"{name}.pt"
    step, spent = 0, 0.0
    if path.exists():
        state: dict[str, Any] = torch.load(path, weights_only=True)
        for key, module in modules.items():
            module.load_state_dict(state["modules"][key])
        optimizer.load_state_dict(state["optimizer"])
        average.values, step, spent = state["average"], state["step"], state["spent"]

    def save() -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(
            {
                "modules": {key: module.state_dict() for key, module in modules.items()},
                "optimizer": optimizer.state_dict(),
                "average": average.values,
                "step": step,
                "spent": spent + time.monotonic() - started,
            },
            path.with_suffix(".part"),
        )
        path.with_suffix(".part").replace(path)

    started = saved = time.monotonic()
    recent: list[float] = []
    while step < steps:
        warm, fall = min(1.0, (step + 1) / 100), min(1.0, (steps - step) / (0.4 * steps))
        for group in optimizer.param_groups:
            group["lr"] = rate * warm * fall
        value = loss(step, torch.Generator().manual_seed(step))
        optimizer.zero_grad()
        value.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        step += 1
        average.update(weights, step)
        recent.append(value.item())
        if after is not None:
            after(step)
        if time.monotonic() - saved > EVERY:
            saved = time.monotonic()
            save()
            mean = sum(recent) / len(recent)
            print(f"{name}: {step}/{steps}, {spent + saved - started:.0f} s, loss {mean:.4f}")
            recent.clear()
        if time.monotonic() - started >= seconds:
            break
    save()
    print(f"{name}: {step}/{steps}, {spent + time.monotonic() - started:.0f} s")
    if step >= steps:
        for weight, mean_weight in zip(weights, average.values, strict=True):
            weight.data.copy_(mean_weight)
    return step >= steps
