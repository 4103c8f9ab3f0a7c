"""Prompt personalization (§4.2): the liked words behind the prompt, the disliked ones as negative.

What a person can do with any model by hand. The paper asks a language model to rewrite the prompt;
here the words are appended as they are, the heaviest first, since an encoder hears the first 77
tokens of a prompt and no more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from finexl.generators import Generator, Job, Made, Settings, load_generator
from finexl.viper.encoding import text_of
from finexl.viper.over import Over
from finexl.viper.taste import Attributes, Taste


@dataclass
class PromptPersonalized(Over):
    """A model that is told a person's words with every prompt."""

    base: Generator
    """With the negative prompt in its settings: see `load`."""
    taste: Taste
    kind = "prompted"

    @property
    def name(self) -> str:
        """The base's, and what is done with its prompts."""
        return f"{self.base.name} + words"

    def about(self) -> dict[str, Any]:
        """Return the words; the disliked ones are in the base's settings."""
        return {"liked": spoken(self.taste.liked)}

    def make(self, jobs: Sequence[Job]) -> list[Made]:
        """Make one batch, in order. See `Generator.make`."""
        return self.base.make([replace(job, prompt=self.told(job.prompt)) for job in jobs])

    def told(self, prompt: str) -> str:
        """Return a prompt as the model hears it."""
        return ", ".join(filter(None, (prompt, spoken(self.taste.liked))))


def load(base: str, taste: Taste, settings: Settings) -> PromptPersonalized:
    """Return a model that is told a taste: the disliked words join the negative prompt, if any.

    Args:
        base: a reference that `load_generator` takes.
        taste: the words.
        settings: how images are made.

    Raises:
        UsageError: no such model, or at the first image, one that heeds no negative prompt.
        PrerequisiteError: it is not on this machine, or an extra is missing.
    """
    words = [text for text in (settings.negative, spoken(taste.disliked)) if text]
    negative = ", ".join(words) if words else settings.negative
    return PromptPersonalized(load_generator(base, replace(settings, negative=negative)), taste)


def spoken(attributes: Attributes) -> str:
    """Return the words that weigh anything, the heaviest first."""
    heard = [one for one in attributes if one[1] > 0]
    return text_of([words for words, _ in sorted(heard, key=lambda one: -one[1])])
