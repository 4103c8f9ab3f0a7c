"""What questions are about, by content: whether an answer still holds is told by its digest."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

from finexl._version import __version__
from finexl.asking import MAKING
from finexl.cache import key_of
from finexl.errors import FinexlError, UsageError
from finexl.executor import processors
from finexl.generators import adapters, directions
from finexl.generators.checkpoints import digest_of_file
from finexl.hub import digest_of
from finexl.images import Picture
from finexl.imageset import read_images
from finexl.questions import Question
from finexl.sources import is_model

FILES = ("prompts", "concepts", "only_concepts", "exclude")
"""Options that name a file, which counts by its content."""
Part: TypeAlias = "tuple[Callable[[Path], str], str]"
"""How a file or folder is read, and where it is."""


class Contents:
    """Digests of what sides and prompts are made of; each file and folder is read once."""

    def __init__(self) -> None:
        self._known: dict[Part, str] = {}

    def learn(self, questions: Iterable[Question]) -> None:
        """Read what these are about and was not read yet, several at once."""
        named = dict.fromkeys(part for question in questions for part in _all_parts(question))
        new = [part for part in named if part not in self._known]
        with ThreadPoolExecutor(processors()) as threads:  # hashing lets other threads go on
            self._known.update(zip(new, threads.map(_read, new), strict=True))

    def of_base(self, question: Question, revision: str) -> str:
        """Return the digest of what a base's images, and their part of the work, depend on."""
        asked = question.asked
        making = [f"{key} {asked[key]}" for key in MAKING] if is_model(asked["base"]) else []
        parts = (*parts_of(asked["base"]), *_files(question, "prompts"))
        which = ("base", __version__, asked["encoder"], revision, asked["base"])
        return key_of(*which, self._of(parts), str(asked["prompts"] is None), *making)

    def of(self, question: Question, revision: str) -> str:
        """Return the digest of all that an explanation depends on.

        Args:
            question: one that was learned.
            revision: its encoder's.
        """
        asked = {**question.asked, **{key: question.asked[key] is not None for key in FILES}}
        written = json.dumps(asked, sort_keys=True, default=str)
        return key_of(__version__, revision, self._of(_all_parts(question)), written)

    def _of(self, parts: Iterable[Part]) -> str:
        return key_of(*(self._known[part] for part in parts))


def _all_parts(question: Question) -> tuple[Part, ...]:
    sides = (*parts_of(question.asked["base"]), *parts_of(question.asked["personalized"]))
    return (*sides, *_files(question, *FILES))


def _files(question: Question, *keys: str) -> tuple[Part, ...]:
    named = [question.asked[key] for key in keys]
    return tuple((digest_of_file, name) for name in named if name is not None)


def parts_of(reference: str) -> tuple[Part, ...]:
    """Return what a side is made of on this machine: of a hub id or a service, nothing."""
    if not is_model(reference):
        return ((_of_images, reference),)
    kind, _, rest = reference.partition(":")
    names = [rest]
    if kind in ("lora", "directions"):
        base, files = adapters.parse(rest, kind)
        names = [base, *(directions.split(name)[0] for name, _ in files)]
    elif kind in ("gan", "ar"):
        base, files = adapters.parts(rest, kind)
        names = [base, *(name for name, _ in files)]
    return tuple((_of_weights, name) for name in names if kind != "api" and Path(name).exists())


def _read(part: Part) -> str:
    """Return a digest; what cannot be read counts as what is wrong: whoever opens it says so."""
    how, where = part
    try:
        return how(Path(where))
    except (FinexlError, OSError) as error:
        return str(error)


def _of_weights(path: Path) -> str:
    return digest_of(path) if path.is_dir() else digest_of_file(path)


def _of_images(path: Path) -> str:
    images = read_images(path)
    told = [(p.key, _content(p), p.prompt, p.seed) for p in images.pictures]
    return key_of(images.name, json.dumps(told))


def _content(picture: Picture) -> str:
    try:
        return picture.digest()
    except UsageError as error:
        return str(error)
