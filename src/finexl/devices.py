"""Where models on torch compute, and with how many threads: decided when they are called."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


def best_device() -> str:
    """Return CUDA's, else Apple's MPS, else the processor's name, as torch finds them now."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


@contextmanager
def torch_threads(threads: int | None) -> Iterator[None]:
    """Let torch use so many threads for as long as this takes; None changes nothing."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
