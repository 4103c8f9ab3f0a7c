"""Who likes which pictures, as training takes it: agents by route, people of Pick-a-Pic (§3.3).

A route is how pictures came about: steered by ViPer, of personalized prompts, chosen by people.
What somebody both liked and disliked, and what is there twice, tells nothing and is left out.
"""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from finexl.errors import UsageError
from finexl.images import ImageError, Picture
from finexl.imageset import read_images
from finexl.viper.agents.agent import FILE, read_agents
from finexl.viper.agents.tastes import Likings
from finexl.viper.agents.views import cared_for

PICK_A_PIC = "pick-a-pic"
COLUMNS = ("user_id", "jpg_0", "jpg_1", "label_0", "label_1")
SIDES = ("liked", "disliked")


@dataclass(frozen=True)
class Shot:
    """A picture of somebody's."""

    path: Path
    digest: str
    """Of its content: a copy under another name is the same picture."""


@dataclass(frozen=True)
class Person:
    """Somebody, real or simulated, and pictures by route."""

    name: str
    liked: Mapping[str, tuple[Shot, ...]]
    disliked: Mapping[str, tuple[Shot, ...]]
    """May lack a route: what others like by it takes the place of what is disliked."""


def read_people(
    routes: Mapping[str, Path], pick_a_pic: Path | None = None
) -> tuple[tuple[Person, ...], tuple[str, ...]]:
    """Return everybody that is in these folders and this table, by name, and what was left out.

    Args:
        routes: each route's folder, with agents as `finexl viper agents` makes them, or with a
            folder a person and in it `liked` and maybe `disliked`. A name that is in several is
            the same person.
        pick_a_pic: a .csv with user_id, jpg_0, jpg_1 (files, relative to it) and label_0, label_1
            (1 and 0 for the chosen picture and the other; a tie says nothing).

    Raises:
        UsageError: a folder or table that cannot be read, is malformed, or has nobody.
    """
    found: dict[str, dict[str, dict[str, list[Path]]]] = defaultdict(
        lambda: {side: defaultdict(list) for side in SIDES}
    )
    for route, folder in routes.items():
        named = _agents(folder) if (folder / FILE).is_file() else _folders(folder)
        for name, side, path in named:
            found[name][side][route].append(path)
    if pick_a_pic is not None:
        for name, side, path in _choices(pick_a_pic):
            found[f"{PICK_A_PIC} {name}"][side][PICK_A_PIC].append(path)
    if not found:
        raise UsageError("There is nobody to learn from; give folders of agents, or a table.")
    people, faults = [], 0
    for name in sorted(found):
        person, more = _person(name, found[name])
        people.append(person)
        faults += more
    notes = (f"{faults:,} pictures cannot be read and are left out.",) if faults else ()
    return tuple(people), notes


def _person(name: str, sides: Mapping[str, Mapping[str, Sequence[Path]]]) -> tuple[Person, int]:
    """Return somebody with each content once, on one side alone; and how many files are no more."""
    found: dict[str, dict[str, Shot]] = {}
    where: dict[str, str] = {}
    faults = 0
    for side in SIDES:
        found[side] = {}
        for route, paths in sides[side].items():
            for path in paths:
                try:
                    digest = Picture(path.stem, path).digest()
                except ImageError:
                    faults += 1
                    continue
                found[side].setdefault(digest, Shot(path, digest))
                where.setdefault(digest, route)
    both = found["liked"].keys() & found["disliked"].keys()
    kept: list[dict[str, tuple[Shot, ...]]] = []
    for side in SIDES:
        kept.append({})
        for digest, shot in found[side].items():
            if digest not in both:
                kept[-1][where[digest]] = (*kept[-1].get(where[digest], ()), shot)
    return Person(name, *kept), faults


Told = Iterator[tuple[str, str, Path]]
"""Whose, "liked" or "disliked", and the picture."""


def _agents(folder: Path) -> Told:
    """Yield agents' pictures in which something is liked and nothing disliked, or the reverse."""
    for agent in read_agents(folder):
        likings = Likings(agent.liked, agent.disliked)
        for shown in agent.pictures:
            opinions = {opinion for _, opinion in cared_for(likings, shown.visible)}
            if len(opinions) == 1:
                yield agent.name, opinions.pop(), _inside(folder, shown.file, folder / FILE)


def _folders(folder: Path) -> Told:
    try:
        people = sorted(one for one in folder.iterdir() if one.is_dir() and one.name[0] != ".")
    except OSError as error:
        raise UsageError(f"{folder} cannot be read: {(error.strerror or '').lower()}.") from error
    if not any((person / "liked").is_dir() for person in people):
        raise UsageError(f"{folder} has neither agents nor a folder PERSON/liked.")
    for person in people:
        for side in SIDES:
            if (person / side).is_dir():
                for picture in read_images(person / side).pictures:
                    assert isinstance(picture.source, Path)
                    yield person.name, side, picture.source


def _choices(table: Path) -> Told:
    """Yield what each person of a table chose, and what they passed over for it."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, strict=True)
            missing = [column for column in COLUMNS if column not in (rows.fieldnames or ())]
            if missing:
                raise UsageError(f"{table} has no column {', '.join(missing)}.")
            for row in rows:
                where = f"{table} is wrong at line {rows.line_num}"
                if not all(row[column] for column in COLUMNS):
                    raise UsageError(f"{where}: it lacks one of {', '.join(COLUMNS)}.")
                try:
                    first, second = float(row["label_0"]), float(row["label_1"])
                except ValueError as error:
                    raise UsageError(f"{where}: a label is no number.") from error
                if {first, second} not in ({0.0, 1.0}, {0.5}):
                    raise UsageError(f"{where}: its labels are {first:g} and {second:g}.")
                if first != second:
                    files = [_inside(table.parent, row[key], where) for key in ("jpg_0", "jpg_1")]
                    chosen, other = files if first > second else files[::-1]
                    yield row["user_id"], "liked", chosen
                    yield row["user_id"], "disliked", other
    except OSError as error:
        raise UsageError(f"{table} cannot be read: {(error.strerror or '').lower()}.") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise UsageError(f"{table} is no CSV in UTF-8: {error}.") from error


def _inside(folder: Path, name: str, where: object) -> Path:
    """Return a file of a folder, once it is sure to lie in it."""
    root = os.path.realpath(folder)
    if not Path(os.path.realpath(folder / name)).is_relative_to(root):
        raise UsageError(f"{where}: {name!r} does not lie in {folder}.")
    return folder / name
