"""Making agents that survive: pictures first, then comments, agent by agent; continued bit for bit.

FOLDER/agents.jsonl     an agent a line, `finexl.agent/1`
FOLDER/pictures/        what they were shown, as `finexl.generators.making` keeps it
FOLDER/recipe.json      what decides all of it; agents may be added, nothing else changed
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from finexl.cache import key_of
from finexl.errors import UsageError
from finexl.files import append_line, write_atomic
from finexl.generators import Generator, make_all
from finexl.images import Picture
from finexl.viper.agents.agent import FILE, Agent, Remark, Shown, agent_in
from finexl.viper.agents.asking import ask_all
from finexl.viper.agents.drawn import Drawn
from finexl.viper.agents.grammar import NAME, grammar_digest, voice_of, write
from finexl.viper.agents.picturing import Planned, drawn, prompted
from finexl.viper.agents.tastes import Likings, draw_likings
from finexl.viper.agents.views import impression
from finexl.viper.attributes import attributes
from finexl.vlm import VLM

VERSION = "1"
"""Raised whenever the same recipe gives other agents."""
RECIPE = "recipe.json"
PICTURES = "pictures"
ABOUT = 2
"""An agent has so many pictures fewer or more than asked for, every number alike."""
MOST_PICTURES = 100
"""For an agent, on average."""
_VOICE, _PICTURE, _COMMENT, _NUMBER = 1, 2, 3, 4
"""What a stream of draws is for; 0 are the likings."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Made:
    """What is in a folder of agents now."""

    agents: tuple[Agent, ...]
    notes: tuple[str, ...]
    """What is missing, one sentence each."""


def make_agents(
    folder: Path,
    count: int,
    seed: int,
    *,
    pictures: int = 10,
    generator: Generator | None = None,
    vlm: VLM | None = None,
    progress: Progress = lambda *_: None,
) -> Made:
    """Make simulated people, or those that the folder does not have yet.

    Args:
        folder: made if need be; may hold fewer of the same agents.
        count: agents; the first ones are the same however many there are.
        seed: same seed, same bytes (of the same model of images, and without a `vlm`).
        pictures: how many an agent is shown on average; one comment each.
        generator: makes them of prompts with attributes; None draws them (`Drawn`).
        vlm: writes the comments, looking at the pictures; None for the grammar.
        progress: told what is done, how much of it, of how much.

    Raises:
        UsageError: a number that cannot be, or a folder that holds other agents.
        FinexlError: as the models; what was made until then is kept.
    """
    if not 1 <= pictures <= MOST_PICTURES:
        raise UsageError(f"An agent is shown 1 to {MOST_PICTURES} pictures, not {pictures}.")
    maker = Drawn() if generator is None else generator
    likings = draw_likings(count, seed)
    _claim(
        folder,
        {
            "version": VERSION,
            "seed": seed,
            "pictures": pictures,
            "attributes": key_of(repr(attributes())),
            "images": maker.digest,
            "comments": grammar_digest() if vlm is None else f"{vlm.name} ({vlm.revision})",
        },
    )
    kept = _kept(folder / FILE, likings)
    plan = drawn if isinstance(maker, Drawn) else prompted
    planned = [
        [
            plan(one, number * 2 * MOST_PICTURES + place, _draws(seed, _PICTURE, number, place))
            for place in range(_how_many(pictures, seed, number))
        ]
        for number, one in enumerate(likings)
    ]
    jobs = [one.job for shown in planned for one in shown]
    making = make_all(maker, jobs, folder / PICTURES, progress)
    made = {(one.prompt, one.seed): one for one in making.pictures}
    silent = 0
    for number in range(len(kept), count):
        progress("Writing comments", number, count)
        there = [one for one in planned[number] if (one.job.prompt, one.job.seed) in made]
        found = [made[one.job.prompt, one.job.seed] for one in there]
        agent = _agent(number, seed, likings[number], there, found, vlm)
        silent += len(agent.pictures) - len(agent.comments)
        append_line(folder / FILE, agent.to_json())
        kept.append(agent)
    progress("Writing comments", count, count)
    notes = list(making.warnings)
    if silent:
        notes.append(f"{silent:,} pictures have no comment: the model wrote none.")
    return Made(tuple(kept), tuple(notes))


def _agent(
    number: int,
    seed: int,
    likings: Likings,
    planned: Sequence[Planned],
    pictures: Sequence[Picture],
    vlm: VLM | None,
) -> Agent:
    shown = tuple(
        Shown(f"{PICTURES}/{picture.name}", one.job.prompt, one.job.seed, one.visible)
        for one, picture in zip(planned, pictures, strict=True)
    )
    streams = [_draws(seed, _COMMENT, number, place) for place in range(len(shown))]
    thought = [
        impression(likings, one.visible, rng) for one, rng in zip(shown, streams, strict=True)
    ]
    remarks = []
    if vlm is None:
        voice = voice_of(_draws(seed, _VOICE, number))
        for one, thinks, rng in zip(shown, thought, streams, strict=True):
            text, about = write(thinks, voice, rng)
            remarks.append(Remark(text, one.file, thinks.opinion, about))
    else:
        asked = [(one, thinks.opinion) for one, thinks in zip(pictures, thought, strict=True)]
        replies = ask_all(vlm, asked, likings, _draws(seed, _VOICE, number))
        for one, thinks, reply in zip(shown, thought, replies, strict=True):
            if reply is not None:
                remarks.append(Remark(reply, one.file, thinks.opinion, None))
    return Agent(
        f"agent-{number:05}",
        likings.liked,
        likings.disliked,
        shown,
        tuple(remarks),
        NAME if vlm is None else vlm.name,
    )


def _how_many(about: int, seed: int, number: int) -> int:
    spread = min(ABOUT, about - 1)
    return int(_draws(seed, _NUMBER, number).integers(about - spread, about + spread + 1))


def _draws(seed: int, *purpose: int) -> np.random.Generator:
    """Return draws of their own for one purpose, whatever else was drawn before."""
    return np.random.default_rng([seed, *purpose])


def _claim(folder: Path, recipe: Mapping[str, Any]) -> None:
    """Make the folder that of these agents, or refuse one that is others'."""
    path = folder / RECIPE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    except OSError as error:
        why = (error.strerror or "").lower()
        raise UsageError(f"{folder} cannot hold agents: {why}.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is damaged; choose another folder, or delete it.") from error
    if before is None:
        if (folder / FILE).exists():
            raise UsageError(f"{folder} has agents but no {RECIPE}; choose another folder.")
        write_atomic(path, json.dumps(recipe, indent=1) + "\n")
    elif before != recipe:
        old = before if isinstance(before, dict) else {}
        other = [key for key in recipe if old.get(key) != recipe[key]]
        raise UsageError(
            f"{folder} holds agents made otherwise ({', '.join(other)}); choose another folder, or "
            "delete it."
        )


def _kept(path: Path, likings: Sequence[Likings]) -> list[Agent]:
    """Return the agents that are there already; a line that was cut short is taken away.

    Raises:
        UsageError: a line that is none of these agents.
    """
    if not path.exists():
        return []
    whole, cut, rest = path.read_bytes().rpartition(b"\n")
    if rest:
        write_atomic(path, whole + cut)
    found: list[Agent] = []
    for number, line in enumerate(whole.splitlines()):
        agent = agent_in(line.decode("utf-8", "replace"), path, number + 1)
        same = number >= len(likings) or likings[number] == Likings(agent.liked, agent.disliked)
        if agent.name != f"agent-{number:05}" or not same:
            raise UsageError(f"{path} holds other agents from line {number + 1} on.")
        found.append(agent)
    return found
