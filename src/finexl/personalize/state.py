"""Where a training stands: weights, buffers and Adam's moments, in one file to go on from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from finexl.errors import UsageError
from finexl.files import write_atomic

FILE = "state.safetensors"
MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def save(trained: Mapping[str, Any], optimizers: Sequence[Any], out: Path, step: int) -> None:
    """Write everything that a training goes on from, after so many steps."""
    from safetensors.torch import save as written

    tensors, owners = {}, _owners(optimizers)
    for name, tensor in trained.items():
        tensors[f"weight.{name}"] = tensor.detach().contiguous()
        owner = owners.get(id(tensor))
        if owner is not None:
            for key in MOMENTS:
                tensors[f"{key}.{name}"] = owner.state[tensor][key].detach().contiguous()
    write_atomic(out / FILE, written(tensors, {"step": str(step)}))


def restore(trained: Mapping[str, Any], optimizers: Sequence[Any], out: Path) -> int:
    """Take up where an earlier attempt ended; return how many steps it had taken.

    Raises:
        UsageError: the file is damaged, or of another model.
    """
    import torch
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(out / FILE, framework="pt") as file, torch.no_grad():
            step, owners = int((file.metadata() or {})["step"]), _owners(optimizers)
            for name, tensor in trained.items():
                tensor.copy_(file.get_tensor(f"weight.{name}"))
                owner = owners.get(id(tensor))
                if owner is not None:
                    owner.state[tensor] = {
                        key: file.get_tensor(f"{key}.{name}").to(
                            "cpu" if key == "step" else tensor.device
                        )
                        for key in MOMENTS
                    }
            return step
    except FileNotFoundError:
        return 0
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise UsageError(f"{out / FILE} cannot be read; delete it to start anew.") from error


def _owners(optimizers: Sequence[Any]) -> dict[int, Any]:
    """Return each tensor's optimizer by the tensor's identity; buffers have none."""
    return {
        id(tensor): optimizer
        for optimizer in optimizers
        for group in optimizer.param_groups
        for tensor in group["params"]
    }
