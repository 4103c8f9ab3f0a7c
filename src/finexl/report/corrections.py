"""What a correction did to an explanation, and what taking an aspect away would do."""

from __future__ import annotations

from collections.abc import Sequence

from finexl.explanation import Aspect, Explanation
from finexl.report import numbers, wording
from finexl.whatif import Moved, WhatIf


def changes(before: Explanation, after: Explanation) -> tuple[str, ...]:
    """Return lines that say how scores and residual moved from one fit of a run to the next."""
    old, new = _by_concept(before), _by_concept(after)
    lines = []
    for concept in dict.fromkeys((*new, *old)):
        was, now = _score(old.get(concept)), _score(new.get(concept))
        if was != now:
            lines.append(f"  {wording.plain(concept)}: {was} → {now}")
    left = [numbers.percent(e.residual) for e in (before, after)]
    in_sample = [numbers.percent(e.residual_in_sample) for e in (before, after)]
    if not lines and left[0] == left[1] and in_sample[0] == in_sample[1]:
        return ("", "Nothing changed since this run was fitted last.")
    return (
        "",
        "Since this run was fitted last:",
        *lines,
        f"  unexplained: {left[0]} → {left[1]} (in sample {in_sample[0]} → {in_sample[1]})",
    )


def render_what_if(found: WhatIf) -> str:
    """Return the text: what is left, how effects move, which pairs change most."""
    way = "more" if found.more else "less"
    concept = wording.plain(found.concept)
    left = found.norm_after / found.norm_before if found.norm_before > 0 else None
    lines = [
        f"Without the part that is {way} {concept}, {numbers.percent(left)} of the change's length "
        "would be left.",
        "",
        "Effect of each aspect, before → after:",
        *_moves(found.aspects),
        "Largest effects of other candidates in what is left:",
        *_moves(found.next),
    ]
    if found.pairs:
        lines += ["", f"Pairs with most of it ({way} {concept}), which would change most:"]
        lines += [
            f"  {numbers.score(pair.by)}  {wording.plain(pair.caption)}" for pair in found.pairs
        ]
    if found.tried:
        lines += ["", "Tried on these pairs, the aspect's mean score:"]
        lines += [
            f"  {wording.plain(t.how)} ({t.pairs} pairs): {numbers.score(t.before)} → "
            f"{numbers.score(t.observed)} (predicted {numbers.score(t.predicted)})"
            for t in found.tried
        ]
    lines += [
        "",
        "The effects are arithmetic on the measured change: how a model takes being told so is its "
        "own matter.",
    ]
    return "\n".join(lines)


def _moves(moved: Sequence[Moved]) -> list[str]:
    return [
        f"  {wording.plain(m.concept)}: {numbers.score(m.before)} → {numbers.score(m.after)}"
        for m in moved
    ]


def _by_concept(explanation: Explanation) -> dict[str, Aspect]:
    return {aspect.concept: aspect for aspect in (*explanation.aspects, *explanation.less)}


def _score(aspect: Aspect | None) -> str:
    return "not listed" if aspect is None else numbers.score(aspect.score)
