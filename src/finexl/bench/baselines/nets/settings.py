"""A captioning network's config.json: its sizes, its words, and what it sees."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from finexl.errors import UsageError

ARCHITECTURES = ("diff-caption", "chg2cap")
PAD, START, END, MASK, CLS = range(5)
SPECIAL = ("<pad>", "<start>", "<end>", "<mask>", "<cls>")
MOST_BYTES = 4_000_000
_WORD = re.compile(r"\S{1,60}")
_MOST = {"width": 2048, "heads": 64, "inner": 16_384, "layers": 48, "writers": 48, "features": 8192,
         "side": 64, "length": 256}  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """The sizes of one network; nothing of them is believed before it is checked."""

    architecture: str
    backbone: str
    """"embedded": frozen places of the embedded encoder; "cnn": a small CNN of its own."""
    features: int
    """Of the frozen features; 3, a pixel's, for the CNN."""
    channels: tuple[int, ...]
    """Of the CNN, each layer half as large; none for the frozen features."""
    side: int
    """Places along each side of the grid."""
    width: int
    heads: int
    inner: int
    layers: int
    """Of the unified transformer (Diff Caption), or of the hierarchical attention (Chg2Cap)."""
    writers: int
    """Layers of Chg2Cap's decoder."""
    length: int
    """Words of a caption, at most."""
    words: tuple[str, ...]
    """SPECIAL first."""
    difference: bool = False
    """Whether Diff Caption sees the second picture as its difference from the first, place by
    place, which attention would have to find by itself, and from few pairs does not."""
    dropout: float = 0.1

    @property
    def places(self) -> int:
        """How many places a picture has."""
        return self.side**2

    @property
    def pixels(self) -> int:
        """The side of what the CNN reads."""
        return int(self.side * 2 ** len(self.channels))

    def numbers(self, caption: str) -> list[int]:
        """Return a caption's words as numbers, START before and END after.

        Raises:
            UsageError: a word that is not known.
        """
        known = {word: number for number, word in enumerate(self.words)}
        unknown = [word for word in caption.split() if word not in known]
        if unknown:
            raise UsageError(f"The word {unknown[0]!r} is not among the network's.")
        return [START, *(known[word] for word in caption.split()), END]

    def text(self, numbers: Sequence[int]) -> str:
        """Return the words of numbers, the special ones left out."""
        return " ".join(self.words[number] for number in numbers if number >= len(SPECIAL))

    def written(self) -> str:
        """Return what config.json says."""
        return json.dumps(asdict(self), indent=1) + "\n"


def read_settings(path: Path) -> Settings:
    """Read a config.json.

    Raises:
        UsageError: no such file, or a setting that is missing, unknown or too large.
    """
    said = _object(path)
    for key, most in _MOST.items():
        if type(said.get(key)) is not int or not 1 <= said[key] <= most:
            raise _wrong(path, said, key, f"a whole number from 1 to {most}")
    channels, words = said.get("channels"), said.get("words")
    if (
        not isinstance(channels, list)
        or len(channels) > 8
        or any(type(one) is not int or not 1 <= one <= 4096 for one in channels)
    ):
        raise _wrong(path, said, "channels", "a list of at most 8 whole numbers up to 4096")
    if (
        not isinstance(words, list)
        or not len(SPECIAL) < len(words) <= 100_000
        or any(not isinstance(word, str) or not _WORD.fullmatch(word) for word in words)
        or tuple(words[: len(SPECIAL)]) != SPECIAL
        or len(set(words)) < len(words)
    ):
        raise _wrong(path, said, "words", f"a list of different words, {', '.join(SPECIAL)} first")
    if said.get("architecture") not in ARCHITECTURES:
        raise _wrong(path, said, "architecture", f"one of {', '.join(ARCHITECTURES)}")
    kind = "cnn" if channels else "embedded"
    if said.get("backbone") != kind or (channels and said["features"] != 3):
        raise _wrong(path, said, "backbone", '"cnn" with channels and 3 features, or "embedded"')
    if kind == "embedded" and 16 % said["side"]:
        raise _wrong(path, said, "side", "a divisor of 16")
    if said["width"] % (2 * said["heads"]):
        raise _wrong(path, said, "width", "a multiple of twice the heads")
    if kind == "cnn" and said["side"] * 2 ** len(channels) > 1024:
        raise _wrong(path, said, "side", "small enough for pictures of 1,024 pixels")
    if not isinstance(said.get("difference", False), bool):
        raise _wrong(path, said, "difference", "true or false")
    sizes = {key: said[key] for key in _MOST}
    return Settings(
        architecture=said["architecture"],
        backbone=kind,
        channels=tuple(channels),
        words=tuple(words),
        difference=said.get("difference", False),
        **sizes,
    )


def _object(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"{path} is too large for a config.json.")
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read as a network's settings: {error}.") from error
    if not isinstance(found, dict):
        raise UsageError(f"{path} is no JSON object.")
    return found


def _wrong(path: Path, said: dict[str, Any], key: str, wanted: str) -> UsageError:
    return UsageError(
        f"{path} has {key!r}: {json.dumps(said.get(key))[:80]}, and it has to be {wanted}."
    )
