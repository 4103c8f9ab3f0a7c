"""An explanation in words: "Much more vivid (0.71, 95% CI 0.62 to 0.80)."

How much is graded by the size of the score, whose unit is the encoder's r:

    |score| < 0.1         barely
    0.1 ≤ |score| < 0.25  slightly
    0.25 ≤ |score| < 0.6  moderately
    0.6 ≤ |score|         much
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from finexl.concepts.vocabulary import Concept, comparative
from finexl.core.significance import ALPHA
from finexl.explanation import Aspect, Divergence
from finexl.report import numbers

SLIGHT = 0.1
MODERATE = 0.25
MUCH = 0.6


def degree(score: float) -> str:
    """Return the grade of a score."""
    size = abs(score)
    if size < SLIGHT:
        return "Barely"
    return "Slightly" if size < MODERATE else "Moderately" if size < MUCH else "Much"


def write_sentences(
    divergence: Divergence,
    aspects: Sequence[Aspect],
    less: Sequence[Aspect],
    residual: float | None,
    concepts: Mapping[str, Concept],
) -> tuple[str, ...]:
    """Say what was found, what of it is certain, and how much is left unexplained.

    Args:
        divergence: V_div and its test.
        aspects: what there is more of.
        less: what there is less of.
        residual: what is left, in [0, 1].
        concepts: the candidates by their text, for how each is said.
    """
    if divergence.norm == 0:
        return ("No difference: the encoder sees the two sets as identical.",)
    found = sorted((*aspects, *less), key=lambda aspect: -abs(aspect.score))
    if divergence.detected is None:
        opening = "Too few to test; what follows describes these images only."
        return (opening, *(_graded(aspect, concepts) for aspect in found))
    certain = [aspect for aspect in found if aspect.significant]
    if certain:
        others = [
            f"{_plain(aspect, concepts)[:-1]}: {why_not(aspect)})"
            for aspect in found
            if not aspect.significant
        ]
        listed = (f"Not significant: {'; '.join(others)}.",) if others else ()
        return (*(_graded(aspect, concepts) for aspect in certain), *listed, *_left(residual))
    opening = (
        "There is a difference, but no concept is certain to explain it."
        if divergence.detected
        else f"No difference detected beyond chance (p = {numbers.p_value(divergence.p_value)})."
    )
    guess = (f"Best guess, not significant: {_plain(found[0], concepts)}.",) if found else ()
    return (opening, *guess)


def _graded(aspect: Aspect, concepts: Mapping[str, Concept]) -> str:
    words = comparative(concepts[aspect.concept], degree(aspect.score), aspect.score > 0)
    interval = "" if aspect.ci is None else f", 95% CI {numbers.interval(aspect.ci)}"
    return f"{words} ({numbers.score(aspect.score)}{interval})."


def why_not(aspect: Aspect) -> str:
    """Say what keeps a confirmed aspect from being significant."""
    if aspect.significant is None:
        return "not tested on images that it was not chosen by"
    if aspect.q_value is not None and aspect.q_value > ALPHA:
        return "may be chance"
    if not aspect.specific:
        return "unrelated phrases fit as well"
    return "its interval holds 0"


def _plain(aspect: Aspect, concepts: Mapping[str, Concept]) -> str:
    words = comparative(concepts[aspect.concept], "", aspect.score > 0)
    return f"{words[0].lower()}{words[1:]} ({numbers.score(aspect.score)})"


def _left(residual: float | None) -> tuple[str, ...]:
    if residual is None:
        return ()
    if residual == 0:
        return ("How much these words leave unexplained is lost in the noise.",)
    left = numbers.percent(residual).replace(" %", "%")
    return (f"These words leave {left} of the change's length unexplained.",)
