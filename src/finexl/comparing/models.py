"""Explained models as they are compared: read, named apart, one row a prompt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from finexl.catalog.effects import prompt_of_each
from finexl.catalog.store import Catalog
from finexl.core.divergence import Paired
from finexl.core.significance import MIN_PROMPTS
from finexl.encoders import Encoder
from finexl.errors import UsageError
from finexl.explanation import Explanation
from finexl.images import printable
from finexl.imageset import listed
from finexl.pipeline import OWN

Array = NDArray[np.float64]

MOST_BYTES = 256_000_000
ANSWER = "explanation.json"


@dataclass(frozen=True)
class Model:
    """An explained model under the name that it has among those compared."""

    name: str
    explanation: Explanation
    folder: Path | None = None
    """Its run's, where that is known: its pictures can then be found again."""


@dataclass(frozen=True)
class Rows:
    """What every model has of the same prompts."""

    each: tuple[Array, ...]
    """(n, d) of every model, row j of the same prompt; (1, d), V_div, where they share too few."""
    prompts: tuple[str, ...]
    """Whose rows they are, as far as known; the ones under which concepts are mapped."""
    paired: bool
    """Whether the rows are prompts: V_div alone tells nothing of its own certainty."""
    warnings: tuple[str, ...] = ()


def load(reference: str | Path) -> Explanation:
    """Return the explanation in a JSON file, or in a run's folder.

    Raises:
        UsageError: nothing there, or no explanation.
    """
    path = _answer(Path(reference))
    try:
        if path.stat().st_size > MOST_BYTES:
            raise UsageError(f"{path} is too large for an explanation ({MOST_BYTES:,} bytes).")
        content = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(
            f"{path} cannot be read ({reason}); give an explanation's JSON, or a run's folder."
        ) from error
    try:
        return Explanation.from_json(content)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def read_models(references: Sequence[str | Path], catalog: Path | None = None) -> tuple[Model, ...]:
    """Read models from files and run folders; what is neither is a name in the catalog.

    Raises:
        UsageError: as `load`, or the catalog has no model of that name.
    """
    named = [_named(reference, catalog) for reference in references]
    names = distinct([(explanation.name, stem) for stem, explanation, _ in named])
    return tuple(
        Model(name, explanation, folder)
        for name, (_, explanation, folder) in zip(names, named, strict=True)
    )


def _named(reference: str | Path, catalog: Path | None) -> tuple[str, Explanation, Path | None]:
    """Return what to call a model apart from others of its name, what it is, and its run."""
    if catalog is not None and not Path(reference).exists():
        with Catalog.open(catalog) as opened:
            return catalog.stem, opened.entry(str(reference)).explanation, None
    return Path(reference).stem, load(reference), _run(reference)


def distinct(named: Sequence[tuple[str, str]]) -> list[str]:
    """Return (name, where from) as names no two of which are the same: "lora (run-2)"."""
    taken = Counter(name for name, _ in named)
    tried = [n if taken[n] == 1 else f"{n} ({printable(where)})" for n, where in named]
    seen: set[str] = set()
    found = []
    for name in tried:
        number, free = 1, name
        while free in seen:
            number += 1
            free = f"{name} no. {number}"
        seen.add(free)
        found.append(free)
    return found


def common_rows(models: Sequence[Model], encoder: Encoder) -> Rows:
    """Return the models' pair divergences on the prompts that all of them have.

    Prompts are the unit of evidence. A model that keeps no pairs, or several of a prompt without
    saying which, leaves only V_div of every model: then nothing is known of any certainty.

    Raises:
        UsageError: V_div of different sizes, which no one encoder gave.
    """
    sizes = {len(model.explanation.divergence.vector) for model in models}
    if len(sizes) > 1:
        raise UsageError(
            "The models' V_div have different sizes; explain them anew with one encoder."
        )
    warnings = _about_sources(models)
    tables = {}
    for model in models:
        try:
            tables[model.name] = rows_by_prompt(model, encoder)
        except UsageError as error:  # noqa: PERF203 - each model lacks its own
            warnings.append(str(error))
    made_with = {model.explanation.prompts.texts for model in models if _own(model)}
    same = made_with.pop() if len(made_with) == 1 and all(map(_own, models)) else ()
    if len(tables) == len(models):
        first, *others = tables.values()
        shared = [label for label in first if all(label in other for other in others)]
        whole = all(len(table) == len(shared) for table in tables.values())
        if shared and (whole or len(shared) >= MIN_PROMPTS):
            if not whole:
                warnings.append(
                    f"The models are compared on the {len(shared):,} prompts that all of them "
                    "have; numbers differ from those of their explanations."
                )
            each = [np.array([table[label] for label in shared]) for table in tables.values()]
            known = set(models[0].explanation.prompts.texts)
            texts = tuple(t for t in shared if t in known) if all(map(_own, models)) else ()
            return Rows(tuple(each), texts, True, tuple(warnings))
        warnings.append(
            f"The models have {len(shared):,} known prompts in common: how different prompts are "
            "and how different the models cannot be told apart."
        )
    warnings.append(
        "There are no intervals and no tests: they take pair divergences of the same prompts for "
        "every model."
    )
    vectors = [np.asarray(m.explanation.divergence.vector, np.float64)[None] for m in models]
    return Rows(tuple(vectors), same, False, tuple(warnings))


def rows_by_prompt(model: Model, encoder: Encoder) -> dict[str, Array]:
    """Return a model's pair divergences, one (d,) a prompt.

    Where the prompts are not known each pair counts as one, as in its explanation, and is known by
    the base's images.

    Raises:
        UsageError: none are kept, or it is not known which pairs share a prompt.
    """
    explanation = model.explanation
    pairs = explanation.divergence.pairs
    if pairs is None or not len(pairs) or len(pairs) != explanation.n_pairs:
        raise UsageError(f"{model.name} keeps no pair divergences.")
    rows = np.asarray(pairs, dtype=np.float64)
    if not _own(model):
        return {f"{explanation.base.digest} {i}": row for i, row in enumerate(rows)}
    labels = prompt_of_each(explanation)
    if labels is not None:
        return dict(zip(dict.fromkeys(labels), Paired.of(rows, labels).rows, strict=True))
    if model.folder is not None:
        from finexl.comparing.pictures import pictures_of

        found = pictures_of(model, encoder)
        return dict(zip(found.prompts, found.rows, strict=True))
    raise UsageError(
        f"{model.name} has several pairs of a prompt, and its explanation does not say which; give "
        "its run's folder."
    )


def _own(model: Model) -> bool:
    return model.explanation.prompts.source == OWN


def _answer(path: Path) -> Path:
    if not path.is_dir():
        return path
    if not (path / ANSWER).is_file():
        raise UsageError(
            f"{path} holds no {ANSWER}; give a run's folder, or an explanation's JSON."
        )
    return path / ANSWER


def _run(reference: str | Path) -> Path | None:
    """Return the run's folder that a reference is, or whose answer it is."""
    path = _answer(Path(reference))
    return path.parent if (path.parent / "run.json").is_file() and path.name == ANSWER else None


def _about_sources(models: Sequence[Model]) -> list[str]:
    """Say what different bases and prompts mean for a comparison."""
    warnings = []
    bases = {model.explanation.base.digest: model.explanation.base.name for model in models}
    if len(bases) > 1:
        warnings.append(
            "The models were explained against different images of a base "
            f"({listed(list(dict.fromkeys(bases.values())))}): each is said to differ from its "
            "own, and a difference between two models holds that of their bases as well."
        )
    if len({model.explanation.prompts.digest for model in models}) > 1:
        warnings.append(
            "The models were explained on different prompts: a model does not change all prompts "
            "alike, so that some of a difference between two may be one of their prompts."
        )
    return warnings
