"""The explanation as a section to paste into a model card (GitHub-flavoured Markdown)."""

from __future__ import annotations

import re

from finexl.explanation import Aspect, Explanation
from finexl.report import numbers, wording

HEADING = "## What this model changes (FineXL)"
_COLUMNS = ("Change", "Aspect", "Score", "95 % interval", "Effect", "Share", "q", "Significant")
_ALIGN = ("---", "---", "---:", "---:", "---:", "---:", "---:", "---")

# Entities where a backslash would itself be structure (tables, HTML, code); they cannot open any.
_ENTITIES = {c: f"&#{ord(c)};" for c in "|\\`@"} | {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_ESCAPES = str.maketrans(_ENTITIES | {c: "\\" + c for c in "*_[]{}~$#!"})
_LIST_OR_RULE = re.compile(r"^(\d+(?=[.)](?:\s|$))|(?=[-+]))")
_AUTOLINK = re.compile(r"(?i)(https?|ftp|mailto|xmpp|www)([:.])")


def render_markdown(explanation: Explanation) -> str:
    """Return the section, ending in a newline; user text in it is shown literally."""
    names = f"{explanation.personalized.name} compared with {explanation.base.name}"
    blocks = [
        HEADING,
        escape(f"{names} ({wording.compared(explanation)}). {wording.verdict(explanation)}."),
        escape(" ".join(explanation.sentences)),
        _table(explanation),
        escape(f"{wording.unexplained(explanation)}."),
        escape(" ".join(wording.proposed(explanation))),
        "### How it was measured",
        "\n".join(f"- {name}: {escape(value)}" for name, value in wording.measured(explanation)),
        *(f"> **Note:** {escape(warning)}" for warning in explanation.warnings),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def escape(text: str) -> str:
    """Return `text` as Markdown that reads as `text`: no markup, HTML, link, mention or cell."""
    marked = wording.plain(text).strip().translate(_ESCAPES)
    unlinked = _AUTOLINK.sub(lambda found: f"{found[1]}&#{ord(found[2])};", marked)
    return _LIST_OR_RULE.sub(r"\1\\", unlinked)


def _table(explanation: Explanation) -> str:
    if not wording.groups(explanation):
        return ""
    rows: list[tuple[str, ...]] = [_COLUMNS, _ALIGN]
    rows += [_row("more", aspect) for aspect in explanation.aspects]
    rows += [_row("less", aspect) for aspect in explanation.less]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _row(change: str, aspect: Aspect) -> tuple[str, ...]:
    texts = (
        change,
        aspect.concept,
        numbers.score(aspect.score),
        numbers.interval(aspect.ci),
        numbers.score(aspect.effect),
        numbers.percent(aspect.share),
        numbers.p_value(aspect.q_value),
        wording.SIGNIFICANCE[aspect.significant],
    )
    return tuple(escape(text) for text in texts)
