"""Pictures through the encoder: streamed, each content once, what cannot be opened counted."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finexl.cache import key_of
from finexl.encoders import Encoder, image_rows
from finexl.errors import UsageError
from finexl.images import ImageError
from finexl.imageset import ImageSet
from finexl.rowcache import RowCache
from finexl.runs import Run

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much is done and how much there is to do."""

BATCH = 16
BATCH_PIXELS = 32_000_000
"""Pictures are held decoded until there are this many pixels, so that memory stays flat."""
ROWS = "1"
"""Version of how pictures are decoded and handed to an encoder: part of the cache's keys."""
MOST_BAD = 0.10
SAVE_EVERY_SECONDS = 20.0


@dataclass(frozen=True)
class Embedded:
    """One set's embeddings."""

    rows: dict[int, NDArray[np.float32]]
    """Index of the picture -> its row (d,); pictures that could not be opened are absent."""
    digests: tuple[str, ...]
    """Of the pictures that were asked for and could be opened, in order."""
    failures: tuple[str, ...]
    """What was wrong with the others, one sentence each."""


def embed(
    images: ImageSet, wanted: Sequence[int], encoder: Encoder, run: Run, progress: Progress
) -> Embedded:
    """Embed the pictures at these indices; the run's rows are used and added to.

    Raises:
        UsageError: more than a tenth of them cannot be opened, or an embedding of another size
            than the encoder's.
    """
    digests, failures = _digests(images, wanted)
    for index, digest in digests.items():
        source = images.pictures[index].source
        if isinstance(source, np.ndarray):
            run.rows[digest] = _checked(source, images.name, encoder)
    store, space = RowCache.default(), space_of(encoder)
    run.rows.update(store.get(space, set(digests.values()) - set(run.rows), encoder.dim))
    waiting: dict[str, Image.Image] = {}
    pixels = 0
    saved = time.monotonic()

    def flush() -> None:
        nonlocal pixels, saved
        if not waiting:
            return
        rows = image_rows(encoder, list(waiting.values()))
        made = dict(zip(waiting, rows, strict=True))
        run.rows.update(made)
        store.put(space, made)
        waiting.clear()
        pixels = 0
        if time.monotonic() - saved > SAVE_EVERY_SECONDS:
            run.save_rows(encoder.revision)
            saved = time.monotonic()

    for done, (index, digest) in enumerate(list(digests.items())):
        try:
            if digest not in run.rows and digest not in waiting:
                waiting[digest] = images.pictures[index].open()
                pixels += waiting[digest].width * waiting[digest].height
        except ImageError as error:
            failures.append(str(error))
            del digests[index]
        if len(waiting) >= BATCH or pixels >= BATCH_PIXELS:
            flush()
        progress(f"Encoding {images.name}", done + 1, len(digests))
    flush()
    run.save_rows(encoder.revision)
    if len(failures) > MOST_BAD * len(wanted):
        raise UsageError(
            f"{len(failures):,} of the {len(wanted):,} images of {images.name} cannot be opened, "
            f"which is over {MOST_BAD:.0%}; the first: {failures[0]}"
        )
    rows = {index: run.rows[digest] for index, digest in digests.items()}
    return Embedded(rows, tuple(digests.values()), tuple(failures))


def space_of(encoder: Encoder) -> str:
    """Return what a row depends on beside its picture: the encoder, its revision, this code."""
    return key_of(ROWS, encoder.name, encoder.revision)


def _digests(images: ImageSet, wanted: Sequence[int]) -> tuple[dict[int, str], list[str]]:
    """Return the contents' digests by index, and what was wrong with the others."""
    digests: dict[int, str] = {}
    failures: list[str] = []
    for index in wanted:
        try:
            digests[index] = images.pictures[index].digest()
        except ImageError as error:  # noqa: PERF203 - each picture fails on its own
            failures.append(str(error))
    return digests, failures


def _checked(row: NDArray[np.float32], name: str, encoder: Encoder) -> NDArray[np.float32]:
    if len(row) != encoder.dim:
        raise UsageError(
            f"The embeddings of {name} have {len(row)} numbers each and the encoder "
            f"{encoder.name} has {encoder.dim}; give embeddings that it made."
        )
    return row


def unreadable(images: ImageSet, embedded: Embedded, wanted: int) -> tuple[str, ...]:
    """Return the warning about pictures that could not be opened, if there were any."""
    if not embedded.failures:
        return ()
    shown = " ".join(embedded.failures[:3])
    more = f" And {len(embedded.failures) - 3:,} more." if len(embedded.failures) > 3 else ""
    return (
        f"{len(embedded.failures):,} of the {wanted:,} images of {images.name} are left out: "
        f"{shown}{more}",
    )
