"""The lists: attributes in 20 categories, nothing twice, weights that add up."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from fake_encoder import FakeEncoder
from finexl.viper.attributes import (
    attributes,
    by_text,
    categories,
    measure_of,
    probabilities,
    vectors_of,
)  # fmt: skip
from finexl.viper.extraction.words import phrase

TWENTY = {
    "style", "colour palette", "composition", "mood", "medium", "texture", "brushwork", "lighting",
    "shadow", "perspective", "line", "pattern", "depth", "movement", "detail", "shape", "era",
    "genre", "technique", "symbolism",
}  # fmt: skip
FAVOURED = ("style", "colour palette", "composition", "mood", "medium")
SELDOM = ("movement", "depth", "line")


def test_there_are_about_500_in_20_categories_with_15_each_at_least() -> None:
    sizes = Counter(one.category for one in attributes())
    assert set(sizes) == set(categories()) == TWENTY
    assert 450 <= len(attributes()) <= 550
    assert min(sizes.values()) >= 15


def test_no_name_stands_for_two_attributes_whatever_its_case_plural_or_spelling() -> None:
    names = [(phrase(name), one.text) for one in attributes() for name in (one.text, *one.aliases)]
    seen: dict[tuple[str, ...], str] = {}
    twice = [
        (name, seen[name], text) for name, text in names if seen.setdefault(name, text) != text
    ]
    assert not twice
    assert len(by_text()) == len(attributes())


def test_names_are_written_plainly() -> None:
    for one in attributes():
        for text in (one.text, one.subcategory, *one.aliases):
            assert text == " ".join(text.split())
            assert text.isprintable()
            assert len(text) <= 40
            assert "," not in text


def test_the_weights_of_categories_add_up_and_favour_what_people_name_most() -> None:
    weights = {name: one.weight for name, one in categories().items()}
    assert sum(weights.values()) == pytest.approx(1)
    assert min(weights[name] for name in FAVOURED) > 5 * max(weights[name] for name in SELDOM)
    assert min(weights[name] for name in FAVOURED) == sorted(weights.values())[-5]


def test_a_draw_of_attributes_follows_the_weights_of_their_categories() -> None:
    chances = probabilities()
    assert chances.sum() == pytest.approx(1)
    for name, category in categories().items():
        of_category = [
            p for p, one in zip(chances, attributes(), strict=True) if one.category == name
        ]
        assert sum(of_category) == pytest.approx(category.weight)
        assert len(set(of_category)) == 1


def test_styles_and_colors_can_be_left_out_and_enough_is_left() -> None:
    groups = Counter(one.group for one in attributes())
    assert set(groups) == {"style", "colour", "other"}
    assert {one.group for one in attributes() if one.category == "style"} == {"style"}
    assert {one.group for one in attributes() if one.category == "colour palette"} == {"colour"}
    assert groups["other"] > len(attributes()) / 2
    assert by_text()["cyberpunk"].group == "style"
    assert by_text()["color blocking"].group == "colour"


def test_every_category_has_nouns_and_no_noun_names_two() -> None:
    nouns = Counter(phrase(noun) for one in categories().values() for noun in one.nouns)
    assert all(one.nouns for one in categories().values())
    assert set(nouns.values()) == {1}


def test_each_attribute_has_its_vector_which_is_mapped_once() -> None:
    encoder = FakeEncoder("attributes")
    texts = [one.text for one in attributes()[:7]]
    found = vectors_of(encoder, texts).vectors
    asked = encoder.texts
    assert np.array_equal(vectors_of(encoder, texts[::-1]).vectors, found[::-1])
    assert encoder.texts == asked
    measure = measure_of(encoder)
    written = [
        measure.method.template.format(prompt=prompt, concept=texts[0])
        for prompt in measure.prompts
    ]
    rows = encoder.embed_texts(written) - encoder.embed_texts(measure.prompts)
    assert found[0] == pytest.approx(rows.mean(axis=0), abs=1e-6)
    assert len(measure.prompts) == 8
