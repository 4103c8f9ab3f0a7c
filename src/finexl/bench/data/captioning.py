"""Words for images that have none, by BLIP-2 (Appendix D), each image captioned once.

CACHE/captions/MODEL.jsonl holds a line for each image: its digest, its caption. MODEL is the digest
of the model's revision and of how it is asked.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from PIL import Image
from safetensors import SafetensorError

from finexl import hub
from finexl.cache import cache_folder, key_of
from finexl.devices import best_device, quietly, torch_threads
from finexl.errors import FinexlError, PrerequisiteError, UsageError
from finexl.files import append_line
from finexl.hub import Files, Role
from finexl.images import Picture
from finexl.imageset import ImageSet
from finexl.manifest import MAX_PROMPT_CHARACTERS

BLIP2 = "Salesforce/blip2-opt-2.7b"
LENGTH = 30
"""Most words' parts of a caption."""
CAPTIONER = Role(
    "captioning model",
    f"the paper's is {BLIP2}",
    "leave captions out with --no-captions",
)
_DAMAGED = (OSError, ValueError, KeyError, RuntimeError, AttributeError, TypeError, IndexError)
Progress = Callable[[str, int, int], None]


class Captioner(Protocol):
    """A model that says what is in a picture."""

    @property
    def revision(self) -> str:
        """What its captions depend on beside the picture."""
        ...

    def caption(self, picture: Image.Image) -> str:
        """Return a caption; the same for the same picture."""
        ...


@dataclass
class Blip2:
    """BLIP-2 through transformers, opened when first asked; it decodes greedily."""

    name: str
    files: Files
    device: str | None = None
    """Where to compute; None for CUDA, else Apple's MPS, else the processor."""
    threads: int | None = None
    length: int = field(default=LENGTH)

    @classmethod
    def load(cls, reference: str = BLIP2, device: str | None = None) -> Blip2:
        """Find the model: a folder, or a hub id.

        Raises:
            UsageError: no such model.
            PrerequisiteError: it cannot be fetched, or an extra is missing.
        """
        return cls(reference, hub.locate(reference, CAPTIONER), device)

    @property
    def revision(self) -> str:
        """The hub's commit or the digest of a folder's files, and how captions are decoded."""
        return f"{self.files.revision} greedy {self.length}"

    def caption(self, picture: Image.Image) -> str:
        """Return a caption of one line, the model's most likely words.

        Raises:
            UsageError: the files are no BLIP-2 model, or it says nothing.
            PrerequisiteError: an extra is missing.
        """
        transformers, torch = self._libraries
        model, processor = self._opened
        try:
            with quietly(transformers), torch_threads(self.threads), torch.inference_mode():
                inputs = processor(images=picture, return_tensors="pt")
                found = model.generate(
                    **inputs.to(model.device, model.dtype),
                    max_new_tokens=self.length,
                    do_sample=False,
                    num_beams=1,
                )
        except _DAMAGED as error:
            raise UsageError(f"The model {self.name} cannot caption: {_why(error)}.") from error
        text = " ".join(processor.tokenizer.decode(found[0], skip_special_tokens=True).split())
        if not text:
            raise UsageError(f"The model {self.name} says nothing; give another one.")
        return text[:MAX_PROMPT_CHARACTERS]

    @cached_property
    def _opened(self) -> tuple[Any, Any]:
        transformers, torch = self._libraries
        hub.require_safetensors(self.files, self.name, CAPTIONER)
        device = self.device or best_device()
        settings = {"local_files_only": True, "trust_remote_code": False}
        dtype = torch.float32 if device == "cpu" else torch.float16
        try:
            with quietly(transformers):
                processor = transformers.Blip2Processor.from_pretrained(
                    self.files.folder, **settings
                )
                model = transformers.Blip2ForConditionalGeneration.from_pretrained(
                    self.files.folder, use_safetensors=True, dtype=dtype, **settings
                )
            return model.to(device).eval(), processor
        except ImportError as error:
            raise PrerequisiteError(
                f"The model {self.name} cannot be opened: {_why(error)}."
            ) from error
        except (*_DAMAGED, SafetensorError) as error:
            raise UsageError(
                f"{self.files.folder} is not a model that transformers can open as BLIP-2: "
                f"{_why(error)}."
            ) from error

    @cached_property
    def _libraries(self) -> tuple[Any, Any]:
        try:
            import torch
            import transformers
        except ImportError as error:
            raise hub.missing_extra(self.name, "torch", CAPTIONER) from error
        return transformers, torch


def captioned(
    images: ImageSet,
    captioner: Captioner,
    folder: Path | None = None,
    progress: Progress = lambda *_: None,
) -> ImageSet:
    """Return the set with a prompt for every picture that had none.

    Args:
        images: pictures that have a prompt keep it.
        captioner: is asked for each picture whose caption is not known.
        folder: where captions are kept; None for the user's cache.
        progress: told of every picture.

    Raises:
        FinexlError: as the captioner; what was captioned until then is kept.
    """
    bare = [picture for picture in images.pictures if picture.prompt is None]
    texts = iter(captions(bare, captioner, folder, progress))
    pictures = (
        replace(picture, prompt=next(texts)) if picture.prompt is None else picture
        for picture in images.pictures
    )
    return replace(images, pictures=tuple(pictures))


def captions(
    pictures: Sequence[Picture],
    captioner: Captioner,
    folder: Path | None = None,
    progress: Progress = lambda *_: None,
) -> list[str]:
    """Return a caption for each picture, from the cache where it is there. See `captioned`."""
    place = folder or cache_folder() / "captions"
    path = place / f"{key_of(captioner.revision)[:32]}.jsonl"
    known = _read(path)
    found = []
    for number, picture in enumerate(pictures):
        progress("Captions", number, len(pictures))
        digest = picture.digest()
        if digest not in known:
            known[digest] = captioner.caption(picture.open())
            line = json.dumps({"digest": digest, "caption": known[digest]}, ensure_ascii=False)
            with suppress(OSError, FinexlError):  # what cannot be kept costs time, nothing else
                place.mkdir(parents=True, exist_ok=True)
                append_line(path, line)
        found.append(known[digest])
    progress("Captions", len(pictures), len(pictures))
    return found


def _read(path: Path) -> dict[str, str]:
    """Return captions by digest; a line that is damaged is as good as absent."""
    found: dict[str, str] = {}
    with suppress(OSError):
        for line in path.read_bytes().split(b"\n"):
            with suppress(ValueError, KeyError, TypeError, RecursionError):
                row = json.loads(line)
                digest, caption = row["digest"], row["caption"]
                if isinstance(digest, str) and isinstance(caption, str) and caption:
                    found[digest] = caption[:MAX_PROMPT_CHARACTERS]
    return found


def _why(error: BaseException) -> str:
    said = str(error).strip().splitlines()
    return (said[0] if said else type(error).__name__).rstrip(".")
