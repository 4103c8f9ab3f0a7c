"""Do unrelated phrases pass for supported proposals? python benchmarks/grounding.py --data DIR

Photographs (captions_coco) are changed by each image operator at full strength: a real change of
real pictures, 24 pairs a set, of which 12 are measured. A scripted model proposes phrases that have
nothing to do with any of them, beside the operator's own first phrase. Counted is how many come out
supported (q ≤ 0.05 and specific), and how many are significant aspects: first as shipped, then with
the threshold of `specific` from one half of the packaged phrases and proposals from the other, so
that no phrase is its own null.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

import finexl.measure
from finexl.concepts.replies import parse_reply
from finexl.concepts.vocabulary import distractors
from finexl.encoders import load_encoder
from finexl.images import load_image
from finexl.imageset import ImageSet, images_from
from finexl.operators import OPERATORS, apply
from finexl.options import Inquiry, Options
from finexl.pipeline import explain_sets
from finexl.runs import Run
from finexl.vlm import Scripted

PAIRS = 24
PHRASES = 20
ALL = distractors()


def supported(
    base: ImageSet, changed: ImageSet, own: str, proposed: Sequence[str], seed: int
) -> Counter[str]:
    rng = np.random.default_rng([7, seed])
    some = [proposed[i] for i in rng.choice(len(proposed), PHRASES, replace=False)]
    reply = json.dumps({"more": [*some[:-1], own], "less": some[-1:]})
    options = Options(inquiry=Inquiry(rounds=1, again=0))
    encoder, vlm = load_encoder(), Scripted([reply])
    found = explain_sets(base, changed, options, encoder, Run(), vlm=vlm).explanation
    assert found.discovery is not None
    significant = {a.concept for a in (*found.aspects, *found.less) if a.significant}
    counts: Counter[str] = Counter()
    for concept in found.discovery.concepts:
        kind = "unrelated" if concept.concept in some else "own"
        counts[kind] += 1
        counts[f"{kind} supported"] += bool(concept.supported)
        counts[f"{kind} significant aspects"] += concept.concept in significant
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    data = parser.parse_args().data
    files = sorted((data / "captions_coco").rglob("*.jpg"))[:PAIRS]
    pictures = [load_image(file) for file in files]
    base = images_from(pictures, "photographs")
    # those that a reply is read back from as they are
    read = [parse_reply(json.dumps({"more": [phrase]})).phrases for phrase in ALL]
    short = [p for p, found in zip(ALL, read, strict=True) if [f.text for f in found] == [p]]
    shipped: Counter[str] = Counter()
    halved: Counter[str] = Counter()
    for number, (name, operator) in enumerate(OPERATORS.items()):
        rng = np.random.default_rng([7, number])
        changed = images_from([apply(picture, name, 1.0, rng) for picture in pictures], name)
        for counts, proposed, null in (
            (shipped, short, ALL),
            (halved, short[::2], tuple(short[1::2])),
        ):
            vars(finexl.measure)["distractors"] = partial(tuple, null)
            counts.update(supported(base, changed, operator.phrases[0], proposed, number))
    print(json.dumps({"as shipped": shipped, "new phrases": halved}, indent=1))


if __name__ == "__main__":
    main()
