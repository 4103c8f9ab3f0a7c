"""Networks that do not ship: their weights read from a folder that a script wrote them into."""

from __future__ import annotations

import hashlib
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load
from torch import nn

from finexl.errors import PrerequisiteError, UsageError

MOST_BYTES = 100_000_000


def read_weights(network: nn.Module, path: Path, script: str, what: str) -> str:
    """Give a network its weights; return the sha256 of their file.

    Args:
        network: takes them.
        path: a .safetensors file.
        script: fetches it, called with the file's folder.
        what: the weights, as errors speak of them.

    Raises:
        PrerequisiteError: the file is not there.
        UsageError: it is damaged, too large, or of another network.
    """
    if not path.is_file():
        raise PrerequisiteError(
            f"There is no {path}; `python scripts/{script} {path.parent}` fetches {what}."
        )
    if path.stat().st_size > MOST_BYTES:
        raise UsageError(f"{path} is larger than 100 MB, too large for {what}.")
    content = path.read_bytes()
    try:
        network.load_state_dict(load(content))
    except (SafetensorError, RuntimeError, ValueError, KeyError) as error:
        raise UsageError(
            f"{path} does not hold {what}; fetch them again with `python scripts/{script}`."
        ) from error
    return hashlib.sha256(content).hexdigest()
