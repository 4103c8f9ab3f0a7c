"""Which extractor and which matcher a test is run with, as they are named."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from finexl.asking import looking
from finexl.encoders import Encoder, image_rows, load_encoder
from finexl.errors import UsageError
from finexl.viper.agents.agent import Agent
from finexl.viper.agents.identity import pictures_of
from finexl.viper.agents.lookup import Lookup, Truth
from finexl.viper.agents.matching import Matcher, Ranked, Similar
from finexl.viper.agents.meaning import Meaning
from finexl.viper.extraction import Asked, Extractor, Offline

OFFLINE, LOOKUP, TRUTH, SIMILARITY, NONE = "offline", "lookup", "truth", "similarity", "none"
MEANING = "meaning"
LOOKED_AT = 256
"""Pictures, evenly over all agents, whose mean row the others are compared with."""
Say = Callable[[str], None]


def extractor_of(
    name: str, encoder: str, agents: Sequence[Agent], folder: Path | None, say: Say
) -> Extractor:
    """Return an extractor by its name.

    Args:
        name: "offline", "lookup", "truth", or a vision-language model as `load_vlm` takes it.
        encoder: what the offline one looks at pictures with; "none" for not at all.
        agents: whose comments will be read; what is particular to a picture shows beside theirs.
        folder: where their pictures are.
        say: told where pictures go, before the first one does.

    Raises:
        UsageError, PrerequisiteError: no such model or encoder.
    """
    if name == LOOKUP:
        return Lookup()
    if name == TRUTH:
        return Truth(agents)
    if name != OFFLINE:
        return Asked(looking(name, say))
    if encoder == NONE or folder is None:
        return Offline()
    eyes = load_encoder(encoder)
    return Offline(eyes, cache(lambda: mean_row(eyes, agents, folder)))


def matcher_of(name: str, extractor: Extractor, say: Say) -> Matcher:
    """Return a matcher by its name: "similarity", "meaning", or a language model as for `load_vlm`.

    Raises:
        UsageError, PrerequisiteError: no such model.
    """
    if name == MEANING:
        return Meaning(extractor)
    return Similar(extractor) if name == SIMILARITY else Ranked(looking(name, say))


def mean_row(encoder: Encoder, agents: Sequence[Agent], folder: Path) -> NDArray[np.float64]:
    """Return the mean row (d,) of agents' pictures.

    Raises:
        UsageError: they have none, or one cannot be opened.
    """
    every = [one for agent in agents for one in pictures_of(agent, folder).values()]
    if not every:
        raise UsageError("The agents were shown no pictures.")
    some = every[:: -(-len(every) // LOOKED_AT)]
    rows = image_rows(encoder, [picture.open() for picture in some])
    return np.asarray(rows.astype(np.float64).mean(axis=0))
