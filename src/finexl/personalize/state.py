"""Where a training stands: whose folder it is, and in one file all that it goes on from."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from finexl.errors import UsageError
from finexl.files import write_atomic

FILE = "state.safetensors"
TRAINING = "training.json"
"""What a folder's training was asked for."""
MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def claim(
    out: Path, asked: Mapping[str, Any], file: str = TRAINING, what: str = "training"
) -> None:
    """Make the folder this training's, or refuse one that is another's.

    Args:
        out: made if need be.
        asked: all that the outcome follows from, JSON-like.
        file: where that is written.
        what: what it is called in errors.

    Raises:
        UsageError: it holds something else, or cannot be written to.
    """
    path = out / file
    try:
        out.mkdir(parents=True, exist_ok=True)
        before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        strangers = before is None and any(out.iterdir())
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{out} cannot hold a {what}: {error}.") from error
    if before is not None and not isinstance(before, dict):
        raise UsageError(f"{path} is damaged; start in a new folder.")
    if strangers:
        raise UsageError(f"{out} has files in it already; choose an empty or new folder.")
    written = json.loads(json.dumps(asked))
    if before is not None and before != written:
        different = [key for key in written if before.get(key) != written[key]]
        raise UsageError(
            f"{out} holds another {what} (its {', '.join(different)} differ); choose a new folder."
        )
    if before is None:
        write_atomic(path, json.dumps(asked, ensure_ascii=False, indent=1) + "\n")


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
