"""A model card: what is ours is put in and replaced, what is there stays letter by letter."""

from __future__ import annotations

import difflib
from dataclasses import replace
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard, ModelCardData
from hypothesis import given, settings
from hypothesis import strategies as st

from finexl.errors import UsageError
from finexl.explanation import Explanation, Source
from finexl.report import merged, render_markdown, wording
from finexl.report.card import BEGIN, END, KIND
from finexl.report.frontmatter import FrontMatter, split
from test_report_markdown import EXPECTED, Rendered
from test_report_states import STATES, hostile, normal, nothing_detected, too_few_pairs

THEIRS = """---
# what the hub shows
license: creativeml-openrail-m  # theirs
language:
  - en
  - no
version: 1.10
widget:
- text: 'a lighthouse'
tags:
  - stable-diffusion   # first

  - text-to-image
# of the trainer
model-index:
- name: theirs
  results:
  - task: {type: text-to-image}
    dataset: {name: Pokémon, type: diffusers/pokemon}
    metrics:
    - {type: fid, value: 17.250}
pipeline_tag: image-to-image
---

# Sketch

Their own words.
"""


def lines_gone(before: str, after: str) -> list[str]:
    return [
        line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] == "-"
    ]


def results(card: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = split(card)[0].data["model-index"][0]["results"]
    return found


def test_a_new_card_is_metadata_and_the_section_between_marks() -> None:
    front, body = split(merged("", normal()))
    assert body == f"\n{BEGIN}\n\n{render_markdown(normal())}\n{END}\n"
    score = {"type": "finexl-score"}
    left = "Part of the change's length that is unexplained"
    assert front.data == {
        "tags": ["finexl"],
        "model-index": [
            {
                "name": "sketch-lora",
                "results": [
                    {
                        "task": {"type": "text-to-image"},
                        "dataset": {
                            "type": "finexl",
                            "name": "25 pairs, same prompt and seed; base Stable Diffusion 1.5",
                        },
                        "metrics": [
                            score | {"name": f"{name} (95 % interval {ends})", "value": value}
                            for name, ends, value in (
                                ("more line drawing", "0.62 to 0.80", 0.71),
                                ("more pencil sketch", "0.37 to 0.55", 0.46),
                                ("less vivid color", "−0.61 to −0.43", -0.52),
                                ("less photorealistic", "−0.42 to −0.24", -0.33),
                            )
                        ]
                        + [{"type": "finexl-unexplained", "name": left, "value": 0.42}],
                    }
                ],
            }
        ],
    }


CARDS = {
    "none": "",
    "text alone": "# Sketch\n\nTheir own words, without a last line break",
    "metadata alone": "---\nlicense: mit\n---",
    "theirs": THEIRS,
    "windows": THEIRS.replace("\n", "\r\n"),
    "both line ends": THEIRS.replace("license", "other: 1\r\nlicense"),
    "empty lists": "---\ntags: []\nmodel-index: # later\n---\n",
    "one tag": "---\ntags: lora # theirs\nmodel-index:\n- name: m\n  results: []\n---\n",
    "in one line": "---\ntags: [a]\nmodel-index: [{name: m, results: [{task: {type: t}, dataset: "
    "{type: d, name: 'no'}, metrics: []}]}]\n---\n",
    "a rule": "Words\n\n---\n\nmore words\n",
}


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_once_more_changes_nothing_and_another_takes_its_place(card: str, state: Any) -> None:
    once = merged(card, normal())
    assert merged(once, normal()) == once
    other = merged(once, state())
    assert merged(other, state()) == other
    (front, body), (first, text) = split(merged(other, normal())), split(once)
    assert (front.data, body) == (first.data, text)


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
def test_nothing_of_theirs_is_lost(state: Any) -> None:
    card = merged(THEIRS, state())
    assert lines_gone(THEIRS, card) == []
    old, new = split(THEIRS)[0].data, split(card)[0].data
    assert list(new) == list(old)
    assert new["tags"] == [*old["tags"], "finexl"]
    assert new["model-index"][0]["results"][0] == old["model-index"][0]["results"][0]
    kept = {key for key in old if key not in ("tags", "model-index")}
    assert {key: new[key] for key in kept} == {key: old[key] for key in kept}
    assert split(card)[1].startswith(split(THEIRS)[1])


def test_line_ends_stay_what_they_are() -> None:
    assert merged(CARDS["windows"], normal()) == merged(THEIRS, normal()).replace("\n", "\r\n")
    assert lines_gone(CARDS["both line ends"], merged(CARDS["both line ends"], normal())) == []
    assert merged(CARDS["both line ends"], normal()).count("\r\n") == 1


@pytest.mark.parametrize("state", STATES.values(), ids=STATES)
@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS)
def test_the_hubs_own_reader_reads_and_writes_the_same(card: str, state: Any) -> None:
    found = ModelCard(merged(card, state()))
    assert isinstance(found.data, ModelCardData)
    again = ModelCard(str(found))
    assert again.data.to_dict() == found.data.to_dict()
    ours = [r for r in found.data.eval_results or () if r.dataset_type == KIND]
    aspects = (*state().aspects, *state().less)
    significant = [a for a in aspects if a.significant]
    assert [r.metric_value for r in ours if r.metric_type == "finexl-score"] == [
        pytest.approx(a.score, abs=5e-5) for a in significant
    ]
    assert "finexl" in (found.data.tags or ())


def test_our_result_is_about_the_task_that_the_card_names() -> None:
    assert results(merged(THEIRS, normal()))[1]["task"] == {"type": "image-to-image"}


@pytest.mark.parametrize("state", [nothing_detected, too_few_pairs])
def test_what_is_not_significant_is_no_result_and_an_older_one_goes(state: Any) -> None:
    assert "model-index" not in split(merged("", state()))[0].data
    card = merged(merged(THEIRS, normal()), state())
    assert results(card) == results(THEIRS)
    assert "# of the trainer\n" in card


def made_by(base: str, kind: str, personalized: str) -> Explanation:
    e = normal()
    return replace(
        e,
        base=Source(base, kind, 25, "b" * 64),
        personalized=Source("p", personalized, 25, "p" * 64),
    )


@pytest.mark.parametrize(
    ("explanation", "expected"),
    [
        (made_by("owner/sd-1.5", "diffusers", "lora"), ("owner/sd-1.5", "adapter")),
        (made_by("owner/sd@refs/pr/1", "diffusers", "diffusers"), ("owner/sd", None)),
        (made_by("owner/gan", "gan", "gan"), ("owner/gan", None)),
        (made_by("out/base", "folder", "folder"), (None, None)),
        (made_by("sd-1.5", "diffusers", "lora"), (None, None)),
        (made_by("owner/sd + x", "lora", "lora"), (None, None)),
        (made_by("../models/sd", "diffusers", "lora"), (None, None)),
    ],
)
def test_a_base_from_the_hub_is_named_and_no_other(
    explanation: Explanation, expected: tuple[str | None, str | None]
) -> None:
    data = split(merged("", explanation))[0].data
    assert (data.get("base_model"), data.get("base_model_relation")) == expected
    theirs = "---\nbase_model: theirs/own\n---\n"
    kept = split(merged(theirs, explanation))[0].data
    assert (kept["base_model"], kept.get("base_model_relation")) == ("theirs/own", None)


def test_hostile_names_stay_text() -> None:
    e = hostile()
    card = merged("# Card\n", e)
    front, body = split(card)
    (model,) = front.data["model-index"]
    assert model["name"] == wording.plain(e.name)
    shown = [metric["name"] for metric in model["results"][0]["metrics"]]
    for aspect, name in zip(e.aspects, shown, strict=False):
        assert name.startswith(f"more {wording.plain(aspect.concept)} (")
    assert Rendered(body).tags <= EXPECTED | {"h1"}


@settings(max_examples=60, deadline=None)
@given(
    st.text(max_size=30), st.sampled_from([BEGIN, END, "---", "\n---\n", "1e5", "0o7", "no", ""])
)
def test_any_name_is_read_back_and_breaks_neither_marks_nor_metadata(text: str, more: str) -> None:
    name = text + more
    e = replace(normal(), name=name, base=replace(normal().base, name=name))
    card = merged(THEIRS, e)
    assert merged(card, e) == card
    assert lines_gone(THEIRS, card) == []
    new = merged("", e)
    assert split(new)[0].data["model-index"][0]["name"] == wording.plain(name)
    # YAML 1.2, which the hub reads, knows other numbers than PyYAML: they are in quotes
    (line,) = [line for line in new.splitlines() if line.startswith("- name: ")][:1]
    assert line[8] in "'\"" or line[8:].replace(" ", "").replace("-", "").isascii()


@pytest.mark.parametrize(
    ("card", "said"),
    [
        (f"{BEGIN}\n", "it has 1 and 0"),
        (f"{END}\n{BEGIN}\n", "it has 1 and 1"),
        (f"{BEGIN}{END}{BEGIN}{END}", "it has 2 and 2"),
        ("---\na: [\n---\n", "not valid YAML: see its line"),
        ("---\n- a\n---\n", "no `key: value` pairs"),
        ("---\ndate: 2024-99-99\n---\n", "not valid YAML"),
        ("---\na: &b [1]\nc: [*b, *b]\n---\n", "aliases"),
        ("---\na: " + "[" * 700 + "\n---\n", "not valid YAML"),
        ("---\nmodel-index: text\n---\n", "`model-index` is no list"),
        ("---\nmodel-index:\n- name: m\n---\n", "`model-index` is no list"),
        ("---\n{license: mit}\n---\n", "cannot be changed in place"),
        ("---\nlicense: mit\n...\n---\n", "cannot be changed in place"),
    ],
)
def test_a_card_that_cannot_be_changed_is_refused(card: str, said: str) -> None:
    with pytest.raises(UsageError, match=said.replace("*", r"\*")):
        merged(card, normal())


LISTS = st.lists(st.sampled_from(["lora", "no", "1.10", "a b", "'q'", '"x: y"', "~"]), max_size=4)


@settings(max_examples=100, deadline=None)
@given(
    LISTS,
    st.sampled_from(["", "  ", "   "]),
    st.sampled_from(["", " # said", "\n", "\n# below"]),
    st.booleans(),
)
def test_an_item_is_added_to_any_list_and_every_line_stays(
    items: list[str], indent: str, after: str, inline: bool
) -> None:
    """Against a second way: the list as Python has it, and the text without the new line."""
    listed = f" [{', '.join(items)}]" if inline else "".join(f"\n{indent}- {i}" for i in items)
    text = f"a: 1.10\ntags:{listed}{after}\nz: no # last"
    changed = FrontMatter(text).with_item(("tags",), "finexl")
    before = yaml.safe_load(text)
    assert yaml.safe_load(changed.text) == {**before, "tags": [*(before["tags"] or []), "finexl"]}
    if not inline and items:
        assert "\n".join(x for x in changed.text.split("\n") if x.strip() != "- finexl") == text
    other = changed.with_item_at(("tags",), len(items), {"k": ["v"]})
    assert other.data["tags"] == [*(before["tags"] or []), {"k": ["v"]}]
    assert other.without_item(("tags",), len(items)).data == {
        **before,
        "tags": before["tags"] or [],
    }
