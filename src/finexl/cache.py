"""Arrays kept on disk under a digest of all that they depend on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from finexl.errors import FinexlError
from finexl.files import write_atomic

Arrays = Mapping[str, NDArray[np.float32]]


def cache_folder() -> Path:
    """Return where this package keeps what it can make again: FINEXL_CACHE, else ~/.cache."""
    chosen = os.environ.get("FINEXL_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    root = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(root).expanduser() / "finexl"


def key_of(*parts: str) -> str:
    """Return the digest (64 hex digits) of texts in order, with unambiguous boundaries."""
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False).encode()).hexdigest()


@dataclass(frozen=True)
class ArrayCache:
    """Named arrays with labels, one safetensors file a key; what cannot be kept is made again."""

    folder: Path

    def get(self, key: str) -> tuple[dict[str, NDArray[np.float32]], dict[str, str]] | None:
        """Return the arrays and the labels stored under a key; None where there are none."""
        from safetensors import SafetensorError, safe_open

        path = self._path(key)
        try:
            with safe_open(path, framework="numpy") as file:
                names = list(file.keys())
                return {name: file.get_tensor(name) for name in names}, file.metadata() or {}
        except (OSError, SafetensorError):  # absent, or damaged: as good as absent
            return None

    def put(self, key: str, arrays: Arrays, labels: Mapping[str, str]) -> None:
        """Store arrays and labels, replacing what was there."""
        from safetensors.numpy import save

        contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomic(self._path(key), save(contiguous, dict(labels)))
        except (OSError, FinexlError):  # a cache that cannot be written costs time, nothing else
            return

    def _path(self, key: str) -> Path:
        return self.folder / f"{key[:32]}.safetensors"
