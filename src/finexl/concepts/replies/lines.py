"""A reply without JSON: headings, bullets, tables, or nothing but phrases."""

from __future__ import annotations

import re

from finexl.concepts.replies import reasons as why
from finexl.concepts.replies.headings import DEFAULT, Context, heading
from finexl.concepts.replies.judge import MAX_LINE, Judge, labelled
from finexl.concepts.replies.phrases import failure

_BULLET = re.compile(
    r"\s*(?:(?:[-•–—·‣◦▪●○■□►▶➤✓✔+>]|\*(?!\*)(?=\s)|(?:\(\s?)?\d{1,3}\s?[.):\]、．]+(?!\d)"
    r"|\(?[A-Za-z][.)]|\(?[ivxIVX]{1,4}[.)]|[①-⑳])\s*(?:\[[ xX]\]\s)?)(?=[^\s])"
)
_RULE = re.compile(r"\s*(?:(?:```|~~~)\s*\w*|[-=*_~\s:+]*)\s*$")
_EMPHASIS = re.compile(r"[*`]+|(?<!\w)_+|_+(?!\w)")


def read_lines(text: str, judge: Judge) -> None:
    """Judge the items of a list; without one, a reply that is nothing but phrases."""
    lines = ["" if _RULE.match(line[:MAX_LINE]) else line for line in text.split("\n")]
    first = next((i for i, line in enumerate(lines) if _BULLET.match(line)), len(lines))
    failed = (
        failure(text[:MAX_LINE]) == why.REFUSAL
        or failure("\n".join(lines[:first])[:MAX_LINE]) is not None
    )
    reader = _Reader(judge, first < len(lines), failed)
    for line in lines:
        if judge.full:
            break
        reader.read(line)
    reader.read("")
    judge.take_together(reader.loose)


class _Reader:
    """The lines read so far: the heading they stand under, and the paragraph that is open."""

    def __init__(self, judge: Judge, bulleted: bool, failed: bool) -> None:
        self.judge, self.bulleted, self.failed = judge, bulleted, failed
        self.context = DEFAULT
        self.fresh = False  # a heading without a list yet
        self.paragraph: list[tuple[str, Context]] = []
        self.loose: list[tuple[str, Context]] = []
        self.parents: list[tuple[int, bool]] = []  # indents of bullets; whether they are concepts
        self.columns: list[Context | None] = []

    def read(self, line: str) -> None:
        bullet = _BULLET.match(line)
        body = _EMPHASIS.sub("", line[bullet.end() if bullet else 0 :]).strip(" \t#>")
        title = body.endswith((":", "：")) or line.startswith("#")
        if not line.lstrip().startswith("|"):
            self.columns = []
        elif len(line) <= MAX_LINE:
            self.row(line)
            return
        if bullet or title or not body:
            self.close()
        if not body or self.heading(body):
            return
        if bullet:
            self.fresh = False
            self.item(body, len(line) - len(line.lstrip()))
        elif title:
            self.parents = []
            self.outside(body, None)
        elif self.fresh:
            self.paragraph.append((body, self.context))
        elif self.bulleted or self.failed:
            self.outside(body, why.AROUND)
        else:
            self.loose.append((body, self.context))

    def outside(self, body: str, otherwise: str | None) -> None:
        """Refuse a line that is no item, with what it says about the reply if anything."""
        reason = self.judge.prose(body) or otherwise
        if reason:
            self.judge.refuse(body, reason)

    def close(self) -> None:
        """End the paragraph that is open."""
        if self.paragraph:
            self.judge.take_together(self.paragraph)
            self.paragraph, self.fresh = [], False

    def heading(self, body: str) -> bool:
        """Take a line that is a heading, or starts with one: "Less of: muted, flat"."""
        name, rest = labelled(body)
        # "Enhanced" alone is a word of a list
        if rest is None and " " not in name and name.casefold() not in ("more", "less", "a", "b"):
            return False
        name = name.strip("\"'“”«»")
        inner = heading(name) or heading(re.sub(r"\([^()]*\)", " ", name))
        if not inner:
            return False
        self.close()
        if rest:
            self.judge.take(rest, inner)
        self.context, self.fresh, self.parents = inner, not rest, []
        return True

    def item(self, body: str, indent: int) -> None:
        while self.parents and self.parents[-1][0] >= indent:
            self.parents.pop()
        if any(concept for _, concept in self.parents):
            return  # what stands under a concept explains it
        taken = False
        if self.failed and not self.context.said:
            # "I cannot see images, but tell me about: - colors - lighting"
            self.outside(body, why.AROUND)
        else:
            taken = self.judge.take(body, self.context)
        self.parents.append((indent, taken))

    def row(self, line: str) -> None:
        """Take a table's row: the columns whose headings name a direction."""
        cells = [_EMPHASIS.sub("", cell).strip() for cell in line.strip().strip("|").split("|")]
        if not any(map(str.isalpha, line)):
            return
        if not self.columns:
            self.columns = [heading(cell) for cell in cells]
            if not any(self.columns):
                self.judge.refuse(line, why.AROUND)
            return
        for cell, context in zip(cells, self.columns, strict=False):
            if context:
                self.judge.take(cell, context)
