"""The pipeline, top to bottom as the paper's Algorithm 1.

1  the two sets, and which images belong together
2  their embeddings, and V_div                          §4.1, Eq. 5
3  the pool of concepts                                 §4.2
4  each concept as a vector                             §4.3, Eq. 6
5  redundancy removed, V_div decomposed, tested         §4.4–4.5, Eq. 8–11
6  said in words
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finexl._version import __version__
from finexl.answer import aspects_of, by_text, created, doubts, dropped_of, movement, ranked
from finexl.cache import key_of
from finexl.concepts.vectors import (
    PROMPT_WORDS,
    choose_prompts,
    frame_of,
    map_concepts,
    shortened,
)
from finexl.concepts.vocabulary import (
    Concept,
    build_pool,
    concept_from,
    distractors,
    neutral_prompts,
    vocabulary,
)
from finexl.core.analysis import analyse
from finexl.core.decompositions import DECOMPOSITIONS
from finexl.core.orthogonality import unit_rows
from finexl.embedding import Progress
from finexl.encoders import Encoder, load_encoder
from finexl.errors import UsageError
from finexl.evidence import gather
from finexl.explanation import Divergence, EncoderId, Explanation, Pool, Prompts
from finexl.images import printable
from finexl.imageset import ImageSet, embeddings_from, images_from, read_images
from finexl.localise import heat_map
from finexl.pairing import Pair, pair
from finexl.prompts import PromptRow, read_prompts, with_prompts
from finexl.runs import Run
from finexl.sentences import write_sentences

Images: TypeAlias = "str | Path | Sequence[Image.Image | str | Path] | NDArray[np.generic]"
"""A folder or manifest, a list of images or files, or embeddings (n, d) by the same encoder."""

NEUTRAL = "built-in neutral prompts"
OWN = "the images' own prompts"


@dataclass(frozen=True)
class Options:
    """What can be asked of an explanation, beside the two sets; see `explain`."""

    prompts: str | Path | Sequence[str] | None = None
    pairing: str = "auto"
    vocabulary: str = "style"
    concepts: Sequence[str] = ()
    only_concepts: Sequence[str] | None = None
    exclude: Sequence[str] = ()
    decomposition: str = "subspace"
    top: int | None = None
    name: str | None = None
    seed: int = 0
    pool: bool = False


@dataclass(frozen=True)
class Explained:
    """An explanation and the pairs that it was made from."""

    explanation: Explanation
    base: ImageSet
    personalized: ImageSet
    pairs: tuple[Pair, ...]
    encoder: Encoder
    directions: Mapping[str, NDArray[np.float64]]
    """Of each aspect, (d,) in the encoder's space: more of it for "more", less of it for "less"."""

    def heat(self, index: int, concept: str) -> NDArray[np.floating[Any]] | None:
        """Return where a pair's first pictures changed along an aspect, (h, w), if it can be told.

        Positive is the aspect's own way: toward it where there is more of it, away where less.
        """
        base, personalized, _ = self.pictures(index)
        return heat_map(self.encoder, base, personalized, self.directions[concept])

    def pictures(self, index: int) -> tuple[Image.Image, Image.Image, str]:
        """Return a pair's first base and personalized picture, and what made them."""
        chosen = self.pairs[index]
        caption = chosen.key if chosen.prompt is None else chosen.prompt
        if chosen.seed is not None:
            caption = f"{caption} (seed {chosen.seed})"
        base = self.base.pictures[chosen.base[0]]
        personalized = self.personalized.pictures[chosen.personalized[0]]
        return base.open(), personalized.open(), caption


def explain(
    base: Images,
    personalized: Images,
    *,
    encoder: str | Encoder = "embedded",
    prompts: str | Path | Sequence[str] | None = None,
    pairing: str = "auto",
    vocabulary: str = "style",
    concepts: Sequence[str] = (),
    only_concepts: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    decomposition: str = "subspace",
    top: int | None = None,
    name: str | None = None,
    seed: int = 0,
    pool: bool = False,
) -> Explanation:
    """Say in words with numbers how the personalized images differ from the base's.

    Args:
        base: images of the base: a folder or manifest, a list of PIL images or files, or their
            embeddings (n, d) by the same encoder.
        personalized: images of the personalized model, likewise.
        encoder: an encoder or its name.
        prompts: the prompts that made the images, one each in order, or a file of them; they
            serve Eq. 5 (what counts as one prompt) and Eq. 6.
        pairing: "auto", "seed", "prompt", "file" or "none".
        vocabulary: "style", "subject" or "all".
        concepts: candidates beside the vocabulary.
        only_concepts: candidates instead of the vocabulary.
        exclude: concepts to leave out of the vocabulary.
        decomposition: "subspace", "nnls" or "paper".
        top: the most concepts to keep.
        name: what to call the explanation; the personalized set's name by default.
        seed: of every random draw (splits, bootstrap, sampled sign flips, choice of prompts).
        pool: also list every candidate's cosine with V_div.

    Raises:
        UsageError: something given cannot be used; the message says what and what to do.
        PrerequisiteError: the encoder needs something that is not installed.
    """
    options = Options(
        prompts=prompts,
        pairing=pairing,
        vocabulary=vocabulary,
        concepts=concepts,
        only_concepts=only_concepts,
        exclude=exclude,
        decomposition=decomposition,
        top=top,
        name=name,
        seed=seed,
        pool=pool,
    )
    loaded = load_encoder(encoder) if isinstance(encoder, str) else encoder
    return explain_sets(
        _set_of(base, "base"), _set_of(personalized, "personalized"), options, loaded, Run()
    ).explanation


def explain_sets(
    base: ImageSet,
    personalized: ImageSet,
    options: Options,
    encoder: Encoder,
    run: Run,
    progress: Progress = lambda *_: None,
) -> Explained:
    """Run the pipeline on two sets; see `explain`. Embeddings are read from and kept in the run."""
    _check(options)
    pool = _pool(options)
    method = DECOMPOSITIONS[options.decomposition]

    # §4.1: V_div
    base, personalized = _prompted(base, personalized, options.prompts)
    matched = pair(base, personalized, options.pairing)
    run.load_rows(encoder.revision, encoder.dim)
    evidence = gather(base, personalized, matched, encoder, run, progress)

    # §4.3: the concepts, in the same prompts
    texts = [concept.text for concept in pool]
    made_with = evidence.prompts or neutral_prompts()
    prompts = choose_prompts(evidence.prompts, options.seed) or made_with
    mapped = map_concepts(encoder, texts, prompts, method.template, n_all=len(made_with))
    unrelated = map_concepts(encoder, distractors(), prompts, method.template)
    frame = frame_of(encoder, method.space, method.template)

    # §4.4–4.5: redundancy, decomposition, and how sure it is
    analysis = analyse(
        evidence.sample,
        mapped.vectors,
        unrelated.vectors,
        texts,
        frame,
        method,
        seed=options.seed,
        limit=options.top,
    )

    along = movement(evidence.rows, mapped.vectors, frame.subspace.matrix)
    aspects, less = aspects_of(analysis, pool, along)
    divergence = Divergence(
        norm=analysis.norm,
        noise_floor=analysis.noise_floor,
        detected=analysis.detected,
        p_value=analysis.p_value,
        vector=evidence.sample.mean.astype(np.float32),
        pairs=_halved(evidence.rows),
    )
    explanation = Explanation(
        name=printable(options.name or personalized.name),
        base=evidence.base,
        personalized=evidence.personalized,
        encoder=EncoderId(encoder.name, encoder.revision),
        decomposition=options.decomposition,
        prompts=Prompts(
            len(made_with), OWN if evidence.prompts else NEUTRAL, key_of(*made_with), made_with
        ),
        pool=Pool(
            len(pool),
            _sources(options),
            key_of(*texts),
            ranked(analysis, pool) if options.pool else None,
        ),
        n_pairs=len(evidence.pairs),
        pairing=matched.kind,
        seed=options.seed,
        divergence=divergence,
        aspects=aspects,
        less=less,
        residual=analysis.residual,
        residual_in_sample=analysis.residual_in_sample,
        outside=analysis.outside,
        dropped=dropped_of(analysis, pool, [*options.concepts, *(options.only_concepts or ())]),
        sentences=write_sentences(divergence, aspects, less, analysis.residual, by_text(pool)),
        warnings=(
            *evidence.warnings,
            *_unmatched(options),
            *_about_prompts(evidence.prompts, len(prompts), mapped.agreement),
            *doubts(analysis, evidence.sample, "pairs" if evidence.pairs else "images"),
        ),
        finexl_version=__version__,
        created=created(),
    )
    run.save_explanation(explanation)
    towards = unit_rows(mapped.vectors @ frame.subspace.matrix.T) @ frame.subspace.matrix
    directions = {
        texts[kept.index]: towards[kept.index] * np.sign(kept.score) for kept in analysis.kept
    }
    return Explained(explanation, base, personalized, evidence.pairs, encoder, directions)


def _about_prompts(made_with: Sequence[str], used: int, agreement: float) -> tuple[str, ...]:
    n = len(made_with)
    if n == 0:
        return (
            "No prompts were given: concepts are mapped under built-in neutral ones, and each pair "
            "(unpaired: each image) counts as a prompt of its own. If several share a prompt, give "
            "--prompts: without them p and q are too small.",
        )
    found = []
    if used < n:
        found.append(
            f"The concepts are mapped under {used} of the {n:,} prompts; the estimated cosine to "
            f"using all is {agreement:.3f}."
        )
    long = sum(shortened(prompt) != prompt for prompt in made_with)
    if long:
        found.append(
            f"{long:,} of the {n:,} prompts are long; the concepts are mapped under their first "
            f"{PROMPT_WORDS} words, so that text encoders still read the concept."
        )
    return tuple(found)


def _unmatched(options: Options) -> tuple[str, ...]:
    listed = {concept.text.casefold() for concept in vocabulary(options.vocabulary)}
    stray = [text for text in options.exclude if text.casefold() not in listed]
    if not stray:
        return ()
    return (f"Not in the vocabulary, so that excluding it does nothing: {', '.join(stray[:5])}.",)


def _halved(rows: NDArray[np.float64] | None) -> NDArray[np.float16] | None:
    """Return the rows at half precision; None where they are too large for it."""
    if rows is None or np.abs(rows).max(initial=0.0) > np.finfo(np.float16).max:
        return None
    return rows.astype(np.float16)


def _sources(options: Options) -> tuple[str, ...]:
    given = ("given",) if options.concepts or options.only_concepts is not None else ()
    listed = () if options.only_concepts is not None else (f"{options.vocabulary} vocabulary",)
    return (*given, *listed)


def _set_of(images: Images, name: str) -> ImageSet:
    if isinstance(images, (str, Path)):
        return read_images(images)
    if isinstance(images, np.ndarray):
        return embeddings_from(images, name)
    if not isinstance(images, Sequence):
        kind = type(images).__name__
        raise UsageError(f"{name} is a {kind}; give a folder, a manifest, or a list of images.")
    return images_from(images, name)


def _check(options: Options) -> None:
    if options.decomposition not in DECOMPOSITIONS:
        raise UsageError(
            f"There is no decomposition {options.decomposition!r}; "
            f"choose one of {', '.join(DECOMPOSITIONS)}."
        )
    if not isinstance(options.seed, int):
        raise UsageError(f"The seed is {options.seed!r}; give a whole number from 0 on.")
    _listed(options.concepts, "concepts")
    _listed(options.only_concepts, "only_concepts")
    _listed(options.exclude, "exclude")
    if options.top is not None and options.top < 1:
        raise UsageError(f"At least one concept has to be kept; {options.top} were asked for.")
    if options.seed < 0:
        raise UsageError(f"The seed is {options.seed}; give a whole number from 0 on.")


def _listed(texts: Sequence[str] | None, what: str) -> None:
    if isinstance(texts, str):
        raise UsageError(f"{what} is one text, {texts!r}; give a list of texts.")


def _pool(options: Options) -> tuple[Concept, ...]:
    only = options.only_concepts
    return build_pool(
        options.vocabulary,
        [concept_from(text) for text in options.concepts],
        None if only is None else [concept_from(text) for text in only],
        options.exclude,
    )


def _prompted(
    base: ImageSet, personalized: ImageSet, prompts: str | Path | Sequence[str] | None
) -> tuple[ImageSet, ImageSet]:
    if prompts is None:
        return base, personalized
    if isinstance(prompts, (str, Path)):
        rows = read_prompts(Path(prompts))
    else:
        rows = [PromptRow(prompt) for prompt in prompts]
    return with_prompts(base, rows), with_prompts(personalized, rows)
