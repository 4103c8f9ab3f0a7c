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

    tensors = {}
    for name, tensor in trained.items():
        tensors[f"weight.{name}"] = tensor.detach().contiguous()
        owner = _owner(tensor, optimizers)
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
            step = int((file.metadata() or {})["step"])
            for name, tensor in trained.items():
                tensor.copy_(file.get_tensor(f"weight.{name}"))
                owner = _owner(tensor, optimizers)
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


def _owner(tensor: Any, optimizers: Sequence[Any]) -> Any | None:
    """Return the optimizer that moves a tensor; None: it is a buffer."""
    for optimizer in optimizers:
        if any(tensor is one for group in optimizer.param_groups for one in group["params"]):
            return optimizer
    return None
