"""What a model is personalized on: images with captions, mixed in given proportions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from finexl.errors import UsageError
from finexl.images import Picture
from finexl.imageset import read_images

MOST_CAPTION_BYTES = 10_000


@dataclass(frozen=True)
class Example:
    """An image, the words for it, and how often it is drawn, as a part of all draws."""

    picture: Picture
    caption: str
    weight: float


def read_examples(folders: Sequence[str], caption: str | None = None) -> list[Example]:
    """Read folders of images, each with its part of the mixture: "DIR", or "DIR@0.3".

    An image's caption is its `prompt` in a manifest, else the text of the .txt file beside it, else
    `caption`. The folders' parts are scaled to add up to 1; within a folder all images weigh the
    same.

    Raises:
        UsageError: no folder, no images, a part that is no number above 0, or no caption.
    """
    if not folders:
        raise UsageError("Give at least one folder of images to personalize on.")
    parts = [_parted(text) for text in folders]
    total = sum(part for _, part in parts)
    found = []
    for folder, part in parts:
        pictures = read_images(folder).pictures
        found += [
            Example(picture, _caption(picture, caption), part / total / len(pictures))
            for picture in pictures
        ]
    return found


def _parted(text: str) -> tuple[str, float]:
    """Return a folder and its part; a folder whose name has an @ and exists is one."""
    folder, at, part = text.rpartition("@")
    if not at or Path(text).exists():
        return text, 1.0
    try:
        value = float(part)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise UsageError(f"{text}: {part!r} is no part of a mixture; write {folder}@0.3, say.")
    return folder, value


def _caption(picture: Picture, caption: str | None) -> str:
    if picture.prompt is not None:
        return picture.prompt
    if isinstance(picture.source, Path):
        beside = picture.source.with_suffix(".txt")
        try:
            if beside.is_file() and beside.stat().st_size <= MOST_CAPTION_BYTES:
                return " ".join(beside.read_text(encoding="utf-8").split())
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"The caption {beside} cannot be read as UTF-8 text.") from error
    if caption is None:
        raise UsageError(
            f"{picture.name} has no caption; give a manifest with `prompt`, a .txt file beside "
            "each image, or one --caption for all."
        )
    return caption
