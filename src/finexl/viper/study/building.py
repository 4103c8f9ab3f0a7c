"""A ranking test from a model and profiles, or from folders of pictures: its files.

DIR/study.json        the key; DIR/pages/NN-NAME.html go to the people
DIR/pictures/         what the pages show, by digest: for whoever analyses
DIR/made/             what a model made, as `finexl.generators.making` keeps it
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from finexl.errors import UsageError
from finexl.files import write_atomic
from finexl.generators import Generator, Job
from finexl.images import Picture
from finexl.imageset import read_images
from finexl.viper.study.design import FILE, NOBODY, Image, Offered, Study, Test, design
from finexl.viper.study.gallery import PLAIN, VIPER, Gallery
from finexl.viper.study.lineups import SIZE
from finexl.viper.study.page import encoded, render, safe_name
from finexl.viper.study.people import Subject
from finexl.viper.taste import Attributes

PAGES, PICTURES, MADE = "pages", "pictures", "made"
EXAMPLES = 9
"""Prompts beyond those that are asked whose pictures the proxy knows a person by, at most."""
Progress = Callable[[str, int, int], None]
Tastes = Mapping[str, tuple[Attributes, Attributes]]


@dataclass(frozen=True)
class Sources:
    """Pictures by whom they were made for, and by prompt."""

    own: Mapping[str, Mapping[str, tuple[Picture, ...]]]
    plain: Mapping[str, tuple[Picture, ...]]
    made_of: str


@dataclass(frozen=True)
class Built:
    """What was written."""

    study: Study
    pages: tuple[Path, ...]
    """In the order of the study's people."""


def from_model(
    base: Generator,
    people: Sequence[Subject],
    prompts: Sequence[str],
    tests: Sequence[Test],
    degree: float,
    folder: Path,
    progress: Progress = lambda *_: None,
) -> Sources:
    """Let a model make the pictures: steered to each person, and plain ones from other noise.

    Raises:
        UsageError: a model that cannot be steered, or that makes blank pictures.
    """
    gallery = Gallery(folder / MADE, base, degree)
    seeds = range(len(tests))
    own = {}
    for number, person in enumerate(people):
        progress("Making pictures", number, len(people) + 1)
        jobs = [Job(prompt, seed) for prompt in prompts for seed in seeds]
        own[person.name] = _by_prompt(gallery.pictures(VIPER, person, jobs))
    progress("Making pictures", len(people), len(people) + 1)
    jobs = [
        Job(prompt, len(seeds) + number)
        for prompt in prompts
        for number in range(SIZE - 1 if "none" in tests else 1)
    ]
    plain = _by_prompt(gallery.pictures(PLAIN, None, jobs))
    progress("Making pictures", len(people) + 1, len(people) + 1)
    return Sources(own, plain, f"{base.name}, steered at {degree:g}")


def from_folders(folders: Mapping[str, Path], plain: Path | None) -> Sources:
    """Take pictures that there are: folders with a manifest that says each one's prompt.

    Raises:
        UsageError: a folder without pictures, or pictures without a prompt.
    """
    own = {name: _folder(folder) for name, folder in folders.items()}
    return Sources(own, {} if plain is None else _folder(plain), "folders of pictures")


def _folder(folder: Path) -> Mapping[str, tuple[Picture, ...]]:
    pictures = read_images(folder).pictures
    bare = next((one.name for one in pictures if not one.prompt), None)
    if bare is not None:
        raise UsageError(
            f"{folder} does not say of which prompt {bare} is; give a manifest.jsonl with `file` "
            "and `prompt`."
        )
    return _by_prompt(pictures)


def _by_prompt(pictures: Iterable[Picture]) -> dict[str, tuple[Picture, ...]]:
    found: dict[str, tuple[Picture, ...]] = {}
    for one in pictures:
        found[one.prompt or ""] = (*found.get(one.prompt or "", ()), one)
    return found


def build(
    folder: Path,
    sources: Sources,
    tastes: Tastes,
    prompts: Sequence[str],
    tests: Sequence[Test],
    *,
    count: int,
    seed: int,
    progress: Progress = lambda *_: None,
) -> Built:
    """Write a study: its key, its pictures, and a page a person.

    Args:
        folder: made if need be; may not hold another study.
        sources: pictures.
        tastes: person -> VP+ and VP−, for the proxy; the people, in order.
        prompts: the first `count` are asked, the others' pictures are examples for the proxy.
        tests: own vs none, own vs others, or both.
        count: prompts a test.
        seed: of who meets whom, and of every order.
        progress: told how many pictures are encoded.

    Raises:
        UsageError: another study in the folder, a picture that is missing, or too few of them.
    """
    if not 1 <= count <= len(prompts):
        raise UsageError(f"{count} prompts are to be asked, and {len(prompts)} were given.")
    asked, more = list(prompts[:count]), list(prompts[count : count + EXAMPLES])
    pictures: list[Image] = []
    contents: list[bytes] = []

    def add(picture: Picture, whose: str) -> int:
        contents.append(encoded(picture.open()))
        digest = hashlib.sha256(contents[-1]).hexdigest()
        pictures.append(Image(digest, whose, picture.prompt or ""))
        progress("Encoding pictures", len(pictures), total)
        return len(pictures) - 1

    for name in tastes:
        absent = next((p for p in (*asked, *more) if not sources.own[name].get(p)), None)
        if absent is not None:
            raise UsageError(f"There is no picture for {name} of the prompt {absent!r}.")
    # a picture of its own for each test, where there are two: one that is seen twice tells whose
    each = {prompt: len(tests) if prompt in asked else 1 for prompt in (*asked, *more)}
    spare = {prompt: sources.plain.get(prompt, ())[: SIZE - 1 if prompt in asked else 1]
             for prompt in each}  # fmt: skip
    total = sum(len(sources.own[name][p][:n]) for name in tastes for p, n in each.items())
    total += sum(map(len, spare.values()))
    own = {
        name: {
            prompt: tuple(add(one, name) for one in sources.own[name][prompt][:number])
            for prompt, number in each.items()
        }
        for name in tastes
    }
    plain = {
        prompt: tuple(add(one, NOBODY) for one in some) for prompt, some in spare.items() if some
    }
    study = design(
        Offered(tuple(pictures), own, plain), asked, tastes, tests,
        made_of=sources.made_of, seed=seed,
    )  # fmt: skip
    _claim(folder, study)
    for image, content in zip(pictures, contents, strict=True):
        path = folder / PICTURES / f"{image.digest}.jpg"
        if not path.exists():
            write_atomic(path, content)
    pages = []
    for number, person in enumerate(study.people, 1):
        path = folder / PAGES / f"{number:02}-{safe_name(person.name)}.html"
        write_atomic(path, render(study, person, dict(enumerate(contents))))
        pages.append(path)
    return Built(study, tuple(pages))


def _claim(folder: Path, study: Study) -> None:
    """Write the key; refuse a folder with another, which people may be answering already."""
    text = study.to_json()
    path = folder / FILE
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise UsageError(
            f"{folder} holds another study, which people may have been sent; choose another folder."
        )
    try:
        for name in (PAGES, PICTURES):
            (folder / name).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"{folder} cannot hold a study: {(error.strerror or '').lower()}."
        ) from error
    write_atomic(path, text)
