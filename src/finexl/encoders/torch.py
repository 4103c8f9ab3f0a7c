"""What encoders that run on torch share."""

from __future__ import annotations

from dataclasses import dataclass

from finexl.hub import Files


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
