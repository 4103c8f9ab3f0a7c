"""Latent edits: a direction that is added to the noise z, or to the style w of architectures with
one.

    z ← z + s · direction
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from finexl.errors import UsageError
from finexl.generators.checkpoints import digest_of_file, header

MOST = 4096
"""Tensors in a file."""


@dataclass(frozen=True)
class Edit:
    """A file's directions, and how strongly they are added."""

    path: Path
    scale: float
    digest: str
    z: NDArray[np.float32] | None
    """The sum of its directions of z's width; None: it has none."""
    w: NDArray[np.float32] | None
    """The same of w."""

    def record(self) -> dict[str, Any]:
        """Return what the manifest says of it."""
        return {"file": str(self.path), "scale": self.scale, "digest": self.digest}


def read(name: str, scale: float, z: int, w: int | None) -> Edit:
    """Read a direction file: one or more tensors of z's width, or of w's.

    Where both are as wide, a tensor whose name begins with "w" is one of w. All of a file's
    tensors are added.

    Raises:
        UsageError: no such file, a pickle, a damaged one, or a tensor of another width.
    """
    path = Path(name).expanduser()
    shapes, _ = header(path)
    fits = f"z is {z}" + ("" if w is None else f" and w is {w}") + " wide"
    if not 0 < len(shapes) <= MOST:
        raise UsageError(f"{path} holds {len(shapes)} tensors; a direction file holds one or more.")
    for key, shape in shapes.items():
        if shape not in ((z,), (1, z), (w,), (1, w)):
            raise UsageError(
                f"{path} has {key} of the shape {'x'.join(map(str, shape))}, which is no "
                f"direction here: {fits}."
            )
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError, ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{path} cannot be read as numbers: {error}.") from error
    sums: dict[str, NDArray[np.float32]] = {}
    for key, tensor in tensors.items():
        flat = np.asarray(tensor, np.float32).reshape(-1)
        if not np.isfinite(flat).all():
            raise UsageError(f"{path} has {key} with numbers that are none.")
        of_w = len(flat) == w and (z != w or key.startswith("w"))
        place = "w" if of_w else "z"
        sums[place] = sums.get(place, np.zeros_like(flat)) + flat
    return Edit(path, scale, digest_of_file(path), sums.get("z"), sums.get("w"))


def added(edits: tuple[Edit, ...], place: str) -> NDArray[np.float32] | None:
    """Return what all edits add to "z" or "w"; None where they add nothing."""
    parts = [
        np.float32(edit.scale) * vector
        for edit in edits
        if edit.scale != 0 and (vector := getattr(edit, place)) is not None
    ]
    return None if not parts else np.sum(parts, axis=0, dtype=np.float32)
