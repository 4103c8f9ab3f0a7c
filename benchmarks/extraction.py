"""How well preferences are read from comments: python benchmarks/extraction.py --data DIR

Two sets of real comments, neither of them in this repository. The eleven example comments of the
ViPer demonstration, against what a person read in them (benchmarks/comments/viper.yaml):
whoever wrote the rules had read these comments; they were run once when the rules were done, and
one fault that this showed was mended. And critiques of photographs (pccd), whose four visual
aspects have a score each: an aspect of 8 or more is liked, of 6 or less disliked, 7 is left out;
all aspects of a critique are read as one comment. The half of them whose digest is even was looked
at while the rules were written (--tuned prints that one); the other half is what is reported.

Beside them ninety free comments that are in this repository (benchmarks/comments/free*.yaml),
written by hand before an extractor was run on them; sixty showed faults that were mended.

Counted are pairs of group (the category, or the aspect's categories) and polarity; found
with the opposite opinion is "turned round".

Beside them: how often the encoder's look at a picture of the built-in set names an attribute that
the picture was drawn to show (colors apart, which are counted from pixels), and how long 10,000
comments take.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from finexl.encoders import load_encoder
from finexl.viper.attributes import attributes, by_text
from finexl.viper.drawing.recipes import recipes
from finexl.viper.extraction.base import Extractor
from finexl.viper.extraction.looking import looks
from finexl.viper.extraction.offline import Offline
from finexl.viper.extraction.reading import read
from finexl.viper.extraction.words import phrase
from finexl.viper.pictures import SMALL, draw
from finexl.viper.profile import Comment, Preference

READ = Path(__file__).parent / "comments"
ASPECTS: Mapping[str, tuple[int, frozenset[str]]] = {
    "composition": (2, frozenset({"composition", "perspective", "line", "shape"})),
    "depth_of_field": (4, frozenset({"depth"})),
    "color_lighting": (5, frozenset({"colour palette", "lighting", "shadow"})),
    "focus": (6, frozenset({"detail"})),
}
"""Each aspect's place in the list of scores, and the categories that speak of it."""
LIKED, DISLIKED = 8, 6
FREE = ("free.yaml", "free-held-out.yaml")
Fact = Mapping[str, Any]
"""An aspect of benchmarks/comments."""
Same = Callable[[Preference, Fact], bool]


def opinions(found: Any) -> Iterator[tuple[Any, str]]:
    for opinion in ("liked", "disliked", "mixed"):
        for preference in getattr(found, opinion):
            yield preference, opinion


def of_examples(extractor: Extractor, folder: Path) -> dict[str, Any]:
    """Match what is found in each example comment with what a person read in it."""
    comments = json.loads((folder / "example_comments.json").read_text(encoding="utf-8"))
    truth = yaml.safe_load((READ / "viper.yaml").read_text(encoding="utf-8"))
    for text, known in zip(comments, truth, strict=True):
        assert hashlib.sha256(text.encode()).hexdigest().startswith(known["digest"])
    return matched(extractor, comments, [known["aspects"] for known in truth])


def of_free(extractor: Extractor, name: str) -> dict[str, Any]:
    """Match what is found in each free comment of a file with what a person read in it."""
    truth = yaml.safe_load((READ / name).read_text(encoding="utf-8"))
    return matched(extractor, [one["text"] for one in truth], [one["aspects"] for one in truth])


def matched(
    extractor: Extractor, comments: Sequence[str], truth: Sequence[Sequence[Fact]]
) -> dict[str, Any]:
    """Count what is found and was read, by group and by attribute, and both on the other side."""
    groups, words, lines = Counter[str](), Counter[str](), []
    for text, facts in zip(comments, truth, strict=True):
        found = [
            (one, opinion)
            for one, opinion in opinions(extractor.extract([Comment(text)], {}))
            if not all(evidence.seen for evidence in one.evidence)
        ]
        for counts, same in ((groups, _same_group), (words, _same_words)):
            may = [fact for fact in facts if fact.get("optional")]
            must = [fact for fact in facts if not fact.get("optional")]
            counts["facts"] += len(must)
            counts["met"] += sum(any(_hits(one, fact, same) for one in found) for fact in must)
            for one in found:
                hit = any(_hits(one, fact, same) for fact in must)
                if hit or not any(_hits(one, fact, same) for fact in may):
                    counts["found"] += 1
                    counts["right"] += hit
                counts["turned round"] += not hit and any(same(one[0], fact) for fact in must)
        lines.append([f"{opinion} {one.attribute} ({one.category})" for one, opinion in found])
    return {"by group": _rates(groups), "by attribute": _rates(words), "found": lines}


def _hits(one: tuple[Preference, str], fact: Fact, same: Same) -> bool:
    opinion = fact["opinion"]
    return same(one[0], fact) and one[1] in ([opinion] if isinstance(opinion, str) else opinion)


def of_critiques(folder: Path, *, tuned: bool) -> dict[str, Any]:
    """Match the polarity of each aspect that is spoken of with the sign of its score."""
    counts: dict[str, Counter[str]] = {"liked": Counter(), "disliked": Counter()}
    for critique in _critiques(folder):
        texts = [str(critique[aspect]) for aspect in ASPECTS]
        digest = hashlib.sha256(" ".join(texts).encode()).hexdigest()
        if (int(digest, 16) % 2 == 0) != tuned:
            continue
        said = read("\n".join(texts)).said
        for aspect, (place, categories) in ASPECTS.items():
            score = critique["score"][place]
            if not critique[aspect].strip() or not score.isdigit() or int(score) == 7:
                continue
            truth = "liked" if int(score) >= LIKED else "disliked"
            # what would be liked and is not there is blame for the photograph
            value = sum(
                -one.value if one.missing else one.value
                for one in said
                if one.category in categories
            )
            counts[truth]["facts"] += 1
            if value:
                opinion = "liked" if value > 0 else "disliked"
                counts[opinion]["found"] += 1
                counts[opinion]["right"] += opinion == truth
                counts[truth]["met"] += opinion == truth
    total = counts["liked"] + counts["disliked"]
    return {
        "all": _rates(total),
        **{opinion: _rates(one) for opinion, one in counts.items()},
        "always liked": round(counts["liked"]["facts"] / total["facts"], 3),
    }


def of_pictures() -> dict[str, float]:
    """Look at each picture of the built-in set for every category that it was drawn to show."""
    encoder = load_encoder()
    images = [draw(number, SMALL) for number in range(len(recipes()))]
    rows = encoder.embed_images(images).astype(np.float64)
    first, third, chance, asked = 0, 0, 0.0, 0
    sizes = Counter(one.category for one in attributes())
    for recipe, row in zip(recipes(), rows, strict=True):
        shown: dict[str, set[str]] = {}
        for text in recipe.attributes:
            shown.setdefault(by_text()[text.casefold()].category, set()).add(text)
        shown.pop("colour palette", None)
        for category, truth in shown.items():
            (seen,) = looks(encoder, row[None], rows.mean(axis=0), [(category,)], 3)
            names = [one.attribute for one in seen]
            first += names[0] in truth
            third += bool(truth.intersection(names))
            chance += len(truth) / sizes[category]
            asked += 1
    return {
        "asked": asked,
        "first": round(first / asked, 3),
        "among three": round(third / asked, 3),
        "first by chance": round(chance / asked, 3),
    }


def of_time(n: int = 10_000) -> dict[str, float]:
    """Read many comments, none like another, without looking at pictures."""
    rng = np.random.default_rng(0)
    names = [one.text for one in attributes()]
    said = [
        "I love the {}, but the {} is too much for me.",
        "I'd prefer {} over {}.",
        "{}? No. {}!",
    ]
    comments = [Comment(f"{k}: " + said[k % 3].format(*rng.choice(names, 2))) for k in range(n)]
    extractor = Offline(load_encoder())
    extractor.extract(comments[:1], {})
    start = time.perf_counter()
    extractor.extract(comments, {})
    return {"comments": n, "seconds": round(time.perf_counter() - start, 1)}


def _critiques(folder: Path) -> Iterator[dict[str, Any]]:
    for file in ("guru_test.json", "guru_validation.json"):
        for critique in json.loads((folder / "pccd" / file).read_text(encoding="utf-8")):
            if len(critique["score"]) == 7:
                yield critique


def _same_group(one: Preference, fact: Fact) -> bool:
    return one.category in fact["category"]


def _same_words(one: Preference, fact: Fact) -> bool:
    said = set(phrase(one.attribute))
    return any(set(phrase(name)) <= said for name in fact["names"])


def _rates(counts: Counter[str]) -> dict[str, float]:
    precision = counts["right"] / counts["found"] if counts["found"] else 0.0
    recall = counts["met"] / counts["facts"] if counts["facts"] else 0.0
    both = precision + recall
    return {
        "found": counts["found"],
        "facts": counts["facts"],
        "precision": round(precision, 3),
        "recall": round(recall, 3),
        "f1": round(2 * precision * recall / both, 3) if both else 0.0,
        "turned round": counts["turned round"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data/viper"))
    parser.add_argument("--tuned", action="store_true", help="only the half that was looked at")
    parser.add_argument("--free", action="store_true", help="only the free comments")
    given = parser.parse_args()
    if given.free:
        extractor = Offline(load_encoder())
        free = {name: of_free(extractor, name) for name in FREE}
        print(json.dumps(free, indent=1, ensure_ascii=False))
        return
    if given.tuned:
        print(json.dumps(of_critiques(given.data, tuned=True), indent=1))
        return
    extractor = Offline(load_encoder())
    examples = of_examples(extractor, given.data)
    critiques = of_critiques(given.data, tuned=False)
    found = {
        "examples": examples,
        "free": {name: of_free(extractor, name) for name in FREE},
        "critiques": critiques,
        "looking": of_pictures(),
        "time": of_time(),
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
