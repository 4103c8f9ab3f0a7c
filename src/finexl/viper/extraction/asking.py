"""Preferences read by a vision-language model: asked, checked, and asked once more if need be.

What a model says is a claim. An attribute counts where the words that it names as its source do
stand in the comment; whatever else is in an answer, a comment or a picture can do no more than add
keywords.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from finexl.errors import NoReplyError
from finexl.images import ImageError, Picture
from finexl.viper.extraction.base import Extracted, Finding, merged
from finexl.viper.extraction.forms import JSON, Form, FormError, Item, is_keyword
from finexl.viper.extraction.mentions import find_mentions
from finexl.viper.extraction.words import phrase, quotation, readable
from finexl.viper.profile import Comment
from finexl.vlm import VLM, Part, Question

AT_ONCE = 8
"""Comments in a question: about as many as a person writes (ViPer C.2)."""
SAID, SEEN = 0.85, 0.5
"""How sure an attribute is that the quoted words name, and one that only the picture can."""
LONGEST_QUOTE = 300


@dataclass(frozen=True)
class Asked:
    """An extractor that asks a vision-language model."""

    vlm: VLM
    form: Form = JSON

    @property
    def name(self) -> str:
        """See `Extractor.name`."""
        return f"{self.vlm.name} ({self.vlm.revision})"

    def extract(self, comments: Sequence[Comment], pictures: Mapping[str, Picture]) -> Extracted:
        """Return the preferences in comments. See `Extractor.extract`.

        Raises:
            NoReplyError: not one question was answered in a form that can be read.
        """
        batches = [
            list(range(start, min(start + AT_ONCE, len(comments))))
            for start in range(0, len(comments), AT_ONCE)
        ]

        def answer(numbers: Sequence[int]) -> tuple[list[Item], list[str], str | None]:
            question, notes = question_about(self.form, numbers, comments, pictures)
            try:
                return self._items(question), notes, None
            except (FormError, NoReplyError) as error:
                return [], notes, str(error)

        with ThreadPoolExecutor(max(1, self.vlm.concurrency)) as pool:
            answers = list(pool.map(answer, batches))
        faults = [fault for _, _, fault in answers if fault is not None]
        if faults and len(faults) == len(batches):
            raise NoReplyError(f"{self.vlm.name} found no preferences: {faults[0].rstrip('.')}.")
        found: list[Finding] = []
        notes: list[str] = []
        for numbers, (items, about, fault) in zip(batches, answers, strict=True):
            notes += about
            if fault is not None:
                first, last = numbers[0] + 1, numbers[-1] + 1
                notes.append(f"Comments {first} to {last} were not read: {fault.rstrip('.')}.")
            kept, refused = _checked(items, numbers, comments)
            found += kept
            notes += refused
        return merged(found, notes)

    def _items(self, question: Question) -> list[Item]:
        """Ask, and once more where the answer is not in the form."""
        text = self.vlm.ask(question).text
        try:
            return self.form.read(text)
        except FormError as error:
            again = f"Your answer was:\n{text[:2000]}\nIt cannot be used: {error}. Answer again."
            repaired = Question((*question.parts, again), self.form.schema, self.form.max_tokens)
            return self.form.read(self.vlm.ask(repaired).text)


def question_about(
    form: Form, numbers: Sequence[int], comments: Sequence[Comment], pictures: Mapping[str, Picture]
) -> tuple[Question, list[str]]:
    """Return the task with comments, each behind its picture, and a note on each that has none.

    Args:
        form: of the answer.
        numbers: which comments, in which order.
        comments: all of them.
        pictures: by what comments call them; one that cannot be opened is left out.
    """
    parts: list[Part] = [form.instruction]
    notes = []
    for number in numbers:
        picture = pictures.get(comments[number].picture or "")
        if picture is not None:
            try:
                parts.append(picture.open())
            except ImageError as error:
                notes.append(f"{error} What was said of it was read without looking.")
        parts.append(f"Comment {number + 1}: {readable(comments[number].text)}\n")
    return Question(tuple(parts), form.schema, form.max_tokens), notes


def _checked(
    items: Sequence[Item], numbers: Sequence[int], comments: Sequence[Comment]
) -> tuple[list[Finding], list[str]]:
    """Return what an answer may claim, and a sentence on what it may not."""
    found, refused = [], []
    for item in items:
        if not is_keyword(item.attribute):
            refused.append(f"{item.attribute[:40]!r} is no keyword")
            continue
        source = _source(item, numbers, comments)
        if source is None and item.comment is not None:
            refused.append(f"{item.attribute!r} is not in the words that it was claimed from")
            continue
        number, words = source or (numbers[0], "")  # read off one of the pictures, but of which
        seen = not set(phrase(item.attribute)) & set(phrase(words))
        found.append(
            Finding(
                item.attribute,
                category_of(item.attribute),
                item.opinion,
                SEEN if seen else SAID,
                number,
                words,
                comments[number].picture if words else None,
                seen,
            )
        )
    if not refused:
        return found, []
    shown = "; ".join(refused[:3]) + (f" and {len(refused) - 3} more" if len(refused) > 3 else "")
    return found, [f"Left out of the model's answer: {shown}."]


def _source(
    item: Item, numbers: Sequence[int], comments: Sequence[Comment]
) -> tuple[int, str] | None:
    """Return the comment that holds a preference's words, and the words as they stand there.

    Where the form names none, it is the comment that names the attribute.
    """
    if item.comment is None:
        wanted = set(phrase(item.attribute))
        for number in numbers:
            if wanted <= set(phrase(readable(comments[number].text))):
                text = " ".join(readable(comments[number].text).split())
                return number, text[:LONGEST_QUOTE]
        return None
    if item.comment - 1 not in numbers:
        return None
    quoted = quotation(item.words.strip(" \"'“”.,;"), comments[item.comment - 1].text)
    return None if quoted is None else (item.comment - 1, quoted[:LONGEST_QUOTE])


def category_of(attribute: str) -> str | None:
    """Return the category of an attribute in anybody's words, as far as the lists know it."""
    return next((one.category for one in find_mentions(phrase(attribute))), None)
