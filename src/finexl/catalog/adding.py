"""What can be added to a catalog: explanations, runs, folders of them, and models themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from finexl.asking import USUAL, absolute, explain_asked, sides_of
from finexl.catalog.entry import Entry, Metadata, Thumbnail
from finexl.catalog.metadata import metadata_of
from finexl.catalog.thumbnails import Pictures, thumbnails_of
from finexl.embedding import Progress
from finexl.errors import UsageError
from finexl.explanation import Explanation
from finexl.generators import adapters
from finexl.imageset import ImageSet, read_images
from finexl.pairing import Pair, pair
from finexl.prompts import read_prompts, with_prompts
from finexl.runs import Run, default_folder
from finexl.sources import is_model

LARGEST = 64_000_000
"""Bytes of an explanation's file."""
ANSWER = "explanation.json"


@dataclass(frozen=True)
class Addition:
    """An entry and its pictures, and where it comes from."""

    entry: Entry
    thumbnails: tuple[Thumbnail, ...]
    source: str


def read_additions(
    source: str,
    asked: Mapping[str, Any],
    progress: Progress = lambda *_: None,
    say: Callable[[str], None] = lambda _: None,
) -> Iterator[Addition]:
    """Yield what a source holds.

    Args:
        source: an explanation's JSON, a run's folder, a folder of either, or a model, which is
            explained now.
        asked: options of that explanation beside the two sides; `base` where the model's reference
            does not say what it is compared with.
        progress: told of every image.
        say: told where pictures go, and of files that are no explanations.

    Raises:
        UsageError: nothing there to add.
    """
    path = Path(source).expanduser()
    if is_model(source):
        yield _explained(source, asked, progress, say)
    elif path.is_file():
        yield _alone(path)
    elif (path / ANSWER).is_file():
        yield _of_run(path)
    elif path.is_dir():
        yield from _of_folder(path, say)
    else:
        raise UsageError(f"{source} is no explanation, run, folder of them, or model.")


def said_of(metadata: Metadata, said: Mapping[str, Any]) -> Metadata:
    """Return the metadata with what somebody says in place of what files say."""
    return replace(metadata, **{key: value for key, value in said.items() if value})


def kept_said(addition: Addition, before: Entry, pictures: tuple[Thumbnail, ...]) -> Addition:
    """Return an addition in the place of an entry, with what it does not say itself.

    What was said of a model stays where nothing else is said, and its pictures where the same
    explanation comes without any.
    """
    usual, now = vars(Metadata()), vars(addition.entry.metadata)
    said = {key: value for key, value in now.items() if value != usual[key]}
    entry = replace(addition.entry, metadata=replace(before.metadata, **said))
    same = entry.explanation.to_json() == before.explanation.to_json()
    kept = pictures if same and not addition.thumbnails else addition.thumbnails
    return replace(addition, entry=entry, thumbnails=kept)


def base_of(reference: str) -> str | None:
    """Return the model that a reference is made from, as the command takes it."""
    kind, _, rest = reference.partition(":")
    if kind in ("lora", "directions"):
        return f"diffusers:{adapters.parse(rest, kind)[0]}"
    if kind in ("gan", "ar"):
        base, files = adapters.parts(rest, kind)
        return f"{kind}:{base}" if files else None
    return None


def _explained(
    source: str, asked: Mapping[str, Any], progress: Progress, say: Callable[[str], None]
) -> Addition:
    against = asked.get("base") or base_of(source)
    if against is None:
        raise UsageError(f"{source} does not say what it was made from; give that with --against.")
    whole = {**USUAL, **asked, "base": against, "personalized": source}
    kept = absolute(whole)
    run = Run.create(default_folder(kept["base"], kept["personalized"]), kept)
    explained, _ = explain_asked(run, whole, progress, say)
    pictures = thumbnails_of(explained.explanation, explained.pictures)
    return Addition(Entry(explained.explanation, metadata_of(source)), pictures, source)


def _of_run(folder: Path) -> Addition:
    """Return a run's answer, with pictures where those that it was made of are still there."""
    explanation = _read(folder / ANSWER)
    try:
        _, asked = Run.resume(folder)
        metadata = Metadata()
        if is_model(str(asked["personalized"])):
            metadata = metadata_of(str(asked["personalized"]))
        found = _pictures(folder, {**USUAL, **asked}, explanation)
    except (UsageError, KeyError):  # an answer without its run is an answer all the same
        return Addition(Entry(explanation), (), str(folder))
    pictures = () if found is None else thumbnails_of(explanation, found)
    return Addition(Entry(explanation, metadata), pictures, str(folder))


def _pictures(folder: Path, asked: Mapping[str, Any], explanation: Explanation) -> Pictures | None:
    """Return how to open a pair's pictures; None where the pairs are not those of the answer."""
    sides = sides_of(asked)
    sets = [
        _images(folder, side, reference)
        for side, reference in (("base", sides.base), ("personalized", sides.personalized))
    ]
    if sides.prompts is not None and not sides.makes:
        rows = read_prompts(sides.prompts)
        sets = [with_prompts(images, rows) for images in sets]
    base, personalized = sets
    pairs = pair(base, personalized, sides.pairing).pairs
    if len(pairs) != explanation.n_pairs:
        return None
    return lambda index: _opened(base, personalized, pairs[index])


def _images(folder: Path, side: str, reference: str) -> ImageSet:
    """Return one side's pictures: its folder, or what a model made into the run's."""
    if not is_model(reference):
        return read_images(reference)
    made = sorted((folder / "images").glob(f"{side}-*"))
    if len(made) != 1:
        raise UsageError(f"{folder} does not hold the images of {reference}.")
    return read_images(made[0])


def _opened(base: ImageSet, personalized: ImageSet, chosen: Pair) -> tuple[Any, Any, str]:
    caption = chosen.key if chosen.prompt is None else chosen.prompt
    return (
        base.pictures[chosen.base[0]].open(),
        personalized.pictures[chosen.personalized[0]].open(),
        caption if chosen.seed is None else f"{caption} (seed {chosen.seed})",
    )


def _of_folder(folder: Path, say: Callable[[str], None]) -> Iterator[Addition]:
    """Yield the explanations and runs of a folder; other JSON files are named and passed over.

    An explanation whose run lies where `finexl explain-many` puts it is taken with its pictures.
    """
    runs = [path.parent for path in sorted(folder.glob(f"*/{ANSWER}"))]
    found = 0
    for path in sorted(folder.glob("*.json")):
        run = folder / "runs" / path.stem
        try:
            addition = _beside(path, run) if (run / ANSWER).is_file() else _alone(path)
        except UsageError as error:
            say(f"Passed over: {error}")
            continue
        found += 1
        yield addition
    for run in runs:
        yield _of_run(run)
    if not found and not runs:
        raise UsageError(f"{folder} holds no explanations (*.json) and no runs.")


def _alone(path: Path) -> Addition:
    return Addition(Entry(_read(path)), (), str(path))


def _beside(path: Path, run: Path) -> Addition:
    """Return an explanation with what its run has; alone, where the run is another's."""
    alone, whole = _alone(path), _of_run(run)
    same = whole.entry.explanation.to_json() == alone.entry.explanation.to_json()
    return replace(whole, source=str(path)) if same else alone


def _read(path: Path) -> Explanation:
    try:
        if path.stat().st_size > LARGEST:
            raise UsageError(f"{path} is larger than {LARGEST // 1_000_000} MB.")
        return Explanation.from_json(path.read_bytes())
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"{path} cannot be read: {reason}.") from error
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error
