"""The JSON contract: `finexl.explanation/1`."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from typing import Any

import numpy as np
import pytest

from finexl.cache import key_of
from finexl.errors import UsageError
from finexl.explanation import Alignment, Divergence, Explanation
from test_report_states import STATES, aspect, normal

SENTENCE = re.compile(r"(This|The) [^\n]+\.")
PLAIN = [state for name, state in STATES.items() if name != "hostile"]

KEYS = [
    "schema",
    "name",
    "base",
    "personalized",
    "encoder",
    "decomposition",
    "prompts",
    "pool",
    "n_pairs",
    "pairing",
    "seed",
    "divergence",
    "aspects",
    "less",
    "residual",
    "residual_in_sample",
    "outside",
    "dropped",
    "sentences",
    "warnings",
    "finexl_version",
    "created",
]
ASPECT_KEYS = [
    "concept",
    "score",
    "ci",
    "effect",
    "weight",
    "share",
    "share_in_sample",
    "alignment",
    "selected",
    "q_value",
    "specific",
    "significant",
    "examples",
]


def rich() -> Explanation:
    """An explanation that uses every field, with arrays of real shapes."""
    rng = np.random.default_rng(0)
    divergence = Divergence(
        1.25,
        0.5,
        True,
        0.000244,
        rng.normal(size=6).astype(np.float32),
        rng.normal(size=(25, 6)).astype(np.float16),
    )
    listed = (Alignment("line drawing", 0.875), Alignment("vivid color", -0.5))
    return replace(normal(), divergence=divergence, pool=replace(normal().pool, alignment=listed))


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    """Return the JSON of an explanation, with something in it changed."""
    data = json.loads(rich().to_json())
    change(data)
    return json.dumps(data)


# writing


def test_keys_are_the_schemas_in_its_order() -> None:
    data = rich().to_dict()
    assert list(data) == KEYS
    assert data["schema"] == "finexl.explanation/1"
    assert list(data["base"]) == ["name", "kind", "n_images", "digest"]
    assert list(data["encoder"]) == ["name", "revision"]
    assert list(data["prompts"]) == ["n", "source", "digest", "texts"]
    assert list(data["pool"]) == ["size", "sources", "digest", "alignment"]
    assert list(data["divergence"]) == [
        "norm", "noise_floor", "detected", "p_value", "vector", "pairs",
    ]  # fmt: skip
    assert all(list(a) == ASPECT_KEYS for a in (*data["aspects"], *data["less"]))
    assert list(data["dropped"][0]) == ["concept", "reason"]


def test_alignment_is_there_only_when_asked_for() -> None:
    assert "alignment" not in normal().to_dict()["pool"]
    assert rich().to_dict()["pool"]["alignment"][0] == {"concept": "line drawing", "cosine": 0.875}


def test_arrays_are_base64_of_little_endian_rows() -> None:
    explanation = rich()
    written = explanation.to_dict()["divergence"]
    vector = np.frombuffer(base64.b64decode(written["vector"]), "<f4")
    pairs = np.frombuffer(base64.b64decode(written["pairs"]), "<f2").reshape(25, 6)
    assert explanation.divergence.pairs is not None
    np.testing.assert_array_equal(vector, explanation.divergence.vector)
    np.testing.assert_array_equal(pairs, explanation.divergence.pairs)


def test_numbers_have_six_significant_digits() -> None:
    third = replace(rich(), residual=1 / 3, aspects=(aspect("a", 12345.678, ci=(-1e-9 / 3, 2e20)),))
    data = third.to_dict()
    assert data["residual"] == 0.333333
    assert data["aspects"][0]["score"] == 12345.7
    assert data["aspects"][0]["ci"] == [-3.33333e-10, 2e20]


@pytest.mark.parametrize("state", PLAIN, ids=lambda s: s.__name__)
def test_undefined_is_null_and_the_text_is_strict_json(state: Callable[[], Explanation]) -> None:
    def refuse(constant: str) -> float:
        raise AssertionError(f"{constant} is not JSON")

    text = state().to_json()
    data = json.loads(text, parse_constant=refuse)
    assert text.endswith("}\n")
    if state().residual is None:
        assert data["residual"] is None


def test_a_number_that_is_not_finite_is_never_written() -> None:
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not JSON compliant"):
            replace(rich(), residual=value).to_json()


def test_text_beyond_ascii_is_written_as_it_is() -> None:
    assert "“line drawing”" in rich().to_json()


# round trip


@pytest.mark.parametrize("state", [*PLAIN, rich], ids=lambda s: s.__name__)
def test_reading_what_was_written_changes_no_byte(state: Callable[[], Explanation]) -> None:
    text = state().to_json()
    assert Explanation.from_json(text).to_json() == text
    assert Explanation.from_json(text.encode()).to_json() == text


def test_what_was_read_has_the_types_of_what_was_written() -> None:
    explanation = rich()
    read = Explanation.from_json(explanation.to_json())
    numbers = {key: getattr(explanation, key) for key in ("divergence", "aspects", "less")}
    assert replace(read, **numbers) == explanation
    assert isinstance(read.divergence.pairs, np.ndarray)
    assert read.divergence.pairs.dtype == np.dtype(np.float16)
    assert read.divergence.pairs.shape == (25, 6)
    assert read.divergence.vector.dtype == np.dtype(np.float32)
    assert read.divergence.vector.shape == (6,)
    assert isinstance(read.aspects, tuple)
    assert read.aspects[0].ci == pytest.approx((0.62, 0.80))


def test_an_explanation_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        normal().name = "another"  # type: ignore[misc]


def test_key_order_and_spaces_do_not_matter_to_the_reader() -> None:
    data = json.loads(rich().to_json())
    backwards = {key: data[key] for key in reversed(data)}
    assert Explanation.from_json(json.dumps(backwards)).to_json() == rich().to_json()


# what cannot be read

UNREADABLE: dict[str, str | bytes] = {
    "nothing": "",
    "no JSON": "finexl",
    "half of it": rich().to_json()[:500],
    "no object": "[1, 2]",
    "null": "null",
    "no schema": "{}",
    "no text": b"\xff\xfe\x00",
}


@pytest.mark.parametrize("text", UNREADABLE.values(), ids=UNREADABLE)
def test_what_is_no_explanation_is_refused_in_one_sentence(text: str | bytes) -> None:
    with pytest.raises(UsageError, match="not a FineXL explanation") as caught:
        Explanation.from_json(text)
    assert SENTENCE.fullmatch(str(caught.value))


@pytest.mark.parametrize("schema", ["finexl.explanation/2", "finexl.search/1", 1, None, ["x"]])
def test_another_schema_is_refused_by_name(schema: object) -> None:
    with pytest.raises(UsageError, match=r"this version reads finexl\.explanation/1") as caught:
        Explanation.from_json(changed(lambda d: d.update(schema=schema)))
    assert repr(schema) in str(caught.value)
    assert SENTENCE.fullmatch(str(caught.value))


MALFORMED: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "missing": (lambda d: d.pop("name"), "name"),
    "missing in a part": (lambda d: d["base"].pop("digest"), "base.digest"),
    "missing in an aspect": (lambda d: d["aspects"][1].pop("score"), "aspects.1.score"),
    "unknown in the divergence": (
        lambda d: d["divergence"].update(extra=1),
        "divergence.extra",
    ),
    "text for a part": (lambda d: d.update(base="x"), "base"),
    "number for text": (lambda d: d.update(name=3), "name"),
    "words for a number": (lambda d: d.update(residual="much"), "residual"),
    "no such pairing": (lambda d: d.update(pairing="twins"), "pairing"),
    "a fraction of pairs": (lambda d: d.update(n_pairs=2.5), "n_pairs"),
    "half an interval": (lambda d: d["less"][0].update(ci=[0.1]), "less.0.ci"),
    "no base64": (lambda d: d["divergence"].update(vector="@@"), "divergence.vector"),
    "odd bytes": (lambda d: d["divergence"].update(vector="AAA="), "divergence.vector"),
    "a list for base64": (lambda d: d["divergence"].update(vector=[1.0]), "divergence.vector"),
    "pairs of another width": (
        lambda d: d["divergence"].update(pairs="AAAAAAAAAAA="),
        "divergence",
    ),
}


@pytest.mark.parametrize(("change", "where"), MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_key_is_named_in_one_sentence(
    change: Callable[[dict[str, Any]], object], where: str
) -> None:
    with pytest.raises(UsageError, match=f"The explanation's `{re.escape(where)}") as caught:
        Explanation.from_json(changed(change))
    assert SENTENCE.fullmatch(str(caught.value))


def test_the_pairs_prompts_are_kept_and_checked() -> None:
    whole = json.loads(rich().to_json())
    assert "pair_prompts" not in whole["divergence"]
    made = rich()
    assert made.divergence.pairs is not None
    count = len(made.divergence.pairs)
    said = replace(
        made,
        prompts=replace(made.prompts, texts=("a", "b")),
        divergence=replace(made.divergence, pair_prompts=(None, *(1,) * (count - 1))),
    )
    back = Explanation.from_json(said.to_json())
    assert back.divergence == said.divergence != made.divergence
    assert back.to_json() == said.to_json()
    assert json.loads(said.to_json())["divergence"]["pair_prompts"][:2] == [None, 1]

    def read(which: list[Any]) -> None:
        Explanation.from_json(changed(lambda d: d["divergence"].update(pair_prompts=which)))

    for which, where in (([0] * (count + 1), "divergence"), (["0"] * count, "divergence.pair_p")):
        with pytest.raises(UsageError, match=f"explanation's `{where}"):
            read(which)
    for place in (-1, 10**6):
        with pytest.raises(UsageError, match=r"The explanation is wrong: .*not in `prompts.texts`"):
            read([place] * count)


UNKNOWN: dict[str, Callable[[dict[str, Any]], object]] = {
    "at the top": lambda d: d.update(extra=1),
    "in a part": lambda d: d["base"].update(extra=1),
    "in an aspect": lambda d: d["aspects"][0].update(extra=1),
}


@pytest.mark.parametrize("change", UNKNOWN.values(), ids=UNKNOWN)
def test_an_unknown_key_is_refused(change: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(UsageError, match="extra"):
        Explanation.from_json(changed(change))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_what_is_no_number_of_json_is_refused(value: float) -> None:
    for change in (
        lambda d: d.update(residual=value),
        lambda d: d["divergence"].update(norm=value),
    ):
        with pytest.raises(UsageError):
            Explanation.from_json(changed(change))


LOOSE: dict[str, Callable[[dict[str, Any]], object]] = {
    "NaN in the vector": lambda d: d["divergence"].update(
        vector=base64.b64encode(np.full(6, np.nan, "<f4").tobytes()).decode()
    ),
    "text for a number": lambda d: d.update(residual="0.5"),
    "text for a truth": lambda d: d["divergence"].update(detected="yes"),
    "a truth for a count": lambda d: d.update(n_pairs=True),
}


@pytest.mark.parametrize("change", LOOSE.values(), ids=LOOSE)
def test_what_this_package_never_writes_is_refused(
    change: Callable[[dict[str, Any]], object],
) -> None:
    with pytest.raises(UsageError):
        Explanation.from_json(changed(change))


def test_brackets_without_end_are_refused() -> None:
    with pytest.raises(UsageError):
        Explanation.from_json("[" * 100_000)


# digests


def test_the_digest_of_texts_is_stable_and_knows_their_boundaries_and_order() -> None:
    expected = hashlib.sha256('["a", "é"]'.encode()).hexdigest()
    assert key_of(*("a", "é")) == key_of(*["a", "é"]) == expected
    different = [("ab", "c"), ("a", "bc"), ("abc",), ("c", "ab"), ("abc", ""), ('a", "b',)]
    assert len({key_of(*parts) for parts in different}) == len(different)
