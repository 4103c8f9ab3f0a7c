"""A comparison as the command asks for it: models read, put in order, compared."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from finexl.comparing.compared import By, Compared, compare
from finexl.comparing.ground import MOST, Ground, ground_of
from finexl.comparing.models import Model, read_models
from finexl.comparing.series import Kind, series_of
from finexl.comparing.stacks import stack_of
from finexl.concepts.vocabulary import read_concepts
from finexl.core.series import TOLERANCE
from finexl.encoders import Encoder
from finexl.errors import UsageError

_NUMBER_AT_END = re.compile(r"(\d+(?:\.\d+)?)\)?$")
"""A name's own, or that of the file in brackets where names are the same."""


@dataclass(frozen=True)
class Asked:
    """What is asked of a comparison."""

    by: By = "effect"
    concepts: str = ""
    """Concepts to compare by in any case, with commas between; or the name of a file of them."""
    top: int = MOST
    """The most concepts beside those."""
    without: tuple[str, ...] = ()
    """PART=MODEL each: the one model is a stack, and MODEL is it without this part."""
    steps: str | None = None
    """See `positions`: the models are checkpoints of one run."""
    strengths: str | None = None
    """Likewise: the models are one LoRA at these strengths."""
    tolerance: float = TOLERANCE
    """The part of prompt faithfulness that may be lost."""
    seed: int = 0
    catalog: Path | None = None
    """Where models are that are named neither by a file nor by a folder."""


def compare_models(
    references: Sequence[str], asked: Asked, encoder: Encoder | None = None
) -> Compared:
    """Compare models as asked.

    Args:
        references: explanations' JSON files, run folders, or names in the catalog.
        asked: how.
        encoder: the one that measured them; loaded by its name by default.

    Raises:
        UsageError: something given cannot be used; the message says what and what to do.
        PrerequisiteError: the encoder is not on this machine.
    """
    kinds = [bool(asked.without), asked.steps is not None, asked.strengths is not None]
    if sum(kinds) > 1:
        raise UsageError("Give one of --without, --steps and --strengths: models are one of these.")
    if asked.without:
        return _stack(references, asked, encoder)
    models = read_models(references, asked.catalog)
    if asked.steps is not None:
        return _series(models, "step", asked.steps, asked, encoder)
    if asked.strengths is not None:
        return _series(models, "strength", asked.strengths, asked, encoder)
    return compare(_ground(models, asked, encoder), asked.by)


def positions(written: str, names: Sequence[str]) -> tuple[float, ...]:
    """Return the step or strength of each model, from "100,200,400", or "names" that end in them.

    Raises:
        UsageError: another number of them than of models, one twice, or one that is no number > 0.
    """
    if written == "names":
        found = [_NUMBER_AT_END.search(name) for name in names]
        missing = [name for name, match in zip(names, found, strict=True) if match is None]
        if missing:
            raise UsageError(f"The name {missing[0]!r} does not end in a number; give the numbers.")
        texts = [match[1] for match in found if match is not None]
    else:
        texts = written.split(",")
    if len(texts) != len(names):
        raise UsageError(f"There are {len(texts)} numbers for {len(names)} models; give one each.")
    values = tuple(map(_positive, texts))
    if len(set(values)) < len(values):
        raise UsageError(
            f"Two models have the same place in {', '.join(texts)}; give each its own."
        )
    return values


def _ground(models: Sequence[Model], asked: Asked, encoder: Encoder | None) -> Ground:
    return ground_of(
        models, asked=_concepts(asked.concepts), top=asked.top, encoder=encoder, seed=asked.seed
    )


def _concepts(written: str) -> list[str]:
    """Return what "a,b,c" names, or a file."""
    if os.path.isfile(written):  # noqa: PTH113 - Path.is_file raises on what is too long for a name
        return [concept.text for concept in read_concepts(written)]
    return [text for text in written.split(",") if text.strip()]


def _series(
    models: Sequence[Model], kind: Kind, written: str, asked: Asked, encoder: Encoder | None
) -> Compared:
    at = positions(written, [model.name for model in models])
    order = np.argsort(at)
    ground = _ground([models[i] for i in order], asked, encoder)
    series = series_of(ground, kind, [at[i] for i in order], asked.tolerance)
    return replace(compare(ground, asked.by), series=series)


def _stack(references: Sequence[str], asked: Asked, encoder: Encoder | None) -> Compared:
    if len(references) != 1:
        raise UsageError(
            f"--without says what one model, a stack, is without a part; {len(references)} models "
            "were given beside it."
        )
    named = [_part(text) for text in asked.without]
    whole, *others = read_models([*references, *(of for _, of in named)], asked.catalog)
    # what stands without a part is called so, whatever its explanation is called
    models = [whole]
    models += [replace(m, name=f"without {n}") for m, (n, _) in zip(others, named, strict=True)]
    ground = _ground(models, asked, encoder)
    return replace(compare(ground, asked.by), stack=stack_of(ground, [name for name, _ in named]))


def _part(text: str) -> tuple[str, str]:
    name, _, of = (part.strip() for part in text.partition("="))
    if not (name and of):
        raise UsageError(f"--without {text} is no PART=MODEL, like grain=runs/without-grain.")
    return name, of


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0.0 < value < float("inf"):
        raise UsageError(f"{text.strip()!r} is no number above 0; write them like 100,200,400.")
    return value
