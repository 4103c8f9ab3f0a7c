"""Textual inversion (§4.2; Gal et al. 2022): a word for what somebody likes, one for the opposite.

From pictures that a person likes, and ones that they dislike, a word each is learned
(`finexl.personalize.inversion`). The first is said behind every prompt, the second is the negative
prompt, or stands behind it.

FOLDER/liked/, FOLDER/disliked/   a training each, see `finexl.personalize.training`
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from finexl.errors import UsageError
from finexl.generators import Job, Made, Settings, load_generator
from finexl.generators.diffusers import Pipeline
from finexl.personalize.examples import Example
from finexl.personalize.inversion import KNOWN, spoken
from finexl.personalize.recipe import Recipe
from finexl.personalize.training import Progress, Trained, personalize
from finexl.viper.over import Over

SIDES = ("liked", "disliked")
WORDS: Mapping[str, str] = {side: f"viper-{side}" for side in SIDES}
"""None is a part of the other: a tokenizer finds new words anywhere in a text."""


def learn(
    base: str,
    examples: Mapping[str, Sequence[Example]],
    recipe: Recipe,
    out: Path,
    settings: Settings,
    progress: Progress = lambda *_: None,
) -> dict[str, Trained]:
    """Learn a word for each side that there are pictures of; goes on where it was broken off.

    Args:
        base: as `personalize` takes it.
        examples: pictures by side, "liked" and "disliked"; their captions may be empty.
        recipe: of method "inversion"; its word is not heeded.
        out: the folder.
        settings: device and precision.
        progress: told of every step.

    Raises:
        UsageError: no pictures, a base that is taught no words, or a folder with others in it.
        PrerequisiteError: an extra or the model is missing.
    """
    there = [side for side in SIDES if examples.get(side)]
    if not there:
        raise UsageError("Give pictures that this person likes, or dislikes, or both.")
    out.mkdir(parents=True, exist_ok=True)
    found = {}
    for side in there:
        asked = replace(recipe, method="inversion", word=WORDS[side])
        found[side] = personalize(base, examples[side], asked, out / side, settings, progress)
    return found


@dataclass
class Inverted(Over):
    """A pipeline that is told a learned word with every prompt."""

    base: Pipeline
    """With the words laid over it, and the negative prompt in its settings: see `load`."""
    liked: str | None
    """The word behind every prompt."""
    disliked: str | None
    """The word in the negative prompt."""
    kind = "inversion"

    @property
    def name(self) -> str:
        """The base's, with the words laid over it."""
        return self.base.name

    def about(self) -> dict[str, Any]:
        """Return which word is said where; the vectors are the base's adapters."""
        return {"liked": self.liked, "disliked": self.disliked}

    def make(self, jobs: Sequence[Job]) -> list[Made]:
        """Make one batch, in order. See `Generator.make`.

        Raises:
            UsageError: a prompt so long that the word behind it would not be heard.
        """
        told = [replace(job, prompt=spoken(job.prompt, self.liked or "")) for job in jobs]
        negative = self.base.settings.negative
        texts = {job.prompt: self.liked for job in told} | {negative: self.disliked}
        for text, word in texts.items():
            if word is not None:
                self._refuse_unheard(text or "", word)
        return self.base.make(told)

    def _refuse_unheard(self, text: str, word: str) -> None:
        pipeline = self.base.opened
        tokenizer = pipeline.tokenizer
        *_, last = tokenizer.tokenize(pipeline.maybe_convert_prompt(word, tokenizer))
        heard = tokenizer(pipeline.maybe_convert_prompt(text, tokenizer), truncation=True)
        if tokenizer.convert_tokens_to_ids(last) not in heard.input_ids:
            raise UsageError(
                f"The prompt {text[:60]!r}… leaves no room for the learned word: {self.base.name} "
                f"reads {tokenizer.model_max_length} tokens."
            )


def load(base: str, folder: Path, settings: Settings) -> Inverted:
    """Return a model that is told what `learn` has learned.

    Args:
        base: `diffusers:…`, `lora:…` or `directions:…`.
        folder: where the words were learned, for this base or one of its family.
        settings: how images are made.

    Raises:
        UsageError: no such model, no finished words, or words for another base.
        PrerequisiteError: an extra or the model is missing.
    """
    files = {side: file for side in SIDES if (file := _learned(folder, side)) is not None}
    if not files:
        raise UsageError(f"{folder} holds no learned words; `finexl viper invert` makes them.")
    liked, disliked = (WORDS[side] if side in files else None for side in SIDES)
    kind, _, rest = base.partition(":")
    laid = "+".join([rest, *(f"{file}@1" for file in files.values())])
    negative = spoken(settings.negative or "", disliked or "") or settings.negative
    reference = f"{'lora' if kind == 'diffusers' else kind}:{laid}"
    if kind not in ("diffusers", "lora", "directions"):
        raise UsageError(f"{base} is no diffusion model, which alone is taught words.")
    found = load_generator(reference, replace(settings, negative=negative))
    assert isinstance(found, Pipeline)
    if found.source.kind not in KNOWN:
        raise UsageError(f"{base} is a {found.source.kind}, which is taught no words here.")
    return Inverted(found, liked, disliked)


def _learned(folder: Path, side: str) -> Path | None:
    """Return a side's word after the most steps; None where that side was never learned."""
    where = folder / side
    if not where.is_dir():
        return None
    kept = sorted(where.glob(f"step-*/{WORDS[side]}.safetensors"))
    if not (where / "levels.json").is_file() or not kept:
        raise UsageError(f"{where} is not finished; run the command that began it once more.")
    return kept[-1]
