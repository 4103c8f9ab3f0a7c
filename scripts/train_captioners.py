"""Make examples/models/{diff-caption,chg2cap}: python scripts/train_captioners.py STAGE

The stages, in order: pairs, diff-caption, chg2cap, cards. Pairs are photographs and paintings
before and after one of `finexl.operators`, with captions of a degree word and one of the
operator's phrases; they are kept in work/captioners as grids of the embedded encoder's features.
A fifth of the pictures and three levels of each operator are held out. One thread: the same seeds
give the same weights only for the same number of threads. Needs the `torch` extra, and pictures
whose licence allows fitting (the card names those that were used).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save
from torch.nn import functional

from finexl.bench.baselines.nets.backbone import embedded_grids
from finexl.bench.baselines.nets.captioner import CONFIG, NETS, WEIGHTS, open_captioner
from finexl.bench.baselines.nets.settings import PAD, SPECIAL, START, Settings
from finexl.encoders.embedded import Embedded
from finexl.images import load_image
from finexl.operators import OPERATORS, apply
from finexl.personalize.scenes import SCENES, draw

ROOT = Path(__file__).parents[1]
WORK = ROOT / "work" / "captioners"
MODELS = ROOT / "examples" / "models"
SIDE, GRID, NET_SIDE = 160, 8, 2
TRAINED, NOTHING = 16, 60
"""Pairs of each operator, and pairs without a change, that are fitted on."""
HELD_OUT = (0.22, 0.5, 0.85)
APART = 0.04
NAMES = tuple(OPERATORS)
SAME = "no difference"
DEGREES = ("slightly", "moderately", "much")
BATCH, NEGATIVES, PRETRAINED = 32, 2, 0.15
"""Pairs a step; wrong captions a pair; the part of the time in which they are contrasted."""


def square(picture: Image.Image, shift: tuple[int, int] = (0, 0)) -> Image.Image:
    """Return a picture's middle, or what lies so many thousandths beside it."""
    side = min(picture.size)
    left = (picture.width - side) // 2 + shift[0] * side // 1000
    top = (picture.height - side) // 2 + shift[1] * side // 1000
    return picture.crop((left, top, left + side, top + side)).resize(
        (SIDE, SIDE), Image.Resampling.BICUBIC
    )


def draw_level(rng: np.random.Generator) -> float:
    """Return a level that is not near one held out."""
    while True:
        level = float(rng.uniform(0.1, 1.0))
        if min(abs(level - one) for one in HELD_OUT) > APART:
            return level


def make_pairs(folders: Sequence[Path]) -> None:
    """Change the pictures, and keep grids of features of both."""
    rng = np.random.default_rng(0)
    files = sorted(file for folder in folders for file in folder.rglob("*.jpg"))
    pictures = [load_image(file) for file in files]
    scenes = rng.choice(len(SCENES), 20, replace=False)
    pictures += [draw(SCENES[i], size=SIDE) for i in scenes]
    held = [number for number in range(len(pictures)) if number % 5 == 0]
    free = [number for number in range(len(pictures)) if number % 5]
    rows: list[tuple[int, int, float, bool]] = []  # picture, operator or -1, level, held out
    for operator in range(len(NAMES)):
        rows += [(int(rng.choice(free)), operator, draw_level(rng), False) for _ in range(TRAINED)]
        rows += [(int(rng.choice(held)), operator, level, True) for level in HELD_OUT]
    rows += [(int(rng.choice(free)), -1, 0.0, False) for _ in range(NOTHING)]
    rows += [(int(rng.choice(held)), -1, 0.0, True) for _ in range(NOTHING // 5)]
    encoder = Embedded(threads=1)
    before = np.concatenate([embedded_grids(encoder, [square(p)], GRID) for p in pictures])
    after = []
    started = time.perf_counter()
    for number, (picture, operator, level, _) in enumerate(rows):
        if operator < 0:
            x, y = rng.integers(-10, 11, 2)
            changed = square(pictures[picture], (int(x), int(y)))
        else:
            changed = apply(square(pictures[picture]), NAMES[operator], level, rng)
        after.append(embedded_grids(encoder, [changed], GRID))
        if number % 100 == 0:
            print(number, len(rows), round(time.perf_counter() - started), flush=True)
    WORK.mkdir(parents=True, exist_ok=True)
    np.savez(
        WORK / "pairs.npz",
        before=before.astype(np.float16),
        after=np.concatenate(after).astype(np.float16),
        picture=[row[0] for row in rows],
        operator=[row[1] for row in rows],
        level=[row[2] for row in rows],
        held=[row[3] for row in rows],
        files=[file.name for file in files],
    )


def degree(level: float) -> str:
    """Return the word for a level."""
    return "slightly" if level < 0.35 else "moderately" if level < 0.7 else "much"


def caption(operator: int, level: float, phrase: int = 0) -> str:
    """Return what is said of a pair: "much more film grain"."""
    if operator < 0:
        return SAME
    return f"{degree(level)} more {OPERATORS[NAMES[operator]].phrases[phrase]}"


def settings_of(architecture: str, features: int) -> Settings:
    """Return a small network's sizes; published are 512 wide, 2 or 3 layers and 8 heads."""
    said = [SAME, "slightly moderately much more", *(
        phrase for operator in OPERATORS.values() for phrase in operator.phrases
    )]  # fmt: skip
    words = sorted({word for phrase in said for word in phrase.split()})
    return Settings(
        architecture, "embedded", features, (), NET_SIDE, 128, 4, 384, 2, 1,
        max(len(phrase.split()) for phrase in said) + 2, (*SPECIAL, *words),
        architecture == "diff-caption",
    )  # fmt: skip


class Pairs:
    """The pairs, as the networks take them."""

    def __init__(self) -> None:
        kept = np.load(WORK / "pairs.npz")
        self.before, self.after = (
            torch.from_numpy(kept[name].astype(np.float32))
            .unflatten(1, (NET_SIDE, -1)).unflatten(3, (NET_SIDE, -1)).mean((2, 4))
            for name in ("before", "after")
        )  # fmt: skip
        self.picture, self.operator = kept["picture"], kept["operator"]
        self.level, self.held = kept["level"], kept["held"]
        self.fitted = np.flatnonzero(~self.held)

    def batch(self, rows: NDArray[np.intp], rng: np.random.Generator) -> tuple[Any, Any, list[str]]:
        """Return grids of both pictures and a caption each; half of them mirrored."""
        mirrored = torch.from_numpy(rng.random(len(rows)) < 0.5)[:, None, None, None]
        grids = [
            torch.where(mirrored, grid.flip(2), grid)
            for grid in (self.before[self.picture[rows]], self.after[rows])
        ]
        said = []
        for row in rows:
            operator, level = int(self.operator[row]), float(self.level[row])
            phrases = 1 if operator < 0 else len(OPERATORS[NAMES[operator]].phrases)
            # the first name half of the time, so that it is the likeliest
            phrase = 0 if rng.random() < 0.5 else int(rng.integers(phrases))
            said.append(caption(operator, level, phrase))
        return grids[0], grids[1], said


def padded(settings: Settings, captions: Sequence[str]) -> Any:
    """Return captions as numbers, (n, t)."""
    numbers = [settings.numbers(one) for one in captions]
    longest = max(map(len, numbers))
    return torch.tensor([one + [PAD] * (longest - len(one)) for one in numbers])


def others(captions: Sequence[str], rng: np.random.Generator) -> list[str]:
    """Return a wrong caption for each: another's, or its own with another degree."""
    found = []
    for one in captions:
        first, _, rest = one.partition(" ")
        if first in DEGREES and rng.random() < 0.3:
            found.append(f"{rng.choice([d for d in DEGREES if d != first])} {rest}")
        else:
            found.append(str(rng.choice([other for other in captions if other != one])))
    return found


def loss_of(
    net: Any, settings: Settings, memory: Any, captions: Sequence[str], rng: np.random.Generator
) -> Any:
    """Return the loss of writing the captions, each network's own."""
    words = padded(settings, captions)
    if settings.architecture == "chg2cap":
        scores = net.score(memory, words[:, :-1])
        return functional.cross_entropy(
            scores.flatten(0, 1), words[:, 1:].flatten(), ignore_index=PAD
        )
    hidden = torch.from_numpy(rng.random(tuple(words.shape)) < 0.5) & (words > START)
    return functional.cross_entropy(net.score(memory, words, hidden)[hidden], words[hidden])


def aligned(
    net: Any, settings: Settings, memory: Any, captions: Sequence[str], rng: np.random.Generator
) -> Any:
    """Return the loss of telling a pair's caption from wrong ones (temperature 0.1)."""
    sets = [captions, *(others(captions, rng) for _ in range(NEGATIVES))]
    words = padded(settings, [one for captions in sets for one in captions])[:, 1:]
    cosines = net.align(memory.repeat(len(sets), 1, 1), words).unflatten(0, (len(sets), -1)).T
    return functional.cross_entropy(cosines / 0.1, torch.zeros(len(captions), dtype=torch.long))


def train(architecture: str, seconds: float) -> None:
    """Fit a network for so long, and write it in half precision."""
    pairs = Pairs()
    settings = settings_of(architecture, pairs.before.shape[-1])
    rate = 1e-3 if architecture == "chg2cap" else 2e-3
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    net = NETS[architecture](settings)
    net.seen.mean.copy_(pairs.before.mean((0, 1, 2)))
    net.seen.spread.copy_(pairs.before.std((0, 1, 2)))
    optimizer = torch.optim.AdamW(net.parameters(), rate, weight_decay=0.02)
    started, step, sums = time.process_time(), 0, [0.0, 0.0]
    while (done := (time.process_time() - started) / seconds) < 1:
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, step / 100) * min(1.0, 2.5 * (1 - done))
        before, after, said = pairs.batch(rng.choice(pairs.fitted, BATCH, replace=False), rng)
        memory = net.encode(before, after)
        loss = loss_of(net, settings, memory, said, rng)
        sums[0] += float(loss.detach())
        if architecture == "diff-caption" and done < PRETRAINED:
            contrast = aligned(net, settings, memory, said, rng)
            sums[1] += float(contrast.detach())
            loss = loss + contrast
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        step += 1
        if step % 100 == 0:
            print(step, f"{done:.2f}", *(f"{one / 100:.3f}" for one in sums), flush=True)
            sums = [0.0, 0.0]
    folder = MODELS / architecture
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).write_text(settings.written(), encoding="utf-8")
    kept = {
        name: rows.half() if rows.is_floating_point() else rows
        for name, rows in net.state_dict().items()
    }
    (folder / WEIGHTS).write_bytes(save({name: rows.contiguous() for name, rows in kept.items()}))
    (WORK / f"{architecture}.json").write_text(json.dumps({"steps": step, "seconds": seconds}))


def measured(architecture: str) -> dict[str, float]:
    """Return how often the held-out pairs' captions are right."""
    pairs = Pairs()
    captioner = open_captioner(MODELS / architecture, architecture)
    said = [
        captioner.write(pairs.before[pairs.picture[row]], pairs.after[row])
        for row in np.flatnonzero(pairs.held)
    ]
    changed = pairs.operator[pairs.held] >= 0
    right, degrees, kinds = [], [], []
    for text, operator, level in zip(
        said, pairs.operator[pairs.held], pairs.level[pairs.held], strict=True
    ):
        if operator >= 0:
            first, _, phrase = text.partition(" more ")
            right.append(phrase in OPERATORS[NAMES[operator]].phrases)
            degrees.append(first == degree(level))
            kinds.append(level)
    found = {
        "pairs": float(changed.sum()),
        "operator": float(np.mean(right)),
        "degree": float(np.mean(degrees)),
        "both": float(np.mean(np.array(right) & np.array(degrees))),
        "no change": float(
            np.mean([t == SAME for t, c in zip(said, changed, strict=True) if not c])
        ),
    }
    for level in HELD_OUT:
        at = np.array(kinds) == level
        found[f"operator at {level}"] = float(np.mean(np.array(right)[at]))
        found[f"degree at {level}"] = float(np.mean(np.array(degrees)[at]))
        found[f"both at {level}"] = float(np.mean((np.array(right) & np.array(degrees))[at]))
    return found


CARD = """# {name}

A small network of {title}'s architecture (`finexl.bench.baselines.{module}`), which
says in words how the second of two pictures differs from the first: "much more film grain". It is
there so that the experiments' row of that method is a real one; the published weights, for other
pictures and a ResNet-101's features, cannot be had here.

```python
from pathlib import Path
from finexl.bench.baselines.{module} import {method}

{method}(Path("examples/models/{name}")).tell(case)
```

- **What it sees:** the places of the embedded encoder (frozen), as {side} × {side} means. That
  encoder was itself fitted on these operators, on other pictures: only the pictures and the levels
  below are new to the network, not the kinds of change.
- **Architecture:** {architecture}
- **Fitted on** {fitted} pairs: 100 photographs and paintings of the Style Transfer dataset (Kitov
  et al. 2024, CC BY 4.0) and 20 drawn scenes, each before and after one of {operators} operators at
  a level from 0.1 to 1, {nothing} of them without a change but a shift of up to a hundredth.
  {steps} steps of {batch} pairs, {seconds:.0f} seconds of one processor, AdamW. Short of converged:
  more time makes it better.
- **Captions:** slightly (below 0.35), moderately (below 0.7) or much, "more", and one of the
  operator's phrases; or "no difference".

## On held-out pictures and levels

Every fifth picture and the levels {levels} (and all within {apart} of them) were left out.
Three beginnings of a caption are kept. By chance the operator is right in 1 of {operators}, the
degree in 1 of 3.

| {pairs:.0f} pairs | operator named | degree right | both |
|---|---|---|---|
| all levels | {operator:.2f} | {degree:.2f} | {both:.2f} |
{rows}

Of {same} held-out pairs without a change {no_change:.2f} were told to have none.

Licence: that of this repository (Apache-2.0). `python scripts/train_captioners.py` made it.
"""
TOLD = {
    "diff-caption": (
        "Diff Caption", "diff_caption", "DiffCaption",
        "{width} wide, {heads} heads; one layer in each picture, one in both, {layers} in pictures"
        " and\n  caption together; {count:,} weights in half precision. Published: 512 wide, 8"
        " heads. Masked words\n  throughout, for the first {pretrained:.0%} of the time contrasted"
        " with wrong captions as well. The\n  second picture is seen as its difference from the"
        " first: from so few pairs attention does not\n  learn to compare them.",
    ),
    "chg2cap": (
        "Chg2Cap", "chg2cap", "Chg2Cap",
        "{width} wide, {heads} heads; {layers} layers of hierarchical self-attention, a residual"
        " block,\n  {writers} layer of the decoder; {count:,} weights in half precision."
        " Published: 2,048 and 512 wide, 8 heads.",
    ),
}  # fmt: skip


def write_card(architecture: str) -> None:
    """Measure a network and write its README.md."""
    found = measured(architecture)
    pairs, kept = Pairs(), json.loads((WORK / f"{architecture}.json").read_text())
    captioner = open_captioner(MODELS / architecture, architecture)
    settings = captioner.settings
    title, module, method, told = TOLD[architecture]
    rows = [
        f"| {at} | {found[f'operator at {at}']:.2f} | {found[f'degree at {at}']:.2f} |"
        f" {found[f'both at {at}']:.2f} |"
        for at in HELD_OUT
    ]
    count = sum(weights.numel() for weights in captioner.net.parameters())
    card = CARD.format(
        name=architecture,
        title=title,
        module=module,
        method=method,
        side=settings.side,
        architecture=told.format(**vars(settings), count=count, pretrained=PRETRAINED),
        fitted=f"{len(pairs.fitted):,}",
        operators=len(NAMES),
        nothing=NOTHING,
        batch=BATCH,
        levels=", ".join(map(str, HELD_OUT)),
        apart=APART,
        rows="\n".join(rows),
        same=NOTHING // 5,
        no_change=found["no change"],
        **kept,
        **{key: found[key] for key in ("pairs", "operator", "degree", "both")},
    )
    (MODELS / architecture / "README.md").write_text(card, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("stage", choices=("pairs", *NETS, "cards"))
    parser.add_argument("--pictures", type=Path, nargs="*", default=[])
    parser.add_argument("--seconds", type=float, default=180, help="of the processor")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    if options.stage == "pairs":
        make_pairs(options.pictures)
    elif options.stage == "cards":
        for name in NETS:
            write_card(name)
    else:
        train(options.stage, options.seconds)


if __name__ == "__main__":
    main()
