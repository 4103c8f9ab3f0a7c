"""A real fine-tune whose change is known in words: two sets of images and a small truth.yaml.

    base: lora_scale/sd1.5_sketch/base          a folder, a manifest, or files: images/sdxl__*.jpg
    personalized: lora_scale/sd1.5_sketch/lora
    prompts: prompts.csv                        if known: .txt, .csv, .jsonl, or a .json list
    aspects:
      - names: [sketch, line drawing]           what a viewer may call it
        direction: more                         or less

Without aspects (`aspects: []`) nobody has said what changed, and only whether a change is found can
be scored. The names are written down before any explanation is seen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, cast

from finexl.concepts.cleaning import key_of, opposed
from finexl.concepts.vocabulary import MAX_LENGTH, vocabulary
from finexl.errors import UsageError
from finexl.images import Picture, image_formats
from finexl.imageset import ImageSet, read_images
from finexl.imageset import key_of as key_of_file
from finexl.manifest import FILE_KEYS
from finexl.prompts import PromptRow, read_prompts, with_prompts

Direction = Literal["more", "less"]
_MOST_BYTES = 1_000_000
_MOST_JSON = 64_000_000
_KEYS = ("base", "personalized", "prompts", "aspects")
_GENERIC = frozenset(
    key_of(word)
    for word in (
        *("style", "look", "effect", "aesthetic", "quality"),
        *("painting", "drawing", "print", "illustration", "poster", "photo", "image", "art"),
    )
)
"""Last words that say no more than that it is a picture of that kind: "anime", "anime style"."""


@dataclass(frozen=True)
class TrueAspect:
    """Something that there is more, or less, of."""

    names: tuple[str, ...]
    direction: Direction

    def is_named(self, concept: str, more: bool) -> bool:
        """Whether an explanation that says more (or less) of a concept names this aspect.

        The direction is the same and the concept is one of the names: equal up to spelling
        (`concepts.cleaning.key_of`), equal once a last word such as "style" or "art" is dropped on
        either side, or ending in the name ("pencil sketch" is a sketch). Or the direction is the
        other one and the concept's antonym in the built-in lists is one of the names. Nothing here
        looks at embeddings, and nothing is fitted.
        """
        if more == (self.direction == "more"):
            return any(_is_kind_of(concept, name) for name in self.names)
        antonym = _antonyms().get(key_of(concept))
        return antonym is not None and any(_is_kind_of(antonym, name) for name in self.names)


@dataclass(frozen=True)
class Truth:
    """A personalized model, its base, and what is known of the difference."""

    name: str
    base: ImageSet
    personalized: ImageSet
    aspects: tuple[TrueAspect, ...]
    """Empty where nobody has said what changed."""

    def named(self, concept: str, more: bool) -> int | None:
        """Return which of the aspects an explanation's words name, if any."""
        for number, aspect in enumerate(self.aspects):
            if aspect.is_named(concept, more):
                return number
        return None


def read_truth(path: Path, root: Path | None = None) -> Truth:
    """Read a truth.yaml, and find its images.

    Args:
        path: the file; its stem is the truth's name, for truth.yaml itself its folder's.
        root: what the paths in it are relative to; by default the file's folder.

    Raises:
        UsageError: it cannot be read, is not of the form above, or images or prompts are not there.
    """
    fields = _fields(path)
    root = path.parent if root is None else root
    sides = [_images(path, root, fields, side) for side in ("base", "personalized")]
    if "prompts" in fields:
        rows = _prompts(root / _text(path, fields, "prompts"))
        sides = [with_prompts(side, rows) for side in sides]
    name = path.parent.name if path.stem == "truth" else path.stem
    return Truth(name, sides[0], sides[1], _aspects(path, fields["aspects"]))


def read_truths(where: Path, root: Path | None = None) -> list[Truth]:
    """Read one truth, or all the .yaml files of a folder, in the order of their names.

    Raises:
        UsageError: as `read_truth`, or there is none.
    """
    paths = sorted(where.glob("*.yaml")) if where.is_dir() else [where]
    if not paths:
        raise UsageError(f"{where} has no .yaml file that says what is true.")
    return [read_truth(path, root) for path in paths]


# --- names ----------------------------------------------------------------------------------------


def _is_kind_of(concept: str, name: str) -> bool:
    if key_of(concept) == key_of(name) or key_of(_bare(concept)) == key_of(_bare(name)):
        return True
    words = _split(concept)
    tails = (" ".join(words[i:]) for i in range(1, len(words)))
    return any(key_of(tail) == key_of(name) for tail in tails) and not opposed(concept, name)


def _bare(text: str) -> str:
    """Return a text without its last word, where that says only what kind of picture it is."""
    words = _split(text)
    return " ".join(words[:-1]) if len(words) > 1 and key_of(words[-1]) in _GENERIC else text


def _split(text: str) -> list[str]:
    return [word for word in re.split(r"[\s\-]+", text) if word]


@cache
def _antonyms() -> Mapping[str, str]:
    return {key_of(c.text): c.antonym for c in vocabulary("all") if c.antonym}


# --- the file -------------------------------------------------------------------------------------


def _fields(path: Path) -> dict[str, Any]:
    import yaml  # a tenth of a second, and only truths need it

    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise UsageError(f"{path} is larger than 1 MB, which no truth is.")
        fields = yaml.safe_load(content.decode("utf-8-sig"))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"{path} cannot be read: {reason}.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text; save it as UTF-8.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = "" if mark is None else f" at line {mark.line + 1}"
        raise UsageError(f"{path} is not YAML{line}.") from error
    if not isinstance(fields, dict):
        raise UsageError(f"{path} is no mapping; give {', '.join(_KEYS)}.")
    unknown = [str(key)[:40] for key in fields if key not in _KEYS]
    if unknown:
        raise UsageError(f"{path} has the unknown key {unknown[0]!r}; it takes {', '.join(_KEYS)}.")
    missing = [key for key in _KEYS if key != "prompts" and key not in fields]
    if missing:
        raise UsageError(f"{path} lacks {missing[0]!r}.")
    return fields


def _text(path: Path, fields: Mapping[str, Any], key: str) -> str:
    value = fields[key]
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{path} has no text as {key!r}; give a path.")
    return value.strip()


def _images(path: Path, root: Path, fields: Mapping[str, Any], side: str) -> ImageSet:
    where = _text(path, fields, side)
    if "*" not in Path(where).name:
        return read_images(root / where)
    pattern = root / where
    found = [
        file
        for file in sorted(pattern.parent.glob(pattern.name))
        if file.suffix.lower() in image_formats() and file.is_file()
    ]
    if not found:
        raise UsageError(f"{path} names {where} as {side!r}, and there is no such image.")
    pictures = tuple(Picture(key_of_file(file.name), file) for file in found)
    name = Path(where).stem.strip("*_- ") or side
    return ImageSet(name, "folder", pictures)


def _prompts(path: Path) -> list[PromptRow]:
    if path.suffix.lower() != ".json":
        return read_prompts(path)
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_JSON + 1)
        entries = json.loads(content) if len(content) <= _MOST_JSON else None
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{path} cannot be read as JSON.") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UsageError(f"{path} is no list of objects with `prompt` and `file`.")
    return [_row(path, number, entry) for number, entry in enumerate(entries)]


def _row(path: Path, number: int, entry: Mapping[str, Any]) -> PromptRow:
    file = next((entry[key] for key in FILE_KEYS if key in entry), None)
    prompt, seed = entry.get("prompt"), entry.get("seed")
    if not isinstance(prompt, str) or not isinstance(file, str):
        raise UsageError(f"{path} lacks `prompt` or `file` in its entry {number}.")
    return PromptRow(prompt, file, seed if isinstance(seed, int) and seed >= 0 else None)


def _aspects(path: Path, given: object) -> tuple[TrueAspect, ...]:
    if not isinstance(given, list):
        raise UsageError(f"{path} has no list as 'aspects'; give [] where nothing is known.")
    return tuple(_aspect(path, number, one) for number, one in enumerate(given, 1))


def _aspect(path: Path, number: int, given: object) -> TrueAspect:
    where = f"{path}, aspect {number},"
    if not isinstance(given, dict) or set(given) != {"names", "direction"}:
        raise UsageError(f"{where} needs `names` and `direction`, and nothing else.")
    names, direction = given["names"], given["direction"]
    if not isinstance(names, list) or not names:
        raise UsageError(f"{where} has no list of accepted names.")
    if not all(isinstance(name, str) and 0 < len(name.strip()) <= MAX_LENGTH for name in names):
        raise UsageError(
            f"{where} has a name that is no text of 1 to {MAX_LENGTH} characters; put it in quotes."
        )
    if direction not in ("more", "less"):
        raise UsageError(f"{where} has no direction `more` or `less`.")
    texts = cast(Sequence[str], names)
    return TrueAspect(tuple(name.strip() for name in texts), cast(Direction, direction))
