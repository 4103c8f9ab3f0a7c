"""The pool (§4.2): what was given, what a model proposed, and the built-in vocabulary."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from finexl.concepts.vocabulary import MAX_POOL, Concept, build_pool, concept_from, vocabulary
from finexl.embedding import Progress
from finexl.errors import UsageError
from finexl.evidence import Evidence
from finexl.imageset import listed
from finexl.measure import Measure
from finexl.options import Options
from finexl.pairing import Compared
from finexl.runs import Run
from finexl.vlm import VLM

if TYPE_CHECKING:  # loaded where a model is asked
    from finexl.discovery import Found


@dataclass(frozen=True)
class Candidates:
    """The pool, and how it came about."""

    pool: tuple[Concept, ...]
    sources: tuple[str, ...]
    pinned: tuple[int, ...] = ()
    """Indices of the candidates that are kept because somebody asked for them."""
    chosen: tuple[int, ...] = ()
    """Indices of those that were chosen by looking at images."""
    found: Found | None = None
    """What a vision-language model proposed."""
    retrieved: bool = False
    """Candidates were chosen from a long list by how well they fit."""
    warnings: tuple[str, ...] = ()


def candidates(
    looked: Compared,
    seen: Evidence,
    options: Options,
    measure: Measure,
    run: Run,
    progress: Progress,
    vlm: VLM | None,
) -> Candidates:
    """Gather the candidates, by looking at `looked` where that is asked for.

    Args:
        looked: the images that may be looked at.
        seen: their embeddings.
        options: what was asked.
        measure: how concepts are mapped and fitted.
        run: keeps a model's replies.
        progress: told of every answer.
        vlm: who proposes candidates; None for nobody.

    Raises:
        UsageError: a concept that is none, too many candidates, or none.
        FinexlError: the model proposed nothing; see `discover`.
    """
    given = [concept_from(text) for text in options.concepts]
    only = options.only_concepts
    alone = None if only is None else [concept_from(text) for text in only]
    added = [concept_from(text) for text in options.add]
    # the long list is cut once, on what may be looked at
    given, retrieved = _within(given, measure, seen)
    if alone is not None:
        alone, also = _within(alone, measure, seen)
        retrieved = retrieved or also

    def pool_with(
        proposed: Sequence[Concept], corrected: Sequence[Concept] = ()
    ) -> tuple[Concept, ...]:
        return build_pool(
            options.vocabulary, [*corrected, *given, *proposed], alone, options.exclude
        )

    found = None
    if vlm is not None:
        from finexl.discovery import discover

        found = discover(
            vlm,
            looked,
            seen,
            pool_with,
            measure,
            options.inquiry,
            run,
            excluded=options.exclude,
            progress=progress,
        )
    # corrections come last: they change what is fitted, and never what a model is asked
    proposed = () if found is None else found.concepts
    pool = pool_with(proposed)
    added = _spelled(added, pool)
    pool = _without(pool_with(proposed, added), options.drop)
    chosen = {concept.text.casefold() for concept in proposed}
    if retrieved:
        chosen |= {concept.text.casefold() for concept in (*given, *(alone or ()))}
    return Candidates(
        pool,
        _sources(options, vlm),
        _places(pool, {concept.text.casefold() for concept in added}),
        _places(pool, chosen),
        found,
        retrieved,
        (*_corrections(options), *_strays(options, found), *_unanswered(found)),
    )


def _spelled(added: Sequence[Concept], pool: Sequence[Concept]) -> list[Concept]:
    """Return what is added, each as the pool spells it where it has it: film-grain, Film Grain."""
    if not added:
        return []
    from finexl.concepts.cleaning import key_of

    known = {key_of(concept.text): concept for concept in reversed(pool)}
    return [known.setdefault(key_of(concept.text), concept) for concept in added]


def _places(pool: Sequence[Concept], texts: Collection[str]) -> tuple[int, ...]:
    return tuple(i for i, concept in enumerate(pool) if concept.text.casefold() in texts)


def _corrections(options: Options) -> tuple[str, ...]:
    """Say what a person changed after seeing the result: no test knows of that."""
    both = {_folded(text) for text in options.add} & {_folded(text) for text in options.drop}
    if both:
        raise UsageError(f"{listed(sorted(both))} cannot be added and dropped at once.")
    said = [
        f"{word} {listed(texts)}"
        for word, texts in (("added", options.add), ("dropped", options.drop))
        if texts
    ]
    if not said:
        return ()
    return (
        f"Corrected by hand ({'; '.join(said)}): intervals and q are as if that had been decided "
        "before anything was seen.",
    )


def is_long(options: Options) -> bool:
    """Whether a list was given of which only a part can be candidates."""
    return max(len(options.concepts), len(options.only_concepts or ())) > MAX_POOL


def _within(
    concepts: list[Concept], measure: Measure, seen: Evidence
) -> tuple[list[Concept], bool]:
    """Return the concepts, of a long list those that may fit; and whether it was long."""
    if len(concepts) <= MAX_POOL:
        return concepts, False
    texts = [concept.text for concept in concepts]
    return [concepts[i] for i in measure.retrieve(texts, seen.sample.mean)], True


def _without(pool: tuple[Concept, ...], dropped: Sequence[str]) -> tuple[Concept, ...]:
    barred = {_folded(text) for text in dropped}
    return tuple(concept for concept in pool if concept.text.casefold() not in barred)


def _folded(text: str) -> str:
    return concept_from(text).text.casefold()


def _sources(options: Options, vlm: VLM | None) -> tuple[str, ...]:
    sources = []
    if options.concepts or options.only_concepts is not None:
        sources.append("given")
    if is_long(options):
        longest = max(len(options.concepts), len(options.only_concepts or ()))
        sources[-1] = f"retrieved from {longest:,} given"
    if options.add:
        sources.append("added")
    if vlm is not None:
        sources.append(f"proposed by {vlm.name}")
    if options.only_concepts is None and options.vocabulary != "none":
        sources.append(f"{options.vocabulary} vocabulary")
    return tuple(sources)


def _strays(options: Options, found: Found | None) -> tuple[str, ...]:
    """Warn of words to leave out that nothing holds."""
    known = {concept.text.casefold() for concept in vocabulary(options.vocabulary)}
    if found is not None:
        known |= {text.casefold() for p in found.proposals for text in (p.concept, *p.merged)}
        known |= {removed.concept.casefold() for removed in found.removed}
    warnings = []
    stray = [text for text in options.exclude if _folded(text) not in known]
    if stray:
        warnings.append(
            f"Not in the vocabulary, so that excluding it does nothing: {listed(stray)}."
        )
    known |= {_folded(text) for text in (*options.concepts, *(options.only_concepts or ()))}
    stray = [text for text in options.drop if _folded(text) not in known]
    if stray:
        warnings.append(f"No candidate, so that dropping it does nothing: {listed(stray)}.")
    return tuple(warnings)


def _unanswered(found: Found | None) -> tuple[str, ...]:
    if found is None or not found.heard.failures:
        return ()
    heard = found.heard
    return (
        f"{heard.asked - heard.replies} of {heard.asked} questions were not answered: "
        f"{heard.failures[0]}",
    )
