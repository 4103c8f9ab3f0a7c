"""What the methods that caption one pair of pictures share."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from finexl.bench.baselines.wording import NOTHING
from finexl.bench.methods import Case, Told
from finexl.errors import PrerequisiteError

if TYPE_CHECKING:
    from finexl.bench.baselines.nets.captioner import Captioner

SAME = "no difference"
"""The caption of two pictures that show the same."""


def open_network(folder: Path, architecture: str, width: int) -> Captioner:
    """Open a captioning network.

    Raises:
        PrerequisiteError: torch is not installed.
        UsageError: the folder holds no such network.
    """
    if find_spec("torch") is None:
        raise PrerequisiteError("Captions of pairs need an extra: pip install 'finexl[torch]'.")
    from finexl.bench.baselines.nets.captioner import open_captioner

    return open_captioner(folder, architecture, width)


def tell_one_pair(case: Case, captioner: Captioner) -> Told:
    """Describe the pair that the case's seed draws; "Much more vivid.", say."""
    if not case.n:
        return Told(NOTHING, {})
    drawn = int(np.random.default_rng(case.seed).integers(case.n))
    pictures = (case.base.pictures[drawn], case.personalized.pictures[drawn])
    said = captioner.describe(pictures[0].open(), pictures[1].open())
    return Told(NOTHING if said in ("", SAME) else f"{said[0].upper()}{said[1:]}.", {})
