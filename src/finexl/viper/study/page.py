"""One person's page of a ranking test: a file of its own, for a browser that is offline.

It has pictures, prompts and an order, and nothing by which the person's own could be told: no
names, no files, and all pictures encoded alike.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from importlib.resources import files
from io import BytesIO

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

from finexl.report.wording import plain
from finexl.viper.study.design import Person, Study

SIDE = 448
"""The longer side of a picture on a page, in pixels, at most."""
SMALLEST = 128
"""Smaller pictures are enlarged to this, pixel by pixel."""
QUALITY = 88


def encoded(image: Image.Image) -> bytes:
    """Return a picture as pages show it: a JPEG without any metadata, at most SIDE pixels."""
    found = image.convert("RGB")
    longer = max(found.size)
    if longer > SIDE:
        found.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    elif longer < SMALLEST:
        times = -(-SMALLEST // longer)
        found = found.resize((found.width * times, found.height * times), Image.Resampling.NEAREST)
    bare = Image.new("RGB", found.size)
    bare.paste(found)  # pixels alone
    file = BytesIO()
    bare.save(file, "JPEG", quality=QUALITY, subsampling=0)
    return file.getvalue()


def render(study: Study, person: Person, pictures: Mapping[int, bytes]) -> str:
    """Return a person's page: same study, same text.

    Args:
        study: whose id the answers carry.
        person: whose.
        pictures: what `encoded` made, by place in the study's pictures.
    """
    order = list(dict.fromkeys(place for trial in person.trials for place in trial.pictures))
    at = {place: number for number, place in enumerate(order)}
    data = {
        "study": study.id,
        "page": person.page,
        "file": f"answers-{safe_name(person.name)}.json",
        "trials": [
            {"prompt": plain(trial.prompt), "pictures": [at[place] for place in trial.pictures]}
            for trial in person.trials
        ],
        "pictures": [base64.b64encode(pictures[place]).decode() for place in order],
    }
    style, script = _part("page.css"), _part("page.js")
    environment = Environment(
        loader=PackageLoader("finexl.viper.study"), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("page.html.j2").render(
        name=plain(person.name),
        count=len(person.trials),
        style=Markup(style),  # noqa: S704 - of this package
        script=Markup(script),  # noqa: S704 - of this package
        style_hash=_hash(style),
        script_hash=_hash(script),
        data=Markup(_inert(data)),  # noqa: S704 - escaped by _inert
    )


def safe_name(name: str) -> str:
    """Return a name as a part of a file's: letters of any script, digits and dashes."""
    return re.sub(r"[\W_]+", "-", name.casefold()).strip("-")[:40] or "person"


def _inert(data: Mapping[str, object]) -> str:
    """Return JSON that ends no element and begins none, whatever its texts are."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _part(name: str) -> str:
    return (files(__package__) / "templates" / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
