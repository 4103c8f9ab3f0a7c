"""The phrases all reports share, and user text made safe to show on one line."""

from __future__ import annotations

import unicodedata

from finexl.core.significance import ALPHA
from finexl.explanation import Aspect, Explanation, Proposed
from finexl.report import numbers

MATCHED_BY = {
    "seed": "same prompt and seed",
    "prompt": "same prompt",
    "file": "same file name",
}
REVISION_LETTERS = 16
SIGNIFICANCE = {True: "significant", False: "not significant", None: "not tested"}
MEANING_OF_SIGNIFICANT = (
    "a difference is detected, held-out pairs confirm the aspect, q is at most 0.05, it fits "
    "better than unrelated phrases do, and its interval leaves out 0"
)
YES_NO = {True: "yes", False: "no", None: numbers.UNDEFINED}

# Embeddings, overrides and isolates: one of them in a name would reorder the text around it.
_BIDI_CONTROLS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
_SPACES = "\t\n\v\f\r\x85\u2028\u2029"
_NOT_SHOWN = {ord(c): None for c in _BIDI_CONTROLS} | {ord(c): " " for c in _SPACES}


_STATES = (
    "Supported by the pairs that were measured",
    "Proposed, but the pairs move the other way",
    "Proposed, not supported",
    "Proposed, not tested",
)


def plain(text: str) -> str:
    """Return `text` on one line, without control characters, lone surrogates or bidi controls."""
    spaced = text.translate(_NOT_SHOWN)
    return "".join(c for c in spaced if unicodedata.category(c) not in ("Cc", "Cs"))


def groups(explanation: Explanation) -> tuple[tuple[str, tuple[Aspect, ...]], ...]:
    """The aspects under their headings, "More of" first; a heading without aspects is left out."""
    both = (("More of", explanation.aspects), ("Less of", explanation.less))
    return tuple((heading, aspects) for heading, aspects in both if aspects)


def verdict(explanation: Explanation) -> str:
    """Say whether the difference is more than chance."""
    divergence = explanation.divergence
    if divergence.norm == 0:
        return "No difference detected: to this encoder the two sets are identical"
    if divergence.detected is None:
        things = "images" if explanation.pairing == "none" else "pairs"
        return f"Too few {things} to test"
    words = "Difference detected" if divergence.detected else "No difference detected"
    p = numbers.p_value(divergence.p_value)
    if p == numbers.UNDEFINED:
        return words
    return f"{words} (p {p})" if p.startswith("<") else f"{words} (p = {p})"


def title(explanation: Explanation) -> str:
    """Say what is compared with what, with the explanation's own name first where it has one."""
    names = f"{explanation.personalized.name} compared with {explanation.base.name}"
    same = explanation.name == explanation.personalized.name
    return names if same else f"{explanation.name}: {names}"


def compared(explanation: Explanation) -> str:
    """Say how the images of the two sets were matched, and how many there are."""
    if explanation.pairing == "none":
        base = numbers.count(explanation.base.n_images)
        return f"unpaired: {numbers.count(explanation.personalized.n_images)} against {base} images"
    pairs = "1 pair" if explanation.n_pairs == 1 else f"{numbers.count(explanation.n_pairs)} pairs"
    return f"{pairs}, {MATCHED_BY[explanation.pairing]}"


def unexplained(explanation: Explanation) -> str:
    """Say what the aspects leave over, as parts of the length of V_div."""
    if explanation.divergence.norm == 0:
        return "Unexplained: –, as there is no change to explain"
    residual, in_sample = explanation.residual, explanation.residual_in_sample
    if residual == 0:
        left = "Unexplained: lost in the noise"
    elif residual is None:
        left = f"Unexplained: {numbers.UNDEFINED}"
    else:
        left = f"Unexplained: {numbers.percent(residual)} of the change's length"
        left += f", {numbers.percent(residual**2)} beside the shares"
    if in_sample is not None:
        left += f" ({numbers.percent(in_sample)} in sample)"
    if explanation.outside is None:
        return left
    outside = numbers.percent(explanation.outside)
    return f"{left}; outside what this encoder's words can reach: {outside}"


def proposed(explanation: Explanation) -> tuple[str, ...]:
    """Say what a vision-language model proposed and what of it the pairs support, in sentences."""
    found = explanation.discovery
    if found is None:
        return ()
    named = len(found.concepts)
    opening = (
        f"{found.vlm} was shown {_counted(found.pairs, 'pair')}, answered "
        f"{numbers.count(found.replies)} of {_counted(found.questions, 'question')} and named "
        f"{_counted(named, 'concept')}; asking ended as {found.stopped}."
    )
    states = {p.concept: _state(p) for p in found.concepts}
    lines = []
    for heading in _STATES:
        concepts = [concept for concept, state in states.items() if state == heading]
        if concepts:
            lines.append(f"{heading}: {', '.join(concepts)}.")
    return (opening, *lines)


def _state(proposed: Proposed) -> str:
    supported, opposed, unsupported, untested = _STATES
    if proposed.supported is None:
        return untested
    if proposed.supported:
        return supported
    along = (proposed.alignment or 0.0) * (proposed.more - proposed.less)
    turned = proposed.q_value is not None and proposed.q_value <= ALPHA and along < 0
    return opposed if turned else unsupported


def said(more: int, less: int) -> str:
    """Say which way a model's replies point, "more" or "less" with counts where they differ."""
    if more and less:
        return f"more ({more}), less ({less})"
    return "more" if more else "less"


def _counted(n: int, noun: str) -> str:
    return f"{numbers.count(n)} {noun}{'' if n == 1 else 's'}"


def measured(explanation: Explanation) -> tuple[tuple[str, str], ...]:
    """How the numbers came about: (what, which), for whoever wants to repeat them."""
    divergence, prompts, pool = explanation.divergence, explanation.prompts, explanation.pool
    encoder = explanation.encoder
    size = numbers.length(divergence.norm)
    if divergence.noise_floor is not None:
        size += f" (scatter between prompts alone: {numbers.length(divergence.noise_floor)})"
    return (
        ("Encoder", f"{encoder.name}, revision {encoder.revision[:REVISION_LETTERS]}"),
        ("Images", compared(explanation)),
        ("Prompts", f"{numbers.count(prompts.n)} ({prompts.source})"),
        ("Candidate concepts", f"{numbers.count(pool.size)} ({', '.join(pool.sources) or '–'})"),
        ("Decomposition", explanation.decomposition),
        ("Length of the change", size),
        ("Random seed", str(explanation.seed)),
        ("FineXL", f"{explanation.finexl_version}, {explanation.created}"),
    )
