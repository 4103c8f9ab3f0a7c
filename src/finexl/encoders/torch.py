"""What encoders that run on torch share: where to compute, with how many threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from finexl.encoders.hub import Files


def best_device() -> str:
    """Return CUDA's, else Apple's MPS, else the processor's name, as torch finds them now."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


@dataclass
class TorchEncoder:
    """A model in a folder that runs on torch; opened when first used."""

    name: str
    files: Files
    threads: int | None = None
    """Processor threads while encoding; None leaves torch's own number."""
    device: str | None = None
    """Where to compute; None for CUDA, else Apple's MPS, else the processor."""
    normalized: bool = True

    @property
    def revision(self) -> str:
        """The hub's commit, or the digest of a local folder's files."""
        return self.files.revision


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
