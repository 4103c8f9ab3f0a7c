"""The pipeline, top to bottom as the paper's Algorithm 1.

1  the two sets, and which images belong together
2  their embeddings, and V_div                          §4.1, Eq. 5
3  the pool of concepts                                 §4.2
4  each concept as a vector                             §4.3, Eq. 6
5  redundancy removed, V_div decomposed, tested         §4.4–4.5, Eq. 8–11
6  said in words
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from finexl._version import __version__
from finexl.answer import (
    aspects_of,
    by_text,
    created,
    discovery_of,
    doubts,
    dropped_of,
    movement,
    ranked,
)
from finexl.cache import key_of
from finexl.candidates import Candidates, candidates, is_long
from finexl.concepts.vectors import PROMPT_WORDS, shortened
from finexl.concepts.vocabulary import neutral_prompts
from finexl.core.analysis import SPLIT_FROM, Analysis
from finexl.core.orthogonality import unit_rows
from finexl.embedding import Progress
from finexl.encoders import Encoder, load_encoder
from finexl.errors import UsageError
from finexl.evidence import Evidence, gather
from finexl.explanation import Divergence, EncoderId, Explanation, Pool, Prompts
from finexl.images import printable
from finexl.imageset import ImageSet, embeddings_from, images_from, read_images
from finexl.localise import heat_map
from finexl.measure import Measure
from finexl.options import USUAL, Inquiry, Options
from finexl.pairing import Compared, Pair, pair
from finexl.prompts import PromptRow, read_prompts, with_prompts
from finexl.runs import Run
from finexl.sentences import write_sentences
from finexl.vlm import VLM, load_vlm

Images: TypeAlias = "str | Path | Sequence[Image.Image | str | Path] | NDArray[np.generic]"
"""A folder or manifest, a list of images or files, or embeddings (n, d) by the same encoder."""

NEUTRAL = "built-in neutral prompts"
OWN = "the images' own prompts"


@dataclass(frozen=True)
class Explained:
    """An explanation, and what it was made from."""

    explanation: Explanation
    base: ImageSet
    personalized: ImageSet
    evidence: Evidence
    measure: Measure
    analysis: Analysis
    texts: tuple[str, ...]
    """The candidates."""
    vectors: NDArray[np.float64]
    """(m, d), their concept vectors, Eq. 6."""

    @property
    def pairs(self) -> tuple[Pair, ...]:
        """The pairs that were measured; none where the sets are unpaired."""
        return self.evidence.pairs

    def heat(self, index: int, concept: str) -> NDArray[np.floating[Any]] | None:
        """Return where a pair's first pictures changed along an aspect, (h, w), if it can be told.

        Positive is the aspect's own way: toward it where there is more of it, away where less.
        """
        base, personalized, _ = self.pictures(index)
        encoder = self.measure.encoder
        return heat_map(encoder, base, personalized, self._direction(concept))

    def _direction(self, concept: str) -> NDArray[np.float64]:
        """Return an aspect's direction (d,), more of it for "more", less of it for "less"."""
        matrix = self.measure.frame.subspace.matrix
        kept = next(k for k in self.analysis.kept if self.texts[k.index] == concept)
        towards = unit_rows(self.measure.inside(self.vectors[kept.index][None]))[0] @ matrix
        direction: NDArray[np.float64] = towards * np.sign(kept.score)
        return direction

    def caption(self, index: int) -> str:
        """Return what made a pair, or what to call it."""
        chosen = self.pairs[index]
        caption = chosen.key if chosen.prompt is None else chosen.prompt
        return caption if chosen.seed is None else f"{caption} (seed {chosen.seed})"

    def pictures(self, index: int) -> tuple[Image.Image, Image.Image, str]:
        """Return a pair's first base and personalized picture, and what made them."""
        chosen = self.pairs[index]
        base = self.base.pictures[chosen.base[0]]
        personalized = self.personalized.pictures[chosen.personalized[0]]
        return base.open(), personalized.open(), self.caption(index)


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
    add: Sequence[str] = (),
    drop: Sequence[str] = (),
    vlm: str | VLM | None = None,
    inquiry: Inquiry = USUAL,
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
        vocabulary: "style", "subject", "all" or "none".
        concepts: candidates beside the vocabulary; of more than 2,000 those that may fit are
            retrieved first.
        only_concepts: candidates instead of the vocabulary, likewise.
        exclude: concepts to leave out of the vocabulary and of what a model proposes.
        add: concepts to keep whether or not the selection would.
        drop: concepts to leave out, wherever they come from.
        vlm: a vision-language model that proposes candidates, or its name. With 20 prompts or
            more it looks at one half of the pairs, and everything is measured on the other.
        inquiry: how it is asked.
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
        add=add,
        drop=drop,
        inquiry=inquiry,
        decomposition=decomposition,
        top=top,
        name=name,
        seed=seed,
        pool=pool,
    )
    loaded = load_encoder(encoder) if isinstance(encoder, str) else encoder
    looker = load_vlm(vlm) if isinstance(vlm, str) else vlm
    return explain_sets(
        _set_of(base, "base"),
        _set_of(personalized, "personalized"),
        options,
        loaded,
        Run(),
        vlm=looker,
    ).explanation


def explain_sets(
    base: ImageSet,
    personalized: ImageSet,
    options: Options,
    encoder: Encoder,
    run: Run,
    progress: Progress = lambda *_: None,
    vlm: VLM | None = None,
) -> Explained:
    """Run the pipeline on two sets; see `explain`. Embeddings are read from and kept in the run."""
    options.check()

    # §4.1: V_div; where candidates come from looking, one half is looked at, the other measured
    base, personalized = _prompted(base, personalized, options.prompts)
    compared = Compared(base, personalized, pair(base, personalized, options.pairing))
    looks = vlm is not None or is_long(options)
    apart = looks and compared.units() >= SPLIT_FROM and not options.inquiry.same_pairs
    looked, measured = compared.halves(options.seed) if apart else (compared, compared)
    run.load_rows(encoder.revision, encoder.dim)
    evidence = gather(measured, encoder, run, progress)
    seen = gather(looked, encoder, run, progress) if apart else evidence

    # §4.2: the pool
    measure = Measure(encoder, options.decomposition, evidence.prompts, options.seed)
    found = candidates(looked, seen, options, measure, run, progress, vlm)
    pool = found.pool
    texts = tuple(concept.text for concept in pool)

    # §4.3–4.5: the concepts in the same prompts; redundancy, decomposition, and how sure it is
    analysis, mapped = measure.analyse(
        evidence.sample,
        texts,
        limit=options.top,
        pinned=found.pinned,
        chosen=() if apart else found.chosen,
    )

    rows = _halved(evidence.rows)
    along = movement(evidence.rows, mapped.vectors, measure.frame.subspace.matrix)
    aspects, less = aspects_of(analysis, pool, along)
    divergence = Divergence(
        norm=analysis.norm,
        noise_floor=analysis.noise_floor,
        detected=analysis.detected,
        p_value=analysis.p_value,
        vector=evidence.sample.mean.astype(np.float32),
        pairs=rows,
        pair_prompts=None if rows is None else evidence.pair_prompts,
    )
    made_with = evidence.prompts or neutral_prompts()
    asked = [*options.concepts, *(options.only_concepts or ()), *options.add]
    discovery = discovery_of(found.found, analysis, texts, options.inquiry, vlm, apart)
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
            found.sources,
            key_of(*texts),
            ranked(analysis, pool) if options.pool else None,
        ),
        n_pairs=len(evidence.pairs),
        pairing=compared.matched.kind,
        seed=options.seed,
        divergence=divergence,
        aspects=aspects,
        less=less,
        residual=analysis.residual,
        residual_in_sample=analysis.residual_in_sample,
        outside=analysis.outside,
        dropped=dropped_of(analysis, pool, [] if found.retrieved else asked, discovery),
        sentences=write_sentences(divergence, aspects, less, analysis.residual, by_text(pool)),
        warnings=(
            *dict.fromkeys((*evidence.warnings, *seen.warnings)),
            *_about_looking(found, compared, measured, apart),
            *found.warnings,
            *_about_prompts(evidence, len(measure.prompts), mapped.agreement),
            *doubts(analysis, evidence.sample, "pairs" if evidence.pairs else "images"),
        ),
        finexl_version=__version__,
        created=created(),
        discovery=discovery,
    )
    run.save_explanation(explanation)
    return Explained(
        explanation,
        measured.base,
        measured.personalized,
        evidence,
        measure,
        analysis,
        texts,
        mapped.vectors,
    )


def _about_looking(
    found: Candidates, compared: Compared, measured: Compared, apart: bool
) -> tuple[str, ...]:
    """Say on which pairs candidates were looked for, and on which everything was measured."""
    if found.found is None and not found.retrieved:
        return ()
    what = "Concepts were proposed" if found.found is not None else "Candidates were retrieved"
    if not apart:
        return (
            f"{what} by looking at the very images that are measured here: they fit these better "
            "than they would fit new ones, so that they get no q and are not called significant.",
        )
    stand_in = (
        " In so long a list a word can stand in for another that is not there: look at the pairs."
        if found.retrieved
        else ""
    )
    noun = "images" if compared.matched.kind == "none" else "pairs"
    sizes = [_size(part) for part in (compared, measured)]
    return (
        f"{what} by looking at {sizes[0] - sizes[1]:,} of the {sizes[0]:,} {noun}; everything here "
        f"is measured on the other {sizes[1]:,}.{stand_in}",
    )


def _size(compared: Compared) -> int:
    if compared.matched.kind != "none":
        return len(compared.matched.pairs)
    return len(compared.base.pictures) + len(compared.personalized.pictures)


def _about_prompts(evidence: Evidence, used: int, agreement: float) -> tuple[str, ...]:
    made_with = evidence.prompts
    n = len(made_with)
    if n == 0 and evidence.base.kind == evidence.personalized.kind == "gan":
        return (
            "The models heed no prompts: concepts are mapped under built-in neutral ones, and each "
            "seed counts by itself.",
        )
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


def _halved(rows: NDArray[np.float64] | None) -> NDArray[np.float16] | None:
    """Return the rows at half precision; None where they are too large for it."""
    if rows is None or np.abs(rows).max(initial=0.0) > np.finfo(np.float16).max:
        return None
    return rows.astype(np.float16)


def _set_of(images: Images, name: str) -> ImageSet:
    if isinstance(images, (str, Path)):
        return read_images(images)
    if isinstance(images, np.ndarray):
        return embeddings_from(images, name)
    if not isinstance(images, Sequence):
        kind = type(images).__name__
        raise UsageError(f"{name} is a {kind}; give a folder, a manifest, or a list of images.")
    return images_from(images, name)


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
