"""The rows of the levels' tables: ours, and every baseline that can run here."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from finexl.bench.baselines.finexl import FineXL
from finexl.bench.baselines.gsclip import GSCLIP
from finexl.bench.baselines.naive import Naive
from finexl.bench.baselines.random import Random
from finexl.bench.baselines.splice import Splice
from finexl.bench.baselines.visdiff import VisDiff
from finexl.bench.experiments.joint import Fitted, InPlane, Unmixed, UnmixedByTruth
from finexl.bench.experiments.readers import (
    ByFound,
    ByScores,
    ByWords,
    FoundEffect,
    Length,
    Reader,
    Shared,
)
from finexl.bench.experiments.setup import Setup
from finexl.bench.methods import Method


def readers(setup: Setup) -> list[Reader]:
    """Return the rows of the levels' tables: ours, and every baseline that can run here."""
    named = None if setup.reading.vlm is None else setup.reading.vlm.name
    told = (Naive(named), VisDiff(named), GSCLIP(named))
    return [
        Shared(),
        ByScores(FineXL("subspace")),
        ByScores(FineXL("nnls")),
        ByScores(FineXL("paper")),
        *(ByScores(method) for method in told),
        *(ByWords(method, setup.grader) for method in told),
        ByScores(Splice()),
        *(ByWords(method, setup.grader) for method in _captioners(setup.given.nets)),
        ByScores(Random()),
    ]


def by_what_is_found(setup: Setup) -> list[Reader]:
    """Return the rows that are not told what the aspect is called."""
    named = None if setup.reading.vlm is None else setup.reading.vlm.name
    told = (FineXL("nnls"), Naive(named), VisDiff(named), GSCLIP(named), Splice())
    return [FoundEffect(), *(ByFound(method) for method in told), Length()]


def jointly() -> list[Reader]:
    """Return the rows that read several aspects from all models of a trial, and their bounds."""
    return [Unmixed(), InPlane(), UnmixedByTruth(), Fitted()]


def _captioners(nets: Path | None) -> list[Method]:
    """Return the difference captioners whose trained nets are there; they need torch."""
    if nets is None or find_spec("torch") is None:
        return []
    from finexl.bench.baselines.chg2cap import Chg2Cap
    from finexl.bench.baselines.diff_caption import DiffCaption

    kinds: dict[str, Callable[[Path], Method]] = {"diff-caption": DiffCaption, "chg2cap": Chg2Cap}
    return [make(nets / name) for name, make in kinds.items() if (nets / name).is_dir()]
