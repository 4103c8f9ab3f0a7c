"""Pictures through a pool of encoders, streamed by Ray Data."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finexl.cluster.installed import imported
from finexl.embedding import BATCH, BATCH_PIXELS
from finexl.encoders import image_rows, load_encoder
from finexl.executor import threads_here
from finexl.images import ImageError, load_image


def embed(
    pictures: Sequence[tuple[str, Path]], encoder: str, workers: int, gpus: float
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Yield rows (d,) by digest, in any order; pictures that cannot be opened are left out.

    Args:
        pictures: digests and files.
        encoder: its name.
        workers: the most encoders.
        gpus: the share of a GPU that each gets.
    """
    data = imported("ray.data")
    data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    items = [{"digest": digest, "path": str(path)} for digest, path in pictures]
    most = max(1, min(workers, len(items) // BATCH))
    embedded = data.from_items(items).map_batches(
        _Encode,
        fn_constructor_args=(encoder,),
        batch_size=BATCH,
        compute=data.ActorPoolStrategy(min_size=1, max_size=most),
        num_cpus=1,
        num_gpus=gpus or None,
    )
    for batch in embedded.iter_batches(batch_size=None, batch_format="numpy"):
        for digest, row in zip(batch["digest"], batch["row"], strict=True):
            if np.isfinite(row).all():
                yield str(digest), row.astype(np.float32)


class _Encode:
    """An encoder that stays open, for Ray Data."""

    def __init__(self, name: str) -> None:
        self.encoder = load_encoder(name, threads=threads_here())

    def __call__(self, batch: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        rows = np.full((len(batch["path"]), self.encoder.dim), np.nan, np.float32)
        images: dict[int, Image.Image] = {}
        for index, path in enumerate(batch["path"]):
            with suppress(ImageError):  # whoever explains the model says so
                images[index] = load_image(Path(path))
            pixels = sum(image.width * image.height for image in images.values())
            if images and (pixels >= BATCH_PIXELS or index == len(rows) - 1):
                rows[list(images)] = image_rows(self.encoder, list(images.values()))
                images.clear()
        return {"digest": batch["digest"], "row": rows}
