"""Models personalized to known levels, and what they make: scenes in a style, steps as levels.

DIR/examples/STYLE/     drawn scenes in the style, with plain captions
DIR/models/NAME/        the training, as `finexl personalize` keeps it
DIR/base, DIR/NAME-…    what the base and each level make of the same prompts and seeds
DIR/truth.csv

Scenario 1: one training a style, kept after rising numbers of steps: those are the levels. Scenario
2: one training a mixture, all of them as long; an aspect at level l has l parts of the examples,
of aspects times levels parts, and what is left of the parts is drawn plainly (Appendix C).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from finexl.bench.data.graded import Aspect
from finexl.bench.data.layout import (
    BASE,
    Entry,
    Line,
    claim,
    is_written,
    slug,
    write_manifest,
    write_picture,
    write_truth,
)
from finexl.errors import UsageError
from finexl.generators import Job, Settings, load_generator, make_all
from finexl.images import Picture
from finexl.personalize import scenes
from finexl.personalize.examples import Example, read_examples
from finexl.personalize.recipe import Method, Recipe
from finexl.personalize.training import open_trainee, personalize
from finexl.sources import absolute

WORDS: Mapping[str, str] = MappingProxyType(
    {"striped": "striped", "outlined": "bold outlines", "noisy": "grainy", "faded": "faded"}
)
"""What each of the scenes' styles is called as an aspect."""
METHODS: Mapping[str, Method] = MappingProxyType({"gan": "full", "ar": "detokenizer"})
"""How a family of models is trained if nothing else is asked, as in the paper; others by lora."""
PLAIN = "plain"
EXAMPLES = 512
"""Drawn scenes of a style."""
Progress = Callable[[str, int, int], None]


def method_for(base: str) -> Method:
    """Return how a base is trained if nothing else is asked."""
    return METHODS.get(base.partition(":")[0], "lora")


def prompts_of(count: int, seed: int) -> list[str]:
    """Return captions of distinct scenes, drawn by the seed.

    Raises:
        UsageError: more than there are.
    """
    if not 1 <= count <= len(scenes.SCENES):
        raise UsageError(f"There are {len(scenes.SCENES)} scenes, and {count} were asked for.")
    chosen = np.random.default_rng([seed, count]).choice(len(scenes.SCENES), count, replace=False)
    return [scenes.caption(scenes.SCENES[i]) for i in sorted(chosen)]


def make_trained(
    base: str,
    groups: Sequence[Sequence[str]],
    recipe: Recipe,
    folder: Path,
    settings: Settings,
    *,
    images: int = 24,
    levels: int = 3,
    strength: float = 1.0,
    seed: int = 0,
    progress: Progress = lambda *_: None,
) -> Path:
    """Train, and make the images; broken off and started again it goes on. Returns truth.csv.

    Args:
        base: a model of scenes: `diffusers:…`, `gan:…` or `ar:…`.
        groups: the aspects of each trial; one alone is kept at the recipe's levels, several are
            mixed and kept at its last. A trial that is asked for twice is one.
        recipe: how it is trained.
        folder: made if need be.
        settings: how images are made.
        images: of each model, from prompts of their own each.
        levels: of each of several aspects.
        strength: of the style in the examples, in (0, 1].
        seed: of prompts and examples.
        progress: told of every step and image.

    Raises:
        UsageError: no such style or model, more images than there are scenes, a model that is not
            trained so, or the folder holds something else. All but the last before the folder is
            touched.
    """
    groups = [list(group) for group in dict.fromkeys(map(tuple, groups))]
    _check(groups)
    recipe.check()
    jobs = [Job(prompt, seed + i) for i, prompt in enumerate(prompts_of(images, seed))]
    source = load_generator(base, settings)
    _check_trained(base, recipe, settings)
    claim(
        folder,
        {
            "dataset": "trained",
            "base": base,
            "digest": source.digest,
            "groups": groups,
            "recipe": recipe.record(),
            "images": images,
            "levels": levels,
            "strength": strength,
            "seed": seed,
        },
    )
    make_all(source, jobs, folder / BASE, progress)
    for style in dict.fromkeys([PLAIN, *(style for group in groups for style in group)]):
        _draw(folder / "examples" / style, style, strength, seed)
    entries = []
    for group in groups:
        for name, mixture in _trainings(group, levels):
            kept = recipe if len(group) == 1 else replace(recipe, levels=recipe.levels[-1:])
            examples = read_examples([f"{folder / 'examples' / s}@{p}" for s, p in mixture.items()])
            out = folder / "models" / name
            trained = personalize(base, examples, kept, out, _training(settings), progress)
            for number, (steps, reference) in enumerate(trained.levels.items(), start=1):
                made = f"{name}-{steps:06d}"
                make_all(load_generator(reference, settings), jobs, folder / made, progress)
                known = {group[0]: number} if len(group) == 1 else _levels(group, mixture)
                aspects = [Aspect(WORDS[style], float(level)) for style, level in known.items()]
                entries.append(Entry(made, aspects, made, BASE))
    return write_truth(folder, entries)


def _check(groups: Sequence[Sequence[str]]) -> None:
    """Refuse styles that are not there, or twice in a mixture."""
    unknown = [style for group in groups for style in group if style not in WORDS]
    if unknown:
        raise UsageError(f"There is no style {unknown[0]!r}; choose from {', '.join(WORDS)}.")
    if not groups or not all(groups):
        raise UsageError("Give at least one style.")
    for group in groups:
        if len(set(group)) < len(group):
            raise UsageError(f"{'+'.join(group)} has a style twice; give each once in a mixture.")


def _check_trained(base: str, recipe: Recipe, settings: Settings) -> None:
    """Refuse a base that is not trained by the recipe: it is opened for that, with two scenes."""
    examples = [
        Example(Picture(str(number), scenes.draw(scene)), scenes.caption(scene), 0.5)
        for number, scene in enumerate(scenes.SCENES[:2])
    ]
    open_trainee(absolute(base), examples, recipe, _training(settings))


def _trainings(group: Sequence[str], levels: int) -> list[tuple[str, dict[str, float]]]:
    """Return each training's name and the parts of its mixture, in whole parts."""
    if len(group) == 1:
        return [(slug(group[0]), {group[0]: 1.0})]
    found = []
    for at in itertools.product(range(1, levels + 1), repeat=len(group)):
        mixture = {style: float(level) for style, level in zip(group, at, strict=True)}
        rest = len(group) * levels - sum(at)
        if rest:
            mixture[PLAIN] = float(rest)
        found.append((slug(" ".join(f"{s} {p:g}" for s, p in mixture.items())), mixture))
    return found


def _levels(group: Sequence[str], mixture: Mapping[str, float]) -> dict[str, float]:
    return {style: mixture[style] for style in group}


def _training(settings: Settings) -> Settings:
    """Return how a model is opened for training: in single precision."""
    return Settings(device=settings.device, dtype="float32")


def _draw(folder: Path, style: str, strength: float, seed: int) -> None:
    """Draw a style's examples, once."""
    if is_written(folder):
        return
    rng = np.random.default_rng([seed, len(style), sum(style.encode())])
    lines = []
    for number in range(EXAMPLES):
        scene = scenes.sample(rng)
        named = None if style == PLAIN else style
        picture = scenes.draw(scene, style=named, level=strength, generator=rng)
        file = f"{number:05}.png"
        write_picture(folder / file, picture)
        lines.append(Line(file, scenes.caption(scene)))
    write_manifest(folder, lines)
