"""The pictures that people comment on (ViPer §3.1, A.1): a built-in set, drawn on demand.

DIR/NAME.png      the pictures
DIR/manifest.jsonl
                  a line a picture: file, prompt (its attributes), seed, attributes
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finexl.cache import ArrayCache, cache_folder, key_of
from finexl.embedding import space_of
from finexl.encoders import Encoder, image_rows
from finexl.errors import FinexlError
from finexl.files import write_atomic
from finexl.images import ImageError, Picture, image_formats
from finexl.imageset import read_images
from finexl.operators import apply
from finexl.rowcache import RowCache
from finexl.viper.attributes import by_text, categories

MANIFEST = "manifest.jsonl"
SIZE = 512
SMALL = 256
"""The pixels a side at which the set's mean is taken."""
ENOUGH = 8
"""Pictures of which a mean says something."""
_DRAWN = "1"
"""Version of the drawings: part of the key of what is kept about them."""
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Shown:
    """A picture of a set and what can be seen in it."""

    file: str
    attributes: tuple[str, ...]
    prompt: str | None = None
    """The words that a model made it of; None: drawn to show the attributes."""


def draw(number: int, size: int = SIZE, seed: int = 0) -> Image.Image:
    """Draw one picture of the built-in set: same number, size and seed, same pixels."""
    from finexl.viper.drawing.recipes import recipes

    recipe = recipes()[number]
    generator = np.random.default_rng([seed, number])
    raster = np.clip(recipe.scene(size, generator), 0, 1)
    image = Image.fromarray((raster * 255 + 0.5).astype(np.uint8))
    for name, level in recipe.effects:
        image = apply(image, name, level, generator)
    return image


def draw_set(
    folder: Path, *, size: int = SIZE, seed: int = 0, progress: Progress = lambda *_: None
) -> tuple[Shown, ...]:
    """Draw the built-in set into a folder; what is there already under its names is replaced.

    Raises:
        FinexlError: the folder cannot be written.
    """
    from finexl.viper.drawing.recipes import recipes

    shown = []
    for number, recipe in enumerate(recipes()):
        shown.append(Shown(f"{recipe.name}.png", recipe.attributes))
        write_picture(folder / shown[-1].file, draw(number, size, seed))
        progress("Drawing", number + 1, len(recipes()))
    write_set(folder, shown, seed)
    return tuple(shown)


def write_picture(path: Path, image: Image.Image) -> None:
    """Write a PNG, its folder made if need be."""
    file = BytesIO()
    image.save(file, "PNG")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = (error.strerror or "").lower()
        raise FinexlError(f"{path.parent} cannot be made: {why}.") from error
    write_atomic(path, file.getvalue())


def write_set(folder: Path, shown: Sequence[Shown], seed: int) -> None:
    """Write a set's manifest."""
    rows = [
        {"file": one.file, "prompt": one.prompt or ", ".join(one.attributes), "seed": seed,
         "attributes": list(one.attributes)}
        for one in shown
    ]  # fmt: skip
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    write_atomic(folder / MANIFEST, text)


def coverage(shown: Sequence[Shown]) -> dict[str, int]:
    """Return in how many pictures each category can be seen, by the attributes of the set."""
    counts = dict.fromkeys(categories(), 0)
    for one in shown:
        seen = {by_text()[text.casefold()].category for text in one.attributes
                if text.casefold() in by_text()}  # fmt: skip
        for category in seen:
            counts[category] += 1
    return counts


def named_pictures(folder: Path) -> Mapping[str, Picture]:
    """Return a folder's pictures by all that a comment may call them: file, stem, path, digest.

    Where the folder has a manifest, pictures put beside those that it lists count as well. A
    picture whose file cannot be read has no digest; it is refused when it is opened.

    Raises:
        UsageError: there is no such folder, or no picture in it.
    """
    found: dict[str, Picture] = {}
    listed = read_images(folder).pictures
    known = {picture.source for picture in listed}
    beside = (
        Picture(path.stem, path)
        for path in sorted(folder.iterdir() if folder.is_dir() else ())
        if path.suffix.lower() in image_formats() and path not in known
    )
    for picture in (*listed, *beside):
        assert isinstance(picture.source, Path)
        names = [picture.name, picture.key, picture.source.name, picture.source.stem]
        with suppress(ImageError):
            names.append(picture.digest())
        for name in names:
            found.setdefault(name, picture)
    return found


def rows_of(
    encoder: Encoder, pictures: Mapping[str, Picture], progress: Progress = lambda *_: None
) -> tuple[dict[str, NDArray[np.float32]], list[str]]:
    """Return pictures' rows (d,) by name, and a sentence on each that cannot be opened.

    Rows that were computed before, by anything in this package, are not computed again.
    """
    digests, failures = {}, []
    for name, picture in pictures.items():
        try:
            digests[name] = picture.digest()
        except ImageError as error:  # noqa: PERF203 - each picture fails on its own
            failures.append(str(error))
    store, space = RowCache.default(), space_of(encoder)
    known = store.get(space, digests.values(), encoder.dim)
    for done, (name, digest) in enumerate(list(digests.items()), start=1):
        if digest not in known:
            try:
                known[digest] = image_rows(encoder, [pictures[name].open()])[0]
            except ImageError as error:
                failures.append(str(error))
                del digests[name]
                continue
            store.put(space, {digest: known[digest]})
        progress("Looking at pictures", done, len(pictures))
    return {name: known[digest] for name, digest in digests.items()}, failures


def built_in_mean(encoder: Encoder, progress: Progress = lambda *_: None) -> NDArray[np.float64]:
    """Return the built-in set's mean row (d,), drawn small the first time and kept."""
    from finexl.viper.drawing.recipes import recipes

    cache = ArrayCache(cache_folder() / "viper")
    key = key_of("mean", _DRAWN, encoder.name, encoder.revision)
    kept = cache.get(key)
    if kept is not None and kept[0].get("mean", np.zeros(0)).shape == (encoder.dim,):
        return kept[0]["mean"].astype(np.float64)
    rows = []
    for number in range(len(recipes())):
        rows.append(image_rows(encoder, [draw(number, SMALL)])[0])
        progress("Looking at the query set", number + 1, len(recipes()))
    mean = np.mean(rows, axis=0)
    cache.put(key, {"mean": mean.astype(np.float32)}, {})
    return np.asarray(mean, np.float64)


def mean_of(
    encoder: Encoder, pictures: Sequence[Picture], progress: Progress = lambda *_: None
) -> NDArray[np.float64]:
    """Return the mean row (d,) of a set, or of the built-in one where the set is small."""
    rows, _ = rows_of(encoder, {picture.key: picture for picture in pictures}, progress)
    if len(rows) < ENOUGH:
        return built_in_mean(encoder, progress)
    return np.asarray(np.mean(list(rows.values()), axis=0), np.float64)
