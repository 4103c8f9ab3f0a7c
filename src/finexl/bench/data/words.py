"""Where the words for a dataset's photographs and styles come from: given, or seen by a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from finexl.bench.data.captioning import Captioner, captioned, captions
from finexl.cache import key_of
from finexl.errors import UsageError
from finexl.images import Picture, image_formats
from finexl.imageset import ImageSet
from finexl.prompts import PromptRow, with_prompts

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Words:
    """Captions of photographs and descriptions of styles."""

    captions: Sequence[PromptRow] = ()
    """Of photographs, by file."""
    styles: Sequence[PromptRow] = ()
    """Descriptions of styles, by file; a style's name where there is none."""
    captioner: Captioner | None = None
    """Says what the others show."""

    def __post_init__(self) -> None:
        if any(row.file is None for row in (*self.captions, *self.styles)):
            raise UsageError(
                "Captions and descriptions of a dataset need the `file` that each is of; give a "
                ".csv or .jsonl."
            )

    def of_contents(self, contents: ImageSet, progress: Progress) -> ImageSet:
        """Return the photographs with their captions."""
        if self.captions:
            contents = with_prompts(contents, self.captions)
        if self.captioner is not None:
            contents = captioned(contents, self.captioner, progress=progress)
        return contents

    def of_styles(self, styles: Mapping[str, Sequence[Picture]], progress: Progress) -> list[str]:
        """Return a description for each style: given, else seen in its first painting."""
        given = {_stem(row.file): row.prompt for row in self.styles if row.file and row.prompt}
        seen = [
            pictures[0]
            for name, pictures in styles.items()
            if pictures and name.casefold() not in given
        ]
        said: dict[str, str] = {}
        if self.captioner is not None:
            texts = captions(seen, self.captioner, progress=progress)
            said = {picture.key: text for picture, text in zip(seen, texts, strict=True)}
        return [
            given.get(name.casefold())
            or (said.get(pictures[0].key) if pictures else None)
            or name.replace("_", " ")
            for name, pictures in styles.items()
        ]

    @property
    def digest(self) -> str:
        """What the words depend on beside the pictures."""
        rows = [repr(row) for row in (*self.captions, None, *self.styles)]
        return key_of(*rows, "" if self.captioner is None else self.captioner.revision)


def _stem(file: str) -> str:
    """Return a file's name without folders and the suffix of a picture, for looking up."""
    name = file.rpartition("/")[2].casefold()
    return next((name.removesuffix(end) for end in image_formats() if name.endswith(end)), name)
