"""What the encoder is fitted on: pictures, and what is known to differ between them.

Only material whose licence allows shipping weights fitted on it: the CC0 styles, the MIT artists
and half of the MIT model family, the CC BY contents and paintings, the Attribution rows of COCO,
and as texts COCO captions and PartiPrompts. Never lora_scale, black_myth or the other half of the
family.
"""

from __future__ import annotations

import csv
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

LABELS = Path(__file__).parents[1] / "labels"
STYLE_SCENES = ("person", "place", "thing")
OPERATOR_BASES = (
    "sdxl",
    "albedo",
    "raw",
    "cyberrealistic",
    "deliberate",
    "edge_of_realism",
    "icbinp_xl",
)


@dataclass(frozen=True)
class Style:
    """A named style and the model that it was made from, on three prompts."""

    slug: str
    reference: str
    keywords: str
    """As in the data; empty where the style has none."""
    more: tuple[str, ...]
    less: tuple[str, ...]
    """What a viewer sees more and less of than in the reference."""


def for_fitting(model: str) -> bool:
    """Whether a model of sdxl_family may be fitted on: the half with an odd sha256."""
    return int(hashlib.sha256(model.encode()).hexdigest(), 16) % 2 == 1


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def terms(cell: str) -> tuple[str, ...]:
    return tuple(term.strip() for term in cell.split(";") if term.strip())


def styles(data: Path) -> list[Style]:
    keywords = {row["slug"]: row["keywords"].strip() for row in rows(data / "styles/styles.csv")}
    return [
        Style(
            row["slug"],
            row["reference"],
            keywords[row["slug"]].replace("; ", ", "),
            terms(row["more"]),
            terms(row["less"]),
        )
        for row in rows(LABELS / "styles.csv")
    ]


def style_prompts(data: Path) -> dict[str, str]:
    prompts: dict[str, str] = json.loads((data / "styles/prompts.json").read_text())
    return {scene: prompts[scene] for scene in STYLE_SCENES}


def style_picture(slug: str, scene: str) -> str:
    return f"styles/images/{slug}_{scene}.webp"


def photographs(data: Path) -> list[str]:
    """Photographs that may be fitted on: the contents, and COCO's Attribution rows."""
    contents = sorted({row["file"] for row in rows(LABELS / "contents.csv")})
    return [f"style_transfer/contents/{file}" for file in contents] + list(coco_captions(data))


def operator_bases(data: Path) -> list[str]:
    """Pictures that the operators are applied to."""
    generated = [style_picture(slug, scene) for slug in OPERATOR_BASES for scene in STYLE_SCENES]
    return photographs(data) + generated


def coco_captions(data: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for row in rows(data / "captions_coco/captions.csv"):
        if row["photo_licence"] == "Attribution License":
            found.setdefault(f"captions_coco/images/{row['image']}", []).append(row["caption"])
    return found


def captions(data: Path) -> dict[str, list[str]]:
    """Pictures and texts that say what they show."""
    found = coco_captions(data)
    for row in rows(LABELS / "contents.csv"):
        found.setdefault(f"style_transfer/contents/{row['file']}", []).append(row["caption"])
    for entry in json.loads((data / "sdxl_family/images.json").read_text()):
        picture = f"sdxl_family/images/{entry['image']}"
        if for_fitting(entry["title"]) and (data / picture).exists():
            found.setdefault(picture, []).append(entry["prompt"])
    return found


def content_phrases(data: Path) -> list[str]:
    """Phrases about what a picture shows: 250 short PartiPrompts and 150 COCO captions."""
    lines = (data / "prompts_parti.tsv").read_text(encoding="utf-8").splitlines()[1:]
    short = sorted({p for line in lines if 0 < len(p := line.split("\t")[0]) < 40})
    coco = (data / "prompts_coco.txt").read_text(encoding="utf-8").splitlines()
    rng = np.random.default_rng(0)
    chosen = [*rng.choice(short, 250, replace=False), *rng.choice(coco, 150, replace=False)]
    return [str(phrase).strip().rstrip(".").lower() for phrase in chosen]


def described(which: str) -> dict[str, str]:
    """Pictures and the words for how they look; `which` is "artists" or "paintings"."""
    folder = "artists" if which == "artists" else "style_transfer/styles"
    return {f"{folder}/{row['file']}": row["words"] for row in rows(LABELS / f"{which}.csv")}


def family_pairs(data: Path) -> list[tuple[str, str, tuple[str, ...], tuple[str, ...]]]:
    """Pairs of one prompt by two models: (base, personalized, more, less)."""
    models = {
        entry["image"]: entry["title"]
        for entry in json.loads((data / "sdxl_family/images.json").read_text())
    }
    found = []
    for row in rows(LABELS / "family.csv"):
        assert all(for_fitting(models[row[side]]) for side in ("base", "personalized"))
        base, personalized = (
            f"sdxl_family/images/{row[side]}" for side in ("base", "personalized")
        )
        found.append((base, personalized, terms(row["more"]), terms(row["less"])))
    return found


def everything(data: Path) -> list[str]:
    """All pictures that are looked at, in a fixed order."""
    wanted = {style_picture(s, scene) for s in _slugs(data) for scene in STYLE_SCENES}
    wanted |= set(captions(data)) | set(described("artists"))
    wanted |= set(described("paintings")) | set(operator_bases(data))
    return sorted(wanted)


def _slugs(data: Path) -> set[str]:
    return {slug for style in styles(data) for slug in (style.slug, style.reference)}
