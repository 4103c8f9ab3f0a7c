"""`finexl.report(explanation)`: what a notebook shows, and saves."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from finexl.errors import UsageError
from finexl.explanation import Explanation
from finexl.files import write_atomic
from finexl.report.card import merged, read_card, read_explanation
from finexl.report.html import PairPictures, render_fragment, render_html
from finexl.report.markdown import render_markdown


@dataclass(frozen=True)
class Report:
    """An explanation to look at: the last line of a notebook's cell shows it."""

    explanation: Explanation
    pictures: PairPictures | None = None

    def save(self, path: str | Path) -> Path:
        """Write it, and return where: a page (.html), JSON (.json), or into a card (.md).

        A card keeps what is in it, as with `finexl card put`.

        Raises:
            UsageError: another ending, a path that cannot be written, or a card that cannot be
                changed.
        """
        file = Path(path)
        kind = file.suffix.lower()
        if kind == ".html":
            text = render_html(self.explanation, self.pictures)
        elif kind == ".md":
            text = merged(read_card(file), self.explanation)
        elif kind == ".json":
            text = self.explanation.to_json()
        else:
            raise UsageError(f"{file} has no ending that is known; use .html, .md or .json.")
        write_atomic(file, text)
        return file

    def _repr_html_(self) -> str:
        return render_fragment(self.explanation, self.pictures)

    def _repr_markdown_(self) -> str:
        return render_markdown(self.explanation)


def report(explanation: Explanation | str | Path, pictures: PairPictures | None = None) -> Report:
    """Return an explanation's report.

    Args:
        explanation: what `finexl.explain` returned, or the file that `finexl explain --json` wrote.
        pictures: gives the example pairs; without it there are none.

    Raises:
        UsageError: a file that is no explanation.
    """
    if not isinstance(explanation, Explanation):
        explanation = read_explanation(Path(explanation))
    return Report(explanation, pictures)
