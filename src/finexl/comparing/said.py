"""Comparisons in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from finexl.comparing.number import Number
from finexl.concepts.vocabulary import Concept, comparative
from finexl.report import numbers

if TYPE_CHECKING:
    from finexl.comparing.alike import Alike
    from finexl.comparing.series import Learned, Series
    from finexl.comparing.stacks import Part, Stack


def more_of(concept: Concept) -> str:
    """Return "is more vivid", "has more film grain", "is more like an oil painting"."""
    verb = "has" if concept.form in ("mass", "free") else "is"
    phrase = comparative(concept, "", True)
    return f"{verb} {phrase[0].lower()}{phrase[1:]}"


def amount(number: Number) -> str:
    """Return "+0.42 (95% CI 0.30 to 0.54)"."""
    return signed(number) + certainty(number)


def signed(number: Number) -> str:
    """Return "+0.42" or "−0.42"."""
    value = numbers.score(number.value)
    return value if value.startswith("−") else f"+{value}"


def certainty(number: Number) -> str:
    """Return " (95% CI 0.30 to 0.54)"."""
    return "" if number.ci is None else f" (95% CI {numbers.interval(number.ci)})"


def percent(value: float | None) -> str:
    """Return "18%"."""
    return numbers.percent(value).replace(" %", "%")


def about_alike(pair: Alike) -> str:
    """Say whether two models are the same."""
    both = " and ".join(pair.models)
    most = percent(pair.at_most)
    return {
        "identical": f"{both} are duplicates: their images are the same, byte for byte.",
        "same within noise": f"{both} are the same within noise; differences of up to {most} of "
        "the smaller change cannot be excluded.",
        "nearly the same": f"{both} are nearly the same: they differ by more than chance, and by "
        f"{most} of the smaller change at most.",
        "different": f"{both} differ (q {numbers.p_value(pair.q_value)}).",
        "untold": f"Whether {both} are the same cannot be told"
        + (f": they may differ by {most} of the smaller change." if pair.at_most else "."),
    }[pair.verdict]


def about_series(series: Series) -> tuple[str, ...]:
    """Say when each aspect comes, and where over-training sets in or which strengths are usable."""
    coming = [_when(one, series.kind) for one in series.learned if one.at is not None]
    ending = _training(series) if series.kind == "step" else _usable(series)
    return (*coming, *ending)


def _when(one: Learned, kind: str) -> str:
    if one.half_at is None or one.half_ci is None:
        return f"“{one.concept.text}” is significant at {kind} {one.at:g}, and not at the end."
    said = f"“{one.concept.text}” is significant from {kind} {one.at:g} on"
    ends = " to ".join(f"{end:.3g}" for end in one.half_ci)
    return (
        f"{said}, and has half of what it ends at ({signed(one.end)}) at {kind} {one.half_at:.3g} "
        f"(95% CI {ends})."
    )


def _training(series: Series) -> Iterator[str]:
    last = series.points[-1]
    found = series.onset
    if found is not None:
        signs = []
        if found.grows:
            signs.append(f"movement beside them grows by {percent(found.beside.value)}")
        if found.falls and found.lost is not None:
            signs.append(f"prompt faithfulness falls by {percent(-found.lost.value)} of the base's")
        yield (
            f"Over-training sets in at step {series.at(found.index):g}: from there to step "
            f"{last.at:g} the aspects' effects grow by a tenth at most, while "
            f"{' and '.join(signs)}."
        )
    elif series.flat_from is not None:
        yield (
            f"The aspects' effects are flat from step {series.flat_from:g} on, and nothing says "
            f"that over-training sets in by step {last.at:g}."
        )
    elif last.aspects is None:
        yield "No aspect is certain at the last step, so that nothing can be said of over-training."
    else:
        yield (
            f"By step {last.at:g} the aspects' effects are not certain to have become flat: no "
            "sign of over-training."
        )


def _usable(series: Series) -> Iterator[str]:
    found = series.range
    if found is None or found.first is None:
        tested = any(point.detected is not None for point in series.points)
        yield (
            "No strength is certain to change anything."
            if tested
            else "There are too few pairs to tell at which strength a change shows."
        )
        return
    first, last = series.at(found.first), series.at(found.last)
    signs = []
    if found.damaged is not None:
        point = series.points[found.damaged]
        kept = point.faithfulness
        assert kept is not None  # or nothing could be damaged
        signs.append(f"at strength {point.at:g} {_kept(kept)}")
    if found.jumped is not None:
        point = series.points[found.jumped]
        part = point.unexplained.value if point.unexplained else None
        signs.append(f"at strength {point.at:g} the unexplained part jumps to {percent(part)}")
    why = f": {' and '.join(signs)}" if signs else ""
    if found.empty:
        yield f"No strength is usable{why}, where the change shows first."
    elif last is None:
        yield (
            f"The change shows from strength {first:g} on; up to which strength it is usable "
            "cannot be told without prompt faithfulness."
        )
    elif signs:
        yield f"Usable from strength {first:g} to {last:g}{why}."
    else:
        yield f"Usable from strength {first:g} to {last:g}, the largest here, and perhaps beyond."
    if last is not None and not found.empty and found.last is not None:
        kept = series.points[found.last].faithfulness
        if kept is None:
            yield "Whether prompts are followed as far as that is not known."
        elif kept.ci is not None and kept.ci[0] < 1.0 - series.tolerance:
            yield (
                f"At strength {last:g} {_kept(kept)}: a loss of more than "
                f"{percent(series.tolerance)} is not certain there, and not excluded."
            )


def _kept(number: Number) -> str:
    said = f"images keep {percent(number.value)} of the base's prompt faithfulness"
    if number.ci is None:
        return said
    return f"{said} (95% CI {percent(number.ci[0])} to {percent(number.ci[1])})"


def about_stack(stack: Stack) -> Iterator[str]:
    """Say what each part contributes, and whether that adds up."""
    for part in stack.parts:
        yield f"{part.name} {_contributes(stack, part)}."
    rest = stack.rest
    if rest.share is None or len(stack.parts) == 1:
        return
    if rest.share.significant:
        yield (
            f"The parts do not add up: {percent(rest.share.value)} of the stack's change "
            f"is left beside their contributions{_along(stack, rest)}."
        )
    else:
        most = rest.share.ci[1] if rest.share.ci else None
        yield (
            "The parts are not seen to act on each other; what does not add up is at most "
            f"{percent(most)} of the stack's change."
        )


def _contributes(stack: Stack, part: Part) -> str:
    certain = [
        f"“{concept.text}” {amount(effect)}"
        for concept, effect in sorted(
            zip(stack.concepts, part.effects, strict=True), key=lambda of: -abs(of[1].value)
        )
        if effect.significant
    ]
    if part.share is None:
        return "cannot be tested"
    if not part.share.significant and not certain:
        return "contributes nothing that could be told from chance"
    long = f"contributes {percent(part.share.value)} of the stack's change in length"
    return f"{long}: {', '.join(certain)}" if certain else long


def _along(stack: Stack, rest: Part) -> str:
    named = [
        f"“{concept.text}” {amount(effect)}"
        for concept, effect in zip(stack.concepts, rest.effects, strict=True)
        if effect.significant
    ]
    return f" ({', '.join(named)})" if named else ""
