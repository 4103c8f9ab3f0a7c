"""What a search finds, and its sentences."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from finexl.catalog.wishes import Wish
from finexl.explanation import rounded

SCHEMA = "finexl.search/1"


@dataclass(frozen=True)
class Reason:
    """What a model has of one wish."""

    wish: str
    concept: str
    effect: float
    """⟨V_div, f(C)/‖f(C)‖⟩ / r."""
    ci: tuple[float, float] | None
    """95 %; None where the explanation keeps no pairs, or has too few."""
    agreement: float
    """In (−1, 1): 1 all that was wished, −1 the opposite."""
    part: float
    """Of the match: the parts of all wishes add up to it."""
    specific: bool
    """The model moves further along the concept than along 95 % of unrelated phrases."""
    sentence: str


@dataclass(frozen=True)
class Hit:
    """A model, and how it matches."""

    name: str
    match: float
    """In (−1, 1), the weighted mean of the agreements; of likeness: the cosine, in [−1, 1]."""
    ci: tuple[float, float] | None
    """95 %."""
    detected: bool | None
    """Whether the model differs from its base at all; None: too few pairs to tell."""
    reasons: tuple[Reason, ...]


@dataclass(frozen=True)
class Found:
    """Models, best first."""

    results: tuple[Hit, ...]
    searched: int
    """Models that were ranked."""
    warnings: tuple[str, ...]

    def by_weight(self) -> Found:
        """Return the same with each model's reasons in the order of what they weigh."""
        sorted_ = [
            replace(hit, reasons=tuple(sorted(hit.reasons, key=lambda r: -abs(r.part))))
            for hit in self.results
        ]
        return replace(self, results=tuple(sorted_))

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object, `finexl.search/1`, floats rounded to 6 digits."""
        results = [
            {
                "model": hit.name,
                "match": hit.match,
                "ci": hit.ci,
                "detected": hit.detected,
                "reasons": [vars(reason) for reason in hit.reasons],
            }
            for hit in self.results
        ]
        found = {
            "schema": SCHEMA,
            "results": results,
            "searched": self.searched,
            "warnings": self.warnings,
        }
        data: dict[str, Any] = rounded(found)
        return data


def sentence(wish: Wish, effect: float, ci: tuple[float, float] | None, specific: bool) -> str:
    """Say what a model has of a wish: "More vivid, as wished: +0.71 (95% CI 0.62 to 0.80)."."""
    number = f"{effect:+.2f}".replace("-", "−")
    if ci is not None:
        number += f" (95% CI {ci[0]:.2f} to {ci[1]:.2f})".replace("-", "−")
    if not specific:
        said = f"Nothing of “{wish.concept}” that unrelated words do not show as well"
    elif ci is not None and ci[0] <= 0 <= ci[1]:
        said = f"No change in “{wish.concept}” that could be told from none"
    else:
        amount = "More" if effect > 0 else "Less"
        towards = effect * wish.direction
        manner = "against the wish"
        if towards > 0:
            manner = "as wished" if towards >= wish.enough else "but less than is enough"
        said = f"{amount} “{wish.concept}”, {manner}"
    return f"{said}: {number}."
