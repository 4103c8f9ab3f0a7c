"""Concepts by looking, end to end: proposed on some pairs, measured on others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fake_encoder import FakeEncoder
from finexl import Explanation, FinexlError, explain
from finexl.concepts.vocabulary import distractors
from finexl.encoders.embedded import Embedded
from finexl.errors import NoReplyError, UsageError
from finexl.imageset import images_from
from finexl.operators import apply
from finexl.options import Inquiry, Options
from finexl.pipeline import Explained, explain_sets
from finexl.report.wording import proposed
from finexl.runs import Run
from finexl.vlm import VLM, Question, Reply, Scripted

SAYS = ['{"more": ["colorful", "mortgage interest"], "less": ["muted"]}', "- Colorful\n- vivid"]


def quarters(pictures: list[Image.Image]) -> list[Image.Image]:
    """Two crops of each: 24 pictures of the examples' 12."""
    halves = []
    for picture in pictures:
        w, h = picture.size
        halves += [picture.crop((0, 0, w // 2, h)), picture.crop((w // 2, 0, w, h))]
    return halves


@pytest.fixture(scope="module")
def both(base_pictures: list[Image.Image]) -> tuple[list[Image.Image], list[Image.Image]]:
    base = quarters(base_pictures)
    rng = np.random.default_rng(0)
    return base, [apply(picture, "saturate", 1.0, rng) for picture in base]


def looked(
    both: tuple[list[Image.Image], list[Image.Image]],
    encoder: Embedded,
    vlm: VLM | None = None,
    run: Run | None = None,
    options: Options | None = None,
) -> Explained:
    base, personalized = (images_from(side, name) for side, name in zip(both, "bp", strict=True))
    return explain_sets(
        base, personalized, options or Options(), encoder, run or Run(), vlm=vlm or Scripted(SAYS)
    )


def test_proposed_on_one_half_and_measured_on_the_other(
    both: tuple[list[Image.Image], list[Image.Image]], encoder: Embedded
) -> None:
    done = looked(both, encoder)
    found = done.explanation
    assert found.n_pairs == 12
    assert found.base.n_images == 12
    assert found.discovery is not None
    assert found.discovery.scored_on == "other pairs"
    shown = {key for p in found.discovery.concepts for key in p.pairs}
    measured = {pair.key for pair in done.pairs}
    assert shown
    assert not shown & measured
    assert any("looking at 12 of the 24 pairs" in warning for warning in found.warnings)
    by_name = {p.concept: p for p in found.discovery.concepts}
    assert by_name["colorful"].supported
    votes = by_name["colorful"]
    assert votes.votes == votes.more + votes.less == found.discovery.replies
    assert by_name["mortgage interest"].supported is False
    dropped = {d.concept: d.reason for d in found.dropped}
    assert "mortgage interest" not in {a.concept for a in (*found.aspects, *found.less)}
    assert dropped["mortgage interest"] == "proposed, not supported"
    assert Explanation.from_json(found.to_json()).discovery is not None
    assert '"discovery"' in found.to_json()


def test_the_same_seed_and_replies_give_the_same_bytes(
    both: tuple[list[Image.Image], list[Image.Image]],
    encoder: Embedded,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    first, second = (looked(both, encoder).explanation.to_json() for _ in range(2))
    assert first == second


def test_asked_for_the_same_pairs_are_measured_and_it_is_said(
    both: tuple[list[Image.Image], list[Image.Image]], encoder: Embedded
) -> None:
    options = Options(inquiry=Inquiry(same_pairs=True))
    found = looked(both, encoder, options=options).explanation
    assert found.n_pairs == 24
    assert found.discovery is not None
    assert found.discovery.scored_on == "same pairs"
    assert any("the very images that are measured" in warning for warning in found.warnings)


def test_what_was_proposed_on_the_measured_pairs_is_not_tested_on_them(
    both: tuple[list[Image.Image], list[Image.Image]], encoder: Embedded
) -> None:
    options = Options(inquiry=Inquiry(same_pairs=True), only_concepts=["blurry"], add=["colorful"])
    found = looked(both, encoder, options=options).explanation
    assert found.discovery is not None
    assert {p.supported for p in found.discovery.concepts} == {None}
    kept = {a.concept: a for a in (*found.aspects, *found.less)}
    assert (kept["colorful"].q_value, kept["colorful"].significant) == (None, None)
    sure = looked(both, encoder, options=Options(inquiry=Inquiry(same_pairs=True))).explanation
    proposed = {p.concept for p in found.discovery.concepts}
    for aspect in (*sure.aspects, *sure.less):
        assert (aspect.q_value is None) == (aspect.concept in proposed)


def test_what_moves_the_other_way_is_not_supported(
    both: tuple[list[Image.Image], list[Image.Image]], encoder: Embedded
) -> None:
    def said(question: Question) -> str:
        first = next(part for part in question.parts if not isinstance(part, str))
        swapped = any(first.tobytes() == image.tobytes() for image in both[1])
        return '{"more": ["colorful"]}' if swapped else '{"less": ["colorful"]}'

    found = looked(both, encoder, Scripted(said)).explanation
    assert found.discovery is not None
    [proposal] = found.discovery.concepts
    assert (proposal.more, proposal.less) == (0, found.discovery.replies)
    assert proposal.alignment is not None
    assert proposal.alignment > 0.3
    assert proposal.supported is False
    assert "Proposed, but the pairs move the other way: colorful." in proposed(found)


def test_corrections_ask_nothing_and_need_nobody(
    both: tuple[list[Image.Image], list[Image.Image]], encoder: Embedded, tmp_path: Path
) -> None:
    run = Run.create(tmp_path / "run")
    run.save_record({"options": {}})
    first = looked(both, encoder, Scripted(SAYS), run).explanation
    assert first.discovery is not None
    names = tuple(p.concept for p in first.discovery.concepts)

    silent = Failing()
    silent.name, silent.revision = "scripted", Scripted(SAYS).revision
    for options in (Options(drop=names), Options(add=["film grain", names[0].upper()])):
        found = looked(both, encoder, silent, Run(tmp_path / "run"), options).explanation
        assert found.discovery is not None
        assert found.discovery.rounds == first.discovery.rounds
        assert any("Corrected by hand" in warning for warning in found.warnings)


def test_asking_goes_on_about_what_is_left_and_says_why_it_ended(
    both: tuple[list[Image.Image], list[Image.Image]], encoder: Embedded
) -> None:
    found = looked(both, encoder).explanation.discovery
    assert found is not None
    assert found.rounds[0].questions == 6
    assert all(r.questions == 3 for r in found.rounds[1:])
    assert found.questions == sum(r.questions for r in found.rounds) == found.replies
    left = [r.residual for r in found.rounds]
    assert all(value is not None for value in left)
    if found.stopped == "the held-out residual no longer fell":
        before, last = left[-2], left[-1]
        assert before is not None
        assert last is not None
        assert last > before - 0.01
    else:
        assert found.stopped in (
            "it had been asked as often as was allowed",
            "the held-out residual reached 0.2",
        )


def test_the_second_run_asks_nothing(
    both: tuple[list[Image.Image], list[Image.Image]], encoder: Embedded, tmp_path: Path
) -> None:
    asked = []

    def said(question: Question) -> str:
        asked.append(question)
        return SAYS[0]

    run = Run.create(tmp_path / "run")
    run.save_record({"options": {}})
    first = looked(both, encoder, Scripted(said), run).explanation
    n = len(asked)
    assert n >= 6
    second = looked(both, encoder, Scripted(said), Run(tmp_path / "run")).explanation
    assert len(asked) == n
    assert second.discovery == first.discovery


class Failing:
    """A model that is never there."""

    name, revision, concurrency, notice = "failing", "1", 2, None

    def ask(self, question: Question) -> Reply:  # noqa: ARG002
        raise NoReplyError("The server was busy.")


def drawn(shift: int, n: int = 8) -> list[Image.Image]:
    pictures = []
    for i in range(n):
        noise = np.random.default_rng(i).integers(0, 100, (8, 8, 3))
        noise[..., 0] += shift
        pictures.append(Image.fromarray(noise.astype(np.uint8)))
    return pictures


def test_a_model_that_never_answers_is_no_explanation() -> None:
    with pytest.raises(NoReplyError, match="failing answered none of 6 questions"):
        explain(drawn(0), drawn(90), encoder=FakeEncoder(), vlm=Failing())


def test_a_model_that_names_nothing_is_no_explanation() -> None:
    prose = "The second set of images is overall much more beautiful than the first one."
    with pytest.raises(FinexlError, match=r"None of the 6 replies of scripted names a concept \("):
        explain(drawn(0), drawn(90), encoder=FakeEncoder(), vlm=Scripted([prose]))


def test_embeddings_cannot_be_looked_at() -> None:
    rows = np.random.default_rng(0).normal(size=(8, 8)).astype(np.float32)
    with pytest.raises(UsageError, match="looks at pictures, and only embeddings"):
        explain(rows, rows + 1, encoder=FakeEncoder(), vlm=Scripted(["vivid"]))


def test_a_pool_of_proposals_alone() -> None:
    found = explain(
        drawn(0),
        drawn(90),
        encoder=FakeEncoder(),
        vlm=Scripted(["- red\n- warm"]),
        vocabulary="none",
    )
    assert found.pool.size == 2
    assert found.pool.sources == ("proposed by scripted",)


def test_unpaired_sets_can_be_looked_at_too() -> None:
    found = explain(
        drawn(0, 44)[:22],
        drawn(90, 44)[22:],
        encoder=FakeEncoder(),
        vlm=Scripted(["- red\n- warm"]),
        pairing="none",
    )
    assert found.discovery is not None
    assert (found.base.n_images, found.personalized.n_images) == (11, 11)
    assert found.discovery.pairs == 11
    assert any("22 of the 44 images" in warning for warning in found.warnings)


def test_what_is_excluded_is_not_proposed_either() -> None:
    found = explain(
        drawn(0),
        drawn(90),
        encoder=FakeEncoder(),
        vlm=Scripted(["- red\n- warm\n- hot"]),
        exclude=["Warm"],
        drop=["HOT"],
    )
    assert found.discovery is not None
    assert {p.concept for p in found.discovery.concepts} == {"red", "hot"}
    assert {d.concept for d in found.discovery.removed} == {"warm"}
    assert not any("does nothing" in warning for warning in found.warnings)


def test_unrelated_phrases_are_not_supported(
    both: tuple[list[Image.Image], list[Image.Image]],
    encoder: Embedded,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    phrases = [phrase for phrase in distractors()[::2] if len(phrase.split()) < 4]
    # no phrase is its own null
    monkeypatch.setattr("finexl.measure.distractors", lambda: distractors()[1::2])
    said = [f'{{"more": {list(phrases[i : i + 10])}}}'.replace("'", '"') for i in range(0, 100, 10)]
    options = Options(inquiry=Inquiry(rounds=10, again=0))
    found = looked(both, encoder, Scripted(said), options=options).explanation.discovery
    assert found is not None
    assert len(found.concepts) >= 80
    supported = [p for p in found.concepts if p.supported]
    assert len(supported) <= 0.1 * len(found.concepts)
