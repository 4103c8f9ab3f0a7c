"""What a model that makes images is to the rest of the package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from PIL import Image

from finexl.errors import FinexlError


class OutOfMemoryError(FinexlError):
    """The batch does not fit; a smaller one may."""


def short(reference: str) -> str:
    """Return what reports call a model: a hub id as it is, a path's last part."""
    path = Path(reference).expanduser()
    if not path.exists():
        return reference
    path = path.resolve()
    return path.stem if path.is_file() else path.name


@dataclass(frozen=True)
class Job:
    """One image to be made. The same job on both sides starts from the same noise."""

    prompt: str
    seed: int


@dataclass(frozen=True)
class Made:
    """An image, or why there is none."""

    image: Image.Image | None
    blank: str | None = None
    """Why it cannot be used, "withheld by the safety checker" for instance; None: it can."""


@dataclass(frozen=True)
class Settings:
    """How images are made; what is None is the model's own. All of it is recorded."""

    steps: int | None = None
    """Denoising steps."""
    guidance: float | None = None
    """Classifier-free guidance scale."""
    size: int | None = None
    """Width and height in pixels."""
    negative: str | None = None
    """The negative prompt."""
    scheduler: str | None = None
    """A diffusers scheduler's class name, "DDIMScheduler" for instance."""
    dtype: str | None = None
    """"float32", "float16" or "bfloat16"; None for half precision on a GPU, else single."""
    device: str | None = None
    """Where to compute; None for CUDA, else Apple's MPS, else the processor."""
    offload: bool = False
    """Keep the model's parts in main memory until they are needed (accelerate)."""
    batch: int | None = None
    """Images at once; None for one on a processor and four on a GPU."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """What one kind of model alone knows."""


class Generator(Protocol):
    """A model that makes an image of a prompt and a seed: the same for both, the same image."""

    @property
    def name(self) -> str:
        """What reports call it, without any secret."""
        ...

    @property
    def kind(self) -> str:
        """ "diffusers", "lora", "directions", "gan", "ar" or "api"."""
        ...

    @property
    def digest(self) -> str:
        """What its images depend on beside prompt and seed: weights, adapters, scales, settings."""
        ...

    @property
    def batch(self) -> int:
        """How many images it makes at once; results may depend on it in the last bits."""
        ...

    @property
    def seeded(self) -> bool:
        """Whether the seed decides the image; where not, images pair by prompt alone."""
        ...

    @property
    def prompted(self) -> bool:
        """Whether the prompt decides anything; where not, each seed's image stands by itself."""
        ...

    @property
    def notice(self) -> str | None:
        """One sentence to show before the first image: where prompts go; None: nowhere."""
        ...

    def record(self) -> Mapping[str, Any]:
        """Return what the manifest says of it: revisions, settings as used, versions. JSON-like."""
        ...

    def make(self, jobs: Sequence[Job]) -> list[Made]:
        """Make one batch, in order. Loads the model at the first call.

        Raises:
            OutOfMemoryError: fewer at once may fit.
            UsageError: the model cannot be loaded or does not fit together; says which and why.
            PrerequisiteError: an extra, a model, a key or a host is missing.
            NoReplyError: a remote model did not answer.
        """
        ...
