"""A Hugging Face model card with an explanation in it: a section of its text, and metadata.

The section stands between two marks, where it is found again. The metadata get the tag `finexl`,
in `model-index` the scores that are significant, and `base_model` where the base is a model of the
hub and the card names none. All else in a card stays as it is, letter by letter.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from finexl.errors import UsageError
from finexl.explanation import Aspect, Explanation
from finexl.report import numbers, wording
from finexl.report.frontmatter import FrontMatter, as_list, joined, split
from finexl.report.markdown import render_markdown

BEGIN = "<!-- finexl: begin -->"
END = "<!-- finexl: end -->"
TAG = "finexl"
KIND = "finexl"
"""The `dataset.type` of our result, which tells it from those of others."""
TASK = "text-to-image"
DIGITS = 4
_HUB_ID = re.compile(r"([\w-][\w.-]*/[\w.-]+)(@.+)?", re.ASCII)
_MODELS = ("diffusers", "gan", "ar")
"""Kinds of a base whose name, with a slash in it, is a hub id."""


def merged(card: str, explanation: Explanation) -> str:
    """Return a card with the explanation in it; "" is a card that has nothing yet.

    Doing so again with the same explanation changes nothing; with another one, it takes the first
    one's place.

    Raises:
        UsageError: marks that are not there once each, in order, or metadata that are not valid.
    """
    crlf = "\r\n" in card and card.count("\n") == card.count("\r\n")
    text = card.replace("\r\n", "\n") if crlf else card
    text = _with_section(joined(_with_facts(split(text)[0], explanation), text), explanation)
    return text.replace("\n", "\r\n") if crlf else text


def read_card(path: Path) -> str:
    """Return a card's text, "" where there is no file.

    Raises:
        UsageError: it cannot be read, or is no text.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is no UTF-8 text; give a Markdown file.") from error
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UsageError(f"{path} cannot be read: {why}.") from error


def read_explanation(path: Path) -> Explanation:
    """Return the explanation that `finexl explain --json` wrote.

    Raises:
        UsageError: no such file, or something else in it.
    """
    try:
        return Explanation.from_json(path.read_bytes())
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise UsageError(f"{path} cannot be read: {why}.") from error
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def _with_section(card: str, explanation: Explanation) -> str:
    section = f"{BEGIN}\n\n{render_markdown(explanation)}\n{END}"
    body = split(card)[1]  # a name in the metadata may read like a mark
    head, counts = card[: len(card) - len(body)], (body.count(BEGIN), body.count(END))
    if counts == (0, 0):
        ends = len(card) - len(card.rstrip("\n"))
        return card + "\n" * max(0, 2 - ends) + section + "\n"
    if counts != (1, 1) or body.index(BEGIN) > body.index(END):
        raise UsageError(
            f"The card needs the lines {BEGIN} and {END} once each, in this order, or neither; it "
            f"has {counts[0]} and {counts[1]}."
        )
    return head + body.partition(BEGIN)[0] + section + body.partition(END)[2]


def _with_facts(front: FrontMatter, explanation: Explanation) -> FrontMatter:
    base = _HUB_ID.fullmatch(explanation.base.name)
    if base and explanation.base.kind in _MODELS and "base_model" not in front.data:
        front = front.with_key("base_model", base[1])
        if explanation.personalized.kind == "lora":
            front = front.with_key("base_model_relation", "adapter")
    if "tags" not in front.data:
        front = front.with_key("tags", [TAG])
    elif TAG not in as_list(front.data["tags"]):
        front = front.with_item(("tags",), TAG)
    task = front.data.get("pipeline_tag")
    return _with_result(front, explanation, task if isinstance(task, str) else TASK)


def _with_result(front: FrontMatter, explanation: Explanation, task: str) -> FrontMatter:
    """Put the result where the one before it was, else at the end of the first model's results."""
    index = _index(front)
    ours = [
        (m, r)
        for m, model in enumerate(index)
        for r, result in enumerate(as_list(model["results"]))
        if isinstance(result.get("dataset"), dict) and result["dataset"].get("type") == KIND
    ]
    result = _result(explanation, task)
    if ours:
        path, place = ("model-index", ours[0][0], "results"), ours[0][1]
        if result is None:
            return front.without_item(path, place)
        return front.with_item_at(path, place, result)
    if result is None:
        return front
    if index:
        return front.with_item(("model-index", 0, "results"), result)
    model = {"name": wording.plain(explanation.name), "results": [result]}
    if "model-index" in front.data:
        return front.with_item(("model-index",), model)
    return front.with_key("model-index", [model])


def _index(front: FrontMatter) -> list[dict[str, Any]]:
    index = front.data.get("model-index") or []
    right = isinstance(index, list) and all(
        isinstance(model, dict)
        and isinstance(model.get("results", 0), list | None)
        and all(isinstance(result, dict) for result in as_list(model["results"]))
        for model in index
    )
    if not right:
        raise UsageError(
            "The card's `model-index` is no list of models with their `results`; put it right, or "
            "take it out."
        )
    return list(index)


def _result(explanation: Explanation, task: str) -> dict[str, Any] | None:
    """Return what the hub shows as evaluation results; None where nothing is significant."""
    aspects = [("more", a) for a in explanation.aspects] + [("less", a) for a in explanation.less]
    metrics = [_metric(change, aspect) for change, aspect in aspects if aspect.significant]
    if not metrics:
        return None
    if explanation.residual is not None:
        rest = "Part of the change's length that is unexplained"
        left = round(explanation.residual, DIGITS)
        metrics.append({"type": "finexl-unexplained", "name": rest, "value": left})
    compared = f"{wording.compared(explanation)}; base {explanation.base.name}"
    return {
        "task": {"type": task},
        "dataset": {"type": KIND, "name": wording.plain(compared)},
        "metrics": metrics,
    }


def _metric(change: str, aspect: Aspect) -> dict[str, Any]:
    interval = numbers.interval(aspect.ci)
    name = f"{change} {wording.plain(aspect.concept)} (95 % interval {interval})"
    return {"type": "finexl-score", "name": name, "value": round(aspect.score, DIGITS)}
