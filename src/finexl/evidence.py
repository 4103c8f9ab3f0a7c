"""Two sets of images as evidence about V_div: embedded, matched, one row a pair (§4.1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from finexl.cache import key_of
from finexl.core.divergence import Paired, Sample, Unpaired
from finexl.embedding import Embedded, Progress, embed, unreadable
from finexl.encoders import Encoder
from finexl.errors import UsageError
from finexl.explanation import Source
from finexl.images import Picture
from finexl.imageset import ImageSet
from finexl.pairing import Compared, Pair
from finexl.runs import Run


@dataclass(frozen=True)
class Evidence:
    """What the two sets say about V_div, and where it came from."""

    sample: Sample
    pairs: tuple[Pair, ...]
    """Those whose pictures could be opened; none where the sets are unpaired."""
    rows: NDArray[np.float64] | None
    """The pair divergences (n, d) in the order of `pairs`; None where unpaired."""
    prompts: tuple[str, ...]
    """The distinct prompts under which the images were made, as far as known."""
    base: Source
    personalized: Source
    warnings: tuple[str, ...]
    opened: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    """Indices of the pictures of the base and of the personalized set that could be opened."""

    @property
    def pair_prompts(self) -> tuple[int | None, ...] | None:
        """Each pair's prompt by its place in `prompts`; None where that says nothing.

        It says nothing where every pair has a prompt of its own, or none is known.
        """
        if not self.prompts or len(self.prompts) == len(self.pairs):
            return None
        place = {prompt: i for i, prompt in enumerate(self.prompts)}
        found = tuple(place.get(pair.prompt or "") for pair in self.pairs)
        return found or None


def gather(
    compared: Compared,
    encoder: Encoder,
    run: Run,
    progress: Progress,
) -> Evidence:
    """Embed the images that are compared and take their differences (Eq. 5).

    Raises:
        UsageError: too many pictures cannot be opened, or none is left to compare.
    """
    base, personalized, matched = compared.base, compared.personalized, compared.matched
    unpaired = matched.kind == "none"
    ours = _wanted(base, None if unpaired else [p.base for p in matched.pairs])
    theirs = _wanted(personalized, None if unpaired else [p.personalized for p in matched.pairs])
    of_base = embed(base, ours, encoder, run, progress)
    of_personalized = embed(personalized, theirs, encoder, run, progress)
    warnings = (
        *base.warnings,
        *personalized.warnings,
        *matched.warnings,
        *unreadable(base, of_base, len(ours)),
        *unreadable(personalized, of_personalized, len(theirs)),
    )
    warnings += _formats(base, personalized)
    sources = (_source(base, of_base), _source(personalized, of_personalized))
    opened = (tuple(of_base.rows), tuple(of_personalized.rows))
    if unpaired:
        if not of_base.rows or not of_personalized.rows:
            raise UsageError("No image could be opened in one of the two sets.")
        sample = Unpaired(_by_prompt(personalized, of_personalized), _by_prompt(base, of_base))
        made = [base.pictures[i].prompt for i in of_base.rows]
        made += [personalized.pictures[i].prompt for i in of_personalized.rows]
        return Evidence(sample, (), None, _distinct(made), *sources, warnings, opened)

    pairs = tuple(_whole(matched.pairs, of_base, of_personalized))
    if not pairs:
        raise UsageError("No pair is left of which both images could be opened.")
    rows = _table(_mean(of_personalized, p.personalized) - _mean(of_base, p.base) for p in pairs)
    # pairs without a known prompt are each a unit of their own
    units = [
        f"prompt {p.prompt}" if p.prompt is not None else f"pair {i}" for i, p in enumerate(pairs)
    ]
    made = [p.prompt for p in pairs]
    if len(set(Counter(units).values())) > 1:
        warnings += ("Prompts have different numbers of seeds; each prompt counts the same.",)
    return Evidence(
        Paired.of(rows, units), pairs, rows, _distinct(made), *sources, warnings, opened
    )


def _formats(base: ImageSet, personalized: ImageSet) -> tuple[str, ...]:
    """Return the warning about sets that were saved in different formats, if they were."""
    ours, theirs = ({_format(p) for p in s.pictures} - {""} for s in (base, personalized))
    if not (ours and theirs) or ours & theirs:
        return ()
    return (
        f"The base's images are {', '.join(sorted(ours))} and the personalized ones "
        f"{', '.join(sorted(theirs))}: compression alone may explain small differences.",
    )


def _format(picture: Picture) -> str:
    source = picture.source
    suffix = source.suffix.lower().lstrip(".") if isinstance(source, Path) else ""
    return {"jpg": "jpeg"}.get(suffix, suffix)


def _wanted(images: ImageSet, groups: Sequence[tuple[int, ...]] | None) -> list[int]:
    if groups is None:
        return list(range(len(images.pictures)))
    return sorted({index for group in groups for index in group})


def _whole(pairs: Iterable[Pair], base: Embedded, personalized: Embedded) -> Iterable[Pair]:
    """Yield the pairs that keep a picture on both sides, without those that could not be opened."""
    for p in pairs:
        left = tuple(index for index in p.base if index in base.rows)
        right = tuple(index for index in p.personalized if index in personalized.rows)
        if left and right:
            yield replace(p, base=left, personalized=right)


def _by_prompt(images: ImageSet, embedded: Embedded) -> NDArray[np.float64]:
    """Return the mean row of each prompt's images; images without a known prompt stay single."""
    groups: dict[object, list[int]] = {}
    for index in embedded.rows:
        prompt = images.pictures[index].prompt
        groups.setdefault(index if prompt is None else prompt, []).append(index)
    return _table(_mean(embedded, group) for group in groups.values())


def _mean(embedded: Embedded, group: Sequence[int]) -> NDArray[np.float64]:
    mean: NDArray[np.float64] = _table(embedded.rows[index] for index in group).mean(axis=0)
    return mean


def _table(rows: Iterable[NDArray[np.generic]]) -> NDArray[np.float64]:
    listed = list(rows)
    return np.array(listed, dtype=np.float64) if listed else np.zeros((0, 0))


def _distinct(prompts: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(prompt for prompt in prompts if prompt))


def _source(images: ImageSet, embedded: Embedded) -> Source:
    return Source(images.name, images.kind, len(embedded.digests), key_of(*embedded.digests))
