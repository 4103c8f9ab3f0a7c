"""All divergence vectors of a catalog in one file beside it, mapped into memory to be searched.

SQLite is the truth. The mirror is a safetensors file with a matrix and the row ids for each
encoder, and in its header the state of the catalog that it was made of: where that is another, it
is made anew and takes the old one's place at once, whole.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from finexl.catalog.store import Catalog
from finexl.errors import FinexlError, UsageError
from finexl.files import write_atomic

_SUFFIX = ".vectors"
_LONGEST_HEADER = 1_000_000
_KINDS: Mapping[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "I64": np.dtype("<i8")}


@dataclass(frozen=True)
class Vectors:
    """What one encoder measured of all models."""

    ids: NDArray[np.int64]
    """(n,), row ids in the catalog, ascending."""
    rows: NDArray[np.float32]
    """(n, d), V_div of each."""


@dataclass(frozen=True)
class Mirror:
    """The vectors of a catalog in one state."""

    state: str
    by_encoder: Mapping[str, Vectors]
    """By "name@revision"."""


def mirror_of(catalog: Catalog, known: Mirror | None = None) -> Mirror:
    """Return the catalog's vectors as they are now: those known, those on disk, or made anew."""
    with catalog.snapshot() as state:
        if known is not None and known.state == state:
            return known
        path = catalog.path.with_name(catalog.path.name + _SUFFIX)
        found = _read(path, state)
        if found is not None:
            return found
        made = Mirror(state, _gathered(catalog))
        with suppress(FinexlError, UsageError):  # a folder that cannot be written costs time alone
            write_atomic(path, _written(made))
    return _read(path, state) or made


def _gathered(catalog: Catalog) -> dict[str, Vectors]:
    found = {}
    for encoder, rows in groupby(catalog.vectors(), key=lambda row: row[0]):
        listed = [(i, blob) for _, i, blob in rows]
        ids = np.array([i for i, _ in listed], dtype=np.int64)
        if len({len(blob) for _, blob in listed}) > 1:
            raise FinexlError(
                f"{catalog.path} is damaged: vectors of {encoder.split('@')[0]} have different "
                "sizes; `finexl catalog verify` says which are wrong."
            )
        joined = np.frombuffer(b"".join(blob for _, blob in listed), dtype="<f4")
        found[encoder] = Vectors(ids, joined.reshape(len(ids), -1))
    return found


def _written(mirror: Mirror) -> bytes:
    from safetensors.numpy import save

    tensors: dict[str, NDArray[Any]] = {}
    for encoder, vectors in mirror.by_encoder.items():
        tensors[f"ids {encoder}"] = vectors.ids
        tensors[f"rows {encoder}"] = np.ascontiguousarray(vectors.rows, dtype="<f4")
    tensors = tensors or {"none": np.zeros(0, np.float32)}
    return save(tensors, {"state": mirror.state})


def _read(path: Path, state: str) -> Mirror | None:
    """Return the mirror on disk, mapped; None where it is of another state, or damaged."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > _LONGEST_HEADER:
                return None
            header = json.loads(file.read(length))
        if header.pop("__metadata__")["state"] != state:
            return None
        whole = np.memmap(path, dtype=np.uint8, mode="r", offset=8 + length)
        tensors = {name: _tensor(whole, about) for name, about in header.items()}
        names = [name.removeprefix("rows ") for name in tensors if name.startswith("rows ")]
        return Mirror(state, {n: Vectors(tensors[f"ids {n}"], tensors[f"rows {n}"]) for n in names})
    except (OSError, ValueError, KeyError, TypeError, struct.error):
        return None


def _tensor(whole: NDArray[np.uint8], about: Mapping[str, Any]) -> NDArray[Any]:
    start, end = about["data_offsets"]
    kind: np.dtype[Any] = _KINDS[about["dtype"]]
    found: NDArray[Any] = whole[start:end].view(kind).reshape(about["shape"])
    return found
