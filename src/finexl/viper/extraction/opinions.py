"""What somebody thinks of each attribute that they name: a number in [-3, 3], or both ways.

The nearest praise or blame of the clause counts, turned round by "not", softened by hedges; wishes
say what is missing and what is too much. A clause without any takes the opinion of the one before
it, or its opposite behind a "but"; words that are praise or blame in themselves count as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from finexl.viper.extraction.clauses import Clause
from finexl.viper.extraction.cues import Cue, prior
from finexl.viper.extraction.mentions import Mention

_MODALS = frozenset(("would", "might", "could"))
_BETTER = frozenset(("more", "better", "nicer", "stronger", "improve", "improved"))
_THINKING = frozenset(("think", "find", "feel", "say", "call", "believe", "consider"))
"""Behind a "not" they hand it on: "I don't think the colors are dull"."""
_LESS_SO = (("less", "so"), ("not", "so", "much"), ("not", "as", "much"))
"""Behind a mention: the opinion just said does not hold for it."""
CARRIED = 0.7
"""How much of an opinion holds for the next clause."""
OPPOSED = 0.5
"""How much of it a "but" turns round."""
LEAST = 0.4
"""An opinion weaker than this is none."""
WISHED = 1.5
"""How much is liked what is missing."""
_UNDECIDED = 0.7
_SAYS_SOMETHING = 2.0
"""The least that a word alone ("boring") has to say of a clause without praise or blame."""
_NOT_REACHES = 4
_THINKING_REACHES = 4
"""How much further, where it is said of what somebody thinks."""
ELSEWHERE = -1.5
"""What is thought of this picture where another is preferred."""
_TOO_REACHES = 3
_WISH_REACHES = 10


@dataclass(frozen=True)
class Judged:
    """A mention and what is thought of it."""

    mention: Mention
    clause: Clause
    value: float
    """In [-3, 3]: liked above 0."""
    both: bool = False
    """Praise and blame at once: "unsettling and nice"."""
    missing: bool = False
    """It would be liked, and is not there: "could use more contrast"."""
    amount: bool = False
    """It is about how much there is, too much or too little."""


@dataclass(frozen=True)
class Praise:
    """An opinion at a place: blame where it is negative."""

    start: int
    value: float
    turned: bool = False
    """A "not" was heeded."""


def judge(
    words: Sequence[str], parts: Sequence[Clause], cues: Sequence[Cue], mentions: Sequence[Mention]
) -> tuple[list[Judged], float]:
    """Return what is thought of each mention, and of the picture as a whole.

    Args:
        words: the comment's, as compared.
        parts: its clauses.
        cues: its cues.
        mentions: its mentions.
    """
    held = [_praises(words, clause, cues, mentions) for clause in parts]
    own = _own(words, parts, held, cues, mentions)
    around = [_context(parts, own, cues, i) for i in range(len(parts))]
    found = [
        _judged(words, clause, praises, context, cues, mention)
        for clause, praises, context in zip(parts, held, around, strict=True)
        for mention in mentions
        if clause.start <= mention.start < clause.end
    ]
    return found, _clipped(sum(own))


def tempers(
    words: Sequence[str], parts: Sequence[Clause], cues: Sequence[Cue], mentions: Sequence[Mention]
) -> list[float]:
    """Return what each clause thinks of whatever it speaks of, in [-3, 3]; 0 where none can tell.

    Arguments as in `judge`.
    """
    held = [_praises(words, clause, cues, mentions) for clause in parts]
    own = _own(words, parts, held, cues, mentions)
    return [value or _context(parts, own, cues, i)[0] for i, value in enumerate(own)]


def _own(
    words: Sequence[str],
    parts: Sequence[Clause],
    held: Sequence[Sequence[Praise]],
    cues: Sequence[Cue],
    mentions: Sequence[Mention],
) -> list[float]:
    """Return what each clause itself says."""
    return [
        ELSEWHERE
        if _has(cues, clause, "elsewhere")
        else _clipped(sum(p.value for p in praises) or _implied(words, clause, cues, mentions))
        for clause, praises in zip(parts, held, strict=True)
    ]


def _praises(
    words: Sequence[str], clause: Clause, cues: Sequence[Cue], mentions: Sequence[Mention]
) -> list[Praise]:
    """Return the clause's praise and blame, negation, degree and sarcasm seen to."""
    inside = [c for c in cues if clause.start <= c.start < clause.end]
    named = {i for m in mentions if m.attribute is not None for i in range(m.start, m.end)}
    sarcastic = any(cue.kind == "sarcasm" for cue in inside)
    found = []
    for cue in inside:
        if cue.start in named and cue.kind != "excess":
            continue
        if cue.kind == "sarcasm":
            found.append(Praise(cue.start, -2.0))
        elif cue.kind == "elsewhere":
            found.append(Praise(cue.start, cue.value))
        elif cue.kind in ("opinion", "content"):
            value = cue.value
            for other in inside:
                near = 0 < cue.start - other.end + 1 <= 3
                if near and other.kind in ("stronger", "weaker"):
                    value *= other.value
            turned = _is_negated(words, cue.start, clause, inside)
            if turned:
                value = -0.75 * value if value > 0 else -0.4 * value
            elif any(c.kind == "excess" and 0 <= cue.start - c.end <= 1 for c in inside):
                value = -abs(value)
            if sarcastic and value > 0:
                value = -value
            found.append(Praise(cue.start, value, turned))
        elif cue.kind == "excess":
            negated = _is_negated(words, cue.start, clause, inside)
            found.append(Praise(cue.start, 0.5 if negated else cue.value))
    return found


def _judged(
    words: Sequence[str],
    clause: Clause,
    praises: Sequence[Praise],
    around: tuple[float, bool],
    cues: Sequence[Cue],
    mention: Mention,
) -> Judged:
    """Return what is thought of one mention."""
    inside = [c for c in cues if clause.start <= c.start < clause.end]
    context, is_before = around
    already = prior(tuple(words[mention.start : mention.end]))
    negated = _is_negated(words, mention.start, clause, inside)

    def thought(
        value: float, *, both: bool = False, missing: bool = False, amount: bool = False
    ) -> Judged:
        return Judged(mention, clause, _clipped(value), both, missing, amount)

    wish = _wish(inside, mention, praises)
    if wish is not None:
        return thought(-wish if negated else wish, missing=(wish > 0) != negated, amount=True)
    if words[mention.end : mention.end + 1] == ["enough"]:
        return thought(WISHED, missing=negated)
    too = [c for c in inside if c.kind == "excess" and 0 <= mention.start - c.end < _TOO_REACHES]
    if too:
        if _is_negated(words, too[0].start, clause, inside):  # "I don't think" defends it
            defended = context < 0 or _THINKING.intersection(words[clause.start : too[0].start])
            return thought(1.0 if defended else -1.0, amount=True)
        return thought(-2.0, amount=True)
    behind = tuple(words[mention.end : mention.end + 3])
    if any(behind[: len(said)] == said for said in _LESS_SO):
        return thought(-OPPOSED * (_nearest(praises, mention) if praises else context))
    if _has(cues, clause, "elsewhere") and mention.attribute is None:
        return thought(ELSEWHERE)  # the other picture's colors are liked, not this one's
    if praises:
        value = _nearest(praises, mention)
        if _is_what_another_is_preferred_to(words, clause, mention):
            return thought(-abs(value))
        if value > 0 and _is_imagined(words, clause):
            return thought(WISHED, missing=True)
        both = abs(already) >= 1 and already * value < 0 and _are_joined(words, mention, praises)
        again = negated and already >= 0 and not any(praise.turned for praise in praises)
        return thought(-value if again else value, both=both)
    if negated:  # "it is not boring" is blame for boring still
        return thought(already if abs(already) >= 1 else -context)
    if is_before and abs(already) >= _SAYS_SOMETHING:  # says more than what was said of others
        context *= OPPOSED
    value = (context + already) * _hedged(inside, mention)
    return thought(value, both=context * already < 0 and abs(value) < _UNDECIDED)


def _context(
    parts: Sequence[Clause],
    own: Sequence[float],
    cues: Sequence[Cue],
    at: int,
) -> tuple[float, bool]:
    """Return what a clause without an opinion takes over, and whether it was said before it."""
    here = parts[at]
    if here.concessive and at + 1 < len(parts) and own[at + 1]:
        return -OPPOSED * own[at + 1], False
    behind_although = at > 0 and parts[at - 1].concessive and not here.contrast
    if (here.contrast or behind_although) and at > 0 and own[at - 1]:
        return -OPPOSED * own[at - 1], False
    for i in range(at - 1, -1, -1):
        clause = parts[i]
        if any(c.kind == "torn" and clause.start <= c.start < clause.end for c in cues):
            return 0.0, False
        if own[i]:
            return CARRIED * own[i], True
    following = (CARRIED * own[i] for i in range(at + 1, len(parts)) if own[i])
    return next(following, 0.0), False


def _implied(
    words: Sequence[str], clause: Clause, cues: Sequence[Cue], mentions: Sequence[Mention]
) -> float:
    """Return what a clause without praise or blame lets on by the attributes that it names."""
    inside = [c for c in cues if clause.start <= c.start < clause.end]
    said = [
        (-0.4 if _is_negated(words, m.start, clause, inside) else 0.7) * value
        for m in mentions
        if clause.start <= m.start < clause.end
        and abs(value := prior(tuple(words[m.start : m.end]))) >= _SAYS_SOMETHING
    ]
    wishes = [0.5 * -abs(c.value) for c in inside if c.kind in ("wish", "spare")]
    return sum(said) + sum(wishes)


def _has(cues: Sequence[Cue], clause: Clause, kind: str) -> bool:
    return any(c.kind == kind and clause.start <= c.start < clause.end for c in cues)


def _hedged(inside: Sequence[Cue], mention: Mention) -> float:
    """Return what is left of an opinion that only the mention itself says: "a bit dull"."""
    near = (c for c in inside if c.kind == "weaker" and 0 <= mention.start - c.end < 2)
    return next((c.value for c in near), 1.0)


def _nearest(praises: Sequence[Praise], mention: Mention) -> float:
    """Return the opinion that a mention is the object of."""
    signs = {praise.value > 0 for praise in praises}
    if len(signs) == 1:
        return _clipped(sum(praise.value for praise in praises))

    def away(praise: Praise) -> tuple[int, float]:
        before = praise.start < mention.start
        gap = mention.start - praise.start if before else praise.start - mention.end + 1
        return gap, -abs(praise.value)

    return min(praises, key=away).value


def _wish(inside: Sequence[Cue], mention: Mention, praises: Sequence[Praise]) -> float | None:
    """Return the wish that stands before a mention, nearer than any opinion."""
    wishes = [
        c for c in inside
        if c.kind in ("wish", "spare") and 0 <= mention.start - c.end < _WISH_REACHES
    ]  # fmt: skip
    if not wishes:
        return None
    last = wishes[-1]
    if any(last.end <= p.start < mention.start and abs(p.value) > 1.6 for p in praises):
        return None
    return last.value


def _is_negated(words: Sequence[str], at: int, clause: Clause, inside: Sequence[Cue]) -> bool:
    """Whether a "not" stands shortly before, and nothing that it would be about in between."""
    for cue in reversed(inside):
        thinking = bool(_THINKING.intersection(words[cue.end : cue.end + 1]))
        reach = _NOT_REACHES + (_THINKING_REACHES if thinking else 0)
        if cue.kind != "not" or not 0 <= at - cue.end < reach:
            continue
        between = [c for c in inside if cue.end <= c.start < at]
        if any(c.kind in ("opinion", "wish", "spare") for c in between):
            return False
        return "," not in words[max(cue.end, clause.start) : at]
    return False


def _is_what_another_is_preferred_to(
    words: Sequence[str], clause: Clause, mention: Mention
) -> bool:
    before = list(words[clause.start : mention.start])
    after = before[before.index("prefer") :] if "prefer" in before else []
    return bool({"over", "to"}.intersection(after))


def _is_imagined(words: Sequence[str], clause: Clause) -> bool:
    """Whether praise is of what is not there: "would be more powerful with rays of light"."""
    inside = words[clause.start : clause.end]
    return bool(_MODALS.intersection(inside) and _BETTER.intersection(inside))


def _are_joined(words: Sequence[str], mention: Mention, praises: Sequence[Praise]) -> bool:
    """Whether praise and an attribute are said in one breath: "unsettling and nice"."""
    for praise in praises:
        first, last = sorted((mention.start, praise.start))
        between = words[first + 1 : last]
        if len(between) <= 3 and {"and", "yet", "but"}.intersection(between):
            return True
    return False


def _clipped(value: float) -> float:
    return max(-3.0, min(3.0, value))
