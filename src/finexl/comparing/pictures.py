"""A run's pictures, found again: which are of which prompt, and how faithful they are to it.

Prompt faithfulness is a margin of cosines: how much nearer an image is to its own prompt than to
the other prompts, in the encoder's space. A style moves images away from all prompts alike, and
that cancels; what is lost is what tells one prompt's image from another's. The base's margin is the
unit: 1 as faithful as the base, 0 as if the image knew nothing of its prompt.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from finexl.core.divergence import Paired
from finexl.core.orthogonality import unit_rows
from finexl.core.significance import MIN_PROMPTS
from finexl.core.uncertainty import intervals
from finexl.embedding import embed
from finexl.encoders import Encoder, text_rows
from finexl.errors import UsageError
from finexl.evidence import gather
from finexl.imageset import ImageSet, read_images
from finexl.pairing import Compared, pair
from finexl.prompts import read_prompts, with_prompts
from finexl.runs import Run
from finexl.sources import is_model

if TYPE_CHECKING:
    from finexl.comparing.models import Model

Array = NDArray[np.float64]

SAME = 1e-3
"""Pictures whose V_div is this near to the explanation's, as a part of its length, are its own."""


@dataclass(frozen=True)
class Pictures:
    """The pictures that an explanation was made from, one row a prompt."""

    prompts: tuple[str, ...]
    rows: Array
    """(n, d), the pair divergences."""
    base: Array
    """(n, d), the mean of the base's images, each at unit length."""
    personalized: Array
    """(n, d), likewise."""


@dataclass(frozen=True)
class Faithfulness:
    """Margins by which images tell their own prompt from the others, each (n,)."""

    prompts: tuple[str, ...]
    base: Array
    personalized: Array
    moved: Array
    """Cosine with the own prompt, personalized less base: style and loss together."""


def pictures_of(model: Model, encoder: Encoder) -> Pictures:
    """Find the pictures of a model's run again; what is not in its folder is encoded again.

    Nothing is written to the run.

    Raises:
        UsageError: there is no run, its pictures have no prompts, are gone, or have changed.
    """
    if model.folder is None:
        raise UsageError(
            f"{model.name} is an explanation alone, without its pictures; give its run's folder."
        )
    run, asked = Run.resume(model.folder)
    run.load_rows(encoder.revision, encoder.dim)
    memory = Run(rows=run.rows)
    V_div = model.explanation.divergence.vector
    sides = [list(_sides(model.folder, side, asked)) for side in ("base", "personalized")]
    for base, personalized in itertools.product(*sides):
        found = _read(base, personalized, model, str(asked.get("pairing")), encoder, memory)
        if np.linalg.norm(found.rows.mean(axis=0) - V_div) <= SAME * np.linalg.norm(V_div):
            return found
    raise UsageError(f"The pictures of {model.name} are gone, or not those that were explained.")


def faithfulness_of(model: Model, encoder: Encoder) -> Faithfulness:
    """Measure how faithful a model's images and its base's are to their prompts.

    Raises:
        UsageError: as `pictures_of`; fewer than 6 prompts; or an encoder to which the base's own
            images do not tell their prompts apart, so that it cannot see one being lost.
    """
    found = pictures_of(model, encoder)
    if len(found.prompts) < MIN_PROMPTS:
        raise UsageError(
            f"{model.name} has {len(found.prompts)} prompts; faithfulness takes {MIN_PROMPTS}."
        )
    texts = unit_rows(text_rows(encoder, found.prompts).astype(np.float64))
    base, personalized = found.base @ texts.T, found.personalized @ texts.T
    margin = _margin(base)
    low, _ = intervals(Paired(margin[:, None]), np.eye(1))
    if not low[0] > 0:
        raise UsageError(
            f"The encoder {encoder.name} does not tell by their images which of these prompts is "
            "whose, not even for the base: whether prompts are still followed cannot be measured "
            "with it. Explain with another one (--encoder clip)."
        )
    moved = np.diag(personalized) - np.diag(base)
    return Faithfulness(found.prompts, margin, _margin(personalized), moved)


def _margin(cosines: Array) -> Array:
    """Return each image's cosine with its own prompt less the mean of those with the others."""
    n = len(cosines)
    own = np.diag(cosines)
    margin: Array = own - (cosines.sum(axis=1) - own) / (n - 1)
    return margin


def _sides(folder: Path, side: str, asked: Mapping[str, Any]) -> Iterator[ImageSet]:
    """Yield what may be a side's pictures: those that were named, or that a model made."""
    where = str(asked.get(side))
    if is_model(where):
        for manifest in sorted((folder / "images").glob(f"{side}-*/manifest.jsonl")):
            yield read_images(manifest)
        return
    images, prompts = read_images(where), asked.get("prompts")
    yield images if prompts is None else with_prompts(images, read_prompts(Path(str(prompts))))


def _read(
    base: ImageSet,
    personalized: ImageSet,
    model: Model,
    pairing: str,
    encoder: Encoder,
    run: Run,
) -> Pictures:
    """Return two sets' rows by prompt, of the prompts that the explanation names."""
    texts = set(model.explanation.prompts.texts)
    matched = pair(base, personalized, pairing)
    pairs = tuple(p for p in matched.pairs if p.prompt in texts)
    if len({p.prompt for p in pairs}) < 2:
        raise UsageError(f"The pictures of {model.name} are not paired by their prompts.")
    compared = Compared(base, personalized, replace(matched, pairs=pairs))
    evidence = gather(compared, encoder, run, _quietly)
    assert evidence.rows is not None  # they are paired
    units = [str(p.prompt) for p in evidence.pairs]
    ours = _means(base, [p.base for p in evidence.pairs], encoder, run)
    theirs = _means(personalized, [p.personalized for p in evidence.pairs], encoder, run)
    by_prompt = [Paired.of(rows, units).rows for rows in (evidence.rows, ours, theirs)]
    return Pictures(tuple(dict.fromkeys(units)), *by_prompt)


def _means(
    images: ImageSet, groups: Sequence[tuple[int, ...]], encoder: Encoder, run: Run
) -> Array:
    """Return the mean of each group's rows, taken at unit length, (groups, d)."""
    rows = embed(images, sorted({i for g in groups for i in g}), encoder, run, _quietly).rows
    return np.array(
        [unit_rows(np.array([rows[i] for i in g], np.float64)).mean(axis=0) for g in groups]
    )


def _quietly(*_: object) -> None:
    """Progress that nobody asked to see."""
